//! Webhooks: messages to endpoints that the operator named.
//!
//! A listener names an endpoint and gives columns; it sees neither the URL nor the credential. What goes out is made of the
//! columns by a preset, which is data: `generic`, `slack`, `teams`, `mattermost`, `pagerduty`, `servicenow`, `jira`,
//! `alertmanager`.
//!
//! ```yaml
//! webhook:
//!   endpoints:
//!     chat:     { preset: slack, credential: slack-url }            # the credential is the whole URL
//!     on-call:  { preset: pagerduty, credential: pagerduty-key }
//!     tickets:
//!       preset: jira
//!       url: https://example.atlassian.net/rest/api/2/issue
//!       user: correlator@example.org
//!       credential: jira-token
//!       values: { project: SEC }
//!     alerts:   { preset: alertmanager, url: "http://10.1.2.3:9093/api/v2/alerts", networks: [10.1.2.0/24] }
//!     own:
//!       url: https://hooks.example.org/correlator
//!       headers: { X-Severity: "{severity}" }
//!       signature: { credential: hook-key, header: X-Signature, algorithm: hmac-sha256 }
//! ```
//!
//! | column | kind | is |
//! | --- | --- | --- |
//! | `summary` | text | what happened, on a line; every preset but `generic` needs it |
//! | `severity` | integer | 0 (emergency) to 7 (debug); 5 if it is absent |
//! | `event`, `module`, `id` | text | which event, of which module, under which id |
//! | `time` | time | when |
//! | `fields` | text | the event's fields, a JSON object |
//! | `body` | text | the body as it is, for `generic` alone; without it `generic` sends all columns as an object |
//!
//! A text that should be an endpoint's is written in `json` or `form` of the endpoint, with the placeholders of the presets.
//! Every message has an `Idempotency-Key`, the request's id. A signature is `t=SECONDS,v1=HEX`: the HMAC-SHA256 of
//! `SECONDS.BODY`.

mod preset;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use correlator_world::{Capability, LeftOut, Outcome, Refused, Request, Secrets, target};

use crate::client::{Lookup, Roots, System};
use crate::limit;
pub use crate::recipe::{Algorithm, Signature};
use crate::recipe::{Sender, Use, clean};
pub use settings::{Endpoint, Settings};

/// The column with a body that is sent as it is.
const BODY: &str = "body";

/// The capability.
pub struct Webhook {
    endpoints: BTreeMap<String, Sender>,
}

impl Webhook {
    /// The capability as a grant allows it.
    ///
    /// # Errors
    /// What is wrong with the settings, all of it.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let system: Arc<dyn Lookup> = Arc::new(System);
        Self::with_lookup(settings, &system)
    }

    /// The same, with somebody else to ask for the addresses of names.
    ///
    /// # Errors
    /// What is wrong with the settings, all of it.
    pub fn with_lookup(settings: &Settings, lookup: &Arc<dyn Lookup>) -> Result<Self, String> {
        if settings.endpoints.is_empty() || settings.endpoints.len() > limit::ENDPOINTS_MAX {
            return Err(format!("`endpoints` names 1 to {} endpoints", limit::ENDPOINTS_MAX));
        }
        let mut roots = Roots::default();
        let (mut endpoints, mut wrong) = (BTreeMap::new(), Vec::new());
        for (name, endpoint) in &settings.endpoints {
            match ready(name, endpoint, Arc::clone(lookup), &mut roots) {
                Ok(sender) => {
                    endpoints.insert(name.clone(), sender);
                }
                Err(problem) => wrong.push(problem),
            }
        }
        if wrong.is_empty() { Ok(Self { endpoints }) } else { Err(wrong.join("; ")) }
    }

    fn find(&self, target: &str) -> Result<&Sender, Refused> {
        self.endpoints.get(target).ok_or_else(|| {
            let names: Vec<_> = self.endpoints.keys().map(String::as_str).collect();
            let shown: String = target.chars().take(limit::SAID_CHARACTERS_MAX).collect();
            Refused::Denied(format!(
                "there is no endpoint `{}` in `endpoints`; there are {}",
                clean(&shown),
                names.join(", ")
            ))
        })
    }
}

fn ready(
    name: &str,
    endpoint: &Endpoint,
    lookup: Arc<dyn Lookup>,
    roots: &mut Roots,
) -> Result<Sender, String> {
    let who = format!("endpoint `{name}`");
    let preset = endpoint.preset.as_deref().unwrap_or(preset::GENERIC);
    let recipe = preset::find(preset).map_err(|problem| format!("{who}: {problem}"))?;
    let used = Use {
        who,
        reach: &endpoint.reach(),
        credential: endpoint.credential.clone(),
        signature: endpoint.signature.clone(),
    };
    Sender::new(recipe.changed(endpoint.changes()), used, lookup, roots)
}

impl Capability for Webhook {
    fn check(&self, request: &Request) -> Result<(), Refused> {
        if request.cells.len() > limit::COLUMNS_MAX {
            return Err(Refused::Denied(format!(
                "a message has {} columns at most, this one has {}",
                limit::COLUMNS_MAX,
                request.cells.len()
            )));
        }
        self.find(&request.target)?.check(request)
    }

    fn knows(&self, target: &str) -> Result<(), Refused> {
        self.find(target).map(|_| ())
    }

    fn usual_target(&self) -> Option<&str> {
        target::meant(self.endpoints.keys().map(String::as_str), "default")
    }

    fn leaves_out(&self, request: &Request) -> Option<LeftOut> {
        let sender = self.find(&request.target).ok()?;
        if sender.takes(BODY) || request.text(BODY).is_none() {
            return None;
        }
        let who = clean(&request.target);
        let why = format!("endpoint `{who}` makes its own bodies, and leaves this one out");
        let way = "leave `body` out, or take `preset: generic` for the endpoint";
        Some(LeftOut { column: BODY, why, way })
    }

    fn plan(&self, request: &Request) -> String {
        match self.find(&request.target) {
            Ok(sender) => sender.plan(request),
            Err(refused) => refused.to_string(),
        }
    }

    fn at_once(&self) -> usize {
        1
    }

    fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        // An endpoint that is down is asked once a turn: the others need not wait for it as often as it has messages.
        let mut down: BTreeMap<&str, Outcome> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            if let Some(outcome) = down.get(request.target.as_str()) {
                outcomes.push(outcome.clone());
                continue;
            }
            let outcome = match self.find(&request.target) {
                Err(refused) => Outcome::Refused(refused.to_string()),
                Ok(sender) => {
                    let sent = sender.send(request, secrets);
                    if sent.down {
                        down.insert(&request.target, sent.outcome.clone());
                    }
                    sent.outcome
                }
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    fn credentials(&self) -> Vec<String> {
        let mut names: Vec<_> = self.endpoints.values().flat_map(Sender::credentials).collect();
        names.sort();
        names.dedup();
        names
    }
}
