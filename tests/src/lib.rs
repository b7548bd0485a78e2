//! The engine's end-to-end tests.
//!
//! What runs are the files beside this one: `tests/` holds the one test binary. This library makes what its cases feed
//! to the engine. It must never know how the engine works inside: it makes bytes.
//!
//! # Layout
//! - [`guests`]: hostile components, and a few honest ones
//! - [`engine`]: runs of the real binary, watched
//! - [`wait`], [`seed`]: conditions and chance
//! - [`log`]: logs that are made up
//! - [`site`]: one engine after the other in one folder, killed, stopped and asked
//! - [`sender`]: a sender that knows what was taken
//! - [`foreign`]: programs of others
//! - [`rows`]: what stands in table files
//! - [`known`]: a known stream, and what one engine tells of it that is left alone
//! - [`world`]: what of the world effects end in: servers, networks, databases

pub mod guests;

pub mod engine;

pub mod wait;

pub mod seed;

pub mod log;

pub mod site;

pub mod sender;

pub mod foreign;

pub mod rows;

pub mod known;

pub mod world;
