//! What was done before and must be in force no more, since who it was done to is on the allow-list now, or has become an
//! address of this host or of an operator's session: it is taken back as an operator would have it taken back, and the
//! trail says why.
//!
//! The world is asked only after that is written down, so a start after a kill finds what was begun: it is done still, and
//! must not be in force still, and is taken back then.

use std::collections::BTreeMap;
use std::time::Duration;

use correlator_store::entry::By;
use correlator_store::store::Store;
use correlator_world::{Capability, Request, Secrets};

use super::done::Standing;
use super::orders::take_back;
use crate::limit;
use crate::stack::grant::retry::Retry;

/// Takes back what must not be in force, and tells of each what came of it. What else was done of the same, and may be in
/// force, stands.
pub(super) fn lift(
    store: &Store,
    (capability, name): (&mut dyn Capability, &str),
    secrets: &dyn Secrets,
    done: &[(Request, Duration)],
) -> Vec<Result<String, String>> {
    let forbidden = done.iter().filter_map(|(request, since)| {
        let why = capability.forbids(request, *since)?;
        Some((request.id.as_str(), why))
    });
    let forbidden: BTreeMap<&str, String> = forbidden.collect();
    let standing = if forbidden.is_empty() || !capability.restores() {
        Ok(Standing::default())
    } else {
        Standing::of(store, name)
    };
    let standing = match standing {
        Ok(standing) => standing,
        Err(error) => return vec![Err(error.to_string())],
    };
    let one = |(id, why): (&&str, &String)| {
        let told = |said: String| format!("{why}: {said}");
        let by = (By::Engine, Some(why.as_str()));
        let others = standing.beside(id, |other| forbidden.contains_key(other));
        take_back(store, capability, secrets, id, by, &others).map(told).map_err(told)
    };
    forbidden.iter().map(one).collect()
}

/// When what was done is looked through for what must not be in force.
#[derive(Debug)]
pub(super) struct Judgement {
    due: i64,
    /// How often in a row something could not be taken back.
    failures: u32,
}

impl Judgement {
    /// Nothing is to be looked through.
    pub(super) fn over() -> Self {
        Self { due: i64::MAX, failures: 0 }
    }

    /// There is a reason to look through it.
    pub(super) fn call(&mut self) {
        *self = Self { due: i64::MIN, failures: 0 };
    }

    pub(super) fn is_due(&self, now: i64) -> bool {
        self.due <= now
    }

    /// It was looked through. What could not be taken back is tried again for a while.
    pub(super) fn learn(&mut self, is_done: bool, retry: &Retry, now: i64) {
        self.failures = if is_done { 0 } else { self.failures.saturating_add(1) };
        self.due = match self.failures {
            1..=limit::LIFT_TRIES_MAX => now.saturating_add(retry.pause(self.failures)),
            _ => i64::MAX,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use correlator_store::effect::{Shown, State};
    use correlator_store::entry::{By, Kind};
    use correlator_store::settings::Settings;
    use correlator_store::store::Store;
    use correlator_world::{Nowhere, Request};

    use super::super::orders::tests::{World, carry_out_for, store};
    use super::{Judgement, lift};
    use crate::limit;
    use crate::stack::grant::retry::Retry;
    use crate::stack::grant::world::Manner;

    /// A world in which what was done must be in force no more.
    fn ours() -> World {
        World { forbids: Some("it is ours"), ..World::that_lifts() }
    }

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("correlator-lift-{name}-{}", std::process::id()))
    }

    /// Lifts what must not be in force of the effect `a`, and shows it.
    fn look_through(store: &Store, world: &mut World) -> (Vec<Result<String, String>>, Shown) {
        let request = Request { id: "a".to_owned(), ..Request::default() };
        let told = lift(store, (world, "webhook"), &Nowhere, &[(request, Duration::ZERO)]);
        (told, store.reader().and_then(|reader| reader.show("a")).expect("known"))
    }

    fn check_undone(shown: &Shown) {
        assert_eq!(shown.effect.as_ref().map(|effect| effect.state), Some(State::Undone));
        let [.., ordered, undone] = &shown.entries[..] else { panic!("{:?}", shown.entries) };
        let order = (ordered.kind, ordered.by, &*ordered.text);
        assert_eq!(order, (Kind::Command, By::Engine, "undo: it is ours"));
        assert_eq!((undone.kind, &*undone.text), (Kind::Undo, "lifted"));
    }

    #[test]
    fn what_must_not_be_in_force_is_undone_and_the_trail_says_why() {
        let folder = folder("why");
        let store = store(&folder);
        let (told, shown) = look_through(&store, &mut World::that_lifts());
        assert!(told.is_empty() && shown.entries.len() == 2, "{told:?} {shown:?}");
        let (told, shown) = look_through(&store, &mut ours());
        assert_eq!(told, [Ok("it is ours: a is undone: lifted".to_owned())]);
        check_undone(&shown);
        drop(store);
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn what_else_was_done_of_the_same_stands() {
        let folder = folder("beside");
        let store = store(&folder);
        for (listener, id) in [("ops", "x-1"), ("ops", "x-2"), ("two", "x-3")] {
            carry_out_for(&store, listener, id);
        }
        let lift = |ids: &[&str]| {
            let request = |id: &&str| Request { id: (*id).to_owned(), ..Request::default() };
            let done: Vec<_> = ids.iter().map(|id| (request(id), Duration::ZERO)).collect();
            let mut world = World { restores: true, ..ours() };
            lift(&store, (&mut world, "webhook"), &Nowhere, &done)
        };
        let told = |id: &str, said: &str| Ok(format!("it is ours: {id} is undone: {said}"));
        assert_eq!(lift(&["x-1", "x-2"]), [told("x-1", "x-3 stays"), told("x-2", "x-3 stays")]);
        assert_eq!(lift(&["x-3"]), [told("x-3", "lifted")]);
        drop(store);
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn what_a_kill_broke_off_is_begun_anew() {
        let reopen =
            |folder: &Path| Store::open(folder, Settings::default(), 5).expect("a store").0;
        let folder = folder("kill");
        let before = store(&folder);
        before.undo_begin("a", (By::Engine, Some("it is ours")), 4).expect("begun");
        drop(before);
        // It is done still, and nobody is at it; whoever looks through what is done finds it.
        let after = reopen(&folder);
        let (_, shown) = look_through(&after, &mut World::that_lifts());
        let effect = shown.effect.expect("there");
        assert_eq!((effect.state, effect.undoing), (State::Done, false));
        let (_, shown) = look_through(&after, &mut ours());
        check_undone(&shown);
        drop(after);
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn what_can_not_be_taken_back_is_tried_again_for_a_while() {
        let retry = Retry::usual(Manner::Single);
        let mut judgement = Judgement::over();
        assert!(!judgement.is_due(i64::MAX - 1));
        judgement.call();
        assert!(judgement.is_due(0));
        judgement.learn(false, &retry, 0);
        assert!(!judgement.is_due(retry.first - 1) && judgement.is_due(retry.first));
        judgement.learn(true, &retry, 0);
        assert!(!judgement.is_due(i64::MAX - 1));
        judgement.call();
        let tries = (0..).take_while(|_| {
            let is_due = judgement.is_due(i64::MAX - 1);
            judgement.learn(false, &retry, 0);
            is_due
        });
        assert_eq!(tries.count(), limit::LIFT_TRIES_MAX as usize + 1);
    }
}
