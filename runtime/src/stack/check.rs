//! From what was typed and what the guests say to a stack that holds together, or to every problem at once.

pub(super) mod module;

mod agree;
mod folder;
mod listener;
mod sources;
mod tables;
mod whole;

use std::collections::HashMap;

use correlator_world::allow::Allow;
use jiff::tz::TimeZone;

use super::node::Key;
use super::problem::{Place, Problem, Problems, Wrong};
use super::raw::{RawInstance, RawStack};
use super::{Component, Guests, Part, Stack, Typed, grant, limits, settings, suggest, zone};
use crate::declaration::{BoundSchema, Description, Role, Setting};
use crate::limit::{self, Limits};
use crate::text::clean;

impl Stack {
    /// Checks what was typed against what the guests say of themselves.
    ///
    /// # Errors
    /// All problems in the order of their places, warnings among them.
    pub fn check(raw: &RawStack, guests: &Guests) -> Result<Self, Vec<Problem>> {
        let raw = &raw.settled(guests);
        let mut problems = raw.problems.clone();
        let zone = raw.zone.as_ref().and_then(|node| {
            problems.take(&node.place, node.scalar("a time zone").and_then(zone::read))
        });
        let mut limits = Limits::default();
        let limits_set = limits::apply(&raw.limits, &mut limits, &mut problems);
        let allow = raw.allow.as_ref().map(|node| grant::allow::read(node, &mut problems));
        let mut checker = Checker {
            raw,
            guests,
            problems,
            zone_set: zone.is_some(),
            zone: zone.unwrap_or_else(TimeZone::system),
            allow: allow.unwrap_or_default(),
            limits,
            limits_set,
            modules_known: true,
            typed: Vec::new(),
        };
        let stack = checker.stack();
        if checker.problems.stop() {
            return Err(checker.problems.finish(&raw.texts));
        }
        Ok(Self { warnings: checker.problems.finish(&raw.texts), ..stack })
    }
}

struct Checker<'a> {
    raw: &'a RawStack,
    guests: &'a Guests,
    problems: Problems,
    zone: TimeZone,
    zone_set: bool,
    /// Who is never acted against, whoever asks.
    allow: Allow,
    /// The limits of the whole stack, and which of them were typed.
    limits: Limits,
    limits_set: Vec<&'static str>,
    /// Whether the events of every module are known.
    modules_known: bool,
    /// What of the whole stack was typed.
    typed: Vec<String>,
}

/// What every instance has.
struct Common<'a> {
    component: Component,
    description: &'a Description,
    settings: Vec<(String, Setting)>,
    limits: Limits,
    typed: Typed,
}

impl<'a> Checker<'a> {
    fn stack(&mut self) -> Stack {
        self.names();
        let sources = self.sources();
        let mut schemas = Vec::new();
        let mut modules = Vec::new();
        for raw in &self.raw.modules {
            let Some(common) = self.common(raw) else {
                self.modules_known = false;
                continue;
            };
            if let Role::Module { events, .. } = &common.description.role {
                schemas.extend(events.iter().map(|event| BoundSchema {
                    instance: raw.name.text.clone(),
                    schema: event.clone(),
                }));
            }
            modules.push(self.module(raw, common));
        }
        self.count(&modules);
        schemas.extend(self.guests.engine.iter().cloned());
        let listeners = self.raw.listeners.iter().filter_map(|raw| self.listener(raw, &schemas));
        let mut listeners: Vec<_> = listeners.collect();
        self.apart(&mut listeners);
        self.missing();
        let keeping = self.keeping();
        let control = self.control(&sources);
        let capture = self.capture();
        let credentials = self.credentials();
        self.kept_for(&listeners, keeping.is_some());
        self.sets_agree();
        self.folders_agree(&listeners, schemas.len());
        self.typed.extend(self.zone_set.then(|| "time_zone".to_owned()));
        self.typed.extend(self.raw.allow.as_ref().map(|_| grant::allow::NAME.to_owned()));
        Stack {
            zone: self.zone.clone(),
            zone_set: self.zone_set,
            sources,
            keeping,
            control,
            capture,
            credentials,
            allow: self.allow.clone(),
            modules,
            listeners,
            schemas,
            typed: std::mem::take(&mut self.typed),
            warnings: Vec::new(),
        }
    }

    /// What no stack can do without.
    fn missing(&mut self) {
        let place = &self.raw.place;
        let flags = self.raw.flags;
        let word = |file: &str, flag: &str| if flags { flag.to_owned() } else { file.to_owned() };
        if self.raw.problems.stop() {
            // What is missing may well be among what could not be read.
            return;
        }
        if self.raw.modules.is_empty() {
            let help = word(
                "add one under `modules`, such as `sshd:`",
                "name a stack file, or add `--module NAME`",
            );
            self.problems.error(place, Wrong::new("there is no module").help(help));
        }
        if self.raw.sources.is_empty() {
            let help = "add one under `sources`, such as `auth: { file: /var/log/auth.log }`";
            self.problems.error(place, Wrong::new("there is no source").help(help));
        }
        if self.raw.listeners.is_empty() {
            let wrong = Wrong::new("there is no listener, so nothing is done with the events");
            let help = word(
                "add one under `listeners`, such as `log: { grants: { log: true } }`",
                "add `--listener log`",
            );
            self.problems.warning(place, wrong.help(help));
        }
    }

