//! The end of a stream that is in memory: its newest pieces, and a slot for each consumer.
//!
//! It must never wait for anybody; who holds its lock lets go of it at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use super::piece::Piece;
use crate::limit;

/// The pieces that are in memory, and who reads them.
pub(crate) struct Tail<P> {
    pub(crate) pieces: VecDeque<Arc<P>>,
    pub(crate) spare: Vec<P>,
    /// Behind the last piece.
    pub(crate) next: u64,
    pub(crate) bytes: usize,
    pub(crate) ended: bool,
    /// How many wait for room.
    pub(crate) waiting: usize,
    pub(crate) slots: Vec<Slot>,
}

/// How much of the room there is may be taken for another piece to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    All,
    Half,
}

impl Room {
    fn of(self, bytes: usize) -> usize {
        match self {
            Self::All => bytes,
            Self::Half => bytes / 2,
        }
    }
}

/// A consumer as the stream sees it.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is true or not, whatever the others are")]
pub(crate) struct Slot {
    /// Nobody has it.
    pub(crate) free: bool,
    /// What its consumer needs is held back.
    pub(crate) active: bool,
    /// It is not when room runs short.
    pub(crate) gives_way: bool,
    /// It only holds what another will need, and never moves.
    pub(crate) holds: bool,
    /// For how long it is still waited for though the disk has all that it needs; more of it the more it reads.
    pub(crate) grace: Duration,
    pub(crate) thread: Option<Thread>,
    pub(crate) waiting: bool,
    /// The version of the routing that it needs picks of, and the time at which it wants to be woken.
    pub(crate) version: u64,
    pub(crate) wake_at: i64,
    /// The first item that it has not looked at.
    pub(crate) position: u64,
    /// Event time by the pieces that have passed it by.
    pub(crate) now: Option<i64>,
    /// The first item that it would have to see again if its guest failed; none if its state is saved.
    pub(crate) pinned: Option<u64>,
    /// The first item that it would have to see again after a restart.
    pub(crate) kept: u64,
    /// How much its guest's state came to when it was saved last.
    pub(crate) state_bytes: usize,
    /// Whether somebody needs it to save its guest's state, on the disk if anything is kept.
    pub(crate) save_wanted: Arc<AtomicBool>,
}

impl Slot {
    /// The first item that it may still ask for.
    pub(crate) fn need(&self) -> u64 {
        self.pinned.map_or(self.position, |pinned| pinned.min(self.position))
    }
}

impl Slot {
    /// Has come to there.
    pub(crate) fn advance(&mut self, position: u64) {
        let read = u32::try_from(position.saturating_sub(self.position)).unwrap_or(u32::MAX);
        let earned = limit::GRACE_PER_ITEM.saturating_mul(read);
        self.grace = self.grace.saturating_add(earned).min(limit::GRACE_MAX);
        // Pieces that did not concern it may have passed by meanwhile.
        self.position = self.position.max(position);
    }

