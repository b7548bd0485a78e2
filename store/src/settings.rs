//! What an operator chooses of a store.

use crate::limit;

/// What an operator chooses of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Above this, nothing new is accepted. What was accepted can still be delivered: that takes little room.
    pub bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bytes_max: limit::BYTES_MAX }
    }
}
