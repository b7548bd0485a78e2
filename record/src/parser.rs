//! The loop: whole records of a block become rows of a frame.
//!
//! It must never know where the block comes from.

use correlator_frame::record::{
    Frame, INVALID_UTF8, RFC5424, Row, STRIDE, Span, TRUNCATED, UNPARSED,
};
use jiff::tz::TimeZone;

use crate::clock::{Clock, Moment};
use crate::date::Dates;
use crate::framing::{Framing, Next};
use crate::rfc5424::BYTE_ORDER_MARK;
use crate::structured::Fields;
use crate::validity::Validity;
use crate::{priority, rfc3164, rfc5424};

/// Bytes of a record that are kept if the settings don't say otherwise.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// A record of this length is taken as usual when room is made for rows.
const RECORD_BYTES_USUAL: usize = 96;
/// Bytes of a character in UTF-8 behind its first.
const CONTINUATIONS_MAX: usize = 3;

/// What the parser needs to be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The zone of times without one.
    pub zone: TimeZone,
    /// In nanoseconds since 1970-01-01T00:00:00Z: a date without a year is in the latest year such that it is not more
    /// than a day after this. Records without a time before the first that has one get this time.
    pub reference: i64,
    /// Bytes of a record that are kept; the rest is skipped and counted. A block must be able to hold this and
    /// [`Framing::slack`] bytes more, with a count's header if there are counts; if it can't, see [`Parser::cut`].
    pub record_bytes_max: usize,
}

impl Default for Settings {
    /// UTC, the epoch, [`RECORD_BYTES_MAX`].
    fn default() -> Self {
        Self { zone: TimeZone::UTC, reference: 0, record_bytes_max: RECORD_BYTES_MAX }
    }
}

/// What a call has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Where the block starts in the frame's text.
    pub start: usize,
    /// Where the block ends. Behind it stand decoded values.
    pub end: usize,
    /// Bytes of the block that are done with. The rest is the caller's, see [`Parsed::take_tail`].
    pub consumed: usize,
    /// Rows that were pushed.
    pub records: usize,
    /// Records among them that are not understood.
    pub unparsed: usize,
    /// Empty records, which get no row.
    pub blank: usize,
    /// Records that were cut.
    pub cut: usize,
    /// Records with invalid UTF-8.
    pub invalid_utf8: usize,
    /// Bytes of all records, without their frames and without what was skipped.
    pub bytes: usize,
    /// Bytes that were skipped because their records were cut.
    pub bytes_skipped: usize,
}

impl Parsed {
    /// Moves what was not consumed from the frame to the end of `tail`: the frame then holds its records and nothing
    /// else. To be called before anything else is done with the frame.
    pub fn take_tail(&self, frame: &mut Frame, tail: &mut Vec<u8>) {
        let from = self.start + self.consumed;
        tail.extend(frame.text.drain(from..self.end));
        // Only decoded values stand behind the block, and only fields point at them.
        let gap = (self.end - from) as u32;
        if gap > 0 && frame.text.len() > from {
            for span in frame.extra.chunks_exact_mut(2) {
                if span[0] as usize >= self.end && span[1] > 0 {
                    span[0] -= gap;
                }
            }
        }
    }
}

/// What is left of a record that was cut, and is to be skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skip {
    /// No record was cut.
    #[default]
    Nothing,
    /// All up to its end.
    Rest,
    /// So many bytes.
    Bytes(usize),
}

/// What a parser remembers between two calls. A parser of another run that is given it goes on as if there had been no
/// end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The time of the last record that had one, and its offset from UTC in seconds.
    pub last: Option<(i64, i32)>,
    /// What is left of a record that was cut.
    pub skip: Skip,
    /// There was no good count where one ought to be.
    pub lost: bool,
}

/// Turns bytes into records. One parser goes with one stream, since it remembers where in the stream it is.
#[derive(Clone, Debug)]
pub struct Parser {
    settings: Settings,
    dates: Dates,
    /// The time of the last record that had one; the reference, if none had.
    last: Moment,
    /// Some record had a time.
    timed: bool,
    skip: Skip,
    /// There was no good count where one ought to be.
    lost: bool,
    /// Decoded values on their way to the frame.
    decoded: Vec<u8>,
}

