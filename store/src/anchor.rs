//! The anchor: the last hash of the audit trail in a file beside the database, so that a tail that was cut off is found.
//!
//! It is written after what it tells of has been written through, so it is never ahead of the trail, whatever stops. Two
//! lines take turns, each with a checksum: while one is written, the other is whole. People may read and copy them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::entry::Head;
use crate::error::StoreError;

/// One line with its end.
const LINE_BYTES: usize = 128;
const LINES: usize = 2;

/// What a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Missing,
    /// There is one, and no line in it is whole.
    Unreadable,
    /// The newest line.
    Head(Head),
}

/// The file, for the one who writes.
#[derive(Debug)]
pub struct Anchor {
    file: File,
    path: PathBuf,
    /// What it says now; nothing if that is not known.
    head: Option<Head>,
    /// Where the next line goes.
    next: usize,
}

/// Where it lies.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("audit.head")
}

/// What the file in this folder says.
pub fn read(folder: &Path) -> Result<Found, StoreError> {
    let path = path(folder);
    let mut bytes = Vec::new();
    match File::open(&path) {
        Ok(file) => file
            .take((LINES * LINE_BYTES) as u64)
            .read_to_end(&mut bytes)
            .map_err(StoreError::io(&path, "read"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(StoreError::io(&path, "open")(error)),
    };
    let heads = bytes.chunks(LINE_BYTES).filter_map(parse);
    Ok(heads.max_by_key(|head| head.sequence).map_or(Found::Unreadable, Found::Head))
}

impl Anchor {
    /// Opens or makes the file.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = path(folder);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(StoreError::io(&path, "open"))?;
        let mut first = [0; LINE_BYTES];
        let newest_is_first = file.read_exact_at(&mut first, 0).is_ok()
            && matches!(read(folder)?, Found::Head(head) if parse(&first) == Some(head));
        Ok(Self { file, path, head: None, next: usize::from(newest_is_first) })
    }

    /// Says the head of what has been written through. That it can't be written fails nothing: the trail is whole, only
    /// a cut behind the last line would not be found.
    pub fn advance(&mut self, head: Head) {
        if self.head.is_some_and(|known| known.sequence >= head.sequence) {
            return;
        }
        if let Err(error) = self.set(head) {
            tracing::warn!("{error}: a cut of the audit trail behind its last line goes unnoticed");
        }
    }

    /// Says this head, whatever it said before.
    pub fn set(&mut self, head: Head) -> Result<(), StoreError> {
        let at = (self.next * LINE_BYTES) as u64;
        let written = self.file.write_all_at(&line(&head), at);
        written.map_err(StoreError::io(&self.path, "write to"))?;
        self.next = (self.next + 1) % LINES;
        self.head = Some(head);
        Ok(())
    }

    /// Says this head and nothing else, and is sure that it stays: for when a trail begins, or is torn.
    pub fn begin(&mut self, head: Head) -> Result<(), StoreError> {
        (0..LINES).try_for_each(|_| self.set(head))?;
        self.file.sync_all().map_err(StoreError::io(&self.path, "write through"))
    }
}

fn line(head: &Head) -> Vec<u8> {
    let said = format!("{:020}:{}", head.sequence, head.hash);
    let line = format!("{said} {}", sum(&said));
    format!("{line:<width$}\n", width = LINE_BYTES - 1).into_bytes()
}

fn parse(line: &[u8]) -> Option<Head> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?.trim_end_matches(' ');
    let (said, found) = line.split_once(' ')?;
    (sum(said) == found).then(|| said.parse().ok())?
}

fn sum(said: &str) -> String {
    blake3::hash(said.as_bytes()).to_hex()[..16].to_owned()
}
