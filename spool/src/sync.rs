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
