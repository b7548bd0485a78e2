//! Where time comes from: the one place that reads the machine's clock.

use std::time::Duration;

/// How long the machine runs. It never jumps and stands still while the machine sleeps, as the kernel's timeouts do.
pub(crate) fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
