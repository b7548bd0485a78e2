//! The end of a stream that is in memory: its newest pieces, and a slot for each consumer.
//!
//! It must never wait for anybody; who holds its lock lets go of it at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

use super::piece::Piece;
use crate::limit;

/// The pieces that are in memory, and who reads them.
pub(super) struct Tail<P> {
    pub(super) pieces: VecDeque<Arc<P>>,
    pub(super) spare: Vec<P>,
    /// Behind the last piece.
    pub(super) next: u64,
    pub(super) bytes: usize,
    pub(super) ended: bool,
    pub(super) waits_for_room: bool,
    pub(super) slots: Vec<Slot>,
}

/// How much of the room there is may be taken for another piece to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
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
pub(super) struct Slot {
    /// Nobody has it.
    pub(super) free: bool,
    /// What its consumer needs is held back.
    pub(super) active: bool,
    /// It is not when room runs short.
    pub(super) gives_way: bool,
    pub(super) thread: Option<Thread>,
    pub(super) waiting: bool,
    /// The version of the routing that it needs picks of, and the time at which it wants to be woken.
    pub(super) version: u64,
    pub(super) wake_at: i64,
    /// The first item that it has not looked at.
    pub(super) position: u64,
    /// The first item that it would have to see again if its guest failed; none if its state is saved.
    pub(super) pinned: Option<u64>,
    /// The first item that it would have to see again after a restart.
    pub(super) kept: u64,
    /// How much its guest's state came to when it was saved last.
    pub(super) state_bytes: usize,
    /// Whether somebody needs it to save its guest's state, on the disk if anything is kept.
    pub(super) save_wanted: Arc<AtomicBool>,
}

impl Slot {
    /// The first item that it may still ask for.
    pub(super) fn need(&self) -> u64 {
        self.pinned.map_or(self.position, |pinned| pinned.min(self.position))
    }
}

impl Slot {
    /// Has the consumer look again.
    pub(super) fn wake(&mut self) {
        self.waiting = false;
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl<P: Piece> Tail<P> {
    /// Lets go of what all consumers have passed, and of more if the disk has it.
    pub(super) fn evict(&mut self, kept: bool) {
        let active = self.slots.iter().filter(|slot| slot.active);
        let need = active.map(Slot::need).min().unwrap_or(u64::MAX);
        while let Some(piece) = self.pieces.front() {
            let passed = piece.next() <= need;
            if !passed && (!kept || self.bytes <= limit::TAIL_BYTES_MAX) {
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
    pub(super) fn has_room(&self, room: Room) -> bool {
        let unseen_max = room.of(limit::UNSEEN_BYTES_MAX);
        if self.bytes <= unseen_max {
            return true;
        }
        if self.is_over(room) {
            return false;
        }
        let active = self.slots.iter().filter(|slot| slot.active);
        let seen = active.map(|slot| slot.position).min().unwrap_or(u64::MAX);
        let unseen = self.pieces.iter().rev().take_while(|piece| piece.next() > seen);
        unseen.map(|piece| piece.bytes()).sum::<usize>() <= unseen_max
    }

    /// Whether more is kept than there should be, seen or not.
    pub(super) fn is_over(&self, room: Room) -> bool {
        let largest = self.slots.iter().map(|slot| slot.state_bytes).max().unwrap_or(0);
        let most = largest
            .saturating_mul(limit::TAIL_BYTES_PER_STATE_BYTE)
            .clamp(limit::TAIL_BYTES_MAX, limit::TAIL_BYTES_LARGE_MAX);
        self.bytes > room.of(most)
    }

    /// Has those save who hold the others up only because their guest's state is not saved, or all.
    pub(super) fn ask_to_save(&mut self, all: bool) {
        for slot in self.slots.iter_mut().filter(|slot| all || slot.pinned.is_some()) {
            slot.save_wanted.store(true, Ordering::Relaxed);
            if let Some(thread) = &slot.thread {
                thread.unpark();
            }
        }
    }
}
