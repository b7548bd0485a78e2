//! What an earlier run left: the spools, how far sources had been read, how far modules had come.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use correlator_spool::error::SpoolError;
use correlator_spool::reader::Reader;
use correlator_spool::recovery::Recovery;
use correlator_spool::settings::Durability;
use correlator_spool::spool::{Options, Spool};
use correlator_store::recovery::boot;
use serde::{Deserialize, Serialize};

use crate::pipeline::RunError;
use crate::pipeline::stream::cursor::items_between;
use crate::pipeline::stream::marks::{self, EventMarks, SourceMarks};
use crate::pipeline::stream::piece::{EventPiece, Piece, RecordPiece};
use crate::pipeline::work::checkpoint;
use crate::stack::Keeping;
use crate::{clock, limit, private};

/// The folders and files below the folder that a stack keeps its state in.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    pub(crate) records: PathBuf,
    pub(crate) events: PathBuf,
    pub(crate) checkpoints: PathBuf,
    pub(crate) dead: PathBuf,
    pub(crate) store: PathBuf,
    /// How far sources had been read, and modules had come.
    pub(crate) sources: PathBuf,
    pub(crate) turns: PathBuf,
    /// At which start of the machine numbers were given out.
    numbers: PathBuf,
    /// Whether files are written through.
    pub(crate) through: bool,
}

impl Rooms {
    pub(crate) fn new(keeping: &Keeping) -> Self {
        let room = |name| keeping.folder.join(name);
        Self {
            records: room("records"),
            events: room("events"),
            checkpoints: room("checkpoints"),
            dead: room("dead"),
            store: room("store"),
            sources: room("sources"),
            turns: room("turns"),
            numbers: room("numbers"),
            through: keeping.durability != Durability::None,
        }
    }

    /// The journal of a listener's tables.
    pub(crate) fn journal(&self, listener: &str) -> PathBuf {
        self.checkpoints.join(format!("{listener}.{}", checkpoint::JOURNAL))
    }
}

/// What an earlier run left.
pub(crate) struct Found {
    pub(crate) records: Spool,
    pub(crate) events: Spool,
    pub(crate) sources: SourceMarks,
    pub(crate) turns: EventMarks,
    /// What was written down of both: behind it the spools are needed.
    pub(crate) written: (u64, u64),
    /// Records, and events, that should be there and are not.
    pub(crate) missing: (u64, u64),
}

/// At which start of the machine numbers were given out last, and below which none may be given out.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Numbers {
    boot: String,
    records: u64,
    events: u64,
}

/// Opens what an earlier run left, or begins anew. `reached` is how far checkpoints say that records, and events, had come.
pub(crate) fn open(
    keeping: &Keeping,
    rooms: &Rooms,
    reached: (u64, u64),
) -> Result<Found, RunError> {
    let failed = |error: &dyn std::fmt::Display| RunError::State(error.to_string());
    private::folder(&rooms.checkpoints).map_err(|error| {
        let folder = keeping.folder.display();
        failed(&format_args!("the state folder {folder} can't be written: {error}"))
    })?;
    let (mut records, lost_records) =
        spool(&rooms.records, keeping).map_err(|error| failed(&error))?;
    let (mut events, lost_events) =
        spool(&rooms.events, keeping).map_err(|error| failed(&error))?;
    let mut sources: SourceMarks = marks::load(&rooms.sources).map_err(|error| failed(&error))?;
    let mut turns: EventMarks = marks::load(&rooms.turns).map_err(|error| failed(&error))?;
    let numbers: Numbers = marks::load(&rooms.numbers).map_err(|error| failed(&error))?;
    records.skip_to(numbers.records);
    events.skip_to(numbers.events);
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
    leave_out(rooms, &numbers, [&mut records, &mut events]).map_err(|error| failed(&error))?;
    Ok(Found { records, events, sources, turns, written, missing })
}

