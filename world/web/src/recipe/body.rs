//! The body of a message: a tree of JSON, the fields of a form, or a column as it is.

use std::collections::BTreeMap;
use std::fmt::Write;

use correlator_world::Request;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::fill::{Scope, What};
use super::filter::{Known, plain};
use super::template::Template;

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Json(Tree),
    Form(Vec<(String, Template)>),
}

/// JSON whose texts have placeholders.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Fixed(Value),
    Text(Template),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Body {
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
        }
    }

    pub fn write(&self, scope: &Scope) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            Self::Json(tree) => {
                let value = tree.value(scope)?.unwrap_or(Value::Null);
                Ok(Zeroizing::new(value.to_string().into_bytes()))
            }
            Self::Form(fields) => form(fields, scope),
        }
    }

    /// All that its placeholders stand for.
    pub fn fills(&self) -> Vec<(&What, bool)> {
        let mut fills = Vec::new();
        match self {
            Self::Json(tree) => tree.gather(&mut fills),
            Self::Form(fields) => {
                fills.extend(fields.iter().flat_map(|(_, template)| template.fills()));
            }
        }
        fills
    }
}

impl Tree {
    pub fn read(value: &Value, known: &Known) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::read(text, known)?),
            Value::Array(items) => Self::List(
                items.iter().map(|item| Self::read(item, known)).collect::<Result<_, _>>()?,
            ),
            Value::Object(object) => Self::Object(
                object
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), Self::read(value, known)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => Self::Fixed(other.clone()),
        })
    }

    fn value(&self, scope: &Scope) -> Result<Option<Value>, String> {
        Ok(Some(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => return template.value(scope),
            Self::List(items) => {
                let items = items.iter().filter_map(|item| item.value(scope).transpose());
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Self::Object(entries) => {
                let mut object = Map::new();
                for (key, tree) in entries {
                    if let Some(value) = tree.value(scope)? {
                        object.insert(key.clone(), value);
                    }
                }
                Value::Object(object)
            }
        }))
    }

    fn gather<'a>(&'a self, fills: &mut Vec<(&'a What, bool)>) {
        match self {
            Self::Fixed(_) => {}
            Self::Text(template) => fills.extend(template.fills()),
            Self::List(items) => items.iter().for_each(|item| item.gather(fills)),
            Self::Object(entries) => entries.iter().for_each(|(_, tree)| tree.gather(fills)),
        }
    }
}

/// Reads the fields of a form.
pub(super) fn fields(
    given: &BTreeMap<String, String>,
    known: &Known,
) -> Result<Vec<(String, Template)>, String> {
    given.iter().map(|(name, text)| Ok((name.clone(), Template::read(text, known)?))).collect()
}

fn form(fields: &[(String, Template)], scope: &Scope) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut text = Zeroizing::new(String::new());
    for (name, template) in fields {
        let Some(value) = template.value(scope)? else { continue };
        if !text.is_empty() {
            text.push('&');
        }
        encode(name, &mut text);
        text.push('=');
        encode(&plain(&value), &mut text);
    }
    Ok(Zeroizing::new(text.as_bytes().to_vec()))
}

fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                into.push(char::from(byte));
            }
            b' ' => into.push('+'),
            other => {
                let _ = write!(into, "%{other:02X}");
            }
        }
    }
}

/// The column that is sent as it is, if the recipe names one and the request has it.
pub(super) fn raw(column: Option<&str>, request: &Request) -> Option<Zeroizing<Vec<u8>>> {
    let text = request.text(column?)?;
    Some(Zeroizing::new(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn forms_are_encoded() {
        let check = |text: &str, expected: &str| {
            let mut encoded = String::new();
            encode(text, &mut encoded);
            assert_eq!(encoded, expected);
        };
        check("a b&c=d", "a+b%26c%3Dd");
        check("+49 ü\r\n", "%2B49+%C3%BC%0D%0A");
        check("-_.*~", "-_.*%7E");
    }
}
