//! What one consumer gets of a stream: batches, and the ticks between them, in an order that every replay repeats.
//!
//! A feed takes pieces from memory while it keeps up, and from the disk when it has fallen behind or was sent back; who
//! uses it can't tell. Where a batch ends depends on what is there; where a tick falls does not.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use correlator_spool::reader::Reader;

use super::cursor::{Cursor, items_between};
use super::piece::Piece;
use super::timers::Timers;
use super::{Stream, Supply};
use crate::guest::{Cause, Tick};
use crate::{clock, limit};

/// How much a batch may hold, and where it must end at the latest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    /// The batch ends here if it gets so far.
    pub(crate) until: Cursor,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The batch has items.
    Batch,
    /// A tick, and where it fell.
    Tick(Tick),
    /// Nothing now.
    Nothing,
    /// Nothing any more.
    Ended,
}

/// A place in the stream, with what it takes to go on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) cursor: Cursor,
    /// Event time there; nothing has set it if absent.
    pub(crate) now: Option<i64>,
}

/// How a consumer looks at the pieces of its stream.
pub(crate) trait View {
    /// What the stream is made of.
    type Piece: Piece;
    /// What a batch is.
    type Batch: Batch;

    /// Its consumer has got this slot of the stream.
    fn enter(&mut self, slot: usize);
    /// Looks at a piece from this item on.
    fn open(&mut self, piece: &Self::Piece, from: u64);
    /// The next thing in the piece at or behind the item where the feed is.
    fn look(&mut self, piece: &Self::Piece) -> Look;
    /// Adds the item that was seen to the batch.
    fn take(&mut self, piece: &Self::Piece, batch: &mut Self::Batch);
    /// Passes over what was seen.
    fn pass(&mut self);
}

/// What stands next in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// An item that is wanted, and about how many bytes it has.
    Item(u64, usize),
    /// Time moves on just before an item.
    Step(u64, i64),
    /// The input has ended for good, at this time if the piece knows it.
    End(Option<i64>),
    /// Nothing more.
    Nothing,
}

/// A batch that is being filled.
pub(crate) trait Batch: Default {
    fn items(&self) -> usize;
    fn bytes(&self) -> usize;
    fn clear(&mut self);
    /// Whether items of one piece can't stand beside those of another.
    const OF_ONE_PIECE: bool;
}

/// A consumer's way through a stream.
pub(crate) struct Feed<V: View> {
    stream: Arc<Stream<V::Piece>>,
    slot: usize,
    pub(crate) save_wanted: Arc<AtomicBool>,
    pub(crate) view: V,
    timers: Timers,
    place: Place,
    /// The ticks due at the step where the feed is, those that are done included.
    ticks: Vec<Tick>,
    /// Event time before that step.
    before: Option<i64>,
    pieces: VecDeque<Arc<V::Piece>>,
    /// Whether the view has opened the first of the pieces.
    open: bool,
    reader: Option<Reader>,
    payload: Vec<u8>,
    /// Since when the disk can't be read.
    failing: Option<Instant>,
    /// Items that could not be read: they were gone, or what they were in is damaged.
    pub(crate) missed: u64,
    /// Up to where they have been counted, however often it is read again.
    counted: u64,
}

impl<V: View> Feed<V> {
    pub(crate) fn new(
        stream: Arc<Stream<V::Piece>>,
        mut view: V,
        timers: Timers,
        place: Place,
        version: u64,
    ) -> Self {
        let (slot, save_wanted) = stream.enter(place.cursor.item, version);
        view.enter(slot);
        let mut feed = Self {
            stream,
            slot,
            save_wanted,
            view,
            timers,
            place,
            ticks: Vec::new(),
            before: None,
            pieces: VecDeque::new(),
            open: false,
            reader: None,
            payload: Vec::new(),
            failing: None,
            missed: 0,
            counted: 0,
        };
        feed.seek(place);
        feed
    }

    /// Where the feed is: before what comes next. From there the same comes again.
    pub(crate) fn place(&self) -> Place {
        if (self.place.cursor.ticks as usize) < self.ticks.len() {
            // Not all ticks of this step are done: to tell the rest again, the step has to be taken again.
            return Place { now: self.before, ..self.place };
        }
        self.place
    }

