//! What a stack allows one listener to ask for: one file for each capability, all of one shape.
//!
//! A new capability is a file here with `NAME`, `read` and `explain`, and a line in each `match` below. Without a grant
//! the answer is no. This room must never know how a capability does its work.

mod about;
pub(super) mod allow;
pub mod bounds;
pub mod log;
pub mod retry;
mod secrets;
pub mod table;
pub mod world;

use std::path::Path;
use std::sync::Arc;

use correlator_world::allow::Allow;
use jiff::tz::TimeZone;
use log::LogGrant;
use table::TableGrant;
use world::WorldGrant;

use super::node::{Key, Node, Value};
use super::problem::{Place, Problems, Wrong};
use super::{suggest, value};

/// What a listener may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Lines in the engine's log.
    Log(LogGrant),
    /// Rows in files of one folder.
    Table(TableGrant),
    /// What a capability does that is a crate of its own.
    World(Box<WorldGrant>),
}

/// The names of all capabilities.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let others = world::KNOWN.iter().map(|known| known.name);
    [log::NAME, table::NAME].into_iter().chain(others).collect()
}

impl Grant {
    /// The capability's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Log(_) => log::NAME,
            Self::Table(_) => table::NAME,
            Self::World(grant) => grant.name,
        }
    }

    /// Whether what is asked for is only planned.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        matches!(self, Self::World(grant) if grant.dry_run)
    }

    /// Its parts: name, value, default, meaning.
    pub(super) fn explain(&self) -> Vec<Explained> {
        match self {
            Self::Log(grant) => grant.explain(),
            Self::Table(grant) => grant.explain(),
            Self::World(grant) => grant.explain(),
        }
    }

    fn read(name: &str, body: &Body<'_>, problems: &mut Problems) -> Option<Self> {
        match name {
            log::NAME => LogGrant::read(body, problems).map(Self::Log),
            table::NAME => TableGrant::read(body, problems).map(Self::Table),
            _ => WorldGrant::read(world::known(name)?, body, problems)
                .map(|grant| Self::World(Box::new(grant))),
        }
    }

    /// What to type to grant a capability.
    pub(super) fn example(name: &str) -> Option<&'static str> {
        match name {
            log::NAME => Some(log::EXAMPLE),
            table::NAME => Some(table::EXAMPLE),
            _ => world::known(name).map(|known| known.example),
        }
    }
}

/// A part of a grant, for people.
pub(super) struct Explained {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) default: Option<String>,
    pub(super) meaning: &'static str,
}

/// What was typed for one grant.
pub(super) struct Body<'a> {
    /// Where the grant stands.
    pub(super) place: &'a Place,
    /// Its parts.
    pub(super) entries: Parts<'a>,
    /// What relative paths are relative to.
    pub(super) folder: &'a Path,
    /// The zone of moments without one.
    pub(super) zone: &'a TimeZone,
    /// Who is never acted against, whoever asks.
    pub(super) allow: &'a Allow,
}

/// What of the whole stack its grants go by.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    /// The zone of moments without one.
    pub(super) zone: &'a TimeZone,
    /// Who is never acted against, whoever asks.
    pub(super) allow: &'a Allow,
}

/// What was typed in a grant, by name.
type Parts<'a> = &'a [(Key, Arc<Node>)];

/// The grants that were typed, each with its place.
pub(super) fn read(
    entries: &[(Key, Arc<Node>)],
    folder: &Path,
    whole: Whole<'_>,
    problems: &mut Problems,
) -> Vec<(Place, Grant)> {
    let mut grants = Vec::new();
    for (key, node) in entries {
        let place = &key.place;
        let names = names();
        let Some(&name) = names.iter().find(|name| **name == key.text) else {
            let name = crate::text::clean(&key.text, crate::limit::NAME_BYTES_MAX);
            let wrong = Wrong::new(format!("there is no capability `{name}` to grant"));
            problems.error(place, wrong.maybe(suggest::known(&key.text, &names)));
            continue;
        };
        let Some(entries) = problems.take(&node.place, parts(name, node)).flatten() else {
            continue;
        };
        let Whole { zone, allow } = whole;
        let grant = Grant::read(name, &Body { place, entries, folder, zone, allow }, problems);
        grants.extend(grant.map(|grant| (place.clone(), grant)));
    }
    grants
}

/// The parts of a grant; none for `true`, no grant for `false`.
fn parts<'a>(name: &str, node: &'a Node) -> Result<Option<Parts<'a>>, Wrong> {
    match &node.value {
        Value::Map(entries) => Ok(Some(entries)),
        Value::Scalar { text, .. } if value::boolean(text) == Ok(true) => Ok(Some(&[])),
        Value::Scalar { text, .. } if value::boolean(text) == Ok(false) => Ok(None),
        _ => {
            let wrong = Wrong::new(format!(
                "grant `{name}`: expected a mapping or `true`, found {}",
                node.found()
            ));
            Err(wrong.maybe(Grant::example(name).map(|example| format!("write `{example}`"))))
        }
    }
}
