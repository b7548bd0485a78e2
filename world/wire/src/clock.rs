//! Where time comes from: the one place that reads the machine's clocks.

use std::time::{Instant, SystemTime};

/// The time by the machine's clock, which may jump.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// The moment by the clock that never jumps: for limits.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn instant() -> Instant {
    Instant::now()
}
