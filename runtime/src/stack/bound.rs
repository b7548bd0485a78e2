//! Numbers, sizes and spans of time between two bounds.
//!
//! Limits and settings share it. This room must never know which of them it reads.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::node::Node;
use super::problem::Wrong;
use super::value;
use crate::limit::Unit;

/// A number of this unit; `what` is what people call it.
pub(super) fn read(
    what: &str,
    unit: Unit,
    bounds: RangeInclusive<u64>,
    node: &Node,
) -> Result<u64, Wrong> {
    let number = match unit {
        Unit::Count => node.scalar("a number").and_then(value::integer).map(u64::try_from),
        Unit::Bytes => node.scalar("a size such as `64MiB`").and_then(value::size).map(Ok),
        Unit::Time => {
            node.scalar("a duration such as `2s`").and_then(value::duration).map(u64::try_from)
        }
    };
    let number = number.map_err(|wrong| Wrong {
        message: format!("{what}: {}", wrong.message),
        help: wrong.help,
    })?;
    match number {
        Ok(number) if bounds.contains(&number) => Ok(number),
        _ => Err(Wrong::new(format!(
            "{what} must be between {} and {}, found {}",
            text(unit, *bounds.start()),
            text(unit, *bounds.end()),
            node.found()
        ))),
    }
}

/// A span of time.
pub(super) fn time(
    what: &str,
    bounds: RangeInclusive<Duration>,
    node: &Node,
) -> Result<Duration, Wrong> {
    let (least, most) = bounds.into_inner();
    read(what, Unit::Time, nanoseconds(least)..=nanoseconds(most), node).map(Duration::from_nanos)
}

/// A number as it is written in a stack.
pub(super) fn text(unit: Unit, number: u64) -> String {
    match unit {
        Unit::Count => number.to_string(),
        Unit::Bytes => value::size_text(number),
        Unit::Time => value::duration_text(i64::try_from(number).unwrap_or(i64::MAX)),
    }
}

/// A span of time as it is written in a stack.
pub(super) fn time_text(time: Duration) -> String {
    text(Unit::Time, nanoseconds(time))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
