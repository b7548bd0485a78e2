//! Checkpoints that their guest did not take, kept aside under other names beside those that it makes now: whoever put the
//! wrong component in its place wants the state back.
//!
//! One takes no room as long as it is still there under its old name, and outlasts that. Nothing here is ever made to fit: a
//! guest takes a state or does not. This room must never know when one is tried.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, Shelf, read};
use crate::limit;
use crate::pipeline::RunError;

/// What the operator names one that the guest is to begin with, whatever it has saved since.
pub(super) const WANTED: &str = "wanted";

/// What the names of those end in that are kept aside.
fn endings() -> impl Iterator<Item = String> {
    (1..=limit::REFUSED_CHECKPOINTS_MAX).map(|number| format!("refused-{number}"))
}

/// Those of a guest.
pub(super) fn all(shelf: &Shelf) -> Vec<PathBuf> {
    let paths = endings().map(|ending| shelf.path(&ending));
    paths.filter(|path| fs::symlink_metadata(path).is_ok()).collect()
}

/// The same, the furthest first. What is damaged is told and left out.
pub(super) fn furthest_first(shelf: &Shelf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in all(shelf) {
        match read(&path) {
            Ok((checkpoint, _)) => found.push((checkpoint.place.cursor, path)),
            Err(error) => tracing::warn!("{}: {error}; it is not tried", path.display()),
        }
    }
    found.sort_by(|(far, a), (other, b)| other.cmp(far).then_with(|| a.cmp(b)));
    found.into_iter().map(|(_, path)| path).collect()
}

/// One of them, or one that the operator wants, and the component that made it. Nothing if there is none.
pub(super) fn one(path: &Path) -> Option<(Checkpoint, String)> {
    match read(path) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!("{}: {error}; it is not tried", path.display());
            None
        }
    }
}

/// Gives the checkpoints of these endings, the last first, names under which nobody writes over them. `needed` is left
/// where it is. Tells the names.
///
/// # Errors
/// That can't be done: whoever goes on would write over them.
pub(super) fn keep(
    shelf: &Shelf,
    refused: &[&str],
    needed: Option<&Path>,
) -> Result<Vec<PathBuf>, RunError> {
    let mut kept = Vec::new();
    for ending in refused {
        let from = shelf.path(ending);
        let failed = |error: io::Error| {
            RunError::State(format!(
                "{} can't be kept aside: {error}; mend that, or move it away yourself, before its guest works without it",
                from.display()
            ))
        };
        let there = all(shelf);
        let id = identity(&from).map_err(failed)?;
        if let Some(same) = there.iter().find(|path| identity(path).is_ok_and(|it| it == id)) {
            // It was kept by a start that came to no end.
            kept.push(same.clone());
            continue;
        }
        let mut places = endings().map(|ending| shelf.path(&ending));
        let to = if let Some(free) = places.find(|path| !there.contains(path)) {
            free
        } else {
            // The first ones are what was lost longest, and this one is the last: those between make room.
            let between = |path: &&PathBuf| Some(path.as_path()) != needed && !kept.contains(path);
            let Some(last) = there.iter().rfind(between) else { continue };
            tracing::warn!("{} makes room for another one", last.display());
            fs::remove_file(last).map_err(failed)?;
            last.clone()
        };
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).map_err(failed)?;
        kept.push(to);
    }
    sync(shelf).map_err(|error| RunError::State(format!("{}: {error}", shelf.folder.display())))?;
    Ok(kept)
}

/// Forgets those that this one of the same component makes needless: itself, and what lies behind it.
pub(super) fn forget_upto(
    shelf: &Shelf,
    used: &Path,
    (checkpoint, component): &(Checkpoint, String),
) {
    for path in all(shelf) {
        let needless = path == used
            || read(&path).is_ok_and(|(other, by)| {
                by == *component && other.place.cursor <= checkpoint.place.cursor
            });
        if needless {
            remove(&path);
        }
    }
    remove(used);
    // What is not gone for good is tried once more, which does no harm.
    let _ = sync(shelf);
}

/// Forgets names of checkpoints that the guest goes on from all the same.
pub(super) fn forget_same(shelf: &Shelf, ending: &str) {
    let Ok(id) = identity(&shelf.path(ending)) else { return };
    for path in all(shelf).iter().filter(|path| identity(path).is_ok_and(|it| it == id)) {
        remove(path);
    }
}

/// Forgets all of a guest that is forgotten.
pub(super) fn forget(shelf: &Shelf) {
    for ending in endings().chain([WANTED.to_owned()]) {
        let _ = fs::remove_file(shelf.path(&ending));
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("{} can't be removed: {error}; nobody needs it any more", path.display());
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let facts = fs::metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

fn sync(shelf: &Shelf) -> io::Result<()> {
    if shelf.through { File::open(&shelf.folder)?.sync_all() } else { Ok(()) }
}
