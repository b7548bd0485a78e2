//! Random orders of everything that can happen to effects, beside a model that is too simple to be wrong.

use std::collections::BTreeMap;

use correlator_store::effect::{Finished, NewEffect, State};
use correlator_store::entry::By;
use correlator_store::settings::Settings;
use correlator_store::store::{Safety, Store};
use correlator_store::verify::Verification;
use correlator_world::Outcome;

use crate::support::{Folder, Random, check_counted, effect, open};

#[derive(Clone, Debug)]
struct One {
    id: String,
    endpoint: String,
    key: Option<String>,
    state: State,
    next_at: i64,
    attempts: u32,
}

#[derive(Default)]
struct Model(Vec<One>);

impl Model {
    fn same_lane(&self, at: usize) -> impl Iterator<Item = &One> {
        let one = &self.0[at];
        let lane = |other: &&One| {
            one.key.is_some() && (&other.endpoint, &other.key) == (&one.endpoint, &one.key)
        };
        self.0.iter().filter(lane)
    }

    /// What is due at an endpoint: what waits, unless an earlier one of its key does, or any of it is being tried.
    fn due(&self, endpoint: &str, now: i64) -> Vec<String> {
        let ready = |&at: &usize| {
            let one = &self.0[at];
            let first = self
                .same_lane(at)
                .find(|other| other.state == State::Waiting)
                .is_none_or(|first| first.id == one.id);
            let idle = self.same_lane(at).all(|other| other.state != State::Trying);
            one.state == State::Waiting && one.endpoint == endpoint && first && idle
        };
        let mut due: Vec<_> = (0..self.0.len())
            .filter(ready)
            .filter(|&at| self.0[at].next_at <= now)
            .map(|at| (self.0[at].next_at, at))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, at)| self.0[at].id.clone()).collect()
    }

    fn pick(&mut self, random: &mut Random) -> Option<&mut One> {
        let length = self.0.len() as u64;
        (length > 0).then(|| &mut self.0[random.below(length) as usize])
    }
}

const ENDPOINTS: [&str; 2] = ["one", "two"];

fn accept(store: &Store, model: &mut Model, random: &mut Random, now: i64) {
    let mut turn = Vec::new();
    for _ in 0..=random.below(4) {
        let id = format!("e{}", model.0.len());
        let endpoint = ENDPOINTS[random.below(2) as usize].to_owned();
        let key = [None, Some("k"), Some("l")][random.below(3) as usize].map(str::to_owned);
        let listener = endpoint.clone();
        let lane = NewEffect { listener, key: key.clone(), ..effect(&id, now) };
        turn.push(NewEffect { endpoint: endpoint.clone(), ..lane });
        let state = State::Waiting;
        model.0.push(One { id, endpoint, key, state, next_at: now, attempts: 0 });
    }
    store.accept(&turn, Safety::Machine).unwrap();
}

/// Asks for what is due, compares, and begins some of it.
fn begin(store: &Store, model: &mut Model, random: &mut Random, now: i64) {
    for endpoint in ENDPOINTS {
        let due = store.due("mail", Some(endpoint), now, 1_000).unwrap();
        let due: Vec<_> = due.iter().map(|due| due.request.id.as_str()).collect();
        assert_eq!(due, model.due(endpoint, now));
        let some: Vec<_> = due.into_iter().filter(|_| random.below(3) == 0).collect();
        assert!(store.begin(&some, now).unwrap().iter().all(|begun| *begun));
        for one in &mut model.0 {
            if some.contains(&one.id.as_str()) {
                one.state = State::Trying;
                one.attempts += 1;
            }
        }
    }
}

fn finish(store: &Store, model: &mut Model, random: &mut Random, now: i64) {
    let mut finished = Vec::new();
    for one in model.0.iter_mut().filter(|one| one.state == State::Trying) {
        let later = now + random.below(20).cast_signed();
        let (state, outcome, next_at) = match random.below(6) {
            0 => (State::Done, Outcome::Done(String::new()), None),
            1 => (State::Refused, Outcome::Refused("no".to_owned()), None),
            2 => (State::Dead, Outcome::later("busy"), None),
            3 => (State::Waiting, Outcome::later("busy"), Some(later)),
            _ => continue,
        };
        (one.state, one.next_at) = (state, later);
        finished.push(Finished { id: one.id.clone(), outcome, next_at });
    }
    let expected: Vec<_> =
        finished.iter().map(|one| model.0.iter().find(|m| m.id == one.id).unwrap().state).collect();
    assert_eq!(store.finish(&finished, now).unwrap(), expected);
}

fn order(store: &Store, model: &mut Model, random: &mut Random, now: i64) {
    let retry = random.below(2) == 0;
    let Some(one) = model.pick(random) else { return };
    if retry {
        let said = store.retry(&one.id, By::User(1000), now);
        match one.state {
            State::Waiting => one.next_at = now,
            State::Dead | State::Refused | State::Dropped => {
                (one.state, one.next_at, one.attempts) = (State::Waiting, now, 0);
            }
            _ => assert!(said.is_err(), "{one:?}"),
        }
        return;
    }
    let said = store.drop_effect(&one.id, By::User(1000), now);
    match one.state {
        State::Waiting | State::Dead | State::Refused => one.state = State::Dropped,
        _ => assert!(said.is_err(), "{one:?}"),
    }
}

fn compare(store: &Store, model: &Model) {
    let reader = store.reader().unwrap();
    let mut states = BTreeMap::new();
    for one in &model.0 {
        *states.entry(one.state).or_insert(0) += 1;
        let there = reader.show(&one.id).unwrap().effect.unwrap();
        assert_eq!((there.state, there.attempts), (one.state, one.attempts), "{one:?}");
    }
    let status = reader.status().unwrap();
    assert_eq!(status.states.into_iter().collect::<BTreeMap<_, _>>(), states);
    let open: u64 = status.endpoints.iter().map(|one| one.waiting + one.trying + one.dead).sum();
    let of = |state| states.get(&state).copied().unwrap_or(0);
    assert_eq!(open, of(State::Waiting) + of(State::Trying) + of(State::Dead));
    let Verification::Whole { .. } = reader.verify(&[]).unwrap() else { panic!("not whole") };
}

#[test]
fn whatever_happens_the_order_holds() {
    for seed in 1..=6 {
        let folder = Folder::new();
        let (mut store, _) = open(&folder);
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut model = Model::default();
        for now in 1..250 {
            match random.below(10) {
                0..2 => accept(&store, &mut model, &mut random, now),
                2..6 => begin(&store, &mut model, &mut random, now),
                6..8 => finish(&store, &mut model, &mut random, now),
                8 => order(&store, &mut model, &mut random, now),
                _ if random.below(4) == 0 => {
                    drop(store);
                    store = Store::open(&folder, Settings::default(), now).unwrap().0;
                    for one in model.0.iter_mut().filter(|one| one.state == State::Trying) {
                        (one.state, one.next_at) = (State::Waiting, now);
                    }
                }
                _ => {}
            }
        }
        compare(&store, &model);
        check_counted(&folder);
    }
}
