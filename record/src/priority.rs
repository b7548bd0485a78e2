//! The priority of a record: the number that it begins with, or words.
//!
//! It must never know what follows it.

use correlator_frame::record::{PRIORITY_ASSUMED, Row};
use correlator_frame::severity::{FACILITIES, Severity};

/// The greatest priority: facility 23, severity 7.
const PRIORITY_MAX: u32 = 191;
/// What is assumed without one, as RFC 3164 has relays do: facility user, severity notice.
const ASSUMED: u32 = 13;

/// What stands where the priority belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Priority {
    /// Where what follows it starts.
    pub end: usize,
    /// Whether it says something.
    pub known: bool,
}

/// Reads `<34>` into the row, or what is assumed. A number that is too great is passed over and says nothing.
#[inline]
pub(crate) fn read(bytes: &[u8], row: &mut Row) -> Priority {
    let (number, end) = number(bytes).unwrap_or((PRIORITY_MAX + 1, 0));
    let known = number <= PRIORITY_MAX;
    set(row, if known { number } else { ASSUMED });
    if !known {
        row.flags |= PRIORITY_ASSUMED;
    }
    Priority { end, known }
}

/// Puts a priority that was found into the row.
#[inline]
pub(crate) fn set(row: &mut Row, number: u32) {
    row.facility = number >> 3;
    row.severity = number & 7;
    row.flags &= !PRIORITY_ASSUMED;
}

/// The number of a priority in words: `auth.info`, `<auth.info>`, `auth|security:info`.
pub(crate) fn in_words(word: &[u8]) -> Option<u32> {
    let word = word.strip_prefix(b"<").and_then(|word| word.strip_suffix(b">")).unwrap_or(word);
    let dot = word.iter().rposition(|byte| matches!(byte, b'.' | b':'))?;
    let severity = str::from_utf8(&word[dot + 1..]).ok().and_then(Severity::from_name)?;
    let name = word[..dot].split(|&byte| byte == b'|').next()?;
    let facility = FACILITIES.iter().position(|facility| facility.as_bytes() == name)?;
    Some((facility as u32) << 3 | severity.number())
}

/// One to three digits in angle brackets.
#[inline]
fn number(bytes: &[u8]) -> Option<(u32, usize)> {
    if bytes.first() != Some(&b'<') {
        return None;
    }
    let mut number = 0;
    for (place, byte) in bytes.iter().enumerate().skip(1).take(4) {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 && place < 4 {
            number = number * 10 + u32::from(digit);
        } else if *byte == b'>' && place > 1 {
            return Some((number, place + 1));
        } else {
            return None;
        }
    }
    None
}
