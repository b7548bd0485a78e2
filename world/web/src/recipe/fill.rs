//! What placeholders stand for.

use std::collections::BTreeMap;

use correlator_world::{Cell, Request};
use serde_json::{Map, Number, Value};

use crate::clock;

const NANOSECONDS_PER_SECOND: f64 = 1e9;

/// Where the values of one message come from.
pub(crate) struct Scope<'a> {
    pub request: &'a Request,
    pub values: &'a BTreeMap<String, Option<String>>,
    pub credential: &'a str,
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Column(String),
    Value(String),
    Id,
    All,
    Credential,
}

/// How many bytes a request brings along, about: what it is made of is copied several times, so it is asked first.
pub(crate) fn size(request: &Request) -> usize {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => text.len(),
        _ => size_of::<u64>(),
    };
    request.cells.iter().map(|(name, value)| name.len() + cell(value)).sum()
}

impl What {
    pub fn read(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix('$') {
            return Ok(Self::Value(name.to_owned()));
        }
        match text {
            "@id" => Ok(Self::Id),
            "@all" => Ok(Self::All),
            "@credential" => Ok(Self::Credential),
            name if !name.is_empty() && !name.starts_with('@') => Ok(Self::Column(name.to_owned())),
            other => Err(format!(
                "there is no placeholder `{{{other}}}`; it can be a column, `{{$VALUE}}`, `{{@id}}`, `{{@all}}` or \
                 `{{@credential}}`"
            )),
        }
    }

    /// The value, if there is one.
    pub fn find(&self, scope: &Scope) -> Option<Value> {
        match self {
            Self::Column(name) => scope.request.cell(name).map(value),
            Self::Value(name) => scope.values.get(name)?.clone().map(Value::String),
            Self::Id => Some(Value::String(scope.request.id.clone())),
            Self::Credential => Some(Value::String(scope.credential.to_owned())),
            Self::All => Some(all(scope.request)),
        }
    }

    /// What it is, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Column(name) => format!("the column `{}`", super::clean(name)),
            Self::Value(name) => format!("`{name}` under `values`"),
            Self::Id => "the id".into(),
            Self::All => "the columns".into(),
            Self::Credential => "the credential".into(),
        }
    }
}

/// All columns that are there.
fn all(request: &Request) -> Value {
    let mut object = Map::new();
    for (name, cell) in &request.cells {
        if matches!(cell, Cell::Absent(_)) {
            continue;
        }
        // The listener's `fields` are a JSON object in a text: nobody wants to read it twice quoted.
        let parsed = match (name.as_str(), cell) {
            ("fields", Cell::Text(text)) => serde_json::from_str::<Map<String, Value>>(text).ok(),
            _ => None,
        };
        object.insert(name.clone(), parsed.map_or_else(|| value(cell), Value::Object));
    }
    Value::Object(object)
}

/// A cell as JSON has it: moments as RFC 3339, spans in seconds, and numbers that are none as text.
pub(crate) fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Absent(_) => Value::Null,
        Cell::Text(text) => Value::String(text.clone()),
        Cell::Integer(number) => Value::from(*number),
        Cell::Float(number) => float(*number),
        Cell::Boolean(yes) => Value::Bool(*yes),
        Cell::Time(moment) => Value::String(clock::written(*moment)),
        #[expect(clippy::cast_precision_loss, reason = "nobody counts years in nanoseconds")]
        Cell::Duration(span) => float(*span as f64 / NANOSECONDS_PER_SECOND),
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}
