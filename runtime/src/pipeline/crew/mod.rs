//! The guests at work: each hired from its plan and from what it left when it last worked, each with a thread of its own.

mod change;
pub(super) mod counted;
mod dividing;
pub(super) mod floor;
pub(super) mod hand;
pub(super) mod hiring;
mod sources;
mod strange;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use correlator_source::settings::Source;
use correlator_store::reader::Reader;
use correlator_store::store::Store;
use correlator_world::{NoSecret, Secret, Secrets};
use jiff::tz::TimeZone;

use self::counted::Counted;
use self::dividing::Division;
use self::hand::Hired;
use crate::capability::{Desk, Office, Orders, Shared, TableFiles, TableMarks, Tallies};
use crate::dead::Dead;
use crate::declaration::EventSchema;
use crate::limit;
use crate::pipeline::intake::Door;
use crate::pipeline::intake::interest::Filter;
use crate::pipeline::intake::share::Share;
use crate::pipeline::letters::known::Known;
use crate::pipeline::listening::asker::Asker;
use crate::pipeline::listening::asking::{Asking, Means};
use crate::pipeline::listening::denials::{self, Denials};
use crate::pipeline::listening::listener::{ListenerPicture, ListenerSide, Outcomes, note};
use crate::pipeline::listening::outside::Outside;
use crate::pipeline::listening::view::{EventBatch, EventView, Shapes};
use crate::pipeline::notices::Notices;
use crate::pipeline::state::archive::Archive;
use crate::pipeline::state::put_off::PutOff;
use crate::pipeline::state::recover::Rooms;
use crate::pipeline::state::unserved::Staff;
use crate::pipeline::state::writers::Secured;
use crate::pipeline::stream::Stream;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::{Feed, Place};
use crate::pipeline::stream::piece::{EventPiece, Piece, RecordPiece};
use crate::pipeline::stream::timers::Timers;
use crate::pipeline::work::beginning::{Anew, begin, take_over};
use crate::pipeline::work::checkpoint::{Checkpoint, Keeping, Saver, Shelf};
use crate::pipeline::work::keeper::{Keeper, Saved};
use crate::pipeline::work::module::{Aside, ModuleBatch, ModulePicture, ModuleSide, RecordView};
use crate::pipeline::work::turn::Checker;
use crate::pipeline::work::worker::{Remains, Signals, Worker};
use crate::pipeline::{ListenerPlan, ModulePlan, RunError};
use crate::stack;

/// What all guests share.
pub(super) struct Floor {
    pub(super) records: Arc<Stream<RecordPiece>>,
    pub(super) events: Arc<Stream<EventPiece>>,
    pub(super) door: Arc<Door>,
    pub(super) notices: Arc<Notices>,
    pub(super) zone: TimeZone,
    /// What tells this engine from others that ask the same world.
    pub(super) origin: String,
    /// Ends the waits for room of those who bring records.
    pub(super) stop: Arc<AtomicBool>,
    /// Nobody works any more: what is left to write is written.
    pub(super) closed: AtomicBool,
    pub(super) kept: Option<Kept>,
    /// Who does not work.
    pub(super) off: Arc<PutOff>,
    /// What letters tell of guests and sources.
    pub(super) known: Arc<Known>,
    /// What was counted of those that were changed or put off.
    pub(super) counted: Counted,
    /// How many requests grants have covered.
    pub(super) tallies: Tallies,
    /// Where secrets come from: those of the stack that was taken up last.
    pub(super) secrets: Arc<Current>,
    /// Told of what is set aside, and of guests that are put to rest or tried again.
    pub(super) tell: Arc<dyn Fn(News) + Send + Sync>,
}

/// The secrets of the day: who asks for one gets it as it is now, also who was hired before.
pub(super) struct Current(RwLock<Arc<dyn Secrets>>);

impl Current {
    pub(super) fn new(secrets: &Arc<dyn Secrets>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::clone(secrets))))
    }

    pub(super) fn change(&self, secrets: &Arc<dyn Secrets>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(secrets);
    }
}

impl Secrets for Current {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        let secrets = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        secrets.get(name)
    }
}

