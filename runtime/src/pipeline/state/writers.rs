//! The threads that write to the disk: what lies in the spools and ledgers, checkpoints, and what tends the store.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use correlator_spool::settings::Durability;

use super::archive::Archive;
use super::tending;
use crate::pipeline::RunError;
use crate::pipeline::crew::{Floor, Kept};
use crate::pipeline::stream::Stream;
use crate::pipeline::stream::marks;
use crate::pipeline::stream::piece::{EventPiece, RecordPiece};
use crate::pipeline::threads::spawn;
use crate::pipeline::work::checkpoint::SaverWork;
use crate::{clock, limit};

/// Starts them, where anything is kept.
pub(crate) fn start(
    floor: &Arc<Floor>,
    work: Option<SaverWork>,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let (Some(kept), Some(work)) = (&floor.kept, work) else { return Ok(Vec::new()) };
    let ground = Ground::of(floor, kept);
    let prepare = move || ground.secure();
    let (spools, store) = (Arc::clone(floor), Arc::clone(floor));
    Ok(vec![
        spawn("checkpoints", None, move || work.run(prepare))?,
        spawn("spools", None, move || write_now_and_then(&spools))?,
        spawn("store", None, move || tending::tend(&store))?,
    ])
}

/// Writes the spools through as often as the stack wants, and writes down how far they say that all have come.
fn write_now_and_then(floor: &Floor) {
    let Some(kept) = &floor.kept else { return };
    let step = match kept.keeping.durability {
        Durability::Batched(every) => every.min(limit::MARKS_STEP),
        Durability::None | Durability::Each => limit::MARKS_STEP,
    };
    let (mut told, mut tried, mut came) = (false, kept.secured.at(), 0);
    let mut released = tried;
    loop {
        let ends = floor.closed.load(Ordering::Relaxed);
        let now = clock::instant();
        let pressed = floor.records.is_pressed() || floor.events.is_pressed();
        let comes = floor.records.came() + floor.events.came();
        let much = comes - came >= limit::SPOOLED_BETWEEN_CHECKPOINTS;
        let last = kept.secured.at().max(tried);
        if ends || pressed || much || now.saturating_duration_since(last) >= step {
            (tried, came) = (now, comes);
            match Ground::of(floor, kept).secure() {
                Ok(()) => told = false,
                Err(error) if !told => {
                    told = true;
                    tracing::error!("{error}; a crash of the machine would lose what came since");
                }
                Err(_) => {}
            }
        }
        let secured = kept.secured.at();
        if std::mem::replace(&mut released, secured) != secured {
            release(floor);
        }
        if ends {
            return;
        }
        thread::park_timeout(step.min(limit::PRESSED_STEP));
    }
}

/// Writes the spools through, writes down how far they say that all have come, and lets go of what is older.
pub(crate) fn write(floor: &Floor, kept: &Kept) -> io::Result<()> {
    Ground::of(floor, kept).secure()?;
    release(floor);
    Ok(())
}

fn release(floor: &Floor) {
    floor.records.release();
    floor.events.release();
}

/// Since when what is kept has been on the disk, whoever saw to it: each time others that write wait for the disk a little.
pub(crate) struct Secured {
    at: Mutex<Instant>,
    /// Held while ledgers are written: an older one must not take the place of a newer one.
    securing: Mutex<()>,
}

impl Secured {
    pub(crate) fn new() -> Self {
        Self { at: Mutex::new(clock::instant()), securing: Mutex::new(()) }
    }

    /// All that came before is on the disk.
    fn at(&self) -> Instant {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, at: Instant) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

/// What checkpoints build on: the streams, what was asked for because of them, and the ledgers that say how far all have
/// come. A checkpoint that is ahead of these would pass over what is told again after a spool was lost.
struct Ground {
    records: Arc<Stream<RecordPiece>>,
    events: Arc<Stream<EventPiece>>,
    store: Arc<Archive>,
    sources: PathBuf,
    turns: PathBuf,
    through: bool,
    secured: Arc<Secured>,
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
            secured: Arc::clone(&kept.secured),
        }
    }

    fn secure(&self) -> io::Result<()> {
        let _one_at_a_time = self.secured.securing.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = clock::instant();
        let (sources, turns) = (self.records.ledger(), self.events.ledger());
        if self.through {
            // What the ledgers say must not be known before it is so.
            self.write_through()?;
        }
        marks::store(&self.sources, &sources, self.through)?;
        self.records.hold_from(sources.item);
        marks::store(&self.turns, &turns, self.through)?;
        self.events.hold_from(turns.item);
        self.secured.note(begun);
        Ok(())
    }

    fn write_through(&self) -> io::Result<()> {
        for syncer in [self.records.syncer(), self.events.syncer()].into_iter().flatten() {
            syncer.sync().map_err(io::Error::other)?;
        }
        self.store.get().map_or(Ok(()), |store| store.sync().map_err(io::Error::other))
    }
}
