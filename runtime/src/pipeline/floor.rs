//! The floor that guests work on: streams and door, on top of what an earlier run left where anything is kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use correlator_spool::settings::{Durability, WhenFull};

use super::checkpoint::{Saver, SaverWork, Shelf};
use super::crew::{Floor, Kept, News, horizon, part_name};
use super::intake::Door;
use super::notices::Notices;
use super::recover::{self, Rooms, SourceMarks};
use super::stream::Stream;
use super::{Plan, RunError};
use crate::clock;
use crate::dead::Dead;

/// Makes what all guests share; tells how far files had been read, whether the events had ended, and what the saver is
/// to do.
pub(super) fn floor(
    plan: &Plan,
    ending: &Arc<AtomicBool>,
) -> Result<(Floor, SourceMarks, bool, Option<SaverWork>), RunError> {
    let drops = plan.keeping.as_ref().is_some_and(|it| it.when_full == WhenFull::Drop);
    let Some(keeping) = &plan.keeping else {
        let records = Arc::new(Stream::new(0, None, false));
        let marks = SourceMarks::default();
        // Records of one run must not have the names of another's.
        let base = clock::now().cast_unsigned();
        let door = Door::new(Arc::clone(&records), Arc::clone(ending), None, marks.clone(), base);
        let events = Arc::new(Stream::new(0, None, false));
        let door = Arc::new(door);
        let notices = Arc::new(Notices::new(Arc::clone(&door)));
        let told = Arc::clone(&notices);
        let floor = Floor {
            records,
            events,
            door,
            notices,
            zone: plan.zone.clone(),
            stop: Arc::clone(ending),
            kept: None,
            tell: Arc::new(move |news: News| told.tell(&news, None)),
        };
        return Ok((floor, marks, false, None));
    };
    let rooms = Rooms::new(keeping);
    let oldest = oldest_horizon(plan, &rooms);
    let found = recover::open(keeping, &rooms, oldest)?;
    let dead = Dead::open(&rooms.dead).map_err(|error| RunError::State(error.to_string()))?;
    let dead = Arc::new(dead);
    let marks = found.marks;
    let records = Arc::new(Stream::new(found.records.next(), Some(found.records), drops));
    let events = Arc::new(Stream::new(found.events.next(), Some(found.events), false));
    records.hold_from(marks.item);
    events.hold_from(oldest.unwrap_or(u64::MAX));
    let syncer = records.syncer().filter(|_| keeping.durability == Durability::Each);
    let door = Door::new(Arc::clone(&records), Arc::clone(ending), syncer, marks.clone(), 0);
    let (saver, work) = Saver::new();
    let components = plan.modules.iter().map(|it| (it.name.clone(), it.component.clone()));
    let listeners = plan.listeners.iter().map(|it| (it.name.clone(), it.component.clone()));
    let components: HashMap<_, _> = components.chain(listeners).collect();
    let letters = Arc::clone(&dead);
    let names: Vec<_> = plan.sources.iter().map(|it| (it.number(), it.name.clone())).collect();
    let door = Arc::new(door);
    let notices = Arc::new(Notices::new(Arc::clone(&door)));
    let told = Arc::clone(&notices);
    let tell = move |news: News| {
        let letter = match &news {
            News::Aside(aside) => super::aside::put(&letters, &components, &names, aside),
            _ => None,
        };
        told.tell(&news, letter);
    };
    let floor = Floor {
        records,
        events,
        door,
        notices,
        zone: plan.zone.clone(),
        stop: Arc::clone(ending),
        kept: Some(Kept {
            rooms,
            keeping: keeping.clone(),
            saver,
            dead,
            done: found.done,
            horizons: Arc::default(),
            marks_item: AtomicU64::new(marks.item),
        }),
        tell: Arc::new(tell),
    };
    Ok((floor, marks, found.events_ended, Some(work)))
}

/// Where in the stream of events the oldest checkpoint of any module stands.
fn oldest_horizon(plan: &Plan, rooms: &Rooms) -> Option<u64> {
    let parts = plan.modules.iter().flat_map(|plan| {
        (0..plan.instances).map(move |part| (part_name(plan, part), &plan.component.1))
    });
    let shelves =
        parts.map(|(name, component)| Shelf::new(&rooms.checkpoints, &name, component, false));
    shelves.flat_map(|shelf| shelf.load()).map(|checkpoint| horizon(&checkpoint)).min()
}
