//! What was done and is not undone: looked up, to be put in force again, and taken back as one where it is one.

use std::collections::HashMap;
use std::time::Duration;

use correlator_store::effect::{Effect, Shown, State};
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
    let mut done = Vec::new();
    each(store, Some(listener), capability, |effect, since| done.push((effect.request, since)))?;
    Ok(done)
}

/// Tells each effect of a capability that is done, of one listener or of all, and how long ago it was.
fn each(
    store: &Store,
    listener: Option<&str>,
    capability: &str,
    mut tell: impl FnMut(Effect, Duration),
) -> Result<(), StoreError> {
    let reader = store.reader()?;
    let (now, mut before) = (clock::now(), None);
    loop {
        let filter = EffectFilter {
            listener: listener.map(str::to_owned),
            capability: Some(capability.to_owned()),
            state: Some(State::Done),
            before,
            limit: limit::RESTORED_AT_ONCE,
            ..EffectFilter::default()
        };
        let effects = reader.effects(&filter)?;
        let Some(first) = effects.first() else { return Ok(()) };
        before = Some(first.number);
        for effect in effects {
            let since = u64::try_from(now - effect.changed_at).unwrap_or(0);
            tell(effect, Duration::from_nanos(since));
        }
    }
}

/// What was done, whomever it was asked for by: the effect, what was said of it, and how long ago.
type Stands = (String, String, Duration);

/// All that was done of a capability, by what is the same.
#[derive(Debug, Default)]
pub(super) struct Standing {
    all: HashMap<String, Vec<Stands>>,
    keys: HashMap<String, String>,
}

impl Standing {
    pub fn of(store: &Store, capability: &str) -> Result<Self, StoreError> {
        let mut standing = Self::default();
        each(store, None, capability, |Effect { key, request, said, .. }, since| {
            let Some(key) = key else { return };
            standing.keys.insert(request.id.clone(), key.clone());
            let stands = (request.id, said.unwrap_or_default(), since);
            standing.all.entry(key).or_default().push(stands);
        })?;
        Ok(standing)
    }

    /// What else stands for the same as an effect, but for some: what was said of it, and how long ago.
    pub fn beside(&self, id: &str, but: impl Fn(&str) -> bool) -> Vec<(&str, Duration)> {
        let same = self.keys.get(id).and_then(|key| self.all.get(key)).into_iter().flatten();
        let others = same.filter(|(other, ..)| other != id && !but(other));
        others.map(|(_, said, since)| (said.as_str(), *since)).collect()
    }
}

/// What else was done of the same as an effect.
#[derive(Debug, Default)]
struct Same {
    /// For the same listener, and may still be in force.
    own: Vec<String>,
    /// For others: what was said of it, and how long ago.
    others: Vec<(String, Duration)>,
}

impl Same {
    /// Looks it up. It is the same by its key as that was kept: what that means to another grant may have changed.
    fn of(store: &Store, capability: &dyn Capability, one: &Effect) -> Result<Self, StoreError> {
        let mut same = Self::default();
        let Some(key) = &one.key else { return Ok(same) };
        each(store, None, &one.capability, |effect, since| {
            if effect.key.as_ref() != Some(key) || effect.number == one.number {
                return;
            }
            if effect.listener != one.listener {
                same.others.push((effect.said.unwrap_or_default(), since));
            } else if capability.lasts(&effect.request, since) {
                same.own.push(effect.request.id);
            }
        })?;
        Ok(same)
    }
}

/// Takes an effect back, and with it what else was done of the same for the same listener: what was blocked twice is one
/// block, and the next start would put it in force again because of the second. What another listener asked for stands
/// until that is taken back too. Nothing is done by the capability of a listener that can't take back what another did.
pub fn undo(
    store: &Store,
    capability: &mut dyn Capability,
    secrets: &dyn Secrets,
    (id, by): (&str, By),
    listener: &str,
) -> Option<Result<String, String>> {
    match store.reader().and_then(|reader| reader.show(id)) {
        Ok(Shown { effect: Some(one), .. }) => {
            let may = one.listener == listener || can_undo(capability, &one);
            may.then(|| undo_one(store, capability, secrets, &one, by))
        }
        Ok(_) => Some(take_back(store, capability, secrets, id, (by, None), &[])),
        Err(error) => Some(Err(error.to_string())),
    }
}

