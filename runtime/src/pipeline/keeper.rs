//! Keeps one guest alive, or puts it to rest.
//!
//! A guest that fails loses its turn and its instance. It is started again from its last saved state, and when it
//! keeps failing it is suspended; the run goes on without it. State is saved as often as saving stays cheap beside
//! the work, measured in fuel so that two runs do alike.

use std::collections::VecDeque;
use std::time::Instant;

use crate::clock;
use crate::guest::{Failure, State, Stateful, Statistic, Usage};
use crate::limit::{self, Limits};

/// Makes a fresh, configured instance.
pub type Start<G> = Box<dyn Fn() -> Result<Box<G>, Failure> + Send>;

/// What became of a guest.
#[derive(Clone, Debug, Default)]
pub struct GuestReport {
    /// The instance's name in the stack.
    pub name: String,
    /// Records, or events, that it was handed.
    pub handed: u64,
    /// Records, or events, whose turns were lost.
    pub lost: u64,
    /// How often it failed.
    pub failures: u64,
    /// How it failed the last time.
    pub last_failure: Option<Failure>,
    /// Whether it was suspended.
    pub suspended: bool,
    /// What it used; memory is the most that was seen.
    pub usage: Usage,
    /// What it tells of its work.
    pub statistics: Vec<Statistic>,
}

/// A guest and what it takes to start it again.
pub(super) struct Keeper<G: ?Sized> {
    guest: Option<Box<G>>,
    start: Start<G>,
    memory: fn(&mut G) -> &mut dyn Stateful,
    limits: Limits,
    saved: Option<State>,
    fuel_since_saved: u64,
    fuel_of_saving: u64,
    handed_since_saved: u64,
    failures: VecDeque<Instant>,
    role: &'static str,
    pub(super) report: GuestReport,
}

impl<G: ?Sized> Keeper<G> {
    pub(super) fn new(
        role: &'static str,
        name: &str,
        start: Start<G>,
        memory: fn(&mut G) -> &mut dyn Stateful,
        limits: &Limits,
    ) -> Self {
        let report = GuestReport { name: name.to_owned(), ..GuestReport::default() };
        Self {
            guest: None,
            start,
            memory,
            limits: limits.clone(),
            saved: None,
            fuel_since_saved: 0,
            fuel_of_saving: 0,
            handed_since_saved: 0,
            failures: VecDeque::new(),
            role,
            report,
        }
    }

    /// Starts the guest for the first time.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.guest = Some((self.start)()?);
        Ok(())
    }

    /// Runs one turn over so many records or events. Nothing comes back if it failed or the guest is suspended.
    pub(super) fn turn<T>(
        &mut self,
        handed: usize,
        run: impl FnOnce(&mut G) -> Result<T, Failure>,
    ) -> Option<T> {
        let Some(guest) = &mut self.guest else {
            self.report.lost += handed as u64;
            return None;
        };
        self.report.handed += handed as u64;
        self.handed_since_saved += handed as u64;
        let result = run(guest);
        self.account();
        match result {
            Ok(turn) => {
                self.save_if_cheap();
                Some(turn)
            }
            Err(failure) => {
                self.report.lost += handed as u64;
                self.fail(&failure, handed);
                None
            }
        }
    }

    /// Asks for statistics at the end.
    pub(super) fn end(mut self) -> GuestReport {
        if let Some(guest) = &mut self.guest {
            match (self.memory)(guest).statistics() {
                Ok(statistics) => self.report.statistics = statistics,
                Err(failure) => {
                    self.report.failures += 1;
                    tracing::warn!("{} `{}`: {failure}", self.role, self.report.name);
                    self.report.last_failure = Some(failure);
                }
            }
        }
        self.account();
        self.report
    }

    /// Adds what the guest used since the last time.
    fn account(&mut self) {
        let Some(guest) = &mut self.guest else { return };
        let used = (self.memory)(guest).usage();
        let total = &mut self.report.usage;
        total.calls += used.calls;
        total.time += used.time;
        total.fuel += used.fuel;
        total.memory_bytes = total.memory_bytes.max(used.memory_bytes);
        self.fuel_since_saved += used.fuel;
    }

    fn save_if_cheap(&mut self) {
        let due = self.fuel_of_saving.saturating_mul(limit::WORK_PER_SAVING);
        if self.fuel_since_saved < due.max(limit::FUEL_BETWEEN_SAVINGS) {
            return;
        }
        let Some(guest) = &mut self.guest else { return };
        self.fuel_since_saved = 0;
        match (self.memory)(guest).save() {
            Ok(state) => {
                self.account();
                self.fuel_of_saving = std::mem::take(&mut self.fuel_since_saved);
                self.saved = Some(state);
                self.handed_since_saved = 0;
            }
            Err(failure) => self.fail(&failure, 0),
        }
    }

    /// Drops what failed and starts again, or suspends.
    fn fail(&mut self, failure: &Failure, lost: usize) {
        let (role, name) = (self.role, self.report.name.clone());
        tracing::warn!(
            "{role} `{name}`: {failure}; {}",
            if lost > 0 {
                format!("its turn of {lost} is lost")
            } else {
                "it is started again".into()
            }
        );
        self.note(failure);
        while !self.report.suspended {
            if self.failures.len() as u64 >= self.limits.failures {
                self.suspend();
                return;
            }
            match self.restart() {
                Ok(()) => return,
                Err(failure) => {
                    tracing::warn!("{role} `{name}` could not be started again: {failure}");
                    self.note(&failure);
                }
            }
        }
    }

    fn note(&mut self, failure: &Failure) {
        self.guest = None;
        self.report.failures += 1;
        self.report.last_failure = Some(failure.clone());
        let now = clock::instant();
        self.failures.push_back(now);
        while self
            .failures
            .front()
            .is_some_and(|&then| now.duration_since(then) > self.limits.failure_window)
        {
            self.failures.pop_front();
        }
    }

    fn restart(&mut self) -> Result<(), Failure> {
        let mut guest = (self.start)()?;
        if let Some(saved) = &self.saved {
            (self.memory)(&mut guest).restore(saved)?;
        }
        if self.handed_since_saved > 0 {
            tracing::info!(
                "{} `{}` starts again from its last saved state, which knows nothing of the last {} that it was handed",
                self.role,
                self.report.name,
                self.handed_since_saved
            );
        }
        self.handed_since_saved = 0;
        self.fuel_since_saved = 0;
        self.guest = Some(guest);
        Ok(())
    }

    fn suspend(&mut self) {
        self.report.suspended = true;
        tracing::error!(
            "{} `{}` is suspended: it failed {} times within {} s (`failures`, `failure_window`); the run goes on without it",
            self.role,
            self.report.name,
            self.failures.len(),
            self.limits.failure_window.as_secs()
        );
    }
}
