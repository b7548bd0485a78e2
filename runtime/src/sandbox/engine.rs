//! The one configuration of wasmtime, for compiling as for running.
//!
//! Both must agree to the last setting, or compiled code is refused: so there is one function. Settings follow
//! measured facts: fuel is the deterministic meter, the epoch is the backstop by the clock, and everything that could
//! make two runs differ is off.

use std::io;
use std::num::NonZeroUsize;
use std::thread;

use wasmtime::{Config, Engine, Result};

use crate::{confine, limit};

/// An engine that compiles and runs components.
pub(super) fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(limit::GUEST_STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(limit::BACKTRACE_FRAMES_MAX))
        .memory_init_cow(true)
        .native_unwind_info(false);
    Engine::new(&config)
}

/// Moves the engine's epoch on, from a thread that ends when the engine is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the sandbox's own clock; nobody waits for it"
)]
pub(super) fn keep_time(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("epoch".into()).spawn(move || {
        // It begins before the process is confined, and needs nothing but its clock.
        confine::bare_thread();
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(limit::EPOCH);
        }
    })?;
    Ok(())
}
