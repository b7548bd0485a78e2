//! When enough of a connection has come to tell how its records are told apart.
//!
//! [`Framing::discover`] wants the first block of a file. A connection's first block may be a single byte, so it grows
//! here until what follows can't change the verdict. It must never know how long that takes: its caller has the clock.

use memchr::{memchr, memchr_iter};

use correlator_record::framing::COUNT_DIGITS_MAX;

/// Digits of a priority.
const PRIORITY_DIGITS_MAX: usize = 3;

/// Whether more bytes can't make another framing of this block.
pub(crate) fn is_certain(block: &[u8]) -> bool {
    let start = block.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let block = &block[start..];
    match block.first() {
        None => false,
        Some(b'<') => has_second_record(block),
        Some(byte) if byte.is_ascii_digit() && *byte != b'0' => match count(block) {
            Some(is_count) => is_count || has_line(block),
            None => false,
        },
        Some(_) => has_line(block),
    }
}

/// Whether a whole record may be there, so that somebody may be waiting for it.
pub(crate) fn may_have_record(block: &[u8]) -> bool {
    block.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

/// Records that begin with no priority end with a line: nobody sends them otherwise.
fn has_line(block: &[u8]) -> bool {
    memchr(b'\n', block).is_some()
}

/// Whether the block begins with a count, a space and a priority; nothing if that can't be seen yet.
fn count(block: &[u8]) -> Option<bool> {
    let digits = block.iter().take(COUNT_DIGITS_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
    if digits > COUNT_DIGITS_MAX {
        return Some(false);
    }
    if *block.get(digits)? != b' ' {
        return Some(false);
    }
    if *block.get(digits + 1)? != b'<' {
        return Some(false);
    }
    priority(&block[digits + 1..])
}

/// Whether a priority stands here; nothing if that can't be seen yet.
fn priority(bytes: &[u8]) -> Option<bool> {
    let rest = &bytes[1..];
    let digits =
        rest.iter().take(PRIORITY_DIGITS_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
    if digits > PRIORITY_DIGITS_MAX {
        return Some(false);
    }
    rest.get(digits).map(|&byte| digits > 0 && byte == b'>')
}

/// Whether the beginning of a second record can be seen, and so all that stands before it.
fn has_second_record(block: &[u8]) -> bool {
    memchr_iter(b'<', block).skip(1).any(|found| {
        let (before, record) = (block[found - 1], &block[found..]);
        before.is_ascii_control()
            && before != b'\t'
            && priority(record) == Some(true)
            && begins_text(record)
    })
}

/// Whether a version or a date stands behind the priority.
fn begins_text(record: &[u8]) -> bool {
    let end = memchr(b'>', record);
    end.and_then(|end| record.get(end + 1)).is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use correlator_record::framing::Framing;

    use super::is_certain;

    #[test]
    fn what_is_certain() {
        let check = |block: &str, expected| {
            assert_eq!(is_certain(block.as_bytes()), expected, "{block:?}");
        };
        check("", false);
        check(" \n", false);
        check("5", false);
        check("5 ", false);
        check("5 <", false);
        check("5 <1", false);
        check("5 <13>", true);
        check("5 <1234", false);
        check("5 <1234\n", true);
        check("123456789", false);
        check("123456789\n", true);
        check("2023-12-10T06:55:46 host", false);
        check("2023-12-10T06:55:46 host a\n", true);
        check("<13>a", false);
        check("<13>a\n", false);
        check("<13>a\n<13>", false);
        check("<13>a\n<13>b", true);
        check("<13>a\n<x>b", false);
        check("Dec 10 06:55:46 host a: b", false);
        check("Dec 10 06:55:46 host a: b\n", true);
    }

    /// What is certain stays so, whatever follows.
    #[test]
    fn no_byte_changes_it() {
        let streams = [
            "<13>a\n<13>b\n<13>c\n",
            "<13>a\r\n<13>b\r\n",
            "<13>Dec 10 a\nb\r<13>Dec 10 c\nd\r",
            "<13>a\0<13>b\0",
            "<13>a\u{1}\u{2}<13>b\u{1}\u{2}",
            "5 <13>a5 <13>b",
            "\n5 <13>a\n5 <13>b\n",
            "Dec 10 06:55:46 host a\nDec 10 06:55:46 host b\n",
            "2023-12-10T06:55:46 host a\n2023-12-10T06:55:46 host b\n",
        ];
        for stream in streams {
            let whole = Framing::discover(stream.as_bytes());
            let certain = (0..stream.len()).find(|&end| is_certain(&stream.as_bytes()[..end]));
            let from = certain.unwrap_or_else(|| panic!("{stream:?} is never certain"));
            for end in from..stream.len() {
                let found = Framing::discover(&stream.as_bytes()[..end]);
                assert_eq!(found, whole, "{stream:?} up to {end}");
            }
        }
    }
}
