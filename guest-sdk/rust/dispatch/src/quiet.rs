//! The hours in which people sleep, and the clock on their wall.
//!
//! A guest has no clock and is not told the stack's time zone. But daily timers fire by it: when the one of an hour is
//! due, that hour has just begun on the wall. So the clock is set by the first full hour, and follows a change to summer
//! time within one.

use correlator_sdk::prelude::{
    Cause, Deserialize, Error, ListenerDescription, Serialize, Tick, Time, Timer,
};

const MINUTES_PER_HOUR: u32 = 60;
const SECONDS_PER_DAY: i64 = 86_400;
const SECONDS_PER_HOUR: i64 = 3_600;

/// The timers by which the clock is set, one for each hour.
const HOURS: [&str; 24] = [
    "hour_00", "hour_01", "hour_02", "hour_03", "hour_04", "hour_05", "hour_06", "hour_07",
    "hour_08", "hour_09", "hour_10", "hour_11", "hour_12", "hour_13", "hour_14", "hour_15",
    "hour_16", "hour_17", "hour_18", "hour_19", "hour_20", "hour_21", "hour_22", "hour_23",
];

/// Hours of a day in which people are let sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// Minutes after midnight; the end is no part of it.
    from: u32,
    to: u32,
}

impl QuietHours {
    /// Reads `22:00-07:00`; nothing is no quiet hours.
    ///
    /// # Errors
    /// If it is written otherwise, or is no time at all.
    pub fn parse(option: &str, text: &str) -> Result<Option<Self>, Error> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let hours = text.split_once('-').and_then(|(from, to)| {
            Some(Self { from: minute_of_day(from)?, to: minute_of_day(to)? })
        });
        match hours {
            Some(hours) if hours.from != hours.to => Ok(Some(hours)),
            _ => Err(Error::Said(format!(
                "option `{option}`: {text:?} is no span of a day; write it like 22:00-07:00"
            ))),
        }
    }

    /// Whether this minute of the day belongs to them.
    #[must_use]
    pub fn hold(self, minute: u32) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// `HH:MM` as minutes after midnight.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() == 2);
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < MINUTES_PER_HOUR).then_some(hour * MINUTES_PER_HOUR + minute)
}

/// The clock on the wall of the stack's time zone. Until it is set it shows UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallClock {
    /// How far it is ahead of UTC, in seconds, within a day.
    ahead: i64,
}

impl WallClock {
    /// Adds the timers by which it is set.
    #[must_use]
    pub fn timers(description: ListenerDescription) -> ListenerDescription {
        let timers = (0..).zip(HOURS).map(|(hour, name)| Timer::daily(name, hour, 0));
        timers.fold(description, ListenerDescription::timer)
    }

    /// Sets it, if the tick is of one of its timers.
    pub fn set(&mut self, tick: &Tick) {
        let Cause::Timer(name) = tick.cause else { return };
        if let Some(hour) = (0_i64..).zip(HOURS).find(|(_, known)| *known == name) {
            let seconds = tick.time.nanoseconds().div_euclid(1_000_000_000);
            self.ahead = (hour.0 * SECONDS_PER_HOUR - seconds).rem_euclid(SECONDS_PER_DAY);
        }
    }

    /// Which minute of the day it shows.
    #[must_use]
    pub fn minute(self, time: Time) -> u32 {
        let seconds = time.nanoseconds().div_euclid(1_000_000_000) + self.ahead;
        let minute = seconds.rem_euclid(SECONDS_PER_DAY) / i64::from(MINUTES_PER_HOUR);
        u32::try_from(minute).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use correlator_sdk::prelude::{Cause, Tick, Time};

    use super::{QuietHours, WallClock};

    #[test]
    fn hours_are_read() {
        let check = |text: &str, expected: Option<(u32, u32)>| {
            let hours = QuietHours::parse("quiet_hours", text).ok().flatten();
            assert_eq!(hours.map(|hours| (hours.from, hours.to)), expected, "{text}");
        };
        check("22:00-07:00", Some((1320, 420)));
        check(" 00:30 - 23:59 ", Some((30, 1439)));
        check("", None);
        for wrong in ["22-07", "22:00", "24:00-07:00", "22:60-07:00", "7:00-8:00", "07:00-07:00"] {
            check(wrong, None);
            let told = QuietHours::parse("quiet_hours", wrong).err().map(|it| it.to_string());
            assert!(told.unwrap_or_default().contains("like 22:00-07:00"), "{wrong}");
        }
    }

    #[test]
    fn the_end_is_no_part_of_them() {
        let check = |text: &str, minute, expected| {
            let hours = QuietHours::parse("quiet_hours", text).ok().flatten();
            assert_eq!(hours.map(|it| it.hold(minute)), Some(expected), "{text} {minute}");
        };
        check("22:00-07:00", 1319, false);
        check("22:00-07:00", 1320, true);
        check("22:00-07:00", 0, true);
        check("22:00-07:00", 419, true);
        check("22:00-07:00", 420, false);
        check("12:00-13:00", 719, false);
        check("12:00-13:00", 720, true);
        check("12:00-13:00", 780, false);
    }

    #[test]
    fn the_clock_is_set_by_the_hour() {
        let at = |hours: i64, minutes: i64| Time::from_seconds(hours * 3600 + minutes * 60);
        let mut clock = WallClock::default();
        assert_eq!(clock.minute(at(10, 5)), 605);
        let mut check = |timer, time, now, expected| {
            clock.set(&Tick { cause: Cause::Timer(timer), time });
            assert_eq!(clock.minute(now), expected);
        };
        // Ten in the morning in Berlin in winter, midnight in Kathmandu, ten in Honolulu on the day before.
        check("hour_10", at(9, 0), at(9, 30), 630);
        check("hour_00", at(18, 15), at(18, 45), 30);
        check("hour_10", at(20, 0), at(33, 59), 1439);
        check("tick", at(1, 0), at(20, 0), 600);
    }
}
