//! Which file it is: by its inode, and by what is in it.
//!
//! A name says little: logs are renamed, copied, emptied and made anew. An inode says more, but is used again once its
//! file is gone. So a file is known by its inode, by the moment at which that was made, where the file system keeps
//! it, and by a hash of its first bytes and of those before the position up to which it was read: what was read cannot
//! change without changing these. Hashes are what is kept on disk, so that no log line leaks into where they are kept.
//!
//! It must never know why somebody asks.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::limit;

/// Bytes of a hash.
const HASH_BYTES: usize = 16;
/// How compressed files begin: gzip, zstd, xz, bzip2.
const COMPRESSED: [&[u8]; 4] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"\xfd7zXZ\0", b"BZh"];

/// Which file it is, as its file system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The device that it is on. May be another one after a restart.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970-01-01T00:00:00Z; 0 if the file system doesn't know.
    pub born: i64,
}

impl Identity {
    /// Of an open file.
    #[must_use]
    pub fn of(facts: &Metadata) -> Self {
        let born =
            facts.created().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let born = born.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Self { device: facts.dev(), inode: facts.ino(), born }
    }

    /// Whether it may be the same file as at another time: the inode was not made again in between, as far as is known.
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        let born = self.born == other.born || self.born == 0 || other.born == 0;
        self.inode == other.inode && born
    }

    /// Whether it is the same file as one that is open all the while.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// When a file was changed last, in nanoseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn modified(facts: &Metadata) -> i64 {
    facts.mtime().saturating_mul(1_000_000_000).saturating_add(facts.mtime_nsec())
}

/// Whether a file that begins so is compressed.
#[must_use]
pub fn is_compressed(head: &[u8]) -> bool {
    COMPRESSED.iter().any(|magic| head.starts_with(magic))
}

/// The first line of what a file begins with, or a part of it: the same as soon as the first record is there, however much
/// comes after it.
#[must_use]
pub fn first_line(beginning: &[u8]) -> &[u8] {
    let bytes = &beginning[..beginning.len().min(limit::PRINT_BYTES)];
    let blank = bytes.iter().take_while(|byte| b"\r\n\0".contains(byte)).count();
    let bytes = &bytes[blank..];
    let end = bytes.iter().position(|byte| b"\n\0".contains(byte));
    // Without an end of line, where the first record ends is not known here.
    &bytes[..end.unwrap_or(bytes.len().min(limit::UNENDED_LINE_BYTES))]
}

/// What stands at the beginning of a file and before a position, hashed: up to [`limit::PRINT_BYTES`] of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Print {
    head: [u8; HASH_BYTES],
    before: [u8; HASH_BYTES],
}

impl Print {
    /// Of a file up to a position.
    ///
    /// # Errors
    /// It can't be read, or ends before the position.
    pub fn read(file: &File, position: u64) -> io::Result<Self> {
        Ok(Edges::read(file, position)?.print())
    }
}

/// The same, not hashed: what is compared while a file is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    head: Vec<u8>,
    before: Vec<u8>,
}

impl Edges {
    /// Of a file up to a position.
    ///
    /// # Errors
    /// It can't be read, or ends before the position.
    pub fn read(file: &File, position: u64) -> io::Result<Self> {
        let length = position.min(limit::PRINT_BYTES as u64);
        let part = |offset| {
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, offset).map(|()| bytes)
        };
        let head = part(0)?;
        let before = if position == length { head.clone() } else { part(position - length)? };
        Ok(Self { head, before })
    }

    /// Moves the position on over these bytes.
    pub fn advance(&mut self, bytes: &[u8]) {
        let missing = limit::PRINT_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        let kept = limit::PRINT_BYTES.saturating_sub(bytes.len()).min(self.before.len());
        self.before.drain(..self.before.len() - kept);
        self.before.extend_from_slice(&bytes[bytes.len().saturating_sub(limit::PRINT_BYTES)..]);
    }

    /// Whether a file still holds the same up to this position. A file that ends before it doesn't.
    ///
    /// # Errors
    /// It can't be read.
    pub fn are_in(&self, file: &File, position: u64) -> io::Result<bool> {
        let mut there = [0; limit::PRINT_BYTES];
        let mut same =
            |bytes: &[u8], offset| match file.read_exact_at(&mut there[..bytes.len()], offset) {
                Ok(()) => Ok(there[..bytes.len()] == *bytes),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
                Err(error) => Err(error),
            };
        let before = position - self.before.len() as u64;
        Ok(same(&self.head, 0)? && (before == 0 || same(&self.before, before)?))
    }

    /// What the file begins with.
    #[must_use]
    pub fn beginning(&self) -> &[u8] {
        &self.head
    }

    /// What is kept of them.
    #[must_use]
    pub fn print(&self) -> Print {
        Print { head: hash(&self.head), before: hash(&self.before) }
    }
}

fn hash(bytes: &[u8]) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(&blake3::hash(bytes).as_bytes()[..HASH_BYTES]);
    hash
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::{Edges, Print, first_line};

    #[test]
    fn a_first_line_is_known_by_its_record() {
        let check = |beginning: &[u8], expected: &[u8]| {
            assert_eq!(first_line(beginning), expected);
        };
        check(b"", b"");
        check(b"one\n", b"one");
        check(b"one\ntwo\n", b"one");
        check(b"\r\n\0\none\0two", b"one");
        check(&[b'x'; 20], &[b'x'; 20]);
        check(&[b'x'; 3_000], &[b'x'; 32]);
        check(&[&[b'x'; 200][..], b"\n"].concat(), &[b'x'; 200]);
        check(&[&[b'x'; 300][..], b"\n"].concat(), &[b'x'; 32]);
    }

    #[test]
    fn edges_that_advance_are_those_of_the_file() {
        let path = std::env::temp_dir().join(format!("correlator-edges-{}", std::process::id()));
        let bytes: Vec<u8> =
            (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::write(&path, &bytes).expect("a file");
        let file = File::open(&path).expect("a file");
        for step in [1, 7, 255, 256, 257, 1000, 4000] {
            let (mut edges, mut position) = (Edges::default(), 0);
            for piece in bytes.chunks(step) {
                edges.advance(piece);
                position += piece.len() as u64;
                assert_eq!(
                    edges,
                    Edges::read(&file, position).expect("edges"),
                    "{step} {position}"
                );
                assert!(edges.are_in(&file, position).expect("readable"));
                assert_eq!(edges.print(), Print::read(&file, position).expect("a print"));
            }
        }
        let edges = Edges::read(&file, 4000).expect("edges");
        fs::write(&path, &bytes[..3999]).expect("a file");
        assert!(!edges.are_in(&file, 4000).expect("readable"), "it is too short");
        let mut changed = bytes.clone();
        changed[3900] ^= 1;
        fs::write(&path, &changed).expect("a file");
        assert!(!edges.are_in(&file, 4000).expect("readable"), "its end is another one");
        fs::remove_file(path).expect("clean up");
    }
}
