//! An event as it is kept: owned, tamed and bounded.
//!
//! An event is a view over a batch and gone with it. What waits for a digest, and what templates see, is this. Whoever
//! writes logs chose most of it, so nothing in it hides and every text has an end.

use correlator_sdk::prelude::{BoundSchema, Deserialize, Event, Serialize, Severity, Time, Value};
use correlator_sdk::text::{tame, tame_line};
use correlator_sdk::value;

/// Bytes of a summary.
pub const SUMMARY_BYTES_MAX: usize = 2_048;
/// Bytes of one text of an event.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Bytes of all texts of an event together: so many events of the longest kind still fit into a saved state.
pub const TEXTS_BYTES_MAX: usize = 8_192;

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The module instance that it comes from.
    pub module: String,
    /// The event's name.
    pub event: String,
    /// How severe it is: 0 to 7.
    pub severity: u32,
    /// When it happened.
    pub time: Time,
    /// What names it for good.
    pub id: String,
    /// Its summary, in one line.
    pub summary: String,
    /// The columns that are not absent, in order.
    pub fields: Vec<(String, Cell)>,
}

/// A value as it is kept. Moments and spans are text, as people read them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Boolean(bool),
}

impl Item {
    /// The event, to be kept.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        let schema = event.schema();
        Self {
            module: schema.instance.clone(),
            event: schema.name.clone(),
            severity: event.severity().number(),
            time: event.time(),
            id: id(event),
            summary: summary(event, SUMMARY_BYTES_MAX),
            fields: fields(event, schema),
        }
    }

    /// The name of its severity.
    #[must_use]
    pub fn severity_name(&self) -> &'static str {
        severity_name(self.severity)
    }
}

impl Cell {
    fn of(found: Value<'_>, bytes_max: usize) -> Self {
        match found {
            Value::Text(bytes) => Self::Text(tame(bytes, bytes_max)),
            Value::Integer(number) => Self::Integer(number),
            Value::Float(number) => Self::Float(number),
            Value::Boolean(yes) => Self::Boolean(yes),
            Value::Time(_) | Value::Duration(_) => Self::Text(shown(found)),
        }
    }

    /// The value as people read it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => shown(Value::Integer(*number)),
            Self::Float(number) => shown(Value::Float(*number)),
            Self::Boolean(yes) => shown(Value::Boolean(*yes)),
        }
    }
}

/// An event's id, as people see it.
#[must_use]
pub fn id(event: &Event<'_>) -> String {
    let mut out = Vec::new();
    event.write_id(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// An event's summary in one line of so many bytes at the most.
#[must_use]
pub fn summary(event: &Event<'_>, bytes_max: usize) -> String {
    let mut out = Vec::new();
    event.write_summary(&mut out);
    tame_line(&out, bytes_max)
}

/// The name of a severity's number.
#[must_use]
pub fn severity_name(number: u32) -> &'static str {
    Severity::from_number(number).map_or("debug", Severity::name)
}

fn fields(event: &Event<'_>, schema: &BoundSchema) -> Vec<(String, Cell)> {
    let mut room = TEXTS_BYTES_MAX;
    let mut fields = Vec::with_capacity(schema.columns.len());
    for (place, column) in schema.columns.iter().enumerate() {
        let Some(found) = event.value(place) else { continue };
        let cell = Cell::of(found, room.min(TEXT_BYTES_MAX));
        if let Cell::Text(text) = &cell {
            room = room.saturating_sub(text.len());
        }
        fields.push((column.name.clone(), cell));
    }
    fields
}

fn shown(found: Value<'_>) -> String {
    let mut out = Vec::new();
    value::write(found, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
