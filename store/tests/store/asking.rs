//! What is asked about, while somebody writes and when nobody does.

use correlator_store::effect::{Cause, Decision, NewEffect, State};
use correlator_store::entry::{By, Kind, Verdict};
use correlator_store::error::StoreError;
use correlator_store::filter::{AuditFilter, EffectFilter};
use correlator_store::reader::Reader;
use correlator_store::status::Endpoint;
use correlator_store::store::Store;
use correlator_world::{Cell, Outcome};

use crate::support::{Folder, accept, attempt, done, effect, ids, open};

fn fill(store: &Store) {
    let other = |id: &str, time| NewEffect {
        listener: "blocker".to_owned(),
        capability: "firewall".to_owned(),
        endpoint: "set".to_owned(),
        ..effect(id, time)
    };
    let denied = Decision::Denied("no".to_owned());
    accept(store, &[effect("a", 1), NewEffect { decision: denied, ..effect("b", 2) }]);
    accept(store, &[other("x", 3), other("y", 4)]);
    attempt(store, "a", done(), None, 5);
    attempt(store, "x", Outcome::later("busy"), None, 6);
    store.note_command(By::User(0), "reload", 7).unwrap();
}

#[test]
fn the_trail_is_listed_by_whatever_is_asked_for() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    let reader = store.reader().unwrap();
    let all = AuditFilter { limit: 100, ..AuditFilter::default() };
    let check = |filter: AuditFilter, expected: &[u64]| {
        let found = reader.audit(&filter).unwrap();
        let found: Vec<_> = found.iter().map(|entry| entry.sequence).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let text = |text: &str| Some(text.to_owned());
    check(all.clone(), &[1, 2, 3, 4, 5, 6, 7]);
    check(AuditFilter { limit: 2, ..all.clone() }, &[6, 7]);
    check(AuditFilter { limit: 2, after: Some(3), ..all.clone() }, &[4, 5]);
    check(AuditFilter { after: Some(7), ..all.clone() }, &[]);
    check(AuditFilter { listener: text("blocker"), ..all.clone() }, &[3, 4, 6]);
    check(AuditFilter { capability: text("mail"), ..all.clone() }, &[1, 2, 5]);
    check(AuditFilter { effect: text("a"), ..all.clone() }, &[1, 5]);
    check(AuditFilter { event: text("event-x"), ..all.clone() }, &[3, 6]);
    check(AuditFilter { since: Some(5), ..all.clone() }, &[5, 6, 7]);
    check(AuditFilter { verdict: Some(Verdict::Denied), ..all.clone() }, &[2]);
    check(AuditFilter { verdict: Some(Verdict::Dead), ..all.clone() }, &[6]);
    check(AuditFilter { kind: Some(Kind::Command), ..all.clone() }, &[7]);
    let both = AuditFilter { listener: text("mailer"), since: Some(2), ..all.clone() };
    check(both, &[2, 5]);
    // What looks like SQL is a value like any other.
    check(AuditFilter { listener: text("x' OR 1=1 --"), ..all }, &[]);
}

#[test]
fn an_entry_says_who_asked_for_what_because_of_which_record_and_what_happened() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    let shown = store.reader().unwrap().show("a").unwrap();
    let [decision, attempt] = &shown.entries[..] else { panic!("{shown:?}") };
    assert_eq!((decision.kind, decision.verdict), (Kind::Decision, Some(Verdict::Granted)));
    assert_eq!(decision.listener.as_deref(), Some("mailer"));
    assert_eq!(decision.component.as_deref(), Some("00ff"));
    assert_eq!(decision.plan.as_deref(), Some("would send a to ops@example.org"));
    assert_eq!(decision.causes, effect("a", 1).causes);
    assert_eq!((attempt.kind, attempt.verdict), (Kind::Attempt, Some(Verdict::Done)));
    assert_eq!((attempt.attempt, attempt.time, &*attempt.text), (Some(1), 5, "250 taken"));
    assert_eq!(shown.effect.unwrap().number, decision.sequence);
    let said = store.reader().unwrap().show("nobody").unwrap_err();
    assert!(matches!(said, StoreError::Unknown { .. }), "{said}");
}

#[test]
fn why_walks_from_an_event_to_its_effects_and_from_them_to_the_records() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let cause = |event: &str| Cause { event: event.to_owned(), record: None };
    let digest = NewEffect { causes: vec![cause("one"), cause("two")], ..effect("mail", 1) };
    let block = NewEffect { causes: vec![cause("two")], ..effect("block", 2) };
    accept(&store, &[digest, block]);
    let reader = store.reader().unwrap();
    let why = |event: &str| {
        let found = reader.why(event).unwrap();
        found.into_iter().map(|shown| shown.id).collect::<Vec<_>>()
    };
    assert_eq!(why("one"), ["mail"]);
    assert_eq!(why("two"), ["mail", "block"]);
    assert!(why("three").is_empty());
    accept(&store, &[effect("a", 3)]);
    let shown = &reader.why("event-a").unwrap()[0];
    let record = shown.entries[0].causes[0].record.as_ref().unwrap();
    assert_eq!(record.raw, b"a line for a");
}

