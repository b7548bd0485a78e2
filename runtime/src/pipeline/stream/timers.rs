//! When a guest's timers are due, by event time.
//!
//! Time is what records say, and only ever goes on: a replay sees the same ticks between the same records. If time
//! jumps over several due moments of a timer, it ticks once, for the last of them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::declaration::{Schedule, Timer};
use crate::guest::{Cause, Tick};

const SECOND: i64 = 1_000_000_000;

/// The timers of one guest.
pub(crate) struct Timers {
    zone: TimeZone,
    schedules: Vec<(Schedule, Option<i64>)>,
    /// The earliest due moment: what is compared on the hot path.
    next: i64,
}

impl Timers {
    pub(crate) fn new(timers: &[Timer], zone: &TimeZone) -> Self {
        let schedules: Vec<_> = timers.iter().map(|timer| (timer.schedule, None)).collect();
        let next = if timers.is_empty() { i64::MAX } else { i64::MIN };
        Self { zone: zone.clone(), schedules, next }
    }

    /// Goes on from another moment, or begins anew. Nothing is due at the moment itself.
    pub(crate) fn restart(&mut self, now: Option<i64>) {
        for (schedule, due) in &mut self.schedules {
            *due = now.map(|now| following(*schedule, now, &self.zone));
        }
        let never = if self.schedules.is_empty() { i64::MAX } else { i64::MIN };
        let due = self.schedules.iter().filter_map(|(_, due)| *due);
        self.next = if now.is_some() { due.min().unwrap_or(i64::MAX) } else { never };
    }

    /// The moment before which there is nothing to ask.
    #[inline]
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// The ticks that are due at this moment, in order. The first moment ever only starts the timers.
    pub(crate) fn due(&mut self, now: i64) -> Vec<Tick> {
        let mut ticks = Vec::new();
        for (place, (schedule, due)) in self.schedules.iter_mut().enumerate() {
            if due.is_some_and(|due| due <= now) {
                let time = last(*schedule, now, &self.zone);
                ticks.push(Tick { cause: Cause::Timer(place as u32), time });
            }
            if due.is_none_or(|due| due <= now) {
                *due = Some(following(*schedule, now, &self.zone));
            }
        }
        self.next = self.schedules.iter().filter_map(|(_, due)| *due).min().unwrap_or(i64::MAX);
        ticks.sort_by_key(|tick| tick.time);
        ticks
    }
}

/// The last due moment that is not after `now`.
fn last(schedule: Schedule, now: i64, zone: &TimeZone) -> i64 {
    match schedule {
        Schedule::EverySeconds(seconds) => {
            let every = i64::from(seconds) * SECOND;
            now.div_euclid(every).saturating_mul(every)
        }
        Schedule::DailyMinute(minute) => daily(now, minute, zone, |due| due <= now, 0),
    }
}

/// The first due moment that is after `now`.
fn following(schedule: Schedule, now: i64, zone: &TimeZone) -> i64 {
    match schedule {
        Schedule::EverySeconds(seconds) => {
            let every = i64::from(seconds) * SECOND;
            now.div_euclid(every).saturating_add(1).saturating_mul(every)
        }
        Schedule::DailyMinute(minute) => daily(now, minute, zone, |due| due > now, 1),
    }
}

/// The daily moment of the day of `now`, or of the day before (`ahead` 0) or after (`ahead` 1), that fits.
fn daily(now: i64, minute: u32, zone: &TimeZone, fits: impl Fn(i64) -> bool, ahead: i32) -> i64 {
    let today = Timestamp::from_nanosecond(i128::from(now))
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(zone.clone())
        .date();
    let days = if ahead == 0 { [0, -1] } else { [0, 1] };
    let at = |day: i32| {
        let date = today.checked_add(day.days()).ok()?;
        let hour = i8::try_from(minute / 60).ok()?;
        let zoned = date.at(hour, (minute % 60) as i8, 0, 0).to_zoned(zone.clone()).ok()?;
        i64::try_from(zoned.timestamp().as_nanosecond()).ok()
    };
    let fallback = if ahead == 0 { now } else { i64::MAX };
    days.into_iter().filter_map(at).find(|&due| fits(due)).unwrap_or(fallback)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{SECOND, Timers};
    use crate::declaration::{Schedule, Timer};

    fn timers(schedule: Schedule, zone: &TimeZone) -> Timers {
        Timers::new(&[Timer { name: "t".into(), schedule }], zone)
    }

    fn at(text: &str) -> i64 {
        let time: jiff::Timestamp = text.parse().expect("a timestamp");
        i64::try_from(time.as_nanosecond()).expect("in range")
    }

    #[test]
    fn a_jump_ticks_once_for_the_last_moment() {
        let mut timers = timers(Schedule::EverySeconds(60), &TimeZone::UTC);
        assert_eq!(timers.due(59 * SECOND), []);
        assert_eq!(timers.next(), 60 * SECOND);
        let seconds = |ticks: Vec<crate::guest::Tick>| {
            ticks.into_iter().map(|tick| tick.time / SECOND).collect::<Vec<_>>()
        };
        assert_eq!(seconds(timers.due(60 * SECOND)), [60]);
        assert!(seconds(timers.due(60 * SECOND)).is_empty());
        assert_eq!(seconds(timers.due(1_000 * SECOND)), [960]);
        assert!(seconds(timers.due(900 * SECOND)).is_empty());
    }

    #[test]
    fn days_follow_the_zone() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let mut timers = timers(Schedule::DailyMinute(0), &zone);
        assert_eq!(timers.due(at("2023-03-25T22:30:00Z")), []);
        assert_eq!(timers.next(), at("2023-03-25T23:00:00Z"));
        assert_eq!(timers.due(at("2023-03-26T12:00:00Z"))[0].time, at("2023-03-25T23:00:00Z"));
        // Summer time has begun: midnight comes an hour earlier.
        assert_eq!(timers.next(), at("2023-03-26T22:00:00Z"));
    }

    #[test]
    fn the_ends_of_time_are_no_problem() {
        for schedule in [Schedule::EverySeconds(1), Schedule::DailyMinute(1439)] {
            let mut timers = timers(schedule, &TimeZone::UTC);
            timers.due(i64::MIN);
            timers.due(i64::MAX);
            timers.due(i64::MAX);
        }
    }
}
