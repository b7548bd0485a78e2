//! What an operator writes for webhooks.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::recipe::{Recipe, Signature};
use crate::settings::grant;

/// The grant `webhook`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The endpoints by the names that listeners know.
    pub endpoints: BTreeMap<String, Endpoint>,
}

grant! {
    recipe
    /// One endpoint. What it leaves out is the preset's.
    pub struct Endpoint {
        /// The service; `generic` if nothing is said.
        pub preset: Option<String>,
        /// The credential by name.
        pub credential: Option<String>,
        /// How bodies are signed.
        pub signature: Option<Signature>,
        /// The column that is the body as it is.
        pub raw: Option<String>,
        /// Tables and escapes for the body.
        pub tables: BTreeMap<String, Vec<String>>,
        /// The same.
        pub escapes: BTreeMap<String, BTreeMap<String, String>>,
    }
}

impl Endpoint {
    /// What of its preset it wants otherwise.
    pub(super) fn changes(&self) -> Recipe {
        Recipe {
            raw: self.raw.clone(),
            tables: self.tables.clone(),
            escapes: self.escapes.clone(),
            ..self.recipe()
        }
    }
}
