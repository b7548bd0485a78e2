//! What accepting, delivering and asking cost, beside what writing the same bytes through costs.
//!
//! All in one run on one machine, so that the ratios mean something where the figures don't. What counts is the least of
//! several rounds: everything that disturbs a measurement makes it longer.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use correlator_store::effect::{Cause, Decision, Finished, NewEffect, Record};
use correlator_store::settings::Settings;
use correlator_store::store::{Safety, Store};
use correlator_store::verify::Verification;
use correlator_world::{Cell, Outcome, Request};

/// Effects of a turn that is large.
const TURN: u32 = 1_000;
const ROUNDS: u32 = 5;
/// What waits behind one key in the worst of cases.
const WAITING: u32 = 50_000;

fn main() {
    let folder =
        std::env::temp_dir().join(format!("correlator-store-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder to write to");
    let (store, _) =
        Store::open(&folder.join("store"), Settings::default(), 0).expect("a store can be made");
    let plain_one = plain(&folder, 1);
    report("write and sync one", plain_one, None);
    let plain_turn = plain(&folder, TURN);
    report("write and sync a turn", plain_turn, None);
    let one = best(1, |round| accept(&store, "one", round, 1, None));
    report("accept one", one, Some(("write and sync one", plain_one)));
    let turn = best(TURN, |round| accept(&store, "turn", round, TURN, None));
    report("accept a turn", turn, Some(("write and sync a turn", plain_turn)));
    report("accept a turn", turn, Some(("accept one", one)));
    let known = best(TURN, |_| accept(&store, "turn", 0, TURN, None));
    report("accept what is known", known, Some(("accept a turn", turn)));
    let delivered = best(TURN, |round| deliver(&store, "turn", round));
    report("begin and finish", delivered, Some(("accept a turn", turn)));
    waiting(&store);
    let settled = best(TURN, |round| {
        accept(&store, "settle", round, TURN, None);
        store.settle().expect("it can be written");
    });
    report("accept and settle", settled, Some(("accept a turn", turn)));
    verify(&store, turn);
    drop(store);
    let opened = best(1, |_| {
        Store::open(&folder.join("store"), Settings::default(), 0).expect("it is there");
    });
    report("open and close", opened, Some(("write and sync one", plain_one)));
    fs::remove_dir_all(&folder).expect("what was made can be removed");
}

/// What is due costs the same, whether few or many wait.
fn waiting(store: &Store) {
    let due = |name: &str| {
        let found = store.due(name, Some("relay"), i64::MAX, 100).expect("it can be read");
        assert!(!found.is_empty());
    };
    accept(store, "few", 0, 100, None);
    let few = best(1, |_| due("few"));
    report("due of few", few, None);
    for round in 0..WAITING / TURN {
        accept(store, "many", round, TURN, None);
        accept(store, "behind", round, TURN, Some("key"));
    }
    report("due of many", best(1, |_| due("many")), Some(("due of few", few)));
    let behind = best(1, |_| due("behind"));
    report("due behind one key", behind, Some(("due of few", few)));
    let next = best(1, |_| {
        assert_eq!(store.next_due("many").expect("it can be read").len(), 1);
    });
    report("next due", next, Some(("due of few", few)));
    let reader = store.reader().expect("it can be opened");
    let status = best(1, |_| {
        reader.status().expect("it can be read");
    });
    report("status", status, Some(("due of few", few)));
}

fn verify(store: &Store, turn: f64) {
    let reader = store.reader().expect("it can be opened");
    let entries = reader.status().expect("it can be read").head.sequence;
    let verified = best(u32::try_from(entries).unwrap_or(u32::MAX), |_| {
        let found = reader.verify(&[]).expect("it can be read");
        assert!(matches!(found, Verification::Whole { .. }));
    });
    report("verify an entry", verified, Some(("accept a turn", turn)));
}

fn accept(store: &Store, name: &str, round: u32, count: u32, key: Option<&str>) {
    let effects: Vec<_> = (0..count).map(|number| effect(name, round, number, key)).collect();
    store.accept(&effects, Safety::Machine).expect("there is room");
}

fn deliver(store: &Store, name: &str, round: u32) {
    for part in 0..TURN / 100 {
        let ids: Vec<_> = (0..100).map(|at| id(name, round, part * 100 + at)).collect();
        let names: Vec<_> = ids.iter().map(String::as_str).collect();
        assert!(store.begin(&names, 1).expect("there is room").iter().all(|begun| *begun));
        let done = |id: &String| Finished {
            id: id.clone(),
            outcome: Outcome::Done("250 2.0.0 Ok: queued".to_owned()),
            next_at: None,
        };
        let finished: Vec<_> = ids.iter().map(done).collect();
        store.finish(&finished, 2).expect("there is room");
    }
}

fn id(name: &str, round: u32, number: u32) -> String {
    format!("{name}:auth.log:00000000{round:08x}:{number:08x}")
}

/// An effect as a block of a firewall or a short message makes it.
fn effect(name: &str, round: u32, number: u32, key: Option<&str>) -> NewEffect {
    let id = id(name, round, number);
    let text = |name: &str, value: &str| (name.to_owned(), Cell::Text(value.to_owned()));
    let cells = vec![
        text("address", "203.0.113.77"),
        text("reason", "20 failed logins within a minute"),
        ("seconds".to_owned(), Cell::Integer(3_600)),
    ];
    let raw = b"<38>Mar 14 09:26:53 gate sshd[4242]: Failed password for invalid user admin from \
                203.0.113.77 port 40022 ssh2";
    let record = Record {
        source: "auth".to_owned(),
        position: u64::from(number),
        raw: raw.to_vec(),
        bytes: raw.len() as u64,
    };
    NewEffect {
        listener: "firewall".to_owned(),
        component: "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85".to_owned(),
        capability: name.to_owned(),
        endpoint: "relay".to_owned(),
        key: key.map(str::to_owned),
        causes: vec![Cause { event: format!("sshd:{id}"), record: Some(record) }],
        time: i64::from(number),
        decision: Decision::Granted,
        plan: "block 203.0.113.77 for 1h in set `attackers`".to_owned(),
        request: Request { id, target: "attackers".to_owned(), cells },
    }
}

/// As many bytes as an effect has, written and written through.
fn plain(folder: &Path, count: u32) -> f64 {
    let bytes = vec![7; 700 * count as usize];
    let mut file = File::create(folder.join("plain")).expect("a file can be made");
    best(count, |_| {
        file.write_all(&bytes).expect("there is room");
        file.sync_data().expect("it can be written through");
    })
}

/// The least of several rounds, in nanoseconds for each of so many.
fn best(count: u32, mut once: impl FnMut(u32)) -> f64 {
    let mut least = f64::INFINITY;
    for round in 0..ROUNDS {
        #[expect(clippy::disallowed_methods, reason = "what is measured here is time itself")]
        let start = Instant::now();
        once(round);
        least = least.min(start.elapsed().as_secs_f64() * 1e9);
    }
    least / f64::from(count)
}

#[expect(clippy::print_stdout, reason = "a bench is there to print")]
fn report(name: &str, ns: f64, beside: Option<(&str, f64)>) {
    let beside = beside
        .map_or(String::new(), |(other, plain)| format!("  {:.2} times `{other}`", ns / plain));
    println!("{name:22} {:9.1} us{beside}", ns / 1e3);
}
