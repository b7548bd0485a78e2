//! The clock of deliveries: the machine's, but it never goes back.
//!
//! When something is tried again is said by a moment. If the machine's clock is set back meanwhile, that moment is far away,
//! and whatever waits would wait as much longer. It must never know what waits.

use std::time::Instant;

use crate::clock::{self, nanoseconds};

/// The clock.
pub(super) struct Onward {
    last: i64,
    at: Instant,
}

impl Onward {
    pub(super) fn new() -> Self {
        Self { last: clock::now(), at: clock::instant() }
    }

    /// The time, in nanoseconds since 1970-01-01T00:00:00Z.
    pub(super) fn now(&mut self) -> i64 {
        self.read(clock::now(), clock::instant())
    }

    fn read(&mut self, wall: i64, instant: Instant) -> i64 {
        let passed = nanoseconds(instant.duration_since(self.at));
        (self.last, self.at) = (self.last.saturating_add(passed).max(wall), instant);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Onward;
    use crate::clock;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn it_goes_on_where_the_machines_clock_goes_back() {
        let at = clock::instant();
        let mut onward = Onward { last: 100 * SECOND, at };
        let mut check = |seconds: u64, wall: i64, expected: i64| {
            let found = onward.read(wall * SECOND, at + Duration::from_secs(seconds));
            assert_eq!(found / SECOND, expected, "{seconds} s, {wall}");
        };
        check(1, 101, 101);
        check(3, 43, 103);
        check(4, 44, 104);
        check(5, 200, 200);
        check(6, 106, 201);
    }
}
