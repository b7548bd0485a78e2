//! Where records end: counts, lines, trailers, and what is neither.

use correlator_record::framing::{Framing, Next};

const HEADER: &str = "<34>1 2003-10-11T22:14:15Z h p - - -";

/// Splits all of the input; `|` stands between records.
#[track_caller]
fn check(framing: &Framing, input: &str, expected: &str) {
    let bytes = input.as_bytes();
    let mut records = Vec::new();
    let (mut at, mut lost) = (0, false);
    while at < bytes.len() {
        let Next::Record(piece) = framing.next(&bytes[at..], true, lost) else {
            panic!("at the end there is always a record: {input:?} at {at}");
        };
        assert!(piece.next > 0 && piece.start <= piece.end && piece.end <= piece.next);
        records
            .push(String::from_utf8_lossy(&bytes[at + piece.start..at + piece.end]).into_owned());
        (at, lost) = (at + piece.next, piece.lost);
    }
    assert_eq!(records.join("|"), expected, "{input:?}");
}

#[test]
fn lines() {
    check(&Framing::Lines, "a\nb\n", "a|b");
    check(&Framing::Lines, "a\r\nb\r\n", "a|b");
    check(&Framing::Lines, "a\nb", "a|b");
    check(&Framing::Lines, "a\n\nb\r", "a||b");
    check(&Framing::Lines, "\n", "");
    check(&Framing::Trailer(Vec::new()), "a\r\nb", "a|b");
}

#[test]
fn trailers() {
    check(&Framing::Trailer(b"\r".to_vec()), "a\nb\rc\r", "a\nb|c");
    check(&Framing::Trailer(b"\0".to_vec()), "a\nb\0c", "a\nb|c");
    check(&Framing::Trailer(b"\r\n".to_vec()), "a\nb\rc\r\nd\r\n", "a\nb\rc|d");
    check(&Framing::Trailer(b"--\n".to_vec()), "a-\nb---\n--\n", "a-\nb-|");
}

#[test]
fn counts() {
    check(&Framing::Octets, "4 <1>a5 <1>bc", "<1>a|<1>bc");
    check(&Framing::Octets, "5 <1>\na5 <1>bc", "<1>\na|<1>bc");
    // A line feed that was counted, and one that was not.
    check(&Framing::Octets, "5 <1>a\n5 <1>bc\n4 <1>d", "<1>a|<1>bc||<1>d");
    check(&Framing::Octets, "5 hello5 world", "hello|world");
    // The last one is not all there.
    check(&Framing::Octets, "4 <1>a50 <1>bc", "<1>a|<1>bc");
}

#[test]
fn lines_that_go_over_to_counts() {
    let check = |input: &str, expected: &str| check(&Framing::Mixed, input, expected);
    check("<1>a\n<1>b\r\n", "<1>a|<1>b");
    check("<1>a\n4 <1>b5 <1>cd4 <1>e", "<1>a|<1>b|<1>cd|<1>e");
    // And back; some end what they count with a line feed, and some count that.
    check("4 <1>a4 <1>b\n<1>c\n", "<1>a|<1>b|<1>c");
    check("4 <1>a\n4 <1>b\r\n<1>c\n", "<1>a|<1>b|<1>c");
    check("5 <1>a\n5 <1>b\n<1>c\n", "<1>a|<1>b|<1>c");
    // A count that does not fit is part of its line, and hides none of the others.
    check("99 <1>a\n<1>b\n<1>c", "99 <1>a|<1>b|<1>c");
    check("9 <1>a\n<1>b\n<1>c\n", "9 <1>a|<1>b|<1>c");
    check("3 <1>a4 <1>b\n<1>c\n", "3 <1>a4 <1>b|<1>c");
    check("4 <1>a4 b\n", "4 <1>a4 b");
    check("4 <1>a<1>b\n4 <1>a<b>\n", "<1>a|<1>b|4 <1>a<b>");
    check("4 <1>a 4 <1>b\n", "4 <1>a 4 <1>b");
    // Neither is what only looks like one.
    check("12 drops\n4 <b>a\n4 <x\n2024 <1>\n04 <1>a\n", "12 drops|4 <b>a|4 <x|2024 <1>|04 <1>a");
    check("<1>a 4 <1>b4 <1>c\n", "<1>a 4 <1>b4 <1>c");
}

