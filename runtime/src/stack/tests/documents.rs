//! The manual's tables say what the code says.

use crate::limit::{LIMITS, Unit};
use crate::stack::value;

const MANUAL: &str = include_str!("../../../../docs/stacks.md");

/// A number as the manual writes it: with `_` between thousands, or with its unit.
fn text(unit: Unit, number: u64) -> String {
    match unit {
        Unit::Bytes if number < 1024 => number.to_string(),
        Unit::Bytes => value::size_text(number),
        Unit::Time => value::duration_text(i64::try_from(number).unwrap_or(i64::MAX)),
        Unit::Count => {
            let digits = number.to_string();
            let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().collect();
            String::from_utf8_lossy(&groups.join(&b'_')).into_owned()
        }
    }
}

#[test]
fn limits_are_in_the_manual_as_they_are() {
    let missing: Vec<String> = LIMITS
        .iter()
        .map(|limit| {
            let [default, least, most] =
                [limit.default, limit.at_least, limit.at_most].map(|n| text(limit.unit, n));
            let meaning = limit.meaning.trim_end_matches('.');
            format!("| `{}` | {default} | {least} | {most} | {meaning} |", limit.name)
        })
        .filter(|row| !MANUAL.lines().any(|line| line == row))
        .collect();
    assert!(missing.is_empty(), "docs/stacks.md lacks\n{}", missing.join("\n"));
}
