//! A module's side of a worker: batches of the records that it wants in, its events out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use correlator_frame::record::{Frame, Record};

use super::keeper::{GuestReport, Shared};
use super::turn::{Checker, Origin};
use super::worker::Side;
use crate::clock;
use crate::guest::{Failure, Module, Rows, Tick};
use crate::pipeline::crew::News;
use crate::pipeline::intake::interest::Filter;
use crate::pipeline::intake::share::Share;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::{Batch, Bounds, Feed, Look, Next, View};
use crate::pipeline::stream::piece::{EventPiece, PickList, RecordKind, RecordPiece};
use crate::pipeline::stream::{Refused, Stream};

/// Records on their way to one module.
#[derive(Default)]
pub(crate) struct ModuleBatch {
    pub(crate) frame: Frame,
    /// The sequence number of each.
    pub(crate) items: Vec<u64>,
}

impl Batch for ModuleBatch {
    const OF_ONE_PIECE: bool = false;

    fn items(&self) -> usize {
        self.items.len()
    }

    fn bytes(&self) -> usize {
        self.frame.text.len()
    }

    fn clear(&mut self) {
        self.frame.clear();
        self.items.clear();
    }
}

/// How a module looks at records.
pub(crate) struct RecordView {
    name: String,
    slot: usize,
    /// The version of the routing that knows this module.
    version: u64,
    /// For records that were routed before the module was there, or that come from the disk.
    filter: Filter,
    share: Option<Share>,
    picks: PickList,
    /// Whether the picks are the view's own.
    own: bool,
    /// The next pick and the next step.
    pick: usize,
    step: usize,
    /// Records that are not handed over any more.
    pub(crate) aside: BTreeSet<u64>,
}

impl RecordView {
    pub(crate) fn new(name: &str, version: u64, filter: Filter, share: Option<Share>) -> Self {
        Self {
            name: name.to_owned(),
            slot: 0,
            version,
            filter,
            share,
            picks: PickList::default(),
            own: false,
            pick: 0,
            step: 0,
            aside: BTreeSet::new(),
        }
    }

    fn list<'a>(&'a self, piece: &'a RecordPiece) -> &'a PickList {
        if self.own { &self.picks } else { &piece.picks.lists[self.slot] }
    }

    /// Works out which records of a piece the module wants.
    fn pick(&mut self, piece: &RecordPiece) {
        self.picks.clear();
        if piece.kind == RecordKind::Retry {
            if piece.only == self.name {
                (0..piece.count()).for_each(|record| self.picks.push(record, &[]));
            }
            return;
        }
        let (filter, picks, share) = (&mut self.filter, &mut self.picks, &self.share);
        for (number, record) in piece.frame.batch().records().enumerate() {
            if share.as_ref().is_none_or(|share| share.admits(record)) {
                filter.select(record, |wanted| picks.push(number as u32, wanted.hits));
            }
        }
    }
}

impl View for RecordView {
    type Piece = RecordPiece;
    type Batch = ModuleBatch;

    fn enter(&mut self, slot: usize) {
        self.slot = slot;
    }

    fn open(&mut self, piece: &RecordPiece, from: u64) {
        let known = piece.kind == RecordKind::Records
            && piece.picks.version >= self.version
            && self.slot < piece.picks.lists.len();
        self.own = !known;
        if self.own {
            self.pick(piece);
        }
        let from = from.saturating_sub(piece.first) as u32;
        self.step = piece.steps.partition_point(|step| step.record < from);
        self.pick = self.list(piece).records.partition_point(|&record| record < from);
    }

    #[inline]
    fn look(&mut self, piece: &RecordPiece) -> Look {
        match (piece.kind, self.step) {
            (RecordKind::Records | RecordKind::Retry, _) => {}
            (RecordKind::Time, 0) if piece.now > i64::MIN => {
                return Look::Step(piece.first, piece.now);
            }
            (RecordKind::End, 0) => return Look::End(Some(piece.now)),
            (RecordKind::Time | RecordKind::End, _) => return Look::Nothing,
        }
        loop {
            let picked = self.list(piece).records.get(self.pick).copied();
            if let Some(step) = piece.steps.get(self.step)
                && picked.is_none_or(|record| step.record <= record)
            {
                return Look::Step(piece.first + u64::from(step.record), step.time);
            }
            let Some(record) = picked else { return Look::Nothing };
            let item = piece.first + u64::from(record);
            if self.aside.is_empty() || !self.aside.contains(&item) {
                let bytes = piece.frame.batch().record(record as usize);
                return Look::Item(item, bytes.map_or(0, |record| record.raw().len()));
            }
            self.pick += 1;
        }
    }

