//! One connection's bytes on their way to be records.
//!
//! Each connection has its own parser, its own framing and its own unfinished record; the frame belongs to all of them.
//! So whatever a peer sends, and however slowly, no other peer's records change. It must never know about sockets.

use std::time::Duration;

use correlator_record::framing::{Framing, Next};
use correlator_record::parser::{Parser, Settings};
use jiff::civil::date;
use jiff::tz::TimeZone;
use memchr::{memchr, memchr2};

use super::discovery;
use super::filling::{Filling, Moment};
use crate::capture::arrived::Arrived;
use crate::intake::Ended;
use crate::limit;
use crate::settings::Source;

/// Bytes around a record that have to be seen together with it, with a usual trailer or a count.
const FRAME_BYTES: usize = 32;

/// How the bytes of a source are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// How records are told apart; found out for each connection, if absent.
    pub framing: Option<Framing>,
    zone: TimeZone,
    /// The end of the pinned year, if one is pinned.
    pinned: Option<i64>,
    /// Bytes of one peer that are held before they are taken.
    bytes_max: usize,
    record_bytes_max: usize,
}

impl Manner {
    /// Of a source whose peers may have so many bytes in flight.
    pub fn new(source: &Source, bytes_max: usize) -> Self {
        let pinned = source.year.and_then(|year| {
            let end = date(year, 12, 31).at(0, 0, 0, 0).to_zoned(source.zone.clone()).ok()?;
            i64::try_from(end.timestamp().as_nanosecond()).ok()
        });
        Self {
            framing: source.framing.clone(),
            zone: source.zone.clone(),
            pinned,
            bytes_max,
            record_bytes_max: bytes_max
                .saturating_sub(FRAME_BYTES)
                .clamp(1, limit::RECORD_BYTES_MAX),
        }
    }

    /// A parser for a stream that begins now, and what its dates are measured against.
    pub fn parser(&self, now: i64) -> (Parser, Reference) {
        let reference = self.pinned.unwrap_or(now);
        let settings = Settings {
            zone: self.zone.clone(),
            reference,
            record_bytes_max: self.record_bytes_max,
        };
        (Parser::new(settings), Reference { set: reference, pinned: self.pinned.is_some() })
    }
}

/// The moment that dates without a year are not far after. It moves on with the clock, unless the year is pinned.
#[derive(Debug)]
pub(crate) struct Reference {
    set: i64,
    pinned: bool,
}

impl Reference {
    /// Moves it on, now and then, and back if the clock was put back.
    pub fn follow(&mut self, now: i64, parser: &mut Parser) {
        if !self.pinned && now.abs_diff(self.set) >= limit::REFERENCE_EVERY_NS.unsigned_abs() {
            self.set = now;
            parser.set_reference(now);
        }
    }
}

/// A connection's bytes.
#[derive(Debug)]
pub(crate) struct Stream {
    parser: Parser,
    reference: Reference,
    framing: Option<Framing>,
    /// What has come and is in no frame yet: an unfinished record, or the first bytes of all.
    tail: Vec<u8>,
    /// How long the tail must be at least to hold a whole record, if a count says so.
    wanted: usize,
    /// When the first bytes began to wait for what follows them.
    first: Option<Moment>,
    bytes_max: usize,
    record_bytes_max: usize,
    /// How many bytes it has brought to which lot.
    brought: (u64, usize),
}

impl Stream {
    /// A stream that begins now.
    pub fn new(manner: &Manner, now: i64) -> Self {
        let (parser, reference) = manner.parser(now);
        Self {
            parser,
            reference,
            framing: manner.framing.clone(),
            tail: Vec::new(),
            wanted: 0,
            first: None,
            bytes_max: manner.bytes_max,
            record_bytes_max: manner.record_bytes_max,
            brought: (0, 0),
        }
    }

    /// Goes on by another manner than before. What is unfinished is the beginning of a record by that.
    pub fn go_by(&mut self, (manner, before): (&Manner, &Manner), now: i64) {
        if manner == before {
            return;
        }
        (self.parser, self.reference) = manner.parser(now);
        (self.bytes_max, self.record_bytes_max) = (manner.bytes_max, manner.record_bytes_max);
        if manner.framing != before.framing {
            self.framing.clone_from(&manner.framing);
            self.wanted = 0;
        }
    }