fn undo_one(
    store: &Store,
    capability: &mut dyn Capability,
    secrets: &dyn Secrets,
    one: &Effect,
    by: By,
) -> Result<String, String> {
    let id = one.request.id.as_str();
    let same = if capability.restores() {
        Same::of(store, capability, one).map_err(|error| error.to_string())?
    } else {
        Same::default()
    };
    let Same { own, others } = same;
    let beside: Vec<_> = others.iter().map(|(said, since)| (said.as_str(), *since)).collect();
    let said = take_back(store, capability, secrets, id, (by, None), &beside)?;
    for other in own {
        let why = format!("it is the same as {id}");
        take_back(store, capability, secrets, &other, (by, Some(&why)), &beside)?;
    }
    Ok(said)
}

/// Whether the capability of one listener can take back what was done for another: it is the same to both.
pub fn can_undo(capability: &dyn Capability, effect: &Effect) -> bool {
    let key = capability.key(&effect.request);
    capability.restores() && key.is_some() && key == effect.key
}

#[cfg(test)]
mod tests {
    use correlator_store::effect::State;
    use correlator_store::entry::By;
    use correlator_store::store::Store;
    use correlator_world::Nowhere;

    use super::super::orders::tests::{World, carry_out_for, store};
    use super::undo;

    /// A store in which these are done, each by a listener's name and its own.
    fn world_of(name: &str, done: &[(&str, &str)]) -> (Store, std::path::PathBuf) {
        let folder =
            std::env::temp_dir().join(format!("correlator-done-{name}-{}", std::process::id()));
        let store = store(&folder);
        for (listener, id) in done {
            carry_out_for(&store, listener, id);
        }
        (store, folder)
    }

    fn state(store: &Store, id: &str) -> State {
        let shown = store.reader().and_then(|reader| reader.show(id)).expect("known");
        shown.effect.expect("there").state
    }

    #[test]
    fn what_stands_twice_is_taken_back_as_one() {
        let check = |restores: bool, undone: &[&str]| {
            let all = ["x-1", "x-2", "x-over", "y-1"];
            let done = all.map(|id| ("ops", id));
            let (store, folder) = world_of(&format!("twice-{restores}"), &done);
            let mut world = World { restores, ..World::that_lifts() };
            let said = undo(&store, &mut world, &Nowhere, ("x-2", By::User(7)), "ops");
            assert_eq!(said, Some(Ok("x-2 is undone: lifted".to_owned())));
            for id in all {
                let is_undone = state(&store, id) == State::Undone;
                assert_eq!(is_undone, undone.contains(&id), "{id}");
            }
            drop(store);
            std::fs::remove_dir_all(folder).expect("removed");
        };
        check(true, &["x-1", "x-2"]);
        check(false, &["x-2"]);
    }

    #[test]
    fn what_another_listener_asked_for_stands() {
        let done = [("ops", "x-1"), ("two", "x-2"), ("ops", "x-3"), ("two", "y-1")];
        let (store, folder) = world_of("others", &done);
        let mut world = World { restores: true, ..World::that_lifts() };
        let said = undo(&store, &mut world, &Nowhere, ("x-1", By::User(7)), "ops");
        assert_eq!(said, Some(Ok("x-1 is undone: x-2 stays".to_owned())));
        assert_eq!(
            ["x-1", "x-2", "x-3"].map(|id| state(&store, id)),
            [State::Undone, State::Done, State::Undone]
        );
        // Nobody stands for it any more; and it is the same to whoever takes it back.
        let said = undo(&store, &mut world, &Nowhere, ("x-2", By::User(7)), "ops");
        assert_eq!(said, Some(Ok("x-2 is undone: lifted".to_owned())));
        // What is not the same to another can't be taken back by it.
        let mut other = World::that_lifts();
        assert_eq!(undo(&store, &mut other, &Nowhere, ("y-1", By::User(7)), "ops"), None);
        assert_eq!(state(&store, "y-1"), State::Done);
        let said = undo(&store, &mut other, &Nowhere, ("y-1", By::User(7)), "two");
        assert_eq!(said, Some(Ok("y-1 is undone: lifted".to_owned())));
        drop(store);
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
