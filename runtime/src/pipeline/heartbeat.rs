//! What the engine itself does while its threads work: it waits for the end, and tells the time and what happened.
//!
//! It must never wait for a change of the stack: who watches over the engine wants a sign of life meanwhile.

use std::sync::atomic::Ordering;
use std::thread;

use super::engine::{Engine, ListenerHand, try_locked};
use crate::clock;
use crate::limit;
use crate::pipeline::stream::piece::{EventKind, EventPiece};
use crate::pipeline::threads::Vital;

impl Engine {
    /// Waits until the run is over: told to stop, or at the end of its input. `now_and_then` is called meanwhile.
    pub fn wait(&self, mut now_and_then: impl FnMut()) {
        let _vital = Vital;
        let (mut timed, mut told) = (clock::instant(), false);
        while !self.stop.load(Ordering::Relaxed) && !self.input_ended() {
            thread::park_timeout(limit::RETRY_STEP);
            self.tell_progress();
            self.publish_notices();
            now_and_then();
            let now = clock::instant();
            let due = now.duration_since(timed) >= limit::TIME_STEP;
            // Files that are read once have a time of their own until they are done.
            if self.live && due && !self.reads_files() {
                timed = now;
                self.floor.door.pass_time();
                self.tell_listeners_time();
                told = self.tell_ahead(told);
            }
        }
    }

    /// Listeners that keep timers learn the time even where no event brings it.
    fn tell_listeners_time(&self) {
        let timed = |it: &ListenerHand| it.hand.is_some() && !it.plan.timers.is_empty();
        let Some(now) = self.floor.door.event_time() else { return };
        let told = self.time_told.load(Ordering::Relaxed);
        let any = || try_locked(&self.crew).is_some_and(|crew| crew.listeners.iter().any(timed));
        if now.saturating_sub(told) < limit::TIME_TOLD_STEP || !any() {
            return;
        }
        let kind = EventKind::Time;
        let piece = |first| EventPiece { first, kind, now, count: 1, ..EventPiece::default() };
        if self.floor.events.try_publish(piece).is_ok() {
            self.time_told.store(now, Ordering::Relaxed);
        }
    }

    /// Event time never goes back: where a wrong clock has moved it, timers stand still until the right one has caught up.
    fn tell_ahead(&self, told: bool) -> bool {
        let ahead = self.floor.door.ahead();
        let is_ahead = ahead >= limit::TIME_AHEAD_TOLD;
        if is_ahead && !told {
            tracing::warn!(
                "event time is {} minutes ahead of the machine's clock, where a wrong clock or wrong records have moved it: until \
                 the clock has caught up no timer fires, and records count as late",
                ahead.as_secs() / 60
            );
        }
        is_ahead
    }

    /// Publishes what the engine itself has to say.
    pub(super) fn publish_notices(&self) {
        let floor = &self.floor;
        let dropped = floor.records.dropped.load(Ordering::Relaxed);
        let told = self.dropped_told.swap(dropped, Ordering::Relaxed);
        if dropped > told {
            floor.notices.dropped(dropped - told);
        }
        floor.notices.publish(&floor.events);
    }

    pub(super) fn tell_progress(&self) {
        let door = &self.floor.door;
        self.progress.bytes.store(door.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        self.progress.records.store(door.records.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
