//! Dates as they are written: RFC 3164's, ISO 8601's, and what lies between.
//!
//! It must never know what stands around a date.

use crate::civil::{Civil, YEAR_MAX, year_of};
use crate::clock::{Clock, HOUR_S, Hour, Moment};
use crate::zone::{self, two_digits};

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const WEEKDAYS: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
/// Bytes up to the seconds of `2023-02-20T15:12:47`.
const ISO: usize = 19;
/// Bytes up to the seconds of `Feb 20 15:12:47`.
const TRADITIONAL: usize = 15;
/// Digits of seconds since 1970, from 2001 to 2286.
const EPOCH: usize = 10;
/// What a number of so many digits of a fraction is multiplied with to get nanoseconds.
const SCALES: [u32; 10] =
    [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// Reads dates; remembers the hours of the last ones.
#[derive(Clone, Debug)]
pub(crate) struct Dates {
    clock: Clock,
    /// The hour of the last `2023-02-20T15`.
    iso: Hour<13>,
    /// The hour of the last `Feb 20 15`.
    traditional: Hour<9>,
    /// The same hour as it was read, without a year.
    traditional_civil: Civil,
}

impl Dates {
    pub fn new(clock: Clock) -> Self {
        let traditional_civil = Civil::default();
        Self { clock, iso: Hour::default(), traditional: Hour::default(), traditional_civil }
    }

    /// RFC 5424's timestamp, all of these bytes.
    #[inline]
    pub fn rfc5424(&mut self, bytes: &[u8]) -> Option<Moment> {
        let wall = self.iso_wall(bytes)?;
        let (nanoseconds, at) = fraction(bytes, ISO);
        if at == bytes.len() {
            return Some(self.iso_assumed(wall, nanoseconds));
        }
        let (zone_seconds, end) = zone::offset(bytes, at)?;
        (end == bytes.len()).then(|| Clock::in_zone(wall, nanoseconds, zone_seconds))
    }

    /// Any date that these bytes begin with, and where it ends.
    #[inline]
    pub fn any(&mut self, bytes: &[u8]) -> Option<(Moment, usize)> {
        if let Some(wall) = self.traditional_cached(bytes)
            && let Some(b' ') = bytes.get(TRADITIONAL)
            && !may_be_zone_or_year(bytes, TRADITIONAL + 1)
        {
            let moment = self.clock.assumed(wall, 0, self.traditional.shift);
            return Some((Clock::year_assumed(moment), TRADITIONAL));
        }
        if bytes.first()?.is_ascii_digit() {
            return self.iso(bytes).or_else(|| epoch(bytes)).or_else(|| self.with_month(bytes));
        }
        let start = weekday(bytes);
        let rest = &bytes[start..];
        let (moment, end) = self.with_month(rest).or_else(|| self.iso(rest))?;
        Some((moment, start + end))
    }

    /// `2023-02-20T15:12:47`, with a fraction and a zone or without.
    fn iso(&mut self, bytes: &[u8]) -> Option<(Moment, usize)> {
        let wall = self.iso_wall(bytes)?;
        let (nanoseconds, at) = fraction(bytes, ISO);
        if let Some((zone_seconds, end)) = zone_behind(bytes, at) {
            return Some((Clock::in_zone(wall, nanoseconds, zone_seconds), end));
        }
        Some((self.iso_assumed(wall, nanoseconds), at))
    }

    /// The moment in the stack's zone; the shift of its hour is worked out when it is first needed.
    fn iso_assumed(&mut self, wall: i64, nanoseconds: u32) -> Moment {
        if self.iso.shift.is_none() {
            self.iso.shift = self.clock.shift_of_hour(self.iso.start);
        }
        self.clock.assumed(wall, nanoseconds, self.iso.shift_at(wall))
    }

    /// The wall's time of `2023-02-20T15:12:47`, in any of its spellings.
    #[inline]
    fn iso_wall(&mut self, bytes: &[u8]) -> Option<i64> {
        let bytes = bytes.first_chunk::<ISO>()?;
        if bytes[..13] != self.iso.key {
            self.iso = iso_hour(bytes)?;
        }
        minutes_and_seconds(bytes, 13).map(|seconds| self.iso.start + i64::from(seconds))
    }

    /// The wall's time of `Feb 20 15:12:47` if it is in the same hour as the last.
    #[inline]
    fn traditional_cached(&self, bytes: &[u8]) -> Option<i64> {
        let bytes = bytes.first_chunk::<TRADITIONAL>()?;
        if bytes[..9] != self.traditional.key {
            return None;
        }
        let seconds =
            minutes_and_seconds(bytes, 9).map(i64::from).filter(|&seconds| seconds < HOUR_S)?;
        Some(self.traditional.start + seconds)
    }

    /// A date with a month's name: `Feb 20 15:12:47`, `Feb  3 2023 15:12:47`, `2023 Feb 20 15:12:47`,
    /// `Feb 20 15:12:47 CST 1987`.
    fn with_month(&mut self, bytes: &[u8]) -> Option<(Moment, usize)> {
        let (first_year, at) = year(bytes, 0).map_or((None, 0), |(year, at)| (Some(year), at));
        let at = at + usize::from(first_year.is_some());
        let month = place_of(&MONTHS, bytes.get(at..)?)?;
        let (day, at) = number(bytes, spaces(bytes, at + 3)?)?;
        let at = spaces(bytes, at + usize::from(bytes.get(at) == Some(&b',')))?;
        let (second_year, time) = match year(bytes, at) {
            Some((year, at)) => (Some(year), spaces(bytes, at)?),
            None => (None, at),
        };
        let (hour, at) = number(bytes, time)?;
        let minutes_and_seconds = minutes_and_seconds(bytes, at)?;
        let (nanoseconds, at) = fraction(bytes, at + 6);
        let zone = zone_behind(bytes, at);
        let at = zone.map_or(at, |(_, end)| end);
        let last_year = || match bytes.get(at) {
            Some(b' ') => year(bytes, at + 1).filter(|(year, _)| (1970..2100).contains(year)),
            _ => None,
        };
        let written = first_year.or(second_year);
        let behind = if written.is_none() { last_year() } else { None };
        let at = behind.map_or(at, |(_, end)| end);
        let year = written.or(behind.map(|(year, _)| year));
        let civil = Civil { year: year.unwrap_or(0), month, day, hour, minute: 0, second: 0 };
        let wall = match year {
            Some(_) => civil.seconds()? + i64::from(minutes_and_seconds),
            None => self.without_year(civil, minutes_and_seconds, bytes)?,
        };
        let moment = match zone {
            Some((zone_seconds, _)) => Clock::in_zone(wall, nanoseconds, zone_seconds),
            None => self.clock.assumed(wall, nanoseconds, self.traditional.shift_at(wall)),
        };
        Some((if year.is_none() { Clock::year_assumed(moment) } else { moment }, at))
    }
    /// The wall's time of a date without a year, so many seconds into its hour. The hour is kept, whichever way it was
    /// written; the bytes too if they are in the usual places.
    fn without_year(&mut self, hour: Civil, seconds: u16, bytes: &[u8]) -> Option<i64> {
        let usual = bytes.first_chunk::<9>().filter(|_| bytes.get(9) == Some(&b':'));
        if self.traditional.shift.is_some()
            && self.traditional_civil == hour
            && i64::from(seconds) < HOUR_S
        {
            self.traditional.key = usual.copied().unwrap_or(self.traditional.key);
            return Some(self.traditional.start + i64::from(seconds));
        }
        let minute = (seconds / 60).min(59);
        let second = seconds - minute * 60;
        let time = Civil { minute: minute as u8, second: second as u8, ..hour };
        let wall = self.clock.wall_without_year(time)?;
        self.traditional = Hour::default();
        if let Some((start, shift)) = self.clock.hour_without_year(hour) {
            let key = usual.copied().unwrap_or_default();
            self.traditional = Hour { key, start, shift: Some(shift) };
            self.traditional_civil = hour;
        }
        Some(wall)
    }
}

/// Seconds since 1970 with a fraction, as the journal's tool writes them: `1676923967.757250`.
fn epoch(bytes: &[u8]) -> Option<(Moment, usize)> {
    let digits = bytes.first_chunk::<EPOCH>()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    if year_of(seconds) > YEAR_MAX {
        return None;
    }
    let (nanoseconds, end) = fraction(bytes, EPOCH);
    let moment = Clock::in_zone(seconds, nanoseconds, 0);
    (end > EPOCH && bytes.get(end) == Some(&b' ')).then_some((moment, end))
}

/// The hour of `2023-02-20T15:12:47`, also with a space, with slashes and in lower case.
fn iso_hour(bytes: &[u8; ISO]) -> Option<Hour<13>> {
    let separators = matches!((bytes[4], bytes[7]), (b'-', b'-') | (b'/', b'/'))
        && matches!(bytes[10], b'T' | b't' | b' ');
    if !separators {
        return None;
    }
    let (century, year) = (two_digits(bytes, 0)?, two_digits(bytes, 2)?);
    let civil = Civil {
        year: i64::from(century) * 100 + i64::from(year),
        month: two_digits(bytes, 5)?,
        day: two_digits(bytes, 8)?,
        hour: two_digits(bytes, 11)?,
        minute: 0,
        second: 0,
    };
    let mut key = [0; 13];
    key.copy_from_slice(&bytes[..13]);
    Some(Hour { key, start: civil.seconds()?, shift: None })
}

/// Seconds of `:12:47` in its hour. A leap second is the one after the last.
#[inline]
fn minutes_and_seconds(bytes: &[u8], at: usize) -> Option<u16> {
    let part = bytes.get(at..at + 6)?;
    let (minutes, seconds) = (two_digits(part, 1)?, two_digits(part, 4)?);
    let valid = part[0] == b':' && part[3] == b':' && minutes < 60 && seconds <= 60;
    valid.then_some(u16::from(minutes) * 60 + u16::from(seconds))
}

/// Nanoseconds of `.757250` or `,757`, and where it ends. More than nine digits are read and mean nothing.
#[inline]
fn fraction(bytes: &[u8], at: usize) -> (u32, usize) {
    if !matches!(bytes.get(at), Some(b'.' | b',')) {
        return (0, at);
    }
    let mut number = 0;
    let mut digits = 0;
    for byte in &bytes[at + 1..] {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if digits < 9 {
            number = number * 10 + u32::from(digit);
        }
        digits += 1;
    }
    match digits {
        0 => (0, at),
        _ => (number * SCALES[digits.min(9)], at + 1 + digits),
    }
}

/// A zone right behind a time or after a space.
fn zone_behind(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let ends = |&(_, end): &(i32, usize)| {
        bytes.get(end).is_none_or(|byte| matches!(byte, b' ' | b':' | b',' | b']'))
    };
    if let Some(zone) = zone::offset(bytes, at).filter(ends) {
        return Some(zone);
    }
    if bytes.get(at) != Some(&b' ') {
        return None;
    }
    zone::offset(bytes, at + 1).filter(ends).or_else(|| zone::name(bytes, at + 1))
}

/// Whether a zone or a year may stand here. A host may too, so this only keeps most hosts from being looked at twice.
#[inline]
fn may_be_zone_or_year(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at..at + 3) {
        Some(&[b'+' | b'-' | b'Z', ..] | &[b'T', b'Z', _]) | None => true,
        Some(start) if start[0].is_ascii_digit() => start.iter().all(u8::is_ascii_digit),
        Some(start) => start.iter().all(u8::is_ascii_uppercase),
    }
}

