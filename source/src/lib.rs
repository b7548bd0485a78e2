//! Sources: bytes from outside, parsed into frames that know where they came from.
//!
//! A source reads a block straight into a frame and has the parser find the records in place. This crate must never
//! know who wants the records, and never runs a guest.
//!
//! # Layout
//! - [`limit`] and [`clock`]: every number that bounds something; where time comes from
//! - [`settings`]: what is to be read, checked already
//! - [`counts`] and [`intake`]: what was read; who takes it
//! - [`file`]: files that are read once, and standard input

pub mod limit;

pub mod clock;

pub mod settings;

pub mod counts;

pub mod intake;

pub mod file;
