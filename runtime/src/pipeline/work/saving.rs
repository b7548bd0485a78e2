//! How a worker saves its guest's state: in memory, to go back to after a failure, and in checkpoints on the disk.
//!
//! Saving takes the guest's own time. State that is so large that the guest would stand still for it is saved by a
//! shadow: another instance, which goes from the last saved state over the same records to the same place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use super::checkpoint::{Checkpoint, Keeping};
use super::keeper::Saved;
use super::worker::{Side, Worker};
use crate::clock;
use crate::guest::{Failure, State};
use crate::limit;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::{Bounds, Next};

/// Makes another instance of the guest that goes from a saved state to a place, and saves its state there.
pub(crate) type MakeShadow =
    Arc<dyn Fn(Saved, Cursor) -> Option<JoinHandle<Option<Saved>>> + Send + Sync>;

/// The instance that saves large state in the place of the one that works, which need not stand still for it.
#[derive(Default)]
pub(crate) struct Shadow {
    make: Option<MakeShadow>,
    working: Option<JoinHandle<Option<Saved>>>,
}

impl<S: Side> Worker<S> {
    /// Has large state saved by another instance.
    pub(crate) fn with_shadow(mut self, make: MakeShadow) -> Self {
        self.shadow.make = Some(make);
        self
    }

    /// Leaves checkpoints to another.
    pub(crate) fn without_checkpoints(&mut self) -> &mut Self {
        self.keeping = None;
        self
    }

    /// Works up to a place and saves the state there. What the guest returns was done with before.
    pub(crate) fn run_to(&mut self, place: Cursor) -> Option<Saved> {
        self.side.set_rate(self.keeper.saved.rate);
        self.done = Cursor { item: u64::MAX, ticks: 0 };
        while self.side.place().cursor < place {
            let from = self.side.place().cursor;
            let bounds = Bounds { until: place, ..self.bounds(from) };
            let side = &mut self.side;
            let result = match side.next(bounds) {
                Next::Batch => self.keeper.call(|guest| side.process(guest)).map(drop_turn),
                Next::Tick(tick) => self.keeper.call(|guest| side.tick(guest, tick)).map(drop_turn),
                Next::Nothing => {
                    side.wait();
                    Some(Ok(()))
                }
                Next::Ended => return None,
            };
            // A shadow that fails is of no use; the one that works will fail as well, and be seen to.
            result?.ok()?;
            let pinned = Some(self.keeper.saved.place.cursor.item);
            self.side.advance(pinned);
        }
        self.keeper.unsaved = true;
        self.keeper.save(self.side.place(), self.side.rate()).ok()?;
        Some(self.keeper.saved.clone())
    }

    /// Takes the state to the place up to which turns are done, by another instance: while the guest rests, the stream may
    /// let go of what lies before. Where it fails on the way, it goes on from what was saved last.
    pub(crate) fn save_what_is_done(&mut self) {
        let done = self.done;
        if self.keeper.saved.place.cursor >= done || self.keeper.begin().is_err() {
            return;
        }
        self.side.seek(self.keeper.saved.place);
        let reached = self.run_to(done);
        self.done = done;
        if reached.is_none() {
            return;
        }
        if let Some(keeping) = &self.keeping {
            keeping.wait();
            self.put_down(None, true);
        }
    }

    /// Saves when that is cheap or wanted, makes a checkpoint when one is due, and lets go of what is done with.
    pub(crate) fn keep(&mut self) {
        if self.keeper.guest.is_none() {
            return;
        }
        let wanted = self.side.save_wanted();
        self.take_from_shadow();
        let much = self.has_much_to_let_go();
        let save = wanted || much || self.keeper.saving_is_cheap();
        if save && self.keeper.unsaved && !self.has_shadow() {
            self.save();
        }
        if wanted {
            self.signals.checkpoint.store(true, Ordering::Relaxed);
        }
        if !self.keeper.unsaved && self.side.place().cursor > self.keeper.saved.place.cursor {
            // Nothing has happened to the state: it belongs here as well.
            self.keeper.saved.place = self.side.place();
        }
        self.checkpoint_if_due(much);
        let pinned = self.keeper.unsaved.then_some(self.keeper.saved.place.cursor.item);
        self.side.advance(pinned);
    }

