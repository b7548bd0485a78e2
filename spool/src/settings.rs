//! What an operator chooses of a spool.

use std::time::Duration;

/// How sure it is that what was taken survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The system writes when it likes: a crash of the program loses nothing, one of the machine may.
    None,
    /// Written through at least this often: a crash of the machine loses at most what came since.
    Batched(Duration),
    /// Written through before anything is acknowledged or processed.
    Each,
}

/// What happens when a spool has reached its size and nobody is done with any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Whoever sends has to wait.
    Block,
    /// What comes is dropped, counted and told.
    Drop,
}
