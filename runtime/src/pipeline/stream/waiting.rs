//! How a stream's publishers wait for its consumers.
//!
//! Where nothing is kept they have to, since nothing stands behind the pieces in memory. Where the disk has everything they
//! do it for a moment: who has fallen behind has more to do than who keeps up, and would not catch up while it goes on.
//! This file must never know what is in the pieces.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::piece::Piece;
use super::tail::{Room, Tail};
use super::{Stream, lock};
use crate::{clock, limit};

impl<P: Piece> Stream<P> {
    /// Waits for consumers that are behind, where the disk would have what they need: for each only in proportion to what it
    /// reads, so that one that is slow costs the others little. Where it has not, all are waited for. Nothing is held
    /// meanwhile. Tells whether there is room.
    pub(crate) fn wait_for_consumers(&self, stop: &AtomicBool) -> bool {
        if self.disk.is_none() {
            return self.wait_for_room(stop);
        }
        let (mut tail, mut room) = (lock(&self.tail), Room::All);
        while !stop.load(Ordering::Relaxed) && !self.ending.load(Ordering::Relaxed) {
            let Some(grace) = tail.behind(room) else { break };
            let since = clock::instant();
            tail = self.wait(tail, grace.min(limit::RETRY_STEP));
            room = Room::Half;
            tail.spend(room, clock::instant().duration_since(since));
        }
        true
    }

    /// Waits until there is room in memory, or until it is told to stop. Tells whether there is.
    pub(crate) fn wait_for_room(&self, stop: &AtomicBool) -> bool {
        let (mut tail, mut room) = (lock(&self.tail), Room::All);
        tail.evict(self.disk.is_some());
        // Once it is full, it is emptied by half before anybody goes on: to wake each other at every piece costs more.
        while !tail.has_room(room) {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            room = Room::Half;
            if tail.is_over(room) {
                tail.ask_to_save(false);
            }
            tail = self.wait(tail, limit::RETRY_STEP);
            tail.evict(self.disk.is_some());
        }
        true
    }

    /// Where a consumer that waits would go on: pieces that did not concern it have passed by.
    pub(crate) fn passed(&self, slot: usize) -> u64 {
        self.passed_at(slot).0
    }

    /// The same, and event time there if what passed by moved it.
    pub(crate) fn passed_at(&self, slot: usize) -> (u64, Option<i64>) {
        let slot = &lock(&self.tail).slots[slot];
        (slot.position, slot.now)
    }

    /// Waits until a consumer has moved on, but not longer than this.
    pub(crate) fn wait<'a>(
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
