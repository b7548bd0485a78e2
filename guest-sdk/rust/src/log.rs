//! The only thing that a guest may call: a line in the engine's own log.

use correlator_frame::severity::Severity;

/// Writes a line to the engine's log. The engine limits rate and length. Outside of wasm nobody listens.
pub fn log(severity: Severity, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::module::correlator::engine::log::log(
        crate::export::severity(severity),
        message,
    );
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (severity, message);
}
