//! Whether the files of a stack have changed since it was last read.
//!
//! All that the stack names is looked at, also by one that was refused: it may be mended in any of its files. It must never
//! know what is in them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::stack::{Component, Stack};
use crate::{clock, limit};

/// What tells one version of a file from another, and who may write it: a stack may have been refused for that.
type Version = (u64, u64, i64, i64, u64, u32, u32);

/// The files of the stack that was read last, and how they were before.
pub(super) struct Seen {
    stack: Option<PathBuf>,
    drop_in: Option<PathBuf>,
    /// Those that it names.
    named: Vec<PathBuf>,
    versions: BTreeMap<PathBuf, Version>,
}

impl Seen {
    /// Those of the stack that an engine began with: its file, what it was read from besides, and its components.
    pub(super) fn new(file: Option<&Path>, stack: &Stack, own: &[PathBuf]) -> Self {
        let modules = stack.modules.iter().map(|it| &it.component);
        let components = modules.chain(stack.listeners.iter().map(|it| &it.component));
        let components = components.filter_map(|component| match component {
            Component::File(path) => Some(path.clone()),
            Component::Bundled(_) => None,
        });
        let named = components.chain(own.iter().cloned()).collect();
        let (stack, drop_in) = (file.map(Path::to_owned), stack.control.drop_in.clone());
        let mut seen = Self { stack, drop_in, named, versions: BTreeMap::new() };
        seen.look();
        seen
    }

    /// Takes the files as they are now.
    pub(super) fn look(&mut self) {
        self.versions = self.now();
    }

    /// The stack names these now. What it named before is as it was when it was looked at.
    pub(super) fn go_on(&mut self, named: Vec<PathBuf>) {
        let known = std::mem::replace(&mut self.named, named);
        let mut before = std::mem::take(&mut self.versions);
        let mut versions = self.now();
        let in_drop_in = |path: &Path| path.parent() == self.drop_in.as_deref();
        let was_looked_at = |path: &Path| {
            known.iter().any(|it| it == path)
                || self.stack.as_deref() == Some(path)
                || in_drop_in(path)
        };
        versions.retain(|path, _| !was_looked_at(path));
        before.retain(|path, _| {
            self.named.contains(path) || self.stack.as_ref() == Some(path) || in_drop_in(path)
        });
        versions.append(&mut before);
        self.versions = versions;
    }

    fn now(&self) -> BTreeMap<PathBuf, Version> {
        let mut there = BTreeMap::new();
        let mut note = |path: &Path| {
            if let Ok(facts) = fs::metadata(path) {
                let (device, number) = (facts.dev(), facts.ino());
                let (seconds, nanoseconds) = (facts.mtime(), facts.mtime_nsec());
                let (user, mode) = (facts.uid(), facts.mode());
                let version = (device, number, seconds, nanoseconds, facts.len(), user, mode);
                there.insert(path.to_owned(), version);
            }
        };
        self.stack.iter().chain(&self.drop_in).chain(&self.named).for_each(|path| note(path));
        let entries = self.drop_in.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        for entry in entries.into_iter().flatten().flatten() {
            note(&entry.path());
        }
        there
    }
}

/// Tells when a change has stayed for a while: files are written piece by piece.
pub(super) struct Watch {
    changed: Option<BTreeMap<PathBuf, Version>>,
    looked: Instant,
}

impl Watch {
    /// None if nobody wants that, or if there is no file to look at.
    pub(super) fn new(stack: &Stack, has_file: bool) -> Option<Self> {
        let wanted = has_file && stack.control.watch && stack.is_live();
        wanted.then(|| Self { changed: None, looked: clock::instant() })
    }

    /// Whether a file has changed and stayed so. It says so once.
    pub(super) fn has_changed(&mut self, seen: &Seen) -> bool {
        let now = clock::instant();
        if now.duration_since(self.looked) < limit::WATCH_STEP {
            return false;
        }
        self.looked = now;
        self.has_stayed(seen)
    }

    fn has_stayed(&mut self, seen: &Seen) -> bool {
        let there = seen.now();
        if there == seen.versions {
            self.changed = None;
            return false;
        }
        let before = self.changed.take();
        if before.as_ref() == Some(&there) {
            return true;
        }
        self.changed = Some(there);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::{Seen, Watch};
    use crate::clock;

    struct Place {
        folder: PathBuf,
        seen: Seen,
        watch: Watch,
    }

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("correlator-watch-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(folder.join("conf.d")).expect("a folder");
            fs::write(folder.join("stack.yaml"), "one").expect("a file");
            let (stack, drop_in) = (Some(folder.join("stack.yaml")), Some(folder.join("conf.d")));
            let mut seen = Seen { stack, drop_in, named: Vec::new(), versions: BTreeMap::new() };
            seen.look();
            let watch = Watch { changed: None, looked: clock::instant() };
            Self { folder, seen, watch }
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.folder.join(name), text).expect("a file");
        }

        /// The stack is read, and names these.
        fn reads(&mut self, names: &[&str]) {
            self.seen.look();
            self.seen.go_on(names.iter().map(|name| self.folder.join(name)).collect());
        }

        /// Looks twice: what has not stayed is no change yet.
        fn has_changed(&mut self) -> bool {
            let at_once = self.watch.has_stayed(&self.seen);
            assert!(!at_once, "it has to stay");
            self.watch.has_stayed(&self.seen)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn what_a_stack_names_is_watched_whether_it_was_taken_up_or_not() {
        let mut place = Place::new("named");
        assert!(!place.has_changed());
        place.write("stack.yaml", "names a component that is not there yet");
        assert!(place.has_changed());
        place.reads(&["new.wasm"]);
        assert!(!place.has_changed(), "it was read");
        place.write("new.wasm", "half");
        assert!(place.has_changed());
        place.reads(&["new.wasm"]);
        place.write("new.wasm", "the whole of it");
        assert!(place.has_changed());
        place.reads(&[]);
        place.write("new.wasm", "nobody names it any more");
        assert!(!place.has_changed());
        place.write("conf.d/more.yaml", "a fragment");
        assert!(place.has_changed());
        // What was refused for who may write it is mended by taking that away.
        for name in ["conf.d/more.yaml", "conf.d"] {
            place.reads(&[]);
            assert!(!place.has_changed(), "{name}");
            let mode = Permissions::from_mode(0o700);
            fs::set_permissions(place.folder.join(name), mode).expect("it is ours");
            assert!(place.has_changed(), "{name}");
        }
    }

    #[test]
    fn what_changes_while_a_stack_is_read_is_the_next_change() {
        for late in ["stack.yaml", "conf.d/old.yaml", "old.wasm"] {
            let mut place = Place::new("late");
            place.write("conf.d/old.yaml", "a fragment");
            place.write("old.wasm", "whole");
            place.reads(&["old.wasm"]);
            place.seen.look();
            place.write(late, "changed behind its back");
            place.write("new.wasm", "half");
            let named = ["old.wasm", "new.wasm"].map(|name| place.folder.join(name));
            place.seen.go_on(named.to_vec());
            assert!(place.has_changed(), "{late}");
        }
    }

    #[test]
    fn a_change_that_somebody_else_took_up_is_none() {
        let mut place = Place::new("commanded");
        place.write("stack.yaml", "two");
        assert!(!place.watch.has_stayed(&place.seen));
        place.reads(&[]);
        assert!(!place.watch.has_stayed(&place.seen));
        assert!(!place.has_changed());
    }
}
