//! The hours in which people sleep, and the clock on their wall.
//!
//! A guest has no clock and no list of time zones. But an option that is called `time_zone` is filled in by the host: with the
//! stack's zone where nobody sets it, and with every change of that zone's clock.

use correlator_sdk::prelude::{Error, Time};

const MINUTES_PER_HOUR: u32 = 60;
const SECONDS_PER_DAY: i64 = 86_400;
/// Characters that are shown of what makes no sense.
const SHOWN_MAX: usize = 80;

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

/// The clock on the wall of a time zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// How far it is ahead of UTC before the first change, in seconds.
    ahead: i64,
    /// From which moments on it is otherwise, and how far ahead it is then, in seconds and in order.
    changes: Vec<(i64, i64)>,
}

impl WallClock {
    /// Reads what the host says of a zone: `NAME OFFSET [MOMENT OFFSET]...`. Nothing is UTC.
    ///
    /// # Errors
    /// If it is written otherwise.
    pub fn parse(option: &str, text: &str) -> Result<Self, Error> {
        let mut numbers = Vec::new();
        for number in text.split_ascii_whitespace().skip(1) {
            numbers.push(number.parse::<i64>().map_err(|_| wrong(option, text))?);
        }
        let (ahead, changes) = match numbers.split_first() {
            None if text.trim().is_empty() => return Ok(Self::default()),
            Some((ahead, changes)) if changes.len().is_multiple_of(2) => (*ahead, changes),
            _ => return Err(wrong(option, text)),
        };
        let changes: Vec<_> = changes.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        if changes.is_sorted_by(|one, next| one.0 < next.0) {
            return Ok(Self { ahead, changes });
        }
        Err(wrong(option, text))
    }

    /// Which minute of the day it shows.
    #[must_use]
    pub fn minute(&self, time: Time) -> u32 {
        let seconds = time.nanoseconds().div_euclid(1_000_000_000);
        let after = self.changes.partition_point(|(moment, _)| *moment <= seconds);
        let last = after.checked_sub(1).and_then(|last| self.changes.get(last));
        let ahead = last.map_or(self.ahead, |(_, ahead)| *ahead);
        let of_day = seconds.saturating_add(ahead).rem_euclid(SECONDS_PER_DAY);
        u32::try_from(of_day / i64::from(MINUTES_PER_HOUR)).unwrap_or_default()
    }
}

fn wrong(option: &str, text: &str) -> Error {
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    Error::Said(format!(
        "option `{option}`: {shown:?} is no time zone as the host tells it, such as \"Europe/Berlin 3600 1774746000 7200\""
    ))
}

#[cfg(test)]
mod tests {
    use correlator_sdk::prelude::Time;

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
    fn the_clock_shows_what_a_wall_there_does() {
        let berlin = "Europe/Berlin 3600 1774746000 7200 1792890000 3600";
        let check = |zone: &str, seconds: i64, (hour, minute): (u32, u32)| {
            let clock = WallClock::parse("time_zone", zone).expect("a zone");
            let shown = clock.minute(Time::from_seconds(seconds));
            assert_eq!(shown, hour * 60 + minute, "{zone:.20} {seconds}");
        };
        check("", 36_300, (10, 5));
        check("UTC 0", 36_300, (10, 5));
        check("Asia/Kathmandu 20700", 36_300, (15, 50));
        check("Pacific/Honolulu -36000", 36_300, (0, 5));
        check("Pacific/Honolulu -36000", 35_999, (23, 59));
        // The night in which summer time begins, and that in which it ends.
        check(berlin, 0, (1, 0));
        check(berlin, 1_774_745_999, (1, 59));
        check(berlin, 1_774_746_000, (3, 0));
        check(berlin, 1_792_889_999, (2, 59));
        check(berlin, 1_792_890_000, (2, 0));
        check(berlin, -1, (0, 59));
    }

    #[test]
    fn what_is_no_zone_is_told() {
        for wrong in ["Europe/Berlin", "X 1 2", "X one", "X 0 5 0 5 0", "X 0 5 0 4 0"] {
            let told = WallClock::parse("time_zone", wrong).err().map(|it| it.to_string());
            assert!(told.unwrap_or_default().contains("option `time_zone`"), "{wrong}");
        }
    }
}
