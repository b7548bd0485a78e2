//! What is old goes, what is needed stays, and the trail stays whole.

use std::collections::BTreeMap;

use correlator_store::effect::{Accepted, Cause, Decision, NewEffect, State};
use correlator_store::entry::{By, Kind, Verdict};
use correlator_store::filter::AuditFilter;
use correlator_store::prune::{Pruned, Retention};
use correlator_store::store::Store;
use correlator_store::verify::Verification;
use correlator_world::{Cell, Outcome};

use crate::support::{Folder, accept, attempt, copy, database, done, effect, open};

const NEVER: i64 = i64::MIN;
static NOBODY: BTreeMap<String, i64> = BTreeMap::new();

fn keep_all() -> Retention<'static> {
    Retention {
        effects_before: NEVER,
        dead_before: NEVER,
        trail_before: NEVER,
        bytes_max: u64::MAX,
        planned_bytes_max: u64::MAX,
        day_from: i64::MAX,
        keep_from: i64::MAX,
        again: &NOBODY,
    }
}

fn prune(store: &Store, retention: Retention<'_>, now: i64) -> (u64, u64) {
    let Pruned { effects, entries, .. } = store.prune(&retention, By::Engine, now).unwrap();
    (effects, entries)
}

fn whole(store: &Store) -> (u64, u64) {
    match store.reader().unwrap().verify(&[]).unwrap() {
        Verification::Whole { count, first, .. } => (count, first),
        broken @ Verification::Broken { .. } => panic!("{broken:?}"),
    }
}

fn there(store: &Store) -> Vec<u64> {
    let all = AuditFilter { limit: 10_000, ..AuditFilter::default() };
    let entries = store.reader().unwrap().audit(&all).unwrap();
    entries.iter().map(|entry| entry.sequence).collect()
}

#[test]
fn finished_effects_go_and_open_ones_stay() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("done", 1), effect("dead", 2), effect("waiting", 3), effect("new", 4)]);
    attempt(&store, "done", done(), None, 10);
    attempt(&store, "dead", Outcome::later("busy"), None, 11);
    attempt(&store, "new", done(), None, 50);
    assert_eq!(prune(&store, keep_all(), 60), (0, 0));
    assert_eq!(prune(&store, Retention { effects_before: 50, ..keep_all() }, 60), (1, 0));
    let reader = store.reader().unwrap();
    // The trail still tells of it.
    let shown = reader.show("done").unwrap();
    assert!(shown.effect.is_none() && shown.entries.len() == 2);
    assert_eq!(reader.why("event-done").unwrap().len(), 1);
    assert_eq!(prune(&store, Retention { dead_before: 50, ..keep_all() }, 60), (1, 0));
    let held = Retention { effects_before: 100, keep_from: 50, ..keep_all() };
    assert_eq!(prune(&store, held, 60), (0, 0), "listeners may hand it over again");
    assert_eq!(
        accept(&store, &[effect("new", 4)]),
        [Accepted::Known { state: State::Done, differs: false }]
    );
    assert_eq!(prune(&store, Retention { effects_before: 100, ..keep_all() }, 60), (1, 0));
    assert_eq!(whole(&store), (7, 1));
    assert_eq!(reader.status().unwrap().states, [(State::Waiting, 1)]);
}

