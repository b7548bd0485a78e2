//! Stacks and what is said about them, with made-up guests.

mod documents;
mod doors;
mod drop_in;
mod file;
mod flags;
mod good;
mod grants;
mod guests;
mod live_flags;
mod option_files;
mod same;
mod selection;
mod shares;
mod shown;
mod values;
mod whole;
mod yaml;

use super::raw::{RawStack, StackError};
use super::{Component, Guests, Stack};

/// Checks a stack's text, with everything that it names "loaded".
fn stack(text: &str) -> Result<Stack, Vec<String>> {
    match RawStack::parse(text, "stack.yaml") {
        Ok(raw) => checked(&raw),
        Err(StackError::Syntax(problem)) => Err(vec![problem.to_string()]),
        Err(error) => Err(vec![error.to_string()]),
    }
}

fn checked(raw: &RawStack) -> Result<Stack, Vec<String>> {
    let told = |problems: Vec<super::problem::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    Stack::check(raw, &load(raw)).map_err(told)
}

/// What a command line would find out before the check.
fn load(raw: &RawStack) -> Guests {
    let mut known = Guests {
        modules: vec!["sshd".into(), "report".into(), "quiet".into()],
        listeners: vec!["csv".into(), "log".into(), "mail".into()],
        ..Guests::default()
    };
    for wanted in raw.components() {
        let name = match &wanted.component {
            Component::Bundled(name) => name.clone(),
            Component::File(path) => {
                path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
            }
        };
        let described = guests::describe(&name);
        let loaded = match (&wanted.component, described) {
            (_, Some(description)) => Ok(description),
            (Component::Bundled(_), None) => continue,
            (Component::File(_), None) => Err("No such file or directory (os error 2)".to_owned()),
        };
        known.loaded.insert(wanted.component, loaded);
    }
    known
}

/// The problems of a stack, one a line; a stack without any has its warnings compared.
fn check(text: &str, expected: &str) {
    let told = match stack(text) {
        Ok(stack) => stack.warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems,
    };
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told, expected, "\n{}\nof\n{text}", told.join("\n"));
}

/// The problems of a stack with a source and the module `sshd`, and these lines behind them (from line 5).
fn check_with(lines: &str, expected: &str) {
    check(&format!("sources:\n  auth: {{ file: auth.log }}\nmodules:\n  sshd:\n{lines}"), expected);
}
