//! The router: takes records from all sources in order of time and hands each module its own.
//!
//! Sources are merged by the time of their next record, ties by their order in the stack: an order that a replay can
//! repeat. Within a source the order is the source's own.

use std::sync::mpsc::{Receiver, SyncSender};

use correlator_frame::record::Frame;

use super::interest::Filter;
use super::module::{ModuleBatch, ToModule};
use super::timers::Timers;
use super::turn::Place;
use crate::guest::{Cause, Tick};
use crate::limit::Limits;

/// A module as the router sees it.
pub(super) struct Outlet {
    pub(super) to: SyncSender<ToModule>,
    /// Emptied batches come back here.
    pub(super) back: Receiver<ModuleBatch>,
    pub(super) timers: Timers,
    pub(super) records_max: usize,
    pub(super) bytes_max: usize,
    pub(super) pending: ModuleBatch,
}

impl Outlet {
    pub(super) fn new(
        to: SyncSender<ToModule>,
        back: Receiver<ModuleBatch>,
        timers: Timers,
        limits: &Limits,
    ) -> Self {
        Self {
            to,
            back,
            timers,
            records_max: limits.batch_records,
            bytes_max: limits.batch_bytes,
            pending: ModuleBatch::default(),
        }
    }

    /// Hands over what is pending. A worker that is gone wants nothing more.
    fn flush(&mut self) {
        if self.pending.frame.is_empty() {
            return;
        }
        let next = self.back.try_recv().unwrap_or_default();
        let batch = std::mem::replace(&mut self.pending, next);
        let _ = self.to.send(ToModule::Batch(batch));
    }

    fn tick(&mut self, now: i64) {
        if now < self.timers.next() {
            return;
        }
        self.flush();
        for tick in self.timers.due(now) {
            let _ = self.to.send(ToModule::Tick(tick));
        }
    }
}

/// Routes records to modules.
pub(super) struct Router {
    filter: Filter,
    outlets: Vec<Outlet>,
    /// The greatest time of any record so far.
    now: i64,
    /// The earliest moment at which a timer of any module is due.
    next_tick: i64,
}

impl Router {
    pub(super) fn new(filter: Filter, outlets: Vec<Outlet>) -> Self {
        let next_tick = next_tick(&outlets);
        Self { filter, outlets, now: i64::MIN, next_tick }
    }

    /// Routes one record.
    #[inline]
    pub(super) fn route(&mut self, frame: &Frame, number: usize, place: Place) {
        let Some(record) = frame.batch().record(number) else { return };
        if record.time() > self.now {
            self.now = record.time();
            if self.now >= self.next_tick {
                self.tick();
            }
        }
        let outlets = &mut self.outlets;
        self.filter.select(record, |wanted| {
            let outlet = &mut outlets[wanted.module];
            let pending = &mut outlet.pending;
            let bytes = pending.frame.text.len() + record.raw().len();
            if bytes > outlet.bytes_max {
                outlet.flush();
            }
            let pending = &mut outlet.pending;
            pending.frame.gather(frame, number, wanted.hits);
            pending.places.push(place);
            if pending.places.len() >= outlet.records_max {
                outlet.flush();
            }
        });
    }

    #[cold]
    fn tick(&mut self) {
        for outlet in &mut self.outlets {
            outlet.tick(self.now);
        }
        self.next_tick = next_tick(&self.outlets);
    }

    /// Hands over all that is pending.
    pub(super) fn flush(&mut self) {
        for outlet in &mut self.outlets {
            outlet.flush();
        }
    }

    /// Says that the input has ended for good.
    pub(super) fn end(&mut self) {
        self.flush();
        // Without a record there was no time either.
        let time = if self.now == i64::MIN { 0 } else { self.now };
        for outlet in &self.outlets {
            let _ = outlet.to.send(ToModule::Tick(Tick { cause: Cause::End, time }));
        }
    }
}

fn next_tick(outlets: &[Outlet]) -> i64 {
    outlets.iter().map(|outlet| outlet.timers.next()).min().unwrap_or(i64::MAX)
}
