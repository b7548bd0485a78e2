//! Chance that can be repeated: numbers from a seed that is printed.
//!
//! It must never know what is left to chance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A seed to use instead of one that nobody chose.
const SEED_VARIABLE: &str = "CORRELATOR_SEED";
/// How many kills a long run has.
const KILLS_VARIABLE: &str = "CORRELATOR_KILLS";

/// Numbers that look like chance (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// Always the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Other numbers each time, unless the variable names a seed. Tells the seed.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "a new seed is told, so that it can be used again"
    )]
    pub fn of_this_run(what: &str) -> Self {
        let named = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok());
        let seed = named.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_nanos() as u64 ^ u64::from(std::process::id()) << 32
        });
        eprintln!("{what}: {SEED_VARIABLE}={seed}");
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// One of so many.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// A time between these.
    pub fn time(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros() as usize;
        least + Duration::from_micros(self.below(span + 1) as u64)
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// How many kills there are to be: as many as the variable says, else so many.
#[must_use]
pub fn kills(usual: usize) -> usize {
    std::env::var(KILLS_VARIABLE).ok().and_then(|kills| kills.parse().ok()).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::Seed;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| {
            let mut seed = Seed::new(seed);
            [seed.number(), seed.number(), seed.number()]
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        // The first number of SplitMix64 for 0, from its reference.
        assert_eq!(Seed::new(0).number(), 0xe220_a839_7b1d_cdaf);
    }
}
