//! A stack as it was typed: its parts with their places, read but not yet believed.
//!
//! The shape is looked at here; what only the guests can say is left for the check, which also tells the problems that
//! were found here, so that an operator sees all of them at once.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::node::{Key, Node, Value, get, only};
use super::problem::{Place, Problem, Problems, Wrong};
use super::{Component, Part, limits, yaml};
use crate::limit::{self, Limits};
use crate::text::clean;

/// The names at the top of a stack.
const TOP: [&str; 5] = ["time_zone", "sources", "modules", "listeners", "limits"];

/// A stack as it was typed.
#[derive(Clone, Debug)]
pub struct RawStack {
    /// The file's text, to point into.
    pub(super) text: String,
    /// Where problems of the stack as a whole are told.
    pub(super) place: Place,
    /// What relative paths are relative to.
    pub(super) folder: PathBuf,
    pub(super) zone: Option<Arc<Node>>,
    pub(super) sources: Vec<(Key, Arc<Node>)>,
    pub(super) modules: Vec<RawInstance>,
    pub(super) listeners: Vec<RawInstance>,
    pub(super) limits: Vec<(Key, Arc<Node>)>,
    pub(super) problems: Problems,
    /// Whether it comes from flags, which grant what they imply.
    pub(super) flags: bool,
}

/// An instance of a guest as it was typed.
#[derive(Clone, Debug)]
pub(super) struct RawInstance {
    pub(super) name: Key,
    pub(super) part: Part,
    /// The component's name or path.
    pub(super) component: Key,
    pub(super) criteria: Option<Arc<Node>>,
    pub(super) options: Vec<(Key, Arc<Node>)>,
    pub(super) grants: Vec<(Key, Arc<Node>)>,
    pub(super) limits: Vec<(Key, Arc<Node>)>,
}

/// A component that has to be loaded before the stack can be checked.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The instance that needs it.
    pub instance: String,
    /// The part that it is to play.
    pub part: Part,
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
    /// Reads a stack file.
    ///
    /// # Errors
    /// It can't be read, or is not one YAML document.
    pub fn read(path: &Path) -> Result<Self, StackError> {
        let failed = |error| StackError::Read { path: path.to_owned(), error };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(limit::STACK_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        let name = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, &error))?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse_in(&text, &name, folder)
    }

    /// Reads a stack's text; `name` is what problems call it. Relative paths stay as they are.
    ///
    /// # Errors
    /// It is not one YAML document.
    pub fn parse(text: &str, name: &str) -> Result<Self, StackError> {
        Self::parse_in(text, name, PathBuf::new())
    }

    fn parse_in(text: &str, name: &str, folder: PathBuf) -> Result<Self, StackError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let file: Arc<str> = name.into();
        let mut problems = Problems::default();
        let root = yaml::read(&text, &file, &mut problems)
            .map_err(|problem| StackError::Syntax(Box::new(problem.within(&text))))?;
        let place = Place::File { file, line: 1, column: 1, width: 1 };
        let mut raw = Self::empty(text, place, folder, problems);
        raw.fill(&root);
        Ok(raw)
    }

    pub(super) fn empty(text: String, place: Place, folder: PathBuf, problems: Problems) -> Self {
        Self {
            text,
            place,
            folder,
            zone: None,
            sources: Vec::new(),
            modules: Vec::new(),
            listeners: Vec::new(),
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
        self.zone = get(entries, "time_zone").cloned();
        let problems = &mut self.problems;
        let mut part = |name: &str, expected: &str, most: usize| {
            let Some(node) = get(entries, name) else { return Vec::new() };
            let found = problems.take(&node.place, node.map(expected)).unwrap_or_default();
            if found.len() > most {
                let wrong = format!("a stack has at most {most} {name}, this has {}", found.len());
                problems.error(&node.place, Wrong::new(wrong));
            }
            found[..found.len().min(most)].to_vec()
        };
        self.sources = part("sources", "sources by name", limit::SOURCES_MAX);
        let modules = part("modules", "modules by name", limit::INSTANCES_MAX);
        let listeners = part("listeners", "listeners by name", limit::INSTANCES_MAX);
        self.limits = part("limits", "limits by name", usize::MAX);
        let read = |part, problems: &mut Problems, entries: Vec<(Key, Arc<Node>)>| {
            entries.into_iter().map(|(name, node)| instance(part, name, &node, problems)).collect()
        };
        self.modules = read(Part::Module, problems, modules);
        self.listeners = read(Part::Listener, problems, listeners);
    }

    /// The components that have to be loaded before [`super::Stack::check`], one for each instance.
    #[must_use]
    pub fn components(&self) -> Vec<Wanted> {
        // Limits that are wrong are told by the check; until then the defaults hold.
        let mut ignored = Problems::default();
        let wanted = |raw: &RawInstance| {
            let mut limits = Limits::default();
            limits::apply(&self.limits, &mut limits, &mut ignored);
            limits::apply(&raw.limits, &mut limits, &mut ignored);
            Wanted {
                instance: raw.name.text.clone(),
                part: raw.part,
                component: self.component(raw),
                limits,
                place: raw.component.place.clone(),
            }
        };
        self.modules.iter().chain(&self.listeners).map(wanted).collect()
    }

    /// A word is the name of a bundled guest; what looks like a path is one.
    pub(super) fn component(&self, raw: &RawInstance) -> Component {
        let text = &raw.component.text;
        if text.contains(['/', '\\', '.']) {
            Component::File(self.folder.join(text))
        } else {
            Component::Bundled(text.clone())
        }
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

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> StackError {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = memchr::memchr_iter(b'\n', valid).count() as u32 + 1;
    let start = valid.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
    let column = String::from_utf8_lossy(&valid[start..]).chars().count() as u32 + 1;
    let place = Place::File { file: name.into(), line, column, width: 1 };
    let wrong = Wrong::new("this is not UTF-8 text").help("save the file as UTF-8");
    StackError::Syntax(Box::new(Problem::error(&place, wrong)))
}

/// Reads what was typed for one instance.
fn instance(part: Part, name: Key, node: &Arc<Node>, problems: &mut Problems) -> RawInstance {
    let what = format!("{part} `{}`", clean(&name.text, limit::NAME_BYTES_MAX));
    let expected = format!("the settings of {part} `{}`", clean(&name.text, limit::NAME_BYTES_MAX));
    let entries = node.map(&expected).map_err(|wrong| match &node.value {
        Value::Scalar { text, .. } => wrong.help(format!("write `{part}: {}`", clean(text, 48))),
        _ => wrong,
    });
    let entries = problems.take(&node.place, entries).unwrap_or_default();
    let names: &[&str] = match part {
        Part::Module => &["module", "options", "limits"],
        Part::Listener => &["listener", "criteria", "options", "grants", "limits"],
    };
    only(entries, &what, names, problems);
    let component = get(entries, part.name()).and_then(|node| {
        let text = node.scalar("a bundled guest's name or a component's path");
        let text = problems.take(&node.place, text)?.to_owned();
        Some(Key { text, place: node.place.clone() })
    });
    let mut part_of = |name: &str, expected: &str| {
        let Some(node) = get(entries, name) else { return Vec::new() };
        problems.take(&node.place, node.map(expected)).unwrap_or_default().to_vec()
    };
    RawInstance {
        part,
        component: component.unwrap_or_else(|| name.clone()),
        criteria: get(entries, "criteria").cloned(),
        options: part_of("options", "options by name"),
        grants: part_of("grants", "grants by name, such as `log: true`"),
        limits: part_of("limits", "limits by name"),
        name,
    }
}
