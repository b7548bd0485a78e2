//! What several grants say of one thing of the world: they must say the same.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Checker;
use crate::stack::grant::Grant;
use crate::stack::grant::table::{DIRECTORY, NAME, TableGrant};
use crate::stack::grant::world::FIREWALL;
use crate::stack::node::{Key, Node, get};
use crate::stack::problem::{Place, Problems, Wrong};
use crate::stack::{ListenerInstance, reading};

const SETS: &str = "sets";
const TABLE: &str = "table";

/// A set as somebody's grant has it: whose, where its name stands, and what it does.
type Set<'a> = (&'a str, &'a Place, correlator_firewall::SetSettings);

impl Checker<'_> {
    pub(super) fn agree(&mut self, listeners: &[ListenerInstance], schemas: usize) {
        self.sets_agree();
        for (place, second) in listeners.iter().enumerate() {
            let mut before = listeners[..place].iter();
            if let Some(first) = before.find(|first| meet(first, second, schemas)) {
                self.files_meet(first, second);
            }
        }
    }

    /// A table file is one listener's at a time: the other would wait for it without end.
    fn files_meet(&mut self, first: &ListenerInstance, second: &ListenerInstance) {
        let Some(grant) = tables(second) else { return };
        let wrong = format!(
            "listener `{}` writes to the same files in `{}` as listener `{}`",
            second.name,
            grant.directory.display(),
            first.name
        );
        let (there, here) = (self.directory(first), self.directory(second));
        let wrong = Wrong::new(wrong).help(format!(
            "it has that folder at {there}; give each a folder of its own, or criteria that no event of one has in common \
             with the other"
        ));
        // What an option says of the files' names is the guest's own business.
        if first.settings == second.settings {
            self.problems.error(&here, wrong);
        } else {
            self.problems.warning(&here, wrong);
        }
    }

    /// Where a listener's folder was typed.
    fn directory(&self, listener: &ListenerInstance) -> Place {
        let mut all = self.raw.listeners.iter().chain(&self.raw.bare);
        let Some(raw) = all.find(|raw| raw.name.text == listener.name) else {
            return self.raw.place.clone();
        };
        let typed = get(&raw.grants, NAME).filter(|_| !self.raw.flags);
        let typed = typed.and_then(|grant| get(grant.map("").ok()?, DIRECTORY));
        typed.map_or(&raw.name.place, |node| &node.place).clone()
    }

    /// A set of the firewall is one, whoever puts something into it: two that would make it another thing would undo
    /// each other's rules without end.
    fn sets_agree(&mut self) {
        let raw = self.raw;
        let mut known: HashMap<(String, &str), Set<'_>> = HashMap::new();
        for listener in &raw.listeners {
            let Some(grant) = get(&listener.grants, FIREWALL) else { continue };
            for (table, key, set) in sets(grant) {
                let name = listener.name.text.as_str();
                let at = (table, key.text.as_str());
                let Some((first, place, other)) = known.get(&at) else {
                    known.insert(at, (name, &key.place, set));
                    continue;
                };
                if *other == set {
                    continue;
                }
                let wrong = Wrong::new(format!(
                    "set `{}` of table inet {} is another one in the grant of listener `{first}`",
                    at.1, at.0
                ));
                let differ = differ(other, &set).join("`, `");
                let help = format!(
                    "it is first at {place}, and `{differ}` must be the same; or give this one another name"
                );
                self.problems.error(&key.place, wrong.help(help));
            }
        }
    }
}

/// Whether both would write to the same files: they are one component, work in one folder, and may get the same events.
/// What another component calls its files nobody knows before it writes.
fn meet(one: &ListenerInstance, other: &ListenerInstance, schemas: usize) -> bool {
    let folder = |listener| tables(listener).and_then(|grant| whole(&grant.directory));
    let both = |schema| !one.compiled.never_for(schema) && !other.compiled.never_for(schema);
    one.component == other.component
        && folder(one).is_some_and(|it| folder(other) == Some(it))
        && (0..schemas).any(both)
}

fn tables(listener: &ListenerInstance) -> Option<&TableGrant> {
    listener.grants.iter().find_map(|grant| match grant {
        Grant::Table(grant) => Some(grant),
        _ => None,
    })
}

/// A path from the root on, so that two ways to write it are seen to be one.
fn whole(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok().map(|path| path.components().collect())
}

/// The sets of a grant, each with its table. What is wrong with one was told.
fn sets(grant: &Arc<Node>) -> Vec<(String, &Key, correlator_firewall::SetSettings)> {
    let Ok(entries) = grant.map("") else { return Vec::new() };
    let named = get(entries, TABLE).and_then(|node| node.scalar("").ok());
    let usual = correlator_firewall::Settings::default().table;
    let table = named.map_or(usual, str::to_owned);
    let sets = get(entries, SETS).and_then(|node| node.map("").ok()).unwrap_or_default();
    let read = |(_, node): &(Key, Arc<Node>)| reading::read(node, &mut Problems::default());
    sets.iter().filter_map(|set| Some((table.clone(), &set.0, read(set)?))).collect()
}

/// What two settings of a set do not have in common.
fn differ(
    one: &correlator_firewall::SetSettings,
    other: &correlator_firewall::SetSettings,
) -> Vec<&'static str> {
    let parts = [
        ("ports", one.ports != other.ports),
        ("protocol", one.protocol != other.protocol),
        ("hook", one.hook != other.hook),
        ("verdict", one.verdict != other.verdict),
        ("priority", one.priority != other.priority),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
