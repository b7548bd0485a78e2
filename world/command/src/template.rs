//! Arguments with places for values.
//!
//! A value fills its place and nothing else: it is never split, and never looked at for places of its own.

use std::collections::BTreeMap;

use correlator_world::Refused;

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(String),
}

/// A value that may be filled in.
#[derive(Debug)]
pub(crate) struct Filling {
    pub text: String,
    pub leading_dash: bool,
}

impl Template {
    /// Reads one: `{NAME}` is a place, `{{` and `}}` are braces.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("a NUL can't stand in an argument".into());
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(place) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(place);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.push_str(&from[..1]);
                rest = after;
            } else {
                let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
                let (name, after) = inside
                    .filter(|(name, _)| is_name(name))
                    .ok_or("a lone brace; write `{NAME}` for a value, `{{` and `}}` for braces")?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Value(name.to_owned()));
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The names of its values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The argument with its values.
    pub fn fill(&self, values: &BTreeMap<String, Filling>) -> Result<String, Refused> {
        let mut made = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => made.push_str(text),
                Piece::Value(name) => {
                    let value = values
                        .get(name)
                        .ok_or_else(|| Refused::Malformed(format!("`{name}` has no value")))?;
                    if made.is_empty() && value.text.starts_with('-') && !value.leading_dash {
                        return Err(Refused::Denied(format!(
                            "`{name}` begins with a dash, which would make an option of it; write `leading_dash: true` \
                             in the stack if the program knows better"
                        )));
                    }
                    made.push_str(&value.text);
                }
            }
        }
        Ok(made)
    }
}

/// Whether something is the name of a value.
pub(crate) fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(letters)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Filling, Template};

    fn fill(template: &str, values: &[(&str, &str)]) -> Result<String, String> {
        let template = Template::new(template)?;
        let filling = |text: &str| Filling { text: text.into(), leading_dash: false };
        let values: BTreeMap<_, _> =
            values.iter().map(|(name, text)| ((*name).into(), filling(text))).collect();
        template.fill(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn filled() {
        let check = |template: &str, values: &[(&str, &str)], expected: &str| {
            assert_eq!(fill(template, values).as_deref(), Ok(expected), "{template}");
        };
        check("plain", &[], "plain");
        check("", &[], "");
        check("{a}", &[("a", "x y; rm -rf / $(id) `id` \"'")], "x y; rm -rf / $(id) `id` \"'");
        check("--ip={a}/{b}", &[("a", "1"), ("b", "2")], "--ip=1/2");
        check("--ip={a}", &[("a", "-x")], "--ip=-x");
        check("{a}{b}", &[("a", "{b}"), ("b", "-2")], "{b}-2");
        check("{{a}} {{{a}}}", &[("a", "1")], "{a} {1}");
    }

    #[test]
    fn not_filled() {
        let check = |template: &str, values: &[(&str, &str)], expected: &str| {
            let error = fill(template, values).expect_err("refused");
            assert!(error.contains(expected), "{template}: {error}");
        };
        check("{a}", &[("a", "-rf")], "begins with a dash");
        check("{a}{b}", &[("a", ""), ("b", "-x")], "begins with a dash");
        check("{a}", &[], "`a` has no value");
        for wrong in ["{", "}", "{a", "a}", "{}", "{A}", "{a b}", "{1}", "{a}}"] {
            check(wrong, &[("a", "1")], "lone brace");
        }
        check("a\0b", &[], "NUL");
    }
}
