//! Hostile guests, made from source while the tests run.
//!
//! Most are WebAssembly text with the canonical ABI written by hand: a file of `tests/guests/hostile` holds what differs
//! from an honest guest. Others are an honest guest with one lie in its description or in its answer, and some are
//! no guests at all. `tests/guests/README.md` says of each what it tries and what the engine must do.
//!
//! # Layout
//! - [`abi`]: values in a guest's memory
//! - [`contract`]: the contract's records, and honest descriptions
//! - [`draft`]: from parts to a component
//! - [`lies`]: descriptions that lie
//! - [`answers`]: turns that lie
//! - [`wishes`]: listeners that ask for what they must not get
//! - [`strangers`]: what is no guest, or one of something else
//! - [`bombs`]: what is dear to compile
//! - [`crowds`]: what declares too many of everything

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub mod abi;

pub mod contract;

pub mod draft;

pub mod lies;

pub mod answers;

pub mod wishes;

pub mod strangers;

pub mod bombs;

pub mod crowds;

use draft::World;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/hostile");
const EXTENSION: &str = "wat";
/// Before the name of a module's file: the same attack by a listener.
const BY_LISTENER: &str = "listener-";
/// The attacks that listeners try too.
const BY_LISTENERS: &[&str] = &[
    "endless-loop",
    "endless-configure",
    "endless-describe",
    "endless-save",
    "endless-statistics",
    "endless-realloc",
    "memory-bomb",
    "deep-recursion",
    "trap",
    "trap-in-configure",
    "trap-in-statistics",
    "poison",
    "fails-always",
    "error-control",
    "error-invalid-utf8",
    "log-flood",
    "log-control",
    "save-huge",
    "statistics-control",
    "result-case",
    "result-out-of-bounds",
];

/// The bytes of a guest.
///
/// # Panics
/// If there is no such guest, or its source is wrong: both are mistakes of the tests.
#[must_use]
pub fn hostile(name: &str) -> Vec<u8> {
    build(name).unwrap_or_else(|error| panic!("guest `{name}`: {error:#}"))
}

/// The names of all guests.
///
/// # Panics
/// If the folder of guests can't be read.
#[must_use]
pub fn names() -> Vec<String> {
    let files = files().expect("the folder of guests can be read");
    let by_files = files.iter().filter_map(|path| path.file_stem()?.to_str()).map(String::from);
    let mut names: Vec<String> = by_files.collect();
    names.extend(BY_LISTENERS.iter().map(|name| format!("{BY_LISTENER}{name}")));
    names.extend(in_tables().map(String::from));
    names.sort_unstable();
    names
}

fn files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(FOLDER).with_context(|| format!("could not read `{FOLDER}`"))? {
        files.push(entry?.path());
    }
    Ok(files)
}

fn all_lies() -> impl Iterator<Item = &'static lies::Lie> {
    [lies::NAMES, lies::EVENTS, lies::COLUMNS, lies::OPTIONS, lies::INTERESTS].into_iter().flatten()
}

fn all_answers() -> impl Iterator<Item = &'static answers::Answer> {
    [answers::ROWS, answers::CELLS].into_iter().flatten()
}

fn all_strangers() -> impl Iterator<Item = &'static strangers::Stranger> {
    [strangers::FILES, strangers::WORLDS, strangers::HONEST].into_iter().flatten()
}

fn in_tables() -> impl Iterator<Item = &'static str> {
    all_lies()
        .map(|it| it.name())
        .chain(lies::LISTENERS.iter().map(|it| it.name()))
        .chain(all_answers().map(|it| it.name()))
        .chain(answers::EFFECTS.iter().map(|it| it.name()))
        .chain(answers::target_names())
        .chain(all_strangers().map(|it| it.name()))
        .chain(bombs::ALL.iter().map(|it| it.name()))
        .chain(crowds::ALL.iter().map(|it| it.name()))
}

fn build(name: &str) -> Result<Vec<u8>> {
    let path = Path::new(FOLDER).join(name).with_extension(EXTENSION);
    if let Ok(file) = fs::read_to_string(&path) {
        return strangers::from_file(name, World::Module, &file);
    }
    let attack = name.strip_prefix(BY_LISTENER).filter(|attack| BY_LISTENERS.contains(attack));
    if let Some(attack) = attack {
        let path = Path::new(FOLDER).join(attack).with_extension(EXTENSION);
        return strangers::from_file(name, World::Listener, &fs::read_to_string(path)?);
    }
    from_tables(name)
}

fn from_tables(name: &str) -> Result<Vec<u8>> {
    if let Some(lie) = all_lies().find(|it| it.name() == name) {
        return lie.component();
    }
    if let Some(lie) = lies::LISTENERS.iter().find(|it| it.name() == name) {
        return lie.component();
    }
    if let Some(answer) = all_answers().find(|it| it.name() == name) {
        return answer.component();
    }
    if let Some(asking) = answers::EFFECTS.iter().find(|it| it.name() == name) {
        return asking.component();
    }
    if let Some(component) = answers::target(name) {
        return component;
    }
    if let Some(stranger) = all_strangers().find(|it| it.name() == name) {
        return stranger.bytes();
    }
    if let Some(bomb) = bombs::ALL.iter().find(|it| it.name() == name) {
        return bomb.component();
    }
    if let Some(crowd) = crowds::ALL.iter().find(|it| it.name() == name) {
        return crowd.component();
    }
    bail!("there is no such guest")
}

#[cfg(test)]
mod tests {
    use super::{build, files, in_tables, names};

    #[test]
    fn every_guest_can_be_made() {
        let failed = |name: &String| match build(name) {
            Ok(bytes) => (bytes.is_empty() != (name == "empty")).then(|| format!("{name}: empty")),
            Err(error) => Some(format!("{name}: {error:#}")),
        };
        let failures: Vec<String> = names().iter().filter_map(failed).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn every_file_says_what_it_tries_and_what_must_happen() {
        for path in files().expect("the folder can be read") {
            let text = std::fs::read_to_string(&path).expect("a guest's file can be read");
            let head = text.split(";;; ").next().unwrap_or_default();
            assert!(head.starts_with(";; ") && head.contains("\n;; Must: "), "{}", path.display());
        }
    }

    #[test]
    fn the_table_for_people_names_every_guest() {
        let table = include_str!("../guests/README.md");
        for name in names() {
            assert!(table.contains(&format!("`{name}`")), "`{name}` is not in the README");
        }
        assert!(in_tables().count() > 100);
    }
}
