//! How numbers, sizes, spans of time, moments and yes or no are written in a stack and in criteria, and written back.
//!
//! One form each, whoever asks: options, limits, grants, flags, criteria. This room must never know who does.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::problem::Wrong;
use crate::declaration::Setting;
use crate::text::clean;

const FOUND_BYTES_MAX: usize = 48;

/// Units of time in nanoseconds, the greatest first, as they are written back.
const TIMES: [(&str, i64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Units of size in bytes.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

fn expected(what: &str, text: &str) -> Wrong {
    Wrong::new(format!("expected {what}, found `{}`", clean(text, FOUND_BYTES_MAX)))
}

/// Digits with `_` between them where they help to read.
fn digits(text: &str) -> Option<i128> {
    let groups = text.split('_').all(|group| !group.is_empty());
    let plain: String = text.chars().filter(|&character| character != '_').collect();
    let fits = groups && plain.len() <= 30 && plain.bytes().all(|byte| byte.is_ascii_digit());
    if fits { plain.parse().ok() } else { None }
}

/// A number such as `5`, `-3` or `20_000`.
pub(super) fn integer(text: &str) -> Result<i64, Wrong> {
    let (sign, number) = text.strip_prefix('-').map_or((1, text), |number| (-1, number));
    let number =
        digits(number).ok_or_else(|| expected("an integer such as `5` or `20_000`", text))?;
    i64::try_from(sign * number).map_err(|_| expected("an integer of at most 64 bits", text))
}

/// A number such as `0.5` or `1e3`.
pub(super) fn float(text: &str) -> Result<f64, Wrong> {
    let wrong = || expected("a number such as `0.5`", text);
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-._eE".contains(&byte));
    if !numeric {
        return Err(wrong());
    }
    let number: f64 = text.replace('_', "").parse().map_err(|_| wrong())?;
    if number.is_finite() { Ok(number) } else { Err(wrong()) }
}

/// `true` or `false`, or the words that people use for them.
pub(super) fn boolean(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err(expected("`true` or `false`", text)),
    }
}

/// A number of bytes such as `64MiB`, `10MB` or `4096`.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    let wrong = || expected("a size such as `64MiB`, `10MB` or `4096`", text);
    let number = digits(number).ok_or_else(wrong)?;
    let factor = if unit.is_empty() {
        1
    } else {
        let found = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let help = "the units are B, kB, MB, GB, TB (thousands) and KiB, MiB, GiB, TiB (1024)";
        found.ok_or_else(|| wrong().help(help))?.1
    };
    u64::try_from(number * i128::from(factor)).map_err(|_| wrong())
}

/// A span of time such as `5m`, `1h30m` or `250ms`, in nanoseconds.
pub(super) fn duration(text: &str) -> Result<i64, Wrong> {
    let wrong = || expected("a duration such as `5m`, `48h` or `250ms`", text);
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if rest == "0" {
        return Ok(0);
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '_' && c != '.');
        let Some(end) = end.filter(|&end| end > 0) else {
            let bare = digits(rest).filter(|_| rest == text);
            return Err(match bare {
                Some(number) => wrong().help(format!("add a unit, such as `{number}s`")),
                None => wrong(),
            });
        };
        let (number, tail) = rest.split_at(end);
        let tail = tail.trim_start();
        let end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let unit = time_unit(&tail[..end])
            .ok_or_else(|| wrong().help("the units are ns, us, ms, s, m, h, d and w"))?;
        total += decimal(number, unit).ok_or_else(wrong)?;
        rest = tail[end..].trim_start();
    }
    if text.is_empty() {
        return Err(wrong());
    }
    i64::try_from(sign * total).map_err(|_| expected("a duration of at most 292 years", text))
}

fn time_unit(name: &str) -> Option<i64> {
    match name {
        "µs" | "μs" => Some(1_000),
        "w" => Some(7 * TIMES[0].1),
        _ => TIMES.iter().find(|(unit, _)| *unit == name).map(|(_, factor)| *factor),
    }
}

/// A number, perhaps with a fraction, times a unit; digits beyond the unit's precision are cut.
fn decimal(number: &str, unit: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let (whole, fraction_value) = (digits(whole)?, digits(fraction)?);
    if whole > i128::from(i64::MAX) || fraction.len() > 18 || fraction.contains('_') {
        return None;
    }
    let scale = 10_i128.pow(fraction.len() as u32);
    Some(whole * i128::from(unit) + fraction_value * i128::from(unit) / scale)
}

/// A moment in nanoseconds since 1970-01-01T00:00:00Z; without a zone, in this one.
pub(super) fn time(text: &str, zone: &TimeZone) -> Result<i64, Wrong> {
    let wrong = || expected("a time such as `2023-02-20T20:12:47Z`", text);
    let moment = if let Ok(moment) = text.parse::<Timestamp>() {
        moment
    } else if let Ok(local) = text.parse::<DateTime>() {
        zone.to_timestamp(local).map_err(|_| wrong())?
    } else {
        let local: Date = text.parse().map_err(|_| wrong())?;
        zone.to_timestamp(local.to_datetime(jiff::civil::Time::midnight())).map_err(|_| wrong())?
    };
    i64::try_from(moment.as_nanosecond()).map_err(|_| wrong())
}

/// A span of time as it is written in a stack.
#[must_use]
pub fn duration_text(nanoseconds: i64) -> String {
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let mut text = if nanoseconds < 0 { "-".to_owned() } else { String::new() };
    let mut rest = nanoseconds.unsigned_abs();
    for (name, factor) in TIMES {
        let count = rest / factor.unsigned_abs();
        if count > 0 {
            let _ = write!(text, "{count}{name}");
            rest %= factor.unsigned_abs();
        }
    }
    text
}

/// A number of bytes as it is written in a stack: in the unit that makes it shortest.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    let fits = |(_, factor): &&(&str, u64)| bytes >= *factor && bytes.is_multiple_of(*factor);
    SIZES
        .iter()
        .filter(fits)
        .min_by_key(|(_, factor)| bytes / factor)
        .map_or_else(|| bytes.to_string(), |(name, factor)| format!("{}{name}", bytes / factor))
}

/// A value as it is written in a stack.
#[must_use]
pub fn setting_text(setting: &Setting) -> String {
    match setting {
        Setting::Text(text) => text.clone(),
        Setting::Integer(number) => number.to_string(),
        Setting::Float(number) => format!("{number:?}"),
        Setting::Boolean(yes) => yes.to_string(),
        Setting::Time(time) => Timestamp::from_nanosecond(i128::from(*time))
            .map_or_else(|_| time.to_string(), |time| time.to_string()),
        Setting::Duration(duration) => duration_text(*duration),
    }
}
