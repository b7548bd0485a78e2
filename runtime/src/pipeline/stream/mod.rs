//! A stream: pieces in order, the newest of them in memory, all that is still needed on disk if the stack keeps anything.
//!
//! Whoever publishes gets a place in the order; every consumer has a slot and reads at its own pace. Where nothing is
//! kept on disk, who publishes waits for the slowest consumer; where it is, nobody waits: who falls behind reads from
//! the disk. This file must never know what is in the pieces.

pub(super) mod cursor;
pub(super) mod feed;
mod held;
mod lost;
pub(super) mod marks;
pub(super) mod piece;
mod tail;
pub(super) mod timers;
mod waiting;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use correlator_spool::error::SpoolError;
use correlator_spool::limit::FRAME_BYTES_MAX;
use correlator_spool::reader::{Reader, Readers};
use correlator_spool::spool::Spool;
use correlator_spool::sync::Syncer;

use self::piece::Piece;
use self::tail::{Room, Slot, Tail};
use crate::{clock, limit};

/// Why nothing was published.
#[derive(Debug)]
pub(super) enum Refused {
    /// The run ends.
    Ended,
    /// There is no room, and the stack says that what comes is dropped.
    Dropped,
}

/// What a consumer finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Supply {
    /// Pieces.
    There,
    /// Only the disk still has what was asked for.
    Behind,
    /// Nothing now.
    Nothing,
    /// Nothing, and nothing will come.
    Ended,
}

/// A stream of pieces.
pub(super) struct Stream<P: Piece> {
    pub(super) writer: Mutex<Writer>,
    /// What is known at the end of the stream.
    ledger: Mutex<P::Ledger>,
    pub(super) tail: Mutex<Tail<P>>,
    /// A consumer has moved on.
    pub(super) moved: Condvar,
    /// Who waited for room on the disk has got it, or has given up.
    free: Condvar,
    /// What lies on the disk, where anything is kept.
    pub(super) disk: Option<Disk>,
    drops: bool,
    pub(super) ending: AtomicBool,
    /// Nothing from here on goes from the disk, whoever is done with it.
    pub(super) held: AtomicU64,
    /// Whether who publishes next is to let go of what nobody needs on the disk.
    pub(super) release_wanted: AtomicBool,
    /// Whether something waits for room, and when it was told last that something does, and that something is dropped.
    short: AtomicBool,
    told: Mutex<[Option<Instant>; 2]>,
    /// Items that found no room.
    pub(super) dropped: AtomicU64,
    damaged: AtomicU64,
    /// Items that should have been on the disk at the start and were not.
    missing: AtomicU64,
}

/// The disk as consumers see it.
pub(super) struct Disk {
    pub(super) readers: Readers,
    syncer: Syncer,
    pub(super) bytes: AtomicU64,
    pub(super) bytes_max: u64,
    /// Bytes that have come to it in this run.
    pub(super) came: AtomicU64,
}

/// Gives out places in the order.
pub(super) struct Writer {
    next: u64,
    pub(super) spool: Option<Spool>,
    /// Whether a piece that has its place waits for room on the disk: nobody else can publish meanwhile.
    waits: bool,
}

impl<P: Piece> Stream<P> {
    /// A stream that goes on at `next`, on top of a spool if there is one.
    pub(super) fn new(spool: Option<Spool>, ledger: P::Ledger, drops: bool) -> Self {
        let next = spool.as_ref().map_or(0, Spool::next);
        let disk = spool.as_ref().map(|spool| Disk {
            readers: spool.readers(),
            syncer: spool.syncer(),
            bytes: AtomicU64::new(spool.bytes()),
            bytes_max: spool.bytes_max(),
            came: AtomicU64::new(0),
        });
        Self {
            writer: Mutex::new(Writer { next, spool, waits: false }),
            ledger: Mutex::new(ledger),
            tail: Mutex::new(Tail {
                pieces: VecDeque::new(),
                spare: Vec::new(),
                next,
                bytes: 0,
                ended: false,
                waiting: 0,
                slots: Vec::new(),
            }),
            moved: Condvar::new(),
            free: Condvar::new(),
            disk,
            drops,
            held: AtomicU64::new(u64::MAX),
            ending: AtomicBool::new(false),
            release_wanted: AtomicBool::new(false),
            short: AtomicBool::new(false),
            told: Mutex::default(),
            dropped: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            missing: AtomicU64::new(0),
        }
    }

