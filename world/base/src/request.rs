//! What is asked for: one row of an effect.

use serde::{Deserialize, Serialize};

/// One thing that a listener asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Unique among all requests, and the same when this one is asked for again: the world may be told it, so that what
    /// is done twice is done once. Letters, digits, `:`, `-`, `_`, `.` and `#`, 200 bytes at most.
    pub id: String,
    /// What of the capability: the name of an endpoint, a table, a set.
    pub target: String,
    /// The columns with their values, in order. Names are the guest's and unique.
    pub cells: Vec<(String, Cell)>,
}

/// A value, as the guest gave it: nothing in it is escaped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// Nothing, where something of this kind might be.
    Absent(Kind),
    /// A text: whatever the guest returned, any character may be in it.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number; it may be infinite or none at all.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// A moment, in nanoseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// A span of time, in nanoseconds.
    Duration(i64),
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// Yes or no.
    Boolean,
    /// A moment.
    Time,
    /// A span of time.
    Duration,
}

impl Request {
    /// The value of a column; nothing if there is no such column or it is absent.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<&Cell> {
        let found = self.cells.iter().find(|(column, _)| column == name);
        found.map(|(_, cell)| cell).filter(|cell| !matches!(cell, Cell::Absent(_)))
    }

    /// The text of a column, if that is what it has.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.cell(name) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl Cell {
    /// The kind of the value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Absent(kind) => *kind,
            Self::Text(_) => Kind::Text,
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Boolean(_) => Kind::Boolean,
            Self::Time(_) => Kind::Time,
            Self::Duration(_) => Kind::Duration,
        }
    }
}