/// What a worker has to tell.
pub(super) enum News {
    /// Something was set aside.
    Aside(Aside),
    /// A guest was suspended, and why.
    Suspended(&'static str, String, String),
    /// A suspended guest is tried again.
    Released(&'static str, String),
}

/// What a floor has where anything is kept.
pub(super) struct Kept {
    pub(super) rooms: Rooms,
    pub(super) keeping: stack::Keeping,
    pub(super) saver: Saver,
    /// When all that is kept was on the disk last.
    pub(super) secured: Arc<Secured>,
    pub(super) dead: Arc<Dead>,
    /// Opened when a listener first asks for something that has to be kept.
    pub(super) store: Arc<Archive>,
    /// What operators order of delivery threads.
    pub(super) orders: Arc<Orders>,
    /// Who works with what, so that it can be told what nobody delivers.
    pub(super) staff: Staff,
    /// Who is asked how the store fares, once somebody wants to know.
    pub(super) reader: Mutex<Option<Reader>>,
}

impl Kept {
    pub(super) fn new(
        rooms: Rooms,
        keeping: &stack::Keeping,
        saver: Saver,
        dead: Arc<Dead>,
    ) -> Self {
        let (orders, reader) = (Arc::default(), Mutex::default());
        let store = Arc::new(Archive::new(&rooms.store));
        let (keeping, staff) = (keeping.clone(), Staff::default());
        let secured = Arc::new(Secured::new());
        Self { rooms, keeping, saver, secured, dead, store, orders, staff, reader }
    }

    /// The store, which is opened when it is first needed.
    pub(super) fn store(&self) -> Result<Arc<Store>, RunError> {
        self.store.open().map_err(|error| RunError::State(error.to_string()))
    }
}

/// The name of one part of a module.
pub(super) fn part_name(plan: &ModulePlan, part: usize) -> String {
    if plan.instances == 1 { plan.name.clone() } else { format!("{}#{part}", plan.name) }
}

/// Tells one form of a module's events from another.
pub(super) fn shape(events: &[EventSchema]) -> u64 {
    let mut hash = blake3::Hasher::new();
    for event in events {
        hash.update(event.name.as_bytes()).update(b"\0");
        for column in &event.columns {
            hash.update(column.name.as_bytes()).update(b"\0");
            hash.update(&[column.kind as u8, u8::from(column.optional)]);
        }
        hash.update(b"\n");
    }
    let bytes = hash.finalize();
    bytes.as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes)
}

impl Floor {
    /// Makes a source known to the door.
    pub(super) fn know(&self, place: usize, source: &Source) {
        self.known.source(source);
        self.door.source(place, source);
    }

    /// Takes up what of a source has changed while it is read.
    pub(super) fn know_again(&self, place: usize, source: &Source) {
        self.known.source(source);
        self.door.change_source(place, source);
    }

    /// Holds what a guest would need that stays off, from its last checkpoint on. Without one it begins with what comes when
    /// it works.
    pub(super) fn hold(&self, name: &str, of_records: bool) -> Option<(usize, bool)> {
        // What can't be read may be there when it works.
        let item = self.shelf(name, "")?.load().map_or(Some(0), |left| left.first())?;
        let slot =
            if of_records { self.records.hold_for(item) } else { self.events.hold_for(item) };
        Some((slot, of_records))
    }

    /// Forgets what a guest left on the disk.
    pub(super) fn forget(&self, name: &str) {
        if let Some(shelf) = self.shelf(name, "") {
            shelf.clear();
        }
        self.tallies.forget(name);
        self.counted.forget(name);
        self.events.correct(|turns| turns.forget(name));
    }

    pub(super) fn shelf(&self, name: &str, component: &str) -> Option<Shelf> {
        let kept = self.kept.as_ref()?;
        Some(Shelf::new(&kept.rooms.checkpoints, name, component, kept.rooms.through))
    }

