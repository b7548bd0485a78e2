//! The door of the record stream: takes what sources read, works out once who wants it, and gives it its place in order.

pub(super) mod interest;
pub(super) mod merge;
pub(super) mod share;
mod steady_clock;
mod watermark;

use std::iter;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use correlator_source::counts::Counts;
use correlator_source::intake::{Ended, Intake, Lot};
use correlator_source::settings::{Door as SourceDoor, Source};
use correlator_spool::sync::Syncer;

use self::interest::Filter;
use self::steady_clock::SteadyClock;
use self::watermark::Watermark;
use crate::clock::{self, nanoseconds};
use crate::declaration::Interest;
use crate::limit;
use crate::pipeline::stream::marks::SourceMarks;
use crate::pipeline::stream::piece::{PickList, RecordKind, RecordPiece};
use crate::pipeline::stream::{Refused, Stream};
use crate::stack::PartitionBy;

/// Who wants what, in one version.
#[derive(Clone, Debug, Default)]
pub(super) struct Routing {
    pub(super) version: u64,
    pub(super) routes: Vec<Route>,
}

/// A module's way from the records to its instances.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) interest: Vec<Interest>,
    pub(super) by: Option<PartitionBy>,
    /// The slots of its instances.
    pub(super) slots: Vec<usize>,
}

/// What is known of a source while it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SourceGauge {
    pub(super) counts: Counts,
    /// When its last records came.
    pub(super) last: Option<i64>,
    /// Records that were older than time as a whole.
    pub(super) late: u64,
}

/// What has to be known of a source to take in what it reads.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// What its records' ids begin with.
    number: u32,
    /// Whether its records come as they happen.
    live: bool,
    /// Whether whoever sends waits while it does.
    waits: bool,
}

/// The door as a source sees it that can be told to wait no longer.
pub(super) struct Entrance {
    pub(super) door: Arc<Door>,
    pub(super) gives_up: Arc<AtomicBool>,
}

impl Intake for Entrance {
    fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
        self.door.take_in(lot, &self.gives_up)
    }
}

/// The door.
pub(super) struct Door {
    stream: Arc<Stream<RecordPiece>>,
    routing: RwLock<Arc<Routing>>,
    /// Filters of those who are not routing now.
    filters: Mutex<Vec<(u64, Filter)>>,
    watermark: Mutex<Watermark>,
    gauges: Mutex<Vec<SourceGauge>>,
    sources: RwLock<Vec<Known>>,
    pub(super) clock: SteadyClock,
    stop: Arc<AtomicBool>,
    /// What has to be written through before a lot counts as taken.
    syncer: Option<Syncer>,
    /// What is added to sequence numbers to name records that have no place of their own.
    base: u64,
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// Event time, for people.
    pub(super) now: AtomicI64,
    /// Whether the last piece says that the input has ended.
    ended: AtomicBool,
}

impl Door {
    pub(super) fn new(
        stream: Arc<Stream<RecordPiece>>,
        stop: Arc<AtomicBool>,
        syncer: Option<Syncer>,
        marks: &SourceMarks,
    ) -> Self {
        let mut watermark = Watermark::default();
        watermark.resume(marks.now, &marks.newest);
        Self {
            stream,
            routing: RwLock::default(),
            filters: Mutex::default(),
            now: AtomicI64::new(watermark.now().unwrap_or(i64::MIN)),
            watermark: Mutex::new(watermark),
            gauges: Mutex::default(),
            sources: RwLock::default(),
            clock: SteadyClock::new(),
            stop,
            syncer,
            // Records of one run must not have the names of another's, whatever was kept or lost of that.
            base: clock::now().cast_unsigned(),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            ended: AtomicBool::new(marks.ended),
        }
    }

    /// Makes a source known under this place.
    pub(super) fn source(&self, place: usize, source: &Source) {
        let waited = (nanoseconds(source.lateness), nanoseconds(source.idle_after));
        let (number, live) = (source.number(), source.door.is_live());
        locked(&self.watermark).source(place, number, live, waited);
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        while sources.len() <= place {
            sources.push(Known::default());
        }
        let waits = !matches!(source.door, SourceDoor::Datagram { .. });
        sources[place] = Known { number, live, waits };
        let mut gauges = locked(&self.gauges);
        let count = gauges.len().max(place + 1);
        gauges.resize(count, SourceGauge::default());
        gauges[place] = SourceGauge::default();
    }