impl Parser {
    /// A parser at the start of a stream.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let clock = Clock::new(settings.zone.clone(), settings.reference);
        let last = Moment { time: settings.reference, zone_seconds: 0, flags: 0 };
        Self {
            dates: Dates::new(clock),
            last,
            timed: false,
            skip: Skip::Nothing,
            lost: false,
            decoded: Vec::new(),
            settings,
        }
    }

    /// Moves the reference on, in nanoseconds since 1970-01-01T00:00:00Z. A live source does so now and then.
    pub fn set_reference(&mut self, reference: i64) {
        self.settings.reference = reference;
        self.dates = Dates::new(Clock::new(self.settings.zone.clone(), reference));
        if !self.timed {
            self.last.time = reference;
        }
    }

    /// What it remembers.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let last = self.timed.then_some((self.last.time, self.last.zone_seconds));
        Memory { last, skip: self.skip, lost: self.lost }
    }

    /// Goes on where another parser of the same stream was.
    pub fn resume(&mut self, memory: Memory) {
        if let Some((time, zone_seconds)) = memory.last {
            self.last = Moment { time, zone_seconds, flags: 0 };
        }
        (self.timed, self.skip, self.lost) = (memory.last.is_some(), memory.skip, memory.lost);
    }

    /// Parses the whole records that stand in the frame's text from `start` on, up to `records_max` of them.
    ///
    /// `at_end` says that nothing follows, so that an unfinished record at the end is all that there is of it. If
    /// neither `consumed` nor `records` is more than 0 and `at_end` is not set, more bytes are needed; a record that is
    /// longer than the settings allow is cut before that, so a block of that size always moves on.
    pub fn parse(
        &mut self,
        frame: &mut Frame,
        start: usize,
        framing: &Framing,
        at_end: bool,
        records_max: usize,
    ) -> Parsed {
        self.run(frame, start, records_max, |parser, block, sink| {
            let mut at = parser.skip_rest(block, framing, at_end, sink);
            if parser.skip != Skip::Nothing {
                return at;
            }
            while at < block.len() && sink.parsed.records < records_max {
                match framing.next(&block[at..], at_end, parser.lost) {
                    Next::Record(piece) => {
                        parser.lost = piece.lost;
                        parser.record(block, at + piece.start, at + piece.end, false, sink);
                        at += piece.next;
                    }
                    Next::Partial { start, missing } => {
                        let there = block.len() - at - start;
                        if there > parser.settings.record_bytes_max + framing.slack() {
                            at = parser.cut_here(block, at + start, missing, framing, sink);
                        }
                        break;
                    }
                }
            }
            at
        })
    }

    /// Cuts the unfinished record that the block begins with, because the block can't grow: it becomes a record as far
    /// as it has come, and the rest of it is skipped by the calls that follow.
    pub fn cut(&mut self, frame: &mut Frame, start: usize, framing: &Framing) -> Parsed {
        self.run(frame, start, 1, |parser, block, sink| {
            if block.is_empty() || parser.skip != Skip::Nothing {
                return 0;
            }
            match framing.next(block, false, parser.lost) {
                Next::Record(_) => 0,
                Next::Partial { start, missing } => {
                    parser.cut_here(block, start, missing, framing, sink)
                }
            }
        })
    }

    /// Takes the text out of the frame, so that rows can be pushed while it is read, and puts it back with what was
    /// decoded behind it.
    #[inline]
    fn run(
        &mut self,
        frame: &mut Frame,
        start: usize,
        records_max: usize,
        work: impl FnOnce(&mut Self, &[u8], &mut Sink) -> usize,
    ) -> Parsed {
        let mut text = std::mem::take(&mut frame.text);
        let start = start.min(text.len());
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let block = &text[start..];
        frame.index.reserve(records_max.min(block.len() / RECORD_BYTES_USUAL) * STRIDE);
        let parsed = Parsed { start, end: text.len(), ..Parsed::default() };
        let fields = Fields { frame, decoded: &mut decoded, decoded_offset: text.len() };
        let mut sink = Sink { fields, parsed, base: start, validity: Validity::default() };
        let consumed = work(self, block, &mut sink);
        let parsed = Parsed { consumed, ..sink.parsed };
        text.extend_from_slice(&decoded);
        frame.text = text;
        self.decoded = decoded;
        parsed
    }

    /// Skips what is left of a record that was cut; where the next one begins.
    fn skip_rest(
        &mut self,
        block: &[u8],
        framing: &Framing,
        at_end: bool,
        sink: &mut Sink,
    ) -> usize {
        let (skipped, next) = match self.skip {
            Skip::Nothing => return 0,
            Skip::Bytes(left) if left > block.len() => {
                self.skip = Skip::Bytes(left - block.len());
                (block.len(), block.len())
            }
            Skip::Bytes(left) => {
                self.skip = Skip::Nothing;
                (left - usize::from(block[..left].ends_with(b"\n")), left)
            }
            Skip::Rest => match framing.rest(block, at_end) {
                Ok(piece) => {
                    (self.skip, self.lost) = (Skip::Nothing, piece.lost);
                    (piece.end, piece.next)
                }
                Err(skipped) => (skipped, skipped),
            },
        };
        sink.parsed.bytes_skipped += skipped;
        next
    }

    /// Makes a record of what has come of one and skips the rest; how far the block is done with.
    fn cut_here(
        &mut self,
        block: &[u8],
        start: usize,
        missing: Option<usize>,
        framing: &Framing,
        sink: &mut Sink,
    ) -> usize {
        self.record(block, start, block.len(), true, sink);
        if let Some(missing) = missing {
            (self.skip, self.lost) = (Skip::Bytes(missing), false);
            return block.len();
        }
        self.skip = Skip::Rest;
        // What may be the start of the trailer must be seen again with what follows.
        let again = framing.slack().min(block.len() - start - 1);
        sink.parsed.bytes_skipped = sink.parsed.bytes_skipped.saturating_sub(again);
        block.len() - again
    }

    /// Makes a row of a record, if there is anything in it. `unfinished` says that it goes on behind the block.
    #[inline]
    fn record(
        &mut self,
        block: &[u8],
        start: usize,
        end: usize,
        unfinished: bool,
        sink: &mut Sink,
    ) {
        let mut row = Row::default();
        let kept = self.kept(block, start, end);
        if kept == end && !unfinished {
            if is_blank(&block[start..end]) {
                sink.parsed.blank += 1;
                return;
            }
        } else {
            row.flags |= TRUNCATED;
            sink.parsed.cut += 1;
            sink.parsed.bytes_skipped += end - kept;
        }
        if !sink.validity.check(block, start, kept) {
            row.flags |= INVALID_UTF8;
            sink.parsed.invalid_utf8 += 1;
        }
        let base = sink.base + start;
        row.raw = Span::new(base, base + kept - start);
        let fields = sink.fields.frame.extra.len();
        self.read(&block[start..kept], base, &mut row, &mut sink.fields);
        sink.parsed.unparsed += usize::from(row.flags & UNPARSED != 0);
        sink.parsed.records += 1;
        sink.parsed.bytes += kept - start;
        sink.fields.frame.push(&row, fields);
    }

    /// Where what is kept of a record ends: not within a character.
    #[inline]
    fn kept(&self, block: &[u8], start: usize, end: usize) -> usize {
        let most = start + self.settings.record_bytes_max;
        if end <= most {
            return end;
        }
        let cut = block[start..=most].iter().rev().take(CONTINUATIONS_MAX + 1);
        match cut.clone().position(|byte| byte & 0xc0 != 0x80) {
            Some(back) if back < most - start => most - back,
            _ => most,
        }
    }

    /// Reads a record into its row, in whichever format it is.
    #[inline]
    fn read(&mut self, bytes: &[u8], base: usize, row: &mut Row, fields: &mut Fields) {
        let mark = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let start =
            mark + bytes[mark..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (bytes, base) = (&bytes[start..], base + start);
        let priority = priority::read(bytes, row);
        let moment = rfc5424::read(bytes, base, priority.end, &mut self.dates, row, fields);
        let moment = match moment {
            None if row.flags & RFC5424 == 0 => {
                rfc3164::read(bytes, base, priority, &mut self.dates, row)
            }
            moment => moment,
        };
        if let Some(moment) = moment {
            (self.last, self.timed) = (moment, true);
        }
        row.time = self.last.time;
        row.zone_seconds = self.last.zone_seconds;
        row.flags |= moment.map_or(0, |moment| moment.flags);
    }
}

/// Where what is found goes.
struct Sink<'a> {
    fields: Fields<'a>,
    parsed: Parsed,
    /// Where the block stands in the frame's text.
    base: usize,
    validity: Validity,
}

/// Whether there is nothing in a record.
#[inline]
fn is_blank(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(byte) if *byte > b' ' => false,
        _ => bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0),
    }
}
