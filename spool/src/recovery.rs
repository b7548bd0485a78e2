//! What a writer finds when it starts.
//!
//! Only the last segment can have been torn, so only that one is checked to the last byte; of the others it is enough to
//! see that each follows the one before. What is at the end and not whole was never told to be safe and is cut off. What
//! is damaged with whole frames behind it stays as it is: it is told, and readers go past it.
//!
//! It must never know what is done about what was lost.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::rand::GetRandomFlags;

use crate::error::SpoolError;
use crate::header::{ALIGN, HEADER_BYTES, Header, NONE_BEFORE};
use crate::limit;
use crate::name::{self, Name};
use crate::segment::Segment;
use crate::spares::Spares;
use crate::spool::Active;
use crate::walk::{Step, Walk};

/// What a writer found when it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest sequence number that is there, or `next`.
    pub first: u64,
    /// The sequence number of the next frame's first item, unless [`skip_to`](crate::spool::Spool::skip_to) says more.
    pub next: u64,
    /// What was cut off at the end: frames that were begun and never finished.
    pub cut_bytes: u64,
    /// Damaged places, the first of them one by one.
    pub damaged: Vec<Place>,
    /// How many there are in all.
    pub damaged_places: u64,
    /// Sequence numbers whose segment is not there, though later ones are; the first of them one by one.
    pub missing: Vec<Range<u64>>,
}

/// Bytes that are no frame though they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment.
    pub path: PathBuf,
    /// Where they begin.
    pub offset: u64,
    /// How many there are, as far as that was looked at.
    pub bytes: u64,
}

/// What a writer goes on with.
pub(crate) struct Found {
    pub recovery: Recovery,
    /// Where the last whole frame ends. The next one may have to begin further on, because its segment says so.
    pub after: u64,
    pub segments: VecDeque<Arc<Segment>>,
    pub active: Active,
    pub spares: Vec<PathBuf>,
}

/// Makes the folder if it is not there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), SpoolError> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        match folder.symlink_metadata() {
            Ok(data) if !data.is_dir() => SpoolError::NotAFolder { path: folder.to_owned() },
            _ => SpoolError::io(folder, "make the folder")(error),
        }
    })?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let synced = File::open(parent).and_then(|parent| parent.sync_all());
    synced.map_err(SpoolError::io(parent, "write through"))
}

/// A random number that no other use of any file has, and that nobody can guess.
pub(crate) fn new_life(folder: &Path) -> Result<u64, SpoolError> {
    let mut bytes = [0; 8];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(got) => filled += got,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(SpoolError::io(folder, "get a random number for")(error)),
        }
    }
    Ok(u64::from_le_bytes(bytes))
}

/// Finds what is there and makes it ready to be written on.
pub(crate) fn recover(folder: &Path) -> Result<Found, SpoolError> {
    let mut listing = name::list(folder)?;
    let mut recovery = Recovery::default();
    let mut segments = VecDeque::new();
    drop_twins(folder, &mut listing.segments)?;
    let last = listing.segments.pop();
    let mut before = None;
    for name in listing.segments {
        let segment = closed(folder, name, before.as_ref(), &mut recovery)?;
        segments.extend(before.replace(segment).map(Arc::new));
    }
    let active = match last {
        Some(name) => continued(folder, name, before.as_ref(), &mut recovery)?,
        None => begun(folder)?,
    };
    let after = match &before {
        Some(before) if active.used == 0 => {
            let end = end_by_headers(before);
            end.map_err(SpoolError::io(&before.path, "read"))?.min(recovery.next)
        }
        _ => recovery.next,
    };
    segments.extend(before.map(Arc::new));
    segments.push_back(active.segment.clone());
    let firsts = segments.iter().map(|segment| segment.first.load(Ordering::Relaxed));
    recovery.first = firsts.min().unwrap_or(u64::MAX).min(recovery.next);
    Ok(Found { recovery, after, segments, active, spares: listing.spares })
}

/// Two segments with one base are what is left when making a segment failed half-way and was tried again: the one
/// without frames goes.
fn drop_twins(folder: &Path, names: &mut Vec<Name>) -> Result<(), SpoolError> {
    for at in (1..names.len()).rev() {
        if names[at - 1].base != names[at].base {
            continue;
        }
        for twin in [at - 1, at] {
            let path = names[twin].path(folder);
            let failed = |error| SpoolError::io::<io::Error>(&path, "read")(error);
            let file = File::open(&path).map_err(failed)?;
            let bytes = file.metadata().map_err(failed)?.len();
            let mut walk = Walk::new(file, names[twin], bytes);
            let begins = walk.header(0).map_err(failed)?.is_some();
            if !begins && walk.find().map_err(failed)?.is_none() {
                fs::remove_file(&path).map_err(SpoolError::io(&path, "remove the empty"))?;
                names.remove(twin);
                break;
            }
        }
    }
    Ok(())
}

