//! Elasticsearch and `OpenSearch`: requests as documents of an index or a data stream.
//!
//! All requests of a turn go in one bulk. Each is created under its request's id, so that what is sent again is there
//! once. A template says beforehand which field is of which kind, made from the columns' kinds.
//!
//! ```yaml
//! elastic:
//!   url: https://search.example.net:9200
//!   networks: [10.0.0.0/8]
//!   user: correlator                      # without a user the credential is an API key (its encoded form)
//!   credential: search
//!   index: correlator-{target}-{+yyyy.MM.dd}
//! ```
//!
//! `auth: bearer` is for tokens, such as those of service accounts. A credential that is refused is waited for: it can be
//! mended, and no document is lost until it is.
//!
//! `index` may have `{target}`, columns such as `{module}`, and a date (`yyyy`, `MM`, `dd`, `HH`, `xxxx`, `ww`) in it; this
//! one is the default. `stream` in its place names a data stream: `stream: correlator-{target}`. In a dated index an id is
//! unique, because a request's date is its own; in a data stream it is so only until the stream gets its next index.
//!
//! What went into an index can be taken back, by its id.
//!
//! | column | kind | is |
//! | --- | --- | --- |
//! | `time` | time | the document's `@timestamp`, and the index's date; now if it is absent |
//! | `fields` | text | a JSON object that becomes one |
//! | any other | any | a field of that kind; spans in seconds |
//!
//! The target is what listeners choose, among `targets` if there are any: letters, digits, `-`, `_`. The bundled listener
//! names the module, so that the default makes `correlator-sshd-2026.11.21`.

mod bulk;
mod document;
mod pattern;
mod schema;
mod server;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use correlator_world::{Capability, Kind, Outcome, Refused, Request, Secrets};
use serde_json::Value;

use crate::client::{Client, Lookup, Roots, System};
use crate::recipe::{Auth, clean, excerpt, size};
use crate::{clock, limit};
use bulk::Entry;
use pattern::{Named, Pattern};
use schema::Schemas;
use server::{Server, Session};
pub use settings::Settings;

const INDEX: &str = "correlator-{target}-{+yyyy.MM.dd}";
const API_KEY: &str = "ApiKey";

/// The capability.
pub struct Elastic {
    server: Server,
    pattern: Pattern,
    is_stream: bool,
    has_templates: bool,
    targets: Vec<String>,
    indices_max: usize,
    /// The indices that were named so far.
    indices: BTreeSet<String>,
    schemas: Schemas,
}

impl Elastic {
    /// The capability as a grant allows it.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let system: Arc<dyn Lookup> = Arc::new(System);
        Self::with_lookup(settings, &system)
    }

    /// The same, with somebody else to ask for the addresses of names.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn with_lookup(settings: &Settings, lookup: &Arc<dyn Lookup>) -> Result<Self, String> {
        if settings.url.is_empty() {
            return Err("`url` says where the search engine listens, such as `https://search.example.net:9200`".into());
        }
        let (text, is_stream) = match (&settings.index, &settings.stream) {
            (Some(_), Some(_)) => return Err("it is `index` or `stream`, it can't be both".into()),
            (index, None) => (index.as_deref().unwrap_or(INDEX), false),
            (None, Some(stream)) => (stream.as_str(), true),
        };
        let indices_max = settings.indices_max.unwrap_or(limit::INDICES);
        if indices_max == 0 {
            return Err("`indices_max` is 1 at least".into());
        }
        Ok(Self {
            server: server(settings, Arc::clone(lookup))?,
            pattern: Pattern::read(text, !settings.targets.is_empty())?,
            is_stream,
            has_templates: settings.template.unwrap_or(true),
            targets: settings.targets.clone(),
            indices_max,
            indices: BTreeSet::new(),
            schemas: Schemas::default(),
        })
    }

    /// The index and the document of a request.
    fn entry(&self, request: &Request, now: i64) -> Result<(Named, Value), Refused> {
        if !self.targets.is_empty() && !self.targets.contains(&request.target) {
            let shown: String = request.target.chars().take(limit::SAID_CHARACTERS_MAX).collect();
            return Err(Refused::Denied(format!("`{}` is not among the `targets`", clean(&shown))));
        }
        let bytes = size(request);
        if bytes > limit::DOCUMENT_BYTES_MAX {
            return Err(Refused::Denied(format!(
                "a document has {} bytes at most, this one has {bytes}",
                limit::DOCUMENT_BYTES_MAX
            )));
        }
        document::check(request).map_err(Refused::Malformed)?;
        let moment = document::moment(request, now);
        let named = self.pattern.name(request, moment).map_err(Refused::Denied)?;
        Ok((named, Value::Object(document::document(request, now))))
    }

    /// Whether an index may be named: who names a new one for every document would fill the cluster with them.
    fn admit(&mut self, index: &str) -> Result<(), Refused> {
        if self.indices.contains(index) {
            return Ok(());
        }
        if self.indices.len() >= self.indices_max {
            return Err(Refused::Denied(format!(
                "`{index}` would be one index more than {}; raise `indices_max` if that is meant",
                self.indices_max
            )));
        }
        self.indices.insert(index.to_owned());
        Ok(())
    }
}

