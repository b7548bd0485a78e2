//! The audit trail: what it tells, and that nothing in it can be changed, taken out, put in or cut off unnoticed.

use std::fs;
use std::path::Path;

use correlator_store::entry::Head;
use correlator_store::reader::Reader;
use correlator_store::store::Store;
use correlator_store::verify::Verification;
use correlator_world::Outcome;
use rusqlite::Connection;

use crate::support::{Folder, accept, attempt, copy, database, done, effect, open};

/// Six entries: three decisions, three attempts.
fn fill(store: &Store) {
    accept(store, &[effect("a", 1), effect("b", 2), effect("c", 3)]);
    attempt(store, "a", done(), None, 5);
    attempt(store, "b", Outcome::later("busy"), Some(9), 6);
    attempt(store, "b", Outcome::Refused("no".to_owned()), None, 9);
}

fn verify(folder: &Path, kept: &[Head]) -> Verification {
    Reader::open(folder).unwrap().verify(kept).unwrap()
}

fn head(folder: &Path) -> Head {
    match verify(folder, &[]) {
        Verification::Whole { head, .. } => head,
        broken @ Verification::Broken { .. } => panic!("{broken:?}"),
    }
}

#[test]
fn a_trail_that_nobody_touched_is_whole() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let whole = |count, store: &Store| match store.reader().unwrap().verify(&[]).unwrap() {
        Verification::Whole { count: found, first: 1, head, tears } => {
            assert_eq!((found, head.sequence), (count, count));
            assert!(tears.is_empty());
            head
        }
        other => panic!("{other:?}"),
    };
    let empty = whole(0, &store);
    fill(&store);
    let full = whole(6, &store);
    assert_ne!(empty.hash, full.hash);
    drop(store);
    let kept: Head = full.to_string().parse().unwrap();
    assert_eq!(kept, full);
    assert!(matches!(verify(&folder, &[empty, kept]), Verification::Whole { count: 6, .. }));
    "6:00".parse::<Head>().unwrap_err();
}

/// What the triggers would not let through, somebody with the file can do all the same.
fn force(database: &Connection, change: &str) {
    let triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger'";
    let mut statement = database.prepare(triggers).unwrap();
    let names = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
    for name in names.map(Result::unwrap).collect::<Vec<_>>() {
        database.execute(&format!("DROP TRIGGER {name}"), ()).unwrap();
    }
    database.execute_batch(change).unwrap();
}

#[test]
fn whatever_is_changed_is_found_at_the_first_that_does_not_fit() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    drop(store);
    let check = |change: &str, expected: u64, why: &str| {
        let harmed = copy(&folder);
        force(&database(&harmed), change);
        match verify(&harmed, &[]) {
            Verification::Broken { sequence, what } => {
                assert_eq!(sequence, expected, "{change}: {what}");
                assert!(what.contains(why), "{change}: {what}");
            }
            whole @ Verification::Whole { .. } => panic!("{change}: {whole:?}"),
        }
    };
    let written = "not what was written";
    check("UPDATE audit SET text = 'yes' WHERE sequence = 4", 4, written);
    check("UPDATE audit SET time = time + 1 WHERE sequence = 1", 1, written);
    check("UPDATE audit SET uid = 0 WHERE sequence = 6", 6, written);
    check("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 3", 3, written);
    check("UPDATE audit SET hash = zeroblob(5) WHERE sequence = 3", 3, "can't be read");
    check("UPDATE audit SET kind = 99 WHERE sequence = 3", 3, "no known kind");
    check("UPDATE audit SET verdict = -1 WHERE sequence = 3", 3, "no known outcome");
    check("UPDATE audit SET text = CAST(x'ff' AS TEXT) WHERE sequence = 2", 2, "can't be read");
    check("DELETE FROM audit WHERE sequence = 5", 5, "missing; the next one is 6");
    check("DELETE FROM audit WHERE sequence = 1", 1, "missing; the next one is 2");
    check("DELETE FROM audit WHERE sequence > 4", 5, "the trail ends at 4:");
    check("DELETE FROM audit", 1, "the trail ends at 0:");
    check("UPDATE audit SET sequence = 7 WHERE sequence = 6", 6, "missing; the next one is 7");
    check("UPDATE cause SET raw = NULL WHERE sequence = 2", 2, "can't be read");
    check("UPDATE cause SET raw = x'00' WHERE sequence = 2", 2, written);
    check("DELETE FROM cause WHERE sequence = 3", 3, written);
    check("INSERT INTO cause (sequence, ordinal, event) VALUES (5, 0, 'e')", 5, written);
    check("UPDATE effect SET request = x'00' WHERE id = 'b'", 2, "asks for something else");
    check("UPDATE effect SET id = 'd' WHERE id = 'b'", 2, "not the one that was decided on");
    check("UPDATE effect SET endpoint = 'd' WHERE id = 'b'", 2, "not the one that was");
    check("UPDATE effect SET number = 5 WHERE id = 'c'", 5, "nobody decided on effect `c`");
    check(
        "INSERT INTO effect (number, id, capability, endpoint, state, since, changed_at, request) \
         VALUES (99, 'x', 'mail', 'relay', 0, 0, 0, x'00')",
        99,
        "nobody decided on effect `x`",
    );
}

