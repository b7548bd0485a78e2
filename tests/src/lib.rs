//! The engine's end-to-end tests.
//!
//! What runs are the files beside this one: `tests/` holds the one test binary. This library makes what its cases feed
//! to the engine. It must never know how the engine works inside: it makes bytes.
//!
//! # Layout
//! - [`guests`]: hostile components, and a few honest ones
//! - [`engine`]: runs of the real binary, watched

pub mod guests;

pub mod engine;
