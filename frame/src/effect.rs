//! Rows of effects: `events.effect` in `wit/listener.wit`.

use crate::words;

/// Words before the cells in a row.
pub const HEADER: usize = 4;
/// In the place of an event: the effect was asked for in a tick.
pub const NO_EVENT: u32 = u32::MAX;

/// The header of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which event of the batch it is for, or [`NO_EVENT`].
    pub event: u32,
    /// A bit for each absent cell.
    pub absent: u64,
}

impl Header {
    /// Writes the header of a row with so many cells; the cells follow.
    #[inline]
    pub fn write(self, cells: usize, index: &mut Vec<u32>) {
        let [absent_low, absent_high] = words::split(self.absent.cast_signed());
        index.extend_from_slice(&[
            words::word(HEADER + 2 * cells),
            self.event,
            absent_low,
            absent_high,
        ]);
    }

    /// Reads the header of a row of at least [`HEADER`] words.
    #[inline]
    #[must_use]
    pub fn read(row: &[u32]) -> Self {
        Self { event: row[1], absent: words::join(row[2], row[3]).cast_unsigned() }
    }
}