    pub(crate) fn save(&mut self) {
        let (place, rate) = (self.side.place(), self.side.rate());
        // What is handed over again was saved further on already.
        if place.cursor < self.done {
            return;
        }
        if let Err(failure) = self.keeper.save(place, rate) {
            let name = self.keeper.report.lock().name.clone();
            tracing::warn!("{} `{name}`: {failure}; it is started again", self.keeper.role);
            self.keeper.note(&failure);
            self.go_back(true);
            return;
        }
        self.side.weigh(self.keeper.saved.state.as_ref().map_or(0, |state| state.bytes.len()));
    }

    fn checkpoint_if_due(&mut self, much: bool) {
        let Some(keeping) = &self.keeping else { return };
        let wanted = self.signals.checkpoint.swap(false, Ordering::Relaxed);
        let waited = clock::instant().duration_since(self.checkpointed.1);
        let due = much
            || waited >= keeping.every
            || waited >= limit::CHECKPOINT_STEP_MIN && self.side.is_pressed();
        if (due || wanted) && keeping.is_free() {
            self.checkpoint(false);
        }
    }

    /// Whether so much has come to the spool since the last checkpoint that another is worth what it costs.
    fn has_much_to_let_go(&self) -> bool {
        let state = self.keeper.saved.state.as_ref().map_or(0, |state| state.bytes.len() as u64);
        let most = limit::SPOOLED_BETWEEN_CHECKPOINTS.max(state * limit::SPOOLED_PER_STATE_BYTE);
        if self.side.came() - self.came < most
            || !self.keeping.as_ref().is_some_and(Keeping::is_free)
        {
            return false;
        }
        let waited = clock::instant().duration_since(self.checkpointed.1);
        let rest = self.keeper.saving_took.saturating_mul(limit::WORK_PER_CHECKPOINT);
        waited >= rest.max(limit::CHECKPOINT_STEP_MIN)
    }

    /// Saves state and place together on the disk.
    pub(crate) fn checkpoint(&mut self, at_end: bool) {
        if self.keeping.is_none() {
            return;
        }
        self.checkpointed.1 = clock::instant();
        self.came = self.side.came();
        if self.side.place().cursor < self.done || self.keeper.guest.is_none() {
            return;
        }
        let failed = self.keeping.as_ref().is_some_and(Keeping::has_failed);
        let same = self.side.place() == self.checkpointed.0 && !self.keeper.unsaved && !failed;
        self.checkpoints_here = if same { self.checkpoints_here + 1 } else { 0 };
        // One more at the same place: then nothing before it is needed, whichever of the two is read.
        if self.checkpoints_here > 1 {
            return;
        }
        if self.has_shadow() && self.keeper.unsaved && !at_end {
            self.send_shadow();
            return;
        }
        self.save();
        if self.keeper.guest.is_none() || self.keeper.unsaved {
            return;
        }
        self.put_down(None, at_end);
    }

    /// Whether saving takes so long that another instance does it.
    pub(crate) fn has_shadow(&self) -> bool {
        self.keeper.saving_took > limit::SAVING_TIME_MAX && self.shadow.make.is_some()
    }

    fn send_shadow(&mut self) {
        if let (None, Some(make)) = (&self.shadow.working, &self.shadow.make) {
            self.shadow.working = make(self.keeper.saved.clone(), self.side.place().cursor);
        }
    }

    /// Makes a checkpoint of what the shadow has saved.
    fn take_from_shadow(&mut self) {
        let Some(thread) = self.shadow.working.take_if(|thread| thread.is_finished()) else {
            return;
        };
        if let Ok(Some(saved)) = thread.join() {
            self.keeper.report.lock().state_bytes =
                saved.state.as_ref().map_or(0, |state| state.bytes.len() as u64);
            let former = std::mem::replace(&mut self.keeper.saved, saved);
            self.put_down(former.state, false);
        }
    }

    /// Hands what was saved last to the saver, and what it takes the place of.
    fn put_down(&mut self, former: Option<Arc<State>>, at_end: bool) {
        let Some(outside) = self.side.settle() else { return };
        let saved = &self.keeper.saved;
        let checkpoint = Checkpoint {
            place: saved.place,
            rate: saved.rate,
            state: saved.state.clone(),
            outside,
        };
        self.checkpointed.0 = saved.place;
        if let Some(keeping) = &mut self.keeping {
            keeping.keep(checkpoint, former, at_end);
            self.keeper.report.lock().checkpoint = Some(self.checkpointed.1);
        }
    }
}

fn drop_turn<T>(result: Result<T, Failure>) -> Result<(), Failure> {
    result.map(|_| ())
}
