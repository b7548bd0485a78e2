//! Who gets room: nobody takes it from others, by what waits or by what is done, and who makes some gets it.

use std::collections::BTreeMap;

use correlator_store::command::Of;
use correlator_store::effect::{Decision, NewEffect, State};
use correlator_store::entry::By;
use correlator_store::error::StoreError;
use correlator_store::limit;
use correlator_store::prune::Retention;
use correlator_store::settings::Settings;
use correlator_store::store::{Safety, Store};
use correlator_world::{Cell, Outcome};

use crate::support::{Folder, accept, attempt, check_counted, done, effect, keyed, now, open};

const OPERATOR: By = By::User(1000);
const SMALL: Settings = Settings { bytes_max: limit::BYTES_MAX_MIN };
const SHARE: u64 = limit::BYTES_MAX_MIN / limit::SHARE_PART;
static NOBODY: BTreeMap<String, i64> = BTreeMap::new();

/// Something large of a listener for a capability.
fn large(listener: &str, capability: &str, number: usize) -> NewEffect {
    let mut large = effect(&format!("{listener}-{capability}-{number}"), 1);
    large.request.cells[0].1 = Cell::Text("x".repeat(500_000));
    let endpoint = format!("{listener}/{capability}");
    let (listener, capability) = (listener.to_owned(), capability.to_owned());
    NewEffect { listener, capability, endpoint, ..large }
}

fn small(listener: &str, number: usize) -> NewEffect {
    let id = format!("{listener}-small-{number}");
    NewEffect { listener: listener.to_owned(), ..effect(&id, 1) }
}

fn one(store: &Store, effect: &NewEffect) -> Result<(), StoreError> {
    store.accept(std::slice::from_ref(effect), Safety::Machine).map(drop)
}

/// Asks for more until no more is taken. What was, and why no more is.
fn fill(store: &Store, listener: &str, capability: &str) -> (Vec<String>, StoreError) {
    let mut taken = Vec::new();
    loop {
        let more = large(listener, capability, taken.len());
        match one(store, &more) {
            Ok(()) => taken.push(more.request.id),
            Err(error) => return (taken, error),
        }
    }
}

#[test]
fn who_has_his_share_waits_and_nobody_else() {
    let folder = Folder::new();
    let (store, _) = Store::open(&folder, SMALL, 0).unwrap();
    let (taken, error) = fill(&store, "hog", "webhook");
    assert!(error.is_full() && matches!(error, StoreError::Share { .. }), "{error}");
    let told = "listener `hog` has its share of the store: what waits for `webhook` takes ";
    assert!(error.to_string().starts_with(told), "{error}");
    let bytes = taken.len() as u64 * 500_000;
    assert!((SHARE - 500_000..SHARE + 500_000).contains(&bytes), "{bytes}");
    // Neither others, nor what it asks of another, nor what it is denied or only plans.
    one(&store, &large("good", "webhook", 0)).unwrap();
    one(&store, &large("hog", "firewall", 0)).unwrap();
    let dry = NewEffect { decision: Decision::DryRun, ..large("hog", "webhook", 900) };
    one(&store, &dry).unwrap();
    // Nothing of a turn is taken that asks for one thing too much.
    let turn = [small("hog", 1), large("hog", "webhook", 901)];
    assert!(matches!(store.accept(&turn, Safety::Machine), Err(StoreError::Share { .. })));
    assert!(store.reader().unwrap().show("hog-small-1").is_err());
    // Not because it is tried, nor by a start.
    attempt(&store, &taken[0], Outcome::later("busy"), Some(9), 5);
    drop(store);
    let (store, _) = Store::open(&folder, SMALL, 6).unwrap();
    let more = large("hog", "webhook", 902);
    assert!(matches!(one(&store, &more), Err(StoreError::Share { .. })));
    check_counted(&folder);
    // But because it is done, or given up.
    attempt(&store, &taken[1], done(), None, 7);
    one(&store, &more).unwrap();
    assert!(matches!(one(&store, &large("hog", "webhook", 903)), Err(StoreError::Share { .. })));
    store.drop_effect(&taken[2], OPERATOR, 8).unwrap();
    one(&store, &large("hog", "webhook", 903)).unwrap();
    check_counted(&folder);
}

