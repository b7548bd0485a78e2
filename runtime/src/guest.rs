//! What the engine can do with a guest: the calls of the contract, and how they fail.
//!
//! The sandbox is the implementor that matters; a module that is linked natively is another, for measuring what the
//! sandbox costs. This room must never know how a guest is run.

use std::time::Duration;

use correlator_frame::effect::HEADER;
use correlator_frame::record::Frame;
use thiserror::Error;

use crate::declaration::{Column, Setting};
use crate::limit::TIMERS_MAX;

/// A module, ready to be called. After a failure it must not be called again.
pub trait Module {
    /// Hands over a batch; `batch` is the same again afterwards, though its parts may have moved.
    ///
    /// # Errors
    /// The guest failed, and with it the turn.
    fn process(&mut self, batch: &mut Frame) -> Result<Rows, Failure>;

    /// Lets time pass.
    ///
    /// # Errors
    /// The guest failed, and with it the turn.
    fn tick(&mut self, tick: Tick) -> Result<Rows, Failure>;

    /// What every guest can be asked.
    fn memory(&mut self) -> &mut dyn Stateful;
}

/// A listener, ready to be called. After a failure it must not be called again.
pub trait Listener {
    /// Hands over events; `batch` is the same again afterwards, though its parts may have moved.
    ///
    /// # Errors
    /// The guest failed, and with it the turn.
    fn handle(&mut self, batch: &mut Rows) -> Result<Vec<Effect>, Failure>;

    /// Lets time pass.
    ///
    /// # Errors
    /// The guest failed, and with it the turn.
    fn tick(&mut self, tick: Tick) -> Result<Vec<Effect>, Failure>;

    /// What every guest can be asked.
    fn memory(&mut self) -> &mut dyn Stateful;
}

/// What every guest can be asked, whatever it does.
pub trait Stateful {
    /// All that the guest must remember.
    ///
    /// # Errors
    /// The guest failed.
    fn save(&mut self) -> Result<State, Failure>;

    /// Gives a fresh guest what another remembered.
    ///
    /// # Errors
    /// The guest failed.
    fn restore(&mut self, state: &State) -> Result<(), Failure>;

    /// What the guest tells of its work.
    ///
    /// # Errors
    /// The guest failed.
    fn statistics(&mut self) -> Result<Vec<Statistic>, Failure>;

    /// What the guest has used since this was last asked.
    fn usage(&mut self) -> Usage;
}

/// Rows and the text that they point into: a module's events, or the events for a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Bytes.
    pub text: Vec<u8>,
    /// Words.
    pub index: Vec<u32>,
}

/// Requests to one target of one capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The capability's name.
    pub capability: String,
    /// What of the capability.
    pub target: String,
    /// The kinds and names of the cells.
    pub columns: Vec<Column>,
    /// The requests.
    pub rows: Rows,
}

impl Effect {
    /// How many requests there are.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.rows.index.len() / (HEADER + 2 * self.columns.len())
    }
}

/// Why a guest's `tick` is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The timer at this place of the description.
    Timer(u32),
    /// The input has ended for good.
    End,
}

impl Cause {
    /// Its number among all causes.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Timer(timer) => timer,
            Self::End => TIMERS_MAX as u32,
        }
    }
}

/// A moment of event time that a guest is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Why.
    pub cause: Cause,
    /// When, in nanoseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
}

/// Saved state and the version of its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The version of the form.
    pub version: u32,
    /// The state.
    pub bytes: Vec<u8>,
}

/// A number or text about a guest's work.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// What it is.
    pub name: String,
    /// How much it is.
    pub value: Setting,
}

/// What a guest has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls into it.
    pub calls: u64,
    /// Time in them.
    pub time: Duration,
    /// Fuel that it burned.
    pub fuel: u64,
    /// Bytes of memory that it has now.
    pub memory_bytes: usize,
}

/// Why a call into a guest failed. All of these are the guest's doing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// It computed for too long, by its own work.
    #[error(
        "`{call}` used up its {fuel} units of fuel; if it is honest work, raise `fuel_per_turn` or `fuel_per_record`"
    )]
    Fuel {
        /// The export that was called.
        call: &'static str,
        /// The budget.
        fuel: u64,
    },
    /// It computed for too long, by the clock.
    #[error("`{call}` took longer than {}; if it is honest work, raise `turn_time`", human_time(*limit))]
    Deadline {
        /// The export that was called.
        call: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// It wanted more memory than it may have.
    #[error(
        "`{call}` wanted more than {limit_bytes} bytes of memory; if it is honest work, raise `memory`"
    )]
    Memory {
        /// The export that was called.
        call: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
    /// It returned more than it may.
    #[error(
        "`{call}` returned more than {limit_bytes} bytes; if it is honest work, raise `{limit}`"
    )]
    Size {
        /// The export that was called.
        call: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
    /// It trapped, or broke the rules of the component model.
    #[error("`{call}` trapped: {reason}")]
    Trap {
        /// The export that was called.
        call: &'static str,
        /// What the sandbox said, with the guest's own frames.
        reason: String,
    },
    /// It said so itself.
    #[error("`{call}` failed: {message}")]
    Refused {
        /// The export that was called.
        call: &'static str,
        /// Its own words, escaped and cut.
        message: String,
    },
    /// What it returned breaks the contract.
    #[error("`{call}` returned what it must not: {problem}")]
    Broken {
        /// The export that was called.
        call: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// A span of time as people write it.
fn human_time(time: Duration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
