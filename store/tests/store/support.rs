//! Folders that go away, effects to accept, numbers that look random, and whatever else all tests want.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use correlator_store::effect::{
    Accepted, Cause, Decision, Due, Effect, Finished, NewEffect, Record, State,
};
use correlator_store::recovery::Recovery;
use correlator_store::settings::Settings;
use correlator_store::store::{Safety, Store};
use correlator_world::{Cell, Outcome, Request};
use rusqlite::{Connection, Row};

/// A folder for one test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbers that look random and are the same in every run (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }
}

pub fn open(folder: &Path) -> (Store, Recovery) {
    Store::open(folder, Settings::default(), 0).unwrap()
}

/// An effect that was granted, to `relay`, for one event with one record.
pub fn effect(id: &str, time: i64) -> NewEffect {
    let cells = vec![
        ("to".to_owned(), Cell::Text("ops@example.org".to_owned())),
        ("count".to_owned(), Cell::Integer(time)),
    ];
    let raw = format!("a line for {id}").into_bytes();
    let bytes = raw.len() as u64;
    let record = Record { source: "auth".to_owned(), position: time.unsigned_abs(), raw, bytes };
    NewEffect {
        request: Request { id: id.to_owned(), target: "ops".to_owned(), cells },
        listener: "mailer".to_owned(),
        component: "00ff".to_owned(),
        capability: "mail".to_owned(),
        endpoint: "relay".to_owned(),
        key: None,
        causes: vec![Cause { event: format!("event-{id}"), record: Some(record) }],
        time,
        decision: Decision::Granted,
        plan: format!("would send {id} to ops@example.org"),
    }
}

/// The same, in order with all others of this key.
pub fn keyed(id: &str, key: &str, time: i64) -> NewEffect {
    NewEffect { key: Some(key.to_owned()), ..effect(id, time) }
}

pub fn accept(store: &Store, effects: &[NewEffect]) -> Vec<Accepted> {
    store.accept(effects, Safety::Machine).unwrap()
}

pub fn ids(due: &[Due]) -> Vec<&str> {
    due.iter().map(|due| due.request.id.as_str()).collect()
}

/// Begins and finishes one.
pub fn attempt(store: &Store, id: &str, outcome: Outcome, next_at: Option<i64>, now: i64) -> State {
    assert_eq!(store.begin(&[id], now).unwrap(), [true], "{id} is not due");
    finish(store, id, outcome, next_at, now)
}

pub fn finish(store: &Store, id: &str, outcome: Outcome, next_at: Option<i64>, now: i64) -> State {
    let finished = Finished { id: id.to_owned(), outcome, next_at };
    store.finish(&[finished], now).unwrap()[0]
}

pub fn done() -> Outcome {
    Outcome::Done("250 taken".to_owned())
}

pub fn now(store: &Store, id: &str) -> Effect {
    store.reader().unwrap().show(id).unwrap().effect.unwrap()
}

/// The database itself, for whoever wants to do harm.
pub fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("store.db")).unwrap()
}

/// What is counted of who takes how much is what there is.
pub fn check_counted(folder: &Path) {
    let database = database(folder);
    let read = |query: &str| -> Vec<(String, String, i64, i64)> {
        let mut statement = database.prepare(query).unwrap();
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let rows = statement.query_map((), row).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let counted = read(
        "SELECT listener, capability, open_bytes, all_bytes FROM held WHERE all_bytes <> 0 \
         ORDER BY 1, 2",
    );
    let there = read(
        "SELECT listener, capability, sum(iif(state <= 1, bytes, 0)), sum(bytes) FROM weight \
         GROUP BY 1, 2 ORDER BY 1, 2",
    );
    assert_eq!(counted, there);
}

/// Copies a store, as a crash of the program at this moment would leave it.
pub fn copy(from: &Path) -> Folder {
    let to = Folder::new();
    for name in ["store.db", "store.db-wal", "audit.head"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
    to
}