    /// How many bytes may be read now: what one peer has in flight is bounded, and so is its turn. There is always room
    /// for one byte, since a record that is too long is cut.
    pub fn room(&self, filling: &mut Filling) -> Result<usize, Ended> {
        filling.make_room()?;
        if self.held(filling) >= self.bytes_max {
            filling.hand_on()?;
        }
        let room = self.bytes_max.saturating_sub(self.held(filling));
        Ok(room.clamp(1, limit::READ_BYTES))
    }

    fn held(&self, filling: &Filling) -> usize {
        let (number, bytes) = self.brought;
        self.tail.len() + if number == filling.number { bytes } else { 0 }
    }

    /// Takes what has come. Whether the first bytes wait for what follows them: see [`Stream::settle`].
    pub fn feed(&mut self, bytes: &[u8], filling: &mut Filling) -> Result<bool, Ended> {
        filling.lot.counts.bytes += bytes.len() as u64;
        self.reference.follow(filling.moment.wall, &mut self.parser);
        if self.framing.is_none() {
            self.tail.extend_from_slice(bytes);
            if !discovery::is_certain(&self.tail) && self.tail.len() <= self.record_bytes_max {
                let begins = self.first.is_none();
                self.first.get_or_insert(filling.moment);
                return Ok(begins);
            }
            self.parse(&[], false, filling)?;
        } else if self.goes_on(bytes) {
            self.tail.extend_from_slice(bytes);
        } else {
            self.parse(bytes, false, filling)?;
        }
        Ok(false)
    }

    /// Decides how records are told apart if the first one has waited long enough for the second. How much longer it
    /// waits, if it does.
    pub fn settle(&mut self, filling: &mut Filling) -> Result<Option<Duration>, Ended> {
        let Some(first) = self.first else { return Ok(None) };
        let waited = filling.moment.instant.saturating_duration_since(first.instant);
        if let Some(left) = limit::DISCOVERY_WAIT.checked_sub(waited).filter(|l| !l.is_zero()) {
            return Ok(Some(left));
        }
        if self.framing.is_some() || discovery::may_have_record(&self.tail) {
            self.parse(&[], false, filling)?;
        } else {
            // Nobody waits for half a record. What comes next starts the clock anew.
            self.first = None;
        }
        Ok(None)
    }

    /// Nothing follows: what is there is all of the last record.
    pub fn end(&mut self, filling: &mut Filling) -> Result<(), Ended> {
        if self.tail.is_empty() {
            return Ok(());
        }
        self.parse(&[], true, filling)?;
        self.tail = Vec::new();
        Ok(())
    }

    /// Whether these bytes only make an unfinished record longer. A peer that sends a long record in small pieces would
    /// otherwise have all of it looked at again for each.
    fn goes_on(&self, bytes: &[u8]) -> bool {
        let length = self.tail.len() + bytes.len();
        let Some(framing) = &self.framing else { return false };
        if self.tail.len() < limit::UNFINISHED_BYTES
            || length > self.record_bytes_max + framing.slack()
        {
            return false;
        }
        let may_end = match framing {
            Framing::Mixed if self.tail.first().is_some_and(u8::is_ascii_digit) => {
                memchr2(b'\n', b'>', bytes).is_some()
            }
            Framing::Lines | Framing::Mixed => memchr(b'\n', bytes).is_some(),
            Framing::Trailer(trailer) => {
                memchr(trailer.last().copied().unwrap_or(b'\n'), bytes).is_some()
            }
            Framing::Octets => length >= self.wanted || memchr2(b'\n', b'>', bytes).is_some(),
            // That is of files.
            Framing::Captured(_) => true,
        };
        !may_end
    }