#[test]
fn bad_counts() {
    // Too small, too great by a little, no count, a zero, a count that nobody could mean.
    check(&Framing::Octets, "3 <1>a4 <1>b4 <1>c", "<1>|a|<1>b|<1>c");
    check(&Framing::Octets, "5 <1>a4 <1>b4 <1>c", "<1>a4| <1>b|<1>c");
    check(&Framing::Octets, "<1>a4 <1>b", "<1>a|<1>b");
    check(&Framing::Octets, "<1>a\n<1>b\n4 <1>c", "<1>a|<1>b|<1>c");
    check(&Framing::Octets, "0 <1>a\n4 <1>c", "0 <1>a|<1>c");
    check(&Framing::Octets, "18446744073709551616 <1>a\n4 <1>c", "18446744073709551616 <1>a|<1>c");
    check(&Framing::Octets, "999999999 <1>a 4 <1>c", "999999999 <1>a |<1>c");
    // Once lost, a number is a count only with a priority behind it.
    check(&Framing::Octets, "x\n22 ssh2\n4 <1>c", "x|22 ssh2|<1>c");
}

#[track_caller]
fn discovered(block: &str, expected: &Framing) {
    assert_eq!(Framing::discover(block.as_bytes()), *expected, "{block:?}");
}

#[test]
fn discovery() {
    let trailer = |trailer: &str| Framing::Trailer(trailer.as_bytes().to_vec());
    let h = HEADER;
    discovered("", &Framing::Lines);
    discovered("Dec 10 06:55:46 h p: m\n", &Framing::Lines);
    discovered("Dec 10 06:55:46 h p: m\r\nDec 10 06:55:46 h p: m\r\n", &Framing::Lines);
    discovered(&format!("{h} a\n{h} b\n"), &Framing::Lines);
    discovered(&format!("{h} a\r\n{h} b\r\n"), &Framing::Lines);
    discovered(&format!("{h} a\nb\r\n{h} c\r\n"), &trailer("\r\n"));
    discovered(&format!("{h} a\r{h} b\r"), &trailer("\r"));
    discovered(&format!("{h} a\nb\n\r{h} b\r"), &trailer("\r"));
    discovered(&format!("{h} a\n\r{h} b"), &trailer("\r"));
    discovered(&format!("{h} a\0{h} b\0"), &trailer("\0"));
    discovered(&format!("{h} a\nb\0{h} b"), &trailer("\0"));
    discovered(&format!("{h} a\n\0{h} b\n\0{h} c"), &trailer("\n\0"));
    discovered(&format!("{h} a\x03{h} b\x03"), &trailer("\x03"));
    // One record, with what ends it or without.
    discovered(&format!("{h} a\nb\r"), &trailer("\r"));
    discovered(&format!("{h} a\n"), &Framing::Lines);
    discovered(&format!("{h} a"), &Framing::Lines);
    discovered("<34>Oct 11 22:14:15 h p: a\r<34>Oct 11 22:14:15 h p: b", &trailer("\r"));
    // No priorities.
    discovered("Dec 10 06:55:46 h p: a\0Dec 10 06:55:46 h p: b", &trailer("\0"));
    discovered("Dec 10 06:55:46 h p: a\rDec 10 06:55:46 h p: b", &trailer("\r"));
    discovered(&format!("{} {h}", h.len()), &Framing::Octets);
    discovered(&format!("\n{} {h}", h.len()), &Framing::Octets);
    discovered("2023 Feb 20 15:12:47 h p: m\n", &Framing::Lines);
    discovered("12 <not a priority> is a line\n", &Framing::Lines);
}
