//! Is it UTF-8: a window of a block at a time, because one long look is cheaper than many short ones.
//!
//! It must never know what to do about a record that is not.

/// Bytes that are looked at together: they stay in the nearest cache until the parser comes to them.
const WINDOW_BYTES: usize = 16 * 1024;

/// How much of a block is known to be valid.
#[derive(Default)]
pub(crate) struct Validity {
    /// All before this that was not found invalid is valid.
    until: usize,
}

impl Validity {
    /// Whether these bytes of the block are valid. To be asked in order. A count may end a record within a character,
    /// so that neither of its halves is valid though the block is.
    #[inline]
    pub fn check(&mut self, block: &[u8], start: usize, end: usize) -> bool {
        (end <= self.until || self.look(block, start, end))
            && !is_continuation(block, start)
            && (end == self.until || !is_continuation(block, end))
    }

    /// Looks at the window that starts with these bytes. A character that the window cuts is looked at again.
    #[cold]
    fn look(&mut self, block: &[u8], start: usize, end: usize) -> bool {
        let window = &block[start..block.len().min(end.max(start + WINDOW_BYTES))];
        let valid = if window.is_ascii() {
            window.len()
        } else {
            std::str::from_utf8(window).map_or_else(|error| error.valid_up_to(), str::len)
        };
        self.until = start + valid;
        end <= self.until
    }
}

/// Whether a character goes on here.
#[inline]
fn is_continuation(block: &[u8], at: usize) -> bool {
    block.get(at).is_some_and(|byte| byte & 0xc0 == 0x80)
}
