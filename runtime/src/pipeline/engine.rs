//! The whole: sources, streams and guests of one stack, from start to end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use correlator_source::capture::Capture;
use correlator_source::file;
use correlator_source::follow::{Follow, Trouble};
use correlator_source::intake::Mark;
use correlator_source::net::handle::Handle;
use correlator_source::net::{Net, NetGauge};
use correlator_source::settings::{Door as SourceDoor, Source};

use super::state::writers;
use super::{ListenerPlan, ModulePlan, Plan, Progress, Report, RunError, deliveries, picture};
use crate::clock;
use crate::limit;
use crate::pipeline::crew::counted::SourceCounted;
use crate::pipeline::crew::floor::floor;
use crate::pipeline::crew::hand::Hand;
use crate::pipeline::crew::hiring::Names;
use crate::pipeline::crew::{Floor, Kept};
use crate::pipeline::intake::merge::{Merge, SourceReport};
use crate::pipeline::intake::{Entrance, Route, Routing};
use crate::pipeline::listening::listener::ListenerPicture;
use crate::pipeline::listening::view::{Shapes, shapes};
use crate::pipeline::stream::marks::SourceMarks;
use crate::pipeline::stream::piece::{EventKind, EventPiece};
use crate::pipeline::threads::spawn;
use crate::pipeline::work::module::ModulePicture;
use crate::pipeline::work::worker::Remains;

/// A stack at work.
pub struct Engine {
    pub(super) stack: String,
    pub(super) floor: Arc<Floor>,
    pub(super) crew: Mutex<Crew>,
    pub(super) sources: Mutex<Vec<Running>>,
    pub(super) reports: Arc<Mutex<Vec<SourceReport>>>,
    pub(super) progress: Arc<Progress>,
    pub(super) stop: Arc<AtomicBool>,
    /// Closed while a stack is changed: modules that are hired meanwhile begin when everybody listens.
    pub(super) gate: Arc<RwLock<()>>,
    /// The threads that write to the disk.
    writers: Mutex<Vec<JoinHandle<()>>>,
    pub(super) started: (i64, Instant),
    /// Where the stream of events stood at the start, and whether it said that it had ended.
    events_at_start: (u64, bool),
    /// Event time that listeners were told last.
    pub(super) time_told: AtomicI64,
    /// Dropped records of which an event was made.
    pub(super) dropped_told: AtomicU64,
    pub(super) live: bool,
    /// Where what arrives is kept too, also by sources that come later.
    pub(super) capture: Option<Arc<Capture>>,
}

/// The guests.
#[derive(Default)]
pub(super) struct Crew {
    pub(super) version: u64,
    pub(super) modules: Vec<ModuleHands>,
    pub(super) listeners: Vec<ListenerHand>,
    /// What guests left that were put off.
    pub(super) left: HashMap<String, Remains>,
    /// The slots that hold their places: of records, or of events.
    pub(super) holds: HashMap<String, (usize, bool)>,
}

impl Crew {
    /// What its modules tell.
    pub(super) fn shapes(&self) -> Shapes {
        shapes(self.modules.iter().map(|it| &it.plan))
    }
}

/// A module at work, in as many parts as its plan says.
pub(super) struct ModuleHands {
    pub(super) plan: ModulePlan,
    pub(super) hands: Vec<Hand<ModulePicture>>,
}

/// A listener, at work unless it is put off.
pub(super) struct ListenerHand {
    pub(super) plan: ListenerPlan,
    pub(super) hand: Option<Hand<ListenerPicture>>,
}

/// A source that is being read.
pub(super) struct Running {
    pub(super) place: usize,
    pub(super) source: Source,
    pub(super) thread: Option<JoinHandle<()>>,
    pub(super) stop: Arc<AtomicBool>,
    /// It waits no longer for what it has read to be taken.
    pub(super) gives_up: Arc<AtomicBool>,
    pub(super) gauge: Option<Arc<NetGauge>>,
    /// What it tells of the files that it follows.
    pub(super) trouble: Trouble,
    /// By what it is changed while it is read.
    pub(super) handle: Option<Handle>,
    /// Where it listens, as it is known once it does.
    pub(super) address: String,
    /// What was counted before it was changed.
    pub(super) before: SourceCounted,
}

impl Running {
    fn new(
        place: usize,
        source: Source,
        thread: Option<JoinHandle<()>>,
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let address = picture::place(&source);
        let (stop, gives_up, before) = (Arc::clone(stop), Arc::default(), SourceCounted::default());
        let (gauge, handle, trouble) = (None, None, Trouble::default());
        Self { place, source, thread, stop, gives_up, gauge, trouble, handle, address, before }
    }
}

