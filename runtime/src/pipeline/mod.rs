//! The pipeline: the record path and the delivery path.
//!
//! Sources publish records in one stream, every module reads it at its own pace and publishes events in another, and
//! every listener reads that. Each guest has a thread of its own; a guest that fails loses nothing but the item that it
//! failed on. Where a stack keeps anything, both streams lie on spools and every guest's state and place are saved
//! together, so that a run goes on after a crash as if there had been none.
//!
//! # Layout
//! - `stream`: pieces in order, in memory and on the disk; `piece` is what travels, `cursor` a place, `feed` one consumer's
//!   way, `tail` and `held` what is in memory and what lies on the disk, `waiting` who waits for whom, `timers` the ticks
//!   between, `marks` what is known at the end, `lost` what was not
//! - `intake`: the door of the record stream; `interest` says who wants a record, `share` which instance gets it,
//!   `watermark` how far time has come, `merge` makes one stream of files
//! - `work`: a guest at work; `keeper` keeps it alive, `worker` hands it its work, `saving` and `checkpoint` put its state on the
//!   disk, `beginning` finds where it begins; `module` and `turn` are what is particular to modules
//! - `listening`: what is particular to listeners; `view` is how they look at events, `asker` and `asking` what they ask for,
//!   `denials` what of that is denied, `patience` how long they wait, `outside` what of the world a checkpoint tells
//! - `crew`: all guests; `floor` is what they share, `hiring` and `hand` how they come and are told, `change` and `dividing`
//!   another stack in the place of this one, `counted` what goes on being counted then
//! - `letters`: dead letters; `aside` puts them down, `known` says of whom they tell, `again` makes rows of them once more
//! - `state`: the state folder; `label`, [`version`](state::version) and `origin` say whose it is, `recover` and `put_off` what an
//!   earlier run left, `archive` is the store, `writers` write, `tending`, `calendar` and `unserved` keep it small,
//!   [`trace`](state::trace) finds a record again
//! - `engine`, `heartbeat`, `notices`: the whole, what it does now and then, and what it has to say itself
//! - `picture`, `deliveries`, `commands`, `effects`: how it fares, and what it can be told

mod commands;
mod crew;
mod deliveries;
mod effects;
mod engine;
mod heartbeat;
mod intake;
mod letters;
mod listening;
mod notices;
mod picture;
pub mod state;
mod stream;
mod threads;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use correlator_source::settings::Source;
use correlator_world::Secrets;
use jiff::tz::TimeZone;
use thiserror::Error;

pub(crate) use effects::{given_up, not_done};
pub use engine::Engine;
pub use intake::merge::SourceReport;
pub use listening::listener::ListenerReport;
pub use notices::schemas as engine_events;
pub use work::keeper::{GuestReport, Start};
pub use work::module::ModuleReport;

use crate::capability::Capabilities;
use crate::declaration::{EventSchema, Interest, Timer};
use crate::guest::{Failure, Listener, Module};
use crate::limit::Limits;
use crate::stack::criteria::compile::Compiled;
use crate::stack::{Keeping, PartitionBy};

/// A module to run.
#[derive(Clone)]
pub struct ModulePlan {
    /// Its name in the stack.
    pub name: String,
    /// What it is an instance of, for people; what tells this version of it from others; the version that it names.
    pub component: (String, String, String),
    /// What tells its settings, limits and everything else of the stack from others.
    pub settings: String,
    /// Makes an instance.
    pub start: Start<dyn Module + Send>,
    /// Which records it wants.
    pub interest: Vec<Interest>,
    /// The events that it may return.
    pub events: Vec<EventSchema>,
    /// Its timers.
    pub timers: Vec<Timer>,
    /// How many instances share its records.
    pub instances: usize,
    /// What decides which of them gets a record.
    pub partition_by: Option<PartitionBy>,
    /// Whether it works from the start.
    pub enabled: bool,
    /// What bounds it.
    pub limits: Limits,
}

/// A listener to run.
#[derive(Clone)]
pub struct ListenerPlan {
    /// Its name in the stack.
    pub name: String,
    /// What it is an instance of, for people; what tells this version of it from others; the version that it names.
    pub component: (String, String, String),
    /// What tells its settings, limits and everything else of the stack from others.
    pub settings: String,
    /// Makes an instance.
    pub start: Start<dyn Listener + Send>,
    /// Which events it wants.
    pub criteria: Compiled,
    /// Its timers.
    pub timers: Vec<Timer>,
    /// Makes ready what it may do.
    pub capabilities: Arc<dyn Fn() -> Result<Capabilities, String> + Send + Sync>,
    /// What bounds it.
    pub limits: Limits,
}

/// All that a run needs.
pub struct Plan {
    /// Where the stack comes from, for people.
    pub stack: String,
    /// Where records come from.
    pub sources: Vec<Source>,
    /// Where what arrives is written as it arrived.
    pub capture: Option<PathBuf>,
    /// Who reads records.
    pub modules: Vec<ModulePlan>,
    /// Who acts on events.
    pub listeners: Vec<ListenerPlan>,
    /// The zone of daily timers.
    pub zone: TimeZone,
    /// What is kept across restarts.
    pub keeping: Option<Keeping>,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
}

/// How far a run has come: for those who watch.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Records read.
    pub records: AtomicU64,
    /// Bytes that there are to read; 0 if nobody knows.
    pub bytes_total: AtomicU64,
    /// Whether everything works.
    pub ready: AtomicBool,
}

/// What a spool had lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolReport {
    /// Damaged places that somebody who reads had to pass over.
    pub damaged: u64,
    /// Items that an earlier run had, and that were gone when this one began.
    pub missing: u64,
}

/// What waits to be delivered, and nobody is there to do it: the stack has not got that listener, or that grant, any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unserved {
    /// Who asked for it.
    pub listener: String,
    /// What was to do it.
    pub capability: String,
    /// How many effects.
    pub waiting: u64,
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
    /// What waits and nobody delivers.
    pub unserved: Vec<Unserved>,
    /// Records that were older than event time when they came.
    pub late: u64,
    /// Records that found no room in the spool.
    pub dropped: u64,
    /// What the spools of records and of events had lost.
    pub spools: [SpoolReport; 2],
    /// Whether it was stopped before its input ended.
    pub interrupted: bool,
    /// Whether a source would have gone on by itself.
    pub live: bool,
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
    /// A source can't be opened.
    #[error("{0}")]
    Source(String),
    /// A source can't be opened because somebody listens there already.
    #[error("{0}")]
    InUse(String),
    /// What is kept can't be read or written.
    #[error("{0}")]
    State(String),
    /// The system gave no thread, or one of ours panicked.
    #[error("a worker thread failed: {0}")]
    Thread(String),
}

impl RunError {
    /// Whether somebody listens already where a source is to.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse(_))
    }
}
