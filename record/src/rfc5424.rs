//! The format of RFC 5424: version, time, host, program, process id, message id, structured data, message.
//!
//! It must never know the other formats: it says whether a record is in this one, and if so reads it.

use correlator_frame::record::{RFC5424, Row, Span, TIME_ASSUMED};
use memchr::memchr;

use crate::clock::Moment;
use crate::date::Dates;
use crate::origin;
use crate::rfc3164;
use crate::structured::{self, Fields};

/// The byte order mark that a message in UTF-8 may begin with.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Host, program, process id, message id.
const NAMES: usize = 4;

/// What the head of a record is made of: ranges of its bytes.
#[derive(Clone, Copy, Default)]
struct Head {
    names: [(usize, usize); NAMES],
    /// Where structured data starts.
    end: usize,
}

/// Reads a record in this format into the row; `at` is what stands behind the priority. Gives the time if it has one,
/// in a row whose flags then say [`RFC5424`]; leaves the row alone if the record is not in this format.
#[inline]
pub(crate) fn read(
    bytes: &[u8],
    base: usize,
    at: usize,
    dates: &mut Dates,
    row: &mut Row,
    fields: &mut Fields,
) -> Option<Moment> {
    let start = version(bytes, at)?;
    let end = start + memchr(b' ', &bytes[start..]).unwrap_or(bytes.len() - start);
    let moment = dates.rfc5424(&bytes[start..end]);
    row.flags |= RFC5424;
    if moment.is_none() {
        row.flags |= TIME_ASSUMED;
    }
    let start = (end + 1).min(bytes.len());
    let head = head(bytes, start);
    if head.end == bytes.len() || !is_structured(bytes, head.end) {
        // Some senders put RFC 3164's tag and message behind this head.
        let origin = origin::after_date(bytes, skip_spaces(bytes, start), true);
        if origin.has_program() {
            rfc3164::write(bytes, base, origin, row);
            return moment;
        }
    }
    let span = |(start, end): (usize, usize)| match &bytes[start..end] {
        b"" | b"-" => Span::default(),
        _ => Span::new(base + start, base + end),
    };
    [row.host, row.program, row.process_id, row.message_id] = head.names.map(span);
    let message = match bytes.get(head.end) {
        Some(b'[') => structured::read(bytes, base, head.end, fields),
        Some(b'-') if matches!(bytes.get(head.end + 1), None | Some(b' ')) => head.end + 1,
        _ => head.end,
    };
    row.message = message_span(bytes, base, message);
    moment
}

/// The message that starts at `at`, without the spaces and the byte order mark before it. RFC 5424 has one space there;
/// relays that put RFC 3164's messages into this format write two.
#[inline]
pub(crate) fn message_span(bytes: &[u8], base: usize, at: usize) -> Span {
    let mut start = skip_spaces(bytes, at);
    if bytes[start..].starts_with(BYTE_ORDER_MARK) {
        start += BYTE_ORDER_MARK.len();
    }
    if start == bytes.len() { Span::default() } else { Span::new(base + start, base + bytes.len()) }
}

/// What stands behind these spaces.
#[inline]
pub(crate) fn skip_spaces(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// Where the timestamp starts, if a version stands at `at` and something like a timestamp behind it.
#[inline]
fn version(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = bytes.get(at..)?.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=3).contains(&digits) || bytes[at] == b'0' || bytes.get(at + digits) != Some(&b' ') {
        return None;
    }
    let start = skip_spaces(bytes, at + digits);
    let nil = bytes.get(start) == Some(&b'-') && matches!(bytes.get(start + 1), None | Some(b' '));
    let dated = |date: &[u8]| date[4] == b'-' && date[..4].iter().all(u8::is_ascii_digit);
    (nil || bytes.get(start..start + 5).is_some_and(dated)).then_some(start)
}

/// The names in the head. Senders write two spaces by mistake or for an empty name: which it was shows in whether
/// structured data stands where it belongs.
#[inline]
fn head(bytes: &[u8], at: usize) -> Head {
    let loose = names(bytes, at, skip_spaces);
    if is_structured(bytes, loose.end) {
        return loose;
    }
    let strict = names(bytes, at, |_, at| at);
    if is_structured(bytes, strict.end) { strict } else { loose }
}

#[inline]
fn names(bytes: &[u8], mut at: usize, skip: impl Fn(&[u8], usize) -> usize) -> Head {
    let mut head = Head::default();
    for name in &mut head.names {
        let start = skip(bytes, at);
        let end =
            start + bytes[start..].iter().position(|&b| b == b' ').unwrap_or(bytes.len() - start);
        *name = (start, end);
        at = (end + 1).min(bytes.len());
    }
    head.end = skip(bytes, at);
    head
}

/// Whether structured data, nil or the end stands here.
#[inline]
fn is_structured(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        None | Some(b'[') => true,
        Some(b'-') => matches!(bytes.get(at + 1), None | Some(b' ')),
        _ => false,
    }
}