#[test]
fn the_last_of_it_is_for_who_has_little_whatever_became_of_the_rest() {
    let check = |ends: bool| {
        let folder = Folder::new();
        let (store, _) = Store::open(&folder, SMALL, 0).unwrap();
        let old: Vec<_> = (0..50).map(|number| small("guard", number)).collect();
        accept(&store, &old);
        let mut errors = Vec::new();
        for hog in ["a", "b", "c", "d", "e"] {
            let (taken, error) = fill(&store, hog, "webhook");
            errors.push(matches!(error, StoreError::Scarce { .. }));
            if !ends {
                continue;
            }
            // What is done and given up takes room, too.
            let mut left = taken;
            while let Some(id) = left.pop() {
                attempt(&store, &id, done(), None, 5);
                let more = NewEffect { time: 2, ..large(hog, "mail", 1_000 + left.len()) };
                if one(&store, &more).is_ok() {
                    store.drop_effect(&more.request.id, OPERATOR, 6).unwrap();
                }
            }
        }
        assert!(errors.last().unwrap(), "{errors:?}");
        let bytes = store.bytes().unwrap();
        assert!(bytes < limit::BYTES_MAX_MIN, "{bytes}");
        for number in 100..250 {
            one(&store, &small("guard", number)).unwrap();
        }
        let error = one(&store, &large("a", "sms", 0)).unwrap_err();
        assert!(error.is_full(), "{error}");
        assert!(
            error.to_string().contains("less than 262144 bytes in it: listener `a` has "),
            "{error}"
        );
        check_counted(&folder);
    };
    check(false);
    check(true);
}

#[test]
fn all_that_waits_of_one_can_be_given_up() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let of = |listener: &str, capability: &str, id: &str| NewEffect {
        listener: listener.to_owned(),
        capability: capability.to_owned(),
        endpoint: format!("{listener}/x"),
        ..keyed(id, "k", 1)
    };
    let ids = ["a-mail", "a-mail-2", "a-sms", "b-mail", "b-mail-2", "a-mail-3"];
    for id in ids {
        let [listener, capability] = [&id[..1], if id.contains("sms") { "sms" } else { "mail" }];
        accept(&store, &[of(listener, capability, id)]);
    }
    accept(&store, &(0..500).map(|n| effect(&format!("many-{n}"), 1)).collect::<Vec<_>>());
    // What is tried now comes to an end of its own.
    assert_eq!(store.begin(&["b-mail"], 2).unwrap(), [true]);
    let some = |text: &str| Some(text.to_owned());
    let check = |of: Of, count: u64, dropped: &[&str]| {
        assert_eq!(store.drop_waiting(&of, OPERATOR, 3).unwrap(), count, "{of:?}");
        for id in ids {
            let is_dropped = now(&store, id).state == State::Dropped;
            assert_eq!(is_dropped, dropped.contains(&id), "{id} {of:?}");
        }
        assert_eq!(store.drop_waiting(&of, OPERATOR, 4).unwrap(), 0);
    };
    check(Of { listener: some("none"), ..Of::default() }, 0, &[]);
    check(Of { endpoint: some("b/x"), ..Of::default() }, 1, &["b-mail-2"]);
    let mails = Of { listener: some("a"), capability: some("mail"), ..Of::default() };
    check(mails, 3, &["b-mail-2", "a-mail", "a-mail-2", "a-mail-3"]);
    check(
        Of { listener: some("mailer"), ..Of::default() },
        500,
        &["b-mail-2", "a-mail", "a-mail-2", "a-mail-3"],
    );
    check_counted(&folder);
    let shown = store.reader().unwrap().show("a-mail-2").unwrap();
    assert_eq!(shown.entries.last().unwrap().by, OPERATOR);
    store.retry("a-mail-2", OPERATOR, 5).unwrap();
    check_counted(&folder);
}

#[test]
fn what_was_given_up_is_the_first_to_go_unless_it_may_come_again() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("dropped", 1), effect("late", 8), effect("done", 1)]);
    attempt(&store, "done", done(), None, 2);
    for id in ["dropped", "late"] {
        store.drop_effect(id, OPERATOR, 20).unwrap();
    }
    let retention = Retention {
        effects_before: i64::MIN,
        dead_before: i64::MIN,
        trail_before: i64::MIN,
        bytes_max: store.bytes().unwrap() - 1,
        planned_bytes_max: u64::MAX,
        day_from: i64::MIN,
        keep_from: 5,
        again: &NOBODY,
    };
    // A listener may ask once more for what it asked for since 1.
    let again = BTreeMap::from([("mailer".to_owned(), 1)]);
    let kept = Retention { again: &again, ..retention };
    assert_eq!(store.prune(&kept, By::Engine, 21).unwrap().effects, 0);
    let full = Retention { bytes_max: 1, ..retention };
    let day = Retention { day_from: 0, keep_from: 5, ..full };
    assert_eq!(store.prune(&day, By::Engine, 22).unwrap().effects, 2);
    let left = |id: &str| store.reader().unwrap().show(id).unwrap().effect.is_some();
    assert!(!left("dropped") && left("late") && !left("done"));
    check_counted(&folder);
}
