//! What was done and is not undone: looked up, to be put in force again, and taken back as one where it is one.

use std::time::Duration;

use correlator_store::effect::State;
use correlator_store::entry::By;
use correlator_store::error::StoreError;
use correlator_store::filter::EffectFilter;
use correlator_store::store::Store;
use correlator_world::{Capability, Request, Secrets};

use super::orders::take_back;
use crate::{clock, limit};

/// What a listener asked a capability for and was done, and how long ago.
pub(super) fn done(
    store: &Store,
    listener: &str,
    capability: &str,
) -> Result<Vec<(Request, Duration)>, StoreError> {
    let reader = store.reader()?;
    let (now, mut before, mut done) = (clock::now(), None, Vec::new());
    loop {
        let filter = EffectFilter {
            listener: Some(listener.to_owned()),
            capability: Some(capability.to_owned()),
            state: Some(State::Done),
            before,
            limit: limit::RESTORED_AT_ONCE,
            ..EffectFilter::default()
        };
        let effects = reader.effects(&filter)?;
        let Some(first) = effects.first() else { return Ok(done) };
        before = Some(first.number);
        done.extend(effects.into_iter().map(|effect| {
            let since = u64::try_from(now - effect.changed_at).unwrap_or(0);
            (effect.request, Duration::from_nanos(since))
        }));
    }
}

/// Takes an effect back, and with it what else was done of the same: what was blocked twice is one block, and the next
/// start would put it in force again because of the second.
///
/// # Errors
/// It can't be taken back, or not now; why, in words for the operator.
pub fn undo(
    store: &Store,
    capability: &mut dyn Capability,
    secrets: &dyn Secrets,
    (id, by): (&str, By),
    (listener, name): (&str, &str),
) -> Result<String, String> {
    let others = if capability.restores() {
        let done = done(store, listener, name).map_err(|error| error.to_string())?;
        same(capability, &done, id)
    } else {
        Vec::new()
    };
    let said = take_back(store, capability, secrets, id, (by, None))?;
    for other in others {
        let why = format!("it is the same as {id}");
        take_back(store, capability, secrets, &other, (by, Some(&why)))?;
    }
    Ok(said)
}

/// What else was done of the same as this.
fn same(capability: &dyn Capability, done: &[(Request, Duration)], id: &str) -> Vec<String> {
    let requests = || done.iter().map(|(request, _)| request);
    let Some(one) = requests().find(|request| request.id == id) else { return Vec::new() };
    let Some(key) = capability.key(one) else { return Vec::new() };
    let is_same = |other: &&Request| {
        other.id != id && other.target == one.target && capability.key(other).as_ref() == Some(&key)
    };
    requests().filter(is_same).map(|other| other.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use correlator_store::effect::State;
    use correlator_store::entry::By;
    use correlator_world::Nowhere;

    use super::super::orders::tests::{World, carry_out, store};
    use super::{done, undo};

    #[test]
    fn what_stands_twice_is_taken_back_as_one() {
        let check = |restores: bool, left: &[&str]| {
            let name = format!("correlator-done-{restores}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let store = store(&folder);
            for id in ["x-1", "x-2", "y-1"] {
                carry_out(&store, id);
            }
            let whose = ("ops", "webhook");
            let mut world = World { restores, ..World::that_lifts() };
            let undone = undo(&store, &mut world, &Nowhere, ("x-2", By::User(7)), whose);
            assert_eq!(undone, Ok("x-2 is undone: lifted".to_owned()));
            let mut stands: Vec<String> = done(&store, whose.0, whose.1)
                .expect("readable")
                .into_iter()
                .map(|(request, _)| request.id)
                .collect();
            stands.sort();
            assert_eq!(stands, left);
            let shown = store.reader().and_then(|reader| reader.show("x-1")).expect("known");
            let state = if restores { State::Undone } else { State::Done };
            assert_eq!(shown.effect.map(|effect| effect.state), Some(state));
            drop(store);
            std::fs::remove_dir_all(folder).expect("removed");
        };
        check(true, &["a", "y-1"]);
        check(false, &["a", "x-1", "y-1"]);
    }
}
