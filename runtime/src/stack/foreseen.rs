//! What listeners would ask for in vain, told at the place where it was typed.
//!
//! Only a guest that runs knows what it asks for, so this is found after the check and told like it. This room must never
//! know how it is found.

use super::node::{Node, Value, get};
use super::problem::{Place, Problem, Problems, Weight, Wrong};
use super::raw::RawStack;

/// Something that a listener would ask for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The listener's name.
    pub listener: String,
    /// The capability that it would ask.
    pub capability: &'static str,
    /// What of the listener's options this is probably about.
    pub about: About,
    /// Whether it stops the stack.
    pub weight: Weight,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: String,
}

/// What of a listener's options something is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The option that holds this, or the beginning of it up to a `/`.
    Target(String),
    /// The option of this name.
    Option(&'static str),
}

impl RawStack {
    /// The problems that come of it, in the order of their places.
    #[must_use]
    pub fn foreseen(&self, found: &[Foreseen]) -> Vec<Problem> {
        let mut problems = Problems::default();
        for one in found {
            let wrong = Wrong::new(one.message.clone()).help(one.help.clone());
            let place = self.place_of(one);
            problems.push(match one.weight {
                Weight::Error => Problem::error(&place, wrong),
                Weight::Warning => Problem::warning(&place, wrong),
            });
        }
        problems.finish(&self.texts)
    }

    /// The option's place if it was typed, else the grant's, else the listener's.
    fn place_of(&self, one: &Foreseen) -> Place {
        let mut all = self.listeners.iter().chain(&self.bare);
        let Some(raw) = all.find(|raw| raw.name.text == one.listener) else {
            return self.place.clone();
        };
        let option = match &one.about {
            About::Option(name) => get(&raw.options, name),
            About::Target(target) => {
                raw.options.iter().map(|(_, node)| node).find(|node| names(node, target))
            }
        };
        if let Some(option) = option {
            return option.place.clone();
        }
        let grant = raw.grants.iter().find(|(key, _)| key.text == one.capability);
        grant.map_or(&raw.name.place, |(key, _)| &key.place).clone()
    }
}

/// Whether a value is what a target is called, or begins with.
fn names(node: &Node, target: &str) -> bool {
    let Value::Scalar { text, .. } = &node.value else { return false };
    let rest = target.strip_prefix(text.as_str()).filter(|_| !text.is_empty());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{About, Foreseen};
    use crate::stack::problem::Weight;
    use crate::stack::raw::RawStack;

    #[test]
    fn what_is_foreseen_is_told_where_it_was_typed() {
        let text = "listeners:\n  chat:\n    listener: webhook\n    options: { endpoint: opss, html: true }\n    \
                    grants: { webhook: {} }\n";
        let raw = RawStack::parse(text, "stack.yaml").expect("a stack");
        let check = |listener: &str, about: About, expected: &str| {
            let found = Foreseen {
                listener: listener.to_owned(),
                capability: "webhook",
                about,
                weight: Weight::Warning,
                message: "no".to_owned(),
                help: "mend it".to_owned(),
            };
            let problems = raw.foreseen(&[found.clone(), found]);
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].to_string(), format!("{expected}: warning: no; mend it"));
        };
        check("chat", About::Target("opss".into()), "stack.yaml:4:26");
        check("chat", About::Target("opss/table".into()), "stack.yaml:4:26");
        check("chat", About::Target("opssx".into()), "stack.yaml:5:15");
        check("chat", About::Option("html"), "stack.yaml:4:38");
        check("chat", About::Option("body"), "stack.yaml:5:15");
    }
}
