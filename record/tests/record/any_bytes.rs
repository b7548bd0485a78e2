//! What must hold for any bytes: nothing panics, every span is within the text, every call moves on or asks for more,
//! and where the bytes are cut changes nothing.

use correlator_frame::record::{FIELD_WORDS, Frame, STRIDE};
use correlator_record::framing::Framing;
use correlator_record::parser::{Parser, Settings};

use crate::shown::{settings, show};

/// Lines of every format, to be cut and mixed.
const SEEDS: [&str; 19] = [
    // Nothing, but more of it than a record may have.
    "\r \t                                                                                 \r",
    "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed",
    "<165>1 2003-10-11T22:14:15.003-07:00 h p 1 i [e@32473 iut=\"3\" s=\"a \\\"b\\\" \\] \\\\\"][f] m",
    "<13>1 - - - - - -",
    "<13>1 2023-02-20T15:12:47Z h  p 1 [a x=\"1\" m",
    "Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186",
    "<189>29: *Mar  1 00:00:00.123 UTC: %LINK-3-UPDOWN: Interface",
    "<189>29: router1: .Mar  1 00:00:00: %LINK-3-UPDOWN: Interface",
    "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time",
    "<0>1990 Oct 22 10:52:01 TZ-6 scapegoat 10.1.2.3 sched[0]: That's All Folks!",
    "2023-02-20T15:12:47.757250-05:00 host prog[1]: msg",
    "2023-02-20 15:12:47,123 fe80::1 prog 17: msg",
    "Mon 2023-02-20 15:12:47 CET s@host/r kernel: [12.3] x",
    "Feb 29 01:30:60 mac Google Chrome Helper[77]: ü€😀",
    "<34>sshd[7]: m",
    "<192>x",
    "-- MARK --",
    "58 <34>1 2003-10-11T22:14:15.003Z h su - ID47 - counted record",
    "\u{feff} 99999999 <1>\0\r\t",
];

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("64-bit words") % bound.max(1)
    }

    /// Some lines, mutated, in one of the framings.
    fn stream(&mut self, framing: &Framing) -> Vec<u8> {
        let mut stream = Vec::new();
        for _ in 0..=self.below(6) {
            let mut line = SEEDS[self.below(SEEDS.len())].as_bytes().to_vec();
            for _ in 0..self.below(4) {
                self.mutate(&mut line);
            }
            let good = self.below(5) > 0;
            let counts =
                *framing == Framing::Octets || *framing == Framing::Mixed && self.below(2) > 0;
            match counts {
                true if good => stream.extend(format!("{} ", line.len()).bytes()),
                true => stream.extend(format!("{} ", self.below(3000)).bytes()),
                false => {}
            }
            stream.extend(line);
            match framing {
                Framing::Lines | Framing::Captured(_) => stream.push(b'\n'),
                Framing::Trailer(trailer) => stream.extend(trailer),
                Framing::Mixed if !counts || self.below(4) == 0 => stream.push(b'\n'),
                Framing::Octets | Framing::Mixed => {}
            }
        }
        stream
    }

    fn mutate(&mut self, line: &mut Vec<u8>) {
        const LIKELY: &[u8] = b"<>[]\"\\=:;-+. \n\r\0@/%0195ZTa\xff\xc3\xef\xbb\xbf";
        let at = self.below(line.len() + 1);
        let byte = match self.below(3) {
            0 => self.below(256) as u8,
            _ => LIKELY[self.below(LIKELY.len())],
        };
        match self.below(4) {
            0 => line.insert(at, byte),
            1 => line.truncate(at),
            2 if at < line.len() => drop(line.remove(at)),
            _ if at < line.len() => line[at] = byte,
            _ => line.push(byte),
        }
    }
}

fn framings() -> [Framing; 6] {
    let trailer = |trailer: &[u8]| Framing::Trailer(trailer.to_vec());
    let captured = Framing::Mixed.captured();
    [Framing::Lines, trailer(b"\0"), trailer(b"\r\n"), Framing::Octets, Framing::Mixed, captured]
}

/// Small enough that streams here are cut now and then.
fn cutting(record_bytes_max: usize) -> Settings {
    Settings { record_bytes_max, ..settings("Europe/Vienna") }
}