    /// Starts one part of a module, from what it left or from the disk. Nothing is read yet.
    pub(super) fn hire_module(
        self: &Arc<Self>,
        plan: &ModulePlan,
        part: usize,
        version: u64,
        left: Option<Remains>,
    ) -> Result<Hired<ModuleSide, ModulePicture>, RunError> {
        let mut hired = self.prepare_module(plan, part, version, left)?;
        if self.kept.is_some() {
            let (floor, plan) = (Arc::clone(self), plan.clone());
            let shadow = move |saved, to| floor.shadow(&plan, part, saved, to);
            hired.worker = hired.worker.with_shadow(Arc::new(shadow));
        }
        Ok(hired)
    }

    /// Starts another instance of a part of a module, which goes from a saved state to a place, and saves its state there.
    fn shadow(
        self: &Arc<Self>,
        plan: &ModulePlan,
        part: usize,
        saved: Saved,
        to: Cursor,
    ) -> Option<JoinHandle<Option<Saved>>> {
        let (floor, plan) = (Arc::clone(self), plan.clone());
        let work = move || {
            crate::pipeline::work::checkpoint::step_back();
            let left = Remains { saved, done: Cursor::default() };
            // No version of the routing knows a shadow.
            let mut hired = floor.prepare_module(&plan, part, u64::MAX, Some(left)).ok()?;
            hired.worker.without_checkpoints().run_to(to)
        };
        thread::Builder::new()
            .name("shadow".to_owned())
            .stack_size(limit::WORKER_STACK_BYTES)
            .spawn(work)
            .ok()
    }

    fn prepare_module(
        &self,
        plan: &ModulePlan,
        part: usize,
        version: u64,
        left: Option<Remains>,
    ) -> Result<Hired<ModuleSide, ModulePicture>, RunError> {
        let name = part_name(plan, part);
        let mut keeper =
            Keeper::new("module", &name, Arc::clone(&plan.start), |it| it.memory(), &plan.limits);
        let shelf = self.shelf(&name, &plan.component.1);
        let division = Division::of(plan).bytes();
        let (last, done) = if let Some(left) = left {
            (take_over(&mut keeper, shelf.as_ref(), left.saved)?, left.done)
        } else {
            let (cursor, now) = (Cursor::before(self.records.next()), self.door.event_time());
            let oldest = self.records.on_disk().map_or(cursor.item, |(first, _)| first);
            let place = Place { cursor, now };
            let anew = Anew { place, oldest, outside: division.clone() };
            let last = begin(&mut keeper, shelf.as_ref(), anew)?;
            (last, self.events.ledger().done(&name, part as u32))
        };
        let share = plan.partition_by.as_ref().filter(|_| plan.instances > 1).map(|by| Share {
            by: by.clone(),
            part: part as u32,
            parts: plan.instances as u32,
        });
        let filter = Filter::new(std::iter::once(plan.interest.as_slice()));
        let mut view = RecordView::new(&name, version, filter, share);
        let mut ticks_aside = std::collections::BTreeSet::new();
        if let Some(kept) = &self.kept {
            view.aside.extend(kept.dead.sequences_of(&name));
            ticks_aside.extend(kept.dead.ticks_of(&name));
        }
        let timers = Timers::new(&plan.timers, &self.zone);
        let feed = Feed::new(Arc::clone(&self.records), view, timers, keeper.saved.place, version);
        let slot = feed.slot();
        let stop = Arc::new(AtomicBool::new(false));
        let counts = plan.events.iter().map(|event| (event.name.clone(), 0)).collect();
        let counts = Arc::new(Mutex::new(counts));
        let side = ModuleSide {
            name: name.clone(),
            part: part as u32,
            shape: shape(&plan.events),
            division,
            feed,
            batch: ModuleBatch::default(),
            checker: Checker::new(&plan.events, &plan.limits).up_to(self.events.rows_bytes_max()),
            names: plan.events.iter().map(|event| event.name.clone()).collect(),
            events: Arc::clone(&self.events),
            counts: Arc::clone(&counts),
            stop: Arc::clone(&stop),
            ticks_aside,
            tell: Arc::clone(&self.tell),
        };
        let keeping = self.keeping(shelf, (&self.records, slot), last, Duration::MAX);
        let before = self.counted.module(&name);
        let picture = ModulePicture { before, guest: keeper.report.clone(), events: counts };
        let signals = Arc::new(Signals::default());
        let worker = Worker::new(side, keeper, &plan.limits, Arc::clone(&signals), keeping, done);
        self.known.module(plan);
        Ok(Hired { worker, name, slot, signals, stop, picture })
    }

