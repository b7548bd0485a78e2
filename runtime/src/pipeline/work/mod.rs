//! Work: a guest kept alive, handed what it wants in order, and saved with its place; and what modules have of it that
//! listeners have not. This room must never know what lies in a stream besides what its guest gets.

pub(super) mod beginning;
pub(super) mod checkpoint;
pub(super) mod keeper;
pub(super) mod module;
mod refused;
mod saving;
pub(super) mod turn;
pub(super) mod worker;
