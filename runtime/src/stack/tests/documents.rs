//! The manual's tables say what the code says.

use std::fmt::Write;

use super::stack;
use crate::limit::{LIMITS, Unit};
use crate::stack::flags::Flags;
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

/// The examples of the manual, each with the line in which it begins.
fn examples() -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = MANUAL.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(indent) = line.find("```yaml") else { continue };
        let within = lines.by_ref().map(|(_, line)| line).take_while(|line| !line.contains("```"));
        let text: Vec<_> = within.map(|line| line.get(indent..).unwrap_or_default()).collect();
        found.push((number + 2, text.join("\n")));
    }
    found
}

#[test]
fn the_examples_are_good_stacks() {
    let examples = examples();
    assert!(examples.len() >= 10, "only {} examples were found", examples.len());
    for (line, mut text) in examples {
        // One shows mistakes, and says so; one names a file that is to stand beside it.
        if text.contains("login_failure_limt") || text.contains("{ file: mails/") {
            continue;
        }
        for (part, least) in [("sources", "{ least: { file: x } }"), ("modules", "{ quiet: }")] {
            if !text.lines().any(|line| line.starts_with(part)) {
                let _ = write!(text, "\n{part}: {least}");
            }
        }
        if let Err(problems) = stack(&text) {
            panic!("docs/stacks.md:{line}\n{}\n{text}", problems.join("\n"));
        }
    }
}

/// Whether the manual has this name as code.
fn told(name: &str) -> bool {
    MANUAL.contains(&format!("`{name}`"))
}

#[test]
fn every_key_and_flag_is_in_the_manual() {
    use crate::stack::source::key;
    let keys = [
        key::FOLLOW,
        key::CONNECTIONS,
        key::PER_ADDRESS,
        key::IDLE,
        key::BYTES_IN_FLIGHT,
        key::CERTIFICATE,
        key::KEY,
        key::CLIENT_AUTHORITY,
        key::CLIENT_NAMES,
        key::BUFFER,
        key::MODE,
    ];
    let whole = ["state", "control", "capture", "socket", "metrics", "watch", "drop_in"];
    let modules = ["instances", "partition_by", "enabled"];
    let kept = crate::stack::keeping::NAMES;
    let all = keys.into_iter().chain(key::DOORS).chain(key::EVERY).chain(whole).chain(modules);
    let missing: Vec<_> = all.chain(kept).filter(|name| !told(name)).collect();
    assert!(missing.is_empty(), "docs/stacks.md lacks {missing:?}");
    // The names of flags are those of the struct that holds them.
    let flags = format!("{:?}", Flags::default());
    let names =
        flags.trim_start_matches("Flags {").split(", ").filter_map(|it| it.split(':').next());
    for name in names.map(str::trim) {
        let name = match name {
            "client_names" => "client-name".to_owned(),
            "modules" | "listeners" | "files" | "options" | "limits" => {
                name.trim_end_matches('s').to_owned()
            }
            _ => name.replace('_', "-"),
        };
        assert!(MANUAL.contains(&format!("--{name}")), "docs/stacks.md lacks --{name}");
    }
}