    /// Starts a listener, from what it left or from the disk. Nothing is read yet.
    pub(super) fn hire_listener(
        &self,
        plan: &ListenerPlan,
        shapes: Shapes,
        left: Option<Remains>,
    ) -> Result<Hired<ListenerSide, ListenerPicture>, RunError> {
        let name = plan.name.clone();
        let mut keeper =
            Keeper::new("listener", &name, Arc::clone(&plan.start), |it| it.memory(), &plan.limits);
        let shelf = self.shelf(&name, &plan.component.1);
        let asks = |error| RunError::State(format!("listener `{name}`: {error}"));
        let mut capabilities = (plan.capabilities)().map_err(asks)?;
        let mut desks = std::mem::take(&mut capabilities.desks);
        let works_on = left.is_some();
        let start = Place { cursor: Cursor::before(self.events.next()), now: None };
        let oldest = self.events.on_disk().map_or(start.cursor.item, |(first, _)| first);
        let (last, done) = if let Some(left) = left {
            (take_over(&mut keeper, shelf.as_ref(), left.saved)?, left.done)
        } else {
            let anew = Anew { place: start, oldest, outside: Vec::new() };
            (begin(&mut keeper, shelf.as_ref(), anew)?, Cursor::default())
        };
        // With nothing counted, and nothing behind its place, it can't be told apart from one that was never there.
        let anew =
            !works_on && last.as_ref().is_none_or(|it| it.place == start && it.outside.is_empty());
        let mut outside =
            last.as_ref().map(|last| Outside::read(&last.outside)).unwrap_or_default();
        let tallies = self.count_on(&name, works_on, &mut outside, &mut desks);
        let bounded: Vec<_> = desks.values().filter_map(Desk::bounded).collect();
        let planned = desks.values().filter_map(Desk::planned).collect();
        if let (Some(table), Some(shelf)) = (&mut capabilities.table, &shelf) {
            let nothing_comes = oldest == start.cursor.item;
            if !works_on && keeper.saved.place.cursor.item < oldest && nothing_comes {
                // What is gone does not come again: rows that were made of it stay. Where a part of it is still there, rows go
                // with what is gone: which of them come again can't be told.
                shelf.forget_journal()?;
                outside.tables = TableMarks::default();
            }
            self.resume_tables(&name, table, outside.tables, works_on)?;
        }
        let mut modules: Vec<_> =
            shapes.iter().map(|((module, _), base)| (*base, module.clone())).collect();
        modules.sort();
        let view = self.view(plan, shapes);
        let timers = Timers::new(&plan.timers, &self.zone);
        let feed = Feed::new(Arc::clone(&self.events), view, timers, keeper.saved.place, 0);
        let slot = feed.slot();
        let outcomes = Arc::new(Mutex::new(Outcomes::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (component, origin) = (plan.component.1.clone(), self.origin.clone());
        let who = Asker { origin, listener: name.clone(), component, modules };
        let means = self.means(&desks, &who, (tallies, anew), &outcomes, &stop)?;
        let asking = Asking::begin(who, desks, means).map_err(asks)?;
        let mut side = ListenerSide {
            name: name.clone(),
            feed,
            batch: EventBatch::default(),
            capabilities,
            limits: plan.limits.clone(),
            rate: (i64::MIN, 0),
            outcomes: Arc::clone(&outcomes),
            retries: self.kept.is_some(),
            stop: Arc::clone(&stop),
            ticks_aside: std::collections::BTreeSet::new(),
            tell: Arc::clone(&self.tell),
            asking,
        };
        if let Some(kept) = &self.kept {
            side.feed.view.aside.extend(kept.dead.sequences_of(&name));
            side.ticks_aside.extend(kept.dead.ticks_of(&name));
        }
        // Rows that stand in a table already come again after a crash: the shorter the step, the fewer.
        let step = limit::LISTENER_CHECKPOINT_STEP;
        let keeping = self.keeping(shelf, (&self.events, slot), last, step);
        let (before, guest) = (self.counted.listener(&name), keeper.report.clone());
        let picture = ListenerPicture { before, guest, outcomes, bounded: bounded.into(), planned };
        let signals = Arc::new(Signals::default());
        let worker = Worker::new(side, keeper, &plan.limits, Arc::clone(&signals), keeping, done);
        self.known.listener(plan);
        Ok(Hired { worker, name, slot, signals, stop, picture })
    }

    /// How a listener looks at events that have these forms, or had others before.
    fn view(&self, plan: &ListenerPlan, shapes: Shapes) -> EventView {
        let formers = self.known.formers(&shapes);
        EventView::new(&plan.name, plan.criteria.clone(), shapes, formers)
    }

    /// Takes a listener's tables to where it begins.
    fn resume_tables(
        &self,
        name: &str,
        table: &mut TableFiles,
        marks: TableMarks,
        works_on: bool,
    ) -> Result<(), RunError> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let (journal, through) = (kept.rooms.journal(name), kept.rooms.through);
        let resumed = if works_on {
            table.go_on(&journal, marks, through)
        } else {
            table.resume(&journal, marks, through)
        };
        resumed
            .map_err(|error| RunError::State(format!("the tables of listener `{name}`: {error}")))
    }

    /// What is counted of each capability: who takes over goes on counting where the other ended.
    fn count_on(
        &self,
        listener: &str,
        works_on: bool,
        outside: &mut Outside,
        desks: &mut BTreeMap<&'static str, Desk>,
    ) -> BTreeMap<&'static str, Shared> {
        let mut tally = |capability: &'static str| {
            let kept = (!works_on).then(|| outside.take(capability));
            (capability, self.tallies.of(listener, capability, kept))
        };
        let tallies: BTreeMap<_, _> = denials::kinds().map(&mut tally).collect();
        for (capability, desk) in desks {
            if let Some(tally) = tallies.get(capability) {
                desk.count_in(Arc::clone(tally));
            }
        }
        tallies
    }

