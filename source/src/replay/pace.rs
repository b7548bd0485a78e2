//! When each record is due: by the records' own times, at a steady rate, or at once.
//!
//! It must never know what time it is: what comes out is a span since the first record.

use std::num::NonZeroU64;
use std::time::Duration;

/// How fast records are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as it goes.
    Fastest,
    /// So many times as fast as they were recorded.
    Times(f64),
    /// So many in a second, whatever their times.
    Rate(NonZeroU64),
}

/// Works out when records are due, in order.
#[derive(Clone, Debug)]
pub struct Pace {
    speed: Speed,
    gap_max: Duration,
    newest: Option<i64>,
    due: Duration,
    records: u64,
    /// Gaps that were shortened.
    pub gaps: u64,
    /// By how much they were shortened, in the records' own time.
    pub saved: Duration,
}

impl Pace {
    /// A pace at the start of a capture. Gaps in the records' own time that are longer than this are shortened to it.
    #[must_use]
    pub fn new(speed: Speed, gap_max: Duration) -> Self {
        let zero = Duration::ZERO;
        Self { speed, gap_max, newest: None, due: zero, records: 0, gaps: 0, saved: zero }
    }

    /// When the next record is due, whose own time is this, in nanoseconds since 1970-01-01T00:00:00Z; nothing if it is
    /// due at once.
    pub fn due(&mut self, time: Option<i64>) -> Option<Duration> {
        match self.speed {
            Speed::Fastest => None,
            Speed::Times(times) => Some(time.map_or(self.due, |time| self.by_time(time, times))),
            Speed::Rate(rate) => {
                let nanoseconds = u128::from(self.records) * 1_000_000_000 / u128::from(rate.get());
                self.due = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
                self.records += 1;
                Some(self.due)
            }
        }
    }

    /// A record that is older than the newest waits for nothing; one that is much older begins another stretch of time.
    fn by_time(&mut self, time: i64, times: f64) -> Duration {
        let newest = self.newest.unwrap_or(time);
        let (ahead, behind) = (time.saturating_sub(newest), newest.saturating_sub(time));
        let gap = Duration::from_nanos(u64::try_from(ahead).unwrap_or(0));
        if gap > self.gap_max {
            self.gaps += 1;
            self.saved += gap.saturating_sub(self.gap_max);
        }
        let waits = gap.min(self.gap_max).as_secs_f64() / times;
        let waits = Duration::try_from_secs_f64(waits).unwrap_or(Duration::MAX);
        self.due = self.due.saturating_add(waits);
        let apart = Duration::from_nanos(u64::try_from(behind).unwrap_or(0)) > self.gap_max;
        self.newest = Some(if apart { time } else { newest.max(time) });
        self.due
    }

    /// Begins the same capture again, behind what was sent.
    pub fn again(&mut self) {
        self.newest = None;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::Duration;

    use super::{Pace, Speed};

    #[test]
    fn gaps_are_kept_scaled_and_shortened() {
        let check = |speed: f64, times: &[i64], due_ms: &[u64], gaps: u64| {
            let mut pace = Pace::new(Speed::Times(speed), Duration::from_secs(10));
            let due: Vec<_> =
                times.iter().filter_map(|time| pace.due(Some(time * 1_000_000))).collect();
            let expected: Vec<_> = due_ms.iter().copied().map(Duration::from_millis).collect();
            assert_eq!((due, pace.gaps), (expected, gaps), "{times:?} at {speed}");
        };
        check(1.0, &[5_000, 5_200, 6_000], &[0, 200, 1_000], 0);
        check(10.0, &[5_000, 5_200, 6_000], &[0, 20, 100], 0);
        check(0.5, &[5_000, 5_200], &[0, 400], 0);
        // What is out of order waits for nothing and makes nobody wait twice.
        check(1.0, &[1_000, 900, 1_000, 900, 1_100], &[0, 0, 0, 0, 100], 0);
        // An hour of nothing; then another log that begins long before.
        check(1.0, &[0, 3_600_000, 3_600_100], &[0, 10_000, 10_100], 1);
        check(1.0, &[3_600_000, 0, 100], &[0, 0, 100], 0);
        check(1.0, &[i64::MAX / 1_000_000, i64::MIN / 1_000_000, 0], &[0, 0, 10_000], 1);
    }

    #[test]
    fn the_next_round_follows_the_last() {
        let mut pace = Pace::new(Speed::Times(1.0), Duration::from_secs(10));
        let mut due = |second: i64| pace.due(Some(second * 1_000_000_000)).map(|due| due.as_secs());
        assert_eq!((due(0), due(1)), (Some(0), Some(1)));
        pace.again();
        let mut due = |second: i64| pace.due(Some(second * 1_000_000_000)).map(|due| due.as_secs());
        assert_eq!((due(0), due(1)), (Some(1), Some(2)));
    }

    #[test]
    fn a_rate_is_steady_and_the_fastest_waits_for_nothing() {
        let four = NonZeroU64::new(4).expect("it is not 0");
        let mut pace = Pace::new(Speed::Rate(four), Duration::ZERO);
        let due: Vec<_> = (0..5).filter_map(|_| pace.due(None)).collect();
        assert_eq!(due, [0, 250, 500, 750, 1_000].map(Duration::from_millis));
        assert_eq!(Pace::new(Speed::Fastest, Duration::ZERO).due(Some(7)), None);
    }
}
