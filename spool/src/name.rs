//! The files of a spool's folder: segments, and spares that wait to become one.
//!
//! A segment's name holds both what it begins at and its life, so that one rename, which a crash can't tear, makes an old
//! file a new segment: there is no first page that might or might not have reached the disk in time.
//!
//! This room must never know what is in the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::limit;

/// A segment's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// No frame in it begins below.
    pub base: u64,
    /// The random number that its frames carry.
    pub life: u64,
}

/// The files in a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// Segments, in order.
    pub segments: Vec<Name>,
    /// Files that wait to become one.
    pub spares: Vec<PathBuf>,
}

impl Name {
    /// Where the segment is.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{:016x}-{:016x}.spool", self.base, self.life))
    }

    /// Where the segment goes when everybody is done with it.
    pub fn spare_path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{:016x}-{:016x}.spare", self.base, self.life))
    }

    fn parse(stem: &str) -> Option<Self> {
        let (base, life) = stem.split_once('-')?;
        let number = |digits: &str| {
            let plain = digits.len() == 16 && !digits.bytes().any(|byte| byte.is_ascii_uppercase());
            let hex = plain && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
        };
        Some(Self { base: number(base)?, life: number(life)? })
    }
}

/// What is in a folder. Files with other names, and what is no file, are nobody's business here.
pub fn list(folder: &Path) -> Result<Listing, SpoolError> {
    let failed = || SpoolError::io::<io::Error>(folder, "list the spool");
    let mut listing = Listing::default();
    let entries = fs::read_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => SpoolError::NotAFolder { path: folder.to_owned() },
        _ => failed()(error),
    })?;
    for entry in entries {
        let entry = entry.map_err(failed())?;
        // Opening anything but a file could block, or worse.
        if !entry.file_type().map_err(failed())?.is_file() {
            continue;
        }
        let path = entry.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let ending = path.extension().and_then(|ending| ending.to_str());
        match (stem.and_then(Name::parse), ending) {
            (Some(name), Some("spool")) => listing.segments.push(name),
            (Some(_), Some("spare")) => listing.spares.push(path),
            _ => {}
        }
        if listing.segments.len() + listing.spares.len() > limit::SEGMENTS_MAX {
            let folder = folder.to_owned();
            return Err(SpoolError::Segments { folder, segments_max: limit::SEGMENTS_MAX });
        }
    }
    listing.segments.sort_unstable();
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let name = Name { base: 0x1234, life: u64::MAX };
        let path = name.path(Path::new("/x"));
        assert_eq!(path, Path::new("/x/0000000000001234-ffffffffffffffff.spool"));
        let check = |stem: &str, expected: Option<Name>| {
            assert_eq!(Name::parse(stem), expected, "{stem}");
        };
        check("0000000000001234-ffffffffffffffff", Some(name));
        check("0000000000001234-FFFFFFFFFFFFFFFF", None);
        check("+000000000001234-ffffffffffffffff", None);
        check("0000000000001234", None);
        check("1234-ffffffffffffffff", None);
        check("", None);
    }
}
