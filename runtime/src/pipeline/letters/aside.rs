//! What guests failed on, put among the dead letters.

use super::again;
use super::known::Known;
use crate::clock;
use crate::dead::{Dead, Kind, Letter, Raw};
use crate::guest::Failure;
use crate::pipeline::work::module::Aside;
use crate::status::Moment;

/// Writes a letter, and tells its id. What can't be written is told: the guest does not get the item any more in any case.
pub(crate) fn put(dead: &Dead, known: &Known, aside: &Aside) -> Option<String> {
    let kind = match (aside.tick, &aside.event) {
        (Some(_), _) => Kind::Tick,
        (None, Some(_)) => Kind::Event,
        (None, None) => Kind::Record,
    };
    let time = Moment(aside.time);
    let (component, component_digest) = known.component(&aside.guest);
    let (failure, backtrace) = story(&aside.failure);
    let source = match kind {
        Kind::Tick => String::new(),
        Kind::Record | Kind::Event => known.source_name(aside.source),
    };
    let letter = Letter {
        id: match aside.tick {
            Some(tick) => Letter::tick_id(&aside.guest, aside.item, time, tick.cause.number()),
            None => Letter::id(&aside.guest, kind, aside.item, time),
        },
        module: aside.guest.clone(),
        component,
        component_digest,
        kind,
        sequence: aside.item,
        source,
        position: aside.position,
        time,
        raw: Raw(aside.raw.clone()),
        event: aside.event.as_ref().and_then(|event| again::told(event, known)),
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
