//! What a module remembers of many things at once: bounded, driven by event time, saved by derive.
//!
//! Time comes in with every call, because a guest has no clock. Records may come out of order; a late one is never a
//! reason to panic or to miscount, it is handled as each type says. Every collection has a capacity and counts what it
//! pushes out, because whoever writes logs decides how many keys there are. Nothing depends on the order of a hash
//! table: what is saved is in the order of insertion, so that equal runs save equal bytes.
//!
//! # Layout
//! - `key`: looking up by a borrowed key
//! - `expiring`: state for each key until a deadline; the base of the next two
//! - `window`: moments within a span of time, alone and for each key
//! - `transactions`: things that are opened, worked on and closed

mod expiring;

mod key;

mod transactions;

mod window;

pub use expiring::{CAPACITY_DEFAULT, Expiring};
pub use key::{Lookup, Pair, PairRef};
pub use transactions::Transactions;
pub use window::{TIMES_DEFAULT, Window, Windows};
