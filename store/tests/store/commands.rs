//! What operators order: trying again, giving up, taking back.

use correlator_store::command::Grant;
use correlator_store::effect::State;
use correlator_store::entry::{By, Kind, Verdict};
use correlator_store::error::StoreError;
use correlator_store::filter::AuditFilter;
use correlator_store::store::Store;
use correlator_world::Outcome;

use crate::support::{Folder, accept, attempt, copy, done, effect, finish, ids, keyed, now, open};

const OPERATOR: By = By::User(1000);

fn die(store: &Store, id: &str, now: i64) {
    assert_eq!(attempt(store, id, Outcome::later("busy"), None, now), State::Dead);
}

#[test]
fn the_dead_are_tried_again_before_what_came_after_them() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[keyed("k1", "k", 1), keyed("k2", "k", 2), keyed("k3", "k", 3)]);
    die(&store, "k1", 5);
    store.begin(&["k2"], 6).unwrap();
    store.retry("k1", OPERATOR, 7).unwrap();
    let due = |at| {
        let due = store.due("mail", None, at, 10).unwrap();
        ids(&due).iter().map(|&id| id.to_owned()).collect::<Vec<_>>()
    };
    assert!(due(9).is_empty(), "one of its key is being tried");
    finish(&store, "k2", Outcome::later("busy"), Some(20), 8);
    assert_eq!(due(30), ["k1"]);
    assert_eq!(now(&store, "k1").attempts, 0);
    attempt(&store, "k1", done(), None, 30);
    assert_eq!(due(30), ["k2"]);
    // Nobody has to wait who is told not to.
    attempt(&store, "k2", Outcome::later("busy"), Some(1_000), 31);
    assert!(due(32).is_empty());
    store.retry("k2", OPERATOR, 32).unwrap();
    assert_eq!(due(32), ["k2"]);
}

#[test]
fn what_is_given_up_makes_way() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[keyed("k1", "k", 1), keyed("k2", "k", 2), keyed("k3", "k", 3)]);
    store.drop_effect("k2", OPERATOR, 5).unwrap();
    assert_eq!(ids(&store.due("mail", None, 9, 10).unwrap()), ["k1"]);
    store.drop_effect("k1", OPERATOR, 6).unwrap();
    assert_eq!(ids(&store.due("mail", None, 9, 10).unwrap()), ["k3"]);
    assert_eq!(now(&store, "k1").state, State::Dropped);
    // A change of mind.
    store.retry("k2", OPERATOR, 7).unwrap();
    assert_eq!(ids(&store.due("mail", None, 9, 10).unwrap()), ["k2"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_state() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("done", 1), effect("trying", 1), effect("waiting", 1)]);
    attempt(&store, "done", done(), None, 5);
    store.begin(&["trying"], 5).unwrap();
    let check = |said: Result<(), StoreError>, expected: &str| {
        assert_eq!(said.unwrap_err().to_string(), expected);
    };
    let (retry, give_up) =
        (|id| store.retry(id, OPERATOR, 9), |id| store.drop_effect(id, OPERATOR, 9));
    let undo = |id| store.undo_begin(id, (OPERATOR, None), 9).map(|_| ());
    check(retry("done"), "effect `done` is done and can't be tried again");
    check(retry("trying"), "effect `trying` is trying and can't be tried again");
    check(retry("nobody"), "there is no effect `nobody` in the store");
    check(give_up("done"), "effect `done` is done and can't be dropped");
    check(give_up("trying"), "effect `trying` is trying and can't be dropped");
    check(undo("waiting"), "effect `waiting` is waiting and can't be undone");
    check(undo("nobody"), "there is no effect `nobody` in the store");
    let said = store.undo_finish("done", &done(), 9).map(|_| ());
    check(said, "effect `done` is done and can't be undone without having begun");
    store.undo_begin("done", (OPERATOR, None), 9).unwrap();
    check(undo("done"), "effect `done` is being undone already");
}

