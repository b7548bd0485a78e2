//! How a stream's publishers wait for its consumers.
//!
//! Where nothing is kept they have to, since nothing stands behind the pieces in memory. Where the disk has everything they
//! do it for a moment: who has fallen behind has more to do than who keeps up, and would not catch up while it goes on.
//! This file must never know what is in the pieces.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::piece::Piece;
use super::stream::{Stream, lock};
use super::tail::{Room, Tail};
use crate::{clock, limit};

impl<P: Piece> Stream<P> {
    /// Waits for consumers that are behind, where the disk would have what they need: for each only in proportion to what it
    /// reads, so that one that is slow costs the others little. Nothing is held meanwhile.
    pub(super) fn wait_for_consumers(&self, stop: &AtomicBool) {
        if self.disk.is_none() {
            // Then all are waited for when something is published.
            return;
        }
        let (mut tail, mut room) = (lock(&self.tail), Room::All);
        while !stop.load(Ordering::Relaxed) && !self.ending.load(Ordering::Relaxed) {
            let Some(grace) = tail.behind(room) else { return };
            let since = clock::instant();
            tail = self.wait(tail, grace.min(limit::RETRY_STEP));
            room = Room::Half;
            tail.spend(room, clock::instant().duration_since(since));
        }
    }

    /// Waits until a consumer has moved on, but not longer than this.
    pub(super) fn wait<'a>(
        &'a self,
        mut tail: MutexGuard<'a, Tail<P>>,
        time: Duration,
    ) -> MutexGuard<'a, Tail<P>> {
        tail.waiting += 1;
        let woken = self.moved.wait_timeout(tail, time);
        let mut tail = woken.unwrap_or_else(PoisonError::into_inner).0;
        tail.waiting -= 1;
        tail
    }
}