    /// How many items there are behind the feed's place.
    pub(crate) fn lag(&self) -> u64 {
        items_between(self.place.cursor.item, self.stream.next())
    }

    /// Goes to another place.
    pub(crate) fn seek(&mut self, place: Place) {
        self.place = place;
        self.stream.send(self.slot, place.cursor.item);
        self.timers.restart(place.now);
        self.ticks.clear();
        self.pieces.clear();
        self.open = false;
        self.reader = None;
    }

    /// Fills the batch with what comes next, or tells of the tick that does. Without either it does not wait.
    pub(crate) fn next(&mut self, batch: &mut V::Batch, bounds: Bounds) -> Next {
        batch.clear();
        loop {
            if self.place.cursor >= bounds.until && batch.items() > 0 {
                return Next::Batch;
            }
            if let Some(&tick) = self.ticks.get(self.place.cursor.ticks as usize) {
                if batch.items() > 0 {
                    return Next::Batch;
                }
                self.place.cursor.ticks += 1;
                return Next::Tick(tick);
            }
            let Some(piece) = self.pieces.front() else {
                if V::Batch::OF_ONE_PIECE && batch.items() > 0 {
                    return Next::Batch;
                }
                match self.fetch(batch.items() == 0) {
                    Supply::There => continue,
                    _ if batch.items() > 0 => return Next::Batch,
                    Supply::Ended => return Next::Ended,
                    Supply::Nothing | Supply::Behind => return Next::Nothing,
                }
            };
            if !self.open {
                self.view.open(piece, self.place.cursor.item);
                self.open = true;
            }
            match self.view.look(piece) {
                Look::Item(item, bytes) => {
                    if self.place.cursor.item < item {
                        self.arrive(item);
                    }
                    if batch.items() >= bounds.items
                        || batch.items() > 0 && self.place.cursor >= bounds.until
                        || batch.items() > 0 && batch.bytes() + bytes > bounds.bytes
                    {
                        return Next::Batch;
                    }
                    let piece = &self.pieces[0];
                    self.view.take(piece, batch);
                    self.arrive(item + 1);
                }
                Look::Step(item, time) => {
                    self.arrive(item);
                    self.view.pass();
                    self.step(time);
                }
                Look::End(time) => {
                    let item = piece.first();
                    self.arrive(item);
                    self.view.pass();
                    let end = |time| Tick { cause: Cause::End, time };
                    self.ticks = time.or(self.place.now).map(end).into_iter().collect();
                }
                Look::Nothing => {
                    let next = piece.next();
                    self.arrive(next);
                    self.pieces.pop_front();
                    self.open = false;
                    if V::Batch::OF_ONE_PIECE && batch.items() > 0 {
                        return Next::Batch;
                    }
                }
            }
        }
    }

    /// Comes to an item. Ticks before it that are done stay done.
    fn arrive(&mut self, item: u64) {
        if self.place.cursor.item != item {
            self.place.cursor = Cursor::before(item);
            self.ticks.clear();
        }
    }

    /// Time moves on.
    fn step(&mut self, time: i64) {
        if self.place.now.is_some_and(|now| now >= time) {
            return;
        }
        if time >= self.timers.next() {
            if self.ticks.is_empty() {
                self.before = self.place.now;
            }
            let due = self.timers.due(time);
            self.ticks.extend(due);
        }
        self.place.now = Some(time);
    }

    /// Gets more pieces. Only who is done with all before may wait for them.
    fn fetch(&mut self, waits: bool) -> Supply {
        let from = self.place.cursor.item;
        if self.reader.is_none() {
            let wake_at = waits.then(|| self.timers.next());
            match self.stream.read(self.slot, from, wake_at, &mut self.pieces) {
                Supply::Behind => {}
                other => {
                    let first = self.pieces.front().map_or(from, |piece| piece.first());
                    self.miss(from, first);
                    return other;
                }
            }
        }
        self.fetch_from_disk(from, waits)
    }