#[test]
fn what_was_done_is_taken_back_once() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("a", 1)]);
    attempt(&store, "a", done(), None, 5);
    let undo = store.undo_begin("a", (OPERATOR, None), 10).unwrap();
    assert_eq!(undo.request, effect("a", 1).request);
    assert!(now(&store, "a").undoing);
    assert_eq!(store.undo_finish("a", &Outcome::later("busy"), 11).unwrap(), State::Done);
    // It is in force as before: since when, and what was said of it then, still hold.
    let still = now(&store, "a");
    assert_eq!((still.undoing, still.changed_at), (false, 5));
    assert_eq!(still.said, Some("250 taken".to_owned()));
    store.undo_begin("a", (By::Engine, Some("it must not be")), 12).unwrap();
    assert_eq!(
        store.undo_finish("a", &Outcome::Done("lifted".to_owned()), 13).unwrap(),
        State::Undone
    );
    store.undo_begin("a", (OPERATOR, None), 14).unwrap_err();
    let entries = store.reader().unwrap().show("a").unwrap().entries;
    let told: Vec<_> =
        entries.iter().map(|entry| (entry.kind, entry.verdict, entry.by.uid())).collect();
    let expected = [
        (Kind::Decision, Some(Verdict::Granted), None),
        (Kind::Attempt, Some(Verdict::Done), None),
        (Kind::Command, None, Some(1000)),
        (Kind::Undo, Some(Verdict::Later), None),
        (Kind::Command, None, None),
        (Kind::Undo, Some(Verdict::Done), None),
    ];
    assert_eq!(told, expected);
    assert_eq!((&*entries[2].text, &*entries[4].text), ("undo", "undo: it must not be"));
}

#[test]
fn what_may_have_been_done_can_be_taken_back_too() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("dead", 1), effect("never", 1)]);
    die(&store, "dead", 5);
    store.drop_effect("never", OPERATOR, 6).unwrap();
    store.undo_begin("never", (OPERATOR, None), 7).unwrap_err();
    store.undo_begin("dead", (OPERATOR, None), 7).unwrap();
    store.retry("dead", OPERATOR, 7).unwrap_err();
    // An engine that stops meanwhile does not know.
    let crashed = copy(&folder);
    let (after, recovery) = open(&crashed);
    assert_eq!(recovery.undo_interrupted, ["dead"]);
    let shown = now(&after, "dead");
    assert_eq!((shown.state, shown.undoing), (State::Dead, false));
    assert_eq!(shown.said.as_deref(), Some("busy"));
    let entries = after.reader().unwrap().show("dead").unwrap().entries;
    assert!(entries.last().unwrap().text.contains("it may have been"));
    after.undo_begin("dead", (OPERATOR, None), 8).unwrap();
    let refused = Outcome::Refused("what is sent can't be taken back".to_owned());
    assert_eq!(after.undo_finish("dead", &refused, 9).unwrap(), State::Dead);
}

#[test]
fn orders_and_grants_are_in_the_trail_with_who_and_when() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    store.note_command(OPERATOR, "reload", 5).unwrap();
    let grant = |text: &'static str| Grant {
        listener: "mailer",
        component: "00ff",
        capability: "mail",
        text,
    };
    assert!(store.note_grant(&grant("to: [ops]"), By::Engine, 6).unwrap());
    assert!(!store.note_grant(&grant("to: [ops]"), By::Engine, 7).unwrap(), "nothing changed");
    assert!(store.note_grant(&grant("to: [ops, dev]"), By::Engine, 8).unwrap());
    drop(store);
    let (store, _) = open(&folder);
    assert!(!store.note_grant(&grant("to: [ops, dev]"), By::Engine, 9).unwrap());
    let all = AuditFilter { limit: 100, ..AuditFilter::default() };
    let entries = store.reader().unwrap().audit(&all).unwrap();
    let told: Vec<_> =
        entries.iter().map(|entry| (entry.kind, entry.time, entry.by, &*entry.text)).collect();
    let expected = [
        (Kind::Command, 5, OPERATOR, "reload"),
        (Kind::Grant, 6, By::Engine, "to: [ops]"),
        (Kind::Grant, 8, By::Engine, "to: [ops, dev]"),
    ];
    assert_eq!(told, expected);
}
