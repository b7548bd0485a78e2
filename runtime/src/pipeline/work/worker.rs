//! A worker: a thread that hands one guest what it wants, in order, and does with its turns what is to be done.
//!
//! A guest is a pure function of its state and its input, so a failure is answered by going back: to the last saved
//! state, over what was handed since, in ever smaller batches, until the one item that makes it fail is found and set
//! aside. What had been done before is not done again. A guest that keeps failing is suspended; nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::checkpoint::Keeping;
use super::keeper::{Keeper, Saved};
use super::saving::Shadow;
use crate::clock;
use crate::guest::{Failure, Tick};
use crate::limit::{self, Limits};
use crate::pipeline::crew::News;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::{Bounds, Feed, Next, Place, View};

/// What a module's worker and a listener's do differently.
pub(crate) trait Side {
    /// What is called.
    type Guest: ?Sized;
    /// What a call gives.
    type Turn;
    /// How it looks at the stream.
    type View: View;

    /// Fills the batch with what comes next, or tells of a tick.
    fn next(&mut self, bounds: Bounds) -> Next;
    /// How many items the batch has, and its first.
    fn items(&self) -> (usize, u64);
    /// The way through the stream.
    fn feed(&self) -> &Feed<Self::View>;
    /// The same, to go on.
    fn feed_mut(&mut self) -> &mut Feed<Self::View>;
    /// Whether checkpoints should not be long in coming.
    fn is_pressed(&self) -> bool {
        self.feed().is_pressed()
    }
    /// How much has come to the spool that it reads, where checkpoints should be made of that. Listeners make theirs often
    /// enough, and each costs the writing through of tables.
    fn came(&self) -> u64 {
        0
    }
    /// Hands the batch to the guest.
    fn process(&mut self, guest: &mut Self::Guest) -> Result<Self::Turn, Failure>;
    /// Hands a tick to the guest.
    fn tick(&mut self, guest: &mut Self::Guest, tick: Tick) -> Result<Self::Turn, Failure>;
    /// Does what the turn says. The run ends if it says no.
    fn commit(&mut self, turn: Self::Turn, upto: Cursor) -> bool;
    /// Sets the one item of the batch, or a tick, aside: it is not handed over any more.
    fn set_aside(&mut self, tick: Option<Tick>, failure: &Failure);
    /// What is called a minute's rate of events or effects.
    fn rate(&self) -> (i64, u64);
    /// Goes back to another rate.
    fn set_rate(&mut self, rate: (i64, u64));
    /// Where the way through the stream is.
    fn place(&self) -> Place {
        self.feed().place()
    }
    /// Goes to another place.
    fn seek(&mut self, place: Place) {
        self.feed_mut().seek(place);
    }
    /// Tells the stream how far the guest is.
    fn advance(&self, pinned: Option<u64>) {
        self.feed().advance(pinned);
    }
    /// Does what is left to do when nothing more can come, or only what can't be left when it is told to end now. Says no if
    /// turns since the last checkpoint are to come again.
    fn finish(&mut self, now: bool) -> bool {
        let _ = now;
        true
    }
    /// Says how much there is to save.
    fn weigh(&self, state_bytes: usize) {
        self.feed().weigh(state_bytes);
    }
    /// Whether the stream holds nothing back for it, from now on or no longer.
    fn set_absent(&mut self, absent: bool) {
        self.feed_mut().set_absent(absent);
    }
    /// Waits until something comes, or for a while.
    fn wait(&mut self) {
        self.feed_mut().wait();
    }
    /// Whether somebody else waits for the state to be saved.
    fn save_wanted(&self) -> bool {
        self.feed().save_wanted()
    }
    /// Items behind its place, and items that were gone before they could be read.
    fn lag(&self) -> (u64, u64);
    /// Whether the stream is over.
    fn is_over(&self) -> bool {
        self.feed().is_over()
    }
    /// Tells those who want to know.
    fn tell(&self, news: News);
    /// Makes sure that what was committed is on the disk, and tells what has to be known of it after a restart. Nothing if
    /// that can't be done now.
    fn settle(&mut self) -> Option<Vec<u8>>;
}

/// What others can tell a worker.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// It is to end now, whatever is left to do.
    pub(crate) stop: AtomicBool,
    /// A suspended guest is to be tried again.
    pub(crate) release: AtomicBool,
    /// A checkpoint is wanted now.
    pub(crate) checkpoint: AtomicBool,
}

/// Where a guest failed, and what is done to find out on what.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    from: Cursor,
    to: Cursor,
    items: usize,
}

