//! Where a record ends and the next begins: RFC 6587's octet counts, line feeds, and any other trailer.
//!
//! Splitting is a pure function of the bytes, so that it can be tried again when more of them have come. A count is
//! only ever compared with what is there; nothing is allocated or waited for because a sender claims it.
//!
//! It must never know what is in a record.

use memchr::{memchr, memchr_iter, memchr2_iter};

use crate::count::{self, count};
use crate::envelope::{self, Envelope, Seen};

/// Digits of an octet count at the most: a greater count is no count but a mistake or an attack.
pub const COUNT_DIGITS_MAX: usize = count::DIGITS_MAX;
/// Bytes that may have to be seen behind a record before its end is certain: a count with its digits, the space, and a
/// priority behind it.
pub const RESYNC_BYTES_MAX: usize = 16;

/// How records are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// A line feed ends a record; a carriage return before it belongs to the line feed.
    #[default]
    Lines,
    /// These bytes end a record.
    Trailer(Vec<u8>),
    /// A decimal count and a space begin a record (RFC 6587, 3.4.1).
    Octets,
    /// Lines, or counts where one stands before a priority and what is behind so many bytes shows that it is right: what
    /// a connection of lines may go over to. No record reaches over a line feed, whatever a count says.
    Mixed,
    /// This one, of a file that may be a capture: a record may also stand in an [`envelope`], and no more belongs to a line
    /// than would to a datagram.
    Captured(Box<Framing>),
}

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole record.
    Record(Piece),
    /// The beginning of a record whose end has not come yet.
    Partial {
        /// Where the record starts.
        start: usize,
        /// How many bytes of it are missing, if a count says so.
        missing: Option<usize>,
    },
}

/// A whole record in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it starts.
    pub start: usize,
    /// Where it ends, without its trailer.
    pub end: usize,
    /// Where the next one begins.
    pub next: usize,
    /// Whether there was no good count where there ought to be one. The next count is then trusted only if a priority
    /// stands behind it.
    pub lost: bool,
}

impl Framing {
    /// The framing of a stream that begins with this block: octet counts if it begins with one, otherwise what stands
    /// before the second and every further record, otherwise what the block ends with, otherwise lines.
    #[must_use]
    pub fn discover(first_block: &[u8]) -> Self {
        let start = first_block.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let block = &first_block[start..];
        if let Some((header, _)) = count(block)
            && block.get(header) == Some(&b'<')
            && has_priority(&block[header..]) != Some(false)
        {
            return Self::Octets;
        }
        if let Some(trailer) = trailer_between(block) {
            return Self::of_trailer(trailer, block);
        }
        let ending = control_run(block, block.len());
        if block.first() == Some(&b'<') && !ending.is_empty() {
            return Self::of_trailer(ending, block);
        }
        let has = |byte| memchr(byte, block).is_some();
        match (has(b'\n'), has(0), has(b'\r')) {
            (false, true, _) => Self::Trailer(vec![0]),
            (false, false, true) => Self::Trailer(vec![b'\r']),
            _ => Self::Lines,
        }
    }

    /// The framing of a stream that begins with this block, if whoever sends lines may go over to counts.
    #[must_use]
    pub fn of_stream(first_block: &[u8]) -> Self {
        match Self::discover(first_block) {
            Self::Lines => Self::Mixed,
            other => other,
        }
    }

    /// The framing of a file that begins with this block and may be a capture of several streams.
    #[must_use]
    pub fn of_file(first_block: &[u8]) -> Self {
        Self::of_stream(&envelope::without(first_block)).captured()
    }

    /// The same of a file that may be a capture.
    #[must_use]
    pub fn captured(self) -> Self {
        match self {
            Self::Captured(_) => self,
            other => Self::Captured(Box::new(other)),
        }
    }

    /// How records are told apart that are in no envelope.
    #[must_use]
    pub fn bare(&self) -> &Self {
        match self {
            Self::Captured(framing) => framing.bare(),
            other => other,
        }
    }

