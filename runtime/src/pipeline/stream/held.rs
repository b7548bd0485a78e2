//! What of a stream lies on the disk, and for whom.
//!
//! A segment goes when nobody can need it any more: no consumer that goes on, none that goes back to its last checkpoint,
//! and no ledger that does not know yet what it says. This file must never know what is in the pieces.

use std::sync::atomic::Ordering;

use correlator_spool::spool::Spool;

use super::feed::Place;
use super::piece::Piece;
use super::tail::Slot;
use super::{Stream, lock};

impl<P: Piece> Stream<P> {
    /// Says where a consumer's last two checkpoints stand. The one before the last is what a damaged one falls back to,
    /// as long as there is room for what it needs.
    pub(crate) fn keep_for(&self, slot: usize, before: Place, last: Place) {
        let place = if self.is_pressed() { last } else { before };
        lock(&self.tail).slots[slot].kept = place.cursor.item;
        self.moved.notify_all();
        self.release();
    }

    /// The first item that any consumer may still need.
    pub(crate) fn needed(&self) -> u64 {
        self.needed_by(|_| true)
    }

    fn needed_by(&self, whom: impl Fn(&Slot) -> bool) -> u64 {
        let tail = lock(&self.tail);
        let slots = tail.slots.iter().filter(|slot| slot.active && whom(slot));
        let needed = slots.map(|slot| slot.kept.min(slot.need())).min().unwrap_or(tail.next);
        needed.min(self.held.load(Ordering::Relaxed))
    }

    /// Makes room in a spool that has none: what everybody is done with may not have gone yet. If it has, those who do not
    /// work lose the oldest of what they would need, and no more than that. Tells whether anything has gone.
    pub(crate) fn give_way(&self, spool: &mut Spool) -> bool {
        lock(&self.tail).ask_to_save(true);
        let oldest = spool.oldest_end();
        spool.release(self.needed());
        if spool.oldest_end() == oldest {
            let needed = self.needed_by(|slot| !slot.gives_way);
            spool.release(needed.min(oldest.unwrap_or(needed)));
        }
        spool.oldest_end() != oldest
    }

    /// The first item that a consumer would see again after a restart.
    pub(crate) fn kept(&self, slot: usize) -> u64 {
        lock(&self.tail).slots[slot].kept
    }

    /// Holds what is on the disk from this item on.
    pub(crate) fn hold_from(&self, item: u64) {
        self.held.store(item, Ordering::Relaxed);
    }

    /// Whether the disk has so much that checkpoints should not be long in coming.
    pub(crate) fn is_pressed(&self) -> bool {
        let disk = self.disk.as_ref();
        disk.is_some_and(|disk| disk.bytes.load(Ordering::Relaxed) > disk.bytes_max / 2)
    }

    /// How much has come to the disk in this run.
    pub(crate) fn came(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.came.load(Ordering::Relaxed))
    }

    /// Drops from the disk what nobody needs any more. Whoever waits for room does so too.
    pub(crate) fn release(&self) {
        let Some(disk) = &self.disk else { return };
        let Ok(mut writer) = self.writer.try_lock() else {
            self.release_wanted.store(true, Ordering::Relaxed);
            return;
        };
        if let Some(spool) = &mut writer.spool {
            spool.release(self.needed());
            disk.bytes.store(spool.bytes(), Ordering::Relaxed);
        }
    }

    /// The oldest item that the disk still has, and how many bytes it holds.
    pub(crate) fn on_disk(&self) -> Option<(u64, u64)> {
        let disk = self.disk.as_ref()?;
        let first = disk.readers.first().unwrap_or_else(|| self.next());
        Some((first, disk.bytes.load(Ordering::Relaxed)))
    }

    /// Gives a slot of its own to what a consumer would need, so that nothing goes while another takes its place.
    /// One that gives way holds only as long as there is room.
    pub(crate) fn hold(&self, slot: usize, gives_way: bool) -> usize {
        let mut tail = lock(&self.tail);
        let (position, kept) = (tail.slots[slot].need(), tail.slots[slot].kept);
        tail.seat(Slot { active: true, gives_way, holds: true, position, kept, ..Slot::default() })
    }

    /// Gives a slot to what a consumer would need that does not work, from this item on, as long as there is room.
    pub(crate) fn hold_for(&self, item: u64) -> usize {
        let (active, gives_way, holds) = (true, true, true);
        let (position, kept) = (item, item);
        let slot = Slot { active, gives_way, holds, position, kept, ..Slot::default() };
        lock(&self.tail).seat(slot)
    }
}
