//! What a request says.
//!
//! It must never know in which form it is sent.

use std::collections::BTreeMap;

use correlator_world::{Cell, Refused, Request};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::limit;

/// The columns that a request may have.
const COLUMNS: [&str; 7] = ["severity", "message", "event", "module", "time", "id", "fields"];

/// Severities by their numbers, with the names that people use.
const SEVERITIES: [&[&str]; 8] = [
    &["emergency", "emerg", "panic"],
    &["alert"],
    &["critical", "crit"],
    &["error", "err"],
    &["warning", "warn"],
    &["notice"],
    &["informational", "info"],
    &["debug"],
];

/// The severity of what names none.
const INFORMATIONAL: u8 = 6;

/// What a request says.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub severity: u8,
    pub message: &'a str,
    pub event: Option<&'a str>,
    pub module: Option<&'a str>,
    /// Nanoseconds since 1970.
    pub time: Option<i64>,
    pub id: &'a str,
    pub fields: Vec<(String, String)>,
    /// How many there are besides.
    pub left_out: usize,
}

impl<'a> Record<'a> {
    pub fn new(request: &'a Request) -> Result<Self, Refused> {
        if let Some((name, _)) = request.cells.iter().find(|(name, _)| !COLUMNS.contains(&&**name))
        {
            let name: String = name.escape_debug().take(SHOWN_MAX).collect();
            let known = COLUMNS.join(", ");
            return Err(Refused::Malformed(format!("a message has no `{name}`; it has {known}")));
        }
        let message = text(request, "message")?;
        let (fields, left_out) = text(request, "fields")?.map_or(Ok((Vec::new(), 0)), fields)?;
        Ok(Self {
            severity: severity(request.cell("severity"))?,
            message: message
                .ok_or_else(|| Refused::Malformed("a message needs `message`".into()))?,
            event: text(request, "event")?,
            module: text(request, "module")?,
            time: match request.cell("time") {
                None => None,
                Some(Cell::Time(nanoseconds)) => Some(*nanoseconds),
                Some(_) => return Err(Refused::Malformed("`time` is no time".into())),
            },
            id: text(request, "id")?.unwrap_or(&request.id),
            fields,
            left_out,
        })
    }
}

/// Characters that are shown of what makes no sense.
const SHOWN_MAX: usize = 80;

fn text<'a>(request: &'a Request, name: &str) -> Result<Option<&'a str>, Refused> {
    match request.cell(name) {
        None => Ok(None),
        Some(Cell::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Refused::Malformed(format!("`{name}` is no text"))),
    }
}

fn severity(cell: Option<&Cell>) -> Result<u8, Refused> {
    let found = match cell {
        None => Some(INFORMATIONAL),
        Some(Cell::Text(text)) => {
            let named = |names: &&[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
            SEVERITIES.iter().position(named).and_then(|place| u8::try_from(place).ok())
        }
        Some(Cell::Integer(number)) => u8::try_from(*number).ok().filter(|number| *number < 8),
        Some(_) => None,
    };
    let all: Vec<&str> = SEVERITIES.iter().filter_map(|names| names.first().copied()).collect();
    found.ok_or_else(|| {
        Refused::Malformed(format!(
            "`severity` is none of {}, nor a number from 0 to 7",
            all.join(", ")
        ))
    })
}

/// The members of an object, as texts, and how many there are besides. What has parts of its own stays JSON.
fn fields(text: &str) -> Result<(Vec<(String, String)>, usize), Refused> {
    let wrong = |why: &str| Refused::Malformed(format!("`fields` {why}"));
    let none = |error| wrong(&format!("is no JSON: {error}"));
    if text.len() > limit::FIELDS_BYTES_MAX {
        #[expect(clippy::zero_sized_map_values, reason = "nothing but their number is told")]
        let members: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).map_err(none)?;
        return Ok((Vec::new(), members.len()));
    }
    let Value::Object(members) = serde_json::from_str(text).map_err(none)? else {
        return Err(wrong("is no JSON object"));
    };
    let shown = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let all = members.into_iter().filter_map(|(name, value)| Some((name, shown(value)?)));
    let mut fields: Vec<_> = all.collect();
    let left_out = fields.len().saturating_sub(limit::FIELDS_MAX);
    fields.truncate(limit::FIELDS_MAX);
    Ok((fields, left_out))
}

#[cfg(test)]
mod tests {
    use correlator_world::{Cell, Request};

    use super::Record;

    fn request(cells: &[(&str, Cell)]) -> Request {
        let cells = cells.iter().map(|(name, cell)| ((*name).into(), cell.clone())).collect();
        Request { id: "l:1#0".into(), target: "t".into(), cells }
    }

    fn said(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    #[test]
    fn severities() {
        let check = |cell: Cell, expected: Option<u8>| {
            let request = request(&[("message", said("m")), ("severity", cell.clone())]);
            let found = Record::new(&request).ok().map(|record| record.severity);
            assert_eq!(found, expected, "{cell:?}");
        };
        check(said("emergency"), Some(0));
        check(said("Error"), Some(3));
        check(said("warn"), Some(4));
        check(said("informational"), Some(6));
        check(Cell::Integer(7), Some(7));
        check(Cell::Integer(8), None);
        check(Cell::Integer(-1), None);
        check(said("bad"), None);
        check(Cell::Boolean(true), None);
        check(Cell::Absent(correlator_world::Kind::Text), Some(6));
    }

    #[test]
    fn fields_of_json() {
        let check = |text: &str, expected: Result<&[(&str, &str)], &str>| {
            let request = request(&[("message", said("m")), ("fields", said(text))]);
            match (Record::new(&request), expected) {
                (Ok(record), Ok(expected)) => {
                    let fields = record.fields.iter().map(|(a, b)| (a.as_str(), b.as_str()));
                    assert_eq!(fields.collect::<Vec<_>>(), expected, "{text}");
                }
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        };
        check(
            r#"{"a":"x","b":5,"c":true,"d":null,"e":[1,"y"],"f":1.5}"#,
            Ok(&[("a", "x"), ("b", "5"), ("c", "true"), ("e", r#"[1,"y"]"#), ("f", "1.5")]),
        );
        check("[1]", Err("no JSON object"));
        check("{", Err("no JSON"));
        check(&"[".repeat(60_000), Err("no JSON"));
    }

    #[test]
    fn nothing_is_too_long_or_too_many() {
        let check = |text: &str, expected: (usize, usize)| {
            let request = request(&[("message", said("m")), ("fields", said(text))]);
            let record = Record::new(&request).expect("a record");
            assert_eq!((record.fields.len(), record.left_out), expected);
        };
        check(&format!("{{\"a\":\"{}\"}}", "\\u0001".repeat(100_000)), (1, 0));
        check(&format!("{{\"a\":\"{}\",\"b\":1}}", "\\u0001".repeat(3_000_000)), (0, 2));
        let many: Vec<String> = (0..200).map(|n| format!("\"k{n}\":1")).collect();
        check(&format!("{{{}}}", many.join(",")), (128, 72));
    }

    #[test]
    fn what_makes_no_sense() {
        let check = |cells: &[(&str, Cell)], expected: &str| {
            let request = request(cells);
            let error = Record::new(&request).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&[], "needs `message`");
        check(&[("message", Cell::Integer(1))], "`message` is no text");
        check(&[("message", said("m")), ("host", said("h"))], "has no `host`");
        check(&[("message", said("m")), ("time", said("now"))], "`time` is no time");
    }
}
