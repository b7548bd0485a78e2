//! Telling of failures without filling the log: whoever connects could otherwise write as much of it as they like.
//!
//! It must never know what is told.

use std::time::{Duration, Instant};

/// Allows so many words in a while and counts the others.
#[derive(Debug)]
pub(crate) struct Quiet {
    most: u32,
    every: Duration,
    since: Option<Instant>,
    told: u32,
    held_back: u64,
}

impl Quiet {
    /// Allows `most` words in each `every`.
    pub fn new(most: u32, every: Duration) -> Self {
        Self { most, every, since: None, told: 0, held_back: 0 }
    }

    /// Whether this may be told; if so, how much was held back before.
    pub fn ask(&mut self, now: Instant) -> Option<u64> {
        let fresh = self.since.is_none_or(|since| now.duration_since(since) >= self.every);
        if fresh {
            (self.since, self.told) = (Some(now), 0);
        }
        if self.told >= self.most {
            self.held_back += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Quiet;
    use crate::clock;

    #[test]
    fn so_much_in_a_while() {
        let (start, minute) = (clock::instant(), Duration::from_mins(1));
        let mut quiet = Quiet::new(2, minute);
        let mut check = |seconds, expected| {
            assert_eq!(quiet.ask(start + Duration::from_secs(seconds)), expected, "at {seconds} s");
        };
        check(0, Some(0));
        check(1, Some(0));
        check(2, None);
        check(59, None);
        check(60, Some(2));
        check(61, Some(0));
        check(62, None);
        check(1000, Some(1));
    }
}