    /// Instances can be told apart by name, whatever they are, and their names can stand in file names.
    fn names(&mut self) {
        let raw = self.raw;
        let mut seen: HashMap<&str, &Place> = HashMap::new();
        for key in raw.sources.iter().map(|source| &source.name) {
            self.name("source", key, &mut seen);
        }
        let mut seen: HashMap<&str, &Place> = HashMap::new();
        for raw in raw.modules.iter().chain(&raw.listeners) {
            self.name(raw.part.name(), &raw.name, &mut seen);
        }
    }

    fn name(&mut self, part: &str, key: &'a Key, seen: &mut HashMap<&'a str, &'a Place>) {
        if let Err(wrong) = name(part, &key.text) {
            return self.problems.error(&key.place, wrong);
        }
        let text = key.text.as_str();
        let mut engine = self.guests.engine.iter();
        let engine = part != "source" && engine.any(|schema| schema.instance == text);
        let first = seen.get(text).copied();
        seen.entry(text).or_insert(&key.place);
        if first.is_none() && !engine {
            return;
        }
        let wrong = Wrong::new(format!("the name `{text}` is taken"));
        let elsewhere = match first {
            Some(first) => format!("it is first at {first}; "),
            None => String::new(),
        };
        let help = match (part, &key.place) {
            ("source", _) => "sources need different names; rename one of them".to_owned(),
            (_, Place::Whole { .. }) => {
                "rename the file, or name it in a fragment beside it".to_owned()
            }
            _ => format!(
                "modules and listeners need different names; rename this one and keep what it is \
                 with `{part}: {text}`"
            ),
        };
        self.problems.error(&key.place, wrong.help(format!("{elsewhere}{help}")));
    }

    /// Checks what modules and listeners have in common.
    fn common(&mut self, raw: &RawInstance) -> Option<Common<'a>> {
        let mut limits = self.limits.clone();
        let mut limits_set = limits::apply(&raw.limits, &mut limits, &mut self.problems);
        limits_set.extend(&self.limits_set);
        let component = raw.component();
        let description = self.description(raw, &component)?;
        let what = format!("{} `{}`", raw.part, raw.name.text);
        let typed = settings::Typed {
            what: &what,
            place: &raw.name.place,
            entries: &raw.options,
            zone: &self.zone,
        };
        let (settings, options) = settings::check(&typed, &description.options, &mut self.problems);
        let criteria = raw.criteria.is_some();
        let typed = Typed { settings: Vec::new(), options, limits: limits_set, criteria };
        Some(Common { component, description, settings, limits, typed })
    }

    /// What the guest says of itself, if it is one of the right part.
    fn description(&mut self, raw: &RawInstance, component: &Component) -> Option<&'a Description> {
        let guests = self.guests;
        let place = &raw.component.place;
        let description = match guests.loaded.get(component) {
            Some(Ok(description)) => description,
            Some(Err(reason)) => {
                let told = clean(&component.to_string(), limit::MESSAGE_BYTES_MAX);
                let wrong = Wrong::new(format!("{} `{told}` can't be loaded: {reason}", raw.part));
                self.problems.error(place, wrong.maybe(self.bundled_help(raw, component)));
                return None;
            }
            None => {
                let wrong = self.not_there(raw, component);
                self.problems.error(place, wrong);
                return None;
            }
        };
        let part = match description.role {
            Role::Module { .. } => Part::Module,
            Role::Listener { .. } => Part::Listener,
        };
        if part != raw.part {
            let told = clean(&component.to_string(), limit::MESSAGE_BYTES_MAX);
            let wrong = Wrong::new(format!("`{told}` is a {part}, not a {}", raw.part));
            let help = if self.raw.flags {
                format!("write `--{part} {told}`")
            } else {
                format!("move it to `{part}s`")
            };
            self.problems.error(place, wrong.help(help));
            return None;
        }
        Some(description)
    }

    const fn bundled(&self, part: Part) -> &'a Vec<String> {
        match part {
            Part::Module => &self.guests.modules,
            Part::Listener => &self.guests.listeners,
        }
    }

    fn not_there(&self, raw: &RawInstance, component: &Component) -> Wrong {
        let Component::Bundled(name) = component else {
            return Wrong::new(format!("{} `{component}` was not loaded", raw.part));
        };
        let told = clean(name, limit::NAME_BYTES_MAX);
        let wrong = Wrong::new(format!("there is no bundled {} `{told}`", raw.part));
        let known = suggest::known(name, self.bundled(raw.part)).unwrap_or_default();
        if known.starts_with("did") {
            return wrong.help(known);
        }
        let path = format!("write a path such as `./{told}.wasm` for a component of your own");
        let known = if known.is_empty() { path } else { format!("{known}; {path}") };
        wrong.help(known)
    }

    /// Someone who writes `sshd.wasm` may have meant the bundled `sshd`.
    fn bundled_help(&self, raw: &RawInstance, component: &Component) -> Option<String> {
        let Component::File(path) = component else { return None };
        let stem = path.file_stem()?.to_str()?;
        let bundled = self.bundled(raw.part).iter().any(|name| name == stem);
        bundled.then(|| format!("the bundled {} is called `{stem}`", raw.part))
    }
}

/// Whether a name can stand in file names, flags and criteria.
fn name(part: &str, name: &str) -> Result<(), Wrong> {
    let fits = name.len() <= limit::NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if fits {
        return Ok(());
    }
    let told = clean(name, limit::NAME_BYTES_MAX);
    Err(Wrong::new(format!("`{told}` is no name for a {part}")).help(format!(
        "a name has letters, digits, `_` and `-`, a letter first, {} at most",
        limit::NAME_BYTES_MAX
    )))
}
