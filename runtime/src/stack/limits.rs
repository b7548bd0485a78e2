//! Limits: what was typed, over what holds otherwise.

use std::sync::Arc;

use super::node::{Key, Node};
use super::problem::{Problems, Wrong};
use super::{bound, suggest};
use crate::limit::{self, LIMITS, Limit, Limits};
use crate::text::clean;

/// Applies limits and gives the names of those that were typed.
pub(super) fn apply(
    entries: &[(Key, Arc<Node>)],
    limits: &mut Limits,
    problems: &mut Problems,
) -> Vec<&'static str> {
    let mut set = Vec::new();
    for (key, node) in entries {
        let Some(limit) = Limit::find(&key.text) else {
            let names: Vec<_> = LIMITS.iter().map(|limit| limit.name).collect();
            let name = clean(&key.text, limit::NAME_BYTES_MAX);
            let wrong = Wrong::new(format!("there is no limit `{name}`"));
            problems.error(&key.place, wrong.maybe(suggest::known(&key.text, &names)));
            continue;
        };
        if let Some(number) = problems.take(&node.place, read(limit, node)) {
            (limit.set)(limits, number);
            set.push(limit.name);
        }
    }
    set
}

fn read(limit: &Limit, node: &Node) -> Result<u64, Wrong> {
    let what = format!("limit `{}`", limit.name);
    bound::read(&what, limit.unit, limit.at_least..=limit.at_most, node)
}
