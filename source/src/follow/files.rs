//! All files of a source: which of them stand behind its names, and which did before.
//!
//! The files of one name are kept in the order in which they had it, and a younger one is read no further than it was
//! known to be long before the older ones were seen to have nothing more. So whoever writes to one file after the other
//! is read in that order, whatever happens in between.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::find::{self, Found, Since};
use super::ledger::Ledger;
use super::names::{Names, not_a_file};
use super::notices::{Notices, moved_from};
use super::tail::{Outcome, Rule, Tail};
use super::told::Told;
use crate::identity::Identity;
use crate::intake::{Lot, Mark};
use crate::limit;
use crate::saved::{SavedFile, forgotten};

/// The files.
pub(super) struct Files {
    pub rule: Rule,
    pub names: Names,
    pub told: Told,
    /// In the order of their paths, and of their ages under each.
    pub tails: Vec<Tail>,
    pub ledger: Ledger,
    /// What an earlier run kept of files that were not found again yet.
    pub saved: Vec<SavedFile>,
    /// Names whose last file is gone without a trace.
    pub lost: HashMap<PathBuf, Since>,
    /// Marks of files that are done with.
    pub forgotten: Vec<u64>,
    /// Files that are done with, the latest ones: they may still be there under another name.
    pub done: VecDeque<Identity>,
}

impl Files {
    /// Looks which files stand behind the names now. `moved` is what is known to have been renamed since the last time.
    pub fn scan(&mut self, moved: &[(PathBuf, PathBuf)], notices: &mut Notices, now: Instant) {
        let names = self.names.now(&mut self.told);
        notices.watch_folders(&self.names.folders(&names));
        self.find_saved(now);
        for name in self.attach(&names, now) {
            self.adopt(&name, moved, now);
        }
        self.sort();
        self.find_missed(notices, now);
        for tail in &mut self.tails {
            if tail.watch.is_none() {
                tail.watch = notices.watch_file(&tail.file);
            }
        }
        if let Some(failure) = notices.failure() {
            let told =
                format!("is looked at every now and then, since nothing is notified: {failure}");
            self.told.news(Path::new("what is followed"), &told);
        }
    }

