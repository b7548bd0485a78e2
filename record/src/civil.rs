//! The calendar: days and seconds of dates, without zones.
//!
//! It must never know how a date is written.

/// The least year that is understood: nanoseconds since 1970 in 64 bits reach back to 1677.
pub(crate) const YEAR_MIN: i64 = 1700;
/// The greatest year that is understood: they reach on to 2262.
pub(crate) const YEAR_MAX: i64 = 2200;

/// A date and a time of day, as a clock on a wall shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// From 1.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    /// Up to 60: a leap second counts as the first of the next minute.
    pub second: u8,
}

impl Civil {
    /// Seconds since 1970-01-01T00:00:00 on the same wall; nothing if there is no such date.
    pub fn seconds(self) -> Option<i64> {
        let valid = (YEAR_MIN..=YEAR_MAX).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60;
        let day = days(self.year, self.month, self.day);
        let minutes = (day * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute);
        valid.then_some(minutes * 60 + i64::from(self.second))
    }
}

/// The year of so many seconds since 1970.
pub(crate) fn year_of(seconds: i64) -> i64 {
    // The mean length of a year is close enough to be off by one at the most.
    let guess = 1970 + seconds.div_euclid(31_556_952);
    let starts = |year| days(year, 1, 1) * 86_400;
    if starts(guess) > seconds {
        guess - 1
    } else if starts(guess + 1) <= seconds {
        guess + 1
    } else {
        guess
    }
}

/// Days from 1970-01-01 to this one. Years are taken to begin in March, so that the odd day is the last.
fn days(year: i64, month: u8, day: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn days_in_month(year: i64, month: u8) -> u8 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
