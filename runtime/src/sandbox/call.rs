//! One call into a guest: its budget before, its verdict after.
//!
//! Whatever goes wrong in the call becomes a [`Failure`] that names the limit, the trap or the guest's own words. A
//! store that failed once is dead; the caller drops it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use wasmtime::{Engine, FrameInfo, Store, Trap, WasmBacktrace};

use super::describe;
use super::meter::Meter;
use crate::clock;
use crate::declaration::Setting;
use crate::guest::{Failure, Statistic, Usage};
use crate::limit::{self, Limits};
use crate::stack::zone;
use crate::text::clean;
use crate::wit::module::correlator::engine::types;

/// How wasmtime says that a call returned more than the budget for copying allows; the error has no type of its own.
const TOO_MUCH_DATA: &str = "too much data is being copied";

/// A store with its budget and its account.
pub(super) struct Caller {
    pub(super) store: Store<Meter>,
    name: String,
    limits: Limits,
    usage: Usage,
    /// The limit on what a call may return, by name.
    size: (&'static str, usize),
    minute: Instant,
    lines_this_minute: u64,
    told_dropping: bool,
    /// Whether nobody hears what it logs.
    hushed: bool,
}

impl Caller {
    /// A store for one guest, and for none after it.
    pub(super) fn new(engine: &Engine, name: &str, limits: &Limits) -> Self {
        let mut store = Store::new(engine, Meter::new(limits));
        store.limiter(|meter| meter);
        store.set_hostcall_fuel(limits.turn_bytes);
        store.set_max_component_handles(limit::GUEST_HANDLES_MAX);
        store.epoch_deadline_trap();
        Self {
            store,
            name: name.to_owned(),
            limits: limits.clone(),
            usage: Usage::default(),
            size: ("turn_bytes", limits.turn_bytes),
            minute: clock::instant(),
            lines_this_minute: 0,
            told_dropping: false,
            hushed: false,
        }
    }

    /// From now on nobody hears what it logs.
    pub(super) fn hush(&mut self) {
        self.hushed = true;
    }

