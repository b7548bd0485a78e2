//! Delivery: what is due, in which order, and what came of it.

use correlator_store::delivery::NextDue;
use correlator_store::effect::{NewEffect, State};
use correlator_store::error::StoreError;
use correlator_world::Outcome;

use crate::support::{Folder, accept, attempt, copy, done, effect, finish, ids, keyed, now, open};

#[test]
fn what_is_due_says_all_that_a_delivery_wants() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[keyed("a", "k", 7)]);
    let due = store.due("mail", Some("relay"), 7, 10).unwrap();
    let [due] = &due[..] else { panic!("{due:?}") };
    assert_eq!(due.request, effect("a", 7).request);
    let names = (&*due.listener, &*due.capability, &*due.endpoint, due.key.as_deref());
    assert_eq!(names, ("mailer", "mail", "relay", Some("k")));
    assert_eq!((due.attempts, due.maybe_done, due.since), (0, false, 7));
    assert!(store.due("mail", Some("relay"), 6, 10).unwrap().is_empty(), "not yet");
    assert!(store.due("mail", Some("other"), 9, 10).unwrap().is_empty());
    assert!(store.due("sms", None, 9, 10).unwrap().is_empty());
    assert!(store.due("mail", None, 9, 0).unwrap().is_empty());
}

#[test]
fn of_one_key_only_the_first_is_due_and_others_wait_for_nobody() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[keyed("a1", "a", 1), keyed("a2", "a", 2), effect("free", 3)]);
    accept(&store, &[keyed("b1", "b", 4), keyed("a3", "a", 5)]);
    let due = |at| {
        let due = store.due("mail", Some("relay"), at, 10).unwrap();
        ids(&due).iter().map(|&id| id.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(due(10), ["a1", "free", "b1"]);
    assert_eq!(store.begin(&["a1"], 10).unwrap(), [true]);
    assert_eq!(due(10), ["free", "b1"]);
    assert_eq!(store.begin(&["a2", "a1"], 10).unwrap(), [false, false]);
    // Later is later for all of them.
    finish(&store, "a1", Outcome::later("busy"), Some(50), 11);
    assert_eq!(due(49), ["free", "b1"]);
    assert_eq!(due(50), ["free", "b1", "a1"]);
    attempt(&store, "a1", done(), None, 51);
    assert_eq!(due(51), ["a2", "free", "b1"]);
    // Whatever ends the first lets the next go ahead.
    attempt(&store, "a2", Outcome::Refused("no such user".to_owned()), None, 52);
    assert_eq!(due(52), ["free", "b1", "a3"]);
    attempt(&store, "a3", Outcome::later("busy"), None, 53);
    assert_eq!(now(&store, "a3").state, State::Dead);
    accept(&store, &[keyed("a4", "a", 60)]);
    assert_eq!(due(60), ["free", "b1", "a4"], "the dead hold up nobody");
}

#[test]
fn endpoints_are_told_apart() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let at = |id: &str, endpoint: &str, time| NewEffect {
        endpoint: endpoint.to_owned(),
        ..keyed(id, "k", time)
    };
    accept(&store, &[at("x", "two", 9), at("y", "one", 5), at("z", "one", 4), at("e", "", 3)]);
    let next = |endpoint: &str, next_at| NextDue { endpoint: endpoint.to_owned(), next_at };
    assert_eq!(store.next_due("mail").unwrap(), [next("", 3), next("one", 5), next("two", 9)]);
    assert_eq!(store.next_due("sms").unwrap(), []);
    assert_eq!(ids(&store.due("mail", None, 8, 10).unwrap()), ["e", "y"]);
    assert_eq!(ids(&store.due("mail", None, 9, 2).unwrap()), ["e", "y"]);
    store.begin(&["e", "y"], 9).unwrap();
    assert_eq!(store.next_due("mail").unwrap(), [next("two", 9)]);
}

#[test]
fn what_came_of_it_is_kept() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("a", 1), effect("b", 1)]);
    assert_eq!(attempt(&store, "a", Outcome::later("busy"), Some(9), 5), State::Waiting);
    let after = now(&store, "a");
    assert_eq!((after.attempts, after.next_at, after.changed_at), (1, Some(9), 5));
    assert_eq!(after.said.as_deref(), Some("busy"));
    assert_eq!(attempt(&store, "a", done(), None, 9), State::Done);
    let after = now(&store, "a");
    assert_eq!((after.attempts, after.next_at, after.changed_at), (2, None, 9));
    assert_eq!(after.said.as_deref(), Some("250 taken"));
    // What nobody began, and what is over, stays as it is.
    assert_eq!(finish(&store, "b", done(), None, 10), State::Waiting);
    assert_eq!(finish(&store, "a", Outcome::Refused(String::new()), None, 10), State::Done);
    let unknown = [correlator_store::effect::Finished {
        id: "nobody".to_owned(),
        outcome: done(),
        next_at: None,
    }];
    let said = store.finish(&unknown, 10).unwrap_err();
    assert!(matches!(&said, StoreError::Unknown { id } if id == "nobody"), "{said}");
    assert_eq!(said.to_string(), "there is no effect `nobody` in the store");
}

#[test]
fn what_was_being_tried_when_the_engine_stopped_may_have_been_done() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[keyed("a1", "a", 1), keyed("a2", "a", 2), effect("b", 3), effect("c", 4)]);
    store.begin(&["a1", "b"], 5).unwrap();
    finish(&store, "b", done(), None, 6);
    let crashed = copy(&folder);
    let (after, recovery) = open(&crashed);
    assert!(recovery.crashed && !recovery.made && recovery.torn.is_none(), "{recovery:?}");
    assert_eq!((recovery.interrupted, recovery.doubtful), (vec!["a1".to_owned()], 0));
    let due = after.due("mail", None, 10, 10).unwrap();
    assert_eq!(ids(&due), ["a1", "c"]);
    assert_eq!((due[0].maybe_done, due[0].attempts, due[1].maybe_done), (true, 1, false));
    // Until it is done for certain.
    attempt(&after, "a1", Outcome::later("busy"), Some(20), 12);
    assert!(now(&after, "a1").maybe_done);
    attempt(&after, "a1", done(), None, 20);
    assert!(!now(&after, "a1").maybe_done);
    assert_eq!(ids(&after.due("mail", None, 20, 10).unwrap()), ["a2", "c"]);
    // Who is closed while the world is being asked leaves the same.
    drop(store);
    let (_, recovery) = open(&folder);
    assert!(!recovery.crashed);
    assert_eq!(recovery.interrupted, ["a1"]);
}

#[test]
fn after_the_machine_stopped_whatever_waits_may_have_been_done() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("a", 1), effect("b", 2)]);
    attempt(&store, "b", done(), None, 3);
    let crashed = copy(&folder);
    crate::support::database(&crashed)
        .execute("UPDATE meta SET value = 'another start' WHERE name = 'boot'", ())
        .unwrap();
    let (after, recovery) = open(&crashed);
    assert_eq!((recovery.crashed, recovery.doubtful), (true, 1));
    assert!(now(&after, "a").maybe_done && !now(&after, "b").maybe_done);
    // Who was closed in good order has no doubts.
    drop(after);
    crate::support::database(&crashed)
        .execute("UPDATE meta SET value = 'a third' WHERE name = 'boot'", ())
        .unwrap();
    let (_, recovery) = open(&crashed);
    assert_eq!((recovery.crashed, recovery.doubtful), (false, 0));
}
