//! Disks that are full or may not be written: real ones, made for the purpose where that is allowed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use correlator_store::error::StoreError;
use correlator_store::reader::Reader;
use correlator_store::settings::Settings;
use correlator_store::store::{Safety, Store};
use correlator_store::verify::Verification;
use correlator_world::Cell;

use crate::support::{Folder, accept, attempt, done, effect, open};

/// Something that is mounted until it is dropped.
struct Mount(PathBuf);

#[expect(clippy::print_stderr, reason = "whoever runs the tests must know what did not run")]
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

impl Mount {
    /// Mounts a memory disk, or says why it can't.
    fn new(place: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        let option = format!("size={size}");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(place).output();
        match done {
            Ok(output) if output.status.success() => Some(Self(place.to_owned())),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                skip(&format!("mounting is not allowed here: {}", said.trim()));
                None
            }
            Err(error) => {
                skip(&format!("mount can't be run: {error}"));
                None
            }
        }
    }

    fn again(&self, option: &str) {
        let option = format!("remount,{option}");
        let done = Command::new("mount").args(["-o", &option]).arg(&self.0).status().unwrap();
        assert!(done.success(), "{option}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_costs_nothing_that_was_accepted_and_passes() {
    let folder = Folder::new();
    let place = folder.join("disk");
    let Some(disk) = Mount::new(&place, "2m") else { return };
    let inside = place.join("store");
    let (store, _) = open(&inside);
    let mut taken = Vec::new();
    let large = |taken: &mut Vec<String>| {
        let id = format!("e{}", taken.len());
        let mut large = effect(&id, 1);
        large.request.cells[0].1 = Cell::Text("x".repeat(50_000));
        store.accept(&[large], Safety::Machine).map(|_| taken.push(id))
    };
    let error = loop {
        if let Err(error) = large(&mut taken) {
            break error;
        }
    };
    assert!(error.is_full() && matches!(error, StoreError::NoRoom { .. }), "{error}");
    assert!(error.to_string().starts_with("there is no room for the store "), "{error}");
    assert!(taken.len() > 5, "{taken:?}");
    for _ in 0..3 {
        assert!(large(&mut taken).is_err());
        assert_eq!(store.due("mail", None, 9, 1_000).unwrap().len(), taken.len());
    }
    disk.again("size=20m");
    for _ in 0..10 {
        large(&mut taken).unwrap();
    }
    assert_eq!(store.due("mail", None, 9, 1_000).unwrap().len(), taken.len());
    attempt(&store, "e0", done(), None, 9);
    drop(store);
    let (store, recovery) = open(&inside);
    assert!(recovery.torn.is_none(), "{recovery:?}");
    assert_eq!(store.due("mail", None, 9, 1_000).unwrap().len(), taken.len() - 1);
    let whole = store.reader().unwrap().verify(&[]).unwrap();
    assert!(matches!(whole, Verification::Whole { .. }), "{whole:?}");
}

#[test]
fn a_disk_that_may_not_be_written_is_refused_and_can_be_read() {
    let folder = Folder::new();
    let place = folder.join("disk");
    let Some(disk) = Mount::new(&place, "8m") else { return };
    // A name that a careless one would take for something else.
    let inside = place.join("a?b #c%20");
    let (store, _) = open(&inside);
    accept(&store, &[effect("a", 1)]);
    drop(store);
    disk.again("ro");
    let said = Store::open(&inside, Settings::default(), 0).unwrap_err().to_string();
    assert!(said.starts_with("can't open ") && said.contains("Read-only"), "{said}");
    let reader = Reader::open(&inside).unwrap();
    assert_eq!(reader.show("a").unwrap().entries.len(), 1);
    let whole = reader.verify(&[]).unwrap();
    assert!(matches!(whole, Verification::Whole { count: 1, .. }), "{whole:?}");
    drop(reader);
    // What nobody closed in good order would be read without its end.
    disk.again("rw");
    let (store, _) = open(&inside);
    accept(&store, &[effect("b", 2)]);
    let crashed = place.join("crashed");
    fs::create_dir_all(&crashed).unwrap();
    for name in ["store.db", "store.db-wal", "audit.head"] {
        fs::copy(inside.join(name), crashed.join(name)).unwrap();
    }
    drop(store);
    disk.again("ro");
    let said = Reader::open(&crashed).unwrap_err().to_string();
    assert!(said.contains("was not closed in good order; copy its folder"), "{said}");
}
