//! Who is never acted against, whatever a rule says: of one grant, and of the whole stack.
//!
//! This room must never know what a capability does to whom.

use std::sync::Arc;

use correlator_world::allow::{Allow, network};

use crate::limit;
use crate::stack::node::{self, Node, Value, get};
use crate::stack::problem::{Problems, Wrong};
use crate::text::clean;

/// The key of it, of a grant and of a stack.
pub(in crate::stack) const NAME: &str = "allow";
const USERS: &str = "users";
const NETWORKS: &str = "networks";
const COLUMNS: &str = "columns";

/// Reads a list of networks, or users and networks by name.
pub(in crate::stack) fn read(node: &Arc<Node>, problems: &mut Problems) -> Allow {
    let Value::Map(entries) = &node.value else {
        let networks = all(node, "an address or a network", problems, to_network);
        return Allow { networks, ..Allow::default() };
    };
    node::only(entries, "an allow-list", &[USERS, NETWORKS, COLUMNS], problems);
    let list = |name: &str| get(entries, name);
    let users = list(USERS).map(|node| all(node, "a user", problems, to_user)).unwrap_or_default();
    let networks = list(NETWORKS)
        .map(|node| all(node, "an address or a network", problems, to_network))
        .unwrap_or_default();
    let columns = list(COLUMNS)
        .map(|node| all(node, "the name of a column", problems, |text| Ok(text.to_owned())))
        .unwrap_or_default();
    Allow { users, networks, columns }
}

/// Every value of a list, or the one that stands in its place.
fn all<T>(
    node: &Arc<Node>,
    expected: &str,
    problems: &mut Problems,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Vec<T> {
    if matches!(node.value, Value::Null) {
        return Vec::new();
    }
    let nodes = node.one_or_many();
    if nodes.len() > limit::ALLOW_MAX {
        let wrong = format!("an allow-list has at most {} of a kind", limit::ALLOW_MAX);
        problems.error(&node.place, Wrong::new(wrong));
        return Vec::new();
    }
    let one = |node: &Arc<Node>| {
        let value = node.scalar(expected).and_then(&read);
        problems.take(&node.place, value)
    };
    nodes.iter().filter_map(one).collect()
}

fn to_network(text: &str) -> Result<ipnet::IpNet, Wrong> {
    network(text).ok_or_else(|| {
        let told = clean(text, limit::NAME_BYTES_MAX);
        let wrong = Wrong::new(format!("`{told}` is neither an address nor a network"));
        wrong.help("write `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`; users stand under `users`")
    })
}

fn to_user(text: &str) -> Result<String, Wrong> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > correlator_world::allow::NAME_BYTES_MAX {
        return Err(Wrong::new("this is no user's name"));
    }
    Ok(text.to_owned())
}

/// As it is told.
pub(in crate::stack) fn told(allow: &Allow) -> String {
    let Allow { users, networks, columns } = allow;
    let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
    let part = |name: &str, list: &[String]| format!("{name}: [{}]", list.join(", "));
    let parts = [(USERS, users.as_slice()), (NETWORKS, &networks), (COLUMNS, columns)];
    let parts = parts.iter().filter(|(_, list)| !list.is_empty());
    let parts: Vec<String> = parts.map(|(name, list)| part(name, list)).collect();
    if parts.is_empty() { "nobody".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{read, told};
    use crate::stack::problem::Problems;
    use crate::stack::yaml;

    fn check(text: &str, expected: &str) {
        let mut problems = Problems::default();
        let node = yaml::read(text, &"stack.yaml".into(), &mut problems).expect("a document");
        let allow = read(&Arc::new(node), &mut problems);
        let problems = problems.finish(&[]);
        let found = problems.first().map_or_else(|| told(&allow), ToString::to_string);
        assert!(found.starts_with(expected), "{text}: {found}");
    }

    #[test]
    fn lists_are_read() {
        check("~", "nobody");
        check("[10.1.2.3/8, 192.0.2.7]", "networks: [10.0.0.0/8, 192.0.2.7/32]");
        check("10.0.0.0/8", "networks: [10.0.0.0/8]");
        check("{ users: backup }", "users: [backup]");
        check(
            "{ users: [backup, 'ops@*'], networks: '::1', columns: principal }",
            "users: [backup, ops@*], networks: [::1/128], columns: [principal]",
        );
    }

    #[test]
    fn mistakes_are_told_where_they_stand() {
        check("[10.0.0.0/8, 10.0.0.0/33]", "stack.yaml:1:14: `10.0.0.0/33` is neither");
        check("[backup]", "stack.yaml:1:2: `backup` is neither an address nor a network; write");
        check(
            "{ user: backup }",
            "stack.yaml:1:3: an allow-list has no `user`; did you mean `users`?",
        );
        check("{ users: [''] }", "stack.yaml:1:11: this is no user's name");
        check("{ users: [[a]] }", "stack.yaml:1:11: expected a user, found a list");
    }
}