    /// A source goes on under its place by other settings.
    pub(super) fn change_source(&self, place: usize, source: &Source) {
        let (lateness, idle) = (nanoseconds(source.lateness), nanoseconds(source.idle_after));
        locked(&self.watermark).change(place, lateness, idle);
    }

    /// A place that no source has had.
    pub(super) fn free_place(&self) -> usize {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A source has ended.
    pub(super) fn end_source(&self, place: usize) {
        locked(&self.watermark).end(place);
    }

    /// Routes by another version from the next lot on.
    pub(super) fn route_by(&self, routing: Routing) {
        *self.routing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routing);
    }

    /// The routing that holds now.
    pub(super) fn routing(&self) -> Arc<Routing> {
        Arc::clone(&self.routing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is known of a source.
    pub(super) fn gauge(&self, place: usize) -> SourceGauge {
        locked(&self.gauges).get(place).copied().unwrap_or_default()
    }

    /// Event time; nothing has set it if absent.
    pub(super) fn event_time(&self) -> Option<i64> {
        locked(&self.watermark).now()
    }

    /// How far event time is ahead of the clock.
    pub(super) fn ahead(&self) -> Duration {
        let ahead = self.event_time().map_or(0, |time| time.saturating_sub(self.clock.now()));
        Duration::from_nanos(u64::try_from(ahead).unwrap_or(0))
    }

    /// Lets time pass where no records come.
    pub(super) fn pass_time(&self) {
        let clock = self.clock.now();
        let mut watermark = locked(&self.watermark);
        let before = watermark.now();
        let Some(now) = watermark.pass(clock) else { return };
        drop(watermark);
        let piece =
            |first| RecordPiece { first, kind: RecordKind::Time, now, ..RecordPiece::default() };
        // Where there is no room there are records, which tell the time themselves.
        if self.stream.try_publish(piece).is_ok() {
            self.now.store(now, Ordering::Relaxed);
        } else if let Some(before) = before {
            locked(&self.watermark).go_back(now, before);
        }
    }

    fn publish(&self, make: impl FnOnce(u64) -> RecordPiece) -> Result<u64, Refused> {
        self.stream.publish(make, &self.stop)
    }

    /// Says that the input has ended for good, if that was not the last thing that was said.
    pub(super) fn end(&self) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let watermark = locked(&self.watermark);
        let (before, now) = (watermark.now(), watermark.newest());
        drop(watermark);
        let piece = |kind| move |first| RecordPiece { first, kind, now, ..RecordPiece::default() };
        if before.is_some_and(|before| before < now) {
            // What lateness held back has come by now: timers that are due by then tick before the end.
            let _ = self.publish(piece(RecordKind::Time));
        }
        let _ = self.publish(piece(RecordKind::End));
    }

    /// Publishes a piece for one module alone, if there is room.
    pub(super) fn retry(&self, piece: RecordPiece) -> Result<u64, Refused> {
        self.stream.publish(|first| RecordPiece { first, ..piece }, &AtomicBool::new(true))
    }

    /// Works out who wants which records of a piece.
    fn route(&self, piece: &mut RecordPiece) {
        let routing = self.routing();
        let known = locked(&self.filters).pop().filter(|(version, _)| *version == routing.version);
        let (version, mut filter) = known.unwrap_or_else(|| {
            let interests = routing.routes.iter().map(|route| route.interest.as_slice());
            (routing.version, Filter::new(interests))
        });
        let slots = routing.routes.iter().flat_map(|route| &route.slots).max();
        let lists = &mut piece.picks.lists;
        lists.resize_with(slots.map_or(0, |most| most + 1).max(lists.len()), PickList::default);
        for (number, record) in piece.frame.batch().records().enumerate() {
            filter.select(record, |wanted| {
                let route = &routing.routes[wanted.module];
                let slot = match &route.by {
                    None => 0,
                    Some(by) => share::part(by, route.slots.len() as u32, record) as usize,
                };
                if let Some(&slot) = route.slots.get(slot) {
                    lists[slot].push(number as u32, wanted.hits);
                }
            });
        }
        piece.picks.version = version;
        locked(&self.filters).push((version, filter));
    }

    /// Takes in what was counted of a source, and that so many records came.
    fn count(&self, lot: &Lot, records: usize, came: i64) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(lot.counts.bytes, Ordering::Relaxed);
        let mut gauges = locked(&self.gauges);
        if let Some(gauge) = gauges.get_mut(lot.source) {
            gauge.counts += lot.counts;
        }
        let others = lot.others.iter().map(|(_, source)| *source);
        for place in iter::once(lot.source_of(0)).chain(others).take(records) {
            if let Some(gauge) = gauges.get_mut(place) {
                gauge.last = Some(came);
            }
        }
    }

