//! Envelopes: what a capture puts around a record that nothing else in it would tell from the others.
//!
//! An envelope is a record separator (0x1e), the record's length, a space, a hash of the record in hexadecimal digits, a
//! space, the record, and a line feed. A line feed within is a part of the record. It is believed only if the hash is
//! right: so nobody who can write the beginning of a line into a log makes what others write behind it a part of that,
//! since nobody knows that before.
//!
//! It must never know what is in a record, nor why it was put there.

use std::borrow::Cow;

use memchr::memchr;

use crate::count::{self, count};

/// Bytes of a record that is put into an envelope: whoever reads one holds so many before it knows that it is one.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// What an envelope begins with.
const SEPARATOR: u8 = 0x1e;
/// Hexadecimal digits of the hash.
const HASH_DIGITS: usize = 16;
/// Bytes around a record at the most.
pub(crate) const AROUND_BYTES_MAX: usize = 1 + count::DIGITS_MAX + 1 + HASH_DIGITS + 1 + 1;

/// Puts a record into an envelope; says no if it is too long for one, or empty.
#[must_use]
pub fn seal(record: &[u8], text: &mut Vec<u8>) -> bool {
    if record.is_empty() || record.len() > RECORD_BYTES_MAX {
        return false;
    }
    text.push(SEPARATOR);
    text.extend_from_slice(record.len().to_string().as_bytes());
    text.push(b' ');
    text.extend_from_slice(&hash(record));
    text.push(b' ');
    text.extend_from_slice(record);
    text.push(b'\n');
    true
}

/// An envelope in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Where its record starts.
    pub start: usize,
    /// Where that ends.
    pub end: usize,
    /// Where the next record begins.
    pub next: usize,
}

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// An envelope.
    Whole(Envelope),
    /// What may become one; so many bytes are missing.
    Partial(usize),
}

/// The envelope that stands here, if one does.
#[inline]
pub(crate) fn open(bytes: &[u8]) -> Option<Seen> {
    if bytes.first() != Some(&SEPARATOR) {
        return None;
    }
    let (header, length) = count(&bytes[1..])?;
    let start = 1 + header + HASH_DIGITS + 1;
    let (digits, space) = bytes.get(1 + header..start)?.split_at(HASH_DIGITS);
    if length > RECORD_BYTES_MAX || space != b" " || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let end = start + length;
    match bytes.get(end) {
        None => Some(Seen::Partial(end + 1 - bytes.len())),
        Some(b'\n') if hash(&bytes[start..end]) == digits => {
            Some(Seen::Whole(Envelope { start, end, next: end + 1 }))
        }
        Some(_) => None,
    }
}

/// Whether a record begins here that is in an envelope.
#[must_use]
pub fn is_sealed(bytes: &[u8]) -> bool {
    matches!(open(bytes), Some(Seen::Whole(_)))
}

/// A block without what is in envelopes, which says nothing about how other records are told apart.
pub(crate) fn without(block: &[u8]) -> Cow<'_, [u8]> {
    let (mut kept, mut from, mut at) = (Vec::new(), 0, 0);
    while let Some(found) = memchr(SEPARATOR, &block[at..]) {
        let start = at + found;
        let next = match open(&block[start..]) {
            Some(Seen::Whole(envelope)) => start + envelope.next,
            Some(Seen::Partial(_)) => block.len(),
            None => {
                at = start + 1;
                continue;
            }
        };
        kept.extend_from_slice(&block[from..start]);
        (from, at) = (next, next);
    }
    if from == 0 {
        return Cow::Borrowed(block);
    }
    kept.extend_from_slice(&block[from..]);
    Cow::Owned(kept)
}

fn hash(record: &[u8]) -> [u8; HASH_DIGITS] {
    let mut digits = [0; HASH_DIGITS];
    digits.copy_from_slice(&blake3::hash(record).to_hex().as_bytes()[..HASH_DIGITS]);
    digits
}

#[cfg(test)]
mod tests {
    use super::{AROUND_BYTES_MAX, RECORD_BYTES_MAX, Seen, is_sealed, open, seal, without};
    use crate::framing::{Framing, Next};

    fn sealed(record: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        assert!(seal(record, &mut text));
        text
    }

    /// The records of a file with this text.
    fn records(text: &[u8]) -> Vec<String> {
        let (framing, mut at, mut lost, mut found) = (Framing::of_file(text), 0, false, Vec::new());
        while at < text.len() {
            let Next::Record(piece) = framing.next(&text[at..], true, lost) else {
                panic!("there is more at {at}");
            };
            let record = &text[at + piece.start..at + piece.end];
            found.push(String::from_utf8_lossy(record).into_owned());
            (at, lost) = (at + piece.next, piece.lost);
        }
        found
    }

    #[test]
    fn what_is_sealed_is_found_unchanged() {
        let long = vec![b'\n'; RECORD_BYTES_MAX];
        for record in [&b"a"[..], b"a\nb", b"\n", b"5 <13>a", b"a\r", b"\x1e1 x", &long] {
            let text = sealed(record);
            assert!(text.len() <= record.len() + AROUND_BYTES_MAX);
            let Some(Seen::Whole(piece)) = open(&text) else {
                panic!("{:?} is not found", String::from_utf8_lossy(&text));
            };
            assert_eq!(&text[piece.start..piece.end], record);
            assert_eq!(piece.next, text.len());
            for end in 0..text.len().min(100) {
                let part = open(&text[..end]);
                assert!(!matches!(part, Some(Seen::Whole(_))), "{part:?} at {end}");
            }
        }
        assert!(!seal(b"", &mut Vec::new()));
        assert!(!seal(&vec![b'x'; RECORD_BYTES_MAX + 1], &mut Vec::new()));
    }

    /// Whoever begins a line like an envelope gets no part of the lines behind it.
    #[test]
    fn a_forged_envelope_is_a_line() {
        let text = sealed(b"mine\nhers");
        for (place, byte) in text.iter().enumerate() {
            let mut forged = text.clone();
            forged[place] = if *byte == b'7' { b'8' } else { b'7' };
            assert!(!is_sealed(&forged), "{:?}", String::from_utf8_lossy(&forged));
        }
        let text = b"\x1e9 0123456789abcdef mine\nhers\nours\n";
        assert_eq!(records(text), ["\u{1e}9 0123456789abcdef mine", "hers", "ours"]);
    }

    /// What is in envelopes does not change how other records are told apart.
    #[test]
    fn envelopes_stand_among_records_of_any_framing() {
        let check = |before: &str, after: &str, expected: [&str; 3]| {
            let odd = sealed(b"<13>x\0\n<13>y\r<13>z");
            let text = [before.as_bytes(), &odd, after.as_bytes()].concat();
            let found = records(&text);
            assert_eq!(found, [expected[0], "<13>x\0\n<13>y\r<13>z", expected[1], expected[2]]);
        };
        let abc = ["<13>a", "<13>b", "<13>c"];
        check("<13>a\n", "<13>b\n<13>c\n", abc);
        check("<13>a\r\n", "<13>b\r\n<13>c\r\n", abc);
        check("<13>a\0", "<13>b\0<13>c\0", abc);
        check("5 <13>a", "5 <13>b5 <13>c", abc);
        check("<13>a\n", "5 <13>b5 <13>c", abc);
        assert_eq!(without(b"a\x1eb"), &b"a\x1eb"[..]);
    }
}
