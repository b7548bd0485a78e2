//! What guests failed on, put among the dead letters.

use std::collections::HashMap;

use super::module::Aside;
use crate::clock;
use crate::dead::{Dead, Kind, Letter, Raw};
use crate::guest::Failure;
use crate::status::Moment;

/// Writes a letter, and tells its id. What can't be written is told: the guest does not get the item any more in any case.
pub(super) fn put(
    dead: &Dead,
    components: &HashMap<String, (String, String, String)>,
    sources: &[(u32, String)],
    aside: &Aside,
) -> Option<String> {
    let kind = if aside.tick.is_some() { Kind::Tick } else { Kind::Record };
    let time = Moment(aside.time);
    let plan = aside.guest.split('#').next().unwrap_or_default();
    let (component, digest, _) = components.get(plan).cloned().unwrap_or_default();
    let source = sources.iter().find(|(number, _)| *number == aside.source);
    let (failure, backtrace) = story(&aside.failure);
    let letter = Letter {
        id: Letter::id(&aside.guest, kind, aside.item, time),
        module: aside.guest.clone(),
        component,
        component_digest: digest,
        kind,
        sequence: aside.item,
        source: source.map_or_else(|| format!("{:x}", aside.source), |(_, name)| name.clone()),
        position: aside.position,
        time,
        raw: Raw(aside.raw.clone()),
        failure,
        backtrace,
        when: Moment(clock::now()),
    };
    let id = &letter.id;
    match dead.put(&letter) {
        Ok(()) => {
            tracing::warn!("set aside as {id}; `correlator dead show {id}` tells more");
            Some(letter.id)
        }
        Err(error) => {
            tracing::error!("{error}; `{}` does not get it any more", aside.guest);
            None
        }
    }
}

/// What happened, and the guest's functions that it happened in.
fn story(failure: &Failure) -> (String, Vec<String>) {
    let text = failure.to_string();
    let Failure::Trap { .. } = failure else { return (text, Vec::new()) };
    let Some((reason, functions)) = text.split_once(" in ") else { return (text, Vec::new()) };
    (reason.to_owned(), functions.split(" < ").map(str::to_owned).collect())
}
