//! What an operator writes for text messages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::client::Reach;
use crate::recipe::{Auth, Recipe, Rule};
use crate::settings::{Network, Span};

/// The grant `sms`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Who sends: `twilio` if nothing is said, or `other`, which the settings describe.
    pub provider: Option<String>,
    /// Twilio: the account's SID.
    pub account: Option<String>,
    /// The number or name that it comes from.
    pub from: Option<String>,
    /// Twilio: a messaging service, in place of `from`.
    pub messaging_service: Option<String>,
    /// The credential by name.
    pub credential: Option<String>,
    /// Who may be written to: numbers such as `+4917012345`, and patterns such as `+49170*`.
    pub recipients: Vec<String>,
    /// Characters of a message: what is longer is cut. 320 if nothing is said, 1600 at most.
    pub characters_max: Option<usize>,
    /// Where the provider listens. `{@credential}` and `{$NAME}` of `values` may stand in it.
    pub url: Option<String>,
    /// How the credential is shown: `basic`, `bearer`, `none`, `{scheme: WORD}`, `{header: NAME}`.
    pub auth: Option<Auth>,
    /// Who goes with it: then it is shown as `basic`.
    pub user: Option<String>,
    /// `POST`, `PUT` or `PATCH`.
    pub method: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// What the texts of the other settings have as `{$NAME}`.
    pub values: BTreeMap<String, String>,
    /// Another provider's body, as a form.
    pub form: Option<BTreeMap<String, String>>,
    /// Another provider's body, as JSON.
    pub json: Option<Value>,
    /// What answers mean.
    pub answers: Vec<Rule>,
    /// Where in a JSON answer the message's id stands.
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

impl Settings {
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

    /// What of its provider it wants otherwise.
    pub(super) fn changes(&self) -> Recipe {
        let mut values: BTreeMap<_, _> =
            self.values.iter().map(|(name, text)| (name.clone(), Some(text.clone()))).collect();
        let named = [
            ("account", &self.account),
            ("from", &self.from),
            ("messaging_service", &self.messaging_service),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                values.insert(name.to_owned(), Some(value.clone()));
            }
        }
        Recipe {
            url: self.url.clone(),
            method: self.method.clone(),
            auth: self.auth.clone(),
            user: self.user.clone(),
            headers: self.headers.clone(),
            values,
            json: self.json.clone(),
            form: self.form.clone(),
            answers: self.answers.clone(),
            said: self.said.clone(),
            ..Recipe::default()
        }
    }
}