/// Every span of every row must be within the text, and what is not decoded within its record.
fn check_spans(frame: &Frame) {
    assert_eq!(frame.index.len() % STRIDE, 0);
    let within = |offset: u32, length: u32| offset as usize + length as usize <= frame.text.len();
    for row in frame.index.chunks_exact(STRIDE) {
        let (start, end) = (row[0], row[0] + row[1]);
        assert!(within(row[0], row[1]));
        for pair in row[8..18].chunks_exact(2) {
            assert!(pair[1] == 0 || (pair[0] >= start && pair[0] + pair[1] <= end), "{row:?}");
        }
        let first = row[18] as usize;
        let fields = &frame.extra[first..first + row[19] as usize * FIELD_WORDS];
        assert!(fields.chunks_exact(2).all(|pair| within(pair[0], pair[1])));
    }
}

/// Parses a stream that comes in these parts; the records, and all counts together.
fn parse(
    settings: &Settings,
    framing: &Framing,
    parts: &[&[u8]],
    records_max: usize,
) -> Vec<String> {
    let mut parser = Parser::new(settings.clone());
    let (mut shown, mut tail) = (Vec::new(), Vec::new());
    let (mut consumed, mut bytes_skipped, mut blank) = (0, 0, 0);
    for (place, part) in parts.iter().enumerate() {
        let at_end = place + 1 == parts.len();
        // Each part is another run's, whose parser goes on where the one before it was.
        let memory = parser.memory();
        parser = Parser::new(settings.clone());
        parser.resume(memory);
        tail.extend_from_slice(part);
        loop {
            let mut frame = Frame { text: std::mem::take(&mut tail), ..Frame::default() };
            let parsed = parser.parse(&mut frame, 0, framing, at_end, records_max);
            assert!(parsed.records <= records_max);
            assert_eq!(parsed.records, frame.len());
            parsed.take_tail(&mut frame, &mut tail);
            check_spans(&frame);
            shown.extend(frame.batch().records().map(show));
            consumed += parsed.consumed;
            bytes_skipped += parsed.bytes_skipped;
            blank += parsed.blank;
            if parsed.records < records_max {
                break;
            }
        }
        assert!(!at_end || tail.is_empty(), "nothing is left at the end");
    }
    assert_eq!(consumed, parts.iter().map(|part| part.len()).sum::<usize>());
    shown.push(format!("{bytes_skipped} bytes skipped, {blank} blank"));
    shown
}

#[test]
fn cutting_a_stream_at_any_byte_gives_the_same_records() {
    let mut random = Random(0x5eed);
    for round in 0..2_000 {
        let framing = &framings()[round % 4];
        let settings = cutting([30, 60, 100, 10_000][round / 4 % 4]);
        let stream = random.stream(framing);
        let whole = parse(&settings, framing, &[&stream], usize::MAX);
        for cut in 0..=stream.len() {
            let parts = [&stream[..cut], &stream[cut..]];
            let cut_up = parse(&settings, framing, &parts, 2);
            assert_eq!(
                cut_up,
                whole,
                "{framing:?} cut at {cut}: {:?}",
                stream.escape_ascii().to_string()
            );
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(parse(&settings, framing, &bytes, 1), whole, "byte by byte");
    }
}

#[test]
fn lines_cut_at_any_byte_are_records() {
    for line in SEEDS {
        for end in 0..=line.len() {
            for framing in framings() {
                parse(&settings("UTC"), &framing, &[&line.as_bytes()[..end]], usize::MAX);
            }
        }
    }
}

#[test]
fn mutated_lines_are_records() {
    let mut random = Random(0xbad_5eed);
    for round in 0..20_000 {
        let framing = &framings()[round % 4];
        let stream = random.stream(framing);
        parse(&cutting(80), framing, &[&stream], usize::MAX);
        let _ = Framing::discover(&stream);
    }
}

#[test]
fn random_bytes_are_records() {
    let mut random = Random(0xdead_5eed);
    for round in 0..5_000 {
        let length = random.below(300);
        let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        parse(&cutting(50), &framings()[round % 4], &[&bytes], usize::MAX);
        let _ = Framing::discover(&bytes);
    }
}

#[test]
fn a_cut_by_the_caller_always_moves_on() {
    let mut random = Random(0xcafe);
    for round in 0..2_000 {
        let framing = &framings()[round % 4];
        let stream = random.stream(framing);
        let mut parser = Parser::new(settings("UTC"));
        let mut frame = Frame { text: stream.clone(), ..Frame::default() };
        let parsed = parser.parse(&mut frame, 0, framing, false, usize::MAX);
        let mut frame = Frame { text: stream[parsed.consumed..].to_vec(), ..Frame::default() };
        let waiting = !frame.text.is_empty();
        let cut = parser.cut(&mut frame, 0, framing);
        check_spans(&frame);
        assert!(
            !waiting || cut.consumed > 0,
            "{framing:?}: {:?}",
            stream.escape_ascii().to_string()
        );
    }
}
