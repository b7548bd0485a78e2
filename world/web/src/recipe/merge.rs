//! A recipe as it is written, and one that changes another.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::auth::Auth;
use super::rule::Rule;

/// How to speak to a service. Every part may be left to somebody else.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Recipe {
    /// Where it listens; the operator's values and the credential may stand in it.
    pub url: Option<String>,
    /// `POST`, `PUT` or `PATCH`.
    pub method: Option<String>,
    /// How the credential is shown.
    pub auth: Option<Auth>,
    /// Who goes with the credential.
    pub user: Option<String>,
    /// Whether it may do without a credential.
    pub anonymous: Option<bool>,
    /// Headers besides those that every message has.
    pub headers: BTreeMap<String, String>,
    /// What the operator fills in; nothing where he must.
    pub values: BTreeMap<String, Option<String>>,
    /// The column that is the body, as it is, if a request has it.
    pub raw: Option<String>,
    /// The body, as JSON.
    pub json: Option<Value>,
    /// The body, as a form.
    pub form: Option<BTreeMap<String, String>>,
    /// Texts by number.
    pub tables: BTreeMap<String, Vec<String>>,
    /// What stands for characters that mean something to the service.
    pub escapes: BTreeMap<String, BTreeMap<String, String>>,
    /// What answers mean; the first that fits decides.
    pub answers: Vec<Rule>,
    /// Where in a JSON answer its name for what was done stands.
    pub said: Option<String>,
}

impl Recipe {
    /// A bundled one.
    ///
    /// # Errors
    /// It is no recipe: a mistake of this program.
    pub fn bundled(text: &str) -> Result<Self, String> {
        serde_yaml::from_str(text).map_err(|error| format!("a bundled recipe is wrong: {error}"))
    }

    /// This one, with what an operator wants otherwise.
    #[must_use]
    pub fn changed(mut self, by: Self) -> Self {
        // Who names a user means him to be told, unless he says how.
        let implied = (by.user.is_some() && by.auth.is_none()).then_some(Auth::Basic);
        self.url = by.url.or(self.url);
        self.method = by.method.or(self.method);
        self.auth = by.auth.or(implied).or(self.auth);
        self.user = by.user.or(self.user);
        self.anonymous = by.anonymous.or(self.anonymous);
        self.said = by.said.or(self.said);
        self.headers.extend(by.headers);
        self.values.extend(by.values);
        self.tables.extend(by.tables);
        self.escapes.extend(by.escapes);
        if by.json.is_some() || by.form.is_some() || by.raw.is_some() {
            (self.json, self.form, self.raw) = (by.json, by.form, by.raw);
        }
        self.answers.splice(0..0, by.answers);
        self
    }
}
