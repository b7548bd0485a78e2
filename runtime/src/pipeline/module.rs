//! A module's worker: a thread that hands batches to one module and its events to all listeners.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};

use correlator_frame::record::Frame;

use super::keeper::{GuestReport, Keeper, Start};
use super::turn::{Checker, Place};
use crate::declaration::EventSchema;
use crate::guest::{Module, Rows, Tick};
use crate::limit::Limits;

/// Records on their way to one module.
#[derive(Default)]
pub(super) struct ModuleBatch {
    pub(super) frame: Frame,
    /// Where each record came from.
    pub(super) places: Vec<Place>,
}

impl ModuleBatch {
    pub(super) fn clear(&mut self) {
        self.frame.clear();
        self.places.clear();
    }
}

/// What a module's worker is told, in order.
pub(super) enum ToModule {
    Batch(ModuleBatch),
    Tick(Tick),
}

/// What became of a module.
#[derive(Clone, Debug, Default)]
pub struct ModuleReport {
    /// What became of it as a guest.
    pub guest: GuestReport,
    /// Events by schema, in the order of its description.
    pub events: Vec<(String, u64)>,
}

/// A module in the pipeline.
pub(super) struct ModuleWorker {
    keeper: Keeper<dyn Module + Send>,
    checker: Checker,
    names: Vec<String>,
    listeners: Vec<SyncSender<Arc<Rows>>>,
}

impl ModuleWorker {
    pub(super) fn new(
        name: &str,
        start: Start<dyn Module + Send>,
        schemas: &[EventSchema],
        first_schema: u32,
        limits: &Limits,
        listeners: Vec<SyncSender<Arc<Rows>>>,
    ) -> Self {
        Self {
            keeper: Keeper::new("module", name, start, |module| module.memory(), limits),
            checker: Checker::new(schemas, first_schema, limits),
            names: schemas.iter().map(|schema| schema.name.clone()).collect(),
            listeners,
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), crate::guest::Failure> {
        self.keeper.begin()
    }

    /// Works until nothing more can come. Emptied batches go back, so that their memory serves again.
    pub(super) fn run(
        mut self,
        from: &Receiver<ToModule>,
        back: &Sender<ModuleBatch>,
    ) -> ModuleReport {
        while let Ok(work) = from.recv() {
            let events = match work {
                ToModule::Batch(mut batch) => {
                    let events = self.process(&mut batch);
                    batch.clear();
                    // The router may have ended: then nobody needs the memory.
                    let _ = back.send(batch);
                    events
                }
                ToModule::Tick(tick) => self.tick(tick),
            };
            if let Some(events) = events.filter(|events| !events.index.is_empty()) {
                self.hand_on(events);
            }
        }
        let events = self.names.into_iter().zip(self.checker.counts).collect();
        ModuleReport { guest: self.keeper.end(), events }
    }

    fn process(&mut self, batch: &mut ModuleBatch) -> Option<Rows> {
        let checker = &mut self.checker;
        self.keeper.turn(batch.frame.len(), |module| {
            let turn = module.process(&mut batch.frame)?;
            checker.check("process", turn, &batch.places)
        })
    }

    fn tick(&mut self, tick: Tick) -> Option<Rows> {
        let checker = &mut self.checker;
        self.keeper.turn(0, |module| {
            let turn = module.tick(tick)?;
            checker.check("tick", turn, &[Place::of_tick(tick)])
        })
    }

    fn hand_on(&mut self, events: Rows) {
        let events = Arc::new(events);
        // A listener's worker ends only when all modules have: this can't fail while we run.
        self.listeners.retain(|listener| listener.send(Arc::clone(&events)).is_ok());
    }
}
