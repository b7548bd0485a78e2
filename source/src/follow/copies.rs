//! Files that are copied and emptied: `copytruncate`, as logrotate has it.
//!
//! What was not read before a file was emptied stands in its copy, which is known by what it holds and by a name that
//! rotation gives. A copy that matches a followed pattern itself is not to be read a second time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::files::Files;
use super::find::{self, Found, Since, holds};
use super::folders::Folders;
use super::notices::Notices;
use super::tail::Tail;
use crate::identity::Identity;
use crate::limit;
use crate::path::escaped;

impl Files {
    /// A file was emptied: what was not read of it may stand in a copy, and what comes now is another file's.
    pub fn emptied(&mut self, place: usize, notices: &mut Notices, now: Instant) {
        let key = self.tails[place].key;
        self.let_go_of_overwritten(notices);
        let Some(place) = self.tails.iter().position(|tail| tail.key == key) else { return };
        let tail = &self.tails[place];
        let (path, name, sought) = (tail.path.clone(), tail.name.clone(), tail.sought());
        let shown = name.clone().unwrap_or_else(|| path.clone());
        let fresh = match tail.file.try_clone().and_then(|file| Ok((file.metadata()?, file))) {
            Ok((facts, file)) => Found { path: shown.clone(), file, facts },
            Err(error) => return self.told.problem(&shown, &error.to_string()),
        };
        let is_other = |tail: &Tail| {
            let unread = tail.name.as_deref().is_some_and(|name| find::is_rotated(&shown, name))
                && tail.position == 0;
            !tail.twin && !unread
        };
        let known = |identity: &Identity, modified| {
            let other = |tail: &Tail| tail.identity.is(identity) && is_other(tail);
            self.is_done(identity, modified) || self.tails.iter().any(other)
        };
        let since = tail.since_read();
        let copy = if sought.position > 0 {
            let named = self.tails.iter().filter_map(|tail| tail.name.clone());
            let facts = |name: PathBuf| Some((fs::metadata(&name).ok()?, name));
            let named =
                named.filter_map(facts).map(|(facts, name)| (name, facts)).collect::<Vec<_>>();
            find::copy(&mut Folders::default(), &shown, sought, &named, known)
        } else {
            find::between(&shown, since, &known).find(|copy| !copy.is_in(&fresh.file))
        };
        notices.forget(tail.watch);
        let since = if let Some(copy) = copy {
            let identity = copy.identity();
            self.told.news(&shown, &format!("was emptied; the rest is in {}", escaped(&copy.path)));
            self.tails[place].go_on_in(copy, now);
            let since = self.tails[place].since();
            let key = self.tails[place].key;
            for tail in self.tails.extract_if(.., |t| t.key != key && t.identity.is(&identity)) {
                notices.forget(tail.watch);
                self.forgotten.push(tail.key);
            }
            since
        } else {
            let unread = tail.unread();
            self.told.news(&shown, "was emptied and is read from its start");
            if unread > 0 {
                let loss = format!("{unread} bytes behind {} were not read", tail.position);
                self.told.lost(&shown, &loss);
            }
            self.forgotten.push(tail.key);
            self.tails.remove(place);
            since
        };
        let (began, full) = self.add_copies(&path, &shown, since, &fresh.file, now);
        self.add(&path, name, fresh, now);
        if let Some(tail) = self.tails.last_mut() {
            (tail.began, tail.blocked) = (began, full);
        }
        self.sort();
    }

    /// Lets go of copies in whose place others are made: what those hold is read where it was written, or found as
    /// copies anew. Says whether there were any.
    pub fn let_go_of_overwritten(&mut self, notices: &mut Notices) -> bool {
        let before = self.tails.len();
        for tail in self.tails.extract_if(.., |tail| tail.is_overwritten()) {
            notices.forget(tail.watch);
            self.forgotten.push(tail.key);
            let unread = tail.unread();
            if unread > 0 {
                let loss = format!(
                    "{unread} bytes behind {} were not read before their copy was written over",
                    tail.position
                );
                self.told.lost(&tail.path, &loss);
            }
            self.overwritten.insert(tail.path);
        }
        self.tails.len() < before
    }

