//! All files of a source: which of them stand behind its names, and which did before.
//!
//! The files of one name are kept in the order in which they had it, and a younger one is read no further than it was
//! known to be long before the older ones were seen to have nothing more. So whoever writes to one file after the other
//! is read in that order, whatever happens in between.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::find::{Found, Since};
use super::ledger::Ledger;
use super::names::Names;
use super::notices::Notices;
use super::resting::Resting;
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
    /// Since when these are looked for, and when they were looked for under all names last.
    pub sought: Option<(Instant, Instant)>,
    /// One of these has turned up: all are to be looked for now.
    pub turned_up: bool,
    /// Marks that say which of these are nowhere.
    pub missed: Vec<Mark>,
    /// Names whose last file is gone without a trace.
    pub lost: HashMap<PathBuf, Since>,
    /// Marks of files that are done with.
    pub forgotten: Vec<u64>,
    /// Names that may have had files of which nobody was told.
    pub unsure: BTreeSet<PathBuf>,
    /// Names whose last copy was written over, and what came since may stand in it alone.
    pub overwritten: BTreeSet<PathBuf>,
    /// Where files were moved that had a followed name, in that order, and which name that was.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// Files that are done with, the latest ones: they may still be there under another name, or come under one that is
    /// followed. Of copies, when they had been changed last: another copy may be made in their place.
    pub done: VecDeque<(SavedFile, Option<i64>)>,
    /// Files with followed names that were read to their end and are not open, by device and inode.
    pub resting: HashMap<(u64, u64), Resting>,
    /// There was no room for another.
    pub crowded: bool,
}

impl Files {
    /// Follows the file that has a name now, if there is room for it.
    pub fn add_named(&mut self, name: &Path, found: Found, now: Instant) {
        if self.named() < limit::FILES_MAX {
            self.told.solved(name);
            self.add(name, Some(name.to_owned()), found, now);
            return;
        }
        if self.may_rest() {
            // There is room at the next look.
            self.crowded = true;
            return;
        }
        let most = limit::FILES_MAX;
        let problem = format!(
            "is not read: {most} files are followed already; name fewer, or in two sources"
        );
        self.told.problem(name, &problem);
    }

    /// How many of the open files have a followed name.
    pub fn named(&self) -> usize {
        self.tails.iter().filter(|tail| tail.name.is_some()).count()
    }

    /// Follows a file.
    pub fn add(&mut self, path: &Path, name: Option<PathBuf>, found: Found, now: Instant) {
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

    pub fn is_known(&self, identity: &Identity) -> bool {
        self.tails.iter().any(|tail| tail.identity.is(identity))
            || self.resting.contains_key(&(identity.device, identity.inode))
    }

    /// Whether a file that was changed last at this time is done with.
    pub fn is_done(&self, identity: &Identity, modified: i64) -> bool {
        self.done.iter().any(|(done, copied)| {
            done.identity.is(identity)
                && done.identity.may_be(identity)
                && copied.is_none_or(|copied| modified <= copied)
        })
    }

    /// Whether there is nothing new in a file that was changed last at this time.
    pub fn is_taken(&self, identity: &Identity, modified: i64) -> bool {
        self.is_known(identity) || self.is_done(identity, modified)
    }

    /// Looks how long all files are now; says whether one was emptied.
    ///
    /// The youngest come first: what an older one has is then all that was written before what a younger one has, if
    /// one and the same wrote both.
    pub fn look(&mut self, notices: &mut Notices, now: Instant) -> bool {
        let overwritten = self.let_go_of_overwritten(notices);
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
        overwritten || !emptied.is_empty()
    }

    /// Takes what the file at this place has; says whether that was something.
    pub fn read(
        &mut self,
        place: usize,
        lot: &mut Lot,
        notices: &mut Notices,
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
        let waits = waits || self.tails[place].blocked;
        let tail = &mut self.tails[place];
        if waits {
            tail.settled = false;
            return Ok(Outcome::Nothing);
        }
        let outcome = tail.read(&self.rule, lot, now, || notices.take())?;
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

    /// Lets go of the files that no later run could find again.
    pub fn part(&mut self) {
        let removed = self.tails.extract_if(.., |tail| tail.is_removed());
        self.forgotten.extend(removed.map(|tail| tail.key));
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
                let copied = tail.copied.then_some(tail.modified);
                self.done.push_back((tail.saved(&self.rule), copied));
            }
            !done
        });
        let surplus = self.done.len().saturating_sub(limit::FOLLOW_NAMES_MAX);
        self.done.drain(..surplus);
    }

    /// The marks that are to be handed on with what was read.
    pub fn marks(&mut self, marks: &mut Vec<Mark>) {
        marks.append(&mut self.missed);
        marks.extend(self.forgotten.drain(..).map(forgotten));
        for tail in &mut self.tails {
            if std::mem::take(&mut tail.moved) && !tail.twin {
                marks.push(tail.saved(&self.rule).mark());
            }
        }
        marks.extend(self.ledger.mark());
    }
}
