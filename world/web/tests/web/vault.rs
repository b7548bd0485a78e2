//! Requests and secrets as tests need them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use correlator_web::Lookup;
use correlator_world::{Cell, NoSecret, Outcome, Request, Secret, Secrets};

/// The secret of every test: it must never be told.
pub const SECRET: &str = "s3cr3t-Tok/en";

/// Secrets by name.
#[derive(Default)]
pub struct Vault(BTreeMap<String, String>);

impl Vault {
    pub fn with(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }
}

impl Secrets for Vault {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        let found = self.0.get(name).ok_or_else(|| NoSecret::Unknown(name.to_owned()))?;
        Ok(Secret::new(found.clone().into_bytes()))
    }
}

/// Answers for every name in turn; the last one for good.
pub struct Script {
    answers: Vec<Vec<SocketAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    pub fn new(answers: &[&[&str]]) -> Self {
        let address = |text: &&str| text.parse().expect("an address with a port");
        let answers = answers.iter().map(|answer| answer.iter().map(address).collect()).collect();
        Self { answers, asked: Mutex::default() }
    }

    /// What was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Lookup for Script {
    fn lookup(&self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut asked = self.asked.lock().expect("no panic");
        let answer = self.answers.get(asked.len()).or(self.answers.last());
        asked.push(host.to_owned());
        Ok(answer.cloned().unwrap_or_default())
    }
}

/// A request of these columns.
pub fn request(id: &str, target: &str, cells: &[(&str, Cell)]) -> Request {
    let cells = cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect();
    Request { id: id.into(), target: target.into(), cells }
}

/// A request as the bundled listener makes it.
pub fn event(id: &str, target: &str) -> Request {
    let cells = [
        ("severity", Cell::Integer(3)),
        ("summary", text("5 failed logins from <192.0.2.7> & \"more\"")),
        ("event", text("login_failed")),
        ("module", text("sshd")),
        ("time", Cell::Time(1_700_000_000_250_000_000)),
        ("id", text("sshd:42#0")),
        ("fields", text("{\"user\":\"root\",\"addr\":\"192.0.2.7\",\"failures\":5}")),
    ];
    request(id, target, &cells)
}

pub fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

/// Where something is that no package of the system has: as a variable says, or among `target/peers`.
pub fn peer(variable: &str, path: &str) -> PathBuf {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    std::env::var_os(variable)
        .map_or_else(|| workspace.join(target).join("peers").join(path), PathBuf::from)
}

/// Says why a test does not do what it is for.
#[allow(clippy::print_stderr, reason = "what is skipped is told plainly")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

#[track_caller]
pub fn assert_done(outcome: &Outcome, expected: &str) {
    assert!(matches!(outcome, Outcome::Done(said) if said.contains(expected)), "{outcome:?}");
}

#[track_caller]
pub fn assert_later(outcome: &Outcome, expected: &str) {
    assert!(
        matches!(outcome, Outcome::Later { reason, .. } if reason.contains(expected)),
        "{outcome:?}"
    );
    assert!(!format!("{outcome:?}").contains(SECRET), "{outcome:?}");
}

#[track_caller]
pub fn assert_refused(outcome: &Outcome, expected: &str) {
    assert!(
        matches!(outcome, Outcome::Refused(reason) if reason.contains(expected)),
        "{outcome:?}"
    );
    assert!(!format!("{outcome:?}").contains(SECRET), "{outcome:?}");
}
