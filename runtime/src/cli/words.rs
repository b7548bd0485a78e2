//! Numbers, sizes and spans as people read them on a terminal.

use std::fmt::Write;
use std::time::Duration;

use correlator_frame::text;
use jiff::Timestamp;

use super::output::Output;
use super::table::start;
use crate::declaration::Setting;
use crate::status::Moment;
use crate::text::clean;

/// What may stand before the lines of a text that is folded.
const INDENT: usize = 2;

/// A number with commas between thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number and its noun, which takes an `s` unless there is one.
pub(super) fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

/// Bytes in the largest unit that keeps a digit before the point.
pub(super) fn bytes(bytes: u64) -> String {
    scaled(bytes, 1024, &["bytes", "KiB", "MiB", "GiB", "TiB"])
}

/// A large number in thousands, millions and so on.
pub(super) fn short(number: u64) -> String {
    scaled(number, 1000, &["", "k", "M", "G", "T", "P", "E"]).trim_end().to_owned()
}

fn scaled(number: u64, step: u64, units: &[&str]) -> String {
    let (mut unit, mut one) = (0, 1_u64);
    while unit + 1 < units.len() && number / one >= step {
        one *= step;
        unit += 1;
    }
    if unit == 0 {
        format!("{number} {}", units[0])
    } else {
        let tenths = u128::from(number) * 10 / u128::from(one);
        format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
    }
}

/// A span of the machine's time.
pub(super) fn span(time: Duration) -> String {
    if time.as_secs() > 0 {
        format!("{:.2} s", time.as_secs_f64())
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    }
}

/// A setting's value.
pub(super) fn setting(setting: &Setting) -> String {
    let mut out = Vec::new();
    match setting {
        Setting::Text(text) => return text.clone(),
        Setting::Float(number) => return number.to_string(),
        Setting::Boolean(yes) => return yes.to_string(),
        Setting::Integer(number) => text::integer(*number, &mut out),
        Setting::Time(time) => text::time(*time, &mut out),
        Setting::Duration(span) => text::duration(*span, &mut out),
    }
    String::from_utf8(out).unwrap_or_default()
}

/// A record's bytes as they can be shown: what is not text, and what would steer the terminal, as escapes.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(&clean(chunk.valid(), usize::MAX));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A text in lines that with what stands before them are no wider than the page.
pub(super) fn wrapped(text: &str) -> Vec<String> {
    folded(text, Output::width().saturating_sub(INDENT))
}

fn folded(text: &str, width: usize) -> Vec<String> {
    let (mut rest, mut lines) = (text, Vec::new());
    while !rest.is_empty() {
        // A line has one character at least, however wide that is.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let (line, after) = rest.split_at(start(rest, width).len().max(first));
        lines.push(line.to_owned());
        rest = after;
    }
    lines
}

/// A point in time to the second.
pub(super) fn moment(moment: Moment) -> String {
    let time = Timestamp::from_nanosecond(moment.0.into()).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, folded, number, short};

    #[test]
    fn texts_are_folded() {
        assert_eq!(folded("abcde", 2), ["ab", "cd", "e"]);
        assert_eq!(folded("日本語", 5), ["日本", "語"]);
        assert_eq!(folded("日本", 1), ["日", "本"]);
        assert_eq!(folded("abcde", usize::MAX), ["abcde"]);
        assert!(folded("", 2).is_empty());
    }

    #[test]
    fn numbers() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "record"), "1 record");
        assert_eq!(count(2_000, "record"), "2,000 records");
        assert_eq!(bytes(1_023), "1023 bytes");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(short(999), "999");
        assert_eq!(short(1_500_000), "1.5 M");
        assert_eq!(short(u64::MAX), "18.4 E");
    }
}
