//! Folders that go away, numbers that look random, frames that say what they must be, and whatever else all tests want.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use correlator_spool::error::SpoolError;
use correlator_spool::reader::Reader;
use correlator_spool::recovery::Recovery;
use correlator_spool::spool::{Options, Spool};

/// The least that a segment may have.
pub const SMALL: u64 = 4 << 10;

/// A folder for one test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-spool-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbers that look random and are the same in every run (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }

    pub fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// What was read, or should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u16,
    pub first: u64,
    pub count: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

pub fn options(folder: &Path, segment_bytes: u64, bytes_max: u64) -> Options {
    Options { folder: folder.to_owned(), segment_bytes, bytes_max }
}

pub fn open(folder: &Path) -> (Spool, Recovery) {
    Spool::open(options(folder, SMALL, 16 << 20)).unwrap()
}

/// Appends a frame whose payload follows from its number, and says what must be read.
pub fn append(spool: &mut Spool, count: u32, length: usize) -> Result<Frame, SpoolError> {
    let kind = (spool.next() % 7) as u16;
    let payload = payload(spool.next(), length);
    let (one, two) = payload.split_at(length / 3);
    let first = spool.append(kind, count, &[one, &[], two])?;
    Ok(Frame { kind, first, count, payload })
}

/// A payload that no other number has.
pub fn payload(number: u64, length: usize) -> Vec<u8> {
    let seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..length).map(|at| (seed.rotate_left(at as u32 % 61) >> 8) as u8 ^ at as u8).collect()
}

/// Everything that a reader has now.
pub fn read(reader: &mut Reader) -> Vec<Frame> {
    let (mut frames, mut payload) = (Vec::new(), Vec::new());
    while let Some(header) = reader.next(&mut payload).unwrap() {
        let (kind, first, count) = (header.kind, header.first, header.count);
        frames.push(Frame { kind, first, count, payload: payload.clone() });
    }
    frames
}

/// Everything in a folder, as another process sees it.
pub fn read_folder(folder: &Path, from: u64) -> Vec<Frame> {
    read(&mut Reader::open(folder, from).unwrap())
}

/// The files with this ending, in order.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    files.sort();
    files
}

/// Copies a spool, as a crash at this moment would leave it.
pub fn copy(from: &Path) -> Folder {
    let to = Folder::new();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    to
}