impl Engine {
    /// Starts a stack. `stop` ends it. `opened` is called when everything outside is open and nothing works yet.
    ///
    /// # Errors
    /// A source can't be opened, a guest can't be started, or what is kept can't be read.
    pub fn start(
        plan: Plan,
        progress: Arc<Progress>,
        stop: Arc<AtomicBool>,
        opened: impl FnOnce(),
    ) -> Result<Self, RunError> {
        let started = (clock::now(), clock::instant());
        let names = Names::of(&plan);
        let live = plan.sources.iter().any(|source| source.door.is_live());
        let ending = Arc::new(AtomicBool::new(false));
        let (floor, marks, events_ended, work) = floor(&plan, &ending)?;
        let floor = Arc::new(floor);
        let capture = plan.capture.as_deref().map(Capture::create).transpose();
        let capture = capture.map_err(|error| RunError::Source(error.to_string()))?.map(Arc::new);
        let events_at_start = (floor.events.next(), events_ended);
        for (place, source) in plan.sources.iter().enumerate() {
            floor.know(place, source);
        }
        let engine = Self {
            stack: plan.stack,
            floor,
            crew: Mutex::default(),
            sources: Mutex::default(),
            reports: Arc::default(),
            progress,
            stop,
            gate: Arc::default(),
            writers: Mutex::default(),
            started,
            events_at_start,
            time_told: AtomicI64::new(i64::MIN / 2),
            dropped_told: AtomicU64::new(0),
            live,
            capture,
        };
        let sources = open(&plan.sources, engine.capture.as_ref(), &marks, &engine.progress);
        if let (Err(_), Some(capture)) = (&sources, &engine.capture) {
            capture.withdraw();
        }
        let sources = sources?;
        opened();
        engine.forget_gone(&names);
        engine.hire(plan.modules.clone(), plan.listeners)?;
        engine.tell_unserved();
        *locked(&engine.writers) = writers::start(&engine.floor, work)?;
        engine.share_out(plan.modules);
        engine.read(plan.sources, sources, &marks)?;
        engine.progress.ready.store(true, Ordering::Release);
        Ok(engine)
    }

    /// Starts to read.
    fn read(
        &self,
        sources: Vec<Source>,
        opened: Opened,
        marks: &SourceMarks,
    ) -> Result<(), RunError> {
        let mut running = locked(&self.sources);
        let stop = Arc::new(AtomicBool::new(false));
        let mut files = Some(self.read_files(opened.files, marks, &stop)?);
        let mut live: HashMap<usize, Live> = opened.live.into_iter().collect();
        for (place, source) in sources.into_iter().enumerate() {
            let one = match live.remove(&place) {
                None => Running::new(place, source, files.take(), &stop),
                Some(door) => self.read_live(place, source, door)?,
            };
            running.push(one);
        }
        if let Some(thread) = files {
            let _ = thread.join();
        }
        Ok(())
    }