    /// Publishes a piece. `make` is told its place in the order; nobody else can publish meanwhile, so what must be
    /// worked out in order is worked out there. `stop` ends the wait for room.
    pub(super) fn publish(
        &self,
        make: impl FnOnce(u64) -> P,
        stop: &AtomicBool,
    ) -> Result<u64, Refused> {
        self.publish_as(self.turn(false, stop)?, make, false, stop)
    }

    /// Publishes a piece of so many items, or drops it where there is no room and the stack says so.
    pub(super) fn publish_or_drop(
        &self,
        items: u64,
        make: impl FnOnce(u64) -> P,
        stop: &AtomicBool,
    ) -> Result<u64, Refused> {
        let turn = self.turn(self.drops, stop);
        if let Err(Refused::Dropped) = turn {
            self.tell_shortage(&"the spool is full", true);
            self.note_dropped(items);
        }
        self.publish_as(turn?, make, self.drops, stop)
    }

    /// Publishes a piece if that needs no waiting for anybody.
    pub(super) fn try_publish(&self, make: impl FnOnce(u64) -> P) -> Result<u64, Refused> {
        match self.writer.try_lock() {
            Ok(writer) if !writer.waits => {
                self.publish_as(writer, make, false, &AtomicBool::new(true))
            }
            _ => Err(Refused::Ended),
        }
    }

    /// Waits until nobody else publishes. Who is dropped where there is no room is dropped too where another waits for some.
    fn turn(&self, drops: bool, stop: &AtomicBool) -> Result<MutexGuard<'_, Writer>, Refused> {
        if self.disk.is_none() {
            self.wait_for_room(stop);
        }
        let mut writer = lock(&self.writer);
        while writer.waits {
            if drops {
                return Err(Refused::Dropped);
            }
            if stop.load(Ordering::Relaxed) || self.ending.load(Ordering::Relaxed) {
                return Err(Refused::Ended);
            }
            let woken = self.free.wait_timeout(writer, limit::RETRY_STEP);
            writer = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(writer)
    }

