//! Limits: what was typed, over what holds otherwise.

use std::sync::Arc;

use super::node::{Key, Node};
use super::problem::{Problems, Wrong};
use super::{suggest, value};
use crate::limit::{self, LIMITS, Limit, Limits, Unit};
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
    let name = limit.name;
    let named = |wrong: Wrong| Wrong {
        message: format!("limit `{name}`: {}", wrong.message),
        help: wrong.help,
    };
    let number = match limit.unit {
        Unit::Count => node.scalar("a number").and_then(value::integer).map(u64::try_from),
        Unit::Bytes => node.scalar("a size such as `64MiB`").and_then(value::size).map(Ok),
        Unit::Time => {
            node.scalar("a duration such as `2s`").and_then(value::duration).map(u64::try_from)
        }
    };
    let number = number.map_err(named)?;
    match number {
        Ok(number) if (limit.at_least..=limit.at_most).contains(&number) => Ok(number),
        _ => Err(Wrong::new(format!(
            "limit `{name}` must be between {} and {}, found {}",
            text(limit.unit, limit.at_least),
            text(limit.unit, limit.at_most),
            node.found()
        ))),
    }
}

/// A limit as it is written in a stack.
pub(super) fn text(unit: Unit, number: u64) -> String {
    match unit {
        Unit::Count => number.to_string(),
        Unit::Bytes => value::size_text(number),
        Unit::Time => value::duration_text(i64::try_from(number).unwrap_or(i64::MAX)),
    }
}
