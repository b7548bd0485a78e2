//! The flat frames that travel between the engine and its guests.
//!
//! A frame is bytes and words: `text` holds bytes, `index` holds rows of 32-bit words that point into them. Bytes are
//! cheap to hand to a sandboxed guest and records are dear, so everything on the hot path has this shape. The layouts
//! are part of the contract and are documented in `wit/`; this crate is their one implementation, for both sides.
//!
//! It must never know where records come from or what anybody does with them.
//!
//! # Layout
//! - [`words`]: numbers in and out of 32-bit words
//! - [`value`]: kinds of values, their two-word cells
//! - [`text`]: values as people read them
//! - [`span`]: durations as people write them
//! - [`severity`]: syslog's severities and facilities by name
//! - [`record`]: batches of records
//! - [`event`]: rows of events, as modules return them and as listeners get them
//! - [`effect`]: rows of effects

pub mod words;

pub mod value;

pub mod text;

pub mod span;

pub mod severity;

pub mod record;

pub mod event;

pub mod effect;
