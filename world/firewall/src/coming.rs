//! What will be in force once the kernel is told: requests of one delivery see those before them, and together they
//! don't fill a set beyond its bounds.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::force::{Held, Set};
use crate::table::Width;

/// Lengths of prefix that one set holds: each is a set of the kernel's that every packet is looked up in. All of
/// IPv4 that a grant usually allows, and some of IPv6.
const WIDTHS_MAX: usize = 24;

/// What will be in force.
pub(crate) struct Coming {
    entries_max: usize,
    until: HashMap<Held, Duration>,
    /// How many more entries that makes, by set.
    more: Vec<usize>,
    /// Lengths of prefix that a set doesn't hold so far.
    widths: BTreeSet<(usize, Width)>,
}

impl Coming {
    pub(crate) fn new(sets: &[Set], entries_max: usize) -> Self {
        let (until, more, widths) = (HashMap::new(), vec![0; sets.len()], BTreeSet::new());
        Self { entries_max, until, more, widths }
    }

    /// For how long something will be in force without anybody adding to it.
    pub(crate) fn rest(&self, sets: &[Set], held: &Held, now: Duration) -> Option<Duration> {
        let coming = self.until.get(held).map(|until| until.saturating_sub(now));
        coming.max(sets[held.0].entries.rest(&held.1, now))
    }

    /// Something comes, if there is room for it.
    pub(crate) fn add(&mut self, sets: &[Set], held: Held, until: Duration) -> Result<(), String> {
        let (at, net) = held;
        let set = &sets[at];
        if !self.until.contains_key(&held) && !set.entries.lingers(&net) {
            if set.entries.len() + self.more[at] >= self.entries_max {
                return Err(format!(
                    "set `{}` is full: `entries_max` of the grant is {}",
                    set.name, self.entries_max
                ));
            }
            self.widen(at, set, Width::of(&net))?;
            self.more[at] += 1;
        }
        self.until.insert(held, until);
        Ok(())
    }

    fn widen(&mut self, at: usize, set: &Set, width: Width) -> Result<(), String> {
        if set.widths.contains(&width) || self.widths.contains(&(at, width)) {
            return Ok(());
        }
        let more = self.widths.range((at, Width::MIN)..=(at, Width::MAX)).count();
        if set.widths.len() + more >= WIDTHS_MAX {
            return Err(format!(
                "set `{}` has networks of {WIDTHS_MAX} lengths of prefix and takes no other: block one of those, or \
                 a single address",
                set.name
            ));
        }
        self.widths.insert((at, width));
        Ok(())
    }

    /// All of it, with the moment until which it is to be in force.
    pub(crate) fn all(self) -> Vec<(Held, Duration)> {
        self.until.into_iter().collect()
    }
}