#[test]
fn the_trail_is_signed_off_where_it_is_cut_and_stays_whole() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("a", 1), effect("b", 2), effect("c", 3)]);
    attempt(&store, "a", done(), None, 10);
    attempt(&store, "b", done(), None, 11);
    let Verification::Whole { head: before, .. } = store.reader().unwrap().verify(&[]).unwrap()
    else {
        panic!("not whole")
    };
    // `c` waits: the decision on it stays, and nothing else for that.
    let old = Retention { effects_before: 50, trail_before: 50, ..keep_all() };
    assert_eq!(prune(&store, old, 60), (2, 4));
    assert_eq!(there(&store), [3, 6]);
    assert_eq!(whole(&store), (1, 6));
    let all = AuditFilter { limit: 10, ..AuditFilter::default() };
    let signed = store.reader().unwrap().audit(&all).unwrap().pop().unwrap();
    assert_eq!((signed.kind, signed.through, signed.time), (Kind::Pruning, Some(5), 60));
    assert!(signed.text.starts_with("5 entries signed off, 1 of these stay: "), "{}", signed.text);
    assert_eq!(store.due("mail", None, 50, 10).unwrap()[0].listener, "mailer");
    assert_eq!(store.reader().unwrap().why("event-c").unwrap().len(), 1);
    assert_eq!(prune(&store, old, 61), (0, 0), "nothing more is old");
    attempt(&store, "c", done(), None, 62);
    let all = Retention { effects_before: 100, trail_before: 100, ..keep_all() };
    assert_eq!(prune(&store, all, 99), (1, 3));
    assert_eq!(there(&store), [8]);
    assert_eq!(whole(&store), (1, 8));
    assert_eq!(prune(&store, all, 99), (0, 0), "an entry that only tells of pruning stays alone");
    // A head that was kept before can't be compared any more, and that is no breach.
    let kept = store.reader().unwrap().verify(&[before]).unwrap();
    assert!(matches!(kept, Verification::Whole { .. }), "{kept:?}");
    drop(store);
    let (store, recovery) = open(&folder);
    assert_eq!(recovery.torn, None);
    accept(&store, &[effect("d", 100)]);
    assert_eq!(whole(&store), (2, 8));
}

#[test]
fn a_cut_that_nobody_signed_off_is_found() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("a", 1), effect("b", 2), effect("c", 3)]);
    for id in ["a", "b", "c"] {
        attempt(&store, id, done(), None, 10);
    }
    let two = Retention { effects_before: 50, trail_before: 3, ..keep_all() };
    assert_eq!(prune(&store, two, 60), (3, 2));
    drop(store);
    let harmed = copy(&folder);
    let forged = database(&harmed);
    forged.execute("DELETE FROM audit WHERE sequence = 3", ()).unwrap_err();
    forged.execute_batch("DROP TRIGGER audit_keeps; DELETE FROM audit WHERE sequence = 3").unwrap();
    drop(forged);
    let reader = correlator_store::reader::Reader::open(&harmed).unwrap();
    let found = reader.verify(&[]).unwrap();
    assert!(matches!(found, Verification::Broken { sequence: 3, .. }), "{found:?}");
}

#[test]
fn a_prune_that_was_stopped_half_way_is_finished_by_the_next() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("a", 1), effect("b", 2)]);
    attempt(&store, "a", done(), None, 10);
    drop(store);
    let before = copy(&folder);
    let (store, _) = open(&folder);
    let old = Retention { effects_before: 50, trail_before: 2, ..keep_all() };
    assert_eq!(prune(&store, old, 60), (1, 1));
    drop(store);
    // The first entry is signed off, and still there.
    let half = database(&folder);
    let from = before.join("store.db");
    half.execute("ATTACH ?1 AS before", [from.to_str().unwrap()]).unwrap();
    half.execute_batch(
        "DROP TRIGGER audit_grows; DROP TRIGGER cause_grows;
         INSERT INTO audit SELECT * FROM before.audit WHERE sequence = 1;
         INSERT INTO cause SELECT * FROM before.cause WHERE sequence = 1;",
    )
    .unwrap();
    drop(half);
    let (store, recovery) = open(&folder);
    assert_eq!((recovery.torn, there(&store)), (None, vec![1, 2, 3, 4]));
    assert_eq!(whole(&store), (3, 2));
    assert_eq!(prune(&store, keep_all(), 70), (0, 1));
    assert_eq!((there(&store), whole(&store)), (vec![2, 3, 4], (3, 2)));
}

#[test]
fn a_store_shrinks_to_its_bound_and_keeps_what_is_needed() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    for turn in 0..30 {
        let effects: Vec<_> = (0..100)
            .map(|number| {
                let mut large = effect(&format!("{turn}-{number}"), turn);
                large.request.cells[0].1 = Cell::Text("x".repeat(2_000));
                NewEffect {
                    causes: vec![Cause { event: format!("e{turn}"), record: None }],
                    ..large
                }
            })
            .collect();
        accept(&store, &effects);
        for effect in &effects {
            attempt(&store, &effect.request.id, done(), None, turn);
        }
    }
    accept(&store, &[effect("waiting", 30)]);
    let file = || std::fs::metadata(folder.join("store.db")).unwrap().len();
    store.settle().unwrap();
    let full = file();
    let bound = Retention { bytes_max: 1 << 20, keep_from: 29, ..keep_all() };
    let pruned = store.prune(&bound, By::User(0), 40).unwrap();
    assert!(pruned.bytes <= 1 << 20, "{pruned:?}");
    assert!(pruned.effects > 2_000 && pruned.effects <= 2_900, "{pruned:?}");
    store.settle().unwrap();
    assert!(file() < full / 3, "{} of {full}", file());
    whole(&store);
    // Whatever the bound says, what may be handed over again stays.
    let none = Retention { bytes_max: 1, keep_from: 29, ..keep_all() };
    store.prune(&none, By::Engine, 41).unwrap();
    let last = effect("29-99", 29);
    assert!(matches!(accept(&store, &[last])[0], Accepted::Known { .. }));
    assert_eq!(store.due("mail", None, 50, 10).unwrap().len(), 1);
    whole(&store);
}

