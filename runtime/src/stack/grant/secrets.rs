//! Secrets that were typed where everybody who reads the stack knows them, though there is a better place.

use crate::stack::node::{Node, Value};
use crate::stack::problem::{Problems, Wrong};
use crate::stack::veil;

/// What holds texts by name.
const NAMED: [&str; 2] = ["headers", "values"];
const URL: &str = "url";
/// What has the secret put in its place.
const TEMPLATE: &str = "{@credential}";

/// Warns of what looks like a secret in a grant.
pub(super) fn warn(node: &Node, problems: &mut Problems) {
    match &node.value {
        Value::Map(entries) => {
            for (key, node) in entries {
                match (key.text.as_str(), &node.value) {
                    (URL, Value::Scalar { text, .. }) if veil::line(text) != *text => {
                        tell(node, problems);
                    }
                    (name, Value::Map(texts)) if NAMED.contains(&name) => {
                        let is_secret = |node: &Node| matches!(&node.value, Value::Scalar { text, .. } if !text.contains(TEMPLATE));
                        let secrets = texts.iter().filter(|(key, _)| veil::is_secret(&key.text));
                        secrets
                            .filter(|(_, node)| is_secret(node))
                            .for_each(|(_, node)| tell(node, problems));
                    }
                    _ => warn(node, problems),
                }
            }
        }
        Value::List(nodes) => nodes.iter().for_each(|node| warn(node, problems)),
        Value::Scalar { .. } | Value::Null => {}
    }
}

fn tell(node: &Node, problems: &mut Problems) {
    let wrong = Wrong::new("this looks like a secret, and whoever may read the stack knows it");
    let help = format!(
        "keep it with `correlator credential set NAME`, and write `credential: NAME` and `{TEMPLATE}` in its place"
    );
    problems.warning(&node.place, wrong.help(help));
}
