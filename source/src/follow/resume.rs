//! Files that an earlier run had read, found again: under their names, under others, or as copies.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::files::Files;
use super::find::{self, Found, Since, Sought};
use super::tail::Tail;
use crate::identity::Identity;
use crate::limit;
use crate::path::escaped;
use crate::saved::{SavedFile, file_key};

/// What became of a file.
enum Fate {
    Found(Found),
    /// It is nowhere.
    Gone,
    /// Its name can't be looked at, so it may still be there.
    Unknown(io::Error),
    /// There is nothing under its name, so it may come back.
    Away,
    /// It goes on as the rest of another file, of which it is a copy.
    Taken,
    /// Nobody follows it any more.
    Left,
}

impl Files {
    /// Takes up the files that an earlier run had read, where they are now; the names of which this is known now. `names`
    /// are all that are followed.
    pub(super) fn find_saved(&mut self, names: &[PathBuf], now: Instant) -> BTreeSet<PathBuf> {
        let mut known = BTreeSet::new();
        for saved in std::mem::take(&mut self.saved) {
            let mut fate = self.fate(&saved, names);
            for _ in 1..limit::FOLLOW_TRIES {
                if matches!(fate, Fate::Gone | Fate::Away) {
                    // Names may have changed while they were looked at.
                    let names = self.names.now(&mut self.told);
                    fate = self.fate(&saved, &names);
                }
            }
            if self.names.has(&saved.path) {
                known.insert(saved.path.clone());
            }
            match fate {
                Fate::Found(found) => self.take_up(&saved, found, now),
                Fate::Gone => self.give_up(&saved),
                Fate::Taken | Fate::Left => self.forget(&saved),
                Fate::Unknown(error) => {
                    self.told.problem(&saved.path, &error.to_string());
                    self.saved.push(saved);
                }
                Fate::Away => self.saved.push(saved),
            }
        }
        known.retain(|path| !self.saved.iter().any(|saved| saved.path == *path));
        known
    }

    /// Where a file is that was read so far: under its name, beside it, or under another name that is followed.
    fn fate(&self, saved: &SavedFile, names: &[PathBuf]) -> Fate {
        let sought = Sought { position: saved.position, print: saved.print };
        let taken = |identity: &Identity| self.tails.iter().any(|tail| tail.identity.is(identity));
        let followed = || {
            let facts = |name: &PathBuf| Some((name.clone(), fs::metadata(name).ok()?));
            let there = names.iter().filter_map(facts);
            there.filter(|(_, facts)| facts.is_file()).collect::<Vec<_>>()
        };
        if !self.names.has(&saved.path) {
            let named = find::named(&followed(), &saved.identity, sought, taken);
            return named.map_or(Fate::Left, Fate::Found);
        }
        let fate = match Found::open(&saved.path) {
            Ok(found) => {
                let identity = found.identity();
                if identity.may_be(&saved.identity) && sought.is_in(&found.file) {
                    return if taken(&identity) { Fate::Taken } else { Fate::Found(found) };
                }
                Fate::Gone
            }
            Err(error) if is_absent(&error) => Fate::Away,
            Err(error) => Fate::Unknown(error),
        };
        let renamed = find::renamed(&saved.path, &saved.identity, sought);
        let renamed = renamed.filter(|found| !taken(&found.identity()));
        if let Some(found) = renamed {
            return Fate::Found(found);
        }
        let names = followed();
        let named = find::named(&names, &saved.identity, sought, taken);
        let copy = || {
            // What can't be looked at may be there still.
            let read = saved.position > 0 && !matches!(fate, Fate::Unknown(_));
            let taken = |identity: &Identity, _| taken(identity);
            read.then(|| find::copy(&saved.path, sought, &names, taken)).flatten()
        };
        named.or_else(copy).map_or(fate, Fate::Found)
    }

    /// Whether this is a file that an earlier run had read, and that is taken up the next time names are looked at.
    pub(super) fn is_saved(&self, found: &Found) -> bool {
        self.saved.iter().any(|saved| {
            let sought = Sought { position: saved.position, print: saved.print };
            found.identity().may_be(&saved.identity) && sought.is_in(&found.file)
        })
    }

    fn take_up(&mut self, saved: &SavedFile, found: Found, now: Instant) {
        let place = found.path.clone();
        match Tail::resumed(&self.rule, saved, found, now) {
            Ok(mut tail) => {
                if place == saved.path {
                    tail.name = Some(place);
                } else {
                    let news = format!("is {} now and read to its end there", escaped(&place));
                    self.told.news(&saved.path, &news);
                }
                self.tails.push(tail);
            }
            Err(error) => {
                self.told.problem(&place, &error.to_string());
                self.saved.push(saved.clone());
            }
        }
    }

    /// Tells that a file is gone, and with it what was not read of it.
    fn give_up(&mut self, saved: &SavedFile) {
        let since = Since { born: saved.identity.born, modified: saved.modified };
        let unread = format!("what stood behind byte {} was not read", saved.position);
        let became = find::compressed(&saved.path, since).map_or_else(
            || "its last file is gone".to_owned(),
            |path| format!("its last file may have become {}, which is compressed", escaped(&path)),
        );
        self.told.lost(&saved.path, &format!("{became}; {unread}, if there was anything"));
        self.forget(saved);
        // A file that was emptied keeps its birth; those that came after are younger than what it held.
        let emptied = is_emptied(&saved.path, &saved.identity);
        let born = if emptied { saved.modified } else { since.born };
        self.lost.insert(saved.path.clone(), Since { born, ..since });
    }

    fn forget(&mut self, saved: &SavedFile) {
        self.forgotten.push(file_key(self.rule.number, &saved.path, saved.incarnation));
    }
}

/// Whether there is nothing under a name, or nothing that could be.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a file that is not what it was is still under its name.
fn is_emptied(path: &Path, identity: &Identity) -> bool {
    Found::open(path).is_ok_and(|found| found.identity().may_be(identity))
}
