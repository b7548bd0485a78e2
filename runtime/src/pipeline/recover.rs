//! What an earlier run left: the spools, how far sources had been read, how far modules had come.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use correlator_spool::error::SpoolError;
use correlator_spool::reader::Reader;
use correlator_spool::recovery::Recovery;
use correlator_spool::settings::Durability;
use correlator_spool::spool::{Options, Spool};

use super::RunError;
use super::marks::{self, EventMarks, SourceMarks};
use super::piece::{EventPiece, Piece, RecordPiece};
use crate::stack::Keeping;
use crate::{clock, limit};

/// The folders and files below the folder that a stack keeps its state in.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    pub(super) records: PathBuf,
    pub(super) events: PathBuf,
    pub(super) checkpoints: PathBuf,
    pub(super) dead: PathBuf,
    pub(super) store: PathBuf,
    /// How far sources had been read, and modules had come.
    pub(super) sources: PathBuf,
    pub(super) turns: PathBuf,
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
            store: room("store"),
            sources: room("sources"),
            turns: room("turns"),
            through: keeping.durability != Durability::None,
        }
    }

    /// The journal of a listener's tables.
    pub(super) fn journal(&self, listener: &str) -> PathBuf {
        self.checkpoints.join(format!("{listener}.tables"))
    }
}

/// What an earlier run left.
pub(super) struct Found {
    pub(super) records: Spool,
    pub(super) events: Spool,
    pub(super) sources: SourceMarks,
    pub(super) turns: EventMarks,
    /// What was written down of both: behind it the spools are needed.
    pub(super) written: (u64, u64),
    /// Records, and events, that should be there and are not.
    pub(super) missing: (u64, u64),
}

/// Opens what an earlier run left, or begins anew. `reached` is how far checkpoints say that records, and events, had come.
pub(super) fn open(
    keeping: &Keeping,
    rooms: &Rooms,
    reached: (u64, u64),
) -> Result<Found, RunError> {
    let failed = |error: &dyn std::fmt::Display| RunError::State(error.to_string());
    fs::create_dir_all(&rooms.checkpoints)
        .map_err(|error| failed(&format_args!("{}: {error}", keeping.folder.display())))?;
    let (mut records, lost_records) =
        spool(&rooms.records, keeping).map_err(|error| failed(&error))?;
    let (mut events, lost_events) =
        spool(&rooms.events, keeping).map_err(|error| failed(&error))?;
    let mut sources: SourceMarks = marks::load(&rooms.sources).map_err(|error| failed(&error))?;
    let mut turns: EventMarks = marks::load(&rooms.turns).map_err(|error| failed(&error))?;
    let written = (sources.item, turns.item);
    scan(records.reader(written.0), |piece: RecordPiece| {
        if piece.next() > written.0 {
            sources.pass(&piece);
        }
    })
    .map_err(|error| failed(&error))?;
    scan(events.reader(written.1), |piece: EventPiece| {
        if piece.next() > written.1 {
            turns.pass(&piece);
        }
    })
    .map_err(|error| failed(&error))?;
    let reached = (turns.furthest().max(sources.item).max(reached.0), turns.item.max(reached.1));
    let missing = (
        lost_records + go_on_behind(&mut records, "record", reached.0),
        lost_events + go_on_behind(&mut events, "event", reached.1),
    );
    Ok(Found { records, events, sources, turns, written, missing })
}

/// A machine that lost its newest records may still have what was made of them: numbers are never given out again. Tells
/// how many are lost.
fn go_on_behind(spool: &mut Spool, what: &str, reached: u64) -> u64 {
    let lost = reached.saturating_sub(spool.next());
    if lost > 0 {
        tracing::error!(
            "the {what} spool ends at {}, though {reached} had been reached: the {what}s between are lost",
            spool.next()
        );
        spool.skip_to(reached);
    }
    lost
}

/// Opens a spool, and tells how many of its items are gone with their segments.
fn spool(folder: &Path, keeping: &Keeping) -> Result<(Spool, u64), SpoolError> {
    let since = clock::instant();
    let options = || Options {
        folder: folder.to_owned(),
        segment_bytes: limit::SEGMENT_BYTES,
        bytes_max: keeping.spool_bytes,
    };
    let (spool, recovery) = loop {
        match Spool::open(options()) {
            // An engine that was just killed may still be on its way out.
            Err(SpoolError::Locked { .. })
                if clock::instant().duration_since(since) < limit::LOCK_TIME =>
            {
                thread::park_timeout(limit::RETRY_STEP);
            }
            opened => break opened?,
        }
    };
    tell(folder, &recovery);
    Ok((spool, recovery.missing.iter().map(|range| range.end - range.start).sum()))
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
