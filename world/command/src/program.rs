//! Whether a program is what the operator named: whoever may write it, or put another one in its place, would be who says
//! what is run.
//!
//! All that leads to it is looked at: each folder and each link, and where that leads. If only root and the engine's own
//! user may change these, nobody else can between a look and a run. This room must never know what a program is run for.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::limit;

const EVERYBODY_WRITES: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
/// In a folder that has it nobody moves what is another's.
const STICKY: u32 = 0o1000;

/// Whether a program can be run, and nobody but root and the engine's own user says what it is.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("`{shown}` is no whole path; nothing is searched for"));
    }
    let facts = path.metadata().map_err(|error| format!("{shown}: {error}"))?;
    if !facts.is_file() || facts.mode() & 0o111 == 0 {
        return Err(format!("{shown} is no file that can be run"));
    }
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    let mut rest = names(path);
    kept(&at)?;
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        at.push(name);
        if !kept(&at)?.is_symlink() {
            continue;
        }
        links += 1;
        let to = fs::read_link(&at).map_err(|error| format!("{}: {error}", at.display()))?;
        if links > limit::LINKS_MAX {
            return Err(format!("{shown} leads through more than {} links", limit::LINKS_MAX));
        }
        at.pop();
        if to.is_absolute() {
            at = "/".into();
        }
        rest.extend(names(&to));
    }
    Ok(())
}

/// The steps of a path, the first one last.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    let mut names: Vec<OsString> = names.collect();
    names.reverse();
    names
}

/// What is known of a file, a folder or a link, if nobody else may change it.
fn kept(path: &Path) -> Result<Metadata, String> {
    let shown = path.display();
    let facts = path.symlink_metadata().map_err(|error| format!("{shown}: {error}"))?;
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if ![0, user.as_raw()].contains(&facts.uid()) {
        return Err(format!(
            "{shown} belongs to user {}, who is neither root nor the engine's: who owns it says what is run; give it to \
             root (chown -h root {shown})",
            facts.uid()
        ));
    }
    // A link has no rights of its own.
    if facts.is_symlink() || facts.is_dir() && facts.mode() & STICKY != 0 {
        return Ok(facts);
    }
    if facts.mode() & EVERYBODY_WRITES != 0 {
        return Err(format!(
            "everybody may write {shown}; take that right away (chmod o-w {shown})"
        ));
    }
    if facts.mode() & GROUP_WRITES != 0 && ![0, group.as_raw()].contains(&facts.gid()) {
        return Err(format!(
            "group {} may write {shown}; take that right away (chmod g-w {shown})",
            facts.gid()
        ));
    }
    Ok(facts)
}
