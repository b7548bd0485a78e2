//! A module that is linked natively, as the engine's pipeline takes it: what the sandbox is measured against.
//!
//! The logic is the guest's own crate, the same source that runs in the sandbox. It must never know the module.

use std::time::Instant;

use correlator::declaration;
use correlator::guest::{Cause, Failure, Module, Rows, State, Stateful, Statistic, Tick, Usage};
use correlator_frame::record::{Frame, LAYOUT};
use correlator_sdk::instance::{ModuleInstance, Parts};
use correlator_sdk::options::Setting;
use correlator_sdk::value::OwnedValue;
use correlator_sdk::{Duration, Error, Time};

use crate::measure;

/// An instance without a sandbox.
pub struct Native<M: correlator_sdk::Module> {
    instance: ModuleInstance<M>,
    usage: Usage,
}

impl<M: correlator_sdk::Module> Native<M> {
    /// A configured instance.
    pub fn new(settings: &[(String, declaration::Setting)]) -> Result<Self, Failure> {
        let mut instance = ModuleInstance::new();
        let setting = |(name, value): &(String, declaration::Setting)| Setting {
            name: name.clone(),
            value: to_guest(value),
        };
        let settings: Vec<Setting> = settings.iter().map(setting).collect();
        instance.configure(&settings).map_err(|error| refused("configure", &error))?;
        Ok(Self { instance, usage: Usage::default() })
    }

    fn count(&mut self, start: Instant) {
        self.usage.calls += 1;
        self.usage.time += start.elapsed();
    }
}

impl<M: correlator_sdk::Module> Module for Native<M> {
    fn process(&mut self, batch: &mut Frame) -> Result<Rows, Failure> {
        let start = measure::now();
        let turn = self.instance.process(LAYOUT, batch.batch());
        self.count(start);
        turn.map(rows).map_err(|error| refused("process", &error))
    }

    fn tick(&mut self, tick: Tick) -> Result<Rows, Failure> {
        let timer = match tick.cause {
            Cause::Timer(place) => Some(place),
            Cause::End => None,
        };
        let start = measure::now();
        let turn = self.instance.tick(timer, tick.time);
        self.count(start);
        turn.map(rows).map_err(|error| refused("tick", &error))
    }

    fn memory(&mut self) -> &mut dyn Stateful {
        self
    }
}

impl<M: correlator_sdk::Module> Stateful for Native<M> {
    fn save(&mut self) -> Result<State, Failure> {
        let state = self.instance.save().map_err(|error| refused("save", &error))?;
        Ok(State { version: state.version, bytes: state.bytes })
    }

    fn restore(&mut self, state: &State) -> Result<(), Failure> {
        let restored = self.instance.restore(state.version, &state.bytes);
        restored.map_err(|error| refused("restore", &error))
    }

    fn statistics(&mut self) -> Result<Vec<Statistic>, Failure> {
        let statistics = self.instance.statistics().into_iter();
        let to_host = |one: correlator_sdk::description::Statistic| Statistic {
            name: one.name,
            value: to_host(one.value),
        };
        Ok(statistics.map(to_host).collect())
    }

    fn usage(&mut self) -> Usage {
        std::mem::take(&mut self.usage)
    }
}

fn rows((text, index): Parts) -> Rows {
    Rows { text, index }
}

fn refused(call: &'static str, error: &Error) -> Failure {
    Failure::Refused { call, message: error.to_string() }
}

fn to_guest(value: &declaration::Setting) -> OwnedValue {
    match value {
        declaration::Setting::Text(text) => OwnedValue::Text(text.clone()),
        declaration::Setting::Integer(number) => OwnedValue::Integer(*number),
        declaration::Setting::Float(number) => OwnedValue::Float(*number),
        declaration::Setting::Boolean(truth) => OwnedValue::Boolean(*truth),
        declaration::Setting::Time(time) => OwnedValue::Time(Time::from_nanoseconds(*time)),
        declaration::Setting::Duration(time) => {
            OwnedValue::Duration(Duration::from_nanoseconds(*time))
        }
    }
}

fn to_host(value: OwnedValue) -> declaration::Setting {
    match value {
        OwnedValue::Text(text) => declaration::Setting::Text(text),
        OwnedValue::Integer(number) => declaration::Setting::Integer(number),
        OwnedValue::Float(number) => declaration::Setting::Float(number),
        OwnedValue::Boolean(truth) => declaration::Setting::Boolean(truth),
        OwnedValue::Time(time) => declaration::Setting::Time(time.nanoseconds()),
        OwnedValue::Duration(time) => declaration::Setting::Duration(time.nanoseconds()),
    }
}
