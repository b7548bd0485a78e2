//! Settings as text: what a stack would say, in `samples/NAME.options`.

use correlator_frame::span;
use correlator_frame::value::Kind;

use super::line;
use crate::options::{OptionSchema, Setting, complete};
use crate::time::Duration;
use crate::value::OwnedValue;

/// Reads lines of `name = value` and completes them with the defaults, as a host does.
pub fn read(text: &str, schemas: &[OptionSchema]) -> Result<Vec<Setting>, String> {
    let mut settings = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) =
            line.split_once('=').ok_or_else(|| format!("{line:?} is not `name = value`"))?;
        let (name, value) = (name.trim(), value.trim());
        let schema = schemas
            .iter()
            .find(|schema| schema.name == name)
            .ok_or_else(|| format!("there is no option {name:?}"))?;
        let value = read_value(value, schema)
            .ok_or_else(|| format!("{value:?} doesn't fit option {name:?}"))?;
        settings.push(Setting { name: name.to_owned(), value });
    }
    Ok(complete(schemas, &settings))
}

/// A text as it is, or in quotes with the escapes that samples have, where it has several lines or spaces at an end.
fn read_text(text: &str) -> Option<String> {
    if text.len() < 2 || !text.starts_with('"') || !text.ends_with('"') {
        return Some(text.to_owned());
    }
    let mut words = line::words(text).ok()?.into_iter();
    let word = words.next().filter(|_| words.next().is_none())?;
    String::from_utf8(word).ok()
}

fn read_value(text: &str, schema: &OptionSchema) -> Option<OwnedValue> {
    let value = match schema.kind {
        Kind::Text => OwnedValue::Text(read_text(text)?),
        Kind::Integer => OwnedValue::Integer(text.parse().ok()?),
        Kind::Float => OwnedValue::Float(text.parse().ok()?),
        Kind::Boolean => OwnedValue::Boolean(text.parse().ok()?),
        Kind::Duration => OwnedValue::Duration(Duration::from_nanoseconds(span::parse(text)?)),
        Kind::Time => return None,
    };
    let within = |number: i64| {
        schema.at_least.is_none_or(|least| number >= least)
            && schema.at_most.is_none_or(|most| number <= most)
    };
    let fits = match &value {
        OwnedValue::Integer(number) => within(*number),
        OwnedValue::Duration(span) => within(span.nanoseconds()),
        OwnedValue::Text(text) => {
            schema.choices.is_empty() || schema.choices.contains(&text.as_str())
        }
        _ => true,
    };
    fits.then_some(value)
}
