//! Messages against servers: a real rsyslog over every way, and peers that stop reading, hang up and come back.

mod peers;

mod rsyslog;

use std::time::Duration;

use correlator_syslog::{Settings, Syslog};
use correlator_wire::clock;
use correlator_world::{Capability, Cell, NoSecret, Outcome, Request, Secret, Secrets};
use rustix::event::{Timespec, poll};

/// How long a test waits for something.
const PATIENCE: Duration = Duration::from_mins(1);

/// Syslog needs none.
struct Nothing;

impl Secrets for Nothing {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        Err(NoSecret::Unknown(name.to_owned()))
    }
}

/// A grant of one target with the name `t`.
fn syslog(text: &str) -> Syslog {
    let text = format!("{{targets: {{t: {{hostname: tester, {text}}}}}}}");
    let settings: Settings = serde_yaml::from_str(&text).expect("settings");
    Syslog::new(&settings).expect("a grant")
}

fn request(id: &str, cells: &[(&str, Cell)]) -> Request {
    let cells = cells.iter().map(|(name, cell)| ((*name).into(), cell.clone())).collect();
    Request { id: id.into(), target: "t".into(), cells }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

/// Messages with these numbers.
fn numbered(numbers: std::ops::Range<usize>) -> Vec<Request> {
    let one = |n| request(&format!("m:{n}#0"), &[("message", text(&format!("message {n}")))]);
    numbers.map(one).collect()
}

fn deliver(syslog: &mut Syslog, requests: &[Request]) -> Vec<Outcome> {
    let start = clock::instant();
    let outcomes = syslog.deliver(requests, &Nothing);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(outcomes.len(), requests.len());
    outcomes
}

/// What came of all, and a word that must be told of the first.
fn expect(outcomes: &[Outcome], kind: &str, words: &str) {
    for (number, outcome) in outcomes.iter().enumerate() {
        let (found, told) = match outcome {
            Outcome::Done(told) => ("done", told),
            Outcome::Partly { .. } => panic!("a message is sent whole: {outcome:?}"),
            Outcome::Later { reason, .. } => ("later", reason),
            Outcome::Refused(told) => ("refused", told),
        };
        let fits = found == kind && (number > 0 || told.contains(words));
        assert!(fits, "expected {kind} with `{words}`: {outcome:?}");
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let step = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    let start = clock::instant();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        let _ = poll(&mut [], Some(&step));
    }
}

/// Tells that a test did not look at what it should.
#[expect(clippy::print_stderr, reason = "what is skipped is told")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
