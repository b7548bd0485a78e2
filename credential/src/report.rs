//! What places have and what is lacking, for people: names and places, never values.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::name::Name;
use crate::settings::Place;

/// What puts a credential where its name follows.
pub(crate) const SET: &str = "correlator credential set ";

/// All credentials that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each with the places that have it; the first of them is the one that is used.
    pub names: BTreeMap<Name, Vec<Place>>,
    /// Places that don't say what they have, and why.
    pub unreachable: Vec<(Place, String)>,
}

/// Where a credential was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The place.
    pub place: Place,
    /// A place that is asked before it and has the same name: what is in there goes on to be used.
    pub shadowed_by: Option<Place>,
}

/// What became of a credential that was to be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The places that had it and don't have it any more.
    pub from: Vec<Place>,
    /// The places that may still have it, and why.
    pub remains: Vec<(Place, String)>,
}

/// Credentials that can't be got. Its words name all of them, each with what adds it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Lacking {
    /// Each of them, in the order in which they were asked for.
    pub wants: Vec<Want>,
}

/// A credential that can't be got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its name, fit to be shown.
    pub name: String,
    /// Whether a place that may have it does not answer. If not, it is nowhere.
    pub unreachable: bool,
    /// Why it can't be got.
    pub why: String,
    /// What the operator types to add it; nothing, if nothing can be called so.
    pub command: Option<String>,
}

impl Lacking {
    /// The same for a stack that has places of its own: what adds a credential names the stack, else it would be put where
    /// this one does not look.
    #[must_use]
    pub fn of_stack(mut self, stack: &Path) -> Self {
        for command in self.wants.iter_mut().filter_map(|want| want.command.as_mut()) {
            if command.starts_with(SET) {
                command.push(' ');
                command.push_str(&quoted(stack));
            }
        }
        self
    }
}

/// A path as a word of a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@=".contains(letter);
    if !path.is_empty() && path.chars().all(is_plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wants.len() {
            1 => f.write_str("a credential is lacking:")?,
            many => write!(f, "{many} credentials are lacking:")?,
        }
        for want in &self.wants {
            write!(f, "\n  {}: {}", want.name, want.why)?;
            if let Some(command) = &want.command {
                write!(f, "\n    add it: {command}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Lacking, Want};

    #[test]
    fn what_adds_a_credential_names_the_stack_whose_places_it_is_for() {
        let check = |command: &str, stack: &str, expected: &str| {
            let want = Want {
                name: "smtp".to_owned(),
                unreachable: false,
                why: "it is nowhere".to_owned(),
                command: Some(command.to_owned()),
            };
            let lacking = Lacking { wants: vec![want] }.of_stack(Path::new(stack));
            assert_eq!(lacking.wants[0].command.as_deref(), Some(expected));
        };
        let set = "correlator credential set smtp";
        check(set, "/etc/s.yaml", "correlator credential set smtp /etc/s.yaml");
        check(set, "my stack.yaml", "correlator credential set smtp 'my stack.yaml'");
        check(set, "it's; rm", r"correlator credential set smtp 'it'\''s; rm'");
        check("read -rs X && export X", "s.yaml", "read -rs X && export X");
    }
}
