//! A value as it was typed, with its place: what a stack file and the flags of a command line have in common.
//!
//! Scalars stay text, because what `010` or `1.10` means depends on what is wanted there. This room must never know
//! what any of the values are for.

use std::sync::Arc;

use super::problem::{Place, Problems, Wrong};
use super::suggest;
use crate::text::clean;

/// How much of a value is told when it is not what was expected.
const FOUND_BYTES_MAX: usize = 48;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Anything else that is one word or text.
    Scalar {
        text: String,
        /// Whether the text stands in the file as it is, so that places in it can be pointed at; and after how many
        /// characters, of quotes for one, it begins.
        verbatim: Option<u32>,
    },
    List(Vec<Arc<Node>>),
    Map(Vec<(Key, Arc<Node>)>),
}

/// A name and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Node {
    /// Words for what stands here.
    pub(super) fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar { text, .. } => format!("`{}`", clean(text, FOUND_BYTES_MAX)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The text of a scalar; `expected` says what ought to stand here.
    pub(super) fn scalar(&self, expected: &str) -> Result<&str, Wrong> {
        match &self.value {
            Value::Scalar { text, .. } => Ok(text),
            _ => Err(Wrong::new(format!("expected {expected}, found {}", self.found()))),
        }
    }

    /// The entries of a mapping; nothing at all counts as an empty one.
    pub(super) fn map(&self, expected: &str) -> Result<&[(Key, Arc<Self>)], Wrong> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            Value::Null => Ok(&[]),
            _ => Err(Wrong::new(format!("expected {expected}, found {}", self.found()))),
        }
    }

    /// The values of a list, or the one value that stands in its place.
    pub(super) fn one_or_many(self: &Arc<Self>) -> Vec<Arc<Self>> {
        match &self.value {
            Value::List(nodes) => nodes.clone(),
            _ => vec![self.clone()],
        }
    }

    /// Where this character of a scalar's text stands, and whether that is exact.
    pub(super) fn place_within(&self, character: u32, width: u32) -> (Place, bool) {
        let (Value::Scalar { text, verbatim: Some(start) }, Place::File { file, line, column, .. }) =
            (&self.value, &self.place)
        else {
            return (self.place.clone(), false);
        };
        let before: String = text.chars().take(character as usize).collect();
        let lines = before.matches('\n').count() as u32;
        let after = before.rsplit('\n').next().map_or(0, |last| last.chars().count() as u32);
        let start = if lines == 0 { *start } else { 0 };
        let (line, column) = (line + lines, column + start + after);
        (Place::File { file: file.clone(), line, column, width }, true)
    }
}

/// The value of this name in a mapping.
pub(super) fn get<'a>(entries: &'a [(Key, Arc<Node>)], name: &str) -> Option<&'a Arc<Node>> {
    entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
}

/// Complains of every name in a mapping that is not one of those that `what` may have.
pub(super) fn only(
    entries: &[(Key, Arc<Node>)],
    what: &str,
    names: &[&str],
    problems: &mut Problems,
) {
    for (key, _) in entries {
        if !names.contains(&key.text.as_str()) {
            let wrong =
                Wrong::new(format!("{what} has no `{}`", clean(&key.text, FOUND_BYTES_MAX)));
            problems.error(&key.place, wrong.maybe(suggest::known(&key.text, names)));
        }
    }
}
