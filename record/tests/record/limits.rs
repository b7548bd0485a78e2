//! Records that are too long, calls that end early, and bytes that are no text.

use correlator_frame::record::{Frame, Record, TRUNCATED};
use correlator_record::framing::Framing;
use correlator_record::parser::{Parsed, Parser, Settings};

use crate::shown::{records, settings, show};

fn short(record_bytes_max: usize) -> Settings {
    Settings { record_bytes_max, ..settings("UTC") }
}

fn frame(text: &[u8]) -> Frame {
    Frame { text: text.to_vec(), ..Frame::default() }
}

/// The raw records of a frame; a `+` stands behind one that was cut.
fn raw(frame: &Frame) -> Vec<String> {
    let show = |raw: &[u8], flags| {
        String::from_utf8_lossy(raw).into_owned() + if flags & TRUNCATED == 0 { "" } else { "+" }
    };
    frame.batch().records().map(|record| show(record.raw(), record.flags())).collect()
}

#[test]
fn a_record_that_is_too_long_is_cut() {
    let mut frame = frame(b"12345\n123456\n12345\r\n\n1234567890\n");
    let parsed = Parser::new(short(5)).parse(&mut frame, 0, &Framing::Lines, true, 100);
    assert_eq!(raw(&frame), ["12345", "12345+", "12345", "12345+"]);
    let expected = Parsed {
        end: 32,
        consumed: 32,
        records: 4,
        unparsed: 4,
        blank: 1,
        cut: 2,
        bytes: 20,
        bytes_skipped: 6,
        ..Parsed::default()
    };
    assert_eq!(parsed, expected);
}

#[test]
fn a_cut_does_not_break_a_character() {
    let mut frame = frame("aä€\nä€ä\n€€€\n".as_bytes());
    let parsed = Parser::new(short(5)).parse(&mut frame, 0, &Framing::Lines, true, 100);
    assert_eq!(raw(&frame), ["aä+", "ä€+", "€+"]);
    assert_eq!((parsed.cut, parsed.invalid_utf8), (3, 0));
}

#[test]
fn a_record_that_no_block_holds_is_cut_and_skipped() {
    let framings = [
        (Framing::Lines, format!("{}\nnext\n", "x".repeat(1000))),
        (Framing::Trailer(b"--\n".to_vec()), format!("{}--\nnext--\n", "x".repeat(1000))),
        (Framing::Octets, format!("1000 {}4 next", "x".repeat(1000))),
        (Framing::Octets, format!("no count {}4 <1>a", "x".repeat(1000))),
    ];
    for (framing, input) in framings {
        let mut parser = Parser::new(short(20));
        let (mut tail, mut found, mut skipped) = (Vec::new(), Vec::new(), 0);
        for part in input.as_bytes().chunks(50) {
            tail.extend_from_slice(part);
            let mut frame = frame(&tail);
            let parsed = parser.parse(&mut frame, 0, &framing, false, 100);
            tail.clear();
            parsed.take_tail(&mut frame, &mut tail);
            assert!(tail.len() <= 20 + framing.slack() + 5, "no more is kept than a record");
            found.extend(raw(&frame));
            skipped += parsed.bytes_skipped;
        }
        assert_eq!(found.len(), 2, "{framing:?}: {found:?}");
        assert!(found[0].ends_with("x+") && found[0].len() == 21, "{found:?}");
        assert!((980..1020).contains(&skipped), "{framing:?}: {skipped}");
    }
}

#[test]
fn a_caller_cuts_where_a_block_is_full() {
    for framing in [Framing::Lines, Framing::Trailer(b"\r\n".to_vec()), Framing::Octets] {
        let (start, rest) = match framing {
            Framing::Octets => ("20 <1>3456", "7890123456789".to_owned() + "4 <1>a"),
            _ => ("<1>3456", "7890\r\n<1>a\r\n".to_owned()),
        };
        let mut parser = Parser::new(settings("UTC"));
        let mut first = frame(start.as_bytes());
        assert_eq!(parser.parse(&mut first, 0, &framing, false, 100).consumed, 0);
        let parsed = parser.cut(&mut first, 0, &framing);
        assert_eq!((parsed.records, parsed.cut), (1, 1));
        assert_eq!(raw(&first), ["<1>3456+"]);
        let mut tail = Vec::new();
        parsed.take_tail(&mut first, &mut tail);
        tail.extend_from_slice(rest.as_bytes());
        let mut second = frame(&tail);
        parser.parse(&mut second, 0, &framing, true, 100);
        assert_eq!(raw(&second), ["<1>a"], "{framing:?}");
    }
}

