//! What listeners will ask for, tried with made-up events before anything runs: a name that a grant does not have is told
//! while somebody is there to mend it, and not by the first event that matters.
//!
//! A listener is a stranger, and what it asks for may hang on what an event says. So it is tried twice, with other values,
//! and only what it asks for both times counts: that, it asks for whatever happens.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use correlator_frame::event::{BatchHeader, Id};
use correlator_frame::value::{Kind, Value};
use correlator_world::{Capability, LeftOut, Refused};

use super::{EXIT_WRONG, Failed};
use crate::capability;
use crate::declaration::BoundSchema;
use crate::guest::{Effect, Rows};
use crate::limit;
use crate::sandbox::Guest;
use crate::stack::foreseen::{About, Foreseen};
use crate::stack::grant::Grant;
use crate::stack::grant::world::WorldGrant;
use crate::stack::problem::{Problem, Weight};
use crate::stack::raw::RawStack;
use crate::stack::{Component, ListenerInstance, Stack};
use crate::text::clean;

/// When made-up events happen: some day, at noon.
const WHEN: i64 = 1_700_049_600_000_000_000;

/// What made-up events say: a text, which also is an address of a network that is nobody's, and a number.
const TOLD: [(&str, i64); 2] = [("192.0.2.1", 1), ("198.51.100.2", 2)];

/// Tries every listener: what is to be warned of.
///
/// # Errors
/// A bundled listener asks a capability for nothing that its grant has.
pub(super) fn rehearse(
    raw: &RawStack,
    stack: &Stack,
    guests: &HashMap<Component, Guest>,
) -> Result<Vec<Problem>, Failed> {
    let mut found = Vec::new();
    for listener in &stack.listeners {
        if let Some(guest) = guests.get(&listener.component) {
            found.extend(foreseen(listener, guest, &stack.schemas));
        }
    }
    let problems = raw.foreseen(&found);
    if problems.iter().any(|problem| problem.weight == Weight::Error) {
        return Err(Failed::wrong(EXIT_WRONG, &problems));
    }
    Ok(problems)
}

/// What one listener would ask for in vain.
fn foreseen(listener: &ListenerInstance, guest: &Guest, schemas: &[BoundSchema]) -> Vec<Foreseen> {
    let grants: Vec<&WorldGrant> = listener.grants.iter().filter_map(of_world).collect();
    let places: Vec<usize> =
        (0..schemas.len()).filter(|place| !listener.compiled.never_for(*place)).collect();
    if grants.is_empty() || places.is_empty() {
        return Vec::new();
    }
    let mut tries = TOLD.iter().map(|told| {
        let events = made_up(schemas, &places, *told);
        let ListenerInstance { name, settings, limits, .. } = listener;
        // What fails on what never happened need not fail on what does.
        guest.rehearse(name, settings, schemas, limits, (events, WHEN)).unwrap_or_default()
    });
    let (Some(first), Some(second)) = (tries.next(), tries.next()) else { return Vec::new() };
    let mut found = Vec::new();
    for grant in grants {
        let Ok(capability) = grant.make() else { continue };
        let both = targets(grant, &first).intersection(&targets(grant, &second)).cloned().collect();
        found.extend(unknown(listener, grant, &*capability, &both));
        found.extend(left_out(listener, grant, &*capability, &first));
    }
    found
}

fn of_world(grant: &Grant) -> Option<&WorldGrant> {
    match grant {
        Grant::World(grant) => Some(grant),
        _ => None,
    }
}

/// An event of each of these schemas. All columns are there.
fn made_up(schemas: &[BoundSchema], places: &[usize], (word, number): (&str, i64)) -> Rows {
    let mut rows = Rows::default();
    for &place in places {
        let schema = &schemas[place].schema;
        let header = BatchHeader {
            schema: u32::try_from(place).unwrap_or(u32::MAX),
            severity: schema.severity.number(),
            time: WHEN,
            absent: 0,
            id: Id { source: 0, position: place as u64, count: 0 },
        };
        header.write(schema.columns.len(), &mut rows.index);
        for column in &schema.columns {
            let value = match column.kind {
                Kind::Text => Value::Text(word.as_bytes()),
                Kind::Integer => Value::Integer(number),
                #[expect(clippy::cast_precision_loss, reason = "it is 1 or 2")]
                Kind::Float => Value::Float(number as f64),
                Kind::Boolean => Value::Boolean(number == 1),
                Kind::Time => Value::Time(WHEN + number),
                Kind::Duration => Value::Duration(number * 1_000_000_000),
            };
            rows.index.extend(value.write(&mut rows.text));
        }
    }
    rows
}

/// What it asks this capability for.
fn targets(grant: &WorldGrant, effects: &[Effect]) -> BTreeSet<String> {
    let own = effects.iter().filter(|it| it.capability == grant.name && it.requests() > 0);
    own.map(|effect| effect.target.clone()).collect()
}

/// Targets that the grant does not have.
fn unknown(
    listener: &ListenerInstance,
    grant: &WorldGrant,
    capability: &dyn Capability,
    targets: &BTreeSet<String>,
) -> Option<Foreseen> {
    let meant = |target: &str| {
        let usual = capability.usual_target().filter(|_| target.is_empty());
        capability.knows(usual.unwrap_or(target))
    };
    let refused: Vec<(&String, Refused)> =
        targets.iter().filter_map(|target| Some((target, meant(target).err()?))).collect();
    let (target, refused_first) = refused.first()?;
    let (Refused::Denied(why) | Refused::Malformed(why)) = refused_first;
    let others = match refused.len() {
        1 => String::new(),
        count => format!(", and {} more like it", count - 1),
    };
    let all = refused.len() == targets.len();
    let how = if all { "asks in vain" } else { "asks in vain for some of what it asks for" };
    // What a stranger's component asks for must not keep all others from starting; of ours it is what the operator said.
    let is_ours = matches!(listener.component, Component::Bundled(_));
    let weight = if all && is_ours { Weight::Error } else { Weight::Warning };
    let message = format!("listener `{}` {how}: {why}{others}", listener.name);
    Some(Foreseen {
        listener: listener.name.clone(),
        capability: grant.name,
        about: About::Target((*target).clone()),
        weight,
        message: clean(&message, limit::MESSAGE_BYTES_MAX),
        help: "name in its options what the grant has, or add to the grant what it asks for".into(),
    })
}

/// What of its requests the grant leaves out.
fn left_out(
    listener: &ListenerInstance,
    grant: &WorldGrant,
    capability: &dyn Capability,
    effects: &[Effect],
) -> Vec<Foreseen> {
    let mut found = Vec::new();
    for effect in effects.iter().filter(|effect| effect.capability == grant.name) {
        let mut counts = BTreeMap::new();
        let name = |_: Option<usize>| String::new();
        let Some(mut asked) = capability::requests(effect, &mut counts, &name).next() else {
            continue;
        };
        if let Some(usual) = capability.usual_target().filter(|_| effect.target.is_empty()) {
            usual.clone_into(&mut asked.request.target);
        }
        let Some(LeftOut { column, why, way }) = capability.leaves_out(&asked.request) else {
            continue;
        };
        let message = format!("listener `{}`: {why}", listener.name);
        found.push(Foreseen {
            listener: listener.name.clone(),
            capability: grant.name,
            about: About::Option(column),
            weight: Weight::Warning,
            message: clean(&message, limit::MESSAGE_BYTES_MAX),
            help: way.to_owned(),
        });
    }
    found
}
