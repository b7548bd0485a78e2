//! What places have and what is lacking, for people: names and places, never values.

use std::collections::BTreeMap;
use std::fmt;

use crate::name::Name;
use crate::settings::Place;

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
