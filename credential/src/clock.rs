//! Where time comes from: the one place that reads the machine's clock.

use std::time::Instant;

/// The moment by the clock that never jumps: for deadlines.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
