//! The state folder: whose it is, what an earlier run left there, what a run writes there besides what its guests know, and
//! who keeps it small. This room must never know what a guest does.

pub(super) mod archive;
mod calendar;
pub(super) mod forms;
mod label;
pub(super) mod origin;
pub(super) mod put_off;
pub(super) mod recover;
mod tending;
pub mod trace;
pub(super) mod unserved;
pub mod version;
pub(super) mod writers;