    /// Reads a source that goes on, in a thread of its own.
    pub(super) fn read_live(
        &self,
        place: usize,
        source: Source,
        door: Live,
    ) -> Result<Running, RunError> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = Running::new(place, source, None, &stop);
        match &door {
            Live::Net(net) => {
                (running.gauge, running.handle) = (Some(net.gauge()), Some(net.handle()));
                net.address().clone_into(&mut running.address);
                tracing::info!("source `{}` listens at {}", running.source.name, running.address);
            }
            Live::Follow(follow) => running.trouble = follow.trouble(),
        }
        let gives_up = Arc::clone(&running.gives_up);
        let entrance = Entrance { door: Arc::clone(&self.floor.door), gives_up };
        let read = move || match door {
            Live::Net(net) => net.run(&entrance, &stop),
            Live::Follow(follow) => follow.run(&entrance, &stop),
        };
        running.thread = Some(spawn(&running.source.name, None, read)?);
        Ok(running)
    }

    /// Reads files that are read once, in one thread.
    fn read_files(
        &self,
        files: Vec<(usize, file::Input)>,
        marks: &SourceMarks,
        stop: &Arc<AtomicBool>,
    ) -> Result<JoinHandle<()>, RunError> {
        let report = |(place, input): &(usize, file::Input)| SourceReport {
            source: *place,
            path: input.path.clone(),
            ..SourceReport::default()
        };
        *locked(&self.reports) = files.iter().map(report).collect();
        let (floor, reports, stop) =
            (Arc::clone(&self.floor), Arc::clone(&self.reports), Arc::clone(stop));
        let marks = self.floor.kept.as_ref().map(|_| marks.marks());
        let main = thread::current();
        spawn("files", None, move || {
            Merge::new(files, marks.as_deref(), &reports, &*floor.door, &stop).run();
            main.unpark();
        })
    }

    /// Whether files that are read once are not done, as far as that can be told while sources are changed.
    pub(super) fn reads_files(&self) -> bool {
        let Some(sources) = try_locked(&self.sources) else { return true };
        sources.iter().any(|it| {
            let works = it.thread.as_ref().is_some_and(|thread| !thread.is_finished());
            works && !it.source.door.is_live()
        })
    }

    /// Whether all sources have ended by themselves.
    pub(super) fn input_ended(&self) -> bool {
        !self.live
            && locked(&self.sources)
                .iter()
                .all(|it| it.thread.as_ref().is_none_or(JoinHandle::is_finished))
    }

    /// Ends the run in good order, and tells what became of it.
    ///
    /// # Errors
    /// A thread of ours panicked.
    pub fn finish(self) -> Result<Report, RunError> {
        let interrupted = !self.input_ended();
        if self.floor.kept.is_some() && interrupted {
            // Who waits for room gives up: what was not taken is not acknowledged and comes again.
            self.floor.stop.store(true, Ordering::Relaxed);
        }
        self.stop_reading();
        if !interrupted {
            self.floor.door.end();
        }
        self.floor.records.end();
        let crew = std::mem::take(&mut *locked(&self.crew));
        let modules = crew.modules.into_iter().flat_map(|it| it.hands);
        let mut report = Report { interrupted, live: self.live, ..Report::default() };
        for (_, picture) in self.dismiss(modules.collect(), interrupted)? {
            report.modules.push(picture.look());
        }
        self.publish_notices();
        let concluded = self.floor.events.next() != self.events_at_start.0;
        if !interrupted && (concluded || !self.events_at_start.1) {
            let end = |first| EventPiece {
                first,
                kind: EventKind::End,
                count: 1,
                ..EventPiece::default()
            };
            // Nobody waits for room any more when the run is stopped.
            let _ = self.floor.events.publish(end, &self.stop);
        }
        self.floor.events.end();
        let listeners = crew.listeners.into_iter().filter_map(|it| it.hand);
        for (_, picture) in self.dismiss(listeners.collect(), interrupted)? {
            report.listeners.push(picture.look());
        }
        let deliveries = self.floor.kept.as_ref().and_then(Kept::deliveries);
        for listener in &mut report.listeners {
            listener.waiting = deliveries::waiting_where(deliveries.as_ref(), &listener.guest.name);
        }
        report.unserved = self.floor.kept.as_ref().map(Kept::unserved).unwrap_or_default();
        self.tell_progress();
        report.sources = self.source_reports();
        report.late = locked(&self.sources).iter().map(|it| self.counted(it).gauge.late).sum();
        report.dropped = self.floor.records.dropped.load(Ordering::Relaxed);
        report.spools = [self.floor.records.losses(), self.floor.events.losses()];
        self.close()?;
        Ok(report)
    }

    fn stop_reading(&self) {
        let mut sources = locked(&self.sources);
        for running in sources.iter() {
            let gives_up = self.floor.stop.load(Ordering::Relaxed);
            running.gives_up.fetch_or(gives_up, Ordering::Relaxed);
            running.stop.store(true, Ordering::Relaxed);
        }
        for running in sources.iter_mut() {
            if let Some(thread) = running.thread.take() {
                // What a source's thread may say was said.
                let _ = thread.join();
            }
        }
    }

    /// Waits for guests to end. Where their place is kept they need not go on for long.
    fn dismiss<P>(
        &self,
        hands: Vec<Hand<P>>,
        interrupted: bool,
    ) -> Result<Vec<(Remains, P)>, RunError> {
        let mut since = None;
        while hands.iter().any(|hand| !hand.is_done()) {
            let stops = interrupted || self.stop.load(Ordering::Relaxed);
            if stops && self.floor.kept.is_some() {
                let since = *since.get_or_insert_with(clock::instant);
                if clock::instant().duration_since(since) > limit::DRAIN_TIME {
                    hands.iter().for_each(Hand::stop);
                }
            }
            hands.iter().for_each(Hand::wake);
            self.publish_notices();
            thread::park_timeout(limit::JOIN_STEP);
        }
        hands.into_iter().map(Hand::join).collect()
    }

    /// The reports of all sources.
    pub(super) fn source_reports(&self) -> Vec<SourceReport> {
        let mut reports = locked(&self.reports).clone();
        for running in locked(&self.sources).iter().filter(|it| it.source.door.is_live()) {
            let (source, path) = (running.place, running.source.name.clone());
            let counts = self.counted(running).gauge.counts;
            reports.push(SourceReport { source, path, counts, error: None });
        }
        reports
    }

    /// What was counted of a source, before it was changed too.
    pub(super) fn counted(&self, running: &Running) -> SourceCounted {
        let gauge = self.floor.door.gauge(running.place);
        let net = running.gauge.as_deref();
        let count =
            |of: fn(&NetGauge) -> &AtomicU64| net.map_or(0, |net| of(net).load(Ordering::Relaxed));
        let connections = count(|net| &net.connections);
        let connections_failed = count(|net| &net.connections_failed);
        SourceCounted { gauge, connections, connections_failed }.after(&running.before)
    }

    /// Writes down what is left to write.
    fn close(self) -> Result<(), RunError> {
        self.floor.closed.store(true, Ordering::Relaxed);
        let Self { floor, writers, .. } = self;
        if let Some(kept) = &floor.kept
            && let Err(error) = writers::write(&floor, kept)
        {
            tracing::error!("{error}");
        }
        // The saver ends when nobody can ask it any more.
        drop(floor);
        let writers = writers.into_inner().unwrap_or_else(PoisonError::into_inner);
        for writer in &writers {
            writer.thread().unpark();
        }
        for writer in writers {
            let name = writer.thread().name().unwrap_or_default().to_owned();
            writer.join().map_err(|_| RunError::Thread(format!("the thread `{name}` panicked")))?;
        }
        Ok(())
    }
}

