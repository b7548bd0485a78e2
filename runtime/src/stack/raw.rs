//! A stack as it was typed: its parts with their places, read but not yet believed.
//!
//! The shape is looked at here; what only the guests can say is left for the check, which also tells the problems that
//! were found here, so that an operator sees all of them at once.

mod instance;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use correlator_wire::file;
use thiserror::Error;

pub(super) use self::instance::RawInstance;
use super::node::{Key, Node, Value, get, only};
use super::problem::{Place, Problem, Problems, Text, Wrong};
use super::writers::Writers;
use super::{Component, Guests, Part, limits, option_file, yaml};
use crate::declaration::Role;
use crate::limit::{self, Limits};

/// The names at the top of a stack.
const TOP: [&str; 10] = [
    "time_zone",
    "state",
    "control",
    "capture",
    "credentials",
    "allow",
    "sources",
    "modules",
    "listeners",
    "limits",
];
/// Those of them that a fragment may have.
const FRAGMENT: [&str; 3] = ["sources", "modules", "listeners"];

/// A stack as it was typed.
#[derive(Clone, Debug)]
pub struct RawStack {
    /// The files that it was read from, to point into.
    pub(super) texts: Vec<Text>,
    pub(super) files: Vec<PathBuf>,
    /// Where problems of the stack as a whole are told.
    pub(super) place: Place,
    /// What relative paths at the top are relative to.
    pub(super) folder: PathBuf,
    pub(super) zone: Option<Arc<Node>>,
    pub(super) state: Option<Arc<Node>>,
    pub(super) control: Option<Arc<Node>>,
    pub(super) capture: Option<Arc<Node>>,
    pub(super) credentials: Option<Arc<Node>>,
    pub(super) allow: Option<Arc<Node>>,
    pub(super) sources: Vec<RawSource>,
    pub(super) modules: Vec<RawInstance>,
    pub(super) listeners: Vec<RawInstance>,
    /// Components that nobody names, each an instance of what it says it is.
    pub(super) bare: Vec<RawInstance>,
    pub(super) limits: Vec<(Key, Arc<Node>)>,
    pub(super) problems: Problems,
    /// Whether it comes from flags, which grant what they imply.
    pub(super) flags: bool,
}

/// A source as it was typed.
#[derive(Clone, Debug)]
pub(super) struct RawSource {
    pub(super) name: Key,
    pub(super) node: Arc<Node>,
    /// What its relative paths are relative to.
    pub(super) folder: PathBuf,
}

/// A component that has to be loaded before the stack can be checked.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The instance that needs it.
    pub instance: String,
    /// The part that it is to play; whichever it says, if absent.
    pub part: Option<Part>,
    /// Where it comes from.
    pub component: Component,
    /// What bounds loading it.
    pub limits: Limits,
    /// Where it is named.
    pub place: Place,
}

/// Why there is no stack at all.
#[derive(Debug, Error)]
pub enum StackError {
    /// The file can't be read.
    #[error("{}: the stack can't be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is not one YAML document.
    #[error("{0}")]
    Syntax(Box<Problem>),
}

impl RawStack {
    /// Reads a stack file, and what lies in its drop-in folder.
    ///
    /// # Errors
    /// It can't be read, or is not one YAML document. What is wrong with a fragment is told by
    /// [`super::Stack::check`].
    pub fn read(path: &Path) -> Result<Self, StackError> {
        let text = text(path)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let mut raw = Self::parse_in(text, &path.display().to_string(), folder)?;
        raw.files.push(path.to_owned());
        let writers = Writers::of(path);
        let judged = raw.drop_in(&writers);
        raw.judge(&writers, &judged);
        Ok(raw)
    }

    /// Warns of files that others may write, apart from those that were judged.
    fn judge(&mut self, writers: &Writers, judged: &[PathBuf]) {
        for path in self.named().iter().filter(|path| !judged.contains(path)) {
            if let Err(wrong) = writers.file(path) {
                self.problems.warning(&Place::whole(path), wrong);
            }
        }
    }

    /// Reads a stack's text; `name` is what problems call it. Relative paths stay as they are, and no drop-in folder is
    /// looked into.
    ///
    /// # Errors
    /// It is not one YAML document.
    pub fn parse(text: &str, name: &str) -> Result<Self, StackError> {
        Self::parse_in(text.to_owned(), name, PathBuf::new())
    }