/// A year of four digits with a space, a colon and a space, or nothing behind it.
fn year(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let (century, year) = (two_digits(bytes, at)?, two_digits(bytes, at + 2)?);
    let end = at + 4;
    let ends = match bytes.get(end) {
        Some(b':') => bytes.get(end + 1) == Some(&b' '),
        byte => matches!(byte, None | Some(b' ')),
    };
    ends.then_some((i64::from(century) * 100 + i64::from(year), end))
}

/// A number of one or two digits.
fn number(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    if let Some(number) = two_digits(bytes, at) {
        return Some((number, at + 2));
    }
    let digit = bytes.get(at).filter(|byte| byte.is_ascii_digit())?;
    Some((digit - b'0', at + 1))
}

/// What stands behind at least one space.
fn spaces(bytes: &[u8], at: usize) -> Option<usize> {
    let count = bytes.get(at..)?.iter().take_while(|&&byte| byte == b' ').count();
    (count > 0).then_some(at + count)
}

/// Where what stands behind a weekday is; the start if there is none.
fn weekday(bytes: &[u8]) -> usize {
    match place_of(&WEEKDAYS, bytes) {
        Some(_) => spaces(bytes, 3 + usize::from(bytes.get(3) == Some(&b','))).unwrap_or(0),
        None => 0,
    }
}

/// Which of these names the bytes begin with, counted from 1.
fn place_of(names: &[&[u8; 3]], bytes: &[u8]) -> Option<u8> {
    let mut name = *bytes.first_chunk::<3>()?;
    name.make_ascii_lowercase();
    names.iter().position(|known| **known == name).map(|place| place as u8 + 1)
}
