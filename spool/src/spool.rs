//! The writer: appends frames, begins segments, and lets go of those that everybody is done with.
//!
//! Nothing is written through by appending. With [`Durability::Each`](crate::settings::Durability::Each) the caller asks
//! a [`Syncer`] before it acknowledges, so that many callers share one write to the disk and nobody's append waits for it.
//!
//! It must never know what is in a frame, nor who reads it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::{SpoolError, is_no_room};
use crate::header::{HEADER_BYTES, Header, frame_bytes};
use crate::limit;
use crate::lock::Lock;
use crate::name::Name;
use crate::reader::{Reader, Readers};
use crate::recovery::{self, Recovery};
use crate::segment::{Segment, WriteThrough, write_through};
use crate::shared::Shared;
use crate::spares::Spares;
use crate::sync::Syncer;
use crate::write;

/// Where a spool is, and how large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its folder. It is made if it is not there.
    pub folder: PathBuf,
    /// About how large a segment is. A frame that is larger gets one of its own.
    pub segment_bytes: u64,
    /// What all files together may take.
    pub bytes_max: u64,
}

/// The writer of a spool.
#[derive(Debug)]
pub struct Spool {
    segment_bytes: u64,
    bytes_max: u64,
    shared: Arc<Shared>,
    active: Active,
    spares: Spares,
    /// What the segments take, spares not counted.
    bytes: u64,
    /// What the next frame's first item will be called.
    next: u64,
    /// Where the last frame ended.
    after: u64,
    /// Nobody needs anything below.
    released: u64,
    _lock: Lock,
}

/// The segment that is being filled.
#[derive(Debug)]
pub(crate) struct Active {
    pub segment: Arc<Segment>,
    pub file: Arc<File>,
    pub used: u64,
}

impl Options {
    /// The segments' size: as chosen, but so that a full spool has neither too few nor too many.
    fn segment_bytes(&self) -> u64 {
        let least = self.bytes_max / (limit::SEGMENTS_MAX as u64 / 4);
        let chosen = self.segment_bytes.min(self.bytes_max / limit::SEGMENTS_MIN).max(least);
        chosen.clamp(limit::SEGMENT_BYTES_MIN, limit::SEGMENT_BYTES_MAX)
    }
}

impl Spool {
    /// Opens a spool to write to it, and says what was found.
    ///
    /// # Errors
    /// If the folder can't be made, read or written, or somebody else is writing there.
    pub fn open(options: Options) -> Result<(Self, Recovery), SpoolError> {
        Self::open_with(options, write_through)
    }

    pub(crate) fn open_with(
        options: Options,
        write_through: WriteThrough,
    ) -> Result<(Self, Recovery), SpoolError> {
        recovery::make_folder(&options.folder)?;
        let lock = Lock::take(&options.folder)?;
        let found = recovery::recover(&options.folder)?;
        let bytes = found.segments.iter().map(|segment| segment.bytes.load(Ordering::Relaxed));
        let bytes = bytes.sum();
        let next = found.recovery.next;
        let segment_bytes = options.segment_bytes();
        let mut spool = Self {
            segment_bytes,
            bytes_max: options.bytes_max,
            shared: Arc::new(Shared::new(options.folder, found.segments, next, write_through)),
            active: found.active,
            spares: Spares::found(found.spares),
            bytes,
            next,
            after: found.after,
            released: 0,
            _lock: lock,
        };
        spool.spares.shrink(spool.bytes_max.saturating_sub(spool.bytes));
        Ok((spool, found.recovery))
    }

