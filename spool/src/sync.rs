//! Writing through: from any thread, without keeping the writer from appending.
//!
//! Callers that come at once are served by one write: whoever waited for another's finds that it covered them. It must
//! never know what it is that has to be safe, nor why.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::error::SpoolError;
use crate::segment::Segment;
use crate::shared::Shared;

/// Writes through what others append.
#[derive(Clone, Debug)]
pub struct Syncer(Arc<Shared>);

impl Syncer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Writes through everything that was appended before the call, and returns the sequence number behind it: whatever
    /// is below is safe now.
    ///
    /// After an error nothing more is safe than before. The next call writes those frames once more, because the system
    /// forgets what it failed to write; it fails again until that has worked.
    ///
    /// # Errors
    /// What the system says, or [`SpoolError::Lost`] if frames that were not safe can't be read back to be written again.
    pub fn sync(&self) -> Result<u64, SpoolError> {
        let mut synced = self.0.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = self.0.appended.load(Ordering::Acquire);
        if synced.before.is_some_and(|before| before >= appended) {
            return Ok(appended);
        }
        let changes = self.0.changes.load(Ordering::Acquire);
        let segments: Vec<Arc<Segment>> = self.0.segments().iter().cloned().collect();
        for segment in segments {
            segment.sync(self.0.write_through)?;
        }
        if synced.changes != Some(changes) {
            let folder = &self.0.folder;
            let opened = File::open(folder).map_err(SpoolError::io(folder, "open"))?;
            opened.sync_all().map_err(SpoolError::io(folder, "write through"))?;
            synced.changes = Some(changes);
        }
        synced.before = Some(appended);
        Ok(appended)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::OpenOptions;
    use std::io;
    use std::os::unix::fs::FileExt;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::spool::{Options, Spool};

    thread_local! {
        static FAILS: Cell<bool> = const { Cell::new(false) };
    }

    fn write_through(_: &File) -> io::Result<()> {
        if FAILS.get() { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).expect("it is there");
        }
    }

    fn open(name: &str) -> (Folder, Spool) {
        let name = format!("correlator-spool-sync-{}-{name}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        let options =
            Options { folder: folder.0.clone(), segment_bytes: 8_192, bytes_max: 1 << 20 };
        let (spool, _) = Spool::open_with(options, write_through).expect("it opens");
        (folder, spool)
    }

    fn names(folder: &Path, ending: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        names.retain(|path| path.extension().is_some_and(|found| found == ending));
        names.sort();
        names
    }

    #[test]
    fn a_failure_is_told_until_everything_was_written_again() {
        let (_folder, mut spool) = open("told");
        FAILS.set(true);
        for number in 0..10 {
            spool.append(1, 1, &[&[number; 3_000]]).expect("appending goes on");
            let error = spool.sync().expect_err("it is not safe");
            assert!(error.to_string().starts_with("can't write through "), "{error}");
        }
        FAILS.set(false);
        assert_eq!(spool.sync().expect("it is safe now"), 10);
    }

    #[test]
    fn what_can_not_be_read_back_is_never_called_safe() {
        let (folder, mut spool) = open("lost");
        spool.append(1, 1, &[&[1; 3_000]]).expect("appended");
        assert_eq!(spool.sync().expect("safe"), 1);
        spool.append(1, 1, &[&[2; 3_000]]).expect("appended");
        FAILS.set(true);
        spool.sync().expect_err("it is not safe");
        FAILS.set(false);
        // The system has dropped its copy, and what the disk has is not what was appended.
        let path = names(&folder.0, "spool").remove(0);
        let file = OpenOptions::new().write(true).open(path).expect("a segment");
        file.write_all_at(&[9; 16], 5_000).expect("written");
        for _ in 0..3 {
            let error = spool.sync().expect_err("it is lost");
            assert!(matches!(error, SpoolError::Lost { offset: 3_056, .. }), "{error}");
        }
        // Frames that nobody needs any more need not be safe.
        for _ in 0..4 {
            spool.append(1, 1, &[&[3; 3_000]]).expect("appended");
        }
        spool.release(2);
        assert_eq!(spool.sync().expect("safe"), 6);
    }

    #[test]
    fn a_file_that_failed_is_not_used_again() {
        let (folder, mut spool) = open("again");
        // Two frames fill a segment.
        for fails in [false, true] {
            FAILS.set(fails);
            for _ in 0..4 {
                spool.append(1, 1, &[&[1; 3_000]]).expect("appended");
            }
            assert_eq!(spool.sync().is_err(), fails);
        }
        FAILS.set(false);
        // Of the three that go, the third is the one that failed first.
        spool.release(6);
        assert_eq!((names(&folder.0, "spool").len(), names(&folder.0, "spare").len()), (1, 2));
    }
}
