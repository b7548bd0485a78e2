//! Moments and spans of event time, to the nanosecond.
//!
//! A guest has no clock: every moment comes from a record, an event or a tick. Arithmetic saturates, because records
//! lie about their time and a guest that panics loses its turn.

use core::fmt;
use core::ops::{Add, Div, Mul, Sub};

use correlator_frame::text;
use serde::{Deserialize, Serialize};

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// A moment: nanoseconds since 1970-01-01T00:00:00Z. Displayed as `2023-02-20T20:12:47.757250Z`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(i64);

impl Time {
    /// The earliest moment.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment.
    pub const MAX: Self = Self(i64::MAX);

    /// The moment so many nanoseconds after 1970-01-01T00:00:00Z.
    #[inline]
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// The moment so many seconds after 1970-01-01T00:00:00Z.
    #[inline]
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOSECONDS_PER_SECOND))
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    #[inline]
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; negative if it is before.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// Appends it as people read it.
    pub fn write(self, out: &mut Vec<u8>) {
        text::time(self.0, out);
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.write(out))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    #[inline]
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    #[inline]
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Time {
    type Output = Duration;

    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// A span of time in nanoseconds. Displayed as `0:01:21.300827`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Duration(i64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many nanoseconds.
    #[inline]
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// So many milliseconds.
    #[inline]
    #[must_use]
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds.saturating_mul(NANOSECONDS_PER_SECOND / 1000))
    }

    /// So many seconds.
    #[inline]
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOSECONDS_PER_SECOND))
    }

    /// So many minutes.
    #[inline]
    #[must_use]
    pub const fn from_minutes(minutes: i64) -> Self {
        Self::from_seconds(minutes.saturating_mul(60))
    }

    /// So many hours.
    #[inline]
    #[must_use]
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_minutes(hours.saturating_mul(60))
    }

    /// So many days of 24 hours.
    #[inline]
    #[must_use]
    pub const fn from_days(days: i64) -> Self {
        Self::from_hours(days.saturating_mul(24))
    }

    /// Its nanoseconds.
    #[inline]
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// Its whole seconds, towards zero.
    #[inline]
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0 / NANOSECONDS_PER_SECOND
    }

    /// Appends it as people read it.
    pub fn write(self, out: &mut Vec<u8>) {
        text::duration(self.0, out);
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.write(out))
    }
}

impl Add for Duration {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Duration {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<i64> for Duration {
    type Output = Self;

    #[inline]
    fn mul(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Div<i64> for Duration {
    type Output = Self;

    /// Divided by zero it is [`Duration::ZERO`]: a guest must not trap on an average of nothing.
    #[inline]
    fn div(self, parts: i64) -> Self {
        Self(self.0.checked_div(parts).unwrap_or_default())
    }
}

/// Appends a moment as its clock on the wall shows it, so many seconds from UTC: `2023-02-20 14:12:47`.
pub fn write_local(time: Time, zone_seconds: i32, out: &mut Vec<u8>) {
    const DATE_BYTES: usize = 10;
    const BYTES: usize = 19;
    let start = out.len();
    (time + Duration::from_seconds(i64::from(zone_seconds))).write(out);
    out.truncate(start + BYTES);
    out[start + DATE_BYTES] = b' ';
}

/// Bytes become text here once, off the hot path: rows take moments and spans as numbers.
fn display(f: &mut fmt::Formatter<'_>, write: impl FnOnce(&mut Vec<u8>)) -> fmt::Result {
    let mut out = Vec::with_capacity(32);
    write(&mut out);
    f.pad(&String::from_utf8_lossy(&out))
}
