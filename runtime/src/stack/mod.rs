//! What the operator wants: sources, modules, listeners, grants and limits, typed in a file or as flags, then checked.
//!
//! There are two types for it. [`raw::RawStack`] is what was typed, with the place of every value. [`Stack`] is what
//! holds: [`Stack::check`] makes it or tells every problem at once, and nobody downstream checks again. Between the two
//! the guests are loaded, because only they know their options and events. This room must never run a guest, open a
//! source or write a file.
//!
//! # Layout
//! - [`problem`]: what is wrong, where, and the way out; `veil`: what of it is a secret
//! - `node`, `fields`, `yaml`: values with their places; from a file's text to them
//! - [`value`], `bound`, `zone`, `path`, `address`: how numbers, sizes, times and places are written
//! - `suggest`: the name that was probably meant
//! - [`raw`], `option_file`, `drop_in`, [`flags`]: a stack as it was typed, in files or on the command line
//! - `writers`: who may write those files
//! - [`criteria`]: which events a listener gets
//! - `settings`, `limits`, [`source`], `keeping`, `control`, `partition`, [`grant`]: the checks of each part
//! - `typed`: single values for other commands
//! - `check`, [`show`]: from what was typed to what holds; all of it for people
//! - [`foreseen`]: what listeners that were tried would ask for in vain

pub mod criteria;
pub mod flags;
pub mod foreseen;
pub mod grant;
pub mod problem;
pub mod raw;
pub mod show;
pub mod source;
pub mod value;

pub(crate) mod typed;

mod address;
mod bound;
mod check;
mod control;
mod drop_in;
mod fields;
mod keeping;
mod limits;
mod node;
mod option_file;
mod partition;
mod path;
mod reach;
mod reading;
mod settings;
mod suggest;
mod veil;
mod writers;
mod yaml;
pub(crate) mod zone;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use correlator_source::settings::Source;
use correlator_spool::settings::{Durability, WhenFull};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use self::criteria::compile::Compiled;
use self::grant::Grant;
use self::problem::Problem;
use crate::declaration::{BoundSchema, Description, Setting};
use crate::limit::Limits;

/// Where a guest's component comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// It is part of the program and has this name.
    Bundled(String),
    /// It is a file.
    File(PathBuf),
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The part that a guest plays in a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// It turns records into events.
    Module,
    /// It turns events into effects.
    Listener,
}

impl Part {
    /// Its name for people, and of the key that names the component.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Listener => "listener",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of the guests that a stack names: [`Stack::check`] measures the stack by it.
#[derive(Clone, Debug, Default)]
pub struct Guests {
    /// The names of the bundled modules.
    pub modules: Vec<String>,
    /// The names of the bundled listeners.
    pub listeners: Vec<String>,
    /// What the components of [`raw::RawStack::components`] say of themselves, or in words why they could not be
    /// loaded. A bundled name that does not exist is left out.
    pub loaded: HashMap<Component, Result<Description, String>>,
    /// Events that the engine itself makes.
    pub engine: Vec<BoundSchema>,
}

/// What is kept across restarts, and how surely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// The folder of the spools, checkpoints and dead letters.
    pub folder: PathBuf,
    /// How sure it is that what was taken survives.
    pub durability: Durability,
    /// How large each of the two spools may become.
    pub spool_bytes: u64,
    /// What happens then.
    pub when_full: WhenFull,
    /// How often the guests' state is saved with their positions.
    pub checkpoint_every: Duration,
}

/// How people and programs reach a running engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// The control socket; none, if absent.
    pub socket: Option<PathBuf>,
    /// Whether the stack says where the socket is, or that there is none. Otherwise it is in the usual place while
    /// something runs that does not end by itself, and nothing is lost if it can't be there.
    pub socket_set: bool,
    /// Where metrics are served over HTTP; not at all, if absent.
    pub metrics: Option<SocketAddr>,
    /// Whether a change of the stack file, a component or a drop-in is taken up by itself.
    pub watch: bool,
    /// A folder of stack fragments and components that belong to the stack.
    pub drop_in: Option<PathBuf>,
}

/// What of a record decides which of a module's instances gets it. Checkpoints have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartitionBy {
    /// Who sent it.
    Host,
    /// The program's name.
    Program,
    /// The process id.
    ProcessId,
    /// The message id.
    MessageId,
    /// A field, `NAME` or `ELEMENT.NAME`.
    Field(String),
}

