//! The program that is killed: a listener that asks, and a delivery that carries out, taking turns.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use correlator_store::effect::{Accepted, Cause, Decision, Finished, NewEffect};
use correlator_store::settings::Settings;
use correlator_store::store::{Safety, Store};
use correlator_world::{Outcome, Request};

pub const TURNS: u64 = 200;
pub const EFFECTS: u64 = 5;
/// The listener saves its place every so many turns: those since are handed over again after a crash.
const SAVED_EVERY: u64 = 4;
const NOW: i64 = 1_000_000;

/// The number of an effect, its key, and how often the world is busy with it.
pub fn id(turn: u64, at: u64) -> String {
    format!("e{:05}", turn * EFFECTS + at)
}

pub fn key(number: u64) -> Option<String> {
    (number % 5 < 3).then(|| format!("k{}", number % 2))
}

fn busy(number: u64) -> u32 {
    if number.is_multiple_of(7) { 2 } else { 0 }
}

/// Says that a step is done, and waits until the next one may be.
fn step() {
    std::io::stdout().write_all(b".").unwrap();
    std::io::stdout().flush().unwrap();
    let mut byte = [0];
    std::io::stdin().read_exact(&mut byte).unwrap();
}

pub fn run(folder: &Path) {
    let (store, _) = Store::open(&folder.join("store"), Settings::default(), NOW).unwrap();
    let append =
        |name: &str| OpenOptions::new().append(true).create(true).open(folder.join(name)).unwrap();
    let (mut world, mut acknowledged) = (append("world"), append("acknowledged"));
    let position = fs::read_to_string(folder.join("position")).unwrap_or_default();
    step();
    for turn in position.parse().unwrap_or(0)..TURNS {
        let effects: Vec<_> = (0..EFFECTS).map(|at| effect(turn, at)).collect();
        let safety = if turn % 2 == 0 { Safety::Machine } else { Safety::Program };
        let accepted = store.accept(&effects, safety).unwrap();
        let differs = |one: &Accepted| matches!(one, Accepted::Known { differs: true, .. });
        assert!(!accepted.iter().any(differs));
        acknowledged.write_all(format!("{turn}\n").as_bytes()).unwrap();
        step();
        if turn % SAVED_EVERY == SAVED_EVERY - 1 {
            fs::write(folder.join("position.new"), (turn + 1).to_string()).unwrap();
            fs::rename(folder.join("position.new"), folder.join("position")).unwrap();
            store.settle().unwrap();
        }
        deliver(&store, &mut world);
    }
    while deliver(&store, &mut world) {}
}

fn effect(turn: u64, at: u64) -> NewEffect {
    let number = turn * EFFECTS + at;
    let request = Request { id: id(turn, at), target: "ops".to_owned(), cells: Vec::new() };
    NewEffect {
        request,
        listener: "mailer".to_owned(),
        component: "00ff".to_owned(),
        capability: "mail".to_owned(),
        endpoint: "relay".to_owned(),
        key: key(number),
        causes: vec![Cause { event: format!("v{turn}"), record: None }],
        time: turn.cast_signed(),
        decision: Decision::Granted,
        plan: "would send".to_owned(),
    }
}

/// Carries out some of what is due. Whether anything was.
fn deliver(store: &Store, world: &mut File) -> bool {
    let due = store.due("mail", None, NOW, 6).unwrap();
    let ids: Vec<_> = due.iter().map(|due| due.request.id.as_str()).collect();
    let begun = store.begin(&ids, NOW).unwrap();
    assert!(begun.iter().all(|begun| *begun));
    step();
    let mut finished = Vec::new();
    for due in &due {
        // This is the world: what stands there has been done.
        let mark = if due.maybe_done { "maybe" } else { "first" };
        world.write_all(format!("{} {mark}\n", due.request.id).as_bytes()).unwrap();
        let number: u64 = due.request.id[1..].parse().unwrap();
        let outcome = if due.attempts < busy(number) {
            Outcome::later("busy")
        } else {
            Outcome::Done("taken".to_owned())
        };
        finished.push(Finished { id: due.request.id.clone(), outcome, next_at: Some(NOW) });
    }
    step();
    store.finish(&finished, NOW).unwrap();
    step();
    !due.is_empty()
}
