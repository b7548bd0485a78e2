//! The sources that flags make: one for all of `--file`, one for each of the others.

use std::path::Path;
use std::sync::Arc;

use super::{Flags, Maker, key, scalar};
use crate::stack::node::{Key, Node, Value};
use crate::stack::problem::{Place, Wrong};
use crate::stack::raw::RawSource;
use crate::stack::source::key as name;

/// A source in the making.
struct Made {
    /// Its kind, and the beginning of its name.
    door: &'static str,
    stem: &'static str,
    place: Place,
    entries: Vec<(Key, Arc<Node>)>,
}

impl Maker {
    pub(super) fn sources(&mut self, flags: &Flags) {
        let mut made = self.doors(flags);
        self.secured(flags, &mut made);
        for (name, value) in [
            (name::FRAMING, &flags.framing),
            (name::YEAR, &flags.year),
            (name::LATENESS, &flags.lateness),
        ] {
            let Some(value) = value else { continue };
            let place = self.place(name, value);
            // Each datagram is a record, unless a stack file says otherwise of its source.
            let datagrams = [name::UDP, name::UNIX_DATAGRAM];
            let fits = |made: &&mut Made| name != name::FRAMING || !datagrams.contains(&made.door);
            let mut fits: Vec<_> = made.iter_mut().filter(fits).collect();
            if fits.is_empty() {
                let wrong = "a datagram is a record, there is nothing to tell apart";
                self.raw.problems.error(&place, Wrong::new(wrong).help("remove `--framing`"));
            }
            let node = Arc::new(scalar(value, place.clone()));
            for made in &mut fits {
                made.entries.push((key(name, &place), node.clone()));
            }
        }
        if let Some(zone) = &flags.time_zone {
            let place = self.place("time-zone", zone);
            self.raw.zone = Some(Arc::new(scalar(zone, place)));
        }
        for made in made {
            self.add(made);
        }
    }

    /// A source for each door; standard input if there is none.
    fn doors(&mut self, flags: &Flags) -> Vec<Made> {
        let mut made = Vec::new();
        let others = [
            (name::TCP, "tcp", &flags.tcp),
            (name::TLS, "tls", &flags.tls),
            (name::UDP, "udp", &flags.udp),
            (name::UNIX, "unix", &flags.unix),
            (name::UNIX_DATAGRAM, "unix-datagram", &flags.unix_datagram),
        ];
        let listening: usize = others.iter().map(|(_, _, values)| values.len()).sum();
        let given = flags.files.len() + flags.follow.len() + listening;
        let input = ["-".to_owned()];
        let files = if given == 0 { &input[..] } else { &flags.files };
        let nodes = files.iter().map(|file| Arc::new(scalar(file, self.place("file", file))));
        let nodes: Vec<_> = nodes.collect();
        if let Some(first) = nodes.first() {
            let place = first.place.clone();
            let node = Arc::new(Node { place: place.clone(), value: Value::List(nodes) });
            made.push(Made::new(name::FILE, "file", place, node));
        }
        for file in &flags.follow {
            let place = self.place("follow", file);
            let node = Arc::new(scalar(file, place.clone()));
            let mut one = Made::new(name::FILE, "follow", place.clone(), node);
            one.entries.push((key(name::FOLLOW, &place), Arc::new(scalar("true", place))));
            made.push(one);
        }
        for (door, flag, addresses) in others {
            for address in addresses {
                let place = self.place(flag, address);
                let node = Arc::new(scalar(address, place.clone()));
                made.push(Made::new(door, flag, place, node));
            }
        }
        made
    }

    /// What every source by TLS has of the flags for it.
    fn secured(&mut self, flags: &Flags, made: &mut [Made]) {
        let path = |path: &Option<std::path::PathBuf>| {
            path.as_deref().map(|path: &Path| path.display().to_string())
        };
        let files = [
            (name::CERTIFICATE, "certificate", path(&flags.certificate)),
            (name::KEY, "key", path(&flags.key)),
            (name::CLIENT_AUTHORITY, "client-authority", path(&flags.client_authority)),
        ];
        for (name, flag, value) in files {
            let Some(value) = value else { continue };
            let place = self.place(flag, &value);
            self.secure(made, name, &Arc::new(scalar(&value, place)));
        }
        let nodes = flags.client_names.iter();
        let nodes = nodes.map(|name| Arc::new(scalar(name, self.place("client-name", name))));
        let nodes: Vec<_> = nodes.collect();
        if let Some(first) = nodes.first() {
            let place = first.place.clone();
            let names = Node { place, value: Value::List(nodes) };
            self.secure(made, name::CLIENT_NAMES, &Arc::new(names));
        }
    }

    fn secure(&mut self, made: &mut [Made], name: &'static str, node: &Arc<Node>) {
        let mut any = false;
        for made in made.iter_mut().filter(|made| made.door == name::TLS) {
            made.entries.push((key(name, &node.place), node.clone()));
            any = true;
        }
        if !any {
            let wrong = Wrong::new("there is no source that this could be for");
            self.raw.problems.error(&node.place, wrong.help("add `--tls ADDRESS`"));
        }
    }

    fn add(&mut self, made: Made) {
        let free = |name: &String| !self.raw.sources.iter().any(|source| source.name.text == *name);
        let numbered = (2..).map(|number: usize| format!("{}-{number}", made.stem));
        let mut names = std::iter::once(made.stem.to_owned()).chain(numbered);
        let name = names.find(free).unwrap_or_default();
        let node = Arc::new(Node { place: made.place.clone(), value: Value::Map(made.entries) });
        self.raw.sources.push(RawSource {
            name: key(&name, &made.place),
            node,
            folder: self.raw.folder.clone(),
        });
    }
}

impl Made {
    fn new(door: &'static str, stem: &'static str, place: Place, node: Arc<Node>) -> Self {
        let entries = vec![(key(door, &place), node)];
        Self { door, stem, place, entries }
    }
}