/// The fields of each family of indices.
type Families = BTreeMap<String, BTreeMap<String, Kind>>;

fn server(settings: &Settings, lookup: Arc<dyn Lookup>) -> Result<Server, String> {
    let base = settings.url.trim_end_matches('/').to_owned();
    let user = settings.user.clone().unwrap_or_default();
    let auth = match (&settings.auth, &settings.credential) {
        (Some(auth), Some(_)) => auth.clone(),
        (Some(_), None) => return Err(
            "`auth` needs a `credential`: the name of one that is kept with `correlator credential set NAME`".into(),
        ),
        (None, Some(_)) if user.is_empty() => Auth::Scheme(API_KEY.into()),
        (None, Some(_)) => Auth::Basic,
        (None, None) if user.is_empty() => Auth::None,
        (None, None) => return Err(
            "a `user` needs a `credential`: the name of one that is kept with `correlator credential set NAME`".into(),
        ),
    };
    if auth == Auth::Basic && user.is_empty() {
        return Err("basic authentication needs a `user`".into());
    }
    let secure = !base.starts_with("http://");
    let client = Client::new(&settings.reach(), lookup, &mut Roots::default(), secure)?;
    client.check(&base, settings.credential.is_some())?;
    if base.contains(['?', '#']) {
        return Err("`url` is the address of the search engine, without `?` and `#`".into());
    }
    Ok(Server { client, base, credential: settings.credential.clone(), auth, user })
}

/// Sees to the templates of what is about to be sent, and tells what lacks one and why.
fn lacking(
    schemas: &mut Schemas,
    session: &Session,
    is_stream: bool,
    families: Families,
) -> BTreeMap<String, Outcome> {
    let mut lacking: BTreeMap<String, Outcome> = BTreeMap::new();
    for (family, kinds) in families {
        // One that is down is not asked for every family.
        let down =
            lacking.values().find(|outcome| matches!(outcome, Outcome::Later { .. })).cloned();
        let put = down.map_or_else(|| schemas.ensure(session, &family, is_stream, &kinds), Err);
        if let Err(outcome) = put {
            lacking.insert(family, outcome);
        }
    }
    lacking
}

impl Capability for Elastic {
    fn check(&self, request: &Request) -> Result<(), Refused> {
        self.entry(request, 0).map(|_| ())
    }

    fn plan(&self, request: &Request) -> String {
        match self.entry(request, clock::now()) {
            Ok((named, document)) => {
                let document = excerpt(&document.to_string(), limit::PLAN_CHARACTERS_MAX);
                format!("document `{}` into `{}`{document}", clean(&request.id), named.index)
            }
            Err(refused) => refused.to_string(),
        }
    }

    fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        let now = clock::now();
        let mut outcomes: Vec<Option<Outcome>> = vec![None; requests.len()];
        let mut ready = Vec::new();
        let mut families = Families::new();
        for (at, request) in requests.iter().enumerate() {
            let entry = self.entry(request, now);
            match entry.and_then(|entry| self.admit(&entry.0.index).map(|()| entry)) {
                Err(refused) => outcomes[at] = Some(Outcome::Refused(refused.to_string())),
                Ok((named, document)) => {
                    document::kinds(request, families.entry(named.family.clone()).or_default());
                    ready
                        .push((named.family, Entry::new(at, &named.index, &request.id, &document)));
                }
            }
        }
        match self.server.session(secrets) {
            Err(outcome) => {
                for (_, entry) in &ready {
                    outcomes[entry.at] = Some(outcome.clone());
                }
            }
            Ok(session) => {
                let families = if self.has_templates { families } else { Families::new() };
                let lacking = lacking(&mut self.schemas, &session, self.is_stream, families);
                let mut entries = Vec::with_capacity(ready.len());
                for (family, entry) in ready {
                    match lacking.get(&family) {
                        Some(outcome) => outcomes[entry.at] = Some(outcome.clone()),
                        None => entries.push(entry),
                    }
                }
                bulk::send(&session, &entries, &mut outcomes);
            }
        }
        let untold = || Outcome::later("the search engine said nothing of it");
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(untold)).collect()
    }

    fn undo(&mut self, request: &Request, secrets: &dyn Secrets) -> Outcome {
        if self.is_stream {
            return Outcome::Refused("a data stream keeps what is in it".into());
        }
        // Without a time of its own it went into the index of a day that nobody wrote down.
        if document::time(request).is_none() && self.pattern.is_dated() {
            return Outcome::Refused("it has no time, so its index is not known".into());
        }
        match (self.entry(request, 0), self.server.session(secrets)) {
            (Err(refused), _) => Outcome::Refused(refused.to_string()),
            (_, Err(outcome)) => outcome,
            (Ok((named, _)), Ok(session)) => bulk::take_back(&session, &named.index, &request.id),
        }
    }

    fn credentials(&self) -> Vec<String> {
        self.server.credential.iter().cloned().collect()
    }

    fn endpoint(&self, _request: &Request) -> String {
        self.server.base.clone()
    }
}