    /// The records of some bytes that are all there is of them, empty ones too.
    #[must_use]
    pub fn split<'a>(&self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let (mut at, mut lost, mut records) = (0, false, Vec::new());
        while at < bytes.len()
            && let Next::Record(piece) = self.next(&bytes[at..], true, lost)
        {
            records.push(&bytes[at + piece.start..at + piece.end]);
            (at, lost) = (at + piece.next, piece.lost);
        }
        records
    }

    /// The framing by a trailer that was seen. A message may end with line feeds of its own, so only what can be the
    /// trailer's is: a carriage return alone, a line end, or whatever stands behind the last line end.
    fn of_trailer(trailer: &[u8], block: &[u8]) -> Self {
        match trailer {
            [.., b'\r', b'\n'] if has_lone_line_feed(block) => Self::Trailer(b"\r\n".to_vec()),
            [.., b'\n'] => Self::Lines,
            [.., b'\r'] => Self::Trailer(vec![b'\r']),
            _ => Self::Trailer(trailer.to_vec()),
        }
    }

    /// Finds the next record. `bytes` is not empty and begins where the last record's `next` was; `at_end` says that
    /// nothing will follow, so that what is there is all of the last record; `lost` is the last piece's.
    #[must_use]
    #[inline]
    pub fn next(&self, bytes: &[u8], at_end: bool, lost: bool) -> Next {
        match self {
            Self::Lines => line(bytes, at_end),
            Self::Trailer(trailer) => match trailer.split_last() {
                Some((final_byte, before)) => trailed(bytes, before, *final_byte, at_end),
                None => line(bytes, at_end),
            },
            Self::Octets => counted(bytes, at_end, lost),
            Self::Mixed => fitting(bytes, at_end).unwrap_or_else(|| line(bytes, at_end)),
            Self::Captured(framing) => match envelope::open(bytes) {
                Some(Seen::Whole(Envelope { start, end, next })) => {
                    Next::Record(Piece { start, end, next, lost: false })
                }
                Some(Seen::Partial(missing)) if !at_end => {
                    Next::Partial { start: 0, missing: Some(missing) }
                }
                _ => framing.next_captured(bytes, at_end, lost),
            },
        }
    }

    /// The next record of a capture that is in no envelope. What may stand behind a datagram's record stands in its line.
    #[inline]
    fn next_captured(&self, bytes: &[u8], at_end: bool, lost: bool) -> Next {
        let next = self.next(bytes, at_end, lost);
        match (self, next) {
            (Self::Lines | Self::Mixed, Next::Record(piece)) => {
                let record = &bytes[piece.start..piece.end];
                let behind = record.iter().rev().take_while(|byte| b"\r\0".contains(byte)).count();
                Next::Record(Piece { end: piece.end - behind, ..piece })
            }
            _ => next,
        }
    }

    /// Finds the end of a record whose beginning is gone, or tells how many bytes need not be seen again.
    pub(crate) fn rest(&self, bytes: &[u8], at_end: bool) -> Result<Piece, usize> {
        let next = match self {
            Self::Octets => uncounted(bytes, at_end),
            // What stands at the beginning of the rest is no count.
            Self::Mixed => line(bytes, at_end),
            Self::Captured(framing) => return framing.rest(bytes, at_end),
            _ => self.next(bytes, at_end, false),
        };
        match next {
            Next::Record(piece) => Ok(piece),
            Next::Partial { .. } => Err(bytes.len().saturating_sub(self.slack())),
        }
    }

    /// What stands behind a record, where something has to: behind one that is counted a line end may.
    #[must_use]
    pub fn ending(&self) -> &[u8] {
        match self {
            Self::Trailer(trailer) => trailer,
            Self::Lines | Self::Octets | Self::Mixed => b"\n",
            Self::Captured(framing) => framing.ending(),
        }
    }

    /// How many bytes at the end of an unfinished record may turn out to belong to its frame.
    #[must_use]
    pub fn slack(&self) -> usize {
        match self {
            Self::Lines => 1,
            Self::Trailer(trailer) => trailer.len().max(1),
            Self::Octets => RESYNC_BYTES_MAX,
            // The count before it, and the one behind it.
            Self::Mixed => 2 * RESYNC_BYTES_MAX,
            Self::Captured(framing) => framing.slack() + envelope::AROUND_BYTES_MAX,
        }
    }
}

/// A record that a line feed ends.
#[inline]
fn line(bytes: &[u8], at_end: bool) -> Next {
    match memchr(b'\n', bytes) {
        Some(end) => Next::Record(line_piece(bytes, end, end + 1)),
        None if at_end => Next::Record(line_piece(bytes, bytes.len(), bytes.len())),
        None => Next::Partial { start: 0, missing: None },
    }
}

/// The line that ends here, without a carriage return.
#[inline]
fn line_piece(bytes: &[u8], end: usize, next: usize) -> Piece {
    let end = if end > 0 && bytes[end - 1] == b'\r' { end - 1 } else { end };
    Piece { start: 0, end, next, lost: false }
}

/// A record that these bytes end, the last of them given apart because it is what is looked for.
fn trailed(bytes: &[u8], before: &[u8], final_byte: u8, at_end: bool) -> Next {
    for found in memchr_iter(final_byte, bytes) {
        if bytes[..found].ends_with(before) {
            let end = found - before.len();
            return Next::Record(Piece { start: 0, end, next: found + 1, lost: false });
        }
    }
    if at_end {
        return Next::Record(Piece { start: 0, end: bytes.len(), next: bytes.len(), lost: false });
    }
    Next::Partial { start: 0, missing: None }
}

/// A record that a count begins, or what ends soonest if there is no good count.
fn counted(bytes: &[u8], at_end: bool, lost: bool) -> Next {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let good = match count(bytes) {
        Some((header, length)) if !lost || bytes.get(header) == Some(&b'<') => {
            return counted_piece(bytes, header, length, at_end);
        }
        // The space is the last byte that is there, so what is behind it can't be seen yet.
        Some((header, _)) => header == bytes.len(),
        None => digits == bytes.len() && digits <= COUNT_DIGITS_MAX && bytes.first() != Some(&b'0'),
    };
    if good && !at_end {
        return Next::Partial { start: 0, missing: None };
    }
    uncounted(bytes, at_end)
}

