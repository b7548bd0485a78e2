//! An event as one line of JSON.
//!
//! The names that every event has are reserved in the contract, so columns stand beside them.

use correlator_sdk::json;
use correlator_sdk::prelude::*;

/// Appends the event as an object. Columns that are absent are left out.
pub fn write(event: &Event<'_>, out: &mut Vec<u8>) {
    let schema = event.schema();
    out.extend_from_slice(b"{\"time\":");
    json::value(Value::Time(event.time().nanoseconds()), out);
    for (name, text) in [
        ("severity", event.severity().name()),
        ("module", schema.instance.as_str()),
        ("event", schema.name.as_str()),
    ] {
        json::member(name, Value::Text(text.as_bytes()), out);
    }
    let mut text = Vec::new();
    event.write_id(&mut text);
    json::member("id", Value::Text(&text), out);
    text.clear();
    event.write_summary(&mut text);
    json::member("summary", Value::Text(&text), out);
    json::members(event, out);
    out.push(b'}');
}
