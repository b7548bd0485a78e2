//! From the clock on a wall to nanoseconds: the stack's zone, years that nobody wrote, and the cached hour.
//!
//! Nearly every record of a log falls in the same hour as the one before. What is dear, the calendar and above all the
//! zone's rules, is worked out once for an hour and kept with the bytes that stood for it.
//!
//! It must never know what the time is now: the reference comes in.

use correlator_frame::record::{YEAR_ASSUMED, ZONE_ASSUMED};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::civil::{Civil, YEAR_MAX, YEAR_MIN, year_of};

const NANOSECONDS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;
pub(crate) const HOUR_S: i64 = 3600;
/// Years to go back at the most for a date without one: there are eight from one 29 February to the next where a
/// century has none, and one more since the reference may stand before it.
const YEARS_BACK_MAX: i64 = 9;

/// When a record happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    pub zone_seconds: i32,
    /// What was assumed.
    pub flags: u32,
}

/// What the stack's zone makes of some wall-clock time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shift {
    /// What to subtract from the wall's time to get UTC.
    to_utc: i64,
    /// The zone's offset at that moment. It is another one than `to_utc` where clocks were put forward over that time.
    offset: i32,
}

/// An hour of the wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hour<const N: usize> {
    /// The bytes that stood for it.
    pub key: [u8; N],
    /// Its first second.
    pub start: i64,
    /// Its shift, if it is known and all of the hour has the same.
    pub shift: Option<Shift>,
}

impl<const N: usize> Default for Hour<N> {
    /// An hour that no date is in: dates don't begin with NULs.
    fn default() -> Self {
        Self { key: [0; N], start: 0, shift: None }
    }
}

impl<const N: usize> Hour<N> {
    /// The shift at this time, if the hour knows it. A leap second may belong to the next hour, whose shift is another.
    #[inline]
    pub fn shift_at(&self, wall: i64) -> Option<Shift> {
        self.shift.filter(|_| (0..HOUR_S).contains(&(wall - self.start)))
    }
}

/// The stack's zone and the reference.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    /// No date without a year is later than this, in seconds.
    limit: i64,
}

impl Clock {
    pub fn new(zone: TimeZone, reference: i64) -> Self {
        Self { zone, limit: reference.div_euclid(NANOSECONDS) + DAY_S }
    }

    /// The moment of a time on a wall whose zone was written.
    #[inline]
    pub fn in_zone(wall: i64, nanoseconds: u32, zone_seconds: i32) -> Moment {
        let time = (wall - i64::from(zone_seconds)) * NANOSECONDS + i64::from(nanoseconds);
        Moment { time, zone_seconds, flags: 0 }
    }

    /// The moment of a time on a wall in the stack's zone; `shift` is the cached one, if any.
    #[inline]
    pub fn assumed(&self, wall: i64, nanoseconds: u32, shift: Option<Shift>) -> Moment {
        let shift = shift.unwrap_or_else(|| self.shift(wall));
        let time = (wall - shift.to_utc) * NANOSECONDS + i64::from(nanoseconds);
        Moment { time, zone_seconds: shift.offset, flags: ZONE_ASSUMED }
    }

    /// The shift of all of the hour that starts here, if it has but one.
    pub fn shift_of_hour(&self, start: i64) -> Option<Shift> {
        let shift = self.shift(start);
        (shift == self.shift(start + HOUR_S - 1)).then_some(shift)
    }

    /// The wall's time of a date without a year, in the latest year that is not more than a day after the reference.
    pub fn wall_without_year(&self, civil: Civil) -> Option<i64> {
        let newest = year_of(self.limit).clamp(YEAR_MIN, YEAR_MAX - 1) + 1;
        (newest - YEARS_BACK_MAX..=newest).rev().find_map(|year| {
            let wall = Civil { year, ..civil }.seconds()?;
            (wall - self.shift(wall).to_utc <= self.limit).then_some(wall)
        })
    }

    /// The start and the shift of an hour without a year, if all of it is in the same year and has the same shift.
    pub fn hour_without_year(&self, hour: Civil) -> Option<(i64, Shift)> {
        let start = self.wall_without_year(hour)?;
        let last = self.wall_without_year(Civil { minute: 59, second: 59, ..hour })?;
        let shift = self.shift_of_hour(start)?;
        (last == start + HOUR_S - 1).then_some((start, shift))
    }

    /// The flags of a moment whose year was worked out.
    pub fn year_assumed(moment: Moment) -> Moment {
        Moment { flags: moment.flags | YEAR_ASSUMED, ..moment }
    }

    /// The shift at this time. Where clocks were put back, the earlier of the two moments counts; where they were put
    /// forward over it, it is read as if they had not been.
    fn shift(&self, wall: i64) -> Shift {
        let utc = Timestamp::from_second(wall)
            .map(|wall| Offset::UTC.to_datetime(wall))
            .and_then(|wall| self.zone.to_ambiguous_timestamp(wall).compatible());
        match utc {
            Ok(utc) => {
                Shift { to_utc: wall - utc.as_second(), offset: self.zone.to_offset(utc).seconds() }
            }
            // Years are checked before, so this is beyond any date that comes here.
            Err(_) => Shift { to_utc: 0, offset: 0 },
        }
    }
}
