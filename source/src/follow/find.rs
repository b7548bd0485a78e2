//! Where a file went that is not under its name any more.
//!
//! Rotation gives a file another name in the same folder, or copies it there and empties it. While somebody looks, its
//! open descriptor follows it; what happened while nobody looked is found out here. Renamed files are known by their
//! identity, copies by what is in them. Files that came and were rotated in between, so that nobody ever saw them under
//! their own name, are known by the names that rotation gives and by being younger than the last one that was seen.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use correlator_wire::file;

use super::folders::{Folders, places};
use super::names::folder;
use crate::identity::{self, Edges, Identity, Print};

/// What is put behind the names of compressed files.
const COMPRESSED: [&str; 6] = [".gz", ".zst", ".xz", ".bz2", ".Z", ".lz4"];
/// Characters of dates, times and numbers.
const STAMP: &[u8] = b"0123456789-_.:+T";

/// A file that was found.
pub(super) struct Found {
    pub path: PathBuf,
    pub file: File,
    pub facts: Metadata,
}

impl Found {
    /// Opens what a path names, without waiting for anything.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = file::open_at_once(path)?;
        let facts = file.metadata()?;
        Ok(Self { path: path.to_owned(), file, facts })
    }

    pub fn identity(&self) -> Identity {
        Identity::of(&self.facts)
    }

    /// What comes after it can't be older than.
    pub fn since(&self) -> Since {
        Since { born: self.identity().born, modified: identity::modified(&self.facts) }
    }

    /// Whether it may be a copy of this file that is being made.
    pub fn is_in(&self, of: &File) -> bool {
        holds(of, &self.file, self.facts.len()).is_ok_and(|holds| holds)
    }
}

/// Whether a file holds all that another one of such a length holds.
pub(super) fn holds(file: &File, other: &File, size: u64) -> io::Result<bool> {
    match Edges::read(other, size) {
        Ok(edges) => edges.are_in(file, size),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// What was read of a file that is sought.
#[derive(Clone, Copy)]
pub(super) struct Sought {
    pub position: u64,
    pub print: Print,
}

impl Sought {
    /// Whether a file holds the same up to the position.
    pub fn is_in(self, file: &File) -> bool {
        Print::read(file, self.position).is_ok_and(|print| print == self.print)
    }
}

/// When the last file under a name was made and changed last: the next one can't be older.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    pub born: i64,
    pub modified: i64,
}

impl Since {
    /// The earlier of both, if it is known.
    pub fn began(self) -> i64 {
        if self.born == 0 { self.modified } else { self.born }
    }
}

/// Whether rotation gives such names: the name with a number or a date behind it or before its extension.
pub(super) fn is_rotated(of: &Path, name: &Path) -> bool {
    let (Some(of), Some(name)) = (of.file_name(), name.file_name()) else { return false };
    let stamp = |bytes: &[u8]| {
        let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
        digits > 0 && bytes.iter().all(|byte| STAMP.contains(byte))
    };
    let old = |bytes: &[u8]| matches!(bytes, b".old" | b".bak" | b"~" | b".prev");
    let (of, name) = (of.as_bytes(), name.as_bytes());
    if let Some(rest) = name.strip_prefix(of) {
        return stamp(rest) || old(rest);
    }
    let Some(dot) = of.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0) else {
        return false;
    };
    let (stem, extension) = of.split_at(dot);
    name.strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(extension))
        .is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_digit) && stamp(rest))
}

/// The name that a compressed file had before.
fn uncompressed(name: &OsStr) -> Option<&OsStr> {
    let name = name.as_bytes();
    let strip = |ending: &&str| name.strip_suffix(ending.as_bytes());
    COMPRESSED.iter().find_map(strip).map(OsStr::from_bytes)
}

/// The file itself, under whichever name beside its own.
pub(super) fn renamed(
    folders: &mut Folders,
    path: &Path,
    identity: &Identity,
    sought: Sought,
) -> Option<Found> {
    let beside = folders.beside(path);
    let mut found = beside.files().filter(|(_, _, facts)| {
        facts.len() >= sought.position && Identity::of(facts).may_be(identity)
    });
    found
        .find_map(|(_, place, _)| Found::open(place).ok().filter(|found| sought.is_in(&found.file)))
}

/// The file itself, under whichever of these names.
pub(super) fn named(
    names: &[(PathBuf, Metadata)],
    identity: &Identity,
    sought: Sought,
    taken: impl Fn(&Identity) -> bool,
) -> Option<Found> {
    let mut found = names.iter().filter(|(_, facts)| {
        let there = Identity::of(facts);
        facts.len() >= sought.position && there.may_be(identity) && !taken(&there)
    });
    found.find_map(|(name, _)| Found::open(name).ok().filter(|found| sought.is_in(&found.file)))
}

