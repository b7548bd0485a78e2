//! Events that nobody could read any more once a module is another: a change waits until those who listen have done them,
//! or is refused.

use std::collections::HashSet;
use std::sync::MutexGuard;
use std::thread;
use std::time::Instant;

use super::hand::Hand;
use super::hiring::plan_of;
use crate::pipeline::engine::{Crew, Engine, ListenerHand, locked};
use crate::pipeline::listening::view::{Shapes, shapes};
use crate::pipeline::stream::piece::{EventPiece, Piece};
use crate::pipeline::{ListenerPlan, Plan};
use crate::{clock, limit};

/// Modules, and forms of their events.
pub(super) type Forms = HashSet<(String, u64)>;

/// The forms that there are not any more.
pub(super) fn lost(before: &Shapes, after: &Shapes) -> Forms {
    before.keys().filter(|form| !after.contains_key(*form)).cloned().collect()
}

/// A listener that stays, and has events to do that it could not read any more.
struct Behind {
    why: String,
    /// Whether it gets on with them.
    works: bool,
}

impl Behind {
    /// Whether nobody waits for it any more, who began at that time.
    fn is_given_up(&self, since: Instant) -> bool {
        !self.works || clock::instant().duration_since(since) >= limit::DRAIN_TIME
    }
}

impl Engine {
    /// The crew, once listeners that stay have done the events that they could not read any more under this plan. Nobody who
    /// asks how the engine fares waits for that.
    pub(super) fn crew_when_all_is_read(
        &self,
        plan: &Plan,
    ) -> Result<MutexGuard<'_, Crew>, String> {
        let (since, after, next) =
            (clock::instant(), shapes(&plan.modules), self.floor.events.next());
        loop {
            let crew = locked(&self.crew);
            let lost = lost(&crew.shapes(), &after);
            let Some(behind) = self.behind(&crew, &plan.listeners, &lost, next) else {
                return Ok(crew);
            };
            if behind.is_given_up(since) {
                return Err(behind.why);
            }
            drop(crew);
            thread::park_timeout(limit::JOIN_STEP);
        }
    }

    /// The same for what came since, and nobody who publishes works.
    pub(super) fn wait_for_listeners(
        &self,
        crew: &Crew,
        stay: &[ListenerPlan],
        lost: &Forms,
    ) -> Result<(), String> {
        let (since, next) = (clock::instant(), self.floor.events.next());
        while let Some(behind) = self.behind(crew, stay, lost, next) {
            if behind.is_given_up(since) {
                return Err(behind.why);
            }
            thread::park_timeout(limit::JOIN_STEP);
        }
        Ok(())
    }

    /// The first that is behind, if any event could not be read any more.
    fn behind(
        &self,
        crew: &Crew,
        stay: &[ListenerPlan],
        lost: &Forms,
        next: u64,
    ) -> Option<Behind> {
        if lost.is_empty() {
            return None;
        }
        let stays = |it: &&ListenerHand| stay.iter().any(|plan| plan.name == it.plan.name);
        crew.listeners.iter().filter(stays).find_map(|it| {
            let name = &it.plan.name;
            let working = it.hand.as_ref().filter(|hand| !hand.picture.guest.lock().suspended);
            let place = match (&it.hand, crew.left.get(name), crew.holds.get(name)) {
                (Some(hand), ..) => self.floor.events.passed(hand.slot),
                (None, Some(left), Some(_)) => left.saved.place.cursor.item,
                (None, None, Some((hold, _))) => self.floor.events.passed(*hold),
                // What passes it by is nothing to it.
                (None, _, None) => return None,
            };
            if place >= next || working.is_none() && !self.has(place, next, lost) {
                return None;
            }
            working.map(Hand::wake);
            let what = "events to do that it could not read any more once their module is another";
            let rests = |how: &str, command: &str| {
                format!(
                    "listener `{name}` is {how} with {what}: `correlator modules {command} {name}`, or take it out of the stack first"
                )
            };
            let why = match (working, &it.hand) {
                (Some(_), _) => format!("listener `{name}` has {} {what}", next - place),
                (None, Some(_)) => rests("suspended", "release"),
                (None, None) => rests("off", "enable"),
            };
            Some(Behind { why, works: working.is_some() })
        })
    }

    /// Whether there are events of these forms from one item to another.
    fn has(&self, from: u64, next: u64, forms: &Forms) -> bool {
        let Some(mut reader) = self.floor.events.reader(from) else { return false };
        let mut payload = Vec::new();
        // What can't be read is told by who has to.
        while let Ok(Some(header)) = reader.next(&mut payload)
            && header.first < next
        {
            let piece = EventPiece::read(header.kind, header.first, header.count, &payload);
            if piece.is_some_and(|it| forms.contains(&(plan_of(&it.module).to_owned(), it.shape))) {
                return true;
            }
        }
        false
    }
}
