//! The formats that are not RFC 5424's: what RFC 3164 describes, and what servers, routers and relays make of it.
//!
//! It must never know where one record ends, or what the time of the last one was.

use correlator_frame::record::{Row, Span, TIME_ASSUMED, UNPARSED};

use crate::clock::Moment;
use crate::date::Dates;
use crate::origin::{self, Origin, Part};
use crate::priority::{self, Priority};
use crate::rfc5424::{message_span, skip_spaces};

/// Reads a record into the row and gives its time, if it has one.
#[inline]
pub(crate) fn read(
    bytes: &[u8],
    base: usize,
    priority: Priority,
    dates: &mut Dates,
    row: &mut Row,
) -> Option<Moment> {
    let start = skip_spaces(bytes, priority.end);
    if let Some((moment, end)) = dates.any(&bytes[start..]) {
        let mut at = start + end;
        if bytes.get(at) == Some(&b':') {
            at += 1;
        }
        at = skip_spaces(bytes, at);
        if bytes[start].is_ascii_digit() && bytes.get(at + 3) == Some(&b' ') {
            at = behind_second_date(bytes, at, dates);
        }
        let origin = origin::after_date(bytes, at, priority.known);
        write(bytes, base, origin, row);
        return Some(moment);
    }
    if let Some((moment, at, host)) = router(bytes, start, dates) {
        let mut origin = origin::after_date(bytes, at, priority.known);
        if origin.host.0 == origin.host.1 {
            origin.host = host;
        }
        write(bytes, base, origin, row);
        return Some(moment);
    }
    row.flags |= TIME_ASSUMED;
    if priority.known {
        write(bytes, base, origin::without_date(bytes, start), row);
    } else {
        row.flags |= UNPARSED;
        row.message = row.raw;
    }
    None
}

/// What stands behind a second date. Collectors put theirs in front of the sender's, with a year and a zone.
fn behind_second_date(bytes: &[u8], at: usize, dates: &mut Dates) -> usize {
    dates.any(&bytes[at..]).map_or(at, |(_, end)| skip_spaces(bytes, at + end))
}

/// What routers write before and around a date: `29: *Mar  1 00:00:00.123 UTC: `, `: 2023 Feb 20 15:12:47 UTC: `,
/// `29: router1: .Mar  1 00:00:00: `. Gives the time, what stands behind it, and the host.
fn router(bytes: &[u8], start: usize, dates: &mut Dates) -> Option<(Moment, usize, Part)> {
    let mut at = start;
    let mut host = (0, 0);
    // A sequence number, a host, a colon alone: each ends with a colon, and there are three at the most.
    for _ in 0..3 {
        let sign = usize::from(matches!(bytes.get(at), Some(b'*' | b'.')));
        if let Some((moment, end)) = dates.any(&bytes[at + sign..]) {
            let mut end = at + sign + end;
            end += usize::from(bytes.get(end) == Some(&b':'));
            return Some((moment, skip_spaces(bytes, end), host));
        }
        let word = &bytes[at..];
        let length = word.iter().take_while(|&&byte| byte != b':' && byte != b' ').count();
        if word.get(length) != Some(&b':') {
            return None;
        }
        if !word[..length].iter().all(u8::is_ascii_digit) {
            host = (at, at + length);
        }
        at = skip_spaces(bytes, at + length + 1);
    }
    None
}

/// Puts an origin into the row.
#[inline]
pub(crate) fn write(bytes: &[u8], base: usize, origin: Origin, row: &mut Row) {
    let span = |(start, end): Part| {
        if start == end { Span::default() } else { Span::new(base + start, base + end) }
    };
    row.host = span(origin.host);
    row.program = span(origin.program);
    row.process_id = span(origin.process_id);
    row.message = message_span(bytes, base, origin.message);
    if let Some(number) = origin.priority {
        priority::set(row, number);
    }
}