#[test]
fn a_call_ends_when_the_batch_is_full() {
    let mut frame = frame(b"before<1>a\n\n<1>b\n<1>c\nhalf");
    let mut parser = Parser::new(settings("UTC"));
    let first = parser.parse(&mut frame, 6, &Framing::Lines, false, 2);
    assert_eq!((first.records, first.blank, first.consumed), (2, 1, 11));
    let second = parser.parse(&mut frame, 17, &Framing::Lines, false, 2);
    assert_eq!((second.records, second.consumed), (1, 5));
    assert_eq!(raw(&frame), ["<1>a", "<1>b", "<1>c"]);
    let mut tail = Vec::new();
    second.take_tail(&mut frame, &mut tail);
    assert_eq!(tail, b"half");
}

#[test]
fn taking_the_tail_keeps_decoded_values() {
    let record = r#"<13>1 2023-01-01T00:00:00Z h p - - [a x="\"1\"" y="" z="3"] m"#;
    let text = format!("{record}\n{record}\nand a tail");
    let mut frame = frame(text.as_bytes());
    let parsed =
        Parser::new(settings("UTC")).parse(&mut frame, 0, &Framing::Lines, false, usize::MAX);
    let before: Vec<String> = frame.batch().records().map(show).collect();
    let mut tail = Vec::new();
    parsed.take_tail(&mut frame, &mut tail);
    let after: Vec<String> = frame.batch().records().map(show).collect();
    assert_eq!(tail, b"and a tail");
    assert_eq!(before, after);
    assert!(after[1].contains(r#"a.x="1",a.y=,a.z=3|m"#), "{after:?}");
}

#[test]
fn blank_records_are_counted() {
    let mut frame = frame(b"\n \t \r\n<1>a\n\0\n\n");
    let parsed = Parser::new(settings("UTC")).parse(&mut frame, 0, &Framing::Lines, true, 100);
    assert_eq!((parsed.records, parsed.blank), (1, 4));
}

#[test]
fn invalid_utf8_is_kept_and_marked() {
    let input = b"<1>a\xff\n<1>b\xc3\xa4\n<1>c\xc3\n<1>d\n\xe2\x82";
    let shown = records(settings("UTC"), &Framing::Lines, input);
    let flags: Vec<bool> = shown.iter().map(|record| record.contains('I')).collect();
    assert_eq!(flags, [true, false, true, false, true], "{shown:?}");
    let mut frame = frame(input);
    let parsed = Parser::new(settings("UTC")).parse(&mut frame, 0, &Framing::Lines, true, 100);
    assert_eq!(parsed.invalid_utf8, 3);
    let batch = frame.batch();
    assert_eq!(batch.record(0).map(Record::message), Some(&b"a\xff"[..]));
}

#[test]
fn a_long_block_is_looked_at_in_windows() {
    let line = "<1>ä€ and so on, so that characters fall on every edge\n";
    let mut text = line.repeat(2000).into_bytes();
    text.extend_from_slice(b"<1>\xff\n");
    text.extend_from_slice(line.repeat(2000).as_bytes());
    let mut frame = frame(&text);
    let parsed = Parser::new(settings("UTC")).parse(&mut frame, 0, &Framing::Lines, true, 10_000);
    assert_eq!((parsed.records, parsed.invalid_utf8), (4001, 1));
}

#[test]
fn a_good_count_ends_being_lost_even_if_its_record_is_cut() {
    let long = format!("x\n60 <1>{}5 plain4 <1>a", "y".repeat(57));
    let mut parser = Parser::new(short(10));
    let (mut tail, mut found) = (Vec::new(), Vec::new());
    for part in [&long.as_bytes()[..50], &long.as_bytes()[50..]] {
        tail.extend_from_slice(part);
        let mut frame = frame(&tail);
        tail.clear();
        let at_end = !found.is_empty();
        parser.parse(&mut frame, 0, &Framing::Octets, at_end, 9).take_tail(&mut frame, &mut tail);
        found.extend(raw(&frame));
    }
    assert_eq!(found, ["x", "<1>yyyyyyy+", "plain", "<1>a"]);
}

#[test]
fn a_count_that_splits_a_character_leaves_two_invalid_records() {
    let input = "6 <1>aä6 <1>bcd".as_bytes();
    let cut = records(
        settings("UTC"),
        &Framing::Octets,
        &[b"5 ", &input[2..7], b"2 ", &input[7..]].concat(),
    );
    let flags: Vec<bool> = cut.iter().map(|record| record.contains('I')).collect();
    assert_eq!(flags, [true, true, false], "{cut:?}");
}