/// A segment's length and its first header, if that is readable.
fn look(path: &Path, name: Name) -> Result<(u64, Option<Header>), SpoolError> {
    let file = File::open(path).map_err(SpoolError::io(path, "open"))?;
    let bytes = file.metadata().map_err(SpoolError::io(path, "look at"))?.len();
    let header = Walk::new(file, name, bytes).header(0).map_err(SpoolError::io(path, "read"))?;
    Ok((bytes, header))
}

/// Takes over a segment that others follow.
fn closed(
    folder: &Path,
    name: Name,
    before: Option<&Segment>,
    recovery: &mut Recovery,
) -> Result<Segment, SpoolError> {
    let path = name.path(folder);
    let (bytes, header) = look(&path, name)?;
    if header.is_none() {
        recovery.damage(&path, 0..bytes.min(HEADER_BYTES));
    }
    recovery.check_chain(header, before)?;
    let previous = before.map_or(NONE_BEFORE, |before| before.name.base);
    let segment = Segment::found(folder, name, previous, bytes);
    segment.first.store(header.map_or(name.base, |header| header.first), Ordering::Relaxed);
    Ok(segment)
}

/// Takes over the last segment, cut after its last whole frame, to go on in it.
fn continued(
    folder: &Path,
    name: Name,
    before: Option<&Segment>,
    recovery: &mut Recovery,
) -> Result<Active, SpoolError> {
    let path = name.path(folder);
    let reading = |error| SpoolError::io::<io::Error>(&path, "read")(error);
    let file = Segment::open(&path).map_err(SpoolError::io(&path, "open"))?;
    let bytes = file.metadata().map_err(SpoolError::io(&path, "look at"))?.len();
    let copy = file.try_clone().map_err(SpoolError::io(&path, "open"))?;
    let mut walk = Walk::new(copy, name, bytes);
    let (mut first, mut next) = (None, name.base);
    let mut payload = Vec::new();
    loop {
        match walk.step(next, true, &mut payload).map_err(reading)? {
            Step::Frame(header) => {
                first.get_or_insert(header);
                next = header.next();
            }
            Step::Nothing => match walk.find().map_err(reading)? {
                Some(found) => walk.offset = found,
                None => break,
            },
        }
    }
    // Frames fill a multiple of this, so what is over can't be any part of one that will be written here.
    let mut length = bytes - bytes % ALIGN;
    if let Some(torn) = walk.torn_end().map_err(reading)? {
        recovery.cut_bytes = torn - walk.end;
        length = walk.end;
    }
    if length < bytes {
        file.set_len(length).map_err(SpoolError::io(&path, "cut the end of"))?;
    }
    for place in &walk.damages.told {
        recovery.damage(&path, place.clone());
    }
    recovery.damaged_places += walk.damages.places - walk.damages.told.len() as u64;
    recovery.next = next;
    recovery.check_chain(first, before)?;
    let previous = match (first, before) {
        (Some(header), _) => header.previous,
        (None, Some(before)) => before.name.base,
        (None, None) => NONE_BEFORE,
    };
    let file = Arc::new(file);
    let segment = Segment::found(folder, name, previous, length).continued(
        file.clone(),
        walk.end,
        first.map(|header| header.first),
    );
    Ok(Active { segment: Arc::new(segment), file, used: walk.end })
}

/// Makes the first segment of a new spool.
fn begun(folder: &Path) -> Result<Active, SpoolError> {
    let name = Name { base: 0, life: new_life(folder)? };
    let (file, _) = Spares::default().take(&name.path(folder))?;
    let file = Arc::new(file);
    let segment = Segment::new(folder, name, NONE_BEFORE, file.clone(), 0);
    Ok(Active { segment: Arc::new(segment), file, used: 0 })
}

impl Recovery {
    fn damage(&mut self, path: &Path, place: Range<u64>) {
        self.damaged_places += 1;
        if self.damaged.len() < limit::PLACES_TOLD_MAX {
            let bytes = place.end - place.start;
            self.damaged.push(Place { path: path.to_owned(), offset: place.start, bytes });
        }
    }

    /// Tells what is missing between a segment and the one before it, by what its first frame says of that one.
    fn check_chain(
        &mut self,
        header: Option<Header>,
        before: Option<&Segment>,
    ) -> Result<(), SpoolError> {
        let (Some(header), Some(before)) = (header, before) else { return Ok(()) };
        if header.previous == before.name.base || self.missing.len() >= limit::PLACES_TOLD_MAX {
            return Ok(());
        }
        let end = end_by_headers(before).map_err(SpoolError::io(&before.path, "read"))?;
        if end < header.after {
            self.missing.push(end..header.after);
        }
        Ok(())
    }
}

/// Where a segment's items end, by its headers alone.
fn end_by_headers(segment: &Segment) -> io::Result<u64> {
    let file = File::open(&segment.path)?;
    let mut walk = Walk::new(file, segment.name, segment.bytes.load(Ordering::Relaxed));
    let mut next = segment.name.base;
    loop {
        if let Some(header) = walk.header(walk.offset)? {
            next = next.max(header.next());
            walk.offset += header.frame_bytes();
        } else if let Some(found) = walk.find()? {
            walk.offset = found;
        } else {
            return Ok(next);
        }
    }
}