    /// Gives the files that are known the names that they have now; the names that are left have new files.
    fn attach(&mut self, names: &[PathBuf], now: Instant) -> Vec<PathBuf> {
        let mut there: Vec<(Identity, PathBuf)> = Vec::new();
        let mut places: HashMap<(u64, u64), usize> = HashMap::new();
        for name in names {
            match fs::metadata(name) {
                Ok(facts) if facts.is_file() => {
                    let identity = Identity::of(&facts);
                    // A file with two names is read once.
                    places.entry((identity.device, identity.inode)).or_insert_with(|| {
                        there.push((identity, name.clone()));
                        there.len() - 1
                    });
                }
                Ok(facts) => {
                    let kind = not_a_file(&facts).unwrap_or("something else");
                    // Patterns match folders too, and nobody means these.
                    if !facts.is_dir() || self.names.has_plain(name) {
                        let problem =
                            format!("is {kind} and can't be followed; read it without `follow`");
                        self.told.problem(name, &problem);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.told.problem(name, &error.to_string()),
            }
        }
        let mut known = vec![false; there.len()];
        for tail in &mut self.tails {
            let place = places.get(&(tail.identity.device, tail.identity.inode));
            let name = place.map(|place| there[*place].1.clone());
            if let Some(place) = place {
                known[*place] = true;
            }
            if name != tail.name && (name.is_some() || is_gone(tail.name.as_deref())) {
                tail.rename(name, now);
            }
        }
        there
            .into_iter()
            .zip(known)
            .filter(|(_, known)| !known)
            .map(|((_, name), _)| name)
            .collect()
    }

    /// Takes up the new file of a name, and before it those that had the name while nobody looked.
    fn adopt(&mut self, name: &Path, moved: &[(PathBuf, PathBuf)], now: Instant) {
        if self.saved.iter().any(|saved| saved.path == name) {
            // What is known of its last file could not be compared yet.
            return;
        }
        let found = match Found::open(name) {
            Ok(found) if found.facts.is_file() => found,
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.told.problem(name, &error.to_string()),
        };
        if self.is_known(&found.identity()) {
            return;
        }
        let before =
            self.tails.iter().filter(|tail| tail.path == name).max_by_key(|t| t.incarnation);
        let since = before.map(Tail::since).or_else(|| self.lost.remove(name));
        if let Some(since) = since {
            let current = found.identity();
            let moved = moved_from(name, moved);
            let taken = |identity: &Identity| {
                identity.is(&current) || self.is_known(identity) || self.is_done(identity)
            };
            for older in find::between(name, since, &moved, taken) {
                self.told
                    .news(&older.path, &format!("had the name {} for a while", name.display()));
                self.add(name, None, older, now);
            }
        }
        self.told.solved(name);
        self.add(name, Some(name.to_owned()), found, now);
    }

    /// Follows a file.
    fn add(&mut self, path: &Path, name: Option<PathBuf>, found: Found, now: Instant) {
        if self.tails.len() >= limit::FILES_MAX {
            let problem = format!(
                "is not read: {} files are followed already; name fewer, or in several sources",
                limit::FILES_MAX
            );
            return self.told.problem(path, &problem);
        }
        let incarnation = self.ledger.count(path);
        let mut tail = Tail::new(&self.rule, path, incarnation, found, now);
        tail.name = name;
        self.tails.push(tail);
    }

    pub fn sort(&mut self) {
        self.tails.sort_by(|one, other| {
            one.path.cmp(&other.path).then(one.incarnation.cmp(&other.incarnation))
        });
    }

    fn is_known(&self, identity: &Identity) -> bool {
        self.tails.iter().any(|tail| tail.identity.is(identity))
    }

    fn is_done(&self, identity: &Identity) -> bool {
        self.done.iter().any(|done| done.is(identity) && done.may_be(identity))
    }

    /// Looks how long all files are now; says whether one was emptied.
    ///
    /// The youngest come first: what an older one has is then all that was written before what a younger one has, if
    /// one and the same wrote both.
    pub fn look(&mut self, notices: &mut Notices, now: Instant) -> bool {
        let mut emptied = Vec::new();
        for place in (0..self.tails.len()).rev() {
            let tail = &mut self.tails[place];
            match tail.look(now) {
                Ok(true) => emptied.push(tail.key),
                Ok(false) => {}
                Err(error) => self.failed(place, &error),
            }
        }
        for key in &emptied {
            if let Some(place) = self.tails.iter().position(|tail| tail.key == *key) {
                self.emptied(place, notices, now);
            }
        }
        !emptied.is_empty()
    }

    /// A file was emptied: what was not read of it may stand in a copy, and what comes now is another file's.
    pub fn emptied(&mut self, place: usize, notices: &mut Notices, now: Instant) {
        let tail = &self.tails[place];
        let (path, name, sought) = (tail.path.clone(), tail.name.clone(), tail.sought());
        let shown = name.clone().unwrap_or_else(|| path.clone());
        let fresh = match tail.file.try_clone().and_then(|file| Ok((file.metadata()?, file))) {
            Ok((facts, file)) => Found { path: shown.clone(), file, facts },
            Err(error) => return self.told.problem(&shown, &error.to_string()),
        };
        let known = |identity: &Identity| {
            self.is_done(identity)
                || self.tails.iter().any(|tail| !tail.twin && tail.identity.is(identity))
        };
        let since = tail.since_read();
        let copy = if sought.position > 0 {
            find::copy(&shown, sought, known)
        } else {
            find::between(&shown, since, &[], known).into_iter().next()
        };
        notices.forget(tail.watch);
        let since = if let Some(copy) = copy {
            let identity = copy.identity();
            self.told.news(&shown, &format!("was emptied; the rest is in {}", copy.path.display()));
            self.tails[place].go_on_in(copy, now);
            let since = self.tails[place].since();
            let key = self.tails[place].key;
            self.tails.retain(|tail| tail.key == key || !tail.identity.is(&identity));
            since
        } else {
            let unread = tail.size.saturating_sub(tail.position);
            self.told.news(&shown, "was emptied and is read from its start");
            if unread > 0 {
                let loss = format!("{unread} bytes behind {} were not read", tail.position);
                self.told.lost(&shown, &loss);
            }
            self.forgotten.push(tail.key);
            self.tails.remove(place);
            since
        };
        let taken = |identity: &Identity| {
            self.is_known(identity) || self.is_done(identity) || identity.is(&fresh.identity())
        };
        for older in find::between(&shown, since, &[], taken) {
            self.add(&path, None, older, now);
        }
        self.add(&path, name, fresh, now);
        self.sort();
    }

    /// Finds files that were written to, copied and emptied again before anything of them was read: there is a copy of
    /// what they don't hold.
    fn find_missed(&mut self, notices: &mut Notices, now: Instant) {
        let unread = |tail: &&Tail| tail.position == 0 && !tail.twin && !tail.refused;
        let keys: Vec<u64> = self.tails.iter().filter(unread).map(|tail| tail.key).collect();
        for key in keys {
            let Some(place) = self.tails.iter().position(|tail| tail.key == key) else { continue };
            let tail = &self.tails[place];
            let Some(name) = &tail.name else { continue };
            let since = tail.since_read();
            if !find::has_changed(name, since) {
                continue;
            }
            let taken = |identity: &Identity| self.is_known(identity) || self.is_done(identity);
            let missed = |copy: &Found| {
                // A copy that is being made holds the same as the file.
                copy.facts.len() > 0
                    && tail.holds(&copy.file, copy.facts.len()).is_ok_and(|holds| !holds)
            };
            if find::between(name, since, &[], taken).iter().any(missed) {
                self.emptied(place, notices, now);
            }
        }
    }

    /// Takes what the file at this place has; says whether that was something.
    pub fn read(
        &mut self,
        place: usize,
        lot: &mut Lot,
        now: Instant,
    ) -> Result<Outcome, io::Error> {
        if self.tails[place].refused || self.pass_over_copy(place)? {
            self.tails[place].settled = true;
            return Ok(Outcome::Nothing);
        }
        let waits = place.checked_sub(1).is_some_and(|before| {
            let (before, this) = (&self.tails[before], &self.tails[place]);
            before.path == this.path && !before.settled && !before.failing
        });
        let tail = &mut self.tails[place];
        if waits {
            tail.settled = false;
            return Ok(Outcome::Nothing);
        }
        let outcome = tail.read(&self.rule, lot, now)?;
        let shown = tail.name.as_deref().unwrap_or(&tail.path);
        if outcome == Outcome::Compressed {
            self.told.problem(shown, "is compressed and not read");
        } else if tail.failing {
            self.told.solved(shown);
            tail.failing = false;
        }
        Ok(outcome)
    }

    /// Reading a file failed: it is tried again, and nobody waits for it meanwhile.
    pub fn failed(&mut self, place: usize, error: &io::Error) {
        let tail = &mut self.tails[place];
        tail.failing = true;
        self.told.problem(tail.name.as_deref().unwrap_or(&tail.path), &error.to_string());
    }

    /// Passes over what stands in another file too, of which this one is being made a copy.
    fn pass_over_copy(&mut self, place: usize) -> io::Result<bool> {
        let tail = &self.tails[place];
        if tail.position > 0 && !tail.twin {
            return Ok(false);
        }
        let Some(name) = tail.name.as_deref() else { return Ok(false) };
        let mut of = None;
        for other in &self.tails {
            let beside = other.name.as_deref().is_some_and(|of| find::is_rotated(of, name));
            if beside && tail.size > 0 && other.holds(&tail.file, tail.size)? {
                of = other.name.clone();
                break;
            }
        }
        let Some(of) = of else {
            self.tails[place].twin = false;
            return Ok(false);
        };
        if !tail.twin {
            self.told.news(name, &format!("is a copy of {} and not read", of.display()));
        }
        let tail = &mut self.tails[place];
        if tail.position != tail.size {
            tail.pass_over()?;
        }
        Ok(true)
    }

    /// Lets go of the files that are done with.
    pub fn close(&mut self, notices: &mut Notices, now: Instant) {
        let nameless = |tail: &&Tail| tail.name.is_none();
        for place in 0..self.tails.len() {
            let path = &self.tails[place].path;
            let younger = self.tails[place + 1..].iter().take_while(|tail| tail.path == *path);
            let surplus = younger.filter(nameless).count() >= limit::FOLLOW_OLDER_MAX;
            self.tails[place].hurried = surplus && self.tails[place].name.is_none();
        }
        self.tails.retain(|tail| {
            let done = tail.is_done(now);
            if done {
                notices.forget(tail.watch);
                self.forgotten.push(tail.key);
                self.done.push_back(tail.identity);
            }
            !done
        });
        let surplus = self.done.len().saturating_sub(limit::FOLLOW_NAMES_MAX);
        self.done.drain(..surplus);
    }

    /// The marks that are to be handed on with what was read.
    pub fn marks(&mut self, marks: &mut Vec<Mark>) {
        marks.extend(self.forgotten.drain(..).map(forgotten));
        for tail in &mut self.tails {
            if std::mem::take(&mut tail.moved) && !tail.twin {
                marks.push(tail.mark(&self.rule));
            }
        }
        marks.extend(self.ledger.mark());
    }
}

/// Whether a name is gone or another file's. A name that can't be looked at is not.
fn is_gone(name: Option<&Path>) -> bool {
    name.is_none_or(|name| match fs::metadata(name) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}