/// A guest at work.
pub(crate) struct Worker<S: Side> {
    pub(crate) side: S,
    pub(crate) keeper: Keeper<S::Guest>,
    limits: Limits,
    pub(crate) signals: Arc<Signals>,
    /// Up to where turns are done with for good.
    pub(crate) done: Cursor,
    suspect: Option<Suspect>,
    pub(crate) keeping: Option<Keeping>,
    /// The place of the last checkpoint, and when it was made.
    pub(crate) checkpointed: (Place, Instant),
    /// How much had come to the spool then.
    pub(crate) came: u64,
    suspended_at: Option<Instant>,
    turns: u32,
    /// How often in a row a checkpoint was made at the same place.
    pub(crate) checkpoints_here: u32,
    pub(crate) shadow: Shadow,
}

/// What a worker leaves behind when it ends: the state, where it belongs, and up to where its turns are done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remains {
    pub(crate) saved: Saved,
    pub(crate) done: Cursor,
}

impl<S: Side> Worker<S> {
    pub(crate) fn new(
        side: S,
        keeper: Keeper<S::Guest>,
        limits: &Limits,
        signals: Arc<Signals>,
        keeping: Option<Keeping>,
        done: Cursor,
    ) -> Self {
        let checkpointed = (keeper.saved.place, clock::instant());
        let limits = limits.clone();
        Self {
            side,
            keeper,
            limits,
            signals,
            done,
            suspect: None,
            keeping,
            checkpointed,
            came: 0,
            suspended_at: None,
            turns: 0,
            checkpoints_here: 0,
            shadow: Shadow::default(),
        }
    }

    /// Begins to rest, as it did when the engine ended, until it is released.
    pub(crate) fn begin_suspended(&mut self) {
        self.keeper.guest = None;
        self.keeper.report.lock().suspended = true;
        self.suspended_at = Some(clock::instant());
        self.side.set_absent(true);
    }

    /// Works until nothing more can come, or until it is stopped.
    pub(crate) fn run(&mut self) -> Remains {
        self.side.set_rate(self.keeper.saved.rate);
        while !self.signals.stop.load(Ordering::Relaxed) {
            if self.keeper.guest.is_none() && !self.rest() {
                break;
            }
            if self.keeper.guest.is_none() {
                continue;
            }
            let from = self.side.place();
            let goes_on = match self.side.next(self.bounds(from.cursor)) {
                Next::Batch => self.batch(from.cursor),
                Next::Tick(tick) => self.tick(from.cursor, tick),
                Next::Nothing => {
                    self.keep();
                    self.tell();
                    self.side.wait();
                    true
                }
                Next::Ended => break,
            };
            if !goes_on {
                break;
            }
            self.keep();
            self.tell_now_and_then();
        }
        self.end()
    }

    /// How large the next batch may be: smaller where the guest has failed before.
    pub(crate) fn bounds(&self, at: Cursor) -> Bounds {
        let mut bounds = Bounds {
            items: self.limits.batch_records,
            bytes: self.limits.batch_bytes,
            until: Cursor { item: u64::MAX, ticks: 0 },
        };
        let mut end_at = |cursor: Cursor| {
            if cursor > at {
                bounds.until = bounds.until.min(cursor);
            }
        };
        end_at(self.done);
        if let Some(suspect) = self.suspect {
            end_at(suspect.from);
            end_at(suspect.to);
            if at >= suspect.from {
                bounds.items = suspect.items;
            }
        }
        bounds
    }

    fn batch(&mut self, from: Cursor) -> bool {
        let (items, first) = self.side.items();
        let (side, keeper) = (&mut self.side, &mut self.keeper);
        let Some(result) = keeper.call(|guest| side.process(guest)) else { return true };
        match result {
            Ok(turn) => {
                self.keeper.report.lock().handed += items as u64;
                // Ticks before an item come before it.
                self.succeed(turn, Cursor { item: first, ticks: u32::MAX })
            }
            Err(failure) => {
                self.fail(from, items, None, &failure);
                true
            }
        }
    }

    fn tick(&mut self, from: Cursor, tick: Tick) -> bool {
        let (side, keeper) = (&mut self.side, &mut self.keeper);
        let Some(result) = keeper.call(|guest| side.tick(guest, tick)) else { return true };
        match result {
            Ok(turn) => {
                let behind = self.side.place().cursor;
                self.succeed(turn, Cursor { ticks: behind.ticks - 1, ..behind })
            }
            Err(failure) => {
                self.fail(from, 1, Some(tick), &failure);
                true
            }
        }
    }

    /// Does what the turn says, unless that was done before the guest was sent back. `first` is what it was about.
    fn succeed(&mut self, turn: S::Turn, first: Cursor) -> bool {
        let upto = self.side.place().cursor;
        if first >= self.done {
            if !self.side.commit(turn, upto) {
                // The state has what the streams have not: it is of no use any more.
                self.keeper.guest = None;
                return false;
            }
            self.done = upto;
        }
        if let Some(suspect) = self.suspect {
            if upto >= suspect.to {
                self.suspect = None;
            } else if upto > suspect.from && !self.has_shadow() {
                // The next failure needs to go back only to here.
                self.save();
            }
        }
        true
    }

