//! Sources: bytes from outside, parsed into frames that know where they came from.
//!
//! A source reads a block straight into a frame and has the parser find the records in place. This crate must never
//! know who wants the records, and never runs a guest.
//!
//! # Layout
//! - [`limit`] and [`clock`]: every number that bounds something; where time comes from
//! - [`settings`]: what is to be read, checked already
//! - [`counts`] and [`intake`]: what was read; who takes it
//! - `path`, [`identity`] and [`saved`]: which files a pattern names; which file it is; how far it was read, for another run
//! - [`capture`]: what arrives, kept byte by byte
//! - [`mod@file`]: files that are read once, and standard input
//! - [`follow`]: files that are written to while they are read, through rotation
//! - [`replay`]: captures, read record by record and sent again
//! - [`net`]: TCP, TLS, UDP and Unix sockets

pub mod limit;

pub mod clock;

pub mod settings;

pub mod counts;

pub mod intake;

mod path;

pub mod identity;

pub mod saved;

pub mod capture;

pub mod file;

pub mod follow;

pub mod net;

pub mod replay;
