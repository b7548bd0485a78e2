//! Looking which files stand behind the names now, and which did in between.
//!
//! What the kernel tells is taken after the files behind the names were opened: so all that had a name before its
//! present file is known by then, in order, and what comes after that is kept for the next time. Where nothing is told,
//! names and times must do.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use correlator_wire::file::not_a_file;

use super::NOT_FOLLOWED;
use super::files::Files;
use super::find::{self, Found};
use super::names::folder;
use super::notices::Notices;
use super::tail::Tail;
use crate::identity::{self, Identity};
use crate::limit;
use crate::path::escaped;

/// A file that had a name, where it was moved, and what is there.
type Moved = (PathBuf, PathBuf, Option<Found>);

impl Files {
    /// Looks which files stand behind the names now.
    pub fn scan(&mut self, notices: &mut Notices, now: Instant) {
        let names = self.names.now(&mut self.told);
        notices.watch_folders(&self.names.folders(&names));
        self.rest(notices, now);
        self.wake(&names);
        let mut unsure = self.find_saved(&names, now);
        unsure.append(&mut self.unsure);
        let present = self.attach(&names, now);
        if !notices.told_all() {
            unsure.extend(self.rotated_names());
        }
        let mut listed: Vec<(PathBuf, Vec<Found>)> = Vec::new();
        for name in unsure {
            let found = self.list_older(&name, present.get(&name).map(|(identity, _)| *identity));
            listed.push((name, found));
        }
        let moved = self.open_moved(notices);
        for (name, older) in listed {
            if older.len() >= limit::FILES_MAX {
                self.unsure.insert(name.clone());
            }
            for found in older {
                if !self.add_older(&name, found, now) {
                    self.unsure.insert(name.clone());
                }
            }
        }
        let waiting = self.add_moved(moved, &present, now);
        self.add_present(present, &waiting, now);
        self.sort();
        self.find_missed(notices, now);
        for tail in &mut self.tails {
            if tail.watch.is_none() {
                tail.watch = notices.watch_file(&tail.file);
            }
        }
        if let Some(failure) = notices.failure() {
            let told =
                format!("is looked at every now and then, since not all is notified: {failure}");
            self.told.news(Path::new("what is followed"), &told);
        }
    }

    /// Tells which names have no file yet: they may have been mistyped.
    pub fn tell_absent(&mut self) {
        for name in self.names.absent() {
            let folder = if folder(name).is_dir() { "" } else { ", nor is its folder" };
            self.told.problem(name, &format!("is not there{folder}; it is read as soon as it is"));
        }
    }

    /// Gives the files that are known the names that they have now; what stands behind each name, opened if it is new.
    fn attach(
        &mut self,
        names: &[PathBuf],
        now: Instant,
    ) -> HashMap<PathBuf, (Identity, Option<Found>)> {
        let mut present = HashMap::new();
        let mut holders: HashMap<(u64, u64), PathBuf> = HashMap::new();
        for name in names {
            let Some(identity) = self.identity_of(name) else { continue };
            let known = self.is_known(&identity);
            let found = if known { None } else { self.open(name) };
            let identity = found.as_ref().map_or(identity, Found::identity);
            if !known && found.is_none() {
                continue;
            }
            // A file with two names is read once.
            if let Some(other) = holders.insert((identity.device, identity.inode), name.clone()) {
                holders.insert((identity.device, identity.inode), other);
                continue;
            }
            present.insert(name.clone(), (identity, found));
        }
        for tail in &mut self.tails {
            let name = holders.get(&(tail.identity.device, tail.identity.inode)).cloned();
            if name != tail.name && (name.is_some() || is_gone(tail.name.as_deref())) {
                tail.rename(name, now);
            }
        }
        present
    }

