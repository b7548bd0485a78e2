//! The engine's clock: the time of day as it was at the start, moved on by the clock that never jumps.
//!
//! Somebody who sets the machine's clock changes nothing here at once. A change that stays is taken up: a machine that
//! starts with a wrong clock gets the right time from the network soon after.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::{clock, limit};

/// The clock.
pub(crate) struct SteadyClock(Mutex<Inner>);

struct Inner {
    start: Instant,
    wall: i64,
    /// Since when the machine's clock has said something else, and by how much.
    differs: Option<(Instant, i64)>,
}

impl SteadyClock {
    pub(crate) fn new() -> Self {
        let (start, wall) = (clock::instant(), clock::now());
        Self(Mutex::new(Inner { start, wall, differs: None }))
    }

    /// The time, in nanoseconds since 1970-01-01T00:00:00Z.
    pub(crate) fn now(&self) -> i64 {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.read(clock::instant(), clock::now())
    }
}

impl Inner {
    fn read(&mut self, instant: Instant, wall: i64) -> i64 {
        let passed = instant.duration_since(self.start).as_nanos();
        let steady = self.wall.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
        let difference = wall.saturating_sub(steady);
        if difference.abs() <= limit::CLOCK_DRIFT_MAX {
            self.differs = None;
            return steady;
        }
        let (since, before) = *self.differs.get_or_insert((instant, difference));
        if difference.abs_diff(before) > limit::CLOCK_DRIFT_MAX.unsigned_abs() {
            self.differs = Some((instant, difference));
        } else if instant.duration_since(since) >= limit::CLOCK_DOUBT {
            tracing::warn!(
                "the machine's clock was set by {} s and has stayed so; the engine follows",
                difference / 1_000_000_000
            );
            (self.start, self.wall, self.differs) = (instant, wall, None);
            return wall;
        }
        steady
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Inner;
    use crate::{clock, limit};

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn only_a_change_that_stays_counts() {
        let start = clock::instant();
        let mut inner = Inner { start, wall: 100 * SECOND, differs: None };
        let mut read = |seconds: u64, wall: i64| {
            inner.read(start + Duration::from_secs(seconds), wall * SECOND) / SECOND
        };
        let doubt = limit::CLOCK_DOUBT.as_secs();
        let more = i64::try_from(doubt).expect("a minute");
        assert_eq!(read(1, 101), 101);
        assert_eq!(read(2, 1_000_000), 102);
        assert_eq!(read(3, 103), 103);
        assert_eq!(read(4, 5), 104);
        assert_eq!(read(5, 1_000_005), 105);
        assert_eq!(read(4 + doubt, 1_000_004 + more), 104 + more);
        assert_eq!(read(5 + doubt, 1_000_005 + more), 1_000_005 + more);
    }
}