    /// Takes up the copies that were made later; how old what comes then is at least, and whether there are too many.
    fn add_copies(
        &mut self,
        path: &Path,
        shown: &Path,
        since: Since,
        of: &File,
        now: Instant,
    ) -> (i64, bool) {
        let mut began = since.began();
        let taken = |identity: &Identity, modified| self.is_taken(identity, modified);
        // A copy that is being made of what is there now is not older.
        let copies = find::between(shown, since, &taken).filter(|copy| !copy.is_in(of));
        let room = limit::FOLLOW_FILES_MAX.saturating_sub(self.tails.len());
        let mut copies: Vec<Found> = copies.take(room + 1).collect();
        let full = copies.len() > room;
        copies.truncate(room);
        for copy in copies {
            began = copy.since().began();
            self.add(path, self.followed(&copy.path), copy, now);
            if let Some(tail) = self.tails.last_mut() {
                tail.copied = true;
            }
        }
        (began, full)
    }

    /// Finds files that were written to, copied and emptied again before anything of them was read: there is a copy of
    /// what they don't hold.
    pub fn find_missed(&mut self, notices: &mut Notices, now: Instant) {
        self.let_go_of_overwritten(notices);
        let unread = |tail: &&Tail| tail.position == 0 && !tail.twin && !tail.refused;
        let keys: Vec<u64> = self.tails.iter().filter(unread).map(|tail| tail.key).collect();
        for key in keys {
            let Some(place) = self.tails.iter().position(|tail| tail.key == key) else { continue };
            let tail = &mut self.tails[place];
            tail.puts_off += u32::from(std::mem::take(&mut tail.put_off));
            tail.blocked &= tail.name.is_some();
            let tail = &self.tails[place];
            let Some(name) = &tail.name else { continue };
            let since = tail.since_read();
            // No name comes or goes where a copy is written over another.
            if !self.overwritten.contains(name) && !find::has_changed(name, since) {
                continue;
            }
            let taken = |identity: &Identity, modified| self.is_taken(identity, modified);
            let mut copies = find::between(name, since, &taken);
            let (mut missed, mut making) = (false, None);
            for found in &mut copies {
                if !found.is_in(&tail.file) {
                    missed = true;
                    break;
                }
                making = Some(found.file);
            }
            // If it has lost its name by now, these may be files that had the name after it.
            let named =
                fs::metadata(name).is_ok_and(|facts| Identity::of(&facts).is(&tail.identity));
            let tail = &mut self.tails[place];
            (tail.blocked, tail.copy) = (tail.blocked && missed, making);
            if missed && named && self.tails.len() < limit::FOLLOW_FILES_MAX {
                self.emptied(place, notices, now);
            }
        }
        let unread = |name: &PathBuf| {
            let of = |tail: &Tail| tail.position == 0 && tail.name.as_ref() == Some(name);
            self.tails.iter().any(of)
        };
        self.overwritten.retain(unread);
    }

    /// Passes over what stands in another file too, of which this one is being made a copy.
    pub fn pass_over_copy(&mut self, place: usize) -> io::Result<bool> {
        let tail = &self.tails[place];
        if tail.position > 0 && !tail.twin {
            return Ok(false);
        }
        let Some(name) = tail.name.as_deref() else { return Ok(false) };
        match self.copied_from(tail, name)? {
            Origin::Other(of) if !tail.twin => {
                self.told.news(name, &format!("is a copy of {} and not read", escaped(&of)));
            }
            Origin::Other(_) => {}
            Origin::Unknown => return Ok(true),
            Origin::Own => {
                let tail = &mut self.tails[place];
                tail.moved |= std::mem::take(&mut tail.twin);
                return Ok(false);
            }
        }
        let tail = &mut self.tails[place];
        if tail.position != tail.size {
            tail.pass_over()?;
        }
        Ok(true)
    }

    /// Whether all that stands in a file stands in another too, of whose name rotation may have made this one's.
    fn copied_from(&self, tail: &Tail, name: &Path) -> io::Result<Origin> {
        for other in &self.tails {
            let Some(of) = other.name.as_deref().filter(|of| find::is_rotated(of, name)) else {
                continue;
            };
            if tail.size == 0 {
                continue;
            }
            if holds(&other.file, &tail.file, tail.size)? {
                return Ok(Origin::Other(of.to_owned()));
            }
            if !other.is_intact()? {
                return Ok(Origin::Unknown);
            }
        }
        Ok(Origin::Own)
    }
}

/// Where what stands in a file comes from.
enum Origin {
    /// It was written to it.
    Own,
    /// It was copied from this one, so far.
    Other(PathBuf),
    /// It may be the copy of what another one has lost: that is looked at first.
    Unknown,
}