/// The longest copy of a file that holds all that was read of it, beside it or under one of these names. `taken` says which
/// files it can't be, by when they were changed last.
pub(super) fn copy(
    folders: &mut Folders,
    path: &Path,
    sought: Sought,
    names: &[(PathBuf, Metadata)],
    taken: impl Fn(&Identity, i64) -> bool,
) -> Option<Found> {
    let elsewhere = names.iter().filter(|(name, _)| folder(name) != folder(path));
    let beside = folders.beside(path);
    let mut found: Vec<_> = beside
        .files()
        .chain(elsewhere.map(|(name, facts)| (path, name.as_path(), facts)))
        .filter(|(of, place, facts)| {
            is_rotated(of, place)
                && facts.len() >= sought.position
                && !taken(&Identity::of(facts), identity::modified(facts))
        })
        .map(|(_, place, facts)| (facts.len(), identity::modified(facts), place))
        .collect();
    found.sort();
    found
        .into_iter()
        .rev()
        .find_map(|(_, _, path)| Found::open(path).ok().filter(|found| sought.is_in(&found.file)))
}

/// Whether names beside this one came or went since.
pub(super) fn has_changed(name: &Path, since: Since) -> bool {
    places(name).iter().any(|place| {
        fs::metadata(folder(place)).is_ok_and(|facts| identity::modified(&facts) >= since.modified)
    })
}

/// Files that had this name after the last that was seen under it, the oldest first, as far as names and times tell.
/// `taken` says which files are not meant, by when they were changed last.
pub(super) fn between(
    path: &Path,
    since: Since,
    taken: &dyn Fn(&Identity, i64) -> bool,
) -> impl Iterator<Item = Found> + use<> {
    let mut folders = Folders::default();
    let mut found: Vec<(i64, i64, PathBuf)> = folders
        .beside(path)
        .files()
        .map(|(of, place, facts)| (of, Identity::of(facts), identity::modified(facts), place))
        .filter(|(of, identity, modified, place)| {
            let younger = since.born == 0 || identity.born == 0 || identity.born >= since.born;
            younger
                && *modified >= since.modified
                && is_rotated(of, place)
                && !taken(identity, *modified)
        })
        .map(|(_, identity, modified, place)| (identity.born, modified, place.to_owned()))
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().filter_map(|(.., place)| Found::open(&place).ok())
}

/// A compressed file that may be what became of this one: that of its name, or else the first that was made since.
pub(super) fn compressed(folders: &mut Folders, path: &Path, since: Since) -> Option<PathBuf> {
    let beside = folders.beside(path);
    let found = beside.files().filter_map(|(of, place, facts)| {
        let before = Path::new(uncompressed(place.file_name()?)?);
        let renamed = of.file_name() != Some(before.as_os_str());
        let modified = identity::modified(facts);
        let may_be = modified >= since.modified && (!renamed || is_rotated(of, before));
        may_be.then_some((renamed, modified, place))
    });
    found.min().map(|(.., place)| place.to_owned())
}

/// How many bytes a compressed file held before, if it says so: those of gzip do, below 4 GiB.
pub(super) fn unpacked_bytes(path: &Path) -> Option<u64> {
    let found = Found::open(path).ok().filter(|_| path.extension() == Some(OsStr::new("gz")))?;
    let mut bytes = [0; size_of::<u32>()];
    let at = found.facts.len().checked_sub(bytes.len() as u64)?;
    found.file.read_exact_at(&mut bytes, at).ok()?;
    Some(u32::from_le_bytes(bytes).into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::is_rotated;

    #[test]
    fn names_that_rotation_gives() {
        let check = |of: &str, name: &str, expected: bool| {
            assert_eq!(is_rotated(Path::new(of), Path::new(name)), expected, "{of} {name}");
        };
        check("auth.log", "auth.log.1", true);
        check("auth.log", "auth.log-20240131", true);
        check("auth.log", "auth.log.2024-01-31T10:00:00+02", true);
        check("auth.log", "auth.log.old", true);
        check("auth.log", "auth-20240131.log", true);
        check("auth.log", "auth.3.log", true);
        check("syslog", "syslog.1", true);
        check("auth.log", "auth.log", false);
        check("auth.log", "auth.log.1.gz", false);
        check("auth.log", "auth-error.log", false);
        check("auth.log", "auth.log.conf", false);
        check("app.log", "app2.log", false);
        check("app1.log", "app10.log", false);
        check("syslog", "daemon.log", false);
    }
}