#[test]
fn who_verifies_while_others_write_and_prune_finds_it_whole() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..40 {
                let ids: Vec<_> = (0..100).map(|number| format!("{round}-{number}")).collect();
                let effects: Vec<_> = ids.iter().map(|id| effect(id, round)).collect();
                accept(&store, &effects);
                let ids: Vec<_> = ids.iter().map(String::as_str).collect();
                store.begin(&ids, round).unwrap();
                for id in ids {
                    crate::support::finish(&store, id, done(), None, round);
                }
                let old = Retention { effects_before: round, trail_before: round, ..keep_all() };
                store.prune(&old, By::Engine, round).unwrap();
            }
            over.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut rounds = 0;
        while !over.load(std::sync::atomic::Ordering::Acquire) || rounds == 0 {
            whole(&store);
            rounds += 1;
        }
    });
    whole(&store);
}

#[test]
fn one_effect_that_waits_or_is_dead_does_not_keep_the_trail() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("orphan", 1), effect("dead", 1)]);
    attempt(&store, "dead", Outcome::later("busy"), None, 2);
    for round in 0..2_000 {
        store.note_command(By::Engine, &"x".repeat(2_000), round).unwrap();
    }
    let full = store.bytes().unwrap();
    let bound = Retention { bytes_max: full / 4, effects_before: 1_900, ..keep_all() };
    let pruned = store.prune(&Retention { keep_from: 1_900, ..bound }, By::Engine, 2_000).unwrap();
    assert!(pruned.bytes <= full / 4 && pruned.effects == 0, "{pruned:?}");
    assert_eq!(there(&store)[..2], [1, 2]);
    assert_eq!(store.reader().unwrap().status().unwrap().states.len(), 2);
    // Once more: what stays stays, and is still bound.
    let bound = Retention { bytes_max: full / 8, ..bound };
    store.prune(&bound, By::Engine, 2_001).unwrap();
    assert_eq!(there(&store)[..2], [1, 2]);
    whole(&store);
    // Where that is not enough, dead ones go, and their decision with them; what waits stays.
    let none = Retention { bytes_max: 1, ..bound };
    assert_eq!(store.prune(&none, By::Engine, 2_002).unwrap().effects, 1);
    assert_eq!(there(&store)[0], 1);
    assert!(there(&store).len() <= 3, "{:?}", there(&store));
    assert_eq!(store.due("mail", None, 50, 10).unwrap()[0].listener, "mailer");
    whole(&store);
    drop(store);
    let (store, recovery) = open(&folder);
    assert_eq!(recovery.torn, None);
    attempt(&store, "orphan", done(), None, 2_003);
    let all = Retention { effects_before: 3_000, trail_before: 3_000, ..keep_all() };
    assert_eq!(prune(&store, all, 3_000).0, 1);
    assert_eq!((there(&store).len(), whole(&store).0), (1, 1));
}

