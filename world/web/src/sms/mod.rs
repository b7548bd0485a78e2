//! Text messages to phones, by way of a provider.
//!
//! A listener gives a number and a text. The number must be one that the grant lists; the text is made plain and cut.
//! What is not Twilio is described by the same recipes that webhooks have.
//!
//! ```yaml
//! sms:
//!   account: AC0123456789abcdef0123456789abcdef      # Twilio
//!   from: "+15005550006"
//!   credential: twilio
//!   recipients: ["+4917012345", "+49171*"]
//! ```
//!
//! ```yaml
//! sms:
//!   provider: other
//!   url: https://sms.example.net/v1/send
//!   auth: { header: X-Api-Key }
//!   credential: sms-key
//!   from: Correlator
//!   json: { to: ["{to}"], from: "{$from}", text: "{text}" }
//!   answers: [{ status: [200], contains: '"status":"rejected"', is: refused }]
//!   said: /message_id
//!   recipients: ["+49*"]
//! ```
//!
//! | column | kind | is |
//! | --- | --- | --- |
//! | `to` | text | one number, in the international form `+4917012345` unless the grant lists it otherwise |
//! | `text` | text | the message |
//!
//! The request's target means nothing here. Twilio knows no key that keeps a message from being sent twice: one whose
//! answer is lost on the way may come twice.

mod recipient;
mod settings;

use std::sync::Arc;

use correlator_world::text::hides;
use correlator_world::{Capability, Cell, Outcome, Refused, Request, Secrets};

use crate::client::{Lookup, Roots, System};
use crate::limit;
use crate::recipe::{Auth, Recipe, Sender, Use, clean};
use recipient::{Recipients, is_number};
pub use settings::Settings;

const TWILIO: &str = include_str!("providers/twilio.yaml");

/// The capability.
pub struct Sms {
    sender: Sender,
    provider: String,
    recipients: Recipients,
    characters_max: usize,
}

impl Sms {
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
        let provider = settings.provider.as_deref().unwrap_or("twilio");
        let recipe = match provider {
            "twilio" => twilio(settings)?,
            "other" => Recipe::default(),
            unknown => {
                return Err(format!("provider `{unknown}` is neither `twilio` nor `other`"));
            }
        };
        let characters_max = settings.characters_max.unwrap_or(limit::SMS_CHARACTERS);
        if !(1..=limit::SMS_CHARACTERS_MAX).contains(&characters_max) {
            return Err(format!("`characters_max` is 1 to {}", limit::SMS_CHARACTERS_MAX));
        }
        let used = Use {
            who: format!("provider `{provider}`"),
            reach: &settings.reach(),
            credential: settings.credential.clone(),
            signature: None,
        };
        let recipe = recipe.changed(settings.changes());
        Ok(Self {
            sender: Sender::new(recipe, used, Arc::clone(lookup), &mut Roots::default())?,
            provider: provider.to_owned(),
            recipients: Recipients::read(&settings.recipients)?,
            characters_max,
        })
    }

    /// The request with what is sent of it, and nothing else.
    fn plain(&self, request: &Request) -> Result<Request, Refused> {
        let wanted = |name: &str| {
            let missing =
                || Refused::Malformed(format!("the column `{name}` is missing, or no text"));
            request.text(name).ok_or_else(missing)
        };
        let to = wanted("to")?.trim();
        if !is_number(to) {
            let to = clean(&to.chars().take(limit::SAID_CHARACTERS_MAX).collect::<String>());
            return Err(Refused::Malformed(format!(
                "`{to}` is not one phone number; it is written as `+4917012345`"
            )));
        }
        if !self.recipients.allow(to) {
            return Err(Refused::Denied(format!(
                "{to} is not among the `recipients` of the grant"
            )));
        }
        let text = message(wanted("text")?, self.characters_max);
        if text.is_empty() {
            return Err(Refused::Malformed("the text is empty".into()));
        }
        let cells = vec![("to".into(), Cell::Text(to.into())), ("text".into(), Cell::Text(text))];
        Ok(Request { id: request.id.clone(), target: request.target.clone(), cells })
    }
}

/// Twilio's recipe, if the settings have what it needs.
fn twilio(settings: &Settings) -> Result<Recipe, String> {
    if settings.account.is_none() {
        return Err("Twilio needs the account's SID as `account`".into());
    }
    let account = settings.account.as_deref().unwrap_or_default();
    let letters = account.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !letters || !account.starts_with("AC") {
        return Err(format!("account `{account}` is no SID; it begins with `AC`"));
    }
    if settings.from.is_some() == settings.messaging_service.is_some() {
        return Err("Twilio needs one of `from` and `messaging_service`".into());
    }
    if settings.credential.is_none() && settings.auth != Some(Auth::None) {
        return Err(
            "Twilio needs the name of the credential that has the account's auth token: write `credential: twilio`, \
             and keep the token with `correlator credential set twilio`"
                .into(),
        );
    }
    Recipe::bundled(TWILIO)
}

/// A text as it is sent: without what only steers machines, and cut.
fn message(text: &str, characters_max: usize) -> String {
    let plain = text.chars().filter_map(|character| match character {
        '\n' | '\r' | '\t' => Some(' '),
        character if hides(character) => None,
        character => Some(character),
    });
    // One more than is sent, to see whether there is more.
    let kept: Vec<char> = plain.take(characters_max.saturating_add(1)).collect();
    if kept.len() <= characters_max {
        return kept.into_iter().collect::<String>().trim().to_owned();
    }
    let dots = characters_max.min(3);
    let start: String = kept[..characters_max - dots].iter().collect();
    format!("{}{}", start.trim_start(), &"..."[..dots])
}

impl Capability for Sms {
    fn check(&self, request: &Request) -> Result<(), Refused> {
        self.sender.check(&self.plain(request)?)
    }

    fn plan(&self, request: &Request) -> String {
        match self.plain(request) {
            Ok(plain) => {
                let (to, text) = (plain.text("to"), plain.text("text"));
                let (to, text) = (to.unwrap_or_default(), text.unwrap_or_default());
                format!("text message to {to} by {}: `{text}`", self.provider)
            }
            Err(refused) => refused.to_string(),
        }
    }

    fn at_once(&self) -> usize {
        1
    }

    fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        let mut down: Option<Outcome> = None;
        let send = |request: &Request| match (&down, self.plain(request)) {
            (Some(outcome), _) => outcome.clone(),
            (None, Err(refused)) => Outcome::Refused(refused.to_string()),
            (None, Ok(plain)) => {
                let sent = self.sender.send(&plain, secrets);
                if sent.down {
                    down = Some(sent.outcome.clone());
                }
                sent.outcome
            }
        };
        requests.iter().map(send).collect()
    }

    fn credentials(&self) -> Vec<String> {
        self.sender.credentials()
    }

    fn endpoint(&self, _request: &Request) -> String {
        self.provider.clone()
    }

    fn parties(&self, request: &Request) -> Vec<String> {
        request.text("to").map(|to| to.trim().to_owned()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn texts_are_plain_and_short() {
        let check =
            |text: &str, expected: &str| assert_eq!(message(text, 10), expected, "{text:?}");
        check("short", "short");
        check("exactly 10", "exactly 10");
        check("eleven char", "eleven ...");
        check("a\r\nb\0\x1b[0m", "a  b[0m");
        check("\u{202e}abc", "abc");
        check("äöüäöüäöüäöü", "äöüäöüä...");
        check("\n \n", "");
    }
}
