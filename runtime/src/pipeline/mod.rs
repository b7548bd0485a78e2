//! The pipeline: the record path and the delivery path, one thread for each guest.
//!
//! Records go one way: sources, router, modules, listeners, capabilities. Queues between threads are bounded, so
//! memory is too: who is slow makes those before it wait, and the limits on guests bound how slow one can be. A guest
//! that fails loses its turn and nothing else.

mod interest;
mod keeper;
mod listener;
mod merge;
mod module;
mod route;
mod timers;
mod turn;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use jiff::tz::TimeZone;
use thiserror::Error;

pub use keeper::{GuestReport, Start};
pub use listener::ListenerReport;
pub use merge::SourceReport;
pub use module::ModuleReport;

use interest::Filter;
use listener::ListenerWorker;
use module::{ModuleBatch, ModuleWorker};
use route::{Outlet, Router};
use timers::Timers;

use crate::capability::Capabilities;
use crate::declaration::{EventSchema, Interest, Timer};
use crate::guest::{Failure, Listener, Module, Rows};
use crate::limit::Limits;
use crate::stack::criteria::compile::Compiled;
use correlator_source::file::Input;

/// A module instance to run.
pub struct ModulePlan {
    /// Its name in the stack.
    pub name: String,
    /// Makes an instance.
    pub start: Start<dyn Module + Send>,
    /// Which records it wants.
    pub interest: Vec<Interest>,
    /// The events that it may return.
    pub events: Vec<EventSchema>,
    /// Its timers.
    pub timers: Vec<Timer>,
    /// What bounds it.
    pub limits: Limits,
}

/// A listener instance to run.
pub struct ListenerPlan {
    /// Its name in the stack.
    pub name: String,
    /// Makes an instance.
    pub start: Start<dyn Listener + Send>,
    /// Which events it wants.
    pub criteria: Compiled,
    /// Its timers.
    pub timers: Vec<Timer>,
    /// What it may do.
    pub capabilities: Capabilities,
    /// What bounds it.
    pub limits: Limits,
}

/// All that a run needs.
pub struct Plan {
    /// Where records come from.
    pub inputs: Vec<Input>,
    /// Who reads them.
    pub modules: Vec<ModulePlan>,
    /// Who acts on events.
    pub listeners: Vec<ListenerPlan>,
    /// The zone of daily timers.
    pub zone: TimeZone,
}

/// How far a run has come: for those who watch.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Records read.
    pub records: AtomicU64,
}

impl Progress {
    fn add(&self, bytes: u64, records: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
    }
}

/// What became of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each source.
    pub sources: Vec<SourceReport>,
    /// Each module.
    pub modules: Vec<ModuleReport>,
    /// Each listener.
    pub listeners: Vec<ListenerReport>,
    /// Whether it was stopped before its input ended.
    pub interrupted: bool,
}

/// Why a run could not begin.
#[derive(Debug, Error)]
pub enum RunError {
    /// A guest failed before it had anything to do.
    #[error("{role} `{name}` could not be started: {failure}")]
    Start {
        /// Module or listener.
        role: &'static str,
        /// The instance.
        name: String,
        /// How it failed.
        failure: Failure,
    },
    /// The system gave no thread, or one of ours panicked.
    #[error("a worker thread failed: {0}")]
    Thread(String),
}

/// Runs until the inputs end or `stop` is set.
///
/// # Errors
/// A guest could not be started; what happens later is part of the report.
pub fn run(plan: Plan, progress: &Progress, stop: &AtomicBool) -> Result<Report, RunError> {
    let filter = Filter::new(plan.modules.iter().map(|module| module.interest.as_slice()));
    let ended = AtomicBool::new(false);
    let mut report = Report::default();
    thread::scope(|scope| {
        let (mut senders, mut listeners) = (Vec::new(), Vec::new());
        for listener in plan.listeners {
            let (to, from) = mpsc::sync_channel::<Arc<Rows>>(listener.limits.queue_batches);
            let worker = begin_listener(listener, &plan.zone)?;
            let name = worker.name();
            let ended = &ended;
            let work = move || worker.run(&from, || ended.load(Ordering::Acquire));
            listeners.push(spawn(scope, &name, work)?);
            senders.push(to);
        }
        let (mut outlets, mut modules) = (Vec::new(), Vec::new());
        let mut first_schema = 0;
        for module in plan.modules {
            let (to, from) = mpsc::sync_channel(module.limits.queue_batches);
            let (back, emptied): (Sender<ModuleBatch>, Receiver<ModuleBatch>) = mpsc::channel();
            let timers = Timers::new(&module.timers, &plan.zone);
            outlets.push(Outlet::new(to, emptied, timers, &module.limits));
            let count = module.events.len() as u32;
            let name = module.name.clone();
            let mut worker = ModuleWorker::new(
                &module.name,
                module.start,
                &module.events,
                first_schema,
                &module.limits,
                senders.clone(),
            );
            first_schema += count;
            worker.begin().map_err(|failure| RunError::Start {
                role: "module",
                name: name.clone(),
                failure,
            })?;
            modules.push(spawn(scope, &name, move || worker.run(&from, &back))?);
        }
        // The listeners end when the last module has let go of them.
        drop(senders);
        let mut router = Router::new(filter, outlets);
        report.sources = merge::merge(plan.inputs, &mut router, progress, stop);
        report.interrupted = stop.load(Ordering::Relaxed);
        if report.interrupted {
            router.flush();
        } else {
            router.end();
            ended.store(true, Ordering::Release);
        }
        drop(router);
        report.modules = join(modules)?;
        report.listeners = join(listeners)?;
        Ok(report)
    })
}

fn begin_listener(plan: ListenerPlan, zone: &TimeZone) -> Result<ListenerWorker, RunError> {
    let timers = Timers::new(&plan.timers, zone);
    let mut worker = ListenerWorker::new(
        &plan.name,
        plan.start,
        plan.criteria,
        timers,
        plan.capabilities,
        &plan.limits,
    );
    worker.begin().map_err(|failure| RunError::Start {
        role: "listener",
        name: plan.name,
        failure,
    })?;
    Ok(worker)
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, T>, RunError> {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(crate::limit::WORKER_STACK_BYTES)
        .spawn_scoped(scope, work)
        .map_err(|error| RunError::Thread(error.to_string()))
}

fn join<T>(workers: Vec<thread::ScopedJoinHandle<'_, T>>) -> Result<Vec<T>, RunError> {
    let join = |worker: thread::ScopedJoinHandle<'_, T>| {
        let name = worker.thread().name().unwrap_or_default().to_owned();
        worker.join().map_err(|_| RunError::Thread(format!("the worker of `{name}` panicked")))
    };
    workers.into_iter().map(join).collect()
}
