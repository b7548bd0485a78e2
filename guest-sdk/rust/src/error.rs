//! What can go wrong between a guest and its SDK, as sentences for the person who can mend it.
//!
//! The host shows these to the operator as the reason why a turn failed, so each names the thing and the way out.

use correlator_frame::value::Kind;

/// Why a call into a guest failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An event whose schema the description doesn't list.
    #[error("event {event:?} is not declared: the description must list it with .event()")]
    Undeclared {
        /// The event's name.
        event: String,
    },
    /// A value for a column that the schema doesn't have.
    #[error("event {event:?} has no column {column:?}; its columns are {columns}")]
    UnknownColumn {
        /// The event's name.
        event: String,
        /// The column that isn't there.
        column: String,
        /// Those that are.
        columns: String,
    },
    /// No value for a column that isn't optional.
    #[error("event {event:?} lacks a value for column {column:?}, which is not optional")]
    MissingColumn {
        /// The event's name.
        event: String,
        /// The column without a value.
        column: String,
    },
    /// Two values for one column.
    #[error("event {event:?} has two values for column {column:?}")]
    RepeatedColumn {
        /// The event's name.
        event: String,
        /// The column.
        column: String,
    },
    /// A value of another kind than the column's.
    #[error("column {column:?} of {of:?} holds {expected}, but its value is {found}")]
    WrongKind {
        /// The event or the effect's target.
        of: String,
        /// The column.
        column: String,
        /// The column's kind.
        expected: Kind,
        /// The value's kind.
        found: Kind,
    },
    /// A row of an effect with too few or too many cells.
    #[error("a row for {target:?} has {found} cells, but {expected} columns")]
    CellCount {
        /// The effect's target.
        target: String,
        /// How many columns there are.
        expected: usize,
        /// How many cells were written.
        found: usize,
    },
    /// An option that the host should have given.
    #[error("option {option:?} has no value: set it in the stack")]
    MissingOption {
        /// The option's name.
        option: String,
    },
    /// An option whose value doesn't fit.
    #[error("option {option:?} must be {expected}, but it is {found}")]
    WrongOption {
        /// The option's name.
        option: String,
        /// What would fit.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A batch in a layout that this SDK doesn't know.
    #[error(
        "the batch has layout {found}, but this guest reads layout {expected}: build it with the engine's own SDK"
    )]
    Layout {
        /// The batch's.
        found: u32,
        /// The SDK's.
        expected: u32,
    },
    /// A call before `configure`.
    #[error("the guest was called before it was configured")]
    NotConfigured,
    /// A tick for a timer that the description doesn't list.
    #[error("the description has no timer {index}; it has {count}")]
    UnknownTimer {
        /// The timer's place.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// An event of a schema that wasn't announced.
    #[error("an event has schema {index}, but only {count} schemas were announced")]
    UnknownSchema {
        /// The schema's place.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// Rows that aren't in the contract's layout.
    #[error("the batch is malformed: {words} words at its end are no row")]
    Malformed {
        /// How many words were left.
        words: usize,
    },
    /// Saved state of another version.
    #[error(
        "the saved state has version {found}, but this guest writes version {expected} and can't \
         migrate it: run the guest that wrote it, or start without its state"
    )]
    StateVersion {
        /// The saved state's.
        found: u32,
        /// The guest's.
        expected: u32,
    },
    /// State that can't be written or read.
    #[error("the state can't be {action}: {reason}")]
    State {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// Something that the guest's author says.
    #[error("{0}")]
    Said(String),
}

impl From<String> for Error {
    fn from(sentence: String) -> Self {
        Self::Said(sentence)
    }
}

impl From<&str> for Error {
    fn from(sentence: &str) -> Self {
        Self::Said(sentence.to_owned())
    }
}
