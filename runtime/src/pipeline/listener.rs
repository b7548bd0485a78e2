//! A listener's worker: a thread that hands one listener the events that it asked for and carries out its effects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use correlator_frame::effect::HEADER;
use correlator_frame::event::{BATCH_HEADER, BatchHeader, Rows as RowIterator};

use super::keeper::{GuestReport, Keeper, Start};
use super::timers::Timers;
use crate::capability::{Capabilities, Refusal};
use crate::guest::{Cause, Effect, Failure, Listener, Rows, Tick};
use crate::limit::{self, Limits};
use crate::stack::criteria::compile::Compiled;
use crate::stack::criteria::matching::Subject;

/// What became of a listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerReport {
    /// What became of it as a guest.
    pub guest: GuestReport,
    /// Rows carried out, by capability and target.
    pub done: BTreeMap<String, u64>,
    /// Rows denied or failed, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// A listener in the pipeline.
pub(super) struct ListenerWorker {
    keeper: Keeper<dyn Listener + Send>,
    criteria: Compiled,
    timers: Timers,
    capabilities: Capabilities,
    limits: Limits,
    now: i64,
    batch: Rows,
    events: usize,
    minute: i64,
    rows_this_minute: u64,
    done: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
}

const MINUTE: i64 = 60_000_000_000;

impl ListenerWorker {
    pub(super) fn new(
        name: &str,
        start: Start<dyn Listener + Send>,
        criteria: Compiled,
        timers: Timers,
        capabilities: Capabilities,
        limits: &Limits,
    ) -> Self {
        Self {
            keeper: Keeper::new("listener", name, start, |listener| listener.memory(), limits),
            criteria,
            timers,
            capabilities,
            limits: limits.clone(),
            now: i64::MIN,
            batch: Rows::default(),
            events: 0,
            minute: i64::MIN,
            rows_this_minute: 0,
            done: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(super) fn name(&self) -> String {
        self.keeper.report.name.clone()
    }

    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.keeper.begin()
    }

    /// Works until nothing more can come; `ended` then says whether the input ended for good.
    pub(super) fn run(
        mut self,
        from: &Receiver<Arc<Rows>>,
        ended: impl FnOnce() -> bool,
    ) -> ListenerReport {
        while let Ok(events) = from.recv() {
            self.take(events);
        }
        if ended() && self.now > i64::MIN {
            self.tick(Tick { cause: Cause::End, time: self.now });
        }
        ListenerReport { guest: self.keeper.end(), done: self.done, refused: self.refused }
    }

    fn take(&mut self, events: Arc<Rows>) {
        let small = events.index.len() / BATCH_HEADER <= self.limits.batch_records
            && events.text.len() <= self.limits.batch_bytes;
        if self.criteria.always() && self.timers.next() == i64::MAX && small {
            // Nothing to choose and nothing to interrupt: the frame goes on as it is.
            self.batch = Arc::unwrap_or_clone(events);
            let rows = RowIterator::new(&self.batch.index, BATCH_HEADER);
            (self.events, self.now) = rows.fold((0, self.now), |(count, now), row| {
                (count + 1, now.max(BatchHeader::read(row).time))
            });
            self.flush();
            return;
        }
        for row in RowIterator::new(&events.index, BATCH_HEADER) {
            self.choose(row, &events.text);
        }
        self.flush();
    }

    fn choose(&mut self, row: &[u32], text: &[u8]) {
        let header = BatchHeader::read(row);
        if header.time > self.now {
            self.now = header.time;
            if self.now >= self.timers.next() {
                self.flush();
                for tick in self.timers.due(self.now) {
                    self.tick(tick);
                }
            }
        }
        if !self.criteria.matches(&Subject::of_row(row, text)) {
            return;
        }
        // Text stays where it is: the batch takes the frame's text whole when its first row comes.
        if self.batch.text.is_empty() {
            self.batch.text.extend_from_slice(text);
        }
        self.batch.index.extend_from_slice(row);
        self.events += 1;
        if self.events >= self.limits.batch_records {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.events > 0 {
            let (batch, events) = (&mut self.batch, self.events);
            let effects = self.keeper.turn(events, |listener| listener.handle(batch));
            self.carry_out(effects.unwrap_or_default());
        }
        self.batch.text.clear();
        self.batch.index.clear();
        self.events = 0;
    }

    fn tick(&mut self, tick: Tick) {
        let effects = self.keeper.turn(0, |listener| listener.tick(tick));
        self.carry_out(effects.unwrap_or_default());
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let rows = effect.rows.index.len() / (HEADER + 2 * effect.columns.len());
            let outcome = self.allowed(rows).and_then(|()| self.capabilities.execute(&effect));
            match outcome {
                Ok(count) => {
                    let name = format!("{} {}", effect.capability, effect.target);
                    count_up(&mut self.done, name, count as u64);
                }
                Err(refusal) => self.refuse(&refusal, rows.max(1)),
            }
        }
    }

    fn allowed(&mut self, rows: usize) -> Result<(), Refusal> {
        if rows > self.limits.effects_per_turn {
            return Err(Refusal::Denied(format!(
                "more effects in one turn than `effects_per_turn` allows ({})",
                self.limits.effects_per_turn
            )));
        }
        let minute = self.now.div_euclid(MINUTE);
        if minute != self.minute {
            (self.minute, self.rows_this_minute) = (minute, 0);
        }
        self.rows_this_minute += rows as u64;
        if self.rows_this_minute > self.limits.effects_per_minute {
            return Err(Refusal::Denied(format!(
                "more effects in a minute than `effects_per_minute` allows ({})",
                self.limits.effects_per_minute
            )));
        }
        Ok(())
    }

    /// Counts what was not done, and tells of each reason once.
    fn refuse(&mut self, refusal: &Refusal, rows: usize) {
        let reason = refusal.to_string();
        if !self.refused.contains_key(&reason) {
            tracing::warn!(
                "listener `{}`: {reason} (told once; the summary counts)",
                self.keeper.report.name
            );
        }
        count_up(&mut self.refused, reason, rows as u64);
    }
}

/// Counts by name, with an end to the number of names: names are a stranger's.
fn count_up(counts: &mut BTreeMap<String, u64>, name: String, by: u64) {
    if counts.len() >= limit::COUNTED_NAMES_MAX && !counts.contains_key(&name) {
        *counts.entry("others".to_owned()).or_default() += by;
    } else {
        *counts.entry(name).or_default() += by;
    }
}
