//! How far a consumer has come in its stream, to the item and the tick.

use crate::limit;

/// How many items there are from one number to another. Numbers that were left out on purpose are no items.
pub(crate) const fn items_between(from: u64, to: u64) -> u64 {
    to.saturating_sub(from) % limit::NUMBERS_LEFT_OUT
}

/// A place between two items of a stream. Cursors are ordered as the stream is, and the same in every replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    /// The sequence number of the next item.
    pub(crate) item: u64,
    /// How many of the ticks that are due just before that item are done.
    pub(crate) ticks: u32,
}

impl Cursor {
    /// Before this item and its ticks.
    pub(crate) const fn before(item: u64) -> Self {
        Self { item, ticks: 0 }
    }
}