#[test]
fn the_database_itself_refuses_changes() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    drop(store);
    let database = database(&folder);
    let check = |change: &str| {
        let said = database.execute(change, ()).unwrap_err().to_string();
        let expected = ["the audit trail is append-only", "what was asked for can't be changed"];
        assert!(expected.contains(&&*said), "{change}: {said}");
    };
    check("UPDATE audit SET text = 'yes' WHERE sequence = 4");
    check("DELETE FROM audit WHERE sequence = 6");
    check("DELETE FROM audit");
    check("REPLACE INTO audit (sequence, time, kind, text, hash) VALUES (3, 0, 0, '', x'00')");
    check("INSERT INTO audit (sequence, time, kind, text, hash) VALUES (9, 0, 0, '', x'00')");
    check("UPDATE cause SET event = 'x'");
    check("DELETE FROM cause");
    check("INSERT INTO cause (sequence, ordinal, event) VALUES (1, 7, 'x')");
    check("UPDATE effect SET request = x'00'");
    check("UPDATE effect SET id = 'z' WHERE id = 'a'");
}

#[test]
fn a_tail_that_was_cut_off_is_told_by_whoever_starts_and_stays_told() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    drop(store);
    let before = head(&folder);
    force(&database(&folder), "DELETE FROM audit WHERE sequence > 4");
    assert!(matches!(verify(&folder, &[]), Verification::Broken { sequence: 5, .. }));
    let (store, recovery) = open(&folder);
    let told = recovery.torn.unwrap();
    assert!(
        told.starts_with("the trail ends at 4:") && told.contains("its anchor says 6:"),
        "{told}"
    );
    // It goes on, and tells of it for ever.
    accept(&store, &[effect("d", 20), effect("e", 20)]);
    drop(store);
    let (_, recovery) = open(&folder);
    assert_eq!(recovery.torn, None);
    let Verification::Whole { count: 7, tears, .. } = verify(&folder, &[]) else {
        panic!("{:?}", verify(&folder, &[]));
    };
    assert_eq!(tears, [5]);
    // Who kept the head elsewhere can prove it.
    let Verification::Broken { sequence: 6, what } = verify(&folder, &[before]) else {
        panic!("{:?}", verify(&folder, &[before]));
    };
    assert!(what.starts_with("the trail once had 6:"), "{what}");
}

#[test]
fn an_anchor_that_is_gone_or_damaged_is_told() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    drop(store);
    let check = |harm: fn(&Path), expected: &str| {
        let harmed = copy(&folder);
        harm(&harmed.join("audit.head"));
        let Verification::Broken { what, .. } = verify(&harmed, &[]) else { panic!("whole") };
        assert!(what.contains("anchor"), "{what}");
        let (_, recovery) = open(&harmed);
        assert_eq!(recovery.torn.unwrap(), expected);
        let Verification::Whole { tears, .. } = verify(&harmed, &[]) else { panic!("broken") };
        assert_eq!(tears, [7]);
    };
    check(|path| fs::remove_file(path).unwrap(), "the trail has no anchor");
    let unreadable = "the anchor of the trail can't be read";
    check(|path| fs::write(path, "").unwrap(), unreadable);
    check(|path| fs::write(path, [0xff; 300]).unwrap(), unreadable);
    // One line may be half written when the machine stops: the other one is there.
    let lines = fs::read(folder.join("audit.head")).unwrap();
    assert_eq!(lines.len(), 256);
    let mut older = Vec::new();
    for half in [0..100, 128..200] {
        let harmed = copy(&folder);
        let mut lines = lines.clone();
        lines[half].fill(0);
        fs::write(harmed.join("audit.head"), &lines).unwrap();
        let (_, recovery) = open(&harmed);
        older.push(recovery.torn);
    }
    assert_eq!(older, [None, None]);
}

#[test]
fn a_database_that_is_swapped_for_an_empty_one_is_told() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    drop(store);
    fs::remove_file(folder.join("store.db")).unwrap();
    let (_, recovery) = open(&folder);
    assert!(recovery.made);
    assert!(recovery.torn.unwrap().starts_with("the trail ends at 0:"));
}

#[test]
fn what_was_not_written_through_yet_is_anchored_when_it_is() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    let anchored = || {
        let said = fs::read_to_string(folder.join("audit.head")).unwrap();
        let heads = said.lines().filter_map(|line| line.split(' ').next()?.parse::<Head>().ok());
        heads.map(|head| head.sequence).max()
    };
    assert_eq!(anchored(), Some(3), "attempts are not waited for");
    store.sync().unwrap();
    assert_eq!(anchored(), Some(6));
    assert!(store.ahead_pages().unwrap() > 0, "it is not moved for that");
    accept(&store, &[effect("late", 99)]);
    assert_eq!(store.settle().unwrap().ahead_pages, 0);
    assert_eq!((anchored(), store.ahead_pages().unwrap()), (Some(7), 0));
}