    /// What a listener needs to ask the world for something.
    fn means(
        &self,
        desks: &BTreeMap<&'static str, Desk>,
        who: &Asker,
        (tallies, anew): (BTreeMap<&'static str, Shared>, bool),
        outcomes: &Arc<Mutex<Outcomes>>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Means, RunError> {
        let secrets: Arc<dyn Secrets> = Arc::clone(&self.secrets) as _;
        let store = match &self.kept {
            Some(kept) if !desks.is_empty() => Some(kept.store()?),
            _ => None,
        };
        if let Some(kept) = &self.kept {
            kept.staff.works(&who.listener, desks.keys());
        }
        let orders = self.kept.as_ref().map(|kept| Arc::clone(&kept.orders)).unwrap_or_default();
        let office = store.map(|store| Office { store, secrets: Arc::clone(&secrets), orders });
        let archive = self.kept.as_ref().map(|kept| Arc::clone(&kept.store));
        let records = Arc::clone(&self.records);
        let denials = Denials::new(
            (&who.listener, &who.component),
            archive,
            Arc::clone(&records),
            &tallies,
            anew,
        );
        let (listener, outcomes) = (who.listener.clone(), Arc::clone(outcomes));
        let tell = move |what: &str, result: Result<(), &str>| {
            note(&listener, &outcomes, what, result);
        };
        let (tell, stop) = (Arc::new(tell), Arc::clone(stop));
        let (events, retries) = (Arc::clone(&self.events), self.kept.is_some());
        Ok(Means { office, secrets, records, events, tell, stop, retries, denials, tallies })
    }

    /// How a guest's checkpoints are kept, at most so far apart, and what of its stream is let go of with each.
    fn keeping<P: Piece>(
        &self,
        shelf: Option<Shelf>,
        (stream, slot): (&Arc<Stream<P>>, usize),
        last: Option<Checkpoint>,
        step_max: Duration,
    ) -> Option<Keeping> {
        let kept = self.kept.as_ref()?;
        let stream = Arc::clone(stream);
        let stored = move |before: Place, last: Place| stream.keep_for(slot, before, last);
        let every = kept.keeping.checkpoint_every.min(step_max);
        Some(kept.saver.keeping(shelf?, every, last.map(|last| last.place), stored))
    }
}
