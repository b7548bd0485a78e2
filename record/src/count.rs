//! Octet counts: how long the record is that stands behind one (RFC 6587, 3.4.1).
//!
//! It must never know what a count is good for.

/// Digits at the most: a greater count is no count but a mistake or an attack.
pub(crate) const DIGITS_MAX: usize = 8;

/// A count and the length of its header: digits, the first not 0, and a space.
pub(crate) fn count(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes.iter().take(DIGITS_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
    if !(1..=DIGITS_MAX).contains(&digits) || bytes[0] == b'0' || bytes.get(digits)? != &b' ' {
        return None;
    }
    let length = bytes[..digits].iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    Some((digits + 1, length))
}
