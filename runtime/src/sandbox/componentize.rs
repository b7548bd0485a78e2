//! From a core module to a component: what an author does last.
//!
//! The core module carries the contract that it was built against in a section of its own, which the bindings of every
//! language write. This is for one's own files; strangers' components are inspected and compiled elsewhere.

use thiserror::Error;
use wasmparser::Parser;
use wit_component::{ComponentEncoder, metadata};

use super::inspect::Refusal;
use crate::limit;
use crate::text::clean;

/// Why no component can be made.
#[derive(Debug, Error)]
pub enum ComponentizeError {
    /// It is a component, or no WebAssembly.
    #[error("{0}")]
    Refused(String),
    /// It was not built against any contract.
    #[error(
        "this core module was built without the bindings of a contract: export a module or a listener with the SDK's macro, in a `cdylib`"
    )]
    NoContract,
}

/// Wraps a core module that was built against a contract.
///
/// # Errors
/// It is no core module, or was built against nothing.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    let refused = |text: String| ComponentizeError::Refused(clean(&text, limit::MESSAGE_BYTES_MAX));
    if Parser::is_component(core) {
        return Err(refused("this is a component already".into()));
    }
    if !Parser::is_core_wasm(core) {
        return Err(refused(Refusal::NotWasm.to_string()));
    }
    let wrong = |error| refused(format!("{error:#}"));
    if metadata::decode(core).map_err(wrong)?.0.is_none() {
        return Err(ComponentizeError::NoContract);
    }
    let mut encoder = ComponentEncoder::default().validate(true).module(core).map_err(wrong)?;
    encoder.encode().map_err(wrong)
}