    fn fetch_from_disk(&mut self, from: u64, waits: bool) -> Supply {
        if self.reader.is_none() {
            self.reader = self.stream.reader(from);
        }
        let Some(reader) = &mut self.reader else { return Supply::Nothing };
        let damaged = reader.damaged().places;
        let read = reader.next(&mut self.payload);
        let found = reader.damaged().places - damaged;
        if found > 0 {
            tracing::error!(
                "{found} damaged places of the spool behind item {from} are passed over"
            );
            self.stream.note_damage(found);
        }
        match read {
            Ok(Some(header)) => {
                self.failing = None;
                let (kind, first, count) = (header.kind, header.first, header.count);
                self.miss(from, first);
                if let Some(piece) = V::Piece::read(kind, first, count, &self.payload) {
                    self.pieces.push_back(Arc::new(piece));
                } else {
                    tracing::error!("frame {first} of the spool is not understood and passed over");
                    self.miss(first, header.next());
                    self.arrive(header.next());
                }
                // What is in memory is read from there again.
                if self.stream.holds(header.next()) {
                    self.reader = None;
                }
                Supply::There
            }
            Ok(None) => {
                self.reader = None;
                self.skip_to_memory(from, waits)
            }
            Err(error) => {
                let now = clock::instant();
                let since = *self.failing.get_or_insert_with(|| {
                    tracing::error!("{error}; it is tried again");
                    now
                });
                if now.duration_since(since) < limit::READ_TIME {
                    self.reader = None;
                    return Supply::Nothing;
                }
                self.failing = None;
                tracing::error!("{error}; what can't be read is passed over");
                if let Ok(true) = reader.pass_over() {
                    return Supply::There;
                }
                self.reader = None;
                self.skip_to_memory(from, waits)
            }
        }
    }

    /// What the disk does not have can't be had: goes on with what is in memory.
    fn skip_to_memory(&mut self, from: u64, waits: bool) -> Supply {
        let first = self.stream.first_in_memory();
        if first > from {
            self.miss(from, first);
            self.arrive(first);
        }
        let wake_at = waits.then(|| self.timers.next());
        let from = self.place.cursor.item;
        match self.stream.read(self.slot, from, wake_at, &mut self.pieces) {
            Supply::Behind => Supply::Nothing,
            other => other,
        }
    }

    /// Counts what stands between the place and what comes next: every item had a number, and few are left out but by
    /// a loss.
    fn miss(&mut self, from: u64, to: u64) {
        let from = from.max(self.counted);
        if to > from {
            self.missed += items_between(from, to);
            self.counted = to;
        }
    }

    /// Waits until something comes that concerns this consumer, or for a while.
    pub(crate) fn wait(&mut self) {
        if !self.save_wanted.load(Ordering::Relaxed) {
            thread::park_timeout(limit::RETRY_STEP);
        }
        self.catch_up();
    }

    /// Moves on over pieces that did not concern it, and in time as who had to read them would: none has a tick in it.
    fn catch_up(&mut self) {
        if self.pieces.is_empty() && self.reader.is_none() && self.ticks.is_empty() {
            let (passed, time) = self.stream.passed_at(self.slot);
            if passed > self.place.cursor.item {
                self.arrive(passed);
                if let Some(time) = time {
                    self.step(time);
                }
            }
        }
    }

    /// Says how far the consumer is done, and from where on it would have to go again if its guest failed.
    pub(crate) fn advance(&self, pinned: Option<u64>) {
        self.stream.advance(self.slot, self.place.cursor.item, pinned);
    }

    /// Says how much its guest has to save.
    pub(crate) fn weigh(&self, state_bytes: usize) {
        self.stream.weigh(self.slot, state_bytes);
    }

    /// Whether checkpoints should not be long in coming.
    pub(crate) fn is_pressed(&self) -> bool {
        self.stream.is_pressed()
    }

    /// How much has come to the stream's spool in this run.
    pub(crate) fn came(&self) -> u64 {
        self.stream.came()
    }

    /// Whether the stream holds nothing back for this consumer any more, or does again.
    pub(crate) fn set_absent(&self, absent: bool) {
        self.stream.set_active(self.slot, !absent);
    }

    /// Whether nothing will come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.stream.is_over()
    }

    /// Its slot in the stream.
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    /// Whether somebody waits for the guest's state to be saved.
    pub(crate) fn save_wanted(&self) -> bool {
        self.save_wanted.swap(false, Ordering::Relaxed)
    }
}

impl<V: View> Drop for Feed<V> {
    fn drop(&mut self) {
        self.stream.leave(self.slot);
    }
}

