//! A stack made of flags: the same as a file's, without the file.

mod guests;
mod sources;
mod whole;

use std::path::{Path, PathBuf};

use super::Part;
use super::node::{Key, Node, Value};
use super::problem::{Place, Problems};
use super::raw::{RawInstance, RawStack};

/// The folder of table files where `--output` says nothing.
pub const OUTPUT_DEFAULT: &str = "csv";

/// The flags that make a stack.
///
/// An instance has the name of its component's file without the extension (`./sshd.wasm` is `sshd`); the second of that
/// name is `sshd-2`. Flags grant what they imply: every listener gets the grants that it wants, `log` as it is and
/// `table` for files below `--output`. Whoever wants to grant less writes a file. All of `--file` is one source, `file`;
/// each other door is one by its own name (`tcp`, `tcp-2`). Without any, records come from standard input. Relative paths
/// are relative to the working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--module`: names or paths.
    pub modules: Vec<String>,
    /// `--listener`: names or paths.
    pub listeners: Vec<String>,
    /// `--file`: paths, globs, or `-`.
    pub files: Vec<String>,
    /// `--follow`: paths and globs that are followed.
    pub follow: Vec<String>,
    /// `--tcp`: addresses.
    pub tcp: Vec<String>,
    /// `--udp`: addresses.
    pub udp: Vec<String>,
    /// `--tls`: addresses.
    pub tls: Vec<String>,
    /// `--certificate`: of every source by TLS.
    pub certificate: Option<PathBuf>,
    /// `--key`: the certificate's private key.
    pub key: Option<PathBuf>,
    /// `--client-authority`: who signs the certificates that clients must show.
    pub client_authority: Option<PathBuf>,
    /// `--client-name`: names of which a client's certificate must have one.
    pub client_names: Vec<String>,
    /// `--unix`: paths of stream sockets.
    pub unix: Vec<String>,
    /// `--unix-datagram`: paths of datagram sockets.
    pub unix_datagram: Vec<String>,
    /// `--option`: `INSTANCE.OPTION=VALUE`.
    pub options: Vec<String>,
    /// `--criteria`: `INSTANCE=EXPRESSION`, or `EXPRESSION` for every listener.
    pub criteria: Vec<String>,
    /// `--limit`: `INSTANCE.LIMIT=VALUE`, or `LIMIT=VALUE` for every guest.
    pub limits: Vec<String>,
    /// `--instances`: `MODULE=NUMBER`, or `NUMBER` for every module.
    pub instances: Vec<String>,
    /// `--partition-by`: `MODULE=FIELD`, or `FIELD` for every module.
    pub partition_by: Vec<String>,
    /// `--output`: the folder of table files.
    pub output: Option<PathBuf>,
    /// `--framing`: how records are told apart.
    pub framing: Option<String>,
    /// `--time-zone`: of records without one, and of daily timers.
    pub time_zone: Option<String>,
    /// `--year`: of dates without one.
    pub year: Option<String>,
    /// `--lateness`: how far behind the newest record another may be.
    pub lateness: Option<String>,
    /// `--state`: the folder of what is kept across restarts.
    pub state: Option<PathBuf>,
    /// `--durability`: how sure it is that what was taken survives.
    pub durability: Option<String>,
    /// `--sync-every`: how often a spool is written through.
    pub sync_every: Option<String>,
    /// `--spool-size`: how large a spool may become.
    pub spool_size: Option<String>,
    /// `--when-full`: what happens then.
    pub when_full: Option<String>,
    /// `--checkpoint-every`: how often state is saved with positions.
    pub checkpoint_every: Option<String>,
    /// `--capture`: where what arrives is written.
    pub capture: Option<PathBuf>,
    /// `--control`: the control socket, or `none`.
    pub control: Option<String>,
    /// `--metrics`: where metrics are served.
    pub metrics: Option<String>,
}

impl RawStack {
    /// Makes a stack of flags. What is wrong with them is told by [`super::Stack::check`].
    #[must_use]
    pub fn from_flags(flags: &Flags) -> Self {
        let place = Place::Flag { text: "command line".into(), count: u32::MAX };
        let raw = Self::empty(place, PathBuf::new(), Problems::default());
        let mut maker = Maker { raw, count: 0 };
        maker.raw.flags = true;
        maker.instances(flags);
        maker.sources(flags);
        maker.whole(flags);
        for flag in &flags.options {
            maker.option(flag);
        }
        for flag in &flags.criteria {
            maker.criteria(flag);
        }
        for flag in &flags.limits {
            maker.limit(flag);
        }
        for flag in &flags.instances {
            maker.share(flag, "instances");
        }
        for flag in &flags.partition_by {
            maker.share(flag, "partition-by");
        }
        maker.grants(flags.output.as_deref().unwrap_or(Path::new(OUTPUT_DEFAULT)));
        maker.raw
    }
}

struct Maker {
    raw: RawStack,
    count: u32,
}

impl Maker {
    fn place(&mut self, flag: &str, value: &str) -> Place {
        self.count += 1;
        Place::Flag { text: format!("--{flag} {value}").into(), count: self.count }
    }

    fn instances(&mut self, flags: &Flags) {
        for (part, components) in
            [(Part::Module, &flags.modules), (Part::Listener, &flags.listeners)]
        {
            for component in components {
                let place = self.place(part.name(), component);
                let name = self.free_name(&stem(component));
                let key = |text: String| Key { text, place: place.clone() };
                let (name, component) = (key(name), key(component.clone()));
                let instance = RawInstance::new(part, name, component, PathBuf::new());
                match part {
                    Part::Module => self.raw.modules.push(instance),
                    Part::Listener => self.raw.listeners.push(instance),
                }
            }
        }
    }

    fn free_name(&self, stem: &str) -> String {
        let names = self.names();
        let numbered = (2..).map(|number: usize| format!("{stem}-{number}"));
        let mut candidates = std::iter::once(stem.to_owned()).chain(numbered);
        candidates.find(|name| !names.contains(name)).unwrap_or_default()
    }

    fn names(&self) -> Vec<String> {
        let instances = self.raw.modules.iter().chain(&self.raw.listeners);
        instances.map(|instance| instance.name.text.clone()).collect()
    }
}

fn in_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '-'
}

/// The name that a component's instance gets: of its file, without what no name may have.
pub(super) fn stem(component: &str) -> String {
    let stem = Path::new(component).file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem.chars().map(|c| if in_name(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let short: String = name.chars().take(48).collect();
    if short.is_empty() { "guest".to_owned() } else { short }
}

fn key(text: &str, place: &Place) -> Key {
    Key { text: text.to_owned(), place: place.clone() }
}

fn scalar(text: &str, place: Place) -> Node {
    Node { place, value: Value::Scalar { text: text.to_owned(), verbatim: None } }
}