/// Sources that have been opened and are not read yet.
struct Opened {
    files: Vec<(usize, file::Input)>,
    live: Vec<(usize, Live)>,
}

pub(super) enum Live {
    Net(Box<Net>),
    Follow(Box<Follow>),
}

fn open(
    sources: &[Source],
    capture: Option<&Arc<Capture>>,
    marks: &SourceMarks,
    progress: &Progress,
) -> Result<Opened, RunError> {
    let failed = |error: &dyn std::fmt::Display| RunError::Source(error.to_string());
    let mut opened = Opened { files: Vec::new(), live: Vec::new() };
    let marks = marks.marks();
    for (place, source) in sources.iter().enumerate() {
        match &source.door {
            SourceDoor::Files { follow: false, .. } => {
                let inputs = file::open(source).map_err(|error| failed(&error))?;
                let captured = |input: file::Input| (place, input.captured(capture.cloned()));
                opened.files.extend(inputs.into_iter().map(captured));
            }
            _ => opened
                .live
                .push((place, open_live(place, (source, sources), capture.cloned(), &marks)?)),
        }
    }
    let known = opened.files.iter().map(|(_, input)| input.bytes_total).sum::<Option<u64>>();
    let total = known.filter(|_| opened.live.is_empty()).unwrap_or(0);
    progress.bytes_total.store(total, Ordering::Relaxed);
    Ok(opened)
}

/// Opens a source that goes on, of all that the stack has.
pub(super) fn open_live(
    place: usize,
    (source, all): (&Source, &[Source]),
    capture: Option<Arc<Capture>>,
    marks: &[Mark],
) -> Result<Live, RunError> {
    if matches!(source.door, SourceDoor::Files { .. }) {
        let follow = Follow::open(place, source, all, marks);
        return follow
            .map(|follow| Live::Follow(Box::new(follow.captured(capture))))
            .map_err(|error| RunError::Source(error.to_string()));
    }
    let net = Net::bind(place, source, capture).map_err(|error| {
        let kind = if error.is_in_use() { RunError::InUse } else { RunError::Source };
        kind(error.to_string())
    });
    net.map(Box::new).map(Live::Net)
}

/// Who wants what, of these modules.
pub(super) fn routing<'a>(
    version: u64,
    modules: impl IntoIterator<Item = &'a ModuleHands>,
) -> Routing {
    let working = modules.into_iter().filter(|it| !it.hands.is_empty());
    let route = |it: &ModuleHands| Route {
        interest: it.plan.interest.clone(),
        by: it.plan.partition_by.clone().filter(|_| it.hands.len() > 1),
        slots: it.hands.iter().map(|hand| hand.slot).collect(),
    };
    Routing { version, routes: working.map(route).collect() }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For who must not wait while a change is made.
pub(super) fn try_locked<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
