//! Keeps one guest alive: starts it, remembers what it saved last, and counts how often it failed.
//!
//! A guest that fails loses its instance. It is started again from its last saved state; what it was handed since is
//! the worker's business, which hands it over once more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::guest::{Failure, State, Stateful, Statistic, Usage};
use crate::limit::{self, Limits};
use crate::pipeline::stream::feed::Place;

/// Makes a fresh, configured instance.
pub type Start<G> = Arc<dyn Fn() -> Result<Box<G>, Failure> + Send + Sync>;

/// What became of a guest.
#[derive(Clone, Debug, Default)]
pub struct GuestReport {
    /// The instance's name in the stack.
    pub name: String,
    /// Records, or events, that it was handed.
    pub handed: u64,
    /// Records, or events, that it never got because it was suspended or they were gone.
    pub lost: u64,
    /// Records, events or ticks that were set aside because it failed on them.
    pub set_aside: u64,
    /// Calls that failed.
    pub failures: u64,
    /// How it failed the last time.
    pub last_failure: Option<Failure>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// What it used; memory is the most that was seen.
    pub usage: Usage,
    /// What it tells of its work.
    pub statistics: Vec<Statistic>,
    /// Where it is, and how far behind.
    pub position: u64,
    /// Items between its position and the newest.
    pub lag: u64,
    /// Event time there.
    pub now: Option<i64>,
    /// Bytes of its last saved state.
    pub state_bytes: u64,
    /// Its checkpoints that are kept aside, since it did not take them when it was started.
    pub refused_checkpoints: u64,
    /// When its last checkpoint was made, by the clock that never jumps.
    pub checkpoint: Option<Instant>,
}

/// A report that others may look at while the guest works.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<GuestReport>>);

impl Shared {
    pub(crate) fn new(name: &str) -> Self {
        let report = GuestReport { name: name.to_owned(), ..GuestReport::default() };
        Self(Arc::new(Mutex::new(report)))
    }

    /// The report as it is now.
    #[must_use]
    pub fn look(&self) -> GuestReport {
        self.lock().clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, GuestReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guest's state, and the place in its stream that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    /// Nothing yet: a fresh instance is what was saved.
    pub(crate) state: Option<Arc<State>>,
    pub(crate) place: Place,
    /// Events, or effects, in the minute of that place: the minute and how many.
    pub(crate) rate: (i64, u64),
}

impl Default for Saved {
    /// Nothing yet, and no minute that was counted.
    fn default() -> Self {
        Self { state: None, place: Place::default(), rate: (i64::MIN, 0) }
    }
}

/// A guest and what it takes to start it again.
pub(crate) struct Keeper<G: ?Sized> {
    pub(crate) guest: Option<Box<G>>,
    start: Start<G>,
    memory: fn(&mut G) -> &mut dyn Stateful,
    limits: Limits,
    pub(crate) saved: Saved,
    fuel_since_saved: u64,
    fuel_of_saving: u64,
    /// How long the guest's work stood still for the last saving.
    pub(crate) saving_took: Duration,
    saved_at: Option<Instant>,
    /// Whether the guest was called since its state was saved.
    pub(crate) unsaved: bool,
    failures: VecDeque<Instant>,
    pub(crate) role: &'static str,
    pub(crate) report: Shared,
}

impl<G: ?Sized> Keeper<G> {
    pub(crate) fn new(
        role: &'static str,
        name: &str,
        start: Start<G>,
        memory: fn(&mut G) -> &mut dyn Stateful,
        limits: &Limits,
    ) -> Self {
        Self {
            guest: None,
            start,
            memory,
            limits: limits.clone(),
            saved: Saved::default(),
            fuel_since_saved: 0,
            fuel_of_saving: 0,
            saving_took: Duration::ZERO,
            saved_at: None,
            unsaved: false,
            failures: VecDeque::new(),
            role,
            report: Shared::new(name),
        }
    }

    /// Starts the guest from what was saved last.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        self.guest = None;
        let mut guest = (self.start)()?;
        if let Some(state) = &self.saved.state {
            (self.memory)(&mut guest).restore(state)?;
        }
        (self.unsaved, self.fuel_since_saved) = (false, 0);
        self.guest = Some(guest);
        Ok(())
    }

