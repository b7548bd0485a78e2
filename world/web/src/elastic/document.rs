//! A request as a document.

use std::collections::BTreeMap;

use correlator_world::{Cell, Kind, Request};
use serde_json::{Map, Value};

use crate::recipe::{clean, value};
use crate::{clock, limit};

/// Where search engines look for the time of a document.
pub(super) const TIMESTAMP: &str = "@timestamp";
/// The column that is taken for it.
const TIME: &str = "time";
/// The column that is a JSON object in a text.
pub(super) const FIELDS: &str = "fields";

/// The moment of a request: what it says, or now.
pub(super) fn moment(request: &Request, now: i64) -> i64 {
    time(request).unwrap_or(now)
}

/// The moment that a request says.
pub(super) fn time(request: &Request) -> Option<i64> {
    match request.cell(TIMESTAMP).or_else(|| request.cell(TIME)) {
        Some(Cell::Time(moment)) => Some(*moment),
        _ => None,
    }
}

/// Whether all columns can be fields.
pub(super) fn check(request: &Request) -> Result<(), String> {
    if request.cells.len() > limit::COLUMNS_MAX {
        return Err(format!("a document has {} fields at most", limit::COLUMNS_MAX));
    }
    for (name, cell) in &request.cells {
        if name == TIMESTAMP && cell.kind() == Kind::Time {
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !starts || name.len() > limit::INDEX_BYTES_MAX || !name.chars().all(plain) {
            let shown: String = name.chars().take(limit::SAID_CHARACTERS_MAX).collect();
            return Err(format!(
                "the column `{}` can't be a field: letters, digits, `_` and `-` can, and no `_` at the start",
                clean(&shown)
            ));
        }
    }
    Ok(())
}

/// The document.
pub(super) fn document(request: &Request, now: i64) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert(TIMESTAMP.into(), Value::String(clock::written(moment(request, now))));
    for (name, cell) in &request.cells {
        // Numbers that are none have no place in a field of numbers.
        let none = matches!(cell, Cell::Float(number) if !number.is_finite());
        if none || is_moment(name, cell) || matches!(cell, Cell::Absent(_)) {
            continue;
        }
        let value = match (name.as_str(), cell) {
            (FIELDS, Cell::Text(text)) => fields(text),
            _ => value(cell),
        };
        object.insert(name.clone(), value);
    }
    object
}

/// The fields with their kinds, as far as a template is to know them.
pub(super) fn kinds(request: &Request, into: &mut BTreeMap<String, Kind>) {
    for (name, cell) in &request.cells {
        let is_new = !is_moment(name, cell) && !into.contains_key(name);
        if is_new && into.len() < limit::TEMPLATE_FIELDS_MAX {
            into.insert(name.clone(), cell.kind());
        }
    }
}

fn is_moment(name: &str, cell: &Cell) -> bool {
    (name == TIME || name == TIMESTAMP) && cell.kind() == Kind::Time
}

/// An object, whatever the text is: the field is one kind in all documents.
fn fields(text: &str) -> Value {
    let parsed = serde_json::from_str::<Map<String, Value>>(text);
    Value::Object(parsed.unwrap_or_else(|_| Map::from_iter([("text".into(), Value::from(text))])))
}

#[cfg(test)]
mod tests {
    use correlator_world::{Cell, Kind, Request};
    use serde_json::{Value, json};

    use super::{check, document};

    fn request(cells: &[(&str, Cell)]) -> Request {
        let cells = cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect();
        Request { id: "1".into(), target: "t".into(), cells }
    }

    #[test]
    fn cells_become_fields() {
        let check = |cells: &[(&str, Cell)], expected: Value| {
            assert_eq!(Value::Object(document(&request(cells), 0)), expected);
        };
        let now = "1970-01-01T00:00:00Z";
        check(
            &[("user", Cell::Text("\"}\n{".into()))],
            json!({"@timestamp": now, "user": "\"}\n{"}),
        );
        check(
            &[("time", Cell::Time(1_500_000_000)), ("count", Cell::Integer(-1))],
            json!({"@timestamp": "1970-01-01T00:00:01.5Z", "count": -1}),
        );
        check(
            &[("time", Cell::Text("noon".into())), ("none", Cell::Absent(Kind::Text))],
            json!({"@timestamp": now, "time": "noon"}),
        );
        check(
            &[("fields", Cell::Text("{\"a\":1}".into())), ("x", Cell::Float(f64::INFINITY))],
            json!({"@timestamp": now, "fields": {"a": 1}}),
        );
        check(
            &[("fields", Cell::Text("[1]".into())), ("@timestamp", Cell::Time(0))],
            json!({"@timestamp": now, "fields": {"text": "[1]"}}),
        );
    }

    #[test]
    fn hostile_names_are_no_fields() {
        for name in ["_id", "", "a.b", "a\nb", "a b", "-a", "\u{e9}"] {
            assert!(check(&request(&[(name, Cell::Integer(1))])).is_err(), "{name:?}");
        }
        assert!(check(&request(&[("@timestamp", Cell::Text("noon".into()))])).is_err());
        for name in ["a", "a_b-c", "9", "@timestamp"] {
            assert!(check(&request(&[(name, Cell::Time(1))])).is_ok(), "{name:?}");
        }
    }
}