/// A machine that lost its power may have lost records of which nothing tells any more, though what was made of them is in the
/// store, in databases, in the world. New ones that were called the same would be taken for known. So where the machine was
/// started anew numbers are left out, on which nobody can have come; whoever counts items knows that they are none.
fn leave_out(rooms: &Rooms, numbers: &Numbers, spools: [&mut Spool; 2]) -> io::Result<()> {
    let boot = boot().unwrap_or_default();
    // Who can't tell takes it for the worse.
    if !boot.is_empty() && boot == numbers.boot {
        return Ok(());
    }
    let is_new = *numbers == Numbers::default() && spools.iter().all(|spool| spool.next() == 0);
    let next = spools.map(|spool| {
        if !is_new {
            spool.skip_to(spool.next().saturating_add(limit::NUMBERS_LEFT_OUT));
        }
        spool.next()
    });
    // Before anything is called by them, and whatever the stack says about the rest.
    let [records, events] = next;
    marks::store(&rooms.numbers, &Numbers { boot, records, events }, true)?;
    File::open(rooms.numbers.parent().unwrap_or(&rooms.numbers))?.sync_all()
}

/// A machine that lost its newest records may still have what was made of them: numbers are never given out again. Tells
/// how many are lost.
fn go_on_behind(spool: &mut Spool, what: &str, reached: u64) -> u64 {
    let lost = items_between(spool.next(), reached);
    if lost > 0 {
        tracing::error!(
            "the {what} spool ends at {}, though {reached} had been reached: the {what}s between are lost",
            spool.next()
        );
    }
    spool.skip_to(reached);
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

#[cfg(test)]
mod tests {
    use super::{Found, Keeping, Numbers, Piece, RecordPiece, Rooms, limit, marks, open};
    use crate::pipeline::stream::piece::RecordKind;
    use correlator_spool::settings::{Durability, WhenFull};
    use std::time::Duration;

    const GAP: u64 = limit::NUMBERS_LEFT_OUT;

    #[test]
    fn numbers_are_left_out_where_the_machine_was_started_anew() {
        let folder =
            std::env::temp_dir().join(format!("correlator-recover-{}", std::process::id()));
        let keeping = Keeping {
            folder: folder.clone(),
            durability: Durability::None,
            spool_bytes: 16 << 20,
            when_full: WhenFull::Block,
            checkpoint_every: Duration::from_secs(1),
        };
        let rooms = Rooms::new(&keeping);
        let start = |reached| open(&keeping, &rooms, reached).expect("what was left");
        let next = |found: &Found| (found.records.next(), found.events.next());
        let append = |found: &mut Found| {
            let piece = RecordPiece { kind: RecordKind::Time, ..RecordPiece::default() };
            found.records.append(piece.kind(), 1, &[&piece.head()]).expect("there is room");
        };
        let start_machine = || {
            let numbers: Numbers = marks::load(&rooms.numbers).expect("numbers");
            let before = Numbers { boot: "another".to_owned(), ..numbers };
            marks::store(&rooms.numbers, &before, false).expect("a folder");
        };
        // Nothing was called by any number yet.
        let mut found = start((0, 0));
        assert_eq!((next(&found), found.missing), ((0, 0), (0, 0)));
        append(&mut found);
        drop(found);
        assert_eq!(next(&start((0, 0))), (1, 0));
        start_machine();
        for _ in 0..2 {
            // The second time nothing had been called by what was left out.
            let found = start((0, 0));
            assert_eq!((next(&found), found.missing), ((1 + GAP, GAP), (0, 0)));
        }
        start_machine();
        let mut found = start((1 + GAP, GAP));
        assert_eq!((next(&found), found.missing), ((1 + 2 * GAP, 2 * GAP), (0, 0)));
        append(&mut found);
        drop(found);
        // What is known to be lost is told all the same.
        start_machine();
        let found = start((9 + 2 * GAP, 2 * GAP));
        assert_eq!((next(&found), found.missing), ((9 + 3 * GAP, 3 * GAP), (7, 0)));
        std::fs::remove_dir_all(folder).expect("clean up");
    }
}
