//! When ticks fall: by event time, days in UTC.

use crate::description::{Schedule, Timer};
use crate::time::{Duration, Time};

/// The timers of a guest, and how far time has come.
pub struct Timers {
    timers: Vec<(Schedule, Option<Time>)>,
    now: Option<Time>,
}

impl Timers {
    pub fn new(timers: &[Timer]) -> Self {
        Self { timers: timers.iter().map(|timer| (timer.schedule, None)).collect(), now: None }
    }

    /// The time of the newest record.
    pub fn now(&self) -> Time {
        self.now.unwrap_or_default()
    }

    /// Which timers are due now that a record of this time has come, and for when. The first record only starts them.
    pub fn advance(&mut self, time: Time) -> Vec<(u32, Time)> {
        let now = self.now.map_or(time, |now| now.max(time));
        self.now = Some(now);
        let mut ticks = Vec::new();
        for (place, (schedule, due)) in (0..).zip(&mut self.timers) {
            let last = last(*schedule, now);
            if due.is_some_and(|due| due <= now) {
                ticks.push((place, last));
            }
            *due = Some(last + period(*schedule));
        }
        ticks.sort_by_key(|(_, time)| *time);
        ticks
    }
}

fn period(schedule: Schedule) -> Duration {
    match schedule {
        Schedule::EverySeconds(seconds) => Duration::from_seconds(i64::from(seconds)),
        Schedule::DailyMinute(_) => Duration::from_days(1),
    }
}

/// The last due moment that is not after `now`.
fn last(schedule: Schedule, now: Time) -> Time {
    let period = period(schedule).nanoseconds();
    let offset = match schedule {
        Schedule::EverySeconds(_) => 0,
        Schedule::DailyMinute(minute) => Duration::from_minutes(i64::from(minute)).nanoseconds(),
    };
    let whole = now.nanoseconds().saturating_sub(offset).div_euclid(period);
    Time::from_nanoseconds(whole.saturating_mul(period).saturating_add(offset))
}

#[cfg(test)]
mod tests {
    use super::Timers;
    use crate::description::Timer;
    use crate::time::{Duration, Time};

    #[test]
    fn a_jump_ticks_once_for_the_last_moment() {
        let timers = [
            Timer::daily("night", 0, 0),
            Timer::every("hour", Duration::from_hours(1)),
            Timer::daily("noon", 12, 0),
        ];
        let mut timers = Timers::new(&timers);
        let mut check = |hours: i64, expected: &[(u32, i64)]| {
            let hour = |hours: &i64| Time::from_seconds(hours * 3600);
            let expected: Vec<_> = expected.iter().map(|(at, due)| (*at, hour(due))).collect();
            assert_eq!(timers.advance(hour(&hours)), expected, "{hours}");
        };
        check(240, &[]);
        check(240, &[]);
        check(241, &[(1, 241)]);
        check(200, &[]);
        check(255, &[(2, 252), (1, 255)]);
        check(288, &[(2, 276), (0, 288), (1, 288)]);
    }
}