/// A stack that holds together. Nobody downstream checks it again.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The zone of daily timers, and of records and sources that name none.
    pub zone: TimeZone,
    /// Whether the zone was typed; otherwise it is the system's.
    pub zone_set: bool,
    /// Where records come from.
    pub sources: Vec<Source>,
    /// What is kept across restarts; nothing, if absent.
    pub keeping: Option<Keeping>,
    /// How a running engine is reached.
    pub control: Control,
    /// Where what arrives is written as it arrived; nowhere, if absent.
    pub capture: Option<PathBuf>,
    /// Where credentials are looked for.
    pub credentials: correlator_credential::Settings,
    /// Who is never acted against, whoever asks.
    pub allow: correlator_world::allow::Allow,
    /// What turns records into events.
    pub modules: Vec<ModuleInstance>,
    /// What turns events into effects.
    pub listeners: Vec<ListenerInstance>,
    /// The events that may come, by module in the order of the stack, then the engine's own. Criteria are compiled
    /// against these, and listeners are configured with them.
    pub schemas: Vec<BoundSchema>,
    /// What of the whole stack was typed, such as `capture`, `state.durability` or `control.metrics`.
    pub typed: Vec<String>,
    /// What is probably not as it was meant.
    pub warnings: Vec<Problem>,
}

impl Stack {
    /// Whether any of its sources never ends by itself.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.sources.iter().any(|source| source.door.is_live())
    }
}

/// A module of a stack.
#[derive(Clone, Debug)]
pub struct ModuleInstance {
    /// Its name, unique in the stack.
    pub name: String,
    /// What it is an instance of.
    pub component: Component,
    /// Every option in the order of the guest's schema.
    pub settings: Vec<(String, Setting)>,
    /// What bounds it.
    pub limits: Limits,
    /// How many instances share its records, each with its own state.
    pub instances: usize,
    /// What decides which of them gets a record; there is one instance, if absent.
    pub partition_by: Option<PartitionBy>,
    /// Whether it runs; `correlator modules enable` starts one that does not.
    pub enabled: bool,
    /// What of this was typed.
    pub typed: Typed,
}

impl ModuleInstance {
    /// Whether it comes to the same as another, whatever of it was typed. What its component holds is not compared.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let Self { name, component, settings, limits, instances, partition_by, enabled, typed: _ } =
            self;
        *name == other.name
            && *component == other.component
            && *settings == other.settings
            && *limits == other.limits
            && *instances == other.instances
            && *partition_by == other.partition_by
            && *enabled == other.enabled
    }
}

/// A listener of a stack.
#[derive(Clone, Debug)]
pub struct ListenerInstance {
    /// Its name, unique in the stack.
    pub name: String,
    /// What it is an instance of.
    pub component: Component,
    /// Which events it gets, as it was typed; empty for all.
    pub criteria: String,
    /// Which events it gets, by the places of [`Stack::schemas`].
    pub compiled: Compiled,
    /// Every option in the order of the guest's schema.
    pub settings: Vec<(String, Setting)>,
    /// What it may ask for.
    pub grants: Vec<Grant>,
    /// The credentials that it says it needs; its grants may need others.
    pub credentials: Vec<String>,
    /// What bounds it.
    pub limits: Limits,
    /// What of this was typed.
    pub typed: Typed,
}

impl ListenerInstance {
    /// Whether it comes to the same as another, whatever of it was typed. What its component holds is not compared, and
    /// neither are the events that may come: [`Self::compiled`] goes by the places of [`Stack::schemas`], and where
    /// those differ, so does it.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let Self {
            name,
            component,
            criteria,
            compiled: _,
            settings,
            grants,
            credentials: _,
            limits,
            typed: _,
        } = self;
        *name == other.name
            && *component == other.component
            && *criteria == other.criteria
            && *settings == other.settings
            && *grants == other.grants
            && *limits == other.limits
    }
}

/// What of an instance was typed; the rest are defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// Names of what every instance of its part has, such as `partition_by`.
    pub settings: Vec<&'static str>,
    /// Names of options.
    pub options: Vec<String>,
    /// Names of limits, the stack's own included.
    pub limits: Vec<&'static str>,
    /// Whether the criteria were.
    pub criteria: bool,
}