#[test]
fn what_stays_of_what_is_signed_off_can_not_be_changed_unseen() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("a", 1), effect("b", 2), effect("c", 3), effect("d", 4)]);
    attempt(&store, "c", done(), None, 5);
    let old = Retention { effects_before: 50, trail_before: 50, ..keep_all() };
    assert_eq!(prune(&store, old, 60), (1, 2));
    assert_eq!(there(&store), [1, 2, 4, 6]);
    whole(&store);
    drop(store);
    let check = |change: &str, expected: u64, why: &str| {
        let harmed = copy(&folder);
        database(&harmed)
            .execute_batch(&format!(
                "DROP TRIGGER audit_stays; DROP TRIGGER audit_grows; DROP TRIGGER effect_stays;
                 DROP TRIGGER cause_stays; {change}"
            ))
            .unwrap();
        let reader = correlator_store::reader::Reader::open(&harmed).unwrap();
        match reader.verify(&[]).unwrap() {
            Verification::Broken { sequence, what } => {
                assert!(sequence == expected && what.contains(why), "{change}: {sequence} {what}");
            }
            found @ Verification::Whole { .. } => panic!("{change}: {found:?}"),
        }
    };
    check("UPDATE audit SET plan = 'x' WHERE sequence = 2", 2, "not what was written");
    check("UPDATE cause SET raw = x'00' WHERE sequence = 4", 4, "not what was written");
    check("UPDATE kept SET before = zeroblob(32) WHERE sequence = 2", 2, "not what was written");
    check("UPDATE effect SET request = x'00' WHERE id = 'b'", 2, "asks for something else");
    check("DELETE FROM audit WHERE sequence = 2", 2, "missing, and it should stay");
    let bound = "not what the last pruning left";
    check("DELETE FROM kept WHERE sequence = 2", 5, bound);
    check(
        "DELETE FROM kept WHERE sequence = 2; DELETE FROM audit WHERE sequence = 2;
         DELETE FROM effect WHERE number = 2",
        5,
        bound,
    );
    // One that was signed off and is gone, put in again by somebody.
    check(
        "INSERT INTO audit SELECT 3, time, kind, verdict, 'c', listener, component, capability,
         endpoint, attempt, uid, plan, text, digest, through, hash FROM audit WHERE sequence = 2;
         INSERT INTO effect (number, id, capability, endpoint, state, since, changed_at, request)
         VALUES (3, 'c', 'mail', 'relay', 0, 0, 0, x'00')",
        3,
        "nobody decided on effect `c`",
    );
}

#[test]
fn entries_of_a_clock_that_was_set_back_keep_nothing() {
    let day = correlator_store::limit::AHEAD_OF_TIME_MAX;
    let folder = Folder::new();
    let (store, _) = open(&folder);
    for time in [1, 900 * day, 2, 3] {
        store.note_command(By::Engine, "x", time).unwrap();
    }
    assert_eq!(prune(&store, Retention { trail_before: 3, ..keep_all() }, 4), (0, 3));
    assert_eq!(whole(&store), (2, 4));
}

#[test]
fn what_may_be_handed_over_again_stays_by_listener() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let other = NewEffect { listener: "other".to_owned(), ..effect("b", 1) };
    accept(&store, &[effect("a", 1), other]);
    attempt(&store, "a", done(), None, 10);
    attempt(&store, "b", done(), None, 10);
    let again = BTreeMap::from([("other".to_owned(), 10)]);
    let old = Retention { effects_before: 50, again: &again, ..keep_all() };
    assert_eq!(prune(&store, old, 60), (1, 0));
    let full = Retention { bytes_max: 1, again: &again, ..keep_all() };
    assert_eq!(prune(&store, full, 61).0, 0);
    let again = BTreeMap::from([("other".to_owned(), 11)]);
    assert_eq!(prune(&store, Retention { again: &again, ..full }, 62).0, 1);
}

#[test]
fn what_is_denied_or_planned_has_a_share_and_others_keep_theirs() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let planned = |listener: &str, number: i64, decision: Decision| {
        let mut one = effect(&format!("{listener}-{number}"), number);
        one.request.cells[0].1 = Cell::Text("x".repeat(3_000));
        NewEffect { listener: listener.to_owned(), decision, ..one }
    };
    for number in 0..300 {
        let dry = planned("loud", number, Decision::DryRun);
        let denied = planned("loud", 1_000 + number, Decision::Denied("no".to_owned()));
        accept(&store, &[dry, NewEffect { time: number, ..denied }]);
    }
    accept(&store, &[planned("quiet", 1, Decision::DryRun), effect("done", 1)]);
    attempt(&store, "done", done(), None, 1);
    let share = Retention { planned_bytes_max: 1 << 20, ..keep_all() };
    let (effects, _) = prune(&store, share, 400);
    assert!((250..300).contains(&effects), "{effects}");
    // The oldest went, and nothing of anybody else.
    let left = |id: &str| store.reader().unwrap().show(id).unwrap().effect.is_some();
    assert!(!left("loud-0") && !left("loud-1000") && left("loud-299") && left("loud-1299"));
    assert!(left("quiet-1") && left("done"));
    assert_eq!(prune(&store, share, 401).0, 0);
    let kept = Retention { planned_bytes_max: 0, keep_from: 299, ..keep_all() };
    prune(&store, kept, 402);
    assert!(left("loud-299") && !left("loud-298") && !left("quiet-1") && left("done"));
}

