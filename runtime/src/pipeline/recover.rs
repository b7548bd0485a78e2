//! What an earlier run left: the spools, how far sources had been read, how far modules had come.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use correlator_source::intake::Mark;
use correlator_spool::error::SpoolError;
use correlator_spool::reader::Reader;
use correlator_spool::recovery::Recovery;
use correlator_spool::settings::Durability;
use correlator_spool::spool::{Options, Spool};
use serde::{Deserialize, Serialize};

use super::RunError;
use super::cursor::Cursor;
use super::piece::{EventPiece, Piece, RecordKind, RecordPiece};
use crate::limit;
use crate::stack::Keeping;

/// The folders and files below the folder that a stack keeps its state in.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    pub(super) records: PathBuf,
    pub(super) events: PathBuf,
    pub(super) checkpoints: PathBuf,
    pub(super) dead: PathBuf,
    marks: PathBuf,
    /// Whether files are written through.
    pub(super) through: bool,
}

impl Rooms {
    pub(super) fn new(keeping: &Keeping) -> Self {
        let room = |name| keeping.folder.join(name);
        Self {
            records: room("records"),
            events: room("events"),
            checkpoints: room("checkpoints"),
            dead: room("dead"),
            marks: room("sources"),
            through: keeping.durability != Durability::None,
        }
    }

    /// The journal of a listener's tables.
    pub(super) fn journal(&self, listener: &str) -> PathBuf {
        self.checkpoints.join(format!("{listener}.tables"))
    }
}

/// How far sources had been read at a place of the record stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceMarks {
    /// The first item that is not in this.
    pub(super) item: u64,
    /// Event time there.
    pub(super) now: Option<i64>,
    pub(super) newest: Vec<(u32, i64)>,
    marks: HashMap<u64, Vec<u8>>,
    /// Whether the input had ended for good.
    pub(super) ended: bool,
}

impl SourceMarks {
    /// Takes in what a piece says.
    pub(super) fn pass(&mut self, piece: &RecordPiece) {
        self.item = piece.next();
        self.ended = piece.kind == RecordKind::End;
        if piece.kind != RecordKind::Retry && piece.now > i64::MIN {
            self.now = Some(piece.now);
        }
        for &(number, time) in &piece.newest {
            match self.newest.iter_mut().find(|(known, _)| *known == number) {
                Some(known) => known.1 = time,
                None => self.newest.push((number, time)),
            }
        }
        for mark in &piece.marks {
            if mark.body.is_empty() {
                self.marks.remove(&mark.file);
            } else {
                self.marks.insert(mark.file, mark.body.clone());
            }
        }
    }

    /// The marks of all files.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let mark = |(&file, body): (&u64, &Vec<u8>)| Mark { file, body: body.clone() };
        self.marks.iter().map(mark).collect()
    }

    /// Writes them down in the place of those before.
    pub(super) fn store(&self, rooms: &Rooms) -> io::Result<()> {
        let body = postcard::to_allocvec(self).map_err(io::Error::other)?;
        let new = rooms.marks.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&crc32fast::hash(&body).to_le_bytes())?;
        file.write_all(&body)?;
        if rooms.through {
            file.sync_all()?;
        }
        fs::rename(&new, &rooms.marks)
    }

    /// Those that were written down last; none if there are none.
    fn load(path: &Path) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let read = bytes.split_first_chunk::<4>().and_then(|(sum, body)| {
            let sound = crc32fast::hash(body) == u32::from_le_bytes(*sum);
            sound.then(|| postcard::from_bytes(body).ok()).flatten()
        });
        Ok(read.unwrap_or_else(|| {
            tracing::warn!(
                "{} is damaged; how far files have been read is taken from the spool",
                path.display()
            );
            Self::default()
        }))
    }
}

/// What an earlier run left.
pub(super) struct Found {
    pub(super) records: Spool,
    pub(super) events: Spool,
    pub(super) marks: SourceMarks,
    /// Whether the last thing in the stream of events is that it has ended.
    pub(super) events_ended: bool,
    /// Up to where the turns of each part of each module are in the stream of events.
    pub(super) done: HashMap<(String, u32), Cursor>,
}

/// Opens what an earlier run left, or begins anew. `horizon` is where in the stream of events the oldest checkpoint of a
/// module stands.
pub(super) fn open(
    keeping: &Keeping,
    rooms: &Rooms,
    horizon: Option<u64>,
) -> Result<Found, RunError> {
    let failed = |error: &dyn std::fmt::Display| RunError::State(error.to_string());
    fs::create_dir_all(&keeping.folder)
        .map_err(|error| failed(&format_args!("{}: {error}", keeping.folder.display())))?;
    let mut records = spool(&rooms.records, keeping).map_err(|error| failed(&error))?;
    let events = spool(&rooms.events, keeping).map_err(|error| failed(&error))?;
    let mut marks = SourceMarks::load(&rooms.marks)
        .map_err(|error| failed(&format_args!("{}: {error}", rooms.marks.display())))?;
    let from = marks.item;
    scan(records.reader(from), |piece: RecordPiece| {
        if piece.next() > from {
            marks.pass(&piece);
        }
    })
    .map_err(|error| failed(&error))?;
    let mut done: HashMap<(String, u32), Cursor> = HashMap::new();
    let mut events_ended = false;
    // The last frame of all tells whether the stream has ended.
    let from = horizon.unwrap_or_else(|| events.first()).min(events.next().saturating_sub(1));
    scan(events.reader(from), |piece: EventPiece| {
        events_ended = piece.is_end;
        if !piece.is_end {
            let upto = done.entry((piece.module, piece.part)).or_default();
            *upto = (*upto).max(piece.upto);
        }
    })
    .map_err(|error| failed(&error))?;
    // A machine that lost its newest records may still have their events: their numbers are never given out again.
    let beyond = done.values().map(|cursor| cursor.item).max().unwrap_or(0).max(marks.item);
    if beyond > records.next() {
        tracing::warn!(
            "the record spool ends at {}, though {beyond} had been reached: the records between are lost",
            records.next()
        );
        records.skip_to(beyond);
    }
    Ok(Found { records, events, marks, events_ended, done })
}

fn spool(folder: &Path, keeping: &Keeping) -> Result<Spool, SpoolError> {
    let (spool, recovery) = Spool::open(Options {
        folder: folder.to_owned(),
        segment_bytes: limit::SEGMENT_BYTES,
        bytes_max: keeping.spool_bytes,
    })?;
    tell(folder, &recovery);
    Ok(spool)
}

/// Tells what is not as it should be.
fn tell(folder: &Path, recovery: &Recovery) {
    let folder = folder.display();
    if recovery.cut_bytes > 0 {
        tracing::warn!(
            "{folder}: cut {} bytes of a frame that was not finished when the engine ended",
            recovery.cut_bytes
        );
    }
    for place in &recovery.damaged {
        tracing::error!(
            "{}: {} damaged bytes at {} are passed over",
            place.path.display(),
            place.bytes,
            place.offset
        );
    }
    for range in &recovery.missing {
        tracing::error!("{folder}: items {} to {} are missing", range.start, range.end);
    }
}

fn scan<P: Piece>(mut reader: Reader, mut each: impl FnMut(P)) -> Result<(), SpoolError> {
    let mut payload = Vec::new();
    while let Some(header) = reader.next(&mut payload)? {
        if let Some(piece) = P::read(header.kind, header.first, header.count, &payload) {
            each(piece);
        }
    }
    Ok(())
}
