//! The search engine: how it is asked, by whom.

use std::io::Write;

use correlator_world::{Hush, Outcome, Secrets};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use ureq::http::{Method, StatusCode};
use zeroize::Zeroizing;

use crate::client::{Answer, Ask, Client, Header};
use crate::limit;
use crate::recipe::{Auth, Credential, excerpt};

/// What is known of the search engine.
pub(super) struct Server {
    pub client: Client,
    /// Its address, without a slash at its end.
    pub base: String,
    pub credential: Option<String>,
    pub auth: Auth,
    pub user: String,
}

/// The search engine for one turn, with the secret.
pub(super) struct Session<'a> {
    server: &'a Server,
    authorization: Option<Header>,
    hush: Hush,
}

impl Server {
    /// Gets the secret.
    ///
    /// # Errors
    /// There is none.
    pub fn session(&self, secrets: &dyn Secrets) -> Result<Session<'_>, Outcome> {
        let mut session = Session { server: self, authorization: None, hush: Hush::default() };
        if let Some(name) = &self.credential {
            let credential = Credential::get(name, secrets)?;
            session.authorization = self.auth.header(&self.user, credential.reveal());
            credential.hush(&self.user, &mut session.hush);
        }
        Ok(session)
    }

    /// Who it is, for messages.
    pub fn who(&self) -> String {
        format!("search engine `{}`", self.base)
    }
}

impl Session<'_> {
    /// Asks for something, with or without a body.
    ///
    /// # Errors
    /// There is no answer: what that means for who asked.
    pub fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &[u8])>,
        answer_bytes_max: u64,
    ) -> Result<Answer, Outcome> {
        let header = |name: &str, value: &str| (name.to_owned(), Zeroizing::new(value.to_owned()));
        let mut headers = vec![header("accept", "application/json")];
        headers.extend(self.authorization.clone());
        let mut packed = None;
        if let Some((kind, bytes)) = body {
            headers.push(header("content-type", kind));
            headers.push(header("content-encoding", "gzip"));
            packed = Some(pack(bytes));
        }
        let url = format!("{}{path}", self.server.base);
        let ask =
            Ask { method, url: &url, headers: &headers, body: packed.as_deref(), answer_bytes_max };
        let answer = self.server.client.ask(&ask);
        // Whatever is wrong with the way there is the operator's to mend: the address is none of a guest's.
        answer.map_err(|failure| Outcome::later(format!("{}: {failure}", self.server.who())))
    }

    /// What it means for all that was asked that the answer is not a good one: credentials, addresses and templates can be
    /// mended, and no document is lost until they are.
    pub fn outcome(&self, answer: &Answer) -> Outcome {
        Outcome::Later { reason: self.told(answer), after: answer.retry_after, alone: false }
    }

    /// What it means for the one document that was asked for that it is not taken.
    pub fn refusal(&self, answer: &Answer) -> Outcome {
        Outcome::Refused(self.told(answer))
    }

    /// What it answered, for people.
    fn told(&self, answer: &Answer) -> String {
        let name = StatusCode::from_u16(answer.status).ok().and_then(|s| s.canonical_reason());
        let broken = if answer.whole { "" } else { " and broke off" };
        let hint = match answer.status {
            300..=399 => " (redirects are not followed; give its new `url`)",
            404 | 405 => " (is `url` the address of a search engine?)",
            401 | 403 => " (are its user and credential right?)",
            _ => "",
        };
        let text = self.strike(&reason(&answer.body));
        let said = excerpt(&text, limit::SAID_CHARACTERS_MAX);
        let name = name.unwrap_or_default();
        format!("{} answered {} {name}{broken}{hint}{said}", self.server.who(), answer.status)
    }

    /// A text without secrets.
    pub fn strike(&self, text: &str) -> String {
        self.hush.strike(text)
    }
}

/// The reason in an answer, or all of it.
fn reason(body: &[u8]) -> String {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let reason = parsed.as_ref().and_then(|value| value.pointer("/error/reason")?.as_str());
    reason.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
