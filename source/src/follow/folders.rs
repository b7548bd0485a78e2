//! What stands in folders: each is listed once for all who look at the same time.
//!
//! A link stands in its own folder, and what it points to in another: files are rotated in either. That a file is gone
//! is said only of a folder that was seen, and where no mount may be missing.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::names::folder;
use super::resume::is_absent;
use crate::limit;

/// Folders, as they were when they were looked at first.
#[derive(Default)]
pub(super) struct Folders {
    listed: HashMap<PathBuf, Listed>,
}

/// What stands in a folder.
struct Listed {
    files: Vec<(PathBuf, Metadata)>,
    extent: Extent,
}

/// How much of a folder was seen.
#[derive(Clone, Copy)]
enum Extent {
    /// All of it, on this device.
    Whole(u64),
    /// As many of its entries as are looked at.
    Part,
    /// Not all: it can't be read.
    Unread,
    /// There is no such folder.
    Absent,
}

/// How sure it is that a file that was not found is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Its folder is on the device on which it was, or is gone from there.
    Firm,
    /// Its folder, or what is above that, is on another device, so that what is mounted there may be missing; or it has too
    /// many entries.
    Doubtful,
    /// Its folder can't be looked at.
    Unknown,
}

/// Files beside a name, and beside what that points to if it is a link.
pub(super) struct Beside<'a>(Vec<(PathBuf, &'a [(PathBuf, Metadata)])>);

impl Beside<'_> {
    /// Beside which name, what stands there, and its facts.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &Path, &Metadata)> {
        self.0.iter().flat_map(|(of, files)| {
            files.iter().map(|(place, facts)| (of.as_path(), place.as_path(), facts))
        })
    }
}

impl Folders {
    /// The files that stand beside a name.
    pub fn beside(&mut self, name: &Path) -> Beside<'_> {
        let places = places(name);
        for place in &places {
            self.list(folder(place));
        }
        let files = |place: PathBuf| {
            let listed = self.listed.get(folder(&place))?;
            Some((place, listed.files.as_slice()))
        };
        Beside(places.into_iter().filter_map(files).collect())
    }

    /// How sure it is that what had a name on this device, and was not found, is not there.
    pub fn ground(&mut self, name: &Path, device: u64) -> Ground {
        for above in name.ancestors().skip(1) {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            match self.list(above).extent {
                Extent::Whole(on) if on == device => return Ground::Firm,
                Extent::Whole(_) | Extent::Part => return Ground::Doubtful,
                Extent::Unread => return Ground::Unknown,
                // Folders go with their files.
                Extent::Absent => {}
            }
        }
        Ground::Unknown
    }

    fn list(&mut self, folder: &Path) -> &Listed {
        self.listed.entry(folder.to_owned()).or_insert_with(|| list(folder))
    }
}

fn list(folder: &Path) -> Listed {
    let failed = |error: &io::Error| if is_absent(error) { Extent::Absent } else { Extent::Unread };
    let mut extent =
        fs::metadata(folder).map_or_else(|error| failed(&error), |it| Extent::Whole(it.dev()));
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).inspect_err(|error| extent = failed(error));
    for (place, entry) in entries.into_iter().flatten().enumerate() {
        if place >= limit::FOLLOW_ENTRIES_MAX {
            extent = Extent::Part;
            break;
        }
        let Ok(entry) = entry else {
            extent = Extent::Unread;
            break;
        };
        if let Some(facts) = entry.metadata().ok().filter(Metadata::is_file) {
            files.push((entry.path(), facts));
        }
    }
    Listed { files, extent }
}

/// Where a name stands, and where what it points to, as far as links go.
pub(super) fn places(name: &Path) -> Vec<PathBuf> {
    let target = |at: &PathBuf| Some(folder(at).join(fs::read_link(at).ok()?));
    std::iter::successors(Some(name.to_owned()), target).take(limit::FOLLOW_LINKS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::{Folders, Ground};

    #[test]
    fn where_a_file_was() {
        let folder = std::env::temp_dir().join(format!("correlator-ground-{}", std::process::id()));
        fs::create_dir_all(folder.join("logs")).expect("a folder");
        symlink("loop", folder.join("loop")).expect("a link");
        let device = fs::metadata(folder.join("logs")).expect("a folder").dev();
        let check = |name: &str, device: u64, expected: Ground| {
            assert_eq!(Folders::default().ground(&folder.join(name), device), expected, "{name}");
        };
        check("logs/app.log", device, Ground::Firm);
        check("logs/app.log", device + 1, Ground::Doubtful);
        check("logs/gone/with/its/app.log", device, Ground::Firm);
        check("logs/gone/app.log", device + 1, Ground::Doubtful);
        check("loop/app.log", device, Ground::Unknown);
        fs::remove_dir_all(folder).expect("clean up");
    }
}
