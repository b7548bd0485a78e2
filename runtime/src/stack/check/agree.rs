//! What several grants say of one thing of the world: they must say the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::Checker;
use crate::stack::grant::world::FIREWALL;
use crate::stack::node::{Key, Node, get};
use crate::stack::problem::{Place, Problems, Wrong};
use crate::stack::reading;

const SETS: &str = "sets";
const TABLE: &str = "table";

/// A set as somebody's grant has it: whose, where its name stands, and what it does.
type Set<'a> = (&'a str, &'a Place, correlator_firewall::SetSettings);

impl Checker<'_> {
    /// A set of the firewall is one, whoever puts something into it: two that would make it another thing would undo
    /// each other's rules without end.
    pub(super) fn sets_agree(&mut self) {
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
