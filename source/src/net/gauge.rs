//! What a door shows of itself while it is open.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// Numbers of one source, for whoever wants to look.
#[derive(Debug, Default)]
pub struct NetGauge {
    /// Connections that are open now.
    pub connections_open: AtomicUsize,
    /// Connections that were accepted.
    pub connections: AtomicU64,
    /// Connections that were refused or ended by a limit, or failed.
    pub connections_failed: AtomicU64,
    /// Datagrams that the kernel dropped because nobody read them in time.
    pub dropped_by_kernel: AtomicU64,
    /// When something was last heard, in nanoseconds since 1970-01-01T00:00:00Z; 0 if never.
    pub heard: AtomicI64,
}

impl NetGauge {
    /// Notes that something was heard.
    pub(crate) fn hear(&self, now: i64) {
        self.heard.store(now, Ordering::Relaxed);
    }
}
