//! Zones as they are written: offsets from UTC and the names that senders use for them.
//!
//! It must never know which zone the stack is in.

/// The names that mean one offset wherever they are written in logs, with the offset in minutes. Ambiguous ones are
/// taken as the syslog senders that write them mean them.
const NAMES: [(&[u8], i32); 32] = [
    (b"UTC", 0),
    (b"GMT", 0),
    (b"TZ", 0),
    (b"Z", 0),
    (b"WET", 0),
    (b"WEST", 60),
    (b"BST", 60),
    (b"CET", 60),
    (b"CEST", 120),
    (b"MEZ", 60),
    (b"MESZ", 120),
    (b"SAST", 120),
    (b"EET", 120),
    (b"EEST", 180),
    (b"MSK", 180),
    (b"IST", 330),
    (b"SGT", 480),
    (b"HKT", 480),
    (b"AWST", 480),
    (b"JST", 540),
    (b"KST", 540),
    (b"AEST", 600),
    (b"AEDT", 660),
    (b"NZST", 720),
    (b"EST", -300),
    (b"EDT", -240),
    (b"CST", -360),
    (b"CDT", -300),
    (b"MST", -420),
    (b"MDT", -360),
    (b"PST", -480),
    (b"PDT", -420),
];

/// An offset that stands right here, in seconds, and where it ends: `Z`, `+01:00`, `+0100` or `+01`.
#[inline]
pub(crate) fn offset(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let sign = match bytes.get(at)? {
        b'Z' | b'z' => return Some((0, at + 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = two_digits(bytes, at + 1)?;
    let colon = usize::from(bytes.get(at + 3) == Some(&b':'));
    let (minutes, end) = match two_digits(bytes, at + 3 + colon) {
        Some(minutes) => (minutes, at + 5 + colon),
        None if colon == 0 => (0, at + 3),
        None => return None,
    };
    let valid = hours < 24 && minutes < 60;
    valid.then_some((sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60), end))
}

/// A zone's name that stands right here, in seconds, and where it ends: `UTC`, `EST`, `TZ-6`, `GMT+01:00`. It is one
/// only if a space, a colon or nothing stands behind it.
pub(crate) fn name(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let rest = bytes.get(at..)?;
    let letters = rest.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    let known = |name: &&(&[u8], i32)| name.0 == &rest[..letters];
    let &(name, minutes) = NAMES.iter().find(known)?;
    let mut seconds = minutes * 60;
    let mut end = at + letters;
    if seconds == 0 && name.len() >= 2 {
        match offset(bytes, end).or_else(|| short_offset(bytes, end)) {
            Some((more, behind)) => (seconds, end) = (more, behind),
            None if name == b"TZ" => return None,
            None => {}
        }
    }
    matches!(bytes.get(end), None | Some(b' ' | b':')).then_some((seconds, end))
}

/// Two digits as a number.
#[inline]
pub(crate) fn two_digits(bytes: &[u8], at: usize) -> Option<u8> {
    let pair = bytes.get(at..at + 2)?;
    let (tens, ones) = (pair[0].wrapping_sub(b'0'), pair[1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| tens * 10 + ones)
}

/// A sign and one digit of hours.
fn short_offset(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let sign = match bytes.get(at)? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = bytes.get(at + 1).filter(|byte| byte.is_ascii_digit())? - b'0';
    Some((sign * i32::from(hours) * 3600, at + 2))
}
