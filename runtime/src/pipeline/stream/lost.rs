//! What a stream lost: counted here, and told in the summary, the status and the metrics.

use std::sync::atomic::Ordering;

use super::Stream;
use super::piece::Piece;
use crate::pipeline::SpoolReport;

impl<P: Piece> Stream<P> {
    /// What readers came upon that is damaged, and what was gone when the run began.
    pub(crate) fn losses(&self) -> SpoolReport {
        SpoolReport {
            damaged: self.damaged.load(Ordering::Relaxed),
            missing: self.missing.load(Ordering::Relaxed),
        }
    }

    /// Counts items that were not taken and won't come again.
    pub(crate) fn note_dropped(&self, items: u64) {
        self.dropped.fetch_add(items, Ordering::Relaxed);
    }

    /// Counts damaged places.
    pub(crate) fn note_damage(&self, places: u64) {
        self.damaged.fetch_add(places, Ordering::Relaxed);
    }

    /// Counts items that are gone.
    pub(crate) fn note_missing(&self, items: u64) {
        self.missing.fetch_add(items, Ordering::Relaxed);
    }
}
