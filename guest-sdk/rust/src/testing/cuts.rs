//! Where batches end, and where state is saved and restored: at random, but the same for the same seed.

/// What happens after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The batch goes on.
    None,
    /// The batch ends.
    Batch,
    /// The batch ends, and a fresh instance takes over the saved state.
    Restart,
}

/// Decides where a run is cut.
pub struct Cuts {
    random: u64,
    /// One in so many records is cut behind; 0 for none at all.
    one_in: u64,
}

impl Cuts {
    /// A run that isn't cut.
    pub fn none() -> Self {
        Self { random: 1, one_in: 0 }
    }

    /// A run of this number. The first cuts behind every record, the next more and more rarely, and so around.
    pub fn run(number: u64) -> Self {
        let random = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { random, one_in: [1, 2, 4, 16, 64, 256][(number % 6) as usize] }
    }

    /// What happens after the next record.
    pub fn after_record(&mut self) -> Cut {
        if self.one_in == 0 || !self.next().is_multiple_of(self.one_in) {
            return Cut::None;
        }
        if self.next().is_multiple_of(2) { Cut::Batch } else { Cut::Restart }
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }
}
