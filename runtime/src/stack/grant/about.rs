//! Where in a grant stands what its capability finds wrong.
//!
//! A capability says in words what is wrong with its settings, and does not know where they were typed. But its words name
//! what they are about: a setting at the beginning, as in `sets.blocked.ports: 0 is no port`, or settings and values in
//! backticks, from the outside in. This room must never know what any setting means.

use std::sync::Arc;

use crate::stack::node::{Node, Value};
use crate::stack::problem::Place;

/// The innermost place that the words name; that of the grant, if they name none.
pub(super) fn place<'a>(grant: &'a Node, wrong: &str) -> &'a Place {
    // What follows is advice, and names what is not there.
    let wrong = wrong.split("; ").next().unwrap_or(wrong);
    let is_path = |start: &&str| !start.contains(|c: char| c.is_whitespace() || c == '`');
    let path = wrong.split_once(": ").map(|(start, _)| start).filter(is_path);
    let names = path.into_iter().flat_map(|path| path.split('.'));
    let quoted = wrong.split('`').skip(1).step_by(2);
    let (mut place, mut node) = (&grant.place, grant);
    for word in names.chain(quoted) {
        (place, node) = find(node, word).unwrap_or((place, node));
    }
    place
}

/// A setting of this name or a value of this text, the outermost first.
fn find<'a>(node: &'a Node, word: &str) -> Option<(&'a Place, &'a Node)> {
    let deeper = |node: &'a Arc<Node>| find(node, word);
    match &node.value {
        Value::Null => None,
        Value::Scalar { text, .. } => (text == word).then_some((&node.place, node)),
        Value::List(nodes) => nodes.iter().find_map(deeper),
        Value::Map(entries) => {
            let named = entries.iter().find(|(key, _)| key.text == word).map(|(key, node)| {
                let is_one = matches!(node.value, Value::Scalar { .. });
                (if is_one { &node.place } else { &key.place }, &**node)
            });
            named.or_else(|| entries.iter().find_map(|(_, node)| deeper(node)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::place;
    use crate::stack::problem::Problems;
    use crate::stack::yaml;

    #[test]
    fn words_lead_to_what_they_name() {
        let check = |text: &str, wrong: &str, expected: &str| {
            let mut problems = Problems::default();
            let grant = yaml::read(text, &"s".into(), &mut problems).expect("a document");
            assert_eq!(place(&grant, wrong).to_string(), expected, "{wrong}");
        };
        let mail = "from: nobody\nto: [a@b.org, c]\nsize_max: 1GiB";
        check(mail, "from: `nobody` is no address; write `USER@DOMAIN`", "s:1:7");
        check(mail, "to: `c` is no address", "s:2:15");
        check(mail, "to: nobody else", "s:2:1");
        check(mail, "size_max: 1GiB is not from 1B to 1MiB", "s:3:11");
        check(mail, "server: what is missing", "s:1:1");
        check(mail, "nothing is well: `from` nowhere", "s:1:7");
        let sets = "sets:\n  a: { ports: [0] }\n  b: { ports: [1, 0] }\nduration: 1h";
        check(sets, "sets.b.ports: 0 is no port: 1 to 65535 are", "s:3:8");
        check(sets, "sets.b: `0` is not allowed", "s:3:19");
        check(sets, "the set `b` is too large; lessen `duration`", "s:3:3");
    }
}
