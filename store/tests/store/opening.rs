//! Opening: what is no store, what is somebody else's, what is damaged, and what is of another version.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use correlator_store::effect::State;
use correlator_store::error::StoreError;
use correlator_store::reader::Reader;
use correlator_store::settings::Settings;
use correlator_store::store::Store;

use crate::support::{Folder, accept, database, effect, open};

fn refused(folder: &std::path::Path) -> StoreError {
    Store::open(folder, Settings::default(), 0).unwrap_err()
}

#[test]
fn a_store_is_made_where_there_is_none_and_only_its_owner_reads_it() {
    let folder = Folder::new();
    let inside = folder.join("a").join("store");
    let (store, recovery) = open(&inside);
    assert!(recovery.made && !recovery.crashed && recovery.updated_from.is_none());
    accept(&store, &[effect("a", 1)]);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inside), 0o700);
    for entry in fs::read_dir(&inside).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop(store);
    let (_, recovery) = open(&inside);
    assert_eq!(recovery, correlator_store::recovery::Recovery::default());
}

#[test]
fn two_engines_are_one_too_many() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let said = refused(&folder).to_string();
    let owner = format!("is being written by process {}", std::process::id());
    assert!(said.contains(&owner), "{said}");
    drop(store);
    open(&folder);
}

#[test]
fn what_is_no_store_is_left_alone() {
    let folder = Folder::new();
    let file = folder.join("file");
    fs::write(&file, "text").unwrap();
    assert!(matches!(refused(&file), StoreError::NotAFolder { .. }));
    // No database at all.
    let text = folder.join("text");
    fs::create_dir_all(&text).unwrap();
    fs::write(text.join("store.db"), "some notes\n".repeat(1_000)).unwrap();
    let said = refused(&text);
    assert!(matches!(said, StoreError::NotAStore { .. }), "{said}");
    assert!(matches!(Reader::open(&text).unwrap_err(), StoreError::NotAStore { .. }));
    // A database of something else.
    let other = folder.join("other");
    fs::create_dir_all(&other).unwrap();
    database(&other).execute_batch("CREATE TABLE notes (text)").unwrap();
    let before = fs::read(other.join("store.db")).unwrap();
    assert!(matches!(refused(&other), StoreError::NotAStore { .. }));
    assert!(matches!(Reader::open(&other).unwrap_err(), StoreError::NotAStore { .. }));
    assert_eq!(fs::read(other.join("store.db")).unwrap(), before);
}

#[test]
fn where_nothing_is_nothing_can_be_read() {
    let folder = Folder::new();
    let said = Reader::open(&folder.join("nowhere")).unwrap_err().to_string();
    assert!(said.starts_with("there is no store in ") && said.contains("nowhere"), "{said}");
    fs::write(folder.join("store.db"), "").unwrap();
    let said = Reader::open(&folder).unwrap_err();
    assert!(matches!(said, StoreError::Missing { .. }), "{said}");
    // An engine that was stopped there just goes on.
    let (store, recovery) = open(&folder);
    assert!(recovery.made);
    accept(&store, &[effect("a", 1)]);
}

#[test]
fn other_versions_are_told_and_left_as_they_are() {
    let folder = Folder::new();
    drop(open(&folder));
    assert!(
        Store::refuse_newer(&folder).is_ok() && Store::refuse_newer(&folder.join("no")).is_ok()
    );
    let newer = database(&folder);
    newer.pragma_update(None, "user_version", 99).unwrap();
    // As a crash would leave it: the version is only written ahead yet.
    let crashed = crate::support::copy(&folder);
    drop(newer);
    for (folder, seen) in [(&folder, true), (&crashed, false)] {
        let files = ["store.db", "store.db-wal", "audit.head"];
        let bytes = || files.map(|name| fs::read(folder.join(name)).ok());
        let before = bytes();
        assert_eq!(before[1].is_some(), !seen);
        assert_eq!(Store::refuse_newer(folder).is_err(), seen);
        let said = refused(folder).to_string();
        let words = "is of version 99 and this program knows 3: run the newer program";
        assert!(said.contains(words), "{said}");
        assert_eq!(bytes(), before);
        let said = Reader::open(folder).unwrap_err();
        assert!(matches!(said, StoreError::Newer { found: 99, known: 3, .. }), "{said}");
    }
}

#[test]
fn a_damaged_file_is_an_error_that_says_so_and_never_a_panic() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let effects: Vec<_> = (0..500).map(|number| effect(&format!("e{number}"), number)).collect();
    accept(&store, &effects);
    drop(store);
    let sound = fs::read(folder.join("store.db")).unwrap();
    let mut damaged = 0;
    for page in 0..sound.len() / 4096 {
        let harmed = crate::support::copy(&folder);
        let mut bytes = sound.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
        fs::write(harmed.join("store.db"), &bytes).unwrap();
        let found = Store::open(&harmed, Settings::default(), 0).and_then(|(store, _)| {
            let due = store.due("mail", None, i64::MAX, 10_000)?;
            let reader = store.reader()?;
            reader.status()?;
            reader.show("e77")?;
            let verified = reader.verify(&[])?;
            let unsound = reader.integrity()?;
            Ok((due.len(), verified, unsound))
        });
        match found {
            Err(StoreError::Damaged { .. } | StoreError::NotAStore { .. }) => damaged += 1,
            Err(other) => panic!("page {page}: {other}"),
            Ok((due, verified, unsound)) => {
                use correlator_store::verify::Verification::Broken;
                let noticed = matches!(verified, Broken { .. }) || !unsound.is_empty();
                assert!(noticed, "page {page}: {due} {verified:?}");
            }
        }
    }
    assert!(damaged > 10);
    // A file that is shorter than it was.
    let harmed = crate::support::copy(&folder);
    fs::write(harmed.join("store.db"), &sound[..sound.len() / 2]).unwrap();
    let said = Reader::open(&harmed).and_then(|reader| reader.verify(&[])).unwrap_err();
    assert!(matches!(said, StoreError::Damaged { .. }), "{said}");
    assert!(said.to_string().contains("put back a copy"), "{said}");
}

#[test]
fn what_was_written_ahead_may_end_anywhere() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    for round in 0..5 {
        accept(&store, &[effect(&format!("e{round}"), round)]);
    }
    let ahead = fs::read(folder.join("store.db-wal")).unwrap();
    let mut seen = Vec::new();
    for cut in (0..=ahead.len()).step_by(3_001) {
        let crashed = crate::support::copy(&folder);
        fs::write(crashed.join("store.db-wal"), &ahead[..cut]).unwrap();
        // That the anchor is ahead of it is right: a disk that keeps its word does not do this.
        let (store, _) = open(&crashed);
        seen.push(store.due("mail", None, 10, 10).unwrap().len());
    }
    assert!(seen.is_sorted() && seen[0] == 0 && seen.contains(&3), "{seen:?}");
    // Who only reads gets all of it too, before anybody has started there again.
    let crashed = crate::support::copy(&folder);
    let states = Reader::open(&crashed).unwrap().status().unwrap().states;
    assert_eq!(states, [(State::Waiting, 5)]);
}
