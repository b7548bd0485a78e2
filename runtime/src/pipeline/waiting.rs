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
use super::tail::{Grace, Room, Tail};
use crate::{clock, limit};

impl<P: Piece> Stream<P> {
    /// Waits for consumers that are behind, where the disk would have what they need. Nothing is held meanwhile.
    pub(super) fn wait_for_consumers(&self, grace: Grace, stop: &AtomicBool) {
        if self.disk.is_none() {
            // Then all are waited for when something is published.
            return;
        }
        let mut tail = lock(&self.tail);
        let Some(mut slowest) = tail.behind(grace, Room::All) else { return };
        let mut since = clock::instant();
        while !stop.load(Ordering::Relaxed) && !self.ending.load(Ordering::Relaxed) {
            let left = grace.time().saturating_sub(clock::instant().duration_since(since));
            if left.is_zero() {
                tail.leave_behind(slowest);
            } else {
                tail = self.wait(tail, left.min(limit::RETRY_STEP));
            }
            match tail.behind(grace, Room::Half) {
                None => return,
                Some(_) if left.is_zero() && grace != Grace::WhileTheyMove => return,
                Some(place) if grace == Grace::WhileTheyMove && place != slowest => {
                    (slowest, since) = (place, clock::instant());
                }
                Some(place) => slowest = place,
            }
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
