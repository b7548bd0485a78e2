//! What is old goes, what is needed stays, and the trail stays whole.

use correlator_store::effect::{Accepted, Cause, NewEffect, State};
use correlator_store::entry::{By, Kind};
use correlator_store::filter::AuditFilter;
use correlator_store::prune::{Pruned, Retention};
use correlator_store::store::Store;
use correlator_store::verify::Verification;
use correlator_world::{Cell, Outcome};

use crate::support::{Folder, accept, attempt, copy, database, done, effect, open};

const NEVER: i64 = i64::MIN;

fn keep_all() -> Retention {
    Retention {
        effects_before: NEVER,
        dead_before: NEVER,
        trail_before: NEVER,
        bytes_max: u64::MAX,
        keep_from: i64::MAX,
    }
}

fn prune(store: &Store, retention: Retention, now: i64) -> (u64, u64) {
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
    // `c` waits: what tells of it stays, and what came after.
    let old = Retention { effects_before: 50, trail_before: 50, ..keep_all() };
    assert_eq!(prune(&store, old, 60), (2, 2));
    assert_eq!(there(&store), [3, 4, 5, 6]);
    assert_eq!(whole(&store), (4, 3));
    let all = AuditFilter { limit: 10, ..AuditFilter::default() };
    let signed = store.reader().unwrap().audit(&all).unwrap().pop().unwrap();
    assert_eq!((signed.kind, signed.through, signed.time), (Kind::Pruning, Some(2), 60));
    assert_eq!(prune(&store, old, 61), (0, 0), "nothing more is old");
    attempt(&store, "c", done(), None, 62);
    let all = Retention { effects_before: 100, trail_before: 100, ..keep_all() };
    assert_eq!(prune(&store, all, 99), (1, 5));
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
    let old = Retention { effects_before: 50, trail_before: 50, ..keep_all() };
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
