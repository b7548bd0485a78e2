//! The threads that write to the disk: what lies in the spools and ledgers, and checkpoints.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use correlator_spool::settings::Durability;

use super::checkpoint::SaverWork;
use super::crew::{Floor, Kept};
use super::engine::spawn;
use super::{RunError, marks};
use crate::{clock, limit};

/// Starts them, where anything is kept.
pub(super) fn start(
    floor: &Arc<Floor>,
    work: Option<SaverWork>,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let (Some(kept), Some(work)) = (&floor.kept, work) else { return Ok(Vec::new()) };
    let syncers = [floor.records.syncer(), floor.events.syncer()];
    let through = kept.rooms.through;
    let prepare = move || {
        for syncer in syncers.iter().flatten().filter(|_| through) {
            syncer.sync().map_err(io::Error::other)?;
        }
        Ok(())
    };
    let spools = Arc::clone(floor);
    Ok(vec![
        spawn("checkpoints", move || work.run(prepare))?,
        spawn("spools", move || write_now_and_then(&spools))?,
    ])
}

/// Writes the spools through as often as the stack wants, and writes down how far they say that all have come.
fn write_now_and_then(floor: &Floor) {
    let Some(kept) = &floor.kept else { return };
    let step = match kept.keeping.durability {
        Durability::Batched(every) => every.min(limit::MARKS_STEP),
        Durability::None | Durability::Each => limit::MARKS_STEP,
    };
    let (mut told, mut written) = (false, clock::instant());
    loop {
        let ends = floor.closed.load(Ordering::Relaxed);
        let now = clock::instant();
        let pressed = floor.records.is_pressed() || floor.events.is_pressed();
        if ends || pressed || now.duration_since(written) >= step {
            written = now;
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

/// Writes the spools through, and writes down how far they say that all have come.
pub(super) fn write(floor: &Floor, kept: &Kept) -> io::Result<()> {
    let (sources, turns) = (floor.records.ledger(), floor.events.ledger());
    let through = kept.rooms.through;
    if through {
        // What the ledgers say must not be known before it is so.
        for syncer in [floor.records.syncer(), floor.events.syncer()].into_iter().flatten() {
            syncer.sync().map_err(io::Error::other)?;
        }
    }
    marks::store(&kept.rooms.sources, &sources, through)?;
    floor.records.hold_from(sources.item);
    marks::store(&kept.rooms.turns, &turns, through)?;
    floor.events.hold_from(turns.item);
    floor.records.release();
    floor.events.release();
    Ok(())
}
