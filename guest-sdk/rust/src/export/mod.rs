//! The shell that makes a component of a guest: the contract's exports, each one call into the instance.
//!
//! Only in wasm; everything that it calls runs natively too. Panics are told to the engine's log before they trap,
//! because a trap alone says nothing to the guest's author.

mod convert;

mod listener;

mod module;

pub use convert::severity;
pub use listener::{ExportedListener, ListenerExport};
pub use module::{ExportedModule, ModuleExport};

/// Tells a panic to the engine's log. The trap that follows keeps no words.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        crate::log(crate::prelude::Severity::Error, &panic.to_string());
    }));
}