    /// Which file stands behind a name.
    fn identity_of(&mut self, name: &Path) -> Option<Identity> {
        match fs::metadata(name) {
            Ok(facts) if facts.is_file() => return Some(Identity::of(&facts)),
            Ok(facts) => {
                let kind = not_a_file(&facts).unwrap_or("something else");
                // Patterns match folders too, and nobody means these.
                if !facts.is_dir() || self.names.has_plain(name) {
                    self.told.problem(name, &format!("is {kind} and {NOT_FOLLOWED}"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.told.gone(name),
            Err(error) => self.told.problem(name, &error.to_string()),
        }
        None
    }

    fn open(&mut self, name: &Path) -> Option<Found> {
        match Found::open(name) {
            Ok(found) => return Some(found).filter(|found| found.facts.is_file()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.told.problem(name, &error.to_string()),
        }
        None
    }

    /// Names whose last file is another one's by now, or nobody's.
    fn rotated_names(&self) -> BTreeSet<PathBuf> {
        let rotated = self.tails.iter().filter(|tail| tail.is_rotated());
        rotated.map(|tail| tail.path.clone()).filter(|path| self.names.has(path)).collect()
    }

    /// Files that had a name after the last that was seen under it, as far as names and times tell.
    fn list_older(&mut self, name: &Path, present: Option<Identity>) -> Vec<Found> {
        let last = self.tails.iter().filter(|t| t.path == name).max_by_key(|t| t.incarnation);
        let since = last.map(Tail::since).or_else(|| self.rested_since(name));
        let Some(since) = since.or_else(|| self.lost.remove(name)) else {
            return Vec::new();
        };
        if !find::has_changed(name, since) {
            return Vec::new();
        }
        let taken = |identity: &Identity, modified| {
            let younger = present.is_some_and(|present| {
                // A file that is copied and emptied again and again is older than its copies.
                let renamed = present.born != 0 && present.born >= since.born;
                present.is(identity) || renamed && identity.born > present.born
            });
            younger || self.is_taken(identity, modified)
        };
        find::between(name, since, &taken).take(limit::FILES_MAX).collect()
    }

    /// Remembers where files with followed names went.
    fn note_moves(&mut self, notices: &mut Notices) {
        for (from, to) in notices.moved.drain(..) {
            self.moved.retain(|(_, place)| *place != to);
            match self.moved.iter_mut().find(|(_, place)| *place == from) {
                Some((_, place)) => *place = to,
                None if self.names.has(&from) => self.moved.push((from, to)),
                None => {}
            }
        }
        let surplus = self.moved.len().saturating_sub(limit::FOLLOW_NAMES_MAX);
        self.unsure.extend(self.moved.drain(..surplus).map(|(name, _)| name));
    }

    /// Opens the files that had a followed name and were moved, some at a time, the oldest first. Nothing while they are
    /// moved further, as then nobody knows which file stands where.
    fn open_moved(&mut self, notices: &mut Notices) -> Option<Vec<Moved>> {
        notices.take();
        for _ in 0..limit::FOLLOW_TRIES {
            self.note_moves(notices);
            let places = self.moved.iter().take(limit::FOLLOW_MOVED_AT_ONCE);
            let moved: Vec<Moved> = places
                .map(|(name, place)| (name.clone(), place.clone(), Found::open(place).ok()))
                .collect();
            notices.take();
            if notices.moved.is_empty() {
                self.moved.drain(..moved.len());
                return Some(moved);
            }
        }
        None
    }

    /// Takes up the files that had a followed name before the one that has it now; the names of which there may be more
    /// of them.
    fn add_moved(
        &mut self,
        moved: Option<Vec<Moved>>,
        present: &HashMap<PathBuf, (Identity, Option<Found>)>,
        now: Instant,
    ) -> BTreeSet<PathBuf> {
        let Some(moved) = moved else {
            return self.moved.iter().map(|(name, _)| name.clone()).collect();
        };
        let (mut passed, mut later) = (BTreeSet::new(), Vec::new());
        // Those that were not opened come before what is there now, unless that was moved itself.
        let mut waiting: BTreeSet<_> = self.moved.iter().map(|(name, _)| name.clone()).collect();
        for (name, place, found) in moved {
            if passed.contains(&name) {
                later.push((name, place));
                continue;
            }
            // One that is not there any more is gone.
            let Some(found) = found else { continue };
            let identity = found.identity();
            if present.get(&name).is_some_and(|(present, _)| present.is(&identity)) {
                // It had been opened before it was moved: what was moved after it is younger.
                waiting.remove(&name);
                passed.insert(name);
            } else if found.facts.is_file() && !self.add_older(&name, found, now) {
                waiting.insert(name.clone());
                passed.insert(name.clone());
                later.push((name, place));
            }
        }
        self.moved.splice(..0, later);
        waiting
    }

    /// Takes up the new files that stand behind names now, but none whose name has older ones to come.
    fn add_present(
        &mut self,
        present: HashMap<PathBuf, (Identity, Option<Found>)>,
        waiting: &BTreeSet<PathBuf>,
        now: Instant,
    ) {
        let of = |(_, place): &(PathBuf, PathBuf)| fs::metadata(place).ok();
        let moved: Vec<Identity> =
            self.moved.iter().filter_map(of).map(|facts| Identity::of(&facts)).collect();
        for (name, (identity, found)) in present {
            let Some(found) = found else { continue };
            let older = self.saved.iter().any(|saved| saved.path == name)
                || self.unsure.contains(&name)
                || waiting.contains(&name)
                || self.is_saved(&found)
                || self.take_back(&found)
                || self.wake_original(&name)
                || moved.iter().any(|moved| moved.is(&identity));
            if !older && !self.is_known(&identity) {
                self.add_named(&name, found, now);
            }
        }
    }

    /// Takes up a file that had a name for a while; not if there are too many.
    fn add_older(&mut self, name: &Path, found: Found, now: Instant) -> bool {
        let identity = found.identity();
        if self.is_taken(&identity, identity::modified(&found.facts)) {
            return true;
        }
        if self.tails.len() >= limit::FOLLOW_FILES_MAX || self.is_saved(&found) {
            return false;
        }
        self.told.news(&found.path, &format!("had the name {} for a while", escaped(name)));
        self.add(name, self.followed(&found.path), found, now);
        true
    }
}

/// Whether a name is gone or another file's. A name that can't be looked at is not.
fn is_gone(name: Option<&Path>) -> bool {
    name.is_none_or(|name| match fs::metadata(name) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}
