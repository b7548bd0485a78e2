//! What only listeners have: criteria that events can meet, and grants for what they want.

use super::{Checker, Common};
use crate::declaration::{BoundSchema, Role, Want};
use crate::limit;
use crate::stack::criteria::compile::Compiled;
use crate::stack::criteria::{Criteria, CriteriaError};
use crate::stack::grant::world::Manner;
use crate::stack::grant::{self, Grant};
use crate::stack::node::{Node, Value};
use crate::stack::problem::{Place, Wrong};
use crate::stack::raw::RawInstance;
use crate::stack::{ListenerInstance, value};
use crate::text::clean;

impl Checker<'_> {
    pub(super) fn listener(
        &mut self,
        raw: &RawInstance,
        schemas: &[BoundSchema],
    ) -> Option<ListenerInstance> {
        let common = self.common(raw);
        let own = match common.as_ref().map(|common| &common.description.role) {
            Some(Role::Listener { criteria, .. }) => criteria.as_str(),
            _ => "",
        };
        let (criteria, compiled) = self.criteria(raw, own, schemas)?;
        let whole = grant::Whole { zone: &self.zone, allow: &self.allow };
        let mut granted = grant::read(&raw.grants, &raw.folder, whole, &mut self.problems);
        let common = common?;
        let mut needed = Vec::new();
        if let Role::Listener { wants, credentials, .. } = &common.description.role {
            self.wants(raw, wants, &mut granted);
            needed.clone_from(credentials);
        }
        let Common { component, settings, limits, typed, .. } = common;
        Some(ListenerInstance {
            name: raw.name.text.clone(),
            component,
            criteria,
            compiled,
            settings,
            grants: granted.into_iter().map(|(_, grant)| grant).collect(),
            credentials: needed,
            limits,
            typed,
        })
    }

    /// What has to be done for certain has to be kept until it is.
    pub(super) fn kept_for(&mut self, listeners: &[ListenerInstance], is_kept: bool) {
        for listener in listeners.iter().filter(|_| !is_kept) {
            let single = |grant: &&Grant| matches!(grant, Grant::World(grant) if grant.manner == Manner::Single);
            let Some(grant) = listener.grants.iter().find(single) else { continue };
            let raw = self.raw.listeners.iter().chain(&self.raw.bare);
            let place = raw.clone().find(|raw| raw.name.text == listener.name);
            let place = place.map_or(&self.raw.place, |raw| &raw.name.place);
            let (name, grant) = (&listener.name, grant.name());
            let wrong = format!(
                "listener `{name}` asks for `{grant}`, and nothing is kept until it is done"
            );
            let way = if self.raw.flags {
                "add `--state FOLDER`"
            } else {
                "add `state: FOLDER` to the stack"
            };
            self.problems.error(place, Wrong::new(wrong).help(way));
        }
    }

    /// What the listener wants is granted, and what is granted is wanted.
    fn wants(&mut self, raw: &RawInstance, wants: &[Want], granted: &mut Vec<(Place, Grant)>) {
        let name = &raw.name.text;
        for want in wants {
            let capability = want.capability.as_str();
            // A grant that was typed but is wrong has been told.
            if raw.grants.iter().any(|(key, node)| key.text == capability && !refused(node)) {
                continue;
            }
            let reason = &want.reason;
            let wants = format!("listener `{name}` wants `{capability}` ({reason})");
            let wrong = match Grant::example(capability) {
                Some(example) => {
                    let help = match &raw.name.place {
                        _ if self.raw.flags => format!(
                            "flags can't say what it may do; write a stack file with `{example}` under its `grants`"
                        ),
                        // Nobody typed anything of it yet.
                        Place::Whole { .. } => format!(
                            "write a fragment beside it: `listeners: {{ {name}: {{ listener: \
                             ./{}, grants: {{ {example} }} }} }}`",
                            raw.component.text
                        ),
                        _ => format!("add `{example}` to its `grants`"),
                    };
                    Wrong::new(format!("{wants}, which is not granted")).help(help)
                }
                None => {
                    Wrong::new(format!("{wants}, a capability that this version does not have"))
                }
            };
            self.problems.error(&raw.name.place, wrong);
        }
        let wanted = |grant: &Grant| wants.iter().any(|want| want.capability == grant.name());
        if !self.raw.flags {
            for (place, grant) in granted.iter().filter(|(_, grant)| !wanted(grant)) {
                let wrong = format!("listener `{name}` never asks for `{}`", grant.name());
                self.problems.warning(place, Wrong::new(wrong).help("remove the grant"));
            }
        }
        granted.retain(|(_, grant)| wanted(grant));
    }

    /// The criteria that were typed, or the listener's own.
    fn criteria(
        &mut self,
        raw: &RawInstance,
        own: &str,
        schemas: &[BoundSchema],
    ) -> Option<(String, Compiled)> {
        let text = match &raw.criteria {
            Some(node) => {
                let text = node.scalar("an expression such as `severity >= warning`");
                self.problems.take(&node.place, text)?
            }
            None => own,
        };
        let criteria = match Criteria::parse(text) {
            Ok(criteria) => criteria,
            Err(error) => {
                self.criteria_problem(raw, text, error);
                return None;
            }
        };
        // Without the events of every module nobody knows what the criteria may name.
        if !self.modules_known || schemas.is_empty() {
            return Some((text.to_owned(), Compiled::everything(schemas.len())));
        }
        match criteria.compile(schemas, &self.zone) {
            Ok(compiled) => {
                if compiled.never() {
                    let place = raw.criteria.as_ref().map_or(&raw.name.place, |node| &node.place);
                    let name = &raw.name.text;
                    let wrong = format!("no event can meet the criteria of listener `{name}`");
                    self.problems.warning(place, Wrong::new(wrong));
                }
                Some((text.to_owned(), compiled))
            }
            Err(errors) => {
                for error in errors {
                    self.criteria_problem(raw, text, error);
                }
                None
            }
        }
    }

    /// Tells what is wrong with criteria, as near to the word as can be.
    fn criteria_problem(&mut self, raw: &RawInstance, text: &str, error: CriteriaError) {
        let CriteriaError { start, width, mut wrong } = error;
        let Some(node) = &raw.criteria else {
            let name = &raw.name.text;
            let told = clean(text, limit::MEANING_BYTES_MAX);
            wrong.message =
                format!("listener `{name}` has criteria of its own, `{told}`: {}", wrong.message);
            wrong.help = Some("give it `criteria` that fit this stack".to_owned());
            return self.problems.error(&raw.name.place, wrong);
        };
        let (place, exact) = node.place_within(start, width);
        if !exact {
            wrong.message = format!("character {} of the criteria: {}", start + 1, wrong.message);
        }
        self.problems.error(&place, wrong);
    }
}

/// Whether a grant was typed as `false`.
fn refused(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, .. } if value::boolean(text) == Ok(false))
}