    /// Calls into the guest with the budget for so many records (or events) and bytes.
    pub(super) fn call<T>(
        &mut self,
        call: &'static str,
        records: usize,
        bytes: usize,
        run: impl FnOnce(&mut Store<Meter>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let fuel = self.limits.fuel(records, bytes);
        self.store.data_mut().refused = false;
        self.store.set_epoch_deadline(epochs(self.limits.turn_time));
        let budgeted = self.store.set_fuel(fuel);
        let start = clock::instant();
        let result = budgeted.and_then(|()| contained(|| run(&mut self.store)));
        self.usage.time += start.elapsed();
        self.usage.calls += 1;
        self.usage.fuel += fuel - self.store.get_fuel().unwrap_or(0);
        self.tell_log();
        result.map_err(|error| self.failure(call, fuel, &error))
    }

    /// Calls for the guest's state, which has a size limit of its own.
    pub(super) fn call_bounded<T>(
        &mut self,
        call: &'static str,
        run: impl FnOnce(&mut Store<Meter>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        self.store.set_hostcall_fuel(self.limits.state_bytes);
        self.size = ("state_bytes", self.limits.state_bytes);
        let result = self.call(call, 0, self.store.data().memory_bytes(), run);
        self.store.set_hostcall_fuel(self.limits.turn_bytes);
        self.size = ("turn_bytes", self.limits.turn_bytes);
        result
    }

    /// What bounds the guest.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The account since this was last asked.
    pub(super) fn usage(&mut self) -> Usage {
        let memory_bytes = self.store.data().memory_bytes();
        let usage = Usage { memory_bytes, ..self.usage };
        self.usage = Usage::default();
        usage
    }

    fn failure(&self, call: &'static str, fuel: u64, error: &wasmtime::Error) -> Failure {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Failure::Fuel { call, fuel },
            Some(Trap::Interrupt) => Failure::Deadline { call, limit: self.limits.turn_time },
            // A guest that is refused memory ends itself one way or another.
            _ if self.store.data().refused => {
                Failure::Memory { call, limit_bytes: self.store.data().memory_bytes_max() }
            }
            None if error.root_cause().to_string().starts_with(TOO_MUCH_DATA) => {
                Failure::Size { call, limit: self.size.0, limit_bytes: self.size.1 }
            }
            _ => Failure::Trap { call, reason: story(error) },
        }
    }

    /// Hands what the guest logged to the engine's log, up to so many lines in a minute.
    fn tell_log(&mut self) {
        let meter = self.store.data_mut();
        if self.hushed {
            meter.lines.clear();
        }
        if meter.lines.is_empty() {
            return;
        }
        let guest = self.name.as_str();
        let now = clock::instant();
        if now.duration_since(self.minute) >= Duration::from_mins(1) {
            (self.minute, self.lines_this_minute) = (now, 0);
        }
        for (severity, line) in meter.lines.drain(..) {
            self.lines_this_minute += 1;
            if self.lines_this_minute > self.limits.log_lines_per_minute {
                meter.lines_dropped += 1;
                continue;
            }
            match severity {
                types::Severity::Emergency
                | types::Severity::Alert
                | types::Severity::Critical
                | types::Severity::Error => tracing::error!(guest, "{line}"),
                types::Severity::Warning => tracing::warn!(guest, "{line}"),
                types::Severity::Notice | types::Severity::Informational => {
                    tracing::info!(guest, "{line}");
                }
                types::Severity::Debug => tracing::debug!(guest, "{line}"),
            }
        }
        if meter.lines_dropped > 0 {
            meter.lines_dropped = 0;
            if !self.told_dropping {
                self.told_dropping = true;
                tracing::warn!(
                    guest,
                    "so many lines that the rest are dropped (`log_lines_per_minute`)"
                );
            }
        }
    }
}

/// Makes a failure of a panic: values of a stranger must not end the host even if wasmtime has a bug that they find.
/// The store is dropped after any failure, so nobody sees what the panic left half done.
fn contained<T>(run: impl FnOnce() -> wasmtime::Result<T>) -> wasmtime::Result<T> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(wasmtime::Error::msg("the host panicked in this call")))
}

/// What happened, and the guest's own functions that led there, the innermost first.
fn story(error: &wasmtime::Error) -> String {
    let mut story = error.root_cause().to_string();
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames);
    // A guest that was stripped has no names: then there is nothing to tell.
    let names = frames.unwrap_or_default().iter().filter_map(FrameInfo::func_name);
    for (place, name) in names.enumerate() {
        story.push_str(if place == 0 { " in " } else { " < " });
        story.push_str(name);
    }
    clean(story.trim(), limit::TRAP_BYTES_MAX)
}

/// What a guest said of its own failure.
pub(super) fn refused(call: &'static str, message: &str) -> Failure {
    Failure::Refused { call, message: clean(message, limit::MESSAGE_BYTES_MAX) }
}

/// Statistics, bounded and fit for people.
pub(super) fn statistics(said: Vec<types::Statistic>) -> Result<Vec<Statistic>, Failure> {
    if said.len() > limit::STATISTICS_MAX {
        return Err(Failure::Broken {
            call: "statistics",
            problem: format!(
                "{} statistics; at most {} are allowed",
                said.len(),
                limit::STATISTICS_MAX
            ),
        });
    }
    let statistic = |statistic: types::Statistic| Statistic {
        name: clean(&statistic.name, limit::NAME_BYTES_MAX),
        value: describe::setting(statistic.value),
    };
    Ok(said.into_iter().map(statistic).collect())
}

/// Settings on their way to a guest.
pub(super) fn settings(settings: &[(String, Setting)]) -> Vec<types::Setting> {
    let setting = |(name, value): &(String, Setting)| types::Setting {
        name: name.clone(),
        value: describe::value(value),
    };
    zone::handed(settings).iter().map(setting).collect()
}

/// Epochs in a span of time, and one for the epoch that has begun.
fn epochs(time: Duration) -> u64 {
    (time.as_nanos() / limit::EPOCH.as_nanos()) as u64 + 1
}
