//! Files that were read to their end and are not open: there may be more of them than are open at once.
//!
//! Rotated logs whose names are followed too pile up, and hardly any of them changes again. Each keeps its mark. It is
//! opened again, and goes on at its place, when it changes, when it has no followed name any more, or when something
//! comes that may be a copy of it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::files::Files;
use super::find::{self, Found, Since, Sought};
use super::notices::Notices;
use super::resume;
use crate::identity::{self, Identity};
use crate::saved::{Missed, SavedFile};
use crate::{clock, limit};

/// A file that was read to its end.
pub(super) struct Resting {
    saved: SavedFile,
    /// The name that it has.
    name: PathBuf,
    /// Its length.
    size: u64,
}

impl Files {
    /// Closes files that were read to their end, those that have not changed for longest, if there are too many.
    pub(super) fn rest(&mut self, notices: &mut Notices, now: Instant) {
        let named = self.named();
        let crowded = std::mem::take(&mut self.crowded) || named > limit::FILES_MAX;
        let surplus = named.saturating_sub(limit::FOLLOW_OPEN);
        let room = limit::FOLLOW_RESTING_MAX.saturating_sub(self.resting.len());
        if !crowded {
            return;
        }
        let quiet = self.tails.iter().filter(|tail| tail.can_rest());
        let mut quiet: Vec<_> = quiet.map(|tail| (tail.quiet(now), tail.key)).collect();
        quiet.retain(|(quiet, _)| *quiet >= limit::FOLLOW_QUIET);
        quiet.sort_unstable();
        let first = quiet.len().saturating_sub(surplus.min(room));
        let keys: Vec<u64> = quiet.drain(first..).map(|(_, key)| key).collect();
        for tail in self.tails.extract_if(.., |tail| keys.contains(&tail.key)) {
            notices.forget(tail.watch);
            let (saved, size) = (tail.saved(&self.rule), tail.size);
            let name = tail.name.unwrap_or(tail.path);
            let key = (tail.identity.device, tail.identity.inode);
            self.resting.insert(key, Resting { saved, name, size });
        }
    }

    /// Whether one of the files that are open may be closed for another.
    pub(super) fn may_rest(&self) -> bool {
        self.resting.len() < limit::FOLLOW_RESTING_MAX
            && self.tails.iter().any(super::tail::Tail::can_rest)
    }

    /// A file that an earlier run had read to its end is left closed.
    pub(super) fn rest_again(&mut self, saved: &SavedFile, found: &Found) {
        let (identity, size) = (found.identity(), found.facts.len());
        let modified = identity::modified(&found.facts);
        let saved = SavedFile { identity, modified, missed: None, ..saved.clone() };
        let resting = Resting { saved, name: found.path.clone(), size };
        self.resting.insert((identity.device, identity.inode), resting);
    }

    /// Looks for files that have changed, or lost their names, as for those that an earlier run had read.
    pub(super) fn wake(&mut self, names: &[PathBuf]) {
        if self.resting.is_empty() {
            return;
        }
        let there = names.iter().filter_map(|name| {
            let facts = fs::metadata(name).ok()?;
            let identity = Identity::of(&facts);
            Some(((identity.device, identity.inode), (identity, facts, name)))
        });
        let there: HashMap<_, _> = there.collect();
        let today = clock::now();
        let woken = self.resting.extract_if(|key, resting| {
            let saved = &mut resting.saved;
            let there = there.get(key).filter(|(identity, ..)| identity.may_be(&saved.identity));
            let size = there.map_or(0, |(_, facts, _)| facts.len());
            if size < resting.size {
                // It is gone or was emptied, and all that is known of was read.
                saved.missed = Some(Missed { since: today, told: true });
            }
            there.is_none_or(|(_, facts, name)| {
                resting.name.clone_from(name);
                (size, identity::modified(facts)) != (resting.size, saved.modified)
            })
        });
        for (_, resting) in woken {
            self.turned_up = true;
            if resting.saved.missed.is_some() {
                self.missed.push(resting.saved.clone().mark());
            }
            self.saved.push(resting.saved);
        }
    }

    /// Opens the files first of which this one may be a copy by its name. Says whether there are any.
    pub(super) fn wake_original(&mut self, name: &Path) -> bool {
        let woken = self.resting.extract_if(|_, resting| find::is_rotated(&resting.name, name));
        let before = self.saved.len();
        self.saved.extend(woken.map(|(_, resting)| resting.saved));
        self.turned_up |= self.saved.len() > before;
        self.saved.len() > before
    }

    /// Whether this is a file that was done with: it goes on where it was, the next time names are looked at.
    pub(super) fn take_back(&mut self, found: &Found) -> bool {
        let identity = found.identity();
        let place = self.done.iter().position(|(done, _)| {
            let sought = Sought { position: done.position, print: done.print };
            let same = done.identity.is(&identity) && done.identity.may_be(&identity);
            same && done.position > 0 && sought.is_in(&found.file)
        });
        let Some((saved, _)) = place.and_then(|place| self.done.remove(place)) else {
            return false;
        };
        self.turned_up = true;
        self.saved.push(saved);
        true
    }

    /// What comes after the last file of a name that rests can't be older than.
    pub(super) fn rested_since(&self, name: &Path) -> Option<Since> {
        let of_name = self.resting.values().filter(|resting| resting.saved.path == name);
        let last = of_name.max_by_key(|resting| resting.saved.incarnation);
        last.map(|resting| resume::since(&resting.saved))
    }

    /// A path, if it is followed.
    pub(super) fn followed(&self, path: &Path) -> Option<PathBuf> {
        self.names.has(path).then(|| path.to_owned())
    }
}