#[test]
fn a_tear_is_told_for_good() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    store.note_command(By::Engine, "x", 1).unwrap();
    drop(store);
    std::fs::remove_file(folder.join("audit.head")).unwrap();
    let (store, recovery) = open(&folder);
    assert!(recovery.torn.is_some());
    store.note_command(By::Engine, "y", 3).unwrap();
    let old = Retention { trail_before: 50, ..keep_all() };
    for now in 60..63 {
        prune(&store, old, now);
        let found = store.reader().unwrap().verify(&[]).unwrap();
        let Verification::Whole { tears, .. } = found else { panic!("{found:?}") };
        assert_eq!(tears, [2]);
    }
}

#[test]
fn what_nobody_delivers_is_given_up_and_stands_in_nobodys_way() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let keyed = |id, time| crate::support::keyed(id, "k", time);
    accept(&store, &[keyed("old", 1), keyed("new", 50), effect("plain", 2)]);
    let place = ("mail", "relay");
    assert_eq!(store.give_up(place, 1, "nobody", 60).unwrap(), 0);
    assert_eq!(store.give_up(("sms", "relay"), 99, "nobody", 60).unwrap(), 0);
    assert_eq!(store.give_up(place, 50, "nobody serves it", 60).unwrap(), 2);
    let old = crate::support::now(&store, "old");
    assert_eq!((old.state, old.said.as_deref()), (State::Dead, Some("nobody serves it")));
    assert_eq!(crate::support::ids(&store.due("mail", None, 60, 10).unwrap()), ["new"]);
    let told = store.reader().unwrap().show("old").unwrap().entries.pop().unwrap();
    assert_eq!((told.kind, told.verdict), (Kind::Command, Some(Verdict::Dead)));
    store.retry("old", By::User(0), 61).unwrap();
    whole(&store);
}

#[test]
fn by_which_time_it_was_tended_is_kept() {
    use correlator_store::tended::Tended;
    let folder = Folder::new();
    let (store, _) = open(&folder);
    assert_eq!(store.tended().unwrap(), Tended::default());
    store.note_command(By::Engine, "x", 7).unwrap();
    assert_eq!(store.tended().unwrap(), Tended { at: Some(7), doubted: None });
    let tended = Tended { at: Some(5), doubted: Some(900) };
    store.note_tended(tended).unwrap();
    drop(store);
    let (store, _) = open(&folder);
    assert_eq!(store.tended().unwrap(), tended);
    store.note_tended(Tended { at: Some(6), doubted: None }).unwrap();
    assert_eq!(store.tended().unwrap(), Tended { at: Some(6), doubted: None });
}

#[test]
fn what_is_younger_than_a_day_goes_last() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    accept(&store, &[effect("dead", 10)]);
    attempt(&store, "dead", Outcome::later("busy"), None, 10);
    for time in 0..2_000 {
        store.note_command(By::Engine, &"x".repeat(2_000), time % 80).unwrap();
    }
    for (id, time) in [("young", 90), ("new", 99)] {
        accept(&store, &[effect(id, time)]);
        attempt(&store, id, done(), None, time);
    }
    let full = store.bytes().unwrap();
    let day = Retention { effects_before: NEVER, day_from: 80, keep_from: 95, ..keep_all() };
    // Entries of the time before go, and what died then, rather than what was done today.
    let shown = |id: &str| store.reader().unwrap().show(id);
    let left = |id: &str| shown(id).is_ok_and(|shown| shown.effect.is_some());
    assert_eq!(prune(&store, Retention { bytes_max: full - 1, ..day }, 100).0, 1);
    assert!(left("young") && !left("dead"));
    assert_eq!(prune(&store, Retention { bytes_max: 1, ..day }, 101).0, 1);
    assert!(left("new") && !left("young"));
    whole(&store);
}
