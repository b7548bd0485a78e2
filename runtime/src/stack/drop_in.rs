//! What lies in a stack's drop-in folder: fragments that are merged into it, and components that nobody names.
//!
//! The folder is looked into whenever the stack is read, so that a reload takes up what came and lets go what went. What
//! is wrong with a file there is told with that file's name, beside everything else that is wrong.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::node::{Key, get};
use super::problem::{Place, Wrong};
use super::raw::{self, RawInstance, RawStack, StackError};
use super::writers::Writers;
use super::{Component, Part, control, flags};
use crate::limit;
use crate::text::clean;

/// How the names of fragments end.
const FRAGMENT: &str = "yaml";
/// How people write it, too.
const FRAGMENT_MISTAKEN: &str = "yml";
/// How the names of components end.
const COMPONENT: &str = "wasm";

/// The files of a drop-in folder, sorted by their names.
#[derive(Default)]
struct Found {
    fragments: Vec<PathBuf>,
    components: Vec<PathBuf>,
    mistaken: Vec<PathBuf>,
}

impl RawStack {
    /// Adds what lies in the drop-in folder, if the stack names one. Its files, added or not, were judged.
    pub(super) fn drop_in(&mut self, writers: &Writers) -> Vec<PathBuf> {
        let Some((folder, mut found)) = self.found(writers) else { return Vec::new() };
        let all: Vec<PathBuf> = found.fragments.iter().chain(&found.components).cloned().collect();
        for paths in [&mut found.fragments, &mut found.components] {
            paths.retain(|path| {
                let judged = writers.file(path);
                self.problems.take(&Place::whole(path), judged).is_some()
            });
        }
        self.take(found, &folder);
        all
    }

    /// The drop-in folder and what is in it.
    fn found(&mut self, writers: &Writers) -> Option<(PathBuf, Found)> {
        // What is wrong with these is told by the check.
        let entries = self.control.as_ref()?.map("").ok()?;
        let node = get(entries, control::DROP_IN).cloned()?;
        let folder = control::drop_in(&node, &self.folder).ok()?;
        let found = look(&folder).map_err(|error| {
            let told = clean(&folder.display().to_string(), limit::MESSAGE_BYTES_MAX);
            let wrong = Wrong::new(format!("the folder {told} can't be read: {error}"));
            wrong.help("create it, or remove `drop_in`")
        });
        let found = self.problems.take(&node.place, found)?;
        self.problems.take(&node.place, writers.folder(&folder))?;
        let count = found.fragments.len() + found.components.len();
        if count > limit::DROP_INS_MAX {
            let most = limit::DROP_INS_MAX;
            let wrong = format!("a drop-in folder has at most {most} files, this has {count}");
            self.problems.error(&node.place, Wrong::new(wrong));
            return None;
        }
        Some((folder, found))
    }

    fn take(&mut self, found: Found, folder: &Path) {
        for path in found.mistaken {
            let wrong = Wrong::new(format!("the names of fragments end in `.{FRAGMENT}`"));
            let wrong = wrong.help("rename it; until then nobody reads it");
            self.problems.warning(&Place::whole(&path), wrong);
        }
        for path in found.fragments {
            self.take_fragment(path, folder);
        }
        let instances = self.modules.iter().chain(&self.listeners);
        let named: HashSet<PathBuf> = instances
            .filter_map(|instance| match instance.component() {
                Component::File(path) => Some(real(path)),
                Component::Bundled(_) => None,
            })
            .collect();
        for path in found.components {
            if !named.contains(&real(path.clone())) {
                self.take_component(&path, folder);
            }
        }
    }

    fn take_fragment(&mut self, path: PathBuf, folder: &Path) {
        let name = path.display().to_string();
        let taken = raw::text(&path).and_then(|text| self.fragment(text, &name, folder));
        match taken {
            Ok(()) => {}
            Err(StackError::Syntax(problem)) => self.problems.push(*problem),
            Err(StackError::Read { error, .. }) => {
                let wrong = Wrong::new(format!("this fragment can't be read: {error}"));
                self.problems.error(&Place::whole(&path), wrong);
            }
        }
        self.files.push(path);
    }

    /// A component that no instance names is an instance of its own, with all its defaults and without any grant.
    fn take_component(&mut self, path: &Path, folder: &Path) {
        let place = Place::whole(path);
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else {
            let wrong = Wrong::new("the name of this component is not UTF-8");
            return self.problems.error(&place, wrong.help("rename it"));
        };
        let name = Key { text: flags::stem(file), place: place.clone() };
        let component = Key { text: file.to_owned(), place };
        self.bare.push(RawInstance::new(Part::Module, name, component, folder.to_owned()));
    }
}

/// What is in a folder. What hides, as editors' own files do, is left alone.
fn look(folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        match path.extension().and_then(|ending| ending.to_str()) {
            _ if hidden => {}
            Some(FRAGMENT) => found.fragments.push(path),
            Some(COMPONENT) => found.components.push(path),
            Some(FRAGMENT_MISTAKEN) => found.mistaken.push(path),
            _ => {}
        }
    }
    for paths in [&mut found.fragments, &mut found.components, &mut found.mistaken] {
        paths.sort();
    }
    Ok(found)
}

/// The path of the file itself, so that two paths to it are seen to be one.
fn real(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).unwrap_or(path)
}
