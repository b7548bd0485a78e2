//! The engine of Correlator: records in, events out, effects done.
//!
//! # Layout
//! In reading order; a room imports only from rooms above it.
//! - [`limit`] and [`clock`]: every number that bounds something; where time comes from
//! - `private`, `whole`: files that are nobody else's business, and that are there whole or not at all
//! - [`text`], [`declaration`], [`guest`], `wit`: pure values: what strangers say, what guests declare, how they are
//!   called, the bindings of the contract
//! - [`status`]: how a running engine fares, as it tells it
//! - [`stack`]: what the operator wants
//! - [`dead`]: what made a module fail, set aside
//! - [`confine`]: the engine's own sandbox
//! - [`control`]: how people and programs reach a running engine
//! - [`capability`]: requests to the world
//! - [`sandbox`]: a component in; one bounded call and one turn out
//! - [`pipeline`]: the record path and the delivery path
//! - [`cli`]: arguments, wiring, words, exit codes

pub mod limit;

pub mod clock;

pub mod text;

mod private;

mod whole;

pub mod declaration;

pub mod guest;

mod wit;

pub mod status;

pub mod stack;

pub mod dead;

pub mod confine;

pub mod control;

pub mod capability;

pub mod sandbox;

pub mod pipeline;

pub mod cli;