    /// Has the consumer look again.
    pub(crate) fn wake(&mut self) {
        self.waiting = false;
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl<P: Piece> Tail<P> {
    /// Lets go of what all consumers have passed, and of more if the disk has it: there it is found again by those whose
    /// guests fail, while here what is used again soon stays in the caches of a processor.
    pub(crate) fn evict(&mut self, kept: bool) {
        let active = self.slots.iter().filter(|slot| slot.active);
        let need = |slot: &Slot| if kept { slot.position } else { slot.need() };
        let moves = |slot: &&Slot| !kept || !slot.holds && !slot.gives_way;
        let need = active.filter(moves).map(need).min().unwrap_or(u64::MAX);
        while let Some(piece) = self.pieces.front() {
            let passed = piece.next() <= need;
            let most = if passed { limit::SEEN_BYTES_MAX } else { limit::TAIL_BYTES_MAX };
            if kept && self.bytes <= most || !kept && !passed {
                return;
            }
            self.bytes -= piece.bytes();
            let piece = self.pieces.pop_front();
            if self.spare.len() < limit::PIECES_SPARE
                && let Some(piece) = piece.and_then(Arc::into_inner)
            {
                self.spare.push(piece);
            }
        }
    }

    /// Whether there is room for another piece.
    pub(crate) fn has_room(&self, room: Room) -> bool {
        let unseen_max = room.of(limit::UNSEEN_BYTES_MAX);
        if self.bytes <= unseen_max {
            return true;
        }
        if self.is_over(room) {
            return false;
        }
        let active = self.slots.iter().filter(|slot| slot.active);
        let seen = active.map(|slot| slot.position).min().unwrap_or(u64::MAX);
        !self.has_unseen(seen, unseen_max)
    }

    /// Whether there are more bytes than this behind an item.
    fn has_unseen(&self, seen: u64, most: usize) -> bool {
        let mut bytes = 0;
        let unseen = self.pieces.iter().rev().take_while(|piece| piece.next() > seen);
        unseen.into_iter().any(|piece| {
            bytes += piece.bytes();
            bytes > most
        })
    }

    /// Gives a consumer a place of its own.
    pub(crate) fn seat(&mut self, slot: Slot) -> usize {
        let free = self.slots.iter().position(|slot| slot.free);
        let place = free.unwrap_or(self.slots.len());
        if free.is_none() {
            self.slots.push(slot);
        } else {
            self.slots[place] = slot;
        }
        place
    }

    /// For how long those who are too far behind are still waited for.
    pub(crate) fn behind(&self, room: Room) -> Option<Duration> {
        let behind = self.slots.iter().filter(|slot| self.is_behind(slot, room));
        behind.map(|slot| slot.grace).max()
    }

    /// Takes the time for which they were waited for from those who still are.
    pub(crate) fn spend(&mut self, room: Room, time: Duration) {
        for place in 0..self.slots.len() {
            if self.is_behind(&self.slots[place], room) {
                let grace = &mut self.slots[place].grace;
                *grace = grace.saturating_sub(time);
            }
        }
    }

    fn is_behind(&self, slot: &Slot, room: Room) -> bool {
        let most = room.of(limit::UNSEEN_BYTES_MAX);
        let moves = slot.active && !slot.gives_way && !slot.holds;
        moves && self.bytes > most && !slot.grace.is_zero() && self.has_unseen(slot.position, most)
    }

    /// Whether more is kept than there should be, seen or not.
    pub(crate) fn is_over(&self, room: Room) -> bool {
        let largest = self.slots.iter().map(|slot| slot.state_bytes).max().unwrap_or(0);
        let most = largest
            .saturating_mul(limit::TAIL_BYTES_PER_STATE_BYTE)
            .clamp(limit::TAIL_BYTES_MAX, limit::TAIL_BYTES_LARGE_MAX);
        self.bytes > room.of(most)
    }

    /// Has those save who hold the others up only because their guest's state is not saved, or all.
    pub(crate) fn ask_to_save(&mut self, all: bool) {
        for slot in self.slots.iter_mut().filter(|slot| all || slot.pinned.is_some()) {
            slot.save_wanted.store(true, Ordering::Relaxed);
            if let Some(thread) = &slot.thread {
                thread.unpark();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::time::Duration;

    use correlator_frame::record::{Frame, STRIDE};

    use super::{Room, Slot, Tail};
    use crate::limit;
    use crate::pipeline::stream::piece::{Piece, RecordPiece};

    const MEGABYTE: usize = 1 << 20;
    const GRACE: Duration = Duration::from_millis(1);

    /// Pieces of one record and a megabyte each, from this item on.
    fn tail(first: u64, megabytes: u64, slots: Vec<Slot>) -> Tail<RecordPiece> {
        let piece = |first| {
            let (text, index) = (vec![0; MEGABYTE], vec![0; STRIDE]);
            let frame = Frame { text, index, ..Frame::default() };
            Arc::new(RecordPiece { first, frame, ..RecordPiece::default() })
        };
        let pieces: VecDeque<_> = (first..first + megabytes).map(piece).collect();
        Tail {
            bytes: pieces.iter().map(|piece| piece.bytes()).sum(),
            next: first + megabytes,
            pieces,
            spare: Vec::new(),
            ended: false,
            waiting: 0,
            slots,
        }
    }

    fn slot(position: u64) -> Slot {
        Slot { active: true, grace: GRACE, position, ..Slot::default() }
    }

    #[test]
    fn those_are_waited_for_who_are_behind_and_move() {
        let check = |slots: Vec<Slot>, expected: Option<Duration>| {
            assert_eq!(tail(10, 5, slots).behind(Room::All), expected);
        };
        check(vec![slot(15), slot(14)], None);
        check(vec![slot(15), slot(12)], Some(GRACE));
        // What this one needs is on the disk only.
        check(vec![slot(9), slot(15)], Some(GRACE));
        // It was waited for long enough.
        check(vec![Slot { grace: Duration::ZERO, ..slot(10) }], None);
        // These never move.
        check(vec![Slot { holds: true, ..slot(10) }], None);
        check(vec![Slot { gives_way: true, ..slot(10) }], None);
        check(vec![Slot { active: false, ..slot(10) }], None);
    }

    #[test]
    fn who_reads_is_waited_for_again() {
        let mut tail = tail(10, 5, vec![slot(10), slot(15)]);
        tail.spend(Room::All, GRACE);
        assert_eq!((tail.slots[0].grace, tail.slots[1].grace), (Duration::ZERO, GRACE));
        assert_eq!(tail.behind(Room::All), None);
        tail.slots[0].advance(12);
        assert_eq!(tail.behind(Room::All), Some(2 * limit::GRACE_PER_ITEM));
        tail.slots[0].advance(1 << 40);
        assert_eq!(tail.slots[0].grace, limit::GRACE_MAX);
    }

    #[test]
    fn what_the_disk_has_need_not_stay() {
        let check = |slot: Slot, kept, expected: std::ops::Range<u64>| {
            let mut tail = tail(0, 30, vec![slot]);
            tail.evict(kept);
            let first = tail.pieces.front().map_or(tail.next, |piece| piece.first());
            assert_eq!(first..tail.next, expected);
            assert_eq!(tail.bytes, tail.pieces.iter().map(|piece| piece.bytes()).sum::<usize>());
        };
        // A little stays of what all have seen, and more of what somebody has not.
        check(slot(30), true, 27..30);
        check(slot(0), true, 15..30);
        check(Slot { pinned: Some(0), ..slot(30) }, true, 27..30);
        check(slot(30), false, 30..30);
        check(slot(0), false, 0..30);
        check(Slot { pinned: Some(20), ..slot(30) }, false, 20..30);
    }
}
