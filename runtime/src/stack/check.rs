//! From what was typed and what the guests say to a stack that holds together, or to every problem at once.

mod listener;

use std::collections::HashSet;

use correlator_source::settings::{Door, Source, SourcePath};
use jiff::tz::TimeZone;

use super::problem::{Problem, Problems, Wrong};
use super::raw::{RawInstance, RawStack};
use super::source;
use super::{Component, Guests, ModuleInstance, Part, Stack, Typed, limits, settings, suggest};
use crate::declaration::{BoundSchema, Description, Role, Setting};
use crate::limit::{self, Limits};
use crate::text::clean;

impl Stack {
    /// Checks what was typed against what the guests say of themselves.
    ///
    /// # Errors
    /// All problems in the order of their places, warnings among them.
    pub fn check(raw: &RawStack, guests: &Guests) -> Result<Self, Vec<Problem>> {
        let mut problems = raw.problems.clone();
        let zone = raw.zone.as_ref().and_then(|node| {
            problems.take(&node.place, node.scalar("a time zone").and_then(source::zone))
        });
        let mut limits = Limits::default();
        let limits_set = limits::apply(&raw.limits, &mut limits, &mut problems);
        let mut checker = Checker {
            raw,
            guests,
            problems,
            zone_set: zone.is_some(),
            zone: zone.unwrap_or_else(TimeZone::system),
            limits,
            limits_set,
            modules_known: true,
        };
        let stack = checker.stack();
        if checker.problems.stop() {
            return Err(checker.problems.finish(&raw.text));
        }
        Ok(Self { warnings: checker.problems.finish(&raw.text), ..stack })
    }
}

struct Checker<'a> {
    raw: &'a RawStack,
    guests: &'a Guests,
    problems: Problems,
    zone: TimeZone,
    zone_set: bool,
    /// The limits of the whole stack, and which of them were typed.
    limits: Limits,
    limits_set: Vec<&'static str>,
    /// Whether the events of every module are known.
    modules_known: bool,
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
            let Common { component, settings, limits, typed, .. } = common;
            let name = raw.name.text.clone();
            modules.push(ModuleInstance {
                name,
                component,
                settings,
                limits,
                instances: 1,
                partition_by: None,
                enabled: true,
                typed,
            });
        }
        schemas.extend(self.guests.engine.iter().cloned());
        let listeners = self.raw.listeners.iter().filter_map(|raw| self.listener(raw, &schemas));
        let listeners = listeners.collect();
        self.missing();
        Stack {
            zone: self.zone.clone(),
            zone_set: self.zone_set,
            sources,
            keeping: None,
            control: super::Control::default(),
            capture: None,
            modules,
            listeners,
            schemas,
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
            let help = word("add one under `modules`, such as `sshd:`", "add `--module NAME`");
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
        let sources = raw.sources.iter().map(|(key, _)| ("source", key));
        let instances = raw.modules.iter().chain(&raw.listeners);
        let instances = instances.map(|raw| (raw.part.name(), &raw.name));
        let mut seen: HashSet<&str> =
            self.guests.engine.iter().map(|schema| schema.instance.as_str()).collect();
        for (part, key) in sources.chain(instances) {
            if let Err(wrong) = name(part, &key.text) {
                self.problems.error(&key.place, wrong);
            } else if part != "source" && !seen.insert(&key.text) {
                let wrong = Wrong::new(format!("the name `{}` is taken", key.text));
                let help = "modules and listeners need different names; rename this one and keep \
                            what it is with";
                let help = format!("{help} `{part}: {}`", key.text);
                self.problems.error(&key.place, wrong.help(help));
            }
        }
    }

    fn sources(&mut self) -> Vec<Source> {
        let raw = self.raw;
        let mut sources: Vec<Source> = Vec::new();
        let mut input = None;
        for (key, node) in &raw.sources {
            let source = source::read(key, node, &raw.folder, &self.zone, &mut self.problems);
            let Some(source) = source else { continue };
            let Door::Files { paths, .. } = &source.door else { continue };
            let inputs = paths.iter().filter(|path| **path == SourcePath::Input).count();
            if inputs > 1 || inputs > 0 && input.is_some() {
                let wrong = Wrong::new("standard input can be read only once");
                let help = "remove one of the `-`";
                self.problems.error(&key.place, wrong.help(help));
            } else if inputs > 0 {
                input = Some(key);
            }
            sources.push(source);
        }
        sources
    }

    /// Checks what modules and listeners have in common.
    fn common(&mut self, raw: &RawInstance) -> Option<Common<'a>> {
        let mut limits = self.limits.clone();
        let mut limits_set = limits::apply(&raw.limits, &mut limits, &mut self.problems);
        limits_set.extend(&self.limits_set);
        let component = self.raw.component(raw);
        let description = self.description(raw, &component)?;
        let what = format!("{} `{}`", raw.part, raw.name.text);
        let typed = settings::Typed {
            what: &what,
            place: &raw.name.place,
            entries: &raw.options,
            zone: &self.zone,
        };
        let (settings, options) = settings::check(&typed, &description.options, &mut self.problems);
        let typed = Typed { options, limits: limits_set, criteria: raw.criteria.is_some() };
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
