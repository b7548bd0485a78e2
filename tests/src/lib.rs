//! The engine's end-to-end tests.