    fn parse_in(text: String, name: &str, folder: PathBuf) -> Result<Self, StackError> {
        let mut problems = Problems::default();
        let text = Text::new(text, name);
        let root = parsed(&text, &mut problems)?;
        let place = Place::File { file: text.name.clone(), line: 1, column: 1, width: 1 };
        let mut raw = Self::empty(place, folder, problems);
        raw.texts.push(text);
        raw.fill(&root);
        Ok(raw)
    }

    pub(super) fn empty(place: Place, folder: PathBuf, problems: Problems) -> Self {
        Self {
            texts: Vec::new(),
            files: Vec::new(),
            place,
            folder,
            zone: None,
            state: None,
            control: None,
            capture: None,
            credentials: None,
            allow: None,
            sources: Vec::new(),
            modules: Vec::new(),
            listeners: Vec::new(),
            bare: Vec::new(),
            limits: Vec::new(),
            problems,
            flags: false,
        }
    }

    fn fill(&mut self, root: &Node) {
        if matches!(root.value, Value::Null) {
            let wrong = Wrong::new("this stack is empty");
            let help = "a stack has `sources`, `modules` and `listeners`";
            self.problems.error(&root.place, wrong.help(help));
            return;
        }
        let entries = root.map("a mapping with `sources`, `modules` and `listeners`");
        let Some(entries) = self.problems.take(&root.place, entries) else { return };
        only(entries, "a stack", &TOP, &mut self.problems);
        let top = |name: &str| get(entries, name).cloned();
        (self.zone, self.state) = (top("time_zone"), top("state"));
        (self.control, self.capture) = (top("control"), top("capture"));
        (self.credentials, self.allow) = (top("credentials"), top("allow"));
        self.limits = part(entries, "limits", &mut self.problems);
        let folder = self.folder.clone();
        self.add(entries, &folder);
    }

    /// Adds a fragment's text.
    pub(super) fn fragment(
        &mut self,
        text: String,
        name: &str,
        folder: &Path,
    ) -> Result<(), StackError> {
        let text = Text::new(text, name);
        let root = parsed(&text, &mut self.problems);
        self.texts.push(text);
        let root = root?;
        let entries = root.map("a mapping with `sources`, `modules` or `listeners`");
        let Some(entries) = self.problems.take(&root.place, entries) else { return Ok(()) };
        for (key, _) in entries.iter().filter(|(key, _)| TOP.contains(&key.text.as_str())) {
            if !FRAGMENT.contains(&key.text.as_str()) {
                let wrong = Wrong::new(format!("a fragment has no `{}`", key.text));
                let help = format!("it is for the whole stack; move it to {}", self.place_name());
                self.problems.error(&key.place, wrong.help(help));
            }
        }
        only_known(entries, &mut self.problems);
        self.add(entries, folder);
        Ok(())
    }

    fn place_name(&self) -> String {
        self.texts.first().map(|text| text.name.to_string()).unwrap_or_default()
    }

    /// Adds sources, modules and listeners.
    fn add(&mut self, entries: &[(Key, Arc<Node>)], folder: &Path) {
        let problems = &mut self.problems;
        for (name, node) in part(entries, "sources", problems) {
            self.sources.push(RawSource { name, node, folder: folder.to_owned() });
        }
        let read = |part: Part, name, node: &Arc<Node>, problems: &mut Problems, files: &mut _| {
            let mut instance = instance::read(part, name, node, folder, problems);
            option_file::resolve(&mut instance.options, folder, files, problems);
            instance
        };
        for (name, node) in part(entries, "modules", problems) {
            self.modules.push(read(Part::Module, name, &node, problems, &mut self.files));
        }
        for (name, node) in part(entries, "listeners", problems) {
            self.listeners.push(read(Part::Listener, name, &node, problems, &mut self.files));
        }
        bounded(&mut self.sources, "sources", limit::SOURCES_MAX, problems, |raw| &raw.name);
        let most = limit::INSTANCES_MAX;
        bounded(&mut self.modules, "modules", most, problems, |raw| &raw.name);
        bounded(&mut self.listeners, "listeners", most, problems, |raw| &raw.name);
    }