    #[inline]
    fn take(&mut self, piece: &RecordPiece, batch: &mut ModuleBatch) {
        let list = self.list(piece);
        let record = list.records[self.pick];
        batch.frame.gather(&piece.frame, record as usize, list.hits(self.pick));
        batch.items.push(piece.first + u64::from(record));
        self.pick += 1;
    }

    fn pass(&mut self) {
        self.step += 1;
    }
}

/// What became of a module.
#[derive(Clone, Debug, Default)]
pub struct ModuleReport {
    /// What became of it as a guest.
    pub guest: GuestReport,
    /// Events by schema, in the order of its description.
    pub events: Vec<(String, u64)>,
}

/// What others see of a module while it works.
#[derive(Clone, Debug)]
pub(crate) struct ModulePicture {
    /// What was counted before it worked.
    pub(crate) before: ModuleReport,
    pub(crate) guest: Shared,
    pub(crate) events: Arc<std::sync::Mutex<Vec<(String, u64)>>>,
}

impl ModulePicture {
    pub(crate) fn look(&self) -> ModuleReport {
        let events = self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ModuleReport { guest: self.guest.look(), events: events.clone() }.after(&self.before)
    }
}

/// Something that a guest failed on: what is told of it to whoever keeps dead letters.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    pub(crate) guest: String,
    pub(crate) item: u64,
    pub(crate) tick: Option<Tick>,
    pub(crate) source: u32,
    pub(crate) position: u64,
    pub(crate) time: i64,
    pub(crate) raw: Vec<u8>,
    pub(crate) event: Option<EventAside>,
    pub(crate) failure: Failure,
}

/// Ticks that are not handed over any more: where they fell, their time, and their cause.
pub(crate) type TicksAside = BTreeSet<(u64, i64, Option<u32>)>;

/// Whether a tick is among them. Letters of earlier versions tell no cause.
pub(crate) fn is_aside(ticks: &TicksAside, item: u64, tick: Tick) -> bool {
    let of = |cause| ticks.contains(&(item, tick.time, cause));
    of(Some(tick.cause.number())) || of(None)
}

/// An event that a listener failed on: its row, with the schema counted within its module, and what the row points into.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventAside {
    pub(crate) module: String,
    /// What its columns are.
    pub(crate) shape: u64,
    pub(crate) row: Vec<u32>,
    pub(crate) text: Vec<u8>,
}

/// A module in the pipeline.
pub(crate) struct ModuleSide {
    pub(crate) name: String,
    /// Which part of a module that runs in several.
    pub(crate) part: u32,
    pub(crate) shape: u64,
    /// How records are shared out, for its checkpoints.
    pub(crate) division: Vec<u8>,
    pub(crate) feed: Feed<RecordView>,
    pub(crate) batch: ModuleBatch,
    pub(crate) checker: Checker,
    pub(crate) names: Vec<String>,
    pub(crate) events: Arc<Stream<EventPiece>>,
    pub(crate) counts: Arc<std::sync::Mutex<Vec<(String, u64)>>>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) ticks_aside: TicksAside,
    pub(crate) tell: Arc<dyn Fn(News) + Send + Sync>,
}

impl ModuleSide {
    /// Tells others how many events there are by now.
    fn count(&self) {
        let counts = self.names.iter().cloned().zip(self.checker.counts.iter().copied());
        let mut told = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *told = counts.collect();
    }
}

impl Side for ModuleSide {
    type Guest = dyn Module + Send;
    type View = RecordView;
    type Turn = Rows;

    fn feed(&self) -> &Feed<RecordView> {
        &self.feed
    }

    fn feed_mut(&mut self) -> &mut Feed<RecordView> {
        &mut self.feed
    }

