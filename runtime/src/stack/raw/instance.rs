//! An instance of a guest as it was typed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::limit;
use crate::stack::node::{Key, Node, Value, get, only};
use crate::stack::problem::Problems;
use crate::stack::{Component, Part};
use crate::text::clean;

/// An instance of a guest as it was typed.
#[derive(Clone, Debug)]
pub(in crate::stack) struct RawInstance {
    pub(in crate::stack) name: Key,
    pub(in crate::stack) part: Part,
    /// The component's name or path.
    pub(in crate::stack) component: Key,
    /// What its relative paths are relative to.
    pub(in crate::stack) folder: PathBuf,
    pub(in crate::stack) criteria: Option<Arc<Node>>,
    pub(in crate::stack) instances: Option<Arc<Node>>,
    pub(in crate::stack) partition_by: Option<Arc<Node>>,
    pub(in crate::stack) enabled: Option<Arc<Node>>,
    pub(in crate::stack) options: Vec<(Key, Arc<Node>)>,
    pub(in crate::stack) grants: Vec<(Key, Arc<Node>)>,
    pub(in crate::stack) limits: Vec<(Key, Arc<Node>)>,
}

impl RawInstance {
    /// An instance of a component, with nothing typed.
    pub(in crate::stack) fn new(part: Part, name: Key, component: Key, folder: PathBuf) -> Self {
        Self {
            name,
            part,
            component,
            folder,
            criteria: None,
            instances: None,
            partition_by: None,
            enabled: None,
            options: Vec::new(),
            grants: Vec::new(),
            limits: Vec::new(),
        }
    }

    /// A word is the name of a bundled guest; what looks like a path is one.
    pub(in crate::stack) fn component(&self) -> Component {
        let text = &self.component.text;
        if text.contains(['/', '\\', '.']) {
            Component::File(self.folder.join(text))
        } else {
            Component::Bundled(text.clone())
        }
    }
}

/// Reads what was typed for one instance.
pub(in crate::stack) fn read(
    part: Part,
    name: Key,
    node: &Arc<Node>,
    folder: &Path,
    problems: &mut Problems,
) -> RawInstance {
    let what = format!("{part} `{}`", clean(&name.text, limit::NAME_BYTES_MAX));
    let expected = format!("the settings of {part} `{}`", clean(&name.text, limit::NAME_BYTES_MAX));
    let entries = node.map(&expected).map_err(|wrong| match &node.value {
        Value::Scalar { text, .. } => wrong.help(format!("write `{part}: {}`", clean(text, 48))),
        _ => wrong,
    });
    let entries = problems.take(&node.place, entries).unwrap_or_default();
    let names: &[&str] = match part {
        Part::Module => &["module", "instances", "partition_by", "enabled", "options", "limits"],
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
    let component = component.unwrap_or_else(|| name.clone());
    let one = |name: &str| get(entries, name).cloned();
    RawInstance {
        criteria: one("criteria"),
        instances: one("instances"),
        partition_by: one("partition_by"),
        enabled: one("enabled"),
        options: part_of("options", "options by name"),
        grants: part_of("grants", "grants by name, such as `log: true`"),
        limits: part_of("limits", "limits by name"),
        ..RawInstance::new(part, name, component, folder.to_owned())
    }
}
