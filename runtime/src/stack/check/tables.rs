//! Whose a folder of table files is: one component's. Another one there could put aside the first one's rows, write
//! others below its header, or hold its files as long as it likes.

use super::Checker;
use super::folder::{Folder, Lies};
use crate::stack::ListenerInstance;
use crate::stack::grant::Grant;
use crate::stack::grant::table::{DIRECTORY, NAME, TableGrant};
use crate::stack::node::get;
use crate::stack::problem::{Place, Wrong};

/// What the names of table files have in them, also when these were put aside, and no other name that tables make.
const ENDINGS: [&str; 2] = [".csv", ".jsonl"];

/// A listener with a folder for tables.
struct Tables<'a> {
    listener: &'a ListenerInstance,
    grant: &'a TableGrant,
    folder: Folder,
}

/// What is wrong between two of them.
enum Clash {
    /// They are different components in one folder.
    Folder,
    /// One's folder lies where the other may have a file.
    Within,
    /// They are one component in one folder, and may get the same events.
    Files,
}

impl Checker<'_> {
    /// Flags name one folder for all: the first listener has it, each other one has its own in it.
    pub(super) fn apart(&self, listeners: &mut [ListenerInstance]) {
        let tables = listeners.iter_mut().filter_map(|listener| {
            let table = listener.grants.iter_mut().find_map(|grant| match grant {
                Grant::Table(table) => Some(table),
                _ => None,
            });
            Some((&listener.name, table?))
        });
        for (name, table) in tables.skip(1).filter(|_| self.raw.flags) {
            table.directory.push(name);
        }
    }

    pub(super) fn folders_agree(&mut self, listeners: &[ListenerInstance], schemas: usize) {
        let tables: Vec<_> = listeners.iter().filter_map(Tables::of).collect();
        for (place, second) in tables.iter().enumerate() {
            let mut before = tables[..place].iter();
            let clash = before.find_map(|first| Some((first, first.clash(second, schemas)?)));
            if let Some((first, clash)) = clash {
                self.clash(first, second, &clash);
            }
        }
    }

    fn clash(&mut self, first: &Tables<'_>, second: &Tables<'_>, clash: &Clash) {
        let (one, other) = (&first.listener.name, &second.listener.name);
        let folder = second.grant.directory.display();
        let (there, here) = (self.directory(first.listener), self.directory(second.listener));
        let (wrong, help) = match clash {
            Clash::Folder => (
                format!(
                    "listener `{other}` has the same folder for tables as listener `{one}`, `{folder}`"
                ),
                format!(
                    "it has that folder at {there}; give each a folder of its own, since different components can spoil \
                     each other's files"
                ),
            ),
            Clash::Within => (
                format!(
                    "the folders for tables of the listeners `{one}` and `{other}` lie in each other where one may have a file"
                ),
                format!(
                    "the first one is at {there}; give each a folder of its own, without `.csv` or `.jsonl` in its name"
                ),
            ),
            Clash::Files => (
                format!(
                    "listener `{other}` writes to the same files in `{folder}` as listener `{one}`"
                ),
                format!(
                    "it has that folder at {there}; give each a folder of its own, or criteria that no event of one has in \
                     common with the other"
                ),
            ),
        };
        let wrong = Wrong::new(wrong).help(help);
        // What an option says of the files' names is the guest's own business.
        let is_other = first.listener.settings != second.listener.settings;
        if matches!(clash, Clash::Files) && is_other {
            self.problems.warning(&here, wrong);
        } else {
            self.problems.error(&here, wrong);
        }
    }

    /// Where a listener's folder was typed.
    fn directory(&self, listener: &ListenerInstance) -> Place {
        let mut all = self.raw.listeners.iter().chain(&self.raw.bare);
        let Some(raw) = all.find(|raw| raw.name.text == listener.name) else {
            return self.raw.place.clone();
        };
        let typed = get(&raw.grants, NAME).filter(|_| !self.raw.flags);
        let typed = typed.and_then(|grant| get(grant.map("").ok()?, DIRECTORY));
        typed.map_or(&raw.name.place, |node| &node.place).clone()
    }
}

impl<'a> Tables<'a> {
    fn of(listener: &'a ListenerInstance) -> Option<Self> {
        let grant = listener.grants.iter().find_map(|grant| match grant {
            Grant::Table(grant) => Some(grant),
            _ => None,
        })?;
        Some(Self { listener, grant, folder: Folder::of(&grant.directory) })
    }

    fn clash(&self, other: &Self, schemas: usize) -> Option<Clash> {
        let is_file = |name: &std::ffi::OsStr| {
            let name = name.as_encoded_bytes();
            ENDINGS.iter().any(|ending| memchr::memmem::find(name, ending.as_bytes()).is_some())
        };
        match (self.folder.lies_to(&other.folder), other.folder.lies_to(&self.folder)) {
            (Lies::Same, _) | (_, Lies::Same) => {}
            (Lies::Within(name), _) | (_, Lies::Within(name)) => {
                return is_file(name).then_some(Clash::Within);
            }
            (Lies::Apart, Lies::Apart) => return None,
        }
        let (one, other) = (self.listener, other.listener);
        if one.component != other.component {
            return Some(Clash::Folder);
        }
        let never = |schema| one.compiled.never_for(schema) || other.compiled.never_for(schema);
        (0..schemas).any(|schema| !never(schema)).then_some(Clash::Files)
    }
}
