//! A text with placeholders.

use serde_json::Value;

use super::fill::{Scope, What};
use super::filter::{Filter, Known, plain};

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(String),
    Fill { what: What, optional: bool, filters: Vec<Filter> },
}

impl Template {
    pub fn read(text: &str, known: &Known) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(tail) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = tail;
                continue;
            }
            let end = rest.find('}').filter(|_| brace == "{");
            let end = end.ok_or_else(|| {
                format!("`{text}` has a `{brace}` without its counterpart; a brace itself is written twice")
            })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(fill(&rest[..end], known)?);
            rest = &rest[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    /// The value of a text that is one placeholder and nothing else, with its kind; else a text. Nothing if an optional
    /// one is absent.
    pub fn value(&self, scope: &Scope) -> Result<Option<Value>, String> {
        match &*self.0 {
            [Part::Fill { what, optional, filters }] => filled(what, *optional, filters, scope),
            _ => self.text(scope).map(|text| Some(Value::String(text))),
        }
    }

    pub fn text(&self, scope: &Scope) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Fill { what, optional, filters } => {
                    let value = filled(what, *optional, filters, scope)?;
                    text.push_str(&value.as_ref().map(plain).unwrap_or_default());
                }
            }
        }
        Ok(text)
    }

    /// Whether it is this placeholder and nothing else.
    pub fn is_only(&self, wanted: &What) -> bool {
        matches!(&*self.0, [Part::Fill { what, .. }] if what == wanted)
    }

    /// What its placeholders stand for, and whether they may be absent.
    pub fn fills(&self) -> impl Iterator<Item = (&What, bool)> {
        self.0.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Fill { what, optional, .. } => Some((what, *optional)),
        })
    }
}

fn fill(text: &str, known: &Known) -> Result<Part, String> {
    let mut pieces = text.split(':');
    let name = pieces.next().unwrap_or_default();
    let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
    let what = What::read(name)?;
    let filters = pieces.map(|piece| Filter::read(piece, known)).collect::<Result<_, _>>()?;
    Ok(Part::Fill { what, optional, filters })
}

fn filled(
    what: &What,
    optional: bool,
    filters: &[Filter],
    scope: &Scope,
) -> Result<Option<Value>, String> {
    let mut value = what.find(scope);
    for filter in filters {
        value = filter.apply(value).map_err(|why| format!("{}: {why}", what.name()))?;
    }
    if value.is_none() && !optional {
        return Err(format!("{} is missing", what.name()));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use correlator_world::{Cell, Kind, Request};
    use serde_json::{Value, json};

    use super::super::filter::Known;
    use super::{Scope, Template};

    fn request() -> Request {
        let cells = [
            ("summary", Cell::Text("so \"it\" goes}".into())),
            ("severity", Cell::Integer(3)),
            ("time", Cell::Time(1_000_000_000)),
            ("took", Cell::Duration(1_500_000_000)),
            ("ratio", Cell::Float(f64::NAN)),
            ("fields", Cell::Text("{\"a\":1}".into())),
            ("none", Cell::Absent(Kind::Text)),
        ];
        let cells = cells.map(|(name, cell)| (name.to_owned(), cell)).to_vec();
        Request { id: "r-1".into(), target: "t".into(), cells }
    }

    fn fill(text: &str) -> Result<Option<Value>, String> {
        let values = BTreeMap::from([("who".to_owned(), Some("me".to_owned()))]);
        let scope = Scope { request: &request(), values: &values, credential: "***" };
        Template::read(text, &Known::default())?.value(&scope)
    }

    #[test]
    fn placeholders_are_filled() {
        let check = |text: &str, expected: Value| {
            assert_eq!(fill(text), Ok(Some(expected)), "{text}");
        };
        check("plain", json!("plain"));
        check("{{{severity}}}", json!("{3}"));
        check("{severity}", json!(3));
        check("{severity:text}", json!("3"));
        check("[{severity}] {summary}", json!("[3] so \"it\" goes}"));
        check("{time}", json!("1970-01-01T00:00:01Z"));
        check("{took}", json!(1.5));
        check("{ratio}", json!("NaN"));
        check("{$who} {@id} {@credential}", json!("me r-1 ***"));
        check("a{none?}b", json!("ab"));
        check("{none:or x}", json!("x"));
        check("{fields:json}", json!({"a": 1}));
        assert_eq!(fill("{none?}"), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected: &str| {
            let said = fill(text);
            assert!(said.as_ref().is_err_and(|e| e.contains(expected)), "{text}: {said:?}");
        };
        check("{absent}", "the column `absent` is missing");
        check("{none}", "the column `none` is missing");
        check("{$nobody}", "`nobody` under `values` is missing");
        check("{summary", "without its counterpart");
        check("summary}", "without its counterpart");
        check("{}", "there is no placeholder");
        check("{@now}", "there is no placeholder");
        check("{summary:json}", "the column `summary`: it is no JSON");
    }

    #[test]
    fn all_columns_make_an_object() {
        let expected = json!({
            "summary": "so \"it\" goes}", "severity": 3, "time": "1970-01-01T00:00:01Z", "took": 1.5,
            "ratio": "NaN", "fields": {"a": 1},
        });
        assert_eq!(fill("{@all}"), Ok(Some(expected)));
    }
}
