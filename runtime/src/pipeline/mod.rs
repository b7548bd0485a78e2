//! The pipeline: the record path and the delivery path.
//!
//! Sources publish records in one stream, every module reads it at its own pace and publishes events in another, and
//! every listener reads that. Each guest has a thread of its own; a guest that fails loses nothing but the item that it
//! failed on. Where a stack keeps anything, both streams lie on spools and every guest's state and place are saved
//! together, so that a run goes on after a crash as if there had been none.
//!
//! # Layout
//! - `cursor`, `piece`, `marks`: places in a stream, what travels in it, what is known at its end
//! - `tail`, `stream`, `held`, `waiting`: the pieces that are in memory; the stream itself; what of it lies on the disk, and
//!   for whom; who waits for whom
//! - `clock`, `watermark`, `timers`: the engine's clock; event time; when guests' timers are due
//! - `interest`, `share`, `intake`: who wants a record; which instance gets it; the door of the record stream
//! - `merge`: files as one stream in order of time
//! - `feed`: one consumer's way through a stream
//! - `turn`: a module's turn, checked
//! - `keeper`, `checkpoint`, `worker`, `saving`: a guest kept alive; its state on the disk; the thread that hands it its
//!   work; when it saves
//! - `module`, `listener`, `view`, `asker`, `asking`, `denials`: what is particular to each; how a listener looks at events;
//!   how what it asks for is named; what it asks the world for, and what of that is denied
//! - `label`, [`version`], `origin`, `recover`, `put_off`, `floor`: whose it is, and what an earlier run left; who does not work; what all
//!   guests share
//! - `known`, `aside`, `again`, `letters`: what letters tell of guests; dead letters, and what comes again of them
//! - `counted`: what goes on being counted when a guest or a source is changed
//! - `notices`: events of the engine's own
//! - `outside`, `archive`: what of the world a checkpoint tells; the store
//! - `hand`, `crew`, `hiring`, `writers`, `engine`, `heartbeat`: the guests at work; the threads that write to the disk; the
//!   whole, and what it does now and then
//! - `tending`, `calendar`, `unserved`: the store kept small, by which clock; what waits in it for nobody
//! - `picture`, `deliveries`, `commands`, `effects`, `change`: how it fares; what it can be told; another stack in the
//!   place of this one
//! - [`trace`]: from an event back to its record, in what a run left

mod again;
mod archive;
mod aside;
mod asker;
mod asking;
mod beginning;
mod calendar;
mod change;
mod checkpoint;
mod clock;
mod commands;
mod counted;
mod crew;
mod cursor;
mod deliveries;
mod denials;
mod dividing;
mod effects;
mod engine;
mod feed;
mod floor;
mod hand;
mod heartbeat;
mod held;
mod hiring;
mod intake;
mod interest;
mod keeper;
mod known;
mod label;
mod letters;
mod listener;
mod marks;
mod merge;
mod module;
mod notices;
mod origin;
mod outside;
mod patience;
mod picture;
mod piece;
mod put_off;
mod recover;
mod saving;
mod share;
mod stream;
mod tail;
mod tending;
mod timers;
pub mod trace;
mod turn;
mod unserved;
pub mod version;
mod view;
mod waiting;
mod watermark;
mod worker;
mod writers;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use correlator_source::settings::Source;
use correlator_world::Secrets;
use jiff::tz::TimeZone;
use thiserror::Error;

pub use engine::Engine;
pub use keeper::{GuestReport, Start};
pub use listener::ListenerReport;
pub use merge::SourceReport;
pub use module::ModuleReport;
pub use notices::schemas as engine_events;

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
    /// What is kept can't be read or written.
    #[error("{0}")]
    State(String),
    /// The system gave no thread, or one of ours panicked.
    #[error("a worker thread failed: {0}")]
    Thread(String),
}
