//! What the author of a Correlator module or listener imports.
//!
//! A guest is a struct and one trait: the struct's fields are all that it remembers, the trait says what it wants and
//! what it does. `use correlator_sdk::prelude::*;` brings what is needed; `docs/writing-a-module.md` walks through it.
//!
//! A guest is a pure function from (state, input) to (state, output). It has no clock, no randomness, no files and no
//! sockets; time comes with records and ticks, and what should happen in the world is returned as a value. So the same
//! records always give the same events.
//!
//! Everything here runs natively as well as in wasm, except the shell of exports around it: a guest's own unit tests
//! are plain `cargo test`, and [`testing`] runs it over sample logs as the engine would.
//!
//! # Layout
//! - [`prelude`]: everything that a guest needs
//! - [`time`], [`value`], [`schema`], [`options`], [`description`]: plain values and declarations
//! - [`record`], [`turn`], [`module`]: what a module gets, gives and is
//! - [`template`], [`event`], [`effect`], [`listener`]: the same for a listener
//! - [`text`], [`json`]: what strangers wrote, for people and for machines
//! - [`keep`]: windows, expiring state and transactions, all bounded
//! - [`state`], [`instance`]: saving, and guests at work
//! - [`testing`]: samples, expected events, and the test that cuts them (not in wasm)
//! - `allocator`, `memory`, `bindings`, `export`: small pieces, quick comparisons, and the canonical ABI (all but
//!   `bindings` only in wasm)

extern crate self as correlator_sdk;

pub mod prelude;

mod error;

pub mod time;

pub mod value;

pub mod schema;

pub mod options;

pub mod description;

pub mod record;

pub mod turn;

pub mod module;

pub mod template;

pub mod event;

pub mod effect;

pub mod listener;

pub mod text;

pub mod json;

pub mod keep;

pub mod state;

pub mod instance;

#[cfg(target_arch = "wasm32")]
mod allocator;

#[cfg(target_arch = "wasm32")]
mod memory;

#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[doc(hidden)]
pub mod bindings;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod export;

mod log;

pub use error::Error;
pub use listener::Listener;
pub use log::log;
pub use module::Module;
pub use time::{Duration, Time};
pub use turn::{Cells, Turn};

/// Makes a component of a module: `export_module!(FirstSeen);` once, at the end of its crate.
#[macro_export]
macro_rules! export_module {
    ($module:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: ::std::cell::RefCell<$crate::instance::ModuleInstance<$module>> =
                    ::std::cell::RefCell::default();
            }

            impl $crate::export::ExportedModule for $module {
                fn with<R>(
                    call: impl ::std::ops::FnOnce(&mut $crate::instance::ModuleInstance<Self>) -> R,
                ) -> R {
                    INSTANCE.with_borrow_mut(call)
                }
            }

            type Exported = $crate::export::ModuleExport<$module>;
            $crate::bindings::module::export_module_world!(
                Exported with_types_in $crate::bindings::module
            );
        };
    };
}

/// Makes a component of a listener: `export_listener!(Csv);` once, at the end of its crate.
#[macro_export]
macro_rules! export_listener {
    ($listener:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: ::std::cell::RefCell<
                    $crate::instance::ListenerInstance<$listener>,
                > = ::std::cell::RefCell::default();
            }

            impl $crate::export::ExportedListener for $listener {
                fn with<R>(
                    call: impl ::std::ops::FnOnce(
                        &mut $crate::instance::ListenerInstance<Self>,
                    ) -> R,
                ) -> R {
                    INSTANCE.with_borrow_mut(call)
                }
            }

            type Exported = $crate::export::ListenerExport<$listener>;
            $crate::bindings::listener::export_listener_world!(
                Exported with_types_in $crate::bindings::listener
            );
        };
    };
}

/// The book's examples, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-a-module.md")]
struct Book;
