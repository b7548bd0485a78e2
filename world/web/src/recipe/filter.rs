//! What is done to a value on its way into a text.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use correlator_world::text::hides;
use ring::digest::{SHA256, digest};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::words::clean;
use crate::limit;

/// The tables and escapes of a recipe, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Known<'a> {
    pub tables: Option<&'a BTreeMap<String, Vec<String>>>,
    pub escapes: Option<&'a BTreeMap<String, BTreeMap<String, String>>>,
}

/// How long the hash is that a shortened id ends with: 128 bits, so that no two are the same.
const HASH_CHARACTERS: usize = 32;

/// What is done to a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Or(String),
    Line,
    Cut(usize),
    Short(usize),
    Json,
    Text,
    Lines,
    Table(Vec<String>),
    Escape(BTreeMap<String, String>),
}

impl Filter {
    pub fn read(text: &str, known: &Known) -> Result<Self, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let table = |name| known.tables.and_then(|tables| tables.get(name));
        let escape = |name| known.escapes.and_then(|escapes| escapes.get(name));
        match word {
            "or" => Ok(Self::Or(rest.to_owned())),
            "line" => Ok(Self::Line),
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            "lines" => Ok(Self::Lines),
            "cut" => rest.parse().map(Self::Cut).map_err(|_| {
                format!("filter `{text}`: `cut` wants a number of characters, such as `cut 200`")
            }),
            "short" => match rest.parse() {
                Ok(most) if most > HASH_CHARACTERS => Ok(Self::Short(most)),
                _ => Err(format!(
                    "filter `{text}`: `short` wants a number of characters above {HASH_CHARACTERS}, such as `short 100`"
                )),
            },
            name => match (table(name), escape(name)) {
                (Some(table), _) => Ok(Self::Table(table.clone())),
                (_, Some(escape)) => Ok(Self::Escape(escape.clone())),
                _ => Err(format!(
                    "there is no filter `{name}`; it can be or, line, cut, short, json, text, lines, or one of the `tables` and \
                     `escapes`"
                )),
            },
        }
    }

    /// Applies it. Why not is told without the value.
    pub fn apply(&self, value: Option<Value>) -> Result<Option<Value>, String> {
        let Some(value) = value else {
            return Ok(match self {
                Self::Or(text) => Some(Value::String(text.clone())),
                _ => None,
            });
        };
        Ok(Some(match self {
            Self::Or(_) => value,
            Self::Line => Value::String(clean(&plain(&value))),
            Self::Cut(characters) => Value::String(cut(&plain(&value), *characters)),
            Self::Short(characters) => Value::String(short(&plain(&value), *characters)),
            Self::Json => json(value)?,
            Self::Text => Value::String(plain(&value)),
            Self::Lines => Value::String(lines(&value)),
            Self::Table(entries) => Value::String(entry(&value, entries)?),
            Self::Escape(map) => Value::String(escape(&plain(&value), map)),
        }))
    }
}

/// A value as a text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn cut(text: &str, characters_max: usize) -> String {
    if text.char_indices().nth(characters_max).is_none() {
        return text.to_owned();
    }
    // One character less makes room for the sign that there was more.
    let end = text.char_indices().nth(characters_max.saturating_sub(1));
    let end = end.map_or(text.len(), |(at, _)| at);
    format!("{}\u{2026}", &text[..end])
}

/// An id that is not longer than this. Of a longer one the start is left, and the hash of all of it: two different ones stay
/// two.
pub(super) fn short(id: &str, characters_max: usize) -> String {
    if id.char_indices().nth(characters_max).is_none() {
        return id.to_owned();
    }
    let mut short: String =
        id.chars().take(characters_max.saturating_sub(HASH_CHARACTERS + 1)).collect();
    short.push('-');
    for byte in &digest(&SHA256, id.as_bytes()).as_ref()[..HASH_CHARACTERS / 2] {
        let _ = write!(short, "{byte:02x}");
    }
    short
}

