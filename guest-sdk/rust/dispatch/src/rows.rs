//! Events as rows: of a table or an index, with what every event has and then its own columns; or to be told, with its own
//! columns in one.

use correlator_sdk::effect::Row;
use correlator_sdk::json;
use correlator_sdk::prelude::{
    BoundSchema, EffectColumn, EffectTurn, Error, Event, Kind, Target, Value,
};

use crate::item::id;

/// What every event has, in order.
fn head() -> [EffectColumn; 6] {
    [
        EffectColumn::new("id", Kind::Text, "What names the event for good."),
        EffectColumn::new("time", Kind::Time, "When it happened."),
        EffectColumn::new("severity", Kind::Integer, "0 to 7, on syslog's scale."),
        EffectColumn::new("module", Kind::Text, "The module instance that it comes from."),
        EffectColumn::new("event", Kind::Text, "The event's name."),
        EffectColumn::new("summary", Kind::Text, "The event in a line."),
    ]
}

/// The target of a schema, of this name.
///
/// # Errors
/// If the event has more columns than fit into a row; it is named.
pub fn target(capability: &str, name: &str, schema: &BoundSchema) -> Result<Target, Error> {
    let mut columns = Vec::from(head());
    columns.extend(schema.columns.iter().map(|column| {
        EffectColumn::new(&column.name, column.kind, &column.meaning).optional(column.optional)
    }));
    Target::new(capability, name, columns)
}

/// Writes an event's row.
///
/// # Errors
/// If the target is another schema's.
pub fn write(turn: &mut EffectTurn, target: &Target, event: &Event<'_>) -> Result<(), Error> {
    let schema = event.schema();
    turn.row(target, event)
        .text_with(|out| event.write_id(out))
        .cell(Some(Value::Time(event.time().nanoseconds())))
        .cell(Some(Value::Integer(i64::from(event.severity().number()))))
        .cell(Some(Value::Text(schema.instance.as_bytes())))
        .cell(Some(Value::Text(schema.name.as_bytes())))
        .text_with(|out| event.write_summary(out))
        .copy(event)
        .finish()
}

/// The columns of an event that is told; the line that says it has this name.
#[must_use]
pub fn told(line: &str) -> Vec<EffectColumn> {
    let [id, time, severity, module, event, _] = head();
    let line = EffectColumn::new(line, Kind::Text, "The event in a line.");
    let fields =
        EffectColumn::new("fields", Kind::Text, "The event's columns as an object of JSON.");
    vec![severity, line, event, module, time, id, fields]
}

/// Begins a row of [`told`]'s columns, in which this is the line. What else the target has is the caller's to write.
pub fn tell<'a>(
    turn: &'a mut EffectTurn,
    target: &Target,
    event: &Event<'_>,
    line: &str,
) -> Row<'a> {
    let schema = event.schema();
    let mut row = turn.row(target, event);
    row.cell(Some(Value::Integer(i64::from(event.severity().number()))))
        .cell(Some(Value::Text(line.as_bytes())))
        .cell(Some(Value::Text(schema.name.as_bytes())))
        .cell(Some(Value::Text(schema.instance.as_bytes())))
        .cell(Some(Value::Time(event.time().nanoseconds())))
        .cell(Some(Value::Text(id(event).as_bytes())))
        .text_with(|out| json::columns(event, out));
    row
}
