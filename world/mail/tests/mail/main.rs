//! Mail against servers: a real Postfix with TLS and logins, and one that misbehaves in every way that was thought of.

mod misbehaving;

mod postfix;

mod server;

use std::collections::BTreeMap;

use correlator_mail::{Mail, Settings};
use correlator_world::{Cell, NoSecret, Outcome, Request, Secret, Secrets};

/// Secrets that a test knows.
struct Known(BTreeMap<&'static str, &'static str>);

impl Known {
    fn password(text: &'static str) -> Self {
        Self(BTreeMap::from([("smtp", text)]))
    }
}

impl Secrets for Known {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        let found = self.0.get(name).map(|text| Secret::new(text.as_bytes().to_vec()));
        found.ok_or_else(|| NoSecret::Unknown(name.to_owned()))
    }
}

/// A grant, as it stands in a stack.
fn mail(text: &str) -> Mail {
    let settings: Settings = serde_yaml::from_str(text).expect("settings");
    Mail::new(&settings).expect("a grant")
}

fn request(id: &str, cells: &[(&str, &str)]) -> Request {
    let cells = cells.iter().map(|(name, text)| ((*name).into(), Cell::Text((*text).into())));
    Request { id: id.into(), target: "mail".into(), cells: cells.collect() }
}

/// A mail whose subject and text don't matter.
fn some(id: &str) -> Request {
    request(id, &[("subject", "hello"), ("text", "world\n")])
}

/// What came of one thing, and a word that must be told of it.
fn expect(outcome: &Outcome, kind: &str, words: &str) {
    let (found, told) = match outcome {
        Outcome::Done(told) => ("done", told),
        Outcome::Partly { said, missing } => {
            assert!(!missing.is_empty(), "{outcome:?}");
            ("partly", said)
        }
        Outcome::Later { reason, .. } => ("later", reason),
        Outcome::Refused(told) => ("refused", told),
    };
    assert!(found == kind && told.contains(words), "expected {kind} with `{words}`: {outcome:?}");
}
