//! A stack made of flags: the same as a file's, without the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Part;
use super::node::{Key, Node, Value};
use super::problem::{Place, Problems, Wrong};
use super::raw::{RawInstance, RawStack};
use super::suggest;
use crate::text::clean;

/// The folder of table files where `--output` says nothing.
pub const OUTPUT_DEFAULT: &str = "csv";

/// The flags that make a stack.
///
/// An instance has the name of its component's file without the extension (`./sshd.wasm` is `sshd`); the second of that
/// name is `sshd-2`. Flags grant what they imply: every listener gets the grants that it wants, `log` as it is and
/// `table` for files below `--output`. Whoever wants to grant less writes a file. Without `--file`, records come from
/// standard input. Relative paths are relative to the working directory.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--module`: names or paths.
    pub modules: Vec<String>,
    /// `--listener`: names or paths.
    pub listeners: Vec<String>,
    /// `--file`: paths, globs, or `-`.
    pub files: Vec<String>,
    /// `--option`: `INSTANCE.OPTION=VALUE`.
    pub options: Vec<String>,
    /// `--criteria`: `INSTANCE=EXPRESSION`, or `EXPRESSION` for every listener.
    pub criteria: Vec<String>,
    /// `--limit`: `INSTANCE.LIMIT=VALUE`, or `LIMIT=VALUE` for every guest.
    pub limits: Vec<String>,
    /// `--output`: the folder of table files.
    pub output: Option<PathBuf>,
    /// `--framing`: how records are told apart.
    pub framing: Option<String>,
    /// `--time-zone`: of records without one, and of daily timers.
    pub time_zone: Option<String>,
    /// `--year`: of dates without one.
    pub year: Option<String>,
}

impl RawStack {
    /// Makes a stack of flags. What is wrong with them is told by [`super::Stack::check`].
    #[must_use]
    pub fn from_flags(flags: &Flags) -> Self {
        let place = Place::Flag { text: "command line".into(), count: u32::MAX };
        let raw = Self::empty(String::new(), place, PathBuf::new(), Problems::default());
        let mut maker = Maker { raw, count: 0 };
        maker.raw.flags = true;
        maker.instances(flags);
        maker.sources(flags);
        for flag in &flags.options {
            maker.option(flag);
        }
        for flag in &flags.criteria {
            maker.criteria(flag);
        }
        for flag in &flags.limits {
            maker.limit(flag);
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
                let instance = RawInstance {
                    name: Key { text: name, place: place.clone() },
                    part,
                    component: Key { text: component.clone(), place },
                    criteria: None,
                    options: Vec::new(),
                    grants: Vec::new(),
                    limits: Vec::new(),
                };
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

    fn sources(&mut self, flags: &Flags) {
        let mut entries = Vec::new();
        let files = if flags.files.is_empty() { &["-".to_owned()][..] } else { &flags.files };
        let nodes = files.iter().map(|file| Arc::new(scalar(file, self.place("file", file))));
        let nodes: Vec<_> = nodes.collect();
        let place = nodes[0].place.clone();
        let files = Arc::new(Node { place: place.clone(), value: Value::List(nodes) });
        entries.push((key("file", &place), files));
        let named = [("framing", "framing", &flags.framing), ("year", "year", &flags.year)];
        for (name, flag, value) in named {
            if let Some(value) = value {
                let place = self.place(flag, value);
                entries.push((key(name, &place), Arc::new(scalar(value, place))));
            }
        }
        if let Some(zone) = &flags.time_zone {
            let place = self.place("time-zone", zone);
            self.raw.zone = Some(Arc::new(scalar(zone, place)));
        }
        let source = Arc::new(Node { place: place.clone(), value: Value::Map(entries) });
        self.raw.sources.push((key("file", &place), source));
    }

    fn option(&mut self, flag: &str) {
        let place = self.place("option", flag);
        let split = flag.split_once('=').and_then(|(path, value)| {
            path.split_once('.').map(|(instance, option)| (instance, option, value))
        });
        let Some((instance, option, value)) = split else {
            let wrong = Wrong::new("expected `INSTANCE.OPTION=VALUE`");
            let first = self.names().into_iter().next().unwrap_or_else(|| "sshd".to_owned());
            let help = format!("such as `{first}.option=5`");
            return self.raw.problems.error(&place, wrong.help(help));
        };
        if let Some(instance) = self.instance(instance, &place) {
            let entry = (key(option, &place), Arc::new(scalar(value, place.clone())));
            if instance.options.iter().any(|(key, _)| key.text == option) {
                let wrong = Wrong::new(format!("the option `{option}` was given twice"));
                return self.raw.problems.error(&place, wrong.help("keep one of them"));
            }
            instance.options.push(entry);
        }
    }

    fn criteria(&mut self, flag: &str) {
        let place = self.place("criteria", flag);
        // An instance's name stands before the first `=`, which is not the first of `==`, `<=` or `!=`.
        let named = flag.split_once('=').filter(|(name, rest)| {
            let name = name.trim();
            !rest.starts_with('=') && !name.is_empty() && name.chars().all(in_name)
        });
        if let Some((name, expression)) = named {
            let node = Arc::new(scalar(expression.trim(), place.clone()));
            if let Some(instance) = self.instance(name.trim(), &place) {
                instance.criteria = Some(node);
            }
        } else {
            let node = Arc::new(scalar(flag.trim(), place));
            for listener in &mut self.raw.listeners {
                listener.criteria = Some(node.clone());
            }
        }
    }

    fn limit(&mut self, flag: &str) {
        let place = self.place("limit", flag);
        let Some((path, value)) = flag.split_once('=') else {
            let wrong = Wrong::new("expected `LIMIT=VALUE` or `INSTANCE.LIMIT=VALUE`");
            return self.raw.problems.error(&place, wrong);
        };
        let node = Arc::new(scalar(value, place.clone()));
        if let Some((instance, limit)) = path.split_once('.') {
            if let Some(instance) = self.instance(instance, &place) {
                instance.limits.push((key(limit, &place), node));
            }
        } else {
            self.raw.limits.push((key(path, &place), node));
        }
    }

    fn instance(&mut self, name: &str, place: &Place) -> Option<&mut RawInstance> {
        let names = self.names();
        if !names.iter().any(|known| known == name) {
            let wrong =
                Wrong::new(format!("no module or listener is called `{}`", clean(name, 64)));
            self.raw.problems.error(place, wrong.maybe(suggest::known(name, &names)));
            return None;
        }
        let mut instances = self.raw.modules.iter_mut().chain(&mut self.raw.listeners);
        instances.find(|instance| instance.name.text == name)
    }

    /// Offers every grant that flags imply; the check keeps those that a listener wants.
    fn grants(&mut self, output: &Path) {
        let text = output.display().to_string();
        let place = self.place("output", &text);
        let directory = Arc::new(scalar(&text, place.clone()));
        let table = Value::Map(vec![(key("directory", &place), directory)]);
        let table = Arc::new(Node { place: place.clone(), value: table });
        let log = Arc::new(scalar("true", place.clone()));
        for listener in &mut self.raw.listeners {
            listener.grants =
                vec![(key("log", &place), log.clone()), (key("table", &place), table.clone())];
        }
    }
}

fn in_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '-'
}

/// The name that a component's instance gets: of its file, without what no name may have.
fn stem(component: &str) -> String {
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
