//! The bindings of the contract in `wit/`, one module for each world.
//!
//! Only `sandbox` reads these; the rest of the engine knows guests by [`crate::guest`] and [`crate::declaration`].

/// What a module imports and exports.
#[allow(missing_docs, reason = "generated; the contract's words are in wit/")]
pub mod module {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "module",
        // Only abuse traps: who logs without end is doing no work.
        imports: { default: trappable },
    });
}

/// What a listener imports and exports. The words that both worlds share are the module's.
#[allow(missing_docs, reason = "generated; the contract's words are in wit/")]
pub mod listener {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "listener",
        imports: { default: trappable },
        with: {
            "correlator:engine/types": super::module::correlator::engine::types,
            "correlator:engine/log": super::module::correlator::engine::log,
        },
    });
}