#[cfg(test)]
mod losses;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use correlator_frame::record::{Frame, Row, Span};
    use jiff::tz::TimeZone;

    use super::{Bounds, Feed, Next, Place};
    use crate::declaration::Interest;
    use crate::pipeline::intake::interest::Filter;
    use crate::pipeline::stream::Stream;
    use crate::pipeline::stream::cursor::Cursor;
    use crate::pipeline::stream::marks::SourceMarks;
    use crate::pipeline::stream::piece::{PickList, RecordKind, RecordPiece, Step};
    use crate::pipeline::stream::timers::Timers;
    use crate::pipeline::work::module::{ModuleBatch, RecordView};

    fn records(first: u64, count: usize) -> RecordPiece {
        let mut frame = Frame { text: b"text".to_vec(), ..Frame::default() };
        (0..count).for_each(|_| frame.push(&Row { raw: Span::new(0, 4), ..Row::default() }, 0));
        RecordPiece { first, frame, ..RecordPiece::default() }
    }

    #[test]
    fn a_batch_that_is_handed_over_is_not_passed_yet() {
        let stream = Arc::new(Stream::new(None, SourceMarks::default(), false));
        let all = [Interest::default()];
        let view = RecordView::new("sshd", 1, Filter::new([&all[..]].into_iter()), None);
        let timers = Timers::new(&[], &TimeZone::UTC);
        let mut feed = Feed::new(Arc::clone(&stream), view, timers, Place::default(), 1);
        let publish = || stream.publish(|first| records(first, 3), &AtomicBool::new(false));
        let bounds = Bounds { items: 100, bytes: 1 << 20, until: Cursor::before(u64::MAX) };
        let mut batch = ModuleBatch::default();
        assert!(publish().is_ok() && publish().is_ok());
        assert_eq!(feed.next(&mut batch, bounds), Next::Batch);
        assert_eq!(batch.items, [0, 1, 2, 3, 4, 5]);
        // If the guest fails on it, its pieces must still be there.
        assert_eq!((stream.passed(feed.slot()), stream.first_in_memory()), (0, 0));
        feed.advance(None);
        assert_eq!(feed.next(&mut batch, bounds), Next::Nothing);
        assert_eq!(stream.passed(feed.slot()), 6);
    }

    #[test]
    fn time_moves_on_with_what_passes_by() {
        let stream = Arc::new(Stream::new(None, SourceMarks::default(), false));
        let other = [Interest { programs: vec!["other".into()], ..Interest::default() }];
        let filter = || Filter::new([&other[..]].into_iter());
        let timers = || Timers::new(&[], &TimeZone::UTC);
        let feed = |version| {
            let view = RecordView::new("sshd", version, filter(), None);
            Feed::new(Arc::clone(&stream), view, timers(), Place::default(), version)
        };
        // The second needs newer picks than there are: it has to look at everything.
        let (mut waits, mut reads) = (feed(1), feed(2));
        let bounds = Bounds { items: 100, bytes: 1 << 20, until: Cursor::before(u64::MAX) };
        let mut batch = ModuleBatch::default();
        assert_eq!(waits.next(&mut batch, bounds), Next::Nothing);
        let publish = |kind, now, steps: &[i64]| {
            let steps = steps.iter().map(|&time| Step { record: 0, time }).collect();
            let mut piece = RecordPiece { kind, steps, now, ..records(0, 3) };
            (piece.picks.version, piece.picks.lists) = (1, vec![PickList::default()]);
            let published =
                stream.publish(|first| RecordPiece { first, ..piece }, &AtomicBool::new(false));
            assert!(published.is_ok());
        };
        let mut check = |item, now| {
            waits.wait();
            assert_eq!(reads.next(&mut batch, bounds), Next::Nothing);
            let expected = Place { cursor: Cursor::before(item), now };
            assert_eq!((waits.place(), reads.place()), (expected, expected));
        };
        publish(RecordKind::Records, 5, &[]);
        check(3, None);
        publish(RecordKind::Records, 70, &[60, 65]);
        publish(RecordKind::Records, 71, &[]);
        check(9, Some(65));
        publish(RecordKind::Time, 90, &[]);
        check(10, Some(90));
        // Nothing has set the time yet where only marks of files came.
        publish(RecordKind::Time, i64::MIN, &[]);
        check(11, Some(90));
    }
}
