//! Accepting: whole turns, once.

use correlator_store::effect::{Accepted, Cause, Decision, NewEffect, Record, State};
use correlator_store::error::StoreError;
use correlator_store::{
    limit,
    settings::Settings,
    store::{Safety, Store},
};
use correlator_world::Cell;

use crate::support::{Folder, accept, attempt, done, effect, ids, now, open};

#[test]
fn what_is_accepted_is_known_from_then_on() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let turn = [effect("a", 1), effect("b", 2)];
    let new = [Accepted::New(State::Waiting); 2];
    assert_eq!(accept(&store, &turn), new);
    attempt(&store, "a", done(), None, 5);
    let known = |state| Accepted::Known { state, differs: false };
    assert_eq!(accept(&store, &turn), [known(State::Done), known(State::Waiting)]);
    // Also by the one who comes after, and in the middle of what is new.
    drop(store);
    let (store, _) = open(&folder);
    let more = [effect("b", 2), effect("c", 3), effect("c", 3)];
    let said = accept(&store, &more);
    let waiting = known(State::Waiting);
    assert_eq!(said, [waiting, Accepted::New(State::Waiting), waiting]);
    assert_eq!(ids(&store.due("mail", None, 10, 10).unwrap()), ["b", "c"]);
}

#[test]
fn what_comes_back_different_is_told_and_changes_nothing() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("a", 1)]);
    let mut other = effect("a", 1);
    other.request.cells[0].1 = Cell::Text("evil@example.org".to_owned());
    let said = accept(&store, &[other]);
    assert_eq!(said, [Accepted::Known { state: State::Waiting, differs: true }]);
    assert_eq!(now(&store, "a").request, effect("a", 1).request);
}

#[test]
fn what_is_not_granted_never_is_due() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let denied = Decision::Denied("`ops` is not in the grant; add it to `targets`".to_owned());
    let turn = [
        NewEffect { decision: denied, ..effect("denied", 1) },
        NewEffect { decision: Decision::DryRun, ..effect("dry", 2) },
    ];
    let said = accept(&store, &turn);
    assert_eq!(said, [Accepted::New(State::Denied), Accepted::New(State::Dry)]);
    assert!(store.due("mail", None, i64::MAX, 10).unwrap().is_empty());
    assert_eq!(store.begin(&["denied", "dry"], 5).unwrap(), [false, false]);
    let shown = now(&store, "denied");
    assert_eq!(shown.said.unwrap(), "`ops` is not in the grant; add it to `targets`");
    assert_eq!(now(&store, "dry").plan, "would send dry to ops@example.org");
}

#[test]
fn a_turn_is_accepted_whole_or_not_at_all() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let check = |bad: NewEffect, expected: &str| {
        let said =
            store.accept(&[effect("good", 1), bad], Safety::Machine).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
        assert_eq!(store.reader().unwrap().status().unwrap().states, []);
    };
    check(effect("", 1), "can't be the id of a request");
    check(effect("a b", 1), "`a b` can't be the id of a request");
    check(effect("a\u{1b}[2J", 1), "`a\\u{1b}[2J` can't be the id");
    check(effect(&"a".repeat(201), 1), "1 to 200 of the letters");
    let mut large = effect("large", 1);
    large.request.cells[0].1 = Cell::Text("x".repeat(limit::REQUEST_BYTES_MAX));
    check(large.clone(), "the request of effect `large` has ");
    check(
        NewEffect { endpoint: "e".repeat(limit::LANE_BYTES_MAX + 1), ..effect("far", 1) },
        "the endpoint of effect `far` has 1025 bytes; at most 1024 are kept",
    );
    check(NewEffect { key: Some("k".repeat(2_000)), ..effect("far", 1) }, "the key of effect");
    assert!(large.check().is_err() && effect("good", 1).check().is_ok());
    // What is denied is recorded, however large it is, and takes no room.
    large.decision = Decision::Denied("too large".repeat(1_000));
    large.endpoint = "e".repeat(1 << 20);
    assert_eq!(accept(&store, &[large]), [Accepted::New(State::Denied)]);
    let kept = now(&store, "large");
    assert!(kept.request.cells.is_empty() && kept.endpoint.len() <= limit::LANE_BYTES_MAX);
    assert!(kept.said.unwrap().ends_with('…'));
}

#[test]
fn causes_are_kept_as_far_as_they_may_go() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let record = |length: usize| {
        let raw = vec![b'x'; length];
        Some(Record { source: "auth".to_owned(), position: u64::MAX, raw, bytes: length as u64 })
    };
    let mut many = effect("many", 1);
    many.causes = (0..2_000)
        .map(|number| Cause { event: format!("e{number}"), record: record(10_000) })
        .collect();
    many.causes[1].record = None;
    accept(&store, &[many]);
    let shown = store.reader().unwrap().show("many").unwrap();
    let kept = &shown.entries[0].causes;
    assert_eq!(kept.len(), limit::CAUSES_MAX);
    let first = kept[0].record.as_ref().unwrap();
    assert_eq!((first.raw.len(), first.bytes), (limit::RAW_BYTES_MAX, 10_000));
    assert_eq!((first.position, first.source.as_str()), (u64::MAX, "auth"));
    assert_eq!(kept[1].record, None);
    let sum: usize = kept.iter().flat_map(|cause| &cause.record).map(|one| one.raw.len()).sum();
    assert_eq!(sum, limit::RAW_BYTES_SUM_MAX);
    assert_eq!(kept[1_000].record.as_ref().unwrap().bytes, 10_000);
}

#[test]
fn a_store_that_is_full_takes_nothing_new_and_delivers_what_it_has() {
    let folder = Folder::new();
    let settings = Settings { bytes_max: limit::BYTES_MAX_MIN };
    let (store, _) = Store::open(&folder, settings, 0).unwrap();
    let mut taken = Vec::new();
    let error = loop {
        let id = format!("e{}", taken.len());
        // Each of a listener that has nothing yet: nobody has his share.
        let mut large = NewEffect { listener: format!("of-{id}"), ..effect(&id, 1) };
        large.request.cells[0].1 = Cell::Text("x".repeat(1 << 20));
        match store.accept(&[large], Safety::Machine) {
            Ok(_) => taken.push(id),
            Err(error) => break error,
        }
    };
    assert!(error.is_full() && matches!(error, StoreError::Bound { .. }), "{error}");
    assert!(error.to_string().starts_with("the store is full: "), "{error}");
    assert!(taken.len() >= 15);
    for id in &taken {
        assert_eq!(attempt(&store, id, done(), None, 5), State::Done);
    }
}

#[test]
fn many_threads_accept_and_everything_is_there_once() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for turn in 0..10 {
                    // Half of every turn is what another thread offers, too.
                    let turn: Vec<_> = (0..10)
                        .map(|number| {
                            let own = if number % 2 == 0 { thread } else { 0 };
                            effect(&format!("{own}-{turn}-{number}"), 1)
                        })
                        .collect();
                    store.accept(&turn, Safety::Machine).unwrap();
                }
            });
        }
    });
    let due = store.due("mail", Some("relay"), 5, 1_000).unwrap();
    assert_eq!(due.len(), 4 * 50 + 50);
}
