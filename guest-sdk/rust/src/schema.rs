//! What an event looks like: declared once, checked at load, the same for every row.

use correlator_frame::severity::Severity;
use correlator_frame::value::Kind;

use crate::turn::Cells;

/// A named, typed place in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be absent.
    pub optional: bool,
    /// What it means, for people.
    pub meaning: &'static str,
}

/// An event that a module may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSchema {
    /// Unique in the module: lower-case letters, digits, `_` and `-`, first a letter.
    pub name: &'static str,
    /// The severity of its events where a row says nothing else.
    pub severity: Severity,
    /// A line for people, with `{column}` where a value goes and `{{` for a brace.
    pub summary: &'static str,
    /// What it means, for people.
    pub meaning: &'static str,
    /// Its columns, in the order of the cells; 64 at most.
    pub columns: &'static [Column],
}

impl EventSchema {
    /// The names of its columns, for messages.
    #[must_use]
    pub fn column_names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }
}

/// A struct whose fields are an event's columns: what `#[derive(Event)]` implements.
pub trait EventType {
    /// The schema: the same one at every call.
    fn schema() -> &'static EventSchema;

    /// Writes a cell for each column, in order.
    fn write(&self, cells: &mut Cells<'_>);
}
