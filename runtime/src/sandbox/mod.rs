//! The sandbox: a stranger's component in, one bounded call and one turn out.
//!
//! Only this room and `wit` know wasmtime. A component is looked at (`inspect`), compiled by a child (`compile`),
//! found again in an authenticated cache (`cache`), linked against the contract alone, and instantiated in a store
//! of its own for every restart. It must never know what records mean or where events go.

mod cache;
mod call;
mod compile;
mod componentize;
mod describe;
mod effects;
mod engine;
mod inspect;
mod instance;
mod load;
mod meter;

pub use cache::{Cache, CacheError};
pub use compile::{CHILD_COMMAND, CompileError, child};
pub use componentize::{ComponentizeError, componentize};
pub use inspect::{Refusal, Shape, World, inspect};
pub use load::{Guest, LoadError, Sandbox};
