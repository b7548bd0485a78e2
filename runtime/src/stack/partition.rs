//! How a module's records are shared out among its instances, as it is typed.
//!
//! This room must never look at a record.

use super::node::Node;
use super::problem::{Place, Problems, Wrong};
use super::raw::RawInstance;
use super::{PartitionBy, bound, suggest};
use crate::limit::{self, Unit};
use crate::text::clean;

/// What of a record has a name of its own.
const NAMES: [&str; 4] = ["host", "program", "process_id", "message_id"];
/// What others call it. A field may have such a name, but more likely it was mistaken.
const OTHERS: [(&str, &str); 13] = [
    ("hostname", "host"),
    ("app", "program"),
    ("appname", "program"),
    ("app_name", "program"),
    ("app-name", "program"),
    ("programname", "program"),
    ("tag", "program"),
    ("pid", "process_id"),
    ("procid", "process_id"),
    ("proc_id", "process_id"),
    ("msgid", "message_id"),
    ("msg_id", "message_id"),
    ("messageid", "message_id"),
];

/// How many instances a module has, and what decides among them.
pub(super) fn read(raw: &RawInstance, problems: &mut Problems) -> (usize, Option<PartitionBy>) {
    let count = raw.instances.as_ref().map(|node| {
        let count = bound::read("`instances`", Unit::Count, 1..=limit::MODULE_INSTANCES_MAX, node);
        problems.take(&node.place, count).map(|count| count as usize)
    });
    let by = raw.partition_by.as_ref().map(|node| {
        let by = problems.take(&node.place, partition_by(node))?;
        mistaken(&by, &node.place, problems);
        Some(by)
    });
    match (&raw.instances, count, &raw.partition_by) {
        (Some(node), Some(Some(2..)), None) => {
            let wrong = "several instances need `partition_by`, which says who gets which records";
            let help = "add `partition_by: host`, or whatever the module keeps apart";
            problems.error(&node.place, Wrong::new(wrong).help(help));
        }
        (None, _, Some(node)) => {
            let wrong = Wrong::new("`partition_by` needs `instances`, of which there is one");
            problems.error(&node.place, wrong.help("add `instances: 2`, or more"));
        }
        (Some(_), Some(Some(1)), Some(node)) => {
            let wrong = Wrong::new("`partition_by` has no effect with one instance");
            problems.warning(&node.place, wrong);
        }
        _ => {}
    }
    (count.flatten().unwrap_or(1), by.flatten())
}

fn partition_by(node: &Node) -> Result<PartitionBy, Wrong> {
    let text = node.scalar("`host`, `program`, `process_id`, `message_id` or a field's name")?;
    match text {
        "host" => return Ok(PartitionBy::Host),
        "program" => return Ok(PartitionBy::Program),
        "process_id" => return Ok(PartitionBy::ProcessId),
        "message_id" => return Ok(PartitionBy::MessageId),
        _ => {}
    }
    let visible = |c: char| !c.is_whitespace() && !c.is_control();
    let fits = (1..=limit::PARTITION_BYTES_MAX).contains(&text.len()) && text.chars().all(visible);
    if fits && !text.starts_with('.') && !text.ends_with('.') {
        return Ok(PartitionBy::Field(text.to_owned()));
    }
    let told = clean(text, limit::NAME_BYTES_MAX);
    let wrong = Wrong::new(format!("`{told}` is nothing that a record can have"));
    Err(wrong.help(format!("write {}, `FIELD` or `ELEMENT.FIELD`", suggest::quoted(&NAMES))))
}

/// Warns of a field whose name was probably meant to be something else.
fn mistaken(by: &PartitionBy, place: &Place, problems: &mut Problems) {
    let PartitionBy::Field(name) = by else { return };
    let lower = name.to_lowercase();
    let other = OTHERS.iter().find(|(other, _)| *other == lower).map(|(_, name)| *name);
    if let Some(near) = other.or_else(|| suggest::nearest(name, &NAMES)) {
        let told = clean(name, limit::NAME_BYTES_MAX);
        let wrong = Wrong::new(format!("`{told}` is taken for the name of a field"));
        problems.warning(place, wrong.help(format!("did you mean `{near}`?")));
    }
}

/// What decides among instances, as it is written in a stack.
pub(super) fn text(by: &PartitionBy) -> &str {
    match by {
        PartitionBy::Host => NAMES[0],
        PartitionBy::Program => NAMES[1],
        PartitionBy::ProcessId => NAMES[2],
        PartitionBy::MessageId => NAMES[3],
        PartitionBy::Field(name) => name,
    }
}