/// A record that a count begins which can't be anything else: a priority stands behind it, there is no line feed in so many
/// bytes but at their end, and behind them is the end of a line, another record, or nothing for good. Where that can't
/// be seen yet it is none; as there is no line feed then, it is seen again.
fn fitting(bytes: &[u8], at_end: bool) -> Option<Next> {
    let (header, length) = count(bytes)?;
    let begins = |bytes: &[u8], header: usize| {
        bytes.get(header) == Some(&b'<') && has_priority(&bytes[header..]) == Some(true)
    };
    if !begins(bytes, header) {
        return None;
    }
    let (record, behind) = bytes[header..].split_at_checked(length)?;
    let more = match memchr(b'\n', record) {
        Some(found) if found + 1 == length => 0,
        Some(_) => return None,
        None if behind.starts_with(b"\n") => 1,
        None if behind.starts_with(b"\r\n") => 2,
        None if behind.is_empty() && at_end => 0,
        None if begins(behind, 0) => 0,
        None => count(behind).filter(|(header, _)| begins(behind, *header)).map(|_| 0)?,
    };
    let end = length - usize::from(record.ends_with(b"\n"));
    let next = header + length + more;
    Some(Next::Record(Piece { start: header, end: header + end, next, lost: false }))
}

/// What ends soonest: the line, or what stands before the next good count.
fn uncounted(bytes: &[u8], at_end: bool) -> Next {
    match resync(bytes) {
        Some(piece) => Next::Record(piece),
        None if at_end => {
            Next::Record(Piece { lost: true, ..line_piece(bytes, bytes.len(), bytes.len()) })
        }
        None => Next::Partial { start: 0, missing: None },
    }
}

/// The record behind a count. Some senders count a line feed at its end, which is a frame within the frame.
fn counted_piece(bytes: &[u8], header: usize, length: usize, at_end: bool) -> Next {
    let there = bytes.len() - header;
    if there < length && !at_end {
        return Next::Partial { start: header, missing: Some(length - there) };
    }
    let next = header + length.min(there);
    let end = if bytes[header..next].ends_with(b"\n") { next - 1 } else { next };
    Next::Record(Piece { start: header, end, next, lost: false })
}

/// The line, or what stands before the next count with a priority behind it: where counting can begin anew.
fn resync(bytes: &[u8]) -> Option<Piece> {
    for found in memchr2_iter(b'\n', b'<', bytes) {
        if bytes[found] == b'\n' {
            return Some(Piece { lost: true, ..line_piece(bytes, found, found + 1) });
        }
        let Some(before) = bytes[..found].strip_suffix(b" ") else { continue };
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let start = before.len() - digits;
        if start > 0 && count(&bytes[start..]).is_some() {
            match has_priority(&bytes[found..]) {
                Some(true) => return Some(Piece { start: 0, end: start, next: start, lost: true }),
                Some(false) => {}
                None => return None,
            }
        }
    }
    None
}

/// Whether a priority stands here; nothing if more bytes are needed to tell.
fn has_priority(bytes: &[u8]) -> Option<bool> {
    let digits = bytes[1..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    bytes.get(1 + digits).map(|&byte| (1..=3).contains(&digits) && byte == b'>')
}

/// What stands between the first record and the second, if a second record can be seen: the bytes that all control
/// characters before records have in common at their end.
fn trailer_between(block: &[u8]) -> Option<&[u8]> {
    let mut common: Option<&[u8]> = None;
    for found in memchr_iter(b'<', block) {
        let run = control_run(block, found);
        if run.is_empty() || !begins_record(&block[found..]) {
            continue;
        }
        let same = common.map_or(run, |common| {
            let length = common.iter().rev().zip(run.iter().rev()).take_while(|(a, b)| a == b);
            &run[run.len() - length.count()..]
        });
        if same.is_empty() {
            break;
        }
        common = Some(same);
    }
    common
}

/// The control characters that end here.
fn control_run(block: &[u8], end: usize) -> &[u8] {
    let controls = |byte: &&u8| byte.is_ascii_control() && **byte != b'\t';
    let length = block[..end].iter().rev().take_while(controls).count();
    &block[end - length..end]
}

/// Whether a priority with a version or a date behind it stands here.
fn begins_record(bytes: &[u8]) -> bool {
    has_priority(bytes) == Some(true)
        && memchr(b'>', bytes)
            .and_then(|end| bytes.get(end + 1))
            .is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether there is a line feed without a carriage return before it.
fn has_lone_line_feed(block: &[u8]) -> bool {
    memchr_iter(b'\n', block).any(|found| found == 0 || block[found - 1] != b'\r')
}