#[test]
fn effects_are_listed_by_whatever_is_asked_for() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    let reader = store.reader().unwrap();
    let all = EffectFilter { limit: 100, ..EffectFilter::default() };
    let check = |filter: EffectFilter, expected: &[&str]| {
        let found = reader.effects(&filter).unwrap();
        let found: Vec<_> = found.iter().map(|effect| effect.request.id.as_str()).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let text = |text: &str| Some(text.to_owned());
    check(all.clone(), &["a", "b", "x", "y"]);
    check(EffectFilter { limit: 2, ..all.clone() }, &["x", "y"]);
    check(EffectFilter { limit: 2, before: Some(3), ..all.clone() }, &["a", "b"]);
    check(EffectFilter { listener: text("blocker"), ..all.clone() }, &["x", "y"]);
    check(EffectFilter { capability: text("mail"), ..all.clone() }, &["a", "b"]);
    check(EffectFilter { endpoint: text("set"), ..all.clone() }, &["x", "y"]);
    check(EffectFilter { state: Some(State::Dead), ..all.clone() }, &["x"]);
    check(EffectFilter { since: Some(4), ..all }, &["y"]);
}

#[test]
fn status_counts() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    accept(&store, &[effect("c", 9), effect("d", 8)]);
    store.begin(&["c"], 10).unwrap();
    let status = store.reader().unwrap().status().unwrap();
    let states = [(State::Waiting, 2), (State::Trying, 1), (State::Done, 1)];
    let states: Vec<_> = states.into_iter().chain([(State::Dead, 1), (State::Denied, 1)]).collect();
    assert_eq!(status.states, states);
    let endpoint = |capability: &str, endpoint: &str, counts: [u64; 3], oldest| Endpoint {
        capability: capability.to_owned(),
        endpoint: endpoint.to_owned(),
        waiting: counts[0],
        trying: counts[1],
        dead: counts[2],
        oldest: Some(oldest),
    };
    let expected =
        [endpoint("firewall", "set", [1, 0, 1], 4), endpoint("mail", "relay", [1, 1, 0], 8)];
    assert_eq!(status.endpoints, expected);
    assert!(!status.more_endpoints && status.bytes > 0 && status.head.sequence == 9);
}

#[test]
fn who_reads_sees_what_is_committed_and_holds_up_nobody() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let reader = Reader::open(&folder).unwrap();
    let count =
        |reader: &Reader| reader.status().unwrap().states.first().map_or(0, |&(_, count)| count);
    for round in 0..50 {
        accept(&store, &[effect(&format!("e{round}"), round)]);
        assert_eq!(count(&reader), round.unsigned_abs() + 1);
        if round % 10 == 0 {
            assert_eq!(store.settle().unwrap().ahead_pages, 0);
        }
    }
    // Also while somebody reads for a long time: then what is ahead stays there for so long.
    let mut long = rusqlite::Connection::open(folder.join("store.db")).unwrap();
    let moment = long.transaction().unwrap();
    let effects: i64 =
        moment.query_row("SELECT count(*) FROM effect", (), |row| row.get(0)).unwrap();
    assert_eq!(effects, 50);
    accept(&store, &[effect("late", 99)]);
    assert!(store.settle().unwrap().ahead_pages > 0);
    drop(moment);
    assert_eq!(store.settle().unwrap().ahead_pages, 0);
    assert_eq!(count(&reader), 51);
    drop(store);
    assert_eq!(count(&reader), 51);
    assert_eq!(count(&Reader::open(&folder).unwrap()), 51);
}

#[test]
fn an_answer_has_a_bound_and_the_rest_can_be_asked_for() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    for number in 0..10 {
        let mut large = effect(&format!("e{number}"), number);
        large.request.cells[0].1 = Cell::Text("x".repeat(3 << 20));
        accept(&store, &[large]);
    }
    let due = store.due("mail", None, 10, 100).unwrap();
    assert_eq!(ids(&due), ["e0", "e1", "e2", "e3", "e4"], "16 MiB at once");
    let names: Vec<_> = ids(&due);
    store.begin(&names, 10).unwrap();
    assert_eq!(ids(&store.due("mail", None, 10, 100).unwrap()).len(), 5);
    let newest = EffectFilter { limit: 100, ..EffectFilter::default() };
    assert_eq!(store.reader().unwrap().effects(&newest).unwrap().len(), 10);
}

#[test]
fn names_are_read_as_they_are_written() {
    for state in State::all() {
        assert_eq!(state.name().parse::<State>().unwrap(), state);
    }
    for name in
        ["decision", "attempt", "interruption", "undo", "command", "grant", "pruning", "tear"]
    {
        assert_eq!(name.parse::<Kind>().unwrap().to_string(), name);
    }
    for name in ["granted", "denied", "dry", "done", "later", "refused", "dead", "unknown"] {
        assert_eq!(name.parse::<Verdict>().unwrap().to_string(), name);
    }
    let said = "gone".parse::<State>().unwrap_err();
    assert!(said.starts_with("a state is one of waiting, trying, done"), "{said}");
}
