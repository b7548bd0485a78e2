//! The segments that are there now: the writer changes the list, readers and syncers look at it.
//!
//! A frame is published by moving its segment's end, after it is whole; nobody looks further. A segment leaves the list
//! before its file is touched, so whoever finds strange bytes in it only has to look here to know why.
//!
//! It must never know what frames hold.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::segment::{Segment, WriteThrough};

/// What writer, readers and syncers share.
#[derive(Debug)]
pub struct Shared {
    pub folder: PathBuf,
    pub write_through: WriteThrough,
    segments: Mutex<VecDeque<Arc<Segment>>>,
    /// The number behind the last item that was appended.
    pub appended: AtomicU64,
    /// How often files came or went under a new name.
    pub changes: AtomicU64,
    pub synced: Mutex<Synced>,
}

/// What has been written through.
#[derive(Debug)]
pub struct Synced {
    /// Everything below, or nothing if nobody has written through since the start.
    pub before: Option<u64>,
    /// How many changes of the folder.
    pub changes: Option<u64>,
}

impl Shared {
    pub fn new(
        folder: PathBuf,
        segments: VecDeque<Arc<Segment>>,
        appended: u64,
        write_through: WriteThrough,
    ) -> Self {
        Self {
            folder,
            write_through,
            segments: Mutex::new(segments),
            appended: appended.into(),
            changes: 0.into(),
            synced: Mutex::new(Synced { before: None, changes: None }),
        }
    }

    pub fn segments(&self) -> MutexGuard<'_, VecDeque<Arc<Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest number that is there, or that of the next frame if none is.
    pub fn first(&self) -> Option<u64> {
        let segments = self.segments();
        let mut firsts = segments.iter().map(|segment| segment.first.load(Ordering::Acquire));
        firsts.find(|first| *first != u64::MAX)
    }
}
