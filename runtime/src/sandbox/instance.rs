//! Instances of components: the sandboxed implementors of [`crate::guest`].
//!
//! Each has a store of its own. Budgets are set before an instance exists, since a component may compute while it is
//! being instantiated.

use correlator_frame::event::BATCH_HEADER;
use correlator_frame::record::{Frame, LAYOUT};
use wasmtime::component::InstancePre;

use super::call::{self, Caller};
use super::meter::Meter;
use super::{describe, effects};
use crate::declaration::{BoundSchema, Description, Setting};
use crate::guest::{
    Cause, Effect, Failure, Listener, Module, Rows, State, Stateful, Statistic, Tick, Usage,
};
use crate::limit::Limits;
use crate::wit;
use crate::wit::listener::correlator::engine::events;
use crate::wit::module::correlator::engine::{records, types};

/// A module in its sandbox.
pub(super) struct ModuleInstance {
    caller: Caller,
    bindings: wit::module::Module,
}

/// A listener in its sandbox.
pub(super) struct ListenerInstance {
    caller: Caller,
    bindings: wit::listener::Listener,
}

impl ModuleInstance {
    pub(super) fn new(
        pre: &InstancePre<Meter>,
        name: &str,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let mut caller = Caller::new(pre.engine(), name, limits);
        let bindings = caller.call("instantiation", 0, 0, |store| {
            let instance = pre.instantiate(&mut *store)?;
            wit::module::Module::new(store, &instance)
        })?;
        Ok(Self { caller, bindings })
    }

    pub(super) fn describe(&mut self) -> Result<Description, Failure> {
        let said =
            self.caller.call("describe", 0, 0, |store| self.bindings.call_describe(store))?;
        describe::module(said).map_err(|problem| Failure::Broken { call: "describe", problem })
    }

    pub(super) fn configure(&mut self, settings: &[(String, Setting)]) -> Result<(), Failure> {
        let settings = call::settings(settings);
        self.caller
            .call("configure", 0, 0, |store| self.bindings.call_configure(store, &settings))?
            .map_err(|message| call::refused("configure", &message))
    }
}

impl Module for ModuleInstance {
    fn process(&mut self, frame: &mut Frame) -> Result<Rows, Failure> {
        let (count, bytes) = (frame.len(), frame.text.len());
        // The parts move into the call's own type and back: nothing is copied here.
        let batch = records::Batch {
            layout: LAYOUT,
            text: std::mem::take(&mut frame.text),
            index: std::mem::take(&mut frame.index),
            extra: std::mem::take(&mut frame.extra),
        };
        let result = self
            .caller
            .call("process", count, bytes, |store| self.bindings.call_process(store, &batch));
        *frame = Frame { text: batch.text, index: batch.index, extra: batch.extra };
        let turn = result?.map_err(|message| call::refused("process", &message))?;
        Ok(Rows { text: turn.text, index: turn.index })
    }

    fn tick(&mut self, tick: Tick) -> Result<Rows, Failure> {
        let turn = self
            .caller
            .call("tick", 0, 0, |store| self.bindings.call_tick(store, wit_tick(tick)))?
            .map_err(|message| call::refused("tick", &message))?;
        Ok(Rows { text: turn.text, index: turn.index })
    }

    fn memory(&mut self) -> &mut dyn Stateful {
        self
    }
}

impl ListenerInstance {
    pub(super) fn new(
        pre: &InstancePre<Meter>,
        name: &str,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let mut caller = Caller::new(pre.engine(), name, limits);
        let bindings = caller.call("instantiation", 0, 0, |store| {
            let instance = pre.instantiate(&mut *store)?;
            wit::listener::Listener::new(store, &instance)
        })?;
        Ok(Self { caller, bindings })
    }

    pub(super) fn describe(&mut self) -> Result<Description, Failure> {
        let said =
            self.caller.call("describe", 0, 0, |store| self.bindings.call_describe(store))?;
        describe::listener(said).map_err(|problem| Failure::Broken { call: "describe", problem })
    }

    /// From now on nobody hears what it logs.
    pub(super) fn hush(&mut self) {
        self.caller.hush();
    }

    pub(super) fn configure(
        &mut self,
        settings: &[(String, Setting)],
        schemas: &[BoundSchema],
    ) -> Result<(), Failure> {
        let settings = call::settings(settings);
        let bound = |bound: &BoundSchema| events::BoundSchema {
            instance: bound.instance.clone(),
            schema: describe::schema(&bound.schema),
        };
        let schemas: Vec<_> = schemas.iter().map(bound).collect();
        self.caller
            .call("configure", schemas.len(), 0, |store| {
                self.bindings.call_configure(store, &settings, &schemas)
            })?
            .map_err(|message| call::refused("configure", &message))
    }
}

impl Listener for ListenerInstance {
    fn handle(&mut self, rows: &mut Rows) -> Result<Vec<Effect>, Failure> {
        // An event is about as much work as a record.
        let count = correlator_frame::event::Rows::new(&rows.index, BATCH_HEADER).count();
        let bytes = rows.text.len();
        let batch = events::Batch {
            layout: correlator_frame::event::LAYOUT,
            text: std::mem::take(&mut rows.text),
            index: std::mem::take(&mut rows.index),
        };
        let result = self
            .caller
            .call("handle", count, bytes, |store| self.bindings.call_handle(store, &batch));
        *rows = Rows { text: batch.text, index: batch.index };
        let turn = result?.map_err(|message| call::refused("handle", &message))?;
        effects::check("handle", turn, Some(count), self.caller.limits())
    }

    fn tick(&mut self, tick: Tick) -> Result<Vec<Effect>, Failure> {
        let turn = self
            .caller
            .call("tick", 0, 0, |store| self.bindings.call_tick(store, wit_tick(tick)))?
            .map_err(|message| call::refused("tick", &message))?;
        effects::check("tick", turn, None, self.caller.limits())
    }

    fn memory(&mut self) -> &mut dyn Stateful {
        self
    }
}

/// The two worlds export the same calls of memory under types of their own.
macro_rules! stateful {
    ($instance:ty) => {
        impl Stateful for $instance {
            fn save(&mut self) -> Result<State, Failure> {
                let state = self
                    .caller
                    .call_bounded("save", |store| self.bindings.call_save(store))?
                    .map_err(|message| call::refused("save", &message))?;
                Ok(State { version: state.version, bytes: state.bytes })
            }

            fn restore(&mut self, state: &State) -> Result<(), Failure> {
                let saved = types::State { version: state.version, bytes: state.bytes.clone() };
                self.caller
                    .call("restore", 0, state.bytes.len(), |store| {
                        self.bindings.call_restore(store, &saved)
                    })?
                    .map_err(|message| call::refused("restore", &message))
            }

            fn statistics(&mut self) -> Result<Vec<Statistic>, Failure> {
                call::statistics(
                    self.caller
                        .call("statistics", 0, 0, |store| self.bindings.call_statistics(store))?,
                )
            }

            fn usage(&mut self) -> Usage {
                self.caller.usage()
            }
        }
    };
}

stateful!(ModuleInstance);
stateful!(ListenerInstance);

fn wit_tick(tick: Tick) -> types::Tick {
    let cause = match tick.cause {
        Cause::Timer(place) => types::TickCause::Timer(place),
        Cause::End => types::TickCause::End,
    };
    types::Tick { cause, time: tick.time }
}
