//! What an operator writes for a search engine.

use std::path::PathBuf;

use serde::Deserialize;

use crate::client::Reach;
use crate::recipe::Auth;
use crate::settings::{Network, Span};

/// The grant `elastic`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where it listens, such as `https://search.example.net:9200`.
    pub url: String,
    /// The credential by name: the user's password, or an API key.
    pub credential: Option<String>,
    /// How it is shown; `basic` with a `user`, as an API key without one.
    pub auth: Option<Auth>,
    /// Who goes with it.
    pub user: Option<String>,
    /// The index that a document goes to: a text with `{target}`, `{module}` or another column, and `{+yyyy.MM.dd}`.
    pub index: Option<String>,
    /// The data stream that it goes to, in place of `index`.
    pub stream: Option<String>,
    /// What listeners may name as target; anything if nothing is said.
    pub targets: Vec<String>,
    /// Whether templates are made; `true` if nothing is said.
    pub template: bool,
    /// How many indices or streams may be named in a run.
    pub indices_max: Option<usize>,
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            credential: None,
            auth: None,
            user: None,
            index: None,
            stream: None,
            targets: Vec::new(),
            template: true,
            indices_max: None,
            private: false,
            networks: Vec::new(),
            ca: None,
            proxy: None,
            connect_timeout: None,
            timeout: None,
        }
    }
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
}
