//! The threads that write to the disk: what lies in the spools and ledgers, checkpoints, and what tends the store.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use correlator_spool::settings::Durability;

use super::archive::Archive;
use super::checkpoint::SaverWork;
use super::crew::{Floor, Kept};
use super::engine::spawn;
use super::piece::{EventPiece, RecordPiece};
use super::stream::Stream;
use super::{RunError, marks, tending};
use crate::{clock, limit};

/// Starts them, where anything is kept.
pub(super) fn start(
    floor: &Arc<Floor>,
    work: Option<SaverWork>,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let (Some(kept), Some(work)) = (&floor.kept, work) else { return Ok(Vec::new()) };
    let ground = Ground::of(floor, kept);
    let prepare = move || ground.secure();
    let (spools, store) = (Arc::clone(floor), Arc::clone(floor));
    Ok(vec![
        spawn("checkpoints", move || work.run(prepare))?,
        spawn("spools", move || write_now_and_then(&spools))?,
        spawn("store", move || tending::tend(&store))?,
    ])
}

/// Writes the spools through as often as the stack wants, and writes down how far they say that all have come.
fn write_now_and_then(floor: &Floor) {
    let Some(kept) = &floor.kept else { return };
    let step = match kept.keeping.durability {
        Durability::Batched(every) => every.min(limit::MARKS_STEP),
        Durability::None | Durability::Each => limit::MARKS_STEP,
    };
    let (mut told, mut written, mut came) = (false, clock::instant(), 0);
    loop {
        let ends = floor.closed.load(Ordering::Relaxed);
        let now = clock::instant();
        let pressed = floor.records.is_pressed() || floor.events.is_pressed();
        let comes = floor.records.came() + floor.events.came();
        let much = comes - came >= limit::SPOOLED_BETWEEN_CHECKPOINTS;
        if ends || pressed || much || now.duration_since(written) >= step {
            (written, came) = (now, comes);
            match write(floor, kept) {
                Ok(()) => told = false,
                Err(error) if !told => {
                    told = true;
                    tracing::error!("{error}; a crash of the machine would lose what came since");
                }
                Err(_) => {}
            }
        }
        if ends {
            return;
        }
        thread::park_timeout(step.min(limit::PRESSED_STEP));
    }
}

/// Writes the spools through, writes down how far they say that all have come, and lets go of what is older.
pub(super) fn write(floor: &Floor, kept: &Kept) -> io::Result<()> {
    Ground::of(floor, kept).secure()?;
    floor.records.release();
    floor.events.release();
    Ok(())
}

/// Held while ledgers are written: an older one must not take the place of a newer one.
static SECURING: Mutex<()> = Mutex::new(());

/// What checkpoints build on: the streams, what was asked for because of them, and the ledgers that say how far all have
/// come. A checkpoint that is ahead of these would pass over what is told again after a spool was lost.
struct Ground {
    records: Arc<Stream<RecordPiece>>,
    events: Arc<Stream<EventPiece>>,
    store: Arc<Archive>,
    sources: PathBuf,
    turns: PathBuf,
    through: bool,
}

impl Ground {
    fn of(floor: &Floor, kept: &Kept) -> Self {
        Self {
            records: Arc::clone(&floor.records),
            events: Arc::clone(&floor.events),
            store: Arc::clone(&kept.store),
            sources: kept.rooms.sources.clone(),
            turns: kept.rooms.turns.clone(),
            through: kept.rooms.through,
        }
    }

    fn secure(&self) -> io::Result<()> {
        let _one_at_a_time = SECURING.lock().unwrap_or_else(PoisonError::into_inner);
        let (sources, turns) = (self.records.ledger(), self.events.ledger());
        if self.through {
            // What the ledgers say must not be known before it is so.
            self.write_through()?;
        }
        marks::store(&self.sources, &sources, self.through)?;
        self.records.hold_from(sources.item);
        marks::store(&self.turns, &turns, self.through)?;
        self.events.hold_from(turns.item);
        Ok(())
    }

    fn write_through(&self) -> io::Result<()> {
        for syncer in [self.records.syncer(), self.events.syncer()].into_iter().flatten() {
            syncer.sync().map_err(io::Error::other)?;
        }
        self.store.get().map_or(Ok(()), |store| store.sync().map_err(io::Error::other))
    }
}
