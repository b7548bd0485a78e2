//! What has to hold after every kill, and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use correlator_store::effect::State;
use correlator_store::entry::Kind;
use correlator_store::filter::AuditFilter;
use correlator_store::reader::Reader;
use correlator_store::verify::Verification;

use crate::child::{EFFECTS, TURNS, id, key};

/// The trail is whole, and whatever was acknowledged is there.
pub fn after_a_kill(folder: &Path) {
    let reader = match Reader::open(&folder.join("store")) {
        Ok(reader) => reader,
        // It was killed before there was anything.
        Err(error) => {
            assert!(!folder.join("acknowledged").exists(), "{error}");
            return;
        }
    };
    let whole = reader.verify(&[]).unwrap();
    assert!(matches!(&whole, Verification::Whole { tears, .. } if tears.is_empty()), "{whole:?}");
    let acknowledged = fs::read_to_string(folder.join("acknowledged")).unwrap_or_default();
    for turn in acknowledged.lines().collect::<BTreeSet<_>>() {
        for at in 0..EFFECTS {
            let id = id(turn.parse().unwrap(), at);
            assert!(reader.show(&id).unwrap().effect.is_some(), "{id} is lost");
        }
    }
}

/// Everything was done, in order, and what was done twice was told.
pub fn at_the_end(folder: &Path) -> String {
    let reader = Reader::open(&folder.join("store")).unwrap();
    let total = TURNS * EFFECTS;
    assert_eq!(reader.status().unwrap().states, [(State::Done, total)]);
    let mut counts: BTreeMap<(String, Kind), u64> = BTreeMap::new();
    let mut after = 0;
    loop {
        let next = AuditFilter { after: Some(after), limit: 1_000, ..AuditFilter::default() };
        let entries = reader.audit(&next).unwrap();
        let Some(last) = entries.last() else { break };
        after = last.sequence;
        for entry in entries {
            *counts.entry((entry.effect.unwrap(), entry.kind)).or_default() += 1;
        }
    }
    let count = |id: &str, kind| counts.get(&(id.to_owned(), kind)).copied().unwrap_or(0);
    let world = fs::read_to_string(folder.join("world")).unwrap();
    let lines: Vec<_> = world.lines().map(|line| line.split_once(' ').unwrap()).collect();
    let mut twice = 0;
    for number in 0..total {
        let id = id(number / EFFECTS, number % EFFECTS);
        assert_eq!(count(&id, Kind::Decision), 1, "{id} was accepted more than once");
        let marks: Vec<_> =
            lines.iter().filter(|(line, _)| *line == id).map(|(_, mark)| *mark).collect();
        assert!(!marks.is_empty(), "{id} was never done");
        // Every time that the world was asked and nobody heard the answer, the next one was told so.
        let unheard = marks.len() as u64 - count(&id, Kind::Attempt);
        let told = marks.iter().filter(|mark| **mark == "maybe").count() as u64;
        assert!(told >= unheard, "{id}: {marks:?}");
        let interruptions = count(&id, Kind::Interruption);
        assert!(interruptions >= unheard, "{id}: {marks:?}");
        assert!(told == 0 || interruptions > 0, "{id} was told for nothing");
        twice += unheard;
    }
    for lane in ["k0", "k1"] {
        let number = |line: &(&str, &str)| line.0[1..].parse::<u64>().unwrap();
        let of_lane = |number: &u64| key(*number).as_deref() == Some(lane);
        let order: Vec<_> = lines.iter().map(number).filter(of_lane).collect();
        assert!(order.is_sorted(), "{lane} is out of order: {order:?}");
    }
    format!("{total} effects, each accepted once; {twice} times the world was asked again, told")
}