    /// The stack file, and the fragments and files of options that it was read from; its components are in
    /// [`Self::components`].
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// All files that it is made of, those of its components among them, whether they can be read or not.
    #[must_use]
    pub fn named(&self) -> Vec<PathBuf> {
        let components =
            self.components().into_iter().filter_map(|wanted| match wanted.component {
                Component::File(path) => Some(path),
                Component::Bundled(_) => None,
            });
        self.files.iter().cloned().chain(components).collect()
    }

    /// The components that have to be loaded before [`super::Stack::check`], one for each instance.
    #[must_use]
    pub fn components(&self) -> Vec<Wanted> {
        // Limits that are wrong are told by the check; until then the defaults hold.
        let mut ignored = Problems::default();
        let mut wanted = |raw: &RawInstance, part: Option<Part>| {
            let mut limits = Limits::default();
            limits::apply(&self.limits, &mut limits, &mut ignored);
            limits::apply(&raw.limits, &mut limits, &mut ignored);
            Wanted {
                instance: raw.name.text.clone(),
                part,
                component: raw.component(),
                limits,
                place: raw.component.place.clone(),
            }
        };
        let named = self.modules.iter().chain(&self.listeners);
        let mut all: Vec<_> = named.map(|raw| wanted(raw, Some(raw.part))).collect();
        all.extend(self.bare.iter().map(|raw| wanted(raw, None)));
        all
    }

    /// The same with every component that nobody names in the part that it says it plays.
    pub(super) fn settled(&self, guests: &Guests) -> Self {
        let mut raw = self.clone();
        for instance in std::mem::take(&mut raw.bare) {
            let listens = match guests.loaded.get(&instance.component()) {
                Some(Ok(description)) => matches!(description.role, Role::Listener { .. }),
                _ => false,
            };
            if listens {
                raw.listeners.push(RawInstance { part: Part::Listener, ..instance });
            } else {
                raw.modules.push(instance);
            }
        }
        raw
    }
}

impl StackError {
    /// Several lines for a terminal, with the place pointed at.
    #[must_use]
    pub fn render(&self) -> String {
        match self {
            Self::Syntax(problem) => problem.render(),
            Self::Read { .. } => format!("error: {self}\n"),
        }
    }
}

/// A file's text, bounded before it is read.
pub(super) fn text(path: &Path) -> Result<String, StackError> {
    let failed = |error| StackError::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = file::open(path).map_err(failed)?;
    file.take(limit::STACK_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| not_utf8(&path.display().to_string(), &error))
}

/// The values that stand in a file.
fn parsed(text: &Text, problems: &mut Problems) -> Result<Node, StackError> {
    yaml::read(&text.text, &text.name, problems)
        .map_err(|problem| StackError::Syntax(Box::new(problem.within(std::slice::from_ref(text)))))
}

/// A part of a stack: what it has, by name.
fn part(
    entries: &[(Key, Arc<Node>)],
    name: &str,
    problems: &mut Problems,
) -> Vec<(Key, Arc<Node>)> {
    let Some(node) = get(entries, name) else { return Vec::new() };
    let found = problems.take(&node.place, node.map(&format!("{name} by name")));
    found.unwrap_or_default().to_vec()
}

/// Drops what is more than a stack may have of one kind.
fn bounded<T>(
    all: &mut Vec<T>,
    kind: &str,
    most: usize,
    problems: &mut Problems,
    name: impl Fn(&T) -> &Key,
) {
    if let Some(first) = all.get(most) {
        let wrong = format!("a stack has at most {most} {kind}, this has {}", all.len());
        problems.error(&name(first).place, Wrong::new(wrong));
        all.truncate(most);
    }
}

/// Complains of names that neither a fragment nor a stack has.
fn only_known(entries: &[(Key, Arc<Node>)], problems: &mut Problems) {
    let strange = entries.iter().filter(|(key, _)| !TOP.contains(&key.text.as_str()));
    let strange: Vec<_> = strange.cloned().collect();
    only(&strange, "a fragment", &FRAGMENT, problems);
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> StackError {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = memchr::memchr_iter(b'\n', valid).count() as u32 + 1;
    let start = valid.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
    let column = String::from_utf8_lossy(&valid[start..]).chars().count() as u32 + 1;
    let place = Place::File { file: name.into(), line, column, width: 1 };
    let wrong = Wrong::new("this is not UTF-8 text").help("save the file as UTF-8");
    StackError::Syntax(Box::new(Problem::error(&place, wrong)))
}
