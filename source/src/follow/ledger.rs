//! How many files a source has seen under each name.
//!
//! The records of a file are known by its id and their positions. A name that is used again and again, as the name of a
//! rotated log is, needs another id for each of its files, in later runs too; so the counts are kept with the marks.
//! They are kept for so many names; a name beyond that begins where the highest count that was dropped ended, so that
//! it does not get an id a second time.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::intake::Mark;
use crate::limit;
use crate::saved::{SavedLedger, number};

/// The counts.
#[derive(Debug)]
pub(super) struct Ledger {
    saved: SavedLedger,
    changed: bool,
}

impl Ledger {
    /// What an earlier run kept, or nothing.
    pub fn new(source: u64, saved: Option<SavedLedger>) -> Self {
        let saved = saved.unwrap_or_else(|| SavedLedger { source, ..SavedLedger::default() });
        Self { saved, changed: false }
    }

    /// Counts a file, and tells how many there had been under its name.
    pub fn count(&mut self, path: &Path) -> u64 {
        let name = number(&[path.as_os_str().as_bytes()]);
        let counts = &mut self.saved.counts;
        let before = match counts.iter().position(|(known, _)| *known == name) {
            Some(place) => counts.remove(place).1,
            None => self.saved.floor,
        };
        if counts.len() >= limit::FOLLOW_NAMES_MAX {
            let (_, count) = counts.remove(0);
            self.saved.floor = self.saved.floor.max(count);
        }
        counts.push((name, before + 1));
        self.changed = true;
        before
    }

    /// Its mark, if it has changed since it was asked for.
    pub fn mark(&mut self) -> Option<Mark> {
        std::mem::take(&mut self.changed).then(|| self.saved.clone().mark())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::PathBuf;

    use super::Ledger;
    use crate::limit;
    use crate::saved::Saved;

    #[test]
    fn no_name_gets_a_number_twice() {
        let mut ledger = Ledger::new(1, None);
        let mut seen = HashSet::new();
        for round in 0..3_u32 {
            for n in 0..limit::FOLLOW_NAMES_MAX + 10 {
                let path = PathBuf::from(format!("/{n}"));
                let count = ledger.count(&path);
                assert!(seen.insert((path, count)), "{n} {count}");
                assert!(round > 0 || n >= limit::FOLLOW_NAMES_MAX || count == 0, "the first is 0");
            }
            let Some(Saved::Ledger(saved)) = ledger.mark().as_ref().and_then(Saved::read) else {
                panic!("the mark is not understood");
            };
            assert_eq!(saved.counts.len(), limit::FOLLOW_NAMES_MAX);
            assert_eq!(ledger.mark(), None);
            ledger = Ledger::new(1, Some(saved));
        }
    }
}
