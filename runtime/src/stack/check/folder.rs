//! Folders as they lie on the disk, so that two ways to write one are seen to be one.
//!
//! What is not there yet is taken as it is written: nothing can have led it elsewhere. It must never make anything.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// How many links a path may lead through, as the kernel has it.
const LINKS_MAX: usize = 40;

/// A folder, wherever its path leads.
pub(super) struct Folder {
    path: PathBuf,
    /// What tells it and each folder above it from all others, where they are there: they may be mounted twice.
    identities: Vec<Option<(u64, u64)>>,
}

/// How a folder lies to another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lies<'a> {
    Apart,
    Same,
    /// In it, or in what has this name there.
    Within(&'a OsStr),
}

impl Folder {
    pub(super) fn of(path: &Path) -> Self {
        let path = real(path);
        let identities = path.ancestors().map(identity).collect();
        Self { path, identities }
    }

    /// How this one lies to another one.
    pub(super) fn lies_to(&self, other: &Self) -> Lies<'_> {
        let known = other.identities.first().copied().flatten();
        let mut name = None;
        for (path, identity) in self.path.ancestors().zip(&self.identities) {
            if path == other.path || (known.is_some() && *identity == known) {
                return name.map_or(Lies::Same, Lies::Within);
            }
            name = path.file_name();
        }
        Lies::Apart
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|facts| (facts.dev(), facts.ino()))
}

/// A path from the root on, without `..` and links, those among them that lead nowhere yet.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut rest = parts(&path);
    let (mut real, mut links) = (PathBuf::new(), 0);
    while let Some(part) = rest.pop() {
        if part == ".." {
            real.pop();
            continue;
        }
        real.push(part);
        if links < LINKS_MAX
            && let Ok(target) = fs::read_link(&real)
        {
            links += 1;
            real.pop();
            rest.extend(parts(&target));
        }
    }
    real
}

/// What a path goes through, the last one first. The root takes the place of what stands before it.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    parts.rev().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{Folder, Lies};

    #[test]
    fn a_folder_is_the_same_however_it_is_written() {
        let root = std::env::temp_dir().join(format!("correlator-folder-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("rows/in")).expect("folders");
        symlink("rows", root.join("link")).expect("a link");
        symlink(root.join("rows/in"), root.join("deep")).expect("a link");
        symlink("to-be", root.join("nowhere")).expect("a link");
        symlink("round", root.join("round")).expect("a link");
        let check = |one: &str, other: &str, expected: Lies<'_>| {
            let (one, other) = (Folder::of(&root.join(one)), Folder::of(&root.join(other)));
            assert_eq!(one.lies_to(&other), expected, "{:?} {:?}", one.path, other.path);
        };
        check("rows", "rows/", Lies::Same);
        check("rows", "./x/../rows/.", Lies::Same);
        check("link", "rows", Lies::Same);
        check("rows", "link/in/..", Lies::Same);
        check("deep/..", "rows", Lies::Same);
        check("nowhere", "to-be", Lies::Same);
        check("new/a", "new/b/../a", Lies::Same);
        check("deep", "link", Lies::Within(OsStr::new("in")));
        check("new/t.csv/x", "new", Lies::Within(OsStr::new("t.csv")));
        check("rows", "rows/in", Lies::Apart);
        check("rows", "rows2", Lies::Apart);
        check("rows2/x", "rows", Lies::Apart);
        check("round", "rows", Lies::Apart);
        fs::remove_dir_all(root).expect("clean up");
    }
}