    /// Parses the tail and what has come behind it, all of it, however many lots that takes.
    fn parse(&mut self, bytes: &[u8], at_end: bool, filling: &mut Filling) -> Result<(), Ended> {
        let framing = self.framing.get_or_insert_with(|| Framing::of_stream(&self.tail));
        let (mut bytes, mut more) = (bytes, true);
        while more {
            filling.make_room()?;
            let text = &mut filling.lot.frame.text;
            let start = text.len();
            text.append(&mut self.tail);
            text.extend_from_slice(bytes);
            bytes = &[];
            if self.brought.0 != filling.number {
                self.brought = (filling.number, 0);
            }
            let before = self.parser.memory();
            let block = filling.parse(start, &mut self.parser, framing, at_end, &mut self.tail);
            if let Some(capture) = filling.capture() {
                let (memory, bytes) =
                    ((before, self.parser.memory()), start..start + block.consumed);
                let (frame, part) = (&filling.lot.frame, (block.first, bytes));
                capture.write(&Arrived::parsed(frame, part, framing, &block.parsed, memory));
            }
            self.brought.1 += block.consumed;
            more = block.more;
        }
        self.wanted = wanted(framing, &self.tail);
        self.first = None;
        Ok(())
    }
}

/// How long an unfinished record will be with its count, if it is long enough for that to matter and has one.
fn wanted(framing: &Framing, tail: &[u8]) -> usize {
    if tail.len() < limit::UNFINISHED_BYTES || *framing != Framing::Octets {
        return 0;
    }
    match framing.next(tail, false, false) {
        Next::Partial { missing: Some(missing), .. } => tail.len() + missing,
        _ => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use correlator_record::framing::Framing;
    use jiff::tz::TimeZone;

    use super::{Manner, Stream};
    use crate::intake::{Ended, Intake, Lot};
    use crate::limit;
    use crate::net::filling::{Filling, Moment};
    use crate::settings::{Door, Source};

    /// Remembers the records.
    #[derive(Default)]
    struct Taken(Mutex<Vec<String>>);

    impl Intake for Taken {
        fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
            let mut taken = self.0.lock().expect("nobody panics");
            let records = lot.frame.batch().records();
            taken.extend(records.map(|r| String::from_utf8_lossy(r.raw()).into_owned()));
            lot.clear();
            Ok(())
        }
    }

    fn manner(framing: Option<Framing>) -> Manner {
        let source = Source {
            name: "test".into(),
            door: Door::Files { paths: Vec::new(), follow: false },
            framing,
            framing_text: "auto".into(),
            zone: TimeZone::UTC,
            year: None,
            lateness: Duration::ZERO,
            idle_after: Duration::ZERO,
            typed: Vec::new(),
        };
        Manner::new(&source, 1 << 20)
    }

    /// What comes of these pieces. After each of them there is as long a pause as the first record waits, if `pauses`.
    fn records(manner: &Manner, pieces: &[&[u8]], pauses: bool) -> Vec<String> {
        let taken = Taken::default();
        let moment = crate::net::serve::moment();
        let mut filling = Filling::new(0, &taken, None, moment);
        let mut stream = Stream::new(manner, moment.wall);
        for piece in pieces {
            stream.feed(piece, &mut filling).expect("taken");
            if pauses {
                let instant = filling.moment.instant + limit::DISCOVERY_WAIT;
                filling.moment = Moment { instant, ..filling.moment };
                stream.settle(&mut filling).expect("taken");
            }
        }
        stream.end(&mut filling).expect("taken");
        filling.hand_on().expect("taken");
        taken.0.into_inner().expect("nobody panics")
    }

    #[test]
    fn where_it_is_cut_makes_no_difference() {
        let check = |framing: Option<Framing>, text: &str, expected: &[&str]| {
            let (text, manner) = (text.as_bytes(), manner(framing));
            for first in 0..=text.len() {
                let (start, rest) = text.split_at(first);
                assert_eq!(records(&manner, &[start, rest], false), expected, "cut at {first}");
                for second in 0..=rest.len() {
                    let (middle, end) = rest.split_at(second);
                    let found = records(&manner, &[start, middle, end], false);
                    assert_eq!(found, expected, "cut at {first} and {}", first + second);
                }
            }
            let bytes: Vec<_> = text.chunks(1).collect();
            assert_eq!(records(&manner, &bytes, false), expected, "byte by byte");
        };
        let abc = ["<13>a", "<13>b", "<13>c"];
        check(None, "<13>a\n<13>b\n<13>c\n", &abc);
        check(None, "<13>a\r\n<13>b\r\n<13>c\r\n", &abc);
        check(None, "<13>a\0<13>b\0<13>c", &abc);
        check(None, "<13>a\u{1}\u{2}\u{3}<13>b\u{1}\u{2}\u{3}<13>c\u{1}\u{2}\u{3}", &abc);
        check(None, "<13>a\nx\r<13>b\nx\r<13>c\nx\r", &["<13>a\nx", "<13>b\nx", "<13>c\nx"]);
        check(None, "5 <13>a5 <13>b5 <13>c", &abc);
        check(None, "7 <13>a\nx6 <13>b\n5 <13>c", &["<13>a\nx", "<13>b", "<13>c"]);
        // Lines may go over to counts, and back.
        check(None, "<13>a\n<13>b\n5 <13>c", &abc);
        check(
            None,
            "<13>a\n<13>b\n5 <13>c5 <13>d<13>e\n",
            &["<13>a", "<13>b", "<13>c", "<13>d", "<13>e"],
        );
        check(
            None,
            "<13>a\n<13>x\n5 <13>b5 <13>c\n<13>d\n",
            &["<13>a", "<13>x", "<13>b", "<13>c", "<13>d"],
        );
        check(None, "<13>a\n<13>b\n9 <13>c\n<13>d\n", &["<13>a", "<13>b", "9 <13>c", "<13>d"]);
        check(
            None,
            "Dec 10 06:55:46 h a\nDec 10 06:55:46 h b\n",
            &["Dec 10 06:55:46 h a", "Dec 10 06:55:46 h b"],
        );
        check(None, "2023-12-10T06:55:46 h a\nb\n", &["2023-12-10T06:55:46 h a", "b"]);
        check(None, "<13>alone", &["<13>alone"]);
        check(None, "9 <13>a", &["<13>a"]);
        check(None, "", &[]);
        check(None, " \n", &[]);
        check(Some(Framing::Lines), "5 <13>a\n\nb\n", &["5 <13>a", "b"]);
        check(Some(Framing::Trailer(b"||".to_vec())), "<13>a|x||<13>b||", &["<13>a|x", "<13>b"]);
    }

    /// A pause within a record is not its end.
    #[test]
    fn half_a_record_may_take_its_time() {
        for trailer in ["\n", "\0", "\r", "\u{1}"] {
            let text = format!("<13>first{trailer}<13>second{trailer}");
            for end in 0..8 {
                let (start, rest) = text.as_bytes().split_at(end);
                let found = records(&manner(None), &[start, rest], true);
                assert_eq!(found, ["<13>first", "<13>second"], "{trailer:?}, a pause at {end}");
            }
        }
    }

    /// Long records are looked at again only when what has come may end them: it makes no difference to what they are.
    #[test]
    fn long_records_in_small_pieces() {
        let long = |name: &str| format!("<13>{name} {}", "x".repeat(20_000));
        let (first, second) = (long("first"), long("second"));
        let cut = long("cut").repeat(5);
        for (framing, trailer) in [
            (Framing::Lines, "\n"),
            (Framing::Mixed, "\n"),
            (Framing::Trailer(b"\0\r".to_vec()), "\0\r"),
            (Framing::Octets, ""),
        ] {
            let frame = |record: &String| match framing {
                Framing::Octets => format!("{} {record}", record.len()),
                _ => format!("{record}{trailer}"),
            };
            let text: String = [&first, &cut, &second, &second].into_iter().map(frame).collect();
            for size in [1, 7, 1000] {
                let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
                let found = records(&manner(Some(framing.clone())), &pieces, false);
                let kept = &cut[..limit::RECORD_BYTES_MAX];
                assert!(found == [&first, kept, &second, &second], "{framing:?} by {size}");
            }
        }
    }

    /// A count that can't be is passed over, as soon as the next good one can be seen.
    #[test]
    fn damaged_counts_in_small_pieces() {
        let long = "x".repeat(10_000);
        let text = format!("5 <13>a9z{long}\n5 <13>b99 {long}5 <13>c5 <13>d");
        for size in [1, 100, 100_000] {
            let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
            let found = records(&manner(Some(Framing::Octets)), &pieces, false);
            let ends: Vec<_> = found.iter().filter(|r| r.len() < 10).collect();
            assert_eq!(ends, ["<13>a", "<13>b", "<13>c", "<13>d"], "by {size}");
        }
    }
}
