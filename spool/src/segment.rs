//! A segment that is there, and how far it has been written through.
//!
//! A write that the system took may still fail on its way to the disk. Then the system tells it once, to whoever asks
//! first, and calls its copy clean: asking again would be answered with "written". So a segment that failed once is not
//! believed any more: what was not safe is read back, checked, and written again before the system is asked again.
//!
//! It must never know who reads it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::SpoolError;
use crate::name::Name;
use crate::walk::{Step, Walk};
use crate::write;

/// How a file is written through: the system's call, or one that fails when a test wants it to.
pub type WriteThrough = fn(&File) -> io::Result<()>;

/// Asks the system to write a file through.
pub fn write_through(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fdatasync(file)?)
}

/// A segment that is there.
#[derive(Debug)]
pub struct Segment {
    pub name: Name,
    pub path: PathBuf,
    /// The base of the segment before it, or [`crate::header::NONE_BEFORE`].
    pub previous: u64,
    /// Whether everything before `end` is known to have been whole. A segment of an earlier run may have old bytes there.
    pub exact: bool,
    /// How far it has been filled.
    pub end: AtomicU64,
    /// The file's length.
    pub bytes: AtomicU64,
    /// The first sequence number in it, or `u64::MAX`.
    pub first: AtomicU64,
    /// How far it has been written through.
    synced: AtomicU64,
    /// Whether writing through has ever failed.
    failed: AtomicBool,
    /// Held open so that a failure to write is told here and not to somebody who can't know what it means.
    file: Mutex<Option<Arc<File>>>,
}

impl Segment {
    /// A segment that was just made: nothing is in it yet.
    pub fn new(folder: &Path, name: Name, previous: u64, file: Arc<File>, bytes: u64) -> Self {
        let file = Mutex::new(Some(file));
        Self { file, bytes: bytes.into(), ..Self::found(folder, name, previous, 0) }
    }

    /// A segment of an earlier run. Who wrote it may have been killed before it was written through.
    pub fn found(folder: &Path, name: Name, previous: u64, bytes: u64) -> Self {
        Self {
            name,
            path: name.path(folder),
            previous,
            exact: bytes == 0,
            end: bytes.into(),
            bytes: bytes.into(),
            first: u64::MAX.into(),
            synced: 0.into(),
            failed: false.into(),
            file: Mutex::default(),
        }
    }

    /// The last segment of an earlier run, checked up to where it ends: more will be written there.
    pub fn continued(self, file: Arc<File>, end: u64, first: Option<u64>) -> Self {
        let file = Mutex::new(Some(file));
        let first = first.unwrap_or(u64::MAX).into();
        Self { exact: true, end: end.into(), first, file, ..self }
    }

    /// Opens an existing file to be written in.
    pub fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    /// Whether writing through has ever failed. Such a file is not used again.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Lets go of the file; whoever wants to write it through opens it again.
    pub fn close(&self) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Writes through what is in it now. It may have been released meanwhile: then nobody needs it.
    pub fn sync(&self, write_through: WriteThrough) -> Result<(), SpoolError> {
        let (from, end) = (self.synced.load(Ordering::Acquire), self.end.load(Ordering::Acquire));
        if from == end {
            return Ok(());
        }
        let held = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let file = match held.map_or_else(|| Self::open(&self.path).map(Arc::new), Ok) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(SpoolError::io(&self.path, "open")(error)),
        };
        if self.has_failed() {
            self.write_again(&file, from, end)?;
        }
        if let Err(error) = write_through(&file) {
            self.failed.store(true, Ordering::Release);
            return Err(SpoolError::io(&self.path, "write through")(error));
        }
        self.synced.store(end, Ordering::Release);
        Ok(())
    }

    /// Writes frames once more where they are. Only a segment that has failed comes here, and those are never recycled, so
    /// nothing new can be overwritten.
    fn write_again(&self, file: &Arc<File>, from: u64, end: u64) -> Result<(), SpoolError> {
        let reading = file.try_clone().map_err(SpoolError::io(&self.path, "open"))?;
        let mut walk = Walk::new(reading, self.name, end);
        (walk.offset, walk.end) = (from, from);
        let mut payload = Vec::new();
        while walk.offset < end {
            let offset = walk.offset;
            let step = walk.step(0, false, &mut payload);
            let header = match step.map_err(SpoolError::io(&self.path, "read"))? {
                Step::Frame(header) => header,
                Step::Nothing => {
                    let found = walk.find().map_err(SpoolError::io(&self.path, "read"))?;
                    if self.exact || found.is_some() {
                        return Err(SpoolError::Lost { path: self.path.clone(), offset });
                    }
                    return Ok(());
                }
            };
            let bytes = header.encode();
            let filling = header.frame_bytes() as usize - bytes.len() - payload.len();
            write::frame(file, offset, &bytes, &[&payload], filling)
                .map_err(SpoolError::io(&self.path, "write again to"))?;
        }
        Ok(())
    }
}
