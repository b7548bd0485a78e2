//! Events as rows of a table or an index: what every event has, then its own columns.

use correlator_sdk::prelude::{
    BoundSchema, EffectColumn, EffectTurn, Error, Event, Kind, Target, Value,
};

/// What every event has, in order.
fn head() -> Vec<EffectColumn> {
    vec![
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
    let mut columns = head();
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