    /// Calls the guest and accounts for it.
    pub(crate) fn call<T>(
        &mut self,
        run: impl FnOnce(&mut G) -> Result<T, Failure>,
    ) -> Option<Result<T, Failure>> {
        let guest = self.guest.as_mut()?;
        self.unsaved = true;
        let result = run(guest);
        self.account();
        Some(result)
    }

    /// Whether so much has been done since the last time that saving costs little beside it.
    pub(crate) fn saving_is_cheap(&self) -> bool {
        let due = self.fuel_of_saving.saturating_mul(limit::WORK_PER_SAVING);
        if self.fuel_since_saved < due.max(limit::FUEL_BETWEEN_SAVINGS) {
            return false;
        }
        // Large state costs the host time that no fuel pays.
        let rest = self.saving_took.saturating_mul(limit::WORK_PER_SAVING as u32);
        self.saved_at.is_none_or(|then| clock::instant().duration_since(then) >= rest)
    }

    /// Has the guest save its state, which belongs to this place.
    pub(crate) fn save(&mut self, place: Place, rate: (i64, u64)) -> Result<(), Failure> {
        if self.unsaved {
            let Some(guest) = &mut self.guest else { return Ok(()) };
            self.fuel_since_saved = 0;
            let begun = clock::instant();
            let state = (self.memory)(guest).save()?;
            let saved_at = clock::instant();
            self.saving_took = saved_at.duration_since(begun);
            self.saved_at = Some(saved_at);
            self.account();
            self.fuel_of_saving = std::mem::take(&mut self.fuel_since_saved);
            self.report.lock().state_bytes = state.bytes.len() as u64;
            self.saved.state = Some(Arc::new(state));
            self.unsaved = false;
        }
        (self.saved.place, self.saved.rate) = (place, rate);
        Ok(())
    }

    /// Asks for statistics at the end.
    pub(crate) fn end(&mut self) {
        if let Some(guest) = &mut self.guest {
            match (self.memory)(guest).statistics() {
                Ok(statistics) => self.report.lock().statistics = statistics,
                Err(failure) => {
                    tracing::warn!("{} `{}`: {failure}", self.role, self.report.lock().name);
                    self.note(&failure);
                }
            }
        }
        self.account();
    }

    /// Adds what the guest used since the last time.
    fn account(&mut self) {
        let Some(guest) = &mut self.guest else { return };
        let used = (self.memory)(guest).usage();
        let mut report = self.report.lock();
        let total = &mut report.usage;
        total.calls += used.calls;
        total.time += used.time;
        total.fuel += used.fuel;
        total.memory_bytes = total.memory_bytes.max(used.memory_bytes);
        self.fuel_since_saved += used.fuel;
    }

    /// Notes that a call failed. The instance is gone with it.
    pub(crate) fn note(&mut self, failure: &Failure) {
        self.account();
        self.guest = None;
        let mut report = self.report.lock();
        report.failures += 1;
        report.last_failure = Some(failure.clone());
    }

    /// Counts a failure that the guest answers for, and says whether there were too many of late.
    pub(crate) fn too_many(&mut self) -> bool {
        let now = clock::instant();
        self.failures.push_back(now);
        let window = self.limits.failure_window;
        while self.failures.front().is_some_and(|&then| now.duration_since(then) > window) {
            self.failures.pop_front();
        }
        self.failures.len() as u64 >= self.limits.failures
    }

    /// Puts the guest to rest.
    pub(crate) fn suspend(&mut self) {
        self.guest = None;
        let mut report = self.report.lock();
        report.suspended = true;
        tracing::error!(
            "{} `{}` is suspended: it failed {} times within {} s (`failures`, `failure_window`); the others go on without it",
            self.role,
            report.name,
            self.failures.len(),
            self.limits.failure_window.as_secs()
        );
    }

    /// Forgets old failures: the guest gets another chance.
    pub(crate) fn forgive(&mut self) {
        self.failures.clear();
        self.report.lock().suspended = false;
    }
}
