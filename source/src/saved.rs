//! What a mark holds: how far a file was read, which file that is, and what its parser remembers.
//!
//! Followed files and files that are read once are kept alike, so a stack may turn from one to the other. To everybody
//! else the body of a [`Mark`] is opaque.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use correlator_record::framing::Framing;
use correlator_record::parser::{Memory, Skip};
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, Print};
use crate::intake::Mark;

/// The first byte of every body. A body of another version is not understood.
const VERSION: u8 = 1;

/// What a mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A file.
    File(Box<SavedFile>),
    /// How many files a source has seen under which names.
    Ledger(SavedLedger),
}

/// How far a file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFile {
    /// The source's name, hashed.
    pub source: u64,
    /// The path under which it was seen first.
    pub path: PathBuf,
    /// How many files had been seen under that path before.
    pub incarnation: u64,
    /// Which file it is.
    pub identity: Identity,
    /// When it had been changed last, in nanoseconds since 1970-01-01T00:00:00Z.
    pub modified: i64,
    /// The first byte that was not handed on.
    pub position: u64,
    /// What stood before that.
    pub print: Print,
    /// How its records are told apart, if that had been found out.
    pub framing: Option<Framing>,
    /// What its parser remembered.
    pub memory: Memory,
    /// It was nowhere when it was looked for.
    pub missed: Option<Missed>,
}

/// Of a file that is nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// Since when, in nanoseconds since 1970-01-01T00:00:00Z.
    pub since: i64,
    /// Whether that was told.
    pub told: bool,
}

/// How many files a source has seen under which names: what tells the ids of their records apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedLedger {
    /// The source's name, hashed.
    pub source: u64,
    /// As many at least were seen under any name that is not listed.
    pub floor: u64,
    /// Names, hashed, and how many files were seen under each; the latest last.
    pub counts: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
enum Body {
    File(FileBody),
    Ledger(SavedLedger),
    Missed(Missed, FileBody),
}

#[derive(Serialize, Deserialize)]
struct FileBody {
    source: u64,
    path: Vec<u8>,
    incarnation: u64,
    identity: Identity,
    modified: i64,
    position: u64,
    print: Print,
    framing: Option<FramingBody>,
    last: Option<(i64, i32)>,
    skip: SkipBody,
    lost: bool,
}

#[derive(Serialize, Deserialize)]
enum FramingBody {
    Lines,
    Trailer(Vec<u8>),
    Octets,
    Mixed,
    Captured(Box<FramingBody>),
}

#[derive(Serialize, Deserialize)]
enum SkipBody {
    Nothing,
    Rest,
    Bytes(u64),
}

/// A number for some bytes that are kept apart.
#[must_use]
pub fn number(parts: &[&[u8]]) -> u64 {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut number = [0; size_of::<u64>()];
    number.copy_from_slice(&hash.finalize().as_bytes()[..size_of::<u64>()]);
    u64::from_le_bytes(number)
}

/// The number of a source.
#[must_use]
pub fn source_number(name: &str) -> u64 {
    number(&[b"source", name.as_bytes()])
}

/// What names a file in its mark.
#[must_use]
pub fn file_key(source: u64, path: &Path, incarnation: u64) -> u64 {
    let path = path.as_os_str().as_bytes();
    number(&[b"file", &source.to_le_bytes(), path, &incarnation.to_le_bytes()])
}

/// What names a ledger in its mark.
#[must_use]
pub fn ledger_key(source: u64) -> u64 {
    number(&[b"ledger", &source.to_le_bytes()])
}

/// The mark that says that a file is done with.
#[must_use]
pub fn forgotten(file: u64) -> Mark {
    Mark { file, body: Vec::new() }
}

impl Saved {
    /// The source that it is of.
    #[must_use]
    pub fn source(&self) -> u64 {
        match self {
            Self::File(file) => file.source,
            Self::Ledger(ledger) => ledger.source,
        }
    }

    /// What a mark says; nothing if it is not understood.
    #[must_use]
    pub fn read(mark: &Mark) -> Option<Self> {
        let (&VERSION, body) = mark.body.split_first()? else { return None };
        Some(match postcard::from_bytes(body).ok()? {
            Body::File(body) => Self::File(Box::new(SavedFile::from(body))),
            Body::Ledger(ledger) => Self::Ledger(ledger),
            Body::Missed(missed, body) => {
                let missed = Some(missed);
                Self::File(Box::new(SavedFile { missed, ..SavedFile::from(body) }))
            }
        })
    }
}

impl SavedFile {
    /// The mark that says this.
    #[must_use]
    pub fn mark(self) -> Mark {
        let file = file_key(self.source, &self.path, self.incarnation);
        let body = match self.missed {
            Some(missed) => Body::Missed(missed, self.into()),
            None => Body::File(self.into()),
        };
        Mark { file, body: write(&body) }
    }
}

impl SavedLedger {
    /// The mark that says this.
    #[must_use]
    pub fn mark(self) -> Mark {
        Mark { file: ledger_key(self.source), body: write(&Body::Ledger(self)) }
    }
}

/// A body. Writing into memory does not fail; if it did, an empty body would forget the file.
fn write(body: &Body) -> Vec<u8> {
    postcard::to_extend(body, vec![VERSION]).unwrap_or_default()
}

impl From<SavedFile> for FileBody {
    fn from(saved: SavedFile) -> Self {
        Self {
            source: saved.source,
            path: saved.path.into_os_string().into_vec(),
            incarnation: saved.incarnation,
            identity: saved.identity,
            modified: saved.modified,
            position: saved.position,
            print: saved.print,
            framing: saved.framing.map(FramingBody::from),
            last: saved.memory.last,
            skip: match saved.memory.skip {
                Skip::Nothing => SkipBody::Nothing,
                Skip::Rest => SkipBody::Rest,
                Skip::Bytes(bytes) => SkipBody::Bytes(bytes as u64),
            },
            lost: saved.memory.lost,
        }
    }
}

impl From<FileBody> for SavedFile {
    fn from(body: FileBody) -> Self {
        let skip = match body.skip {
            SkipBody::Nothing => Skip::Nothing,
            SkipBody::Rest => Skip::Rest,
            SkipBody::Bytes(bytes) => Skip::Bytes(usize::try_from(bytes).unwrap_or(usize::MAX)),
        };
        Self {
            source: body.source,
            path: OsString::from_vec(body.path).into(),
            incarnation: body.incarnation,
            identity: body.identity,
            modified: body.modified,
            position: body.position,
            print: body.print,
            framing: body.framing.map(Framing::from),
            memory: Memory { last: body.last, skip, lost: body.lost },
            missed: None,
        }
    }
}

impl From<Framing> for FramingBody {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Lines => Self::Lines,
            Framing::Trailer(trailer) => Self::Trailer(trailer),
            Framing::Octets => Self::Octets,
            Framing::Mixed => Self::Mixed,
            Framing::Captured(framing) => Self::Captured(Box::new(Self::from(*framing))),
        }
    }
}

impl From<FramingBody> for Framing {
    fn from(body: FramingBody) -> Self {
        match body {
            FramingBody::Lines => Self::Lines,
            FramingBody::Trailer(trailer) => Self::Trailer(trailer),
            FramingBody::Octets => Self::Octets,
            FramingBody::Mixed => Self::Mixed,
            FramingBody::Captured(body) => Self::Captured(Box::new(Self::from(*body))),
        }
    }
}