    /// Counts what came late to the sources that it came from.
    fn count_late(&self, late: &[u32], lot: &Lot) {
        let mut gauges = locked(&self.gauges);
        for &record in late {
            if let Some(gauge) = gauges.get_mut(lot.source_of(record)) {
                gauge.late += 1;
            }
        }
    }

    /// Gives a piece its places in order and in time, and tells which of its records came late.
    fn seal(
        &self,
        piece: &mut RecordPiece,
        first: u64,
        source: (usize, u32, bool),
        came: i64,
    ) -> Vec<u32> {
        let (place, number, placed) = source;
        piece.first = first;
        if !placed {
            for record in 0..piece.frame.len() {
                piece.frame.set_place(record, number, self.base + first + record as u64);
            }
        }
        let (mut watermark, mut late) = (locked(&self.watermark), Vec::new());
        watermark.observe(place, &piece.frame, came, &mut piece.steps, &mut late);
        piece.now = watermark.now().unwrap_or(i64::MIN);
        watermark.newest_of_sources(&mut piece.newest);
        self.now.store(piece.now, Ordering::Relaxed);
        late
    }
}

impl Intake for Door {
    fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
        self.take_in(lot, &self.stop)
    }
}

impl Door {
    /// Takes a lot, or leaves it to those who bring it again if there is no room when `stop` is set.
    fn take_in(&self, lot: &mut Lot, stop: &AtomicBool) -> Result<(), Ended> {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let Known { number, live, waits } = sources.get(lot.source).copied().unwrap_or_default();
        drop(sources);
        let clock = self.clock.now();
        let (place, placed, records) = (lot.source, lot.placed, lot.frame.len());
        if lot.frame.is_empty() && lot.marks.is_empty() {
            self.count(lot, records, clock);
            lot.clear();
            return Ok(());
        }
        let mut piece = self.stream.spare().unwrap_or_default();
        piece.clear();
        std::mem::swap(&mut piece.frame, &mut lot.frame);
        std::mem::swap(&mut piece.marks, &mut lot.marks);
        piece.kind = RecordKind::Records;
        if piece.frame.is_empty() {
            (piece.kind, piece.now) = (RecordKind::Time, self.now.load(Ordering::Relaxed));
        } else {
            self.route(&mut piece);
        }
        let came = if live { clock } else { i64::MIN };
        if waits && !self.stream.wait_for_consumers(stop) {
            lot.clear();
            return Err(Ended);
        }
        let (mut before, mut late) = (None, Vec::new());
        let seal = |first| {
            piece.first = first;
            if piece.kind == RecordKind::Records {
                before = Some(locked(&self.watermark).before(place));
                late = self.seal(&mut piece, first, (place, number, placed), came);
            }
            piece
        };
        // A file can wait.
        let published = if placed {
            self.stream.publish(seal, stop)
        } else {
            self.stream.publish_or_drop(records as u64, seal, stop)
        };
        if let (Err(_), Some(before)) = (&published, before) {
            let mut watermark = locked(&self.watermark);
            watermark.take_back(place, before);
            self.now.store(watermark.now().unwrap_or(i64::MIN), Ordering::Relaxed);
        }
        if published.is_ok() {
            self.count_late(&late, lot);
        }
        let comes_again = matches!(published, Err(Refused::Ended)) && waits;
        if !comes_again {
            // Not before: who counts the records sees those that wait as well.
            self.count(lot, records, clock);
        }
        lot.clear();
        match published {
            Ok(_) => {
                self.ended.store(false, Ordering::Relaxed);
                self.write_through(stop)
            }
            Err(Refused::Dropped) => Ok(()),
            Err(Refused::Ended) => {
                if !waits {
                    // Nobody sends a datagram again.
                    self.stream.note_dropped(records as u64);
                }
                Err(Ended)
            }
        }
    }

    /// Sees to it that what was taken is on the disk, if the stack wants that before anything else.
    fn write_through(&self, stop: &AtomicBool) -> Result<(), Ended> {
        let Some(syncer) = &self.syncer else { return Ok(()) };
        let mut told = false;
        loop {
            match syncer.sync() {
                Ok(_) => return Ok(()),
                Err(error) if !told => {
                    told = true;
                    tracing::error!("{error}; what came is not acknowledged until it is written");
                }
                Err(_) => {}
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Ended);
            }
            std::thread::park_timeout(limit::RETRY_STEP);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