    fn next(&mut self, bounds: Bounds) -> Next {
        loop {
            let next = self.feed.next(&mut self.batch, bounds);
            if let Next::Tick(tick) = next
                && is_aside(&self.ticks_aside, self.feed.place().cursor.item, tick)
            {
                continue;
            }
            return next;
        }
    }

    fn items(&self) -> (usize, u64) {
        (self.batch.items.len(), self.batch.items.first().copied().unwrap_or(0))
    }

    fn came(&self) -> u64 {
        self.feed.came()
    }

    fn process(&mut self, guest: &mut Self::Guest) -> Result<Rows, Failure> {
        let turn = guest.process(&mut self.batch.frame)?;
        let now = self.feed.place().now;
        self.checker.check("process", turn, Origin::Batch(&self.batch.frame), now)
    }

    fn tick(&mut self, guest: &mut Self::Guest, tick: Tick) -> Result<Rows, Failure> {
        let turn = guest.tick(tick)?;
        self.checker.check("tick", turn, Origin::Tick(tick, self.part), Some(tick.time))
    }

    fn commit(&mut self, turn: Rows, upto: Cursor) -> bool {
        self.checker.accept();
        if turn.index.is_empty() {
            return true;
        }
        let count = self.checker.rows() as u32;
        let (module, part, shape) = (self.name.clone(), self.part, self.shape);
        // Where event time has not begun, nobody may say that it has come further than the clock.
        let now = self.feed.place().now.unwrap_or_else(clock::now);
        let piece = |first| EventPiece {
            first,
            now,
            module,
            part,
            shape,
            upto,
            rows: turn,
            count,
            ..EventPiece::default()
        };
        let published = self.events.publish(piece, &self.stop);
        self.count();
        // Events that find no room wait for it: they are what all the work was for.
        !matches!(published, Err(Refused::Ended))
    }

    fn set_aside(&mut self, tick: Option<Tick>, failure: &Failure) {
        let mut aside = Aside {
            guest: self.name.clone(),
            item: self.feed.place().cursor.item,
            tick,
            source: 0,
            position: 0,
            time: tick.map_or(0, |tick| tick.time),
            raw: Vec::new(),
            event: None,
            failure: failure.clone(),
        };
        if let Some(tick) = tick {
            self.ticks_aside.insert((aside.item, tick.time, Some(tick.cause.number())));
        } else if let Some(&item) = self.batch.items.first() {
            self.feed.view.aside.insert(item);
            aside.item = item;
            if let Some(record) = self.batch.frame.batch().record(0) {
                aside.source = record.source();
                aside.position = record.position();
                aside.time = record.time();
                aside.raw = Record::raw(record).to_vec();
            }
        }
        (self.tell)(News::Aside(aside));
    }

    fn rate(&self) -> (i64, u64) {
        self.checker.rate()
    }

    fn set_rate(&mut self, rate: (i64, u64)) {
        self.checker.set_rate(rate);
    }

    fn lag(&self) -> (u64, u64) {
        (self.feed.lag(), self.feed.missed)
    }

    fn tell(&self, news: News) {
        (self.tell)(news);
    }

    fn settle(&mut self) -> Option<Vec<u8>> {
        Some(self.division.clone())
    }
}

impl Drop for ModuleSide {
    fn drop(&mut self) {
        // Whoever waits for this flag to end a wait for room has nothing to wait for any more.
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{TicksAside, is_aside};
    use crate::guest::{Cause, Tick};

    #[test]
    fn one_timer_that_fails_is_not_another() {
        let check = |ticks: TicksAside, expected: [bool; 4]| {
            let tick = |cause, time| is_aside(&ticks, 7, Tick { cause, time });
            let timer = Cause::Timer;
            let found =
                [tick(timer(0), 5), tick(timer(1), 5), tick(Cause::End, 5), tick(timer(0), 6)];
            assert_eq!(found, expected);
        };
        check([(7, 5, Some(0))].into(), [true, false, false, false]);
        check([(7, 5, Some(Cause::End.number()))].into(), [false, false, true, false]);
        check([(8, 5, Some(0))].into(), [false; 4]);
        // A letter of an earlier version.
        check([(7, 5, None)].into(), [true, true, true, false]);
    }
}
