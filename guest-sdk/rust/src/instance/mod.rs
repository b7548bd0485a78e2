//! Guests at work: the contract's calls on flat frames, without a sandbox around them.
//!
//! The wasm exports are a thin shell around these, and so are the test harness and the engine's comparison of
//! sandboxed with native speed: what runs natively is what runs in the sandbox. This room must never know who calls it.

mod listener;

mod module;

pub use listener::ListenerInstance;
pub use module::{ModuleInstance, Parts};
