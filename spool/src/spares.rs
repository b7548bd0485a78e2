//! Segments that everybody is done with and that wait to be overwritten.
//!
//! The one that was put away last is taken first: its pages are the likeliest to be in memory still. It must never know
//! when a segment is needed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::limit;
use crate::segment::Segment;

/// Files that wait.
#[derive(Debug, Default)]
pub struct Spares {
    files: Vec<(PathBuf, u64)>,
}

impl Spares {
    /// Takes over what an earlier run left. What is too much goes.
    pub fn found(paths: Vec<PathBuf>) -> Self {
        let mut spares = Self::default();
        for path in paths {
            match fs::symlink_metadata(&path) {
                Ok(data) if data.is_file() && spares.files.len() < limit::SPARES_MAX => {
                    spares.files.push((path, data.len()));
                }
                Ok(_) => remove(&path),
                Err(error) => tracing::warn!("{} can't be looked at: {error}", path.display()),
            }
        }
        spares
    }

    /// What they take.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Puts a segment away, or removes it if there are enough or it is not fit. Renaming it takes its name from it, so
    /// that no reader can come upon it any more.
    pub fn put(&mut self, segment: &Segment, spare_path: PathBuf, bytes: u64, wanted: bool) {
        if !wanted || segment.has_failed() || self.files.len() >= limit::SPARES_MAX {
            return remove(&segment.path);
        }
        match fs::rename(&segment.path, &spare_path) {
            Ok(()) => self.files.push((spare_path, bytes)),
            Err(error) => tracing::warn!(
                "{} can't be renamed, so it stays though everybody is done with it: {error}",
                segment.path.display()
            ),
        }
    }

    /// The length of the one that would be taken.
    pub fn peek(&self) -> Option<u64> {
        self.files.last().map(|(_, bytes)| *bytes)
    }

    /// Makes a spare, or a new file if there is none, the file with this name, and tells its length.
    pub fn take(&mut self, path: &Path) -> Result<(File, u64), SpoolError> {
        let Some((spare, bytes)) = self.files.pop() else {
            let mut new = OpenOptions::new();
            let new = new.read(true).write(true).create_new(true).mode(0o600);
            return Ok((new.open(path).map_err(SpoolError::io(path, "make"))?, 0));
        };
        fs::rename(&spare, path).map_err(SpoolError::io(&spare, "rename"))?;
        // Opened anew: a failure of the file's former life is told to whoever had it open then.
        match Segment::open(path) {
            Ok(file) => Ok((file, bytes)),
            Err(error) => {
                remove(path);
                Err(SpoolError::io(path, "open")(error))
            }
        }
    }

    /// Removes them until they take no more than this; says whether any went.
    pub fn shrink(&mut self, bytes_max: u64) -> bool {
        let before = self.files.len();
        while self.bytes() > bytes_max && !self.files.is_empty() {
            remove(&self.files.remove(0).0);
        }
        self.files.len() < before
    }
}

/// Removes a file. If it stays, it takes room and does no other harm.
fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("{} can't be removed: {error}", path.display());
        }
        _ => {}
    }
}
