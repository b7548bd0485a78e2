//! The floor that guests work on: streams and door, on top of what an earlier run left where anything is kept.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use correlator_spool::settings::{Durability, WhenFull};

use super::counted::Counted;
use super::dividing::parts_left;
use super::{Current, Floor, Kept, News};
use crate::capability::Tallies;
use crate::dead::Dead;
use crate::pipeline::intake::Door;
use crate::pipeline::letters::known::Known;
use crate::pipeline::notices::Notices;
use crate::pipeline::state::put_off::PutOff;
use crate::pipeline::state::recover::{self, Rooms};
use crate::pipeline::state::{origin, version};
use crate::pipeline::stream::Stream;
use crate::pipeline::stream::marks::{EventMarks, SourceMarks};
use crate::pipeline::work::checkpoint::{Saver, SaverWork, Shelf};
use crate::pipeline::{Plan, RunError};

/// Makes what all guests share; tells how far files had been read, whether the events had ended, and what the saver is
/// to do.
pub(crate) fn floor(
    plan: &Plan,
    ending: &Arc<AtomicBool>,
) -> Result<(Floor, SourceMarks, bool, Option<SaverWork>), RunError> {
    let Some(keeping) = &plan.keeping else {
        let (floor, marks) = bare(plan, ending);
        return Ok((floor, marks, false, None));
    };
    let drops = keeping.when_full == WhenFull::Drop;
    version::take(&keeping.folder)?;
    let origin = origin::of_state(&keeping.folder)?;
    let rooms = Rooms::new(keeping);
    let found = recover::open(keeping, &rooms, reached(plan, &rooms)?)?;
    let dead = Dead::open(&rooms.dead).map_err(|error| RunError::State(error.to_string()))?;
    let dead = Arc::new(dead);
    let marks = found.sources;
    let events_ended = found.turns.ended;
    let records = Arc::new(Stream::new(Some(found.records), marks.clone(), drops));
    let events = Arc::new(Stream::new(Some(found.events), found.turns, false));
    records.hold_from(found.written.0);
    events.hold_from(found.written.1);
    records.note_missing(found.missing.0);
    events.note_missing(found.missing.1);
    let syncer = records.syncer().filter(|_| keeping.durability == Durability::Each);
    let door = Door::new(Arc::clone(&records), Arc::clone(ending), syncer, &marks);
    let (saver, work) = Saver::new();
    let letters = Arc::clone(&dead);
    let known = Arc::new(Known::load(&keeping.folder));
    let off = Arc::new(PutOff::load(&keeping.folder));
    let door = Arc::new(door);
    let notices = Arc::new(Notices::new(Arc::clone(&door)));
    let told = Arc::clone(&notices);
    let (names, resting) = (Arc::clone(&known), Arc::clone(&off));
    let tell = move |news: News| {
        let letter = match &news {
            News::Aside(aside) => crate::pipeline::letters::aside::put(&letters, &names, aside),
            News::Suspended(_, name, _) => {
                resting.note_suspended(name, true);
                None
            }
            News::Released(_, name) => {
                resting.note_suspended(name, false);
                None
            }
        };
        told.tell(&news, letter.as_deref());
    };
    let floor = Floor {
        records,
        events,
        door,
        notices,
        zone: plan.zone.clone(),
        origin,
        stop: Arc::clone(ending),
        closed: AtomicBool::new(false),
        kept: Some(Kept::new(rooms, keeping, saver, dead)),
        off,
        known,
        counted: Counted::default(),
        tallies: Tallies::default(),
        secrets: Current::new(&plan.secrets),
        tell: Arc::new(tell),
    };
    Ok((floor, marks, events_ended, Some(work)))
}

/// The floor of a run that keeps nothing.
fn bare(plan: &Plan, ending: &Arc<AtomicBool>) -> (Floor, SourceMarks) {
    let marks = SourceMarks::default();
    let records = Arc::new(Stream::new(None, marks.clone(), false));
    let door = Door::new(Arc::clone(&records), Arc::clone(ending), None, &marks);
    let events = Arc::new(Stream::new(None, EventMarks::default(), false));
    let door = Arc::new(door);
    let notices = Arc::new(Notices::new(Arc::clone(&door)));
    let told = Arc::clone(&notices);
    let floor = Floor {
        records,
        events,
        door,
        notices,
        zone: plan.zone.clone(),
        origin: origin::of_machine(),
        stop: Arc::clone(ending),
        closed: AtomicBool::new(false),
        kept: None,
        off: Arc::default(),
        known: Arc::default(),
        counted: Counted::default(),
        tallies: Tallies::default(),
        secrets: Current::new(&plan.secrets),
        tell: Arc::new(move |news: News| told.tell(&news, None)),
    };
    (floor, marks)
}

/// The items that the checkpoints of all modules, and of all listeners, say were reached.
fn reached(plan: &Plan, rooms: &Rooms) -> Result<(u64, u64), RunError> {
    let furthest = |furthest: u64, name: &str| -> Result<u64, RunError> {
        // What is damaged is told when its guest is started.
        let left = Shelf::new(&rooms.checkpoints, name, "", false).readable()?;
        let items = left.checkpoints.iter().map(|checkpoint| checkpoint.place.cursor.item);
        Ok(items.fold(furthest, u64::max))
    };
    let mut modules = 0;
    for module in &plan.modules {
        let parts = parts_left(&rooms.checkpoints, &module.name);
        let parts = parts.map_err(|error| RunError::State(error.to_string()))?;
        modules = parts.iter().try_fold(modules, |item, name| furthest(item, name))?;
    }
    let listeners = plan.listeners.iter().try_fold(0, |item, it| furthest(item, &it.name))?;
    Ok((modules, listeners))
}
