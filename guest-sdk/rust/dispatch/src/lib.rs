//! What listeners share that tell the world of events: people by messages, machines by rows.
//!
//! A listener that writes to people has to say something that they can read, not say it too often, and let them sleep.
//! The parts for that stand here, each by itself: a listener takes those that it needs. All of them are plain state and
//! pure functions, driven by the time of events, so that a run that recovers or is replayed tells the same.
//!
//! # Layout
//! - [`item`]: an event as it is kept: owned, tamed, bounded
//! - [`digest`]: many events that wait to be told together
//! - [`throttle`]: how often the same may be told
//! - [`quiet`]: the hours in which people sleep, and the clock on their wall
//! - [`variable`]: what templates can say of events
//! - `builtin`: what templates can do with it
//! - [`template`]: the operator's templates and ours
//! - [`rows`]: events as rows of a table or an index
//! - [`names`]: lists of names in an option

pub mod item;

pub mod digest;

pub mod throttle;

pub mod quiet;

pub mod variable;

mod builtin;

pub mod template;

pub mod rows;

pub mod names;
