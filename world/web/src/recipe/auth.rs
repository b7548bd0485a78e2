//! How it is shown who asks.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use correlator_world::{Hush, NoSecret, Outcome, Secrets};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::client::Header;

/// How a credential is shown to an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Not by itself: it stands in the URL or in the body, or there is none.
    #[default]
    None,
    /// With a user's name: `Authorization: Basic`.
    Basic,
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization` with another word.
    Scheme(String),
    /// A header of its own.
    Header(String),
}

/// A credential while it is needed.
pub(crate) struct Credential(Zeroizing<String>);

impl Credential {
    /// Gets it by name.
    ///
    /// # Errors
    /// There is none, which an operator may heal; or it can't be a password or a token.
    pub fn get(name: &str, secrets: &dyn Secrets) -> Result<Self, Outcome> {
        let secret = match secrets.get(name) {
            Ok(secret) => secret,
            Err(error @ (NoSecret::Unknown(_) | NoSecret::Unreachable(..))) => {
                return Err(Outcome::later(error.to_string()));
            }
        };
        // What was piped in has a line end that nobody meant.
        let text = secret.reveal_text().map(|text| text.trim_end_matches(['\r', '\n']));
        match text.filter(|text| !text.is_empty() && !text.contains(char::is_control)) {
            Some(text) => Ok(Self(Zeroizing::new(text.to_owned()))),
            None => Err(Outcome::Refused(format!(
                "credential `{name}` is empty or no plain text; set it again with `correlator credential set {name}`"
            ))),
        }
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Has it struck out of what is said, in each form in which it is sent.
    pub fn hush(&self, user: &str, hush: &mut Hush) {
        hush.add(&basic(user, self.reveal()));
        hush.add(self.reveal());
    }
}

impl Auth {
    /// The header that shows it, if there is one.
    pub(crate) fn header(&self, user: &str, credential: &str) -> Option<Header> {
        let named = |name: &str, value| Some((name.to_owned(), Zeroizing::new(value)));
        let authorization = |value| named("authorization", value);
        match self {
            Self::None => None,
            Self::Basic => authorization(format!("Basic {}", basic(user, credential).as_str())),
            Self::Bearer => authorization(format!("Bearer {credential}")),
            Self::Scheme(word) => authorization(format!("{word} {credential}")),
            Self::Header(name) => named(&name.to_ascii_lowercase(), credential.to_owned()),
        }
    }
}

fn basic(user: &str, credential: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{credential}"));
    Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use correlator_world::Hush;
    use zeroize::Zeroizing;

    use super::Credential;

    #[test]
    fn each_form_is_struck_out() {
        let mut hush = Hush::default();
        Credential(Zeroizing::new("short".to_owned())).hush("ops", &mut hush);
        assert_eq!(hush.strike("b3BzOnNob3J0 is short"), "*** is ***");
    }
}
