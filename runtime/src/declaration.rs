//! What guests declare of themselves: plain values, whatever they come from.
//!
//! The sandbox turns a guest's `describe` into these and refuses what breaks the contract; nothing downstream checks
//! again. This room must never know how a guest is run.

use correlator_frame::severity::Severity;
use correlator_frame::value::Kind;

/// A value that is not on the hot path: an option, a default, a statistic.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// Text.
    Text(String),
    /// A signed 64-bit number.
    Integer(i64),
    /// A 64-bit floating-point number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A moment, in nanoseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// A span of time, in nanoseconds.
    Duration(i64),
}

impl Setting {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Boolean(_) => Kind::Boolean,
            Self::Time(_) => Kind::Time,
            Self::Duration(_) => Kind::Duration,
        }
    }
}

/// A named, typed place in an event or in a row of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be absent.
    pub optional: bool,
    /// What it means, for people.
    pub meaning: String,
}

/// An event that a module may return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSchema {
    /// Unique in the module.
    pub name: String,
    /// The severity of its events where a row says nothing else.
    pub severity: Severity,
    /// A line for people, with `{column}` where a value goes.
    pub summary: String,
    /// What it means, for people.
    pub meaning: String,
    /// Its columns, in the order of the cells.
    pub columns: Vec<Column>,
}

/// An option that a stack may set.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionSchema {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// What it means, for people.
    pub meaning: String,
    /// Its value where the stack says nothing; without one it must be set.
    pub default: Option<Setting>,
    /// The least number allowed.
    pub at_least: Option<i64>,
    /// The greatest number allowed.
    pub at_most: Option<i64>,
    /// If not empty: the texts allowed.
    pub choices: Vec<String>,
}

/// When a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every so many seconds.
    EverySeconds(u32),
    /// Every day, so many minutes after midnight in the stack's time zone.
    DailyMinute(u32),
}

/// A timer of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Its name.
    pub name: String,
    /// When it fires.
    pub schedule: Schedule,
}

/// Bytes that the host looks for in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The bytes.
    pub text: String,
    /// Whether they must stand at the message's first byte.
    pub at_start: bool,
}

/// A clause of a module's interest: a record matches if every part that is not empty matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Any of these programs, whatever the case of their letters.
    pub programs: Vec<String>,
    /// Any of these facilities.
    pub facilities: Vec<u8>,
    /// At least so severe.
    pub severity: Option<Severity>,
    /// Any of these is in the message.
    pub literals: Vec<Literal>,
    /// Each of these fields is there.
    pub fields: Vec<String>,
}

/// What every guest says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for, in one line.
    pub meaning: String,
    /// What the stack may set.
    pub options: Vec<OptionSchema>,
    /// Its timers.
    pub timers: Vec<Timer>,
    /// The version of the form of its saved state.
    pub state_version: u32,
    /// What it says as a module or as a listener.
    pub role: Role,
}

/// What a guest is, and what only such a guest says.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// Turns records into events.
    Module {
        /// A record is handed over if any clause matches; no clause means every record.
        interest: Vec<Interest>,
        /// The events that it may return.
        events: Vec<EventSchema>,
    },
    /// Turns events into effects.
    Listener {
        /// The criteria in force where the stack gives none.
        criteria: String,
        /// The capabilities that it will ask for.
        wants: Vec<Want>,
        /// The credentials that it needs, by name.
        credentials: Vec<String>,
    },
}

/// A capability that a listener will ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The capability's name.
    pub capability: String,
    /// Why, for the operator who grants it.
    pub reason: String,
}

/// An event schema with the module instance that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundSchema {
    /// The instance's name in the stack.
    pub instance: String,
    /// The schema.
    pub schema: EventSchema,
}