    fn publish_as<'a>(
        &'a self,
        writer: MutexGuard<'a, Writer>,
        make: impl FnOnce(u64) -> P,
        drops: bool,
        stop: &AtomicBool,
    ) -> Result<u64, Refused> {
        let piece = make(writer.next);
        let (mut writer, written) = self.write(writer, &piece, drops, stop);
        if std::mem::take(&mut writer.waits) {
            self.free.notify_all();
        }
        written?;
        piece.note(&mut lock(&self.ledger));
        let next = piece.next();
        writer.next = next;
        self.show(piece);
        Ok(next)
    }

    /// What is known at the end of the stream.
    pub(super) fn ledger(&self) -> P::Ledger {
        lock(&self.ledger).clone()
    }

    /// Changes what is known.
    pub(super) fn correct(&self, change: impl FnOnce(&mut P::Ledger)) {
        change(&mut lock(&self.ledger));
    }

    /// An emptied piece, whose memory serves again, if there is one.
    pub(super) fn spare(&self) -> Option<P> {
        lock(&self.tail).spare.pop()
    }

    /// Writes a piece to the spool, waiting for room or for the disk as the stack demands. The writer is not held meanwhile,
    /// so that others can give up.
    fn write<'a>(
        &'a self,
        mut writer: MutexGuard<'a, Writer>,
        piece: &P,
        drops: bool,
        stop: &AtomicBool,
    ) -> (MutexGuard<'a, Writer>, Result<(), Refused>) {
        let head = piece.head();
        let [a, b, c] = piece.parts();
        let count = (piece.next() - piece.first()) as u32;
        let mut released = false;
        loop {
            let (Some(spool), Some(disk)) = (&mut writer.spool, &self.disk) else {
                return (writer, Ok(()));
            };
            match spool.append(piece.kind(), count, &[&head, a, b, c]) {
                Ok(_) => {
                    disk.came.fetch_add(piece.bytes() as u64, Ordering::Relaxed);
                    if self.release_wanted.swap(false, Ordering::Relaxed) {
                        spool.release(self.needed());
                    }
                    disk.bytes.store(spool.bytes(), Ordering::Relaxed);
                    if self.short.swap(false, Ordering::Relaxed) {
                        tracing::info!("what had to wait is taken");
                    }
                    return (writer, Ok(()));
                }
                Err(error @ SpoolError::TooLarge { .. }) => {
                    tracing::error!("{error}; it is dropped");
                    self.note_dropped(u64::from(count));
                    return (writer, Err(Refused::Dropped));
                }
                Err(error) if error.is_full() && (self.give_way(spool) || !released) => {
                    released = true;
                    continue;
                }
                Err(error) if drops && error.is_full() => {
                    self.tell_shortage(&error, true);
                    self.note_dropped(u64::from(count));
                    return (writer, Err(Refused::Dropped));
                }
                Err(error) => {
                    if !self.short.swap(true, Ordering::Relaxed) {
                        self.tell_shortage(&error, false);
                    }
                }
            }
            if stop.load(Ordering::Relaxed) || self.ending.load(Ordering::Relaxed) {
                return (writer, Err(Refused::Ended));
            }
            writer.waits = true;
            drop(writer);
            // Room comes when consumers move on, or when the operator makes some.
            let mut tail = lock(&self.tail);
            tail.ask_to_save(true);
            drop(self.moved.wait_timeout(tail, limit::RETRY_STEP));
            writer = lock(&self.writer);
            released = false;
        }
    }

    /// A small spool may run short many times a second.
    fn tell_shortage(&self, error: &dyn std::fmt::Display, drops: bool) {
        let now = clock::instant();
        let last = &mut lock(&self.told)[usize::from(drops)];
        if last.is_none_or(|last| now.duration_since(last) >= limit::SHORTAGE_STEP) {
            *last = Some(now);
            let what = if drops { "is dropped" } else { "has to wait" };
            tracing::error!("{error}; what comes {what} until there is room");
        }
    }

    /// Puts a piece into memory and wakes whom it concerns.
    fn show(&self, piece: P) {
        let mut tail = lock(&self.tail);
        tail.evict(self.disk.is_some());
        tail.next = piece.next();
        tail.bytes += piece.bytes();
        for (place, slot) in tail.slots.iter_mut().enumerate() {
            if !slot.waiting {
                continue;
            }
            if piece.concerns(place, slot.version, slot.wake_at) {
                slot.wake();
            } else {
                slot.position = piece.next();
                slot.now = slot.now.max(piece.time());
            }
        }
        tail.pieces.push_back(Arc::new(piece));
    }

    /// Gives a consumer a slot from which it reads from `position` on. It needs picks of this version of the routing.
    pub(super) fn enter(&self, position: u64, version: u64) -> (usize, Arc<AtomicBool>) {
        let mut tail = lock(&self.tail);
        let save_wanted = Arc::new(AtomicBool::new(false));
        let slot = Slot {
            active: true,
            version,
            wake_at: i64::MIN,
            position,
            kept: position,
            grace: limit::GRACE_MAX,
            save_wanted: Arc::clone(&save_wanted),
            ..Slot::default()
        };
        (tail.seat(slot), save_wanted)
    }

    /// Whether anything is held back for a consumer. On the disk what it needs stays as long as there is room.
    pub(super) fn set_active(&self, slot: usize, active: bool) {
        let slot = &mut lock(&self.tail).slots[slot];
        if self.disk.is_some() {
            slot.gives_way = !active;
        } else {
            slot.active = active;
        }
        self.moved.notify_all();
    }

    /// Whether nothing will come any more.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.tail).ended
    }

    /// Gives the slot back: nobody waits for it any more. Once the stream has ended, what its consumer had left to do stays
    /// on the disk all the same: the next run goes on there.
    pub(super) fn leave(&self, slot: usize) {
        let mut tail = lock(&self.tail);
        let left = &mut tail.slots[slot];
        if self.disk.is_some() && self.ending.load(Ordering::Relaxed) {
            (left.holds, left.waiting, left.thread) = (true, false, None);
        } else {
            *left = Slot { free: true, ..Slot::default() };
        }
        self.moved.notify_all();
    }

    /// Gets pieces from `from` on that are in memory. If there is nothing, a consumer that says when to wake it counts as
    /// waiting, and as done with all before, until it is woken or calls again.
    pub(super) fn read(
        &self,
        slot: usize,
        from: u64,
        wake_at: Option<i64>,
        into: &mut VecDeque<Arc<P>>,
    ) -> Supply {
        let mut tail = lock(&self.tail);
        if from < tail.next {
            let first = tail.pieces.partition_point(|piece| piece.next() <= from);
            match tail.pieces.get(first) {
                // A gap in the numbers is no piece that is missing.
                Some(piece) if piece.first() <= from || first > 0 || self.disk.is_none() => {
                    let pieces = tail.pieces.iter().skip(first).take(limit::PIECES_AT_ONCE);
                    into.extend(pieces.cloned());
                    tail.slots[slot].waiting = false;
                    return Supply::There;
                }
                _ if self.disk.is_some() => return Supply::Behind,
                _ => {}
            }
        }
        if tail.ended {
            return Supply::Ended;
        }
        if let Some(wake_at) = wake_at {
            let slot = &mut tail.slots[slot];
            slot.thread.get_or_insert_with(thread::current);
            (slot.waiting, slot.wake_at, slot.position) = (true, wake_at, from.max(slot.position));
        }
        Supply::Nothing
    }

    /// Sends a consumer to another place.
    pub(super) fn send(&self, slot: usize, position: u64) {
        let slot = &mut lock(&self.tail).slots[slot];
        (slot.position, slot.now, slot.waiting) = (position, None, false);
    }

    /// Says how far a consumer has come, and from where on it would have to read again if its guest failed.
    pub(super) fn advance(&self, slot_of: usize, position: u64, pinned: Option<u64>) {
        let mut tail = lock(&self.tail);
        let slot = &mut tail.slots[slot_of];
        slot.advance(position);
        slot.pinned = pinned;
        if tail.waiting > 0 {
            let (next, over) = (tail.next, tail.is_over(Room::Half));
            let slot = &tail.slots[slot_of];
            if over && slot.pinned.is_some() && slot.position >= next {
                // It has seen all that there is: only what it has not saved holds up who waits.
                slot.save_wanted.store(true, Ordering::Relaxed);
            }
            tail.evict(self.disk.is_some());
            let goes_on = match self.disk {
                Some(_) => tail.behind(Room::Half).is_none(),
                None => tail.has_room(Room::Half),
            };
            if goes_on {
                self.moved.notify_all();
            }
        }
    }

    /// Says how much a consumer's guest has to save.
    pub(super) fn weigh(&self, slot: usize, state_bytes: usize) {
        lock(&self.tail).slots[slot].state_bytes = state_bytes;
    }

    /// Reads from the disk from this item on.
    pub(super) fn reader(&self, from: u64) -> Option<Reader> {
        self.disk.as_ref().map(|disk| disk.readers.from(from))
    }

    /// How large the rows of a piece may be.
    pub(super) fn rows_bytes_max(&self) -> usize {
        let most = |disk: &Disk| disk.bytes_max.min(FRAME_BYTES_MAX) as usize;
        self.disk.as_ref().map_or(usize::MAX, most).saturating_sub(limit::PIECE_HEAD_BYTES)
    }

    /// Writes through what was published.
    pub(super) fn syncer(&self) -> Option<Syncer> {
        self.disk.as_ref().map(|disk| disk.syncer.clone())
    }

    /// Whether the pieces from this item on are in memory.
    pub(super) fn holds(&self, item: u64) -> bool {
        self.first_in_memory() <= item
    }

    /// The first item that is in memory, or the one that will come.
    pub(super) fn first_in_memory(&self) -> u64 {
        let tail = lock(&self.tail);
        tail.pieces.front().map_or(tail.next, |piece| piece.first())
    }

    /// The pieces that are in memory, the newest first.
    pub(super) fn recent(&self) -> Vec<Arc<P>> {
        lock(&self.tail).pieces.iter().rev().map(Arc::clone).collect()
    }

    /// Behind the last piece.
    pub(super) fn next(&self) -> u64 {
        lock(&self.tail).next
    }

    /// Ends the stream: consumers get what is there, then no more.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
        self.moved.notify_all();
        let mut tail = lock(&self.tail);
        tail.ended = true;
        tail.slots.iter_mut().for_each(Slot::wake);
    }
}

/// A panic of one thread must not take the others with it: what the locks guard is whole at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
