//! Where time comes from: the one place that reads the machine's clocks.

use std::time::{Instant, SystemTime};

/// Nanoseconds since 1970-01-01T00:00:00Z by the machine's clock, which may jump.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The moment by the clock that never jumps: for budgets and accounts.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn instant() -> Instant {
    Instant::now()
}