    /// Appends a frame of `count` items, whose payload are the parts one after the other, and returns the sequence number
    /// of its first item. After an error nothing has been appended, and the next try begins at the same place.
    ///
    /// # Errors
    /// [`SpoolError::Full`] if it does not fit any more, or what the system says.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn append(&mut self, kind: u16, count: u32, parts: &[&[u8]]) -> Result<u64, SpoolError> {
        assert!(count > 0, "a frame has items");
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let bytes = frame_bytes(length as u64);
        if length as u64 > limit::FRAME_BYTES_MAX || bytes > self.bytes_max {
            let bytes_max = limit::FRAME_BYTES_MAX.min(self.bytes_max.saturating_sub(HEADER_BYTES));
            return Err(SpoolError::TooLarge { bytes: length as u64, bytes_max });
        }
        let next = self.next.checked_add(u64::from(count)).ok_or(SpoolError::Spent)?;
        let mut checksum = crc32fast::Hasher::new();
        for part in parts {
            checksum.update(part);
        }
        self.make_room(bytes)?;
        let header = Header {
            kind,
            count,
            first: self.next,
            after: self.after,
            previous: self.active.segment.previous,
            life: self.active.segment.name.life,
            length: length as u32,
            checksum: checksum.finalize(),
        };
        self.write(&header, parts)?;
        let first = self.next;
        let segment = &self.active.segment;
        self.active.used += bytes;
        segment.first.fetch_min(first, Ordering::AcqRel);
        let grown = self.active.used.saturating_sub(segment.bytes.load(Ordering::Relaxed));
        segment.bytes.fetch_add(grown, Ordering::Relaxed);
        self.bytes += grown;
        segment.end.store(self.active.used, Ordering::Release);
        self.shared.appended.store(next, Ordering::Release);
        (self.next, self.after) = (next, next);
        Ok(first)
    }

    /// The sequence number that the next frame's first item gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The oldest sequence number that is there, or [`next`](Self::next) if nothing is.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.shared.first().unwrap_or(self.next)
    }

    /// Where the oldest segment ends, for who would rather lose that one than wait for room; nothing if there is no other.
    #[must_use]
    pub fn oldest_end(&self) -> Option<u64> {
        self.shared.segments().get(1).map(|second| second.name.base)
    }

    /// What the segments take on the disk. Spares come on top; they go when their room is needed, so that both together
    /// stay within the bound.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What all files together may take.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Leaves a gap: the next frame's first item gets this number. It never goes back, and it lasts from the next append
    /// on.
    ///
    /// Whoever remembers a position somewhere else has to see after every start that the numbers don't go on below it: a
    /// crash of the machine may have taken what was not written through, and new items would be called as lost ones were.
    pub fn skip_to(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Says that nobody needs anything below `before` any more. Segments with nothing else in them go; the one that is
    /// being filled stays until its room is needed, because it tells where the numbers go on. Of what is still to be
    /// appended nobody can say that yet.
    pub fn release(&mut self, before: u64) {
        self.released = self.released.max(before.min(self.next));
        loop {
            let mut segments = self.shared.segments();
            if segments.get(1).is_none_or(|second| second.name.base > self.released) {
                return;
            }
            let Some(segment) = segments.pop_front() else { return };
            drop(segments);
            self.retire(&segment);
        }
    }

    /// Writes through everything that has been appended, and returns the sequence number behind it.
    ///
    /// # Errors
    /// What [`Syncer::sync`] says.
    pub fn sync(&mut self) -> Result<u64, SpoolError> {
        self.syncer().sync()
    }

    /// A handle for another thread that writes through.
    #[must_use]
    pub fn syncer(&self) -> Syncer {
        Syncer::new(self.shared.clone())
    }

    /// A reader that begins at the frame with this number in it, or at the first one behind.
    #[must_use]
    pub fn reader(&self, from: u64) -> Reader {
        self.readers().from(from)
    }

    /// A handle for other threads that makes readers.
    #[must_use]
    pub fn readers(&self) -> Readers {
        Readers::new(self.shared.clone())
    }

    /// Puts a segment away that is in no list any more.
    fn retire(&mut self, segment: &Segment) {
        let bytes = segment.bytes.load(Ordering::Relaxed);
        self.bytes -= bytes;
        let room = self.bytes_max.saturating_sub(self.bytes + self.spares.bytes());
        let wanted = (self.segment_bytes / 2..=self.segment_bytes * 2).contains(&bytes);
        let spare_path = segment.name.spare_path(&self.shared.folder);
        self.spares.put(segment, spare_path, bytes, wanted && bytes <= room);
        self.shared.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Sees to it that the active segment has room for a frame of so many bytes.
    fn make_room(&mut self, bytes: u64) -> Result<(), SpoolError> {
        let Active { used, segment, .. } = &self.active;
        if *used == 0 || used + bytes <= self.segment_bytes {
            let growth = (used + bytes).saturating_sub(segment.bytes.load(Ordering::Relaxed));
            if self.bytes + growth <= self.bytes_max {
                self.spares.shrink(self.bytes_max - self.bytes - growth);
                return Ok(());
            }
        }
        // What everybody is done with goes as soon as there is a new segment.
        let released = self.released >= self.after;
        let kept = if released { 0 } else { self.bytes };
        if kept + bytes > self.bytes_max {
            let (bytes, wanted) = (self.bytes, bytes);
            return Err(SpoolError::Full { bytes, bytes_max: self.bytes_max, wanted });
        }
        let grown = self.spares.peek().map_or(0, |spare| spare.max(bytes));
        if kept + grown > self.bytes_max {
            self.spares.shrink(0);
        }
        self.begin_segment()?;
        if released {
            self.release(self.next);
        }
        let taken = self.active.segment.bytes.load(Ordering::Relaxed).max(bytes);
        let others = self.bytes - self.active.segment.bytes.load(Ordering::Relaxed);
        self.spares.shrink(self.bytes_max.saturating_sub(others + taken));
        Ok(())
    }

    /// Makes a new segment the active one.
    fn begin_segment(&mut self) -> Result<(), SpoolError> {
        let folder = &self.shared.folder;
        let name = Name { base: self.next, life: recovery::new_life(folder)? };
        let (file, bytes) = self.spares.take(&name.path(folder))?;
        let file = Arc::new(file);
        let previous = self.active.segment.name.base;
        let segment = Segment::new(folder, name, previous, file.clone(), bytes);
        let segment = Arc::new(segment);
        self.shared.changes.fetch_add(1, Ordering::AcqRel);
        let mut segments = self.shared.segments();
        if let Some(old) = segments.len().checked_sub(limit::OPEN_FILES_MAX) {
            segments[old].close();
        }
        segments.push_back(segment.clone());
        drop(segments);
        self.bytes += bytes;
        self.active = Active { segment, file, used: 0 };
        Ok(())
    }

    /// Writes a frame behind the last one. On a full disk the spares make room once.
    fn write(&mut self, header: &Header, parts: &[&[u8]]) -> Result<(), SpoolError> {
        let Active { segment, file, used } = &self.active;
        let filling = (header.frame_bytes() - HEADER_BYTES - u64::from(header.length)) as usize;
        let bytes = header.encode();
        loop {
            let Err(error) = write::frame(file, *used, &bytes, parts, filling) else {
                return Ok(());
            };
            // What did get there is no frame. It is given back so that somebody else's disk is not full of it.
            let length = segment.bytes.load(Ordering::Relaxed);
            if let Err(error) = file.set_len(length) {
                tracing::debug!("{} can't be cut: {error}", segment.path.display());
            }
            if !is_no_room(&error) || !self.spares.shrink(0) {
                return Err(SpoolError::io(&segment.path, "write to")(error));
            }
        }
    }
}