    /// Sends the guest back, and looks closer.
    fn fail(&mut self, from: Cursor, items: usize, tick: Option<Tick>, failure: &Failure) {
        let to = self.side.place().cursor;
        let name = self.keeper.report.lock().name.clone();
        let role = self.keeper.role;
        self.keeper.note(failure);
        let mut incident = true;
        if items == 1 {
            tracing::warn!("{role} `{name}`: {failure}; what it failed on is set aside");
            self.side.set_aside(tick, failure);
            self.keeper.report.lock().set_aside += 1;
            if self.suspect.is_some_and(|suspect| suspect.to <= to) {
                self.suspect = None;
            } else if let Some(suspect) = &mut self.suspect {
                // The rest of what failed may be well.
                suspect.items = self.limits.batch_records;
            }
        } else {
            tracing::warn!(
                "{role} `{name}`: {failure}; it is started again, and the {items} that it failed on are handed over in smaller batches"
            );
            incident = false;
            let items = (items / limit::SUSPECTS_SPLIT).max(1);
            self.suspect = Some(Suspect { from, to, items });
        }
        self.go_back(incident);
    }

    /// Starts the guest from its saved state and goes back to where that belongs, or suspends it.
    pub(crate) fn go_back(&mut self, mut incident: bool) {
        loop {
            if incident && self.keeper.too_many() {
                self.suspend();
                return;
            }
            match self.keeper.begin() {
                Ok(()) => break,
                Err(failure) => {
                    let name = self.keeper.report.lock().name.clone();
                    tracing::warn!(
                        "{} `{name}` could not be started again: {failure}",
                        self.keeper.role
                    );
                    self.keeper.note(&failure);
                    incident = true;
                }
            }
        }
        self.side.seek(self.keeper.saved.place);
        self.side.set_rate(self.keeper.saved.rate);
    }

    fn suspend(&mut self) {
        let (name, reason) = {
            let report = self.keeper.report.lock();
            let reason = report.last_failure.as_ref().map(ToString::to_string);
            (report.name.clone(), reason.unwrap_or_default())
        };
        // It is noted before anybody sees it: a crash must not make it work again.
        self.side.tell(News::Suspended(self.keeper.role, name, reason));
        self.save_what_is_done();
        self.keeper.suspend();
        self.suspended_at = Some(clock::instant());
        self.side.set_absent(true);
        self.side.seek(self.keeper.saved.place);
    }

    /// What a suspended guest's worker does. It says no when there is nothing to wait for.
    fn rest(&mut self) -> bool {
        let after = self.limits.release_after;
        let waited = self.suspended_at.map(|since| clock::instant().duration_since(since));
        let released = self.signals.release.swap(false, Ordering::Relaxed);
        if released || !after.is_zero() && waited.is_some_and(|waited| waited >= after) {
            let name = self.keeper.report.lock().name.clone();
            tracing::info!("{} `{name}` is tried again", self.keeper.role);
            self.side.tell(News::Released(self.keeper.role, name));
            self.suspended_at = None;
            self.keeper.forgive();
            self.side.set_absent(false);
            self.suspect = None;
            self.go_back(false);
            return true;
        }
        if self.side.is_over() {
            return false;
        }
        self.side.wait();
        true
    }

    /// Looking at the stream costs something: not at every turn.
    fn tell_now_and_then(&mut self) {
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(limit::TURNS_PER_PICTURE) {
            self.tell();
        }
    }

    /// Keeps the picture up to date that others see.
    fn tell(&mut self) {
        let (lag, lost) = self.side.lag();
        let mut report = self.keeper.report.lock();
        if lost > report.lost && !report.suspended {
            tracing::error!(
                "{} `{}`: {} were gone before it could read them, {lost} in all",
                self.keeper.role,
                report.name,
                lost - report.lost
            );
        }
        let place = self.side.place();
        (report.position, report.now) = (place.cursor.item, place.now);
        // Where nothing is kept, what a suspended guest has not seen is gone.
        let gone = if report.suspended && self.keeping.is_none() { lag } else { 0 };
        (report.lag, report.lost) = (lag, lost + gone);
    }

    fn end(&mut self) -> Remains {
        let stands = self.side.finish(self.signals.stop.load(Ordering::Relaxed));
        if self.keeper.guest.is_some() && stands {
            self.checkpoint(true);
            if self.keeping.is_none() && self.signals.stop.load(Ordering::Relaxed) {
                self.save();
            }
        }
        if let Some(keeping) = &self.keeping {
            keeping.wait();
        }
        self.keeper.end();
        self.tell();
        Remains { saved: self.keeper.saved.clone(), done: self.done }
    }
}