fn json(value: Value) -> Result<Value, String> {
    match value {
        Value::String(text) => serde_json::from_str(&text).map_err(|_| "it is no JSON".to_owned()),
        other => Ok(other),
    }
}

fn lines(value: &Value) -> String {
    let entries: Option<Entries> = match value {
        Value::Object(_) => serde_json::from_value(value.clone()).ok(),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    };
    let Some(Entries(entries)) = entries else { return plain(value) };
    let line =
        |(name, value): &(String, Value)| format!("{}: {}", clean(name), clean(&plain(value)));
    let mut lines: Vec<_> = entries.iter().take(limit::LINES_MAX).map(line).collect();
    if entries.len() > limit::LINES_MAX {
        lines.push(format!("... {} more", entries.len() - limit::LINES_MAX));
    }
    lines.join("\n")
}

/// The entries of an object in their order, which says what matters most.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn entry(value: &Value, entries: &[String]) -> Result<String, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.and_then(|number| entries.get(number)).cloned().ok_or_else(|| {
        format!("it is no whole number from 0 to {}", entries.len().saturating_sub(1))
    })
}

fn escape(text: &str, map: &BTreeMap<String, String>) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        match map.get(&*character.encode_utf8(&mut buffer)) {
            Some(instead) => escaped.push_str(instead),
            None if matches!(character, '\n' | '\t') => escaped.push(character),
            None if hides(character) => {}
            None => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{Filter, Known};

    fn filter(text: &str) -> Filter {
        let tables = BTreeMap::from([("level".into(), vec!["zero".into(), "one".into()])]);
        let escapes =
            BTreeMap::from([("html".into(), BTreeMap::from([("<".into(), "&lt;".into())]))]);
        let known = Known { tables: Some(&tables), escapes: Some(&escapes) };
        Filter::read(text, &known).unwrap()
    }

    #[test]
    fn filters_change_values() {
        let check = |text: &str, value: Value, expected: Value| {
            assert_eq!(filter(text).apply(Some(value)), Ok(Some(expected)), "{text}");
        };
        check("line", json!("a\r\nb"), json!("a  b"));
        check("cut 3", json!("abc"), json!("abc"));
        check("cut 3", json!("äöüß"), json!("äö\u{2026}"));
        check("json", json!("{\"a\": [1]}"), json!({"a": [1]}));
        check("text", json!(5), json!("5"));
        check("lines", json!("{\"b\": 1, \"a\\n\": \"x\\ny\"}"), json!("b: 1\na: x y"));
        check("lines", json!("no object"), json!("no object"));
        check("level", json!(1), json!("one"));
        check("level", json!("0"), json!("zero"));
        check("html", json!("<b>\u{202e}\x07\n"), json!("&lt;b>\n"));
        check("or 5", json!(3), json!(3));
    }

    #[test]
    fn ids_that_are_shortened_stay_apart() {
        let check = |id: &str, expected: &str| {
            let found = filter("short 40").apply(Some(json!(id)));
            assert_eq!(found, Ok(Some(json!(expected))));
        };
        let forty = "0123456789".repeat(4);
        check(&forty, &forty);
        check(&format!("{forty}:1"), "0123456-226309e9fa5917e8e2f46481af73179f");
        check(&format!("{forty}:2"), "0123456-defe4e48d2571c16adf1b96c378225e1");
        check(&"ä".repeat(40), &"ä".repeat(40));
        assert!(Filter::read("short 32", &Known::default()).is_err());
        assert!(Filter::read("short", &Known::default()).is_err());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert_eq!(filter("or 5").apply(None), Ok(Some(json!("5"))));
        assert_eq!(filter("line").apply(None), Ok(None));
        assert!(filter("json").apply(Some(json!("{"))).is_err());
        assert!(filter("level").apply(Some(json!(2))).is_err());
        assert!(filter("level").apply(Some(json!(-1))).is_err());
        assert!(Filter::read("nothing", &Known::default()).is_err());
        assert!(Filter::read("cut", &Known::default()).is_err());
    }
}
