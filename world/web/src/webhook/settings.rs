//! What an operator writes for webhooks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::client::Reach;
use crate::recipe::{Auth, Recipe, Rule, Signature};
use crate::settings::{Network, Span};

/// The grant `webhook`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The endpoints by the names that listeners know.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// One endpoint. What it leaves out is the preset's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoint {
    /// The service; `generic` if nothing is said.
    pub preset: Option<String>,
    /// Where it listens. `{@credential}` and `{$NAME}` of `values` may stand in it.
    pub url: Option<String>,
    /// The credential by name.
    pub credential: Option<String>,
    /// How it is shown: `basic`, `bearer`, `none`, `{scheme: WORD}`, `{header: NAME}`.
    pub auth: Option<Auth>,
    /// Who goes with it: then it is shown as `basic`.
    pub user: Option<String>,
    /// How bodies are signed.
    pub signature: Option<Signature>,
    /// `POST`, `PUT` or `PATCH`.
    pub method: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// What the preset leaves to the operator.
    pub values: BTreeMap<String, String>,
    /// A body of one's own, as JSON.
    pub json: Option<Value>,
    /// A body of one's own, as a form.
    pub form: Option<BTreeMap<String, String>>,
    /// The column that is the body as it is.
    pub raw: Option<String>,
    /// Tables and escapes for that body.
    pub tables: BTreeMap<String, Vec<String>>,
    /// The same.
    pub escapes: BTreeMap<String, BTreeMap<String, String>>,
    /// What answers mean, before what the preset says of them.
    pub answers: Vec<Rule>,
    /// Where in a JSON answer its name for what was done stands.
    pub said: Option<String>,
    /// Whether it may be in a private network or on this machine.
    pub private: bool,
    /// The networks that it may be in, and no others.
    pub networks: Vec<Network>,
    /// Who may sign its certificate, as a file in PEM; the system's authorities if nothing is said.
    pub ca: Option<PathBuf>,
    /// By way of this proxy.
    pub proxy: Option<String>,
    /// How long connecting may take, `5s` if nothing is said.
    pub connect_timeout: Option<Span>,
    /// How long all of it may take, `30s` if nothing is said.
    pub timeout: Option<Span>,
}

impl Endpoint {
    pub(super) fn reach(&self) -> Reach {
        Reach {
            private: self.private,
            networks: self.networks.clone(),
            ca: self.ca.clone(),
            proxy: self.proxy.clone(),
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
        }
    }

    /// What of its preset it wants otherwise.
    pub(super) fn changes(&self) -> Recipe {
        let value = |(name, text): (&String, &String)| (name.clone(), Some(text.clone()));
        Recipe {
            url: self.url.clone(),
            method: self.method.clone(),
            auth: self.auth.clone(),
            user: self.user.clone(),
            anonymous: None,
            headers: self.headers.clone(),
            values: self.values.iter().map(value).collect(),
            raw: self.raw.clone(),
            json: self.json.clone(),
            form: self.form.clone(),
            tables: self.tables.clone(),
            escapes: self.escapes.clone(),
            answers: self.answers.clone(),
            said: self.said.clone(),
        }
    }
}
