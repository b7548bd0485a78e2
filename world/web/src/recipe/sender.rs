//! A recipe that is ready: it makes messages of requests, sends them, and says what came of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use correlator_world::{Hush, Outcome, Refused, Request, Secrets};
use serde_json::Value;
use ureq::http::{HeaderName, Method, StatusCode};
use zeroize::Zeroizing;

use super::auth::{Auth, Credential};
use super::body::{self, Body, Tree};
use super::fill::{Scope, What, size};
use super::filter::{Known, short};
use super::merge::Recipe;
use super::rule::{Rule, Verdict, judge};
use super::signature::{Signature, sign};
use super::template::Template;
use super::words::{clean, excerpt};
use crate::client::{Answer, Ask, Client, Failure, Header, Lookup, Reach, Roots};
use crate::{clock, limit};

/// What a plan shows in place of a secret.
const HIDDEN: &str = "***";
/// What every message has is nobody's to write; and who could write these could smuggle a second message in.
const HEADERS_OWN: [&str; 7] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "expect",
    "idempotency-key",
];

/// Who speaks, and how the grant lets him.
pub(crate) struct Use<'a> {
    /// For messages: what it is, and its name.
    pub who: String,
    pub reach: &'a Reach,
    pub credential: Option<String>,
    pub signature: Option<Signature>,
}

/// What came of a message.
pub(crate) struct Sent {
    pub outcome: Outcome,
    /// Whether the next message would fare no better.
    pub down: bool,
}

/// A recipe that is ready.
pub(crate) struct Sender {
    who: String,
    method: Method,
    url: Template,
    auth: Auth,
    user: Template,
    headers: Vec<(String, Template)>,
    raw: Option<String>,
    body: Body,
    rules: Vec<Rule>,
    said: Option<String>,
    values: BTreeMap<String, Option<String>>,
    credential: Option<String>,
    signature: Option<Signature>,
    client: Client,
}

/// A message, ready to be sent.
struct Message {
    url: Zeroizing<String>,
    headers: Vec<Header>,
    body: Zeroizing<Vec<u8>>,
}

impl Sender {
    /// Checks a recipe, and makes it ready.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn new(
        recipe: Recipe,
        used: Use,
        lookup: Arc<dyn Lookup>,
        roots: &mut Roots,
    ) -> Result<Self, String> {
        let who = used.who.clone();
        let named = |problem: String| format!("{who}: {problem}");
        prepare(recipe, used, lookup, roots).map_err(named)
    }

    /// The credentials that it needs, by name.
    pub fn credentials(&self) -> Vec<String> {
        let key = self.signature.as_ref().map(|signature| signature.credential.clone());
        self.credential.iter().cloned().chain(key).collect()
    }

    /// Whether a request's body is sent as it is, if it is in this column.
    pub fn takes(&self, column: &str) -> bool {
        self.raw.as_deref() == Some(column)
    }

    /// Whether a message can be made of a request.
    pub fn check(&self, request: &Request) -> Result<(), Refused> {
        self.bounded(size(request)).map_err(Refused::Denied)?;
        let message = self.message(request, HIDDEN).map_err(Refused::Malformed)?;
        self.bounded(message.body.len()).map_err(Refused::Denied)
    }

    /// What would be sent, on one line.
    pub fn plan(&self, request: &Request) -> String {
        match self.message(request, HIDDEN) {
            Ok(message) => {
                let body =
                    excerpt(&String::from_utf8_lossy(&message.body), limit::PLAN_CHARACTERS_MAX);
                format!("{} {} to {}{body}", self.method, clean(&message.url), self.who)
            }
            Err(problem) => format!("nothing to {}: {problem}", self.who),
        }
    }

    /// Sends a request's message.
    pub fn send(&self, request: &Request, secrets: &dyn Secrets) -> Sent {
        self.try_send(request, secrets).unwrap_or_else(|outcome| Sent { outcome, down: false })
    }

    fn try_send(&self, request: &Request, secrets: &dyn Secrets) -> Result<Sent, Outcome> {
        let named = |problem| Outcome::Refused(format!("{}: {problem}", self.who));
        let get = |name: &String| Credential::get(name, secrets);
        let credential = self.credential.as_ref().map(get).transpose()?;
        let key =
            self.signature.as_ref().map(|signature| get(&signature.credential)).transpose()?;
        let shown = credential.as_ref().map_or("", Credential::reveal);
        let mut message = self.message(request, shown).map_err(named)?;
        self.client.check(&message.url, self.credential.is_some()).map_err(named)?;
        let user = self.user(shown);
        if credential.is_some() {
            message.headers.extend(self.auth.header(&user, shown));
        }
        if let (Some(signature), Some(key)) = (&self.signature, &key) {
            let value = sign(key.reveal().as_bytes(), &message.body, clock::now());
            message.headers.push((signature.header.to_ascii_lowercase(), Zeroizing::new(value)));
        }
        let asked = self.client.ask(&Ask {
            method: self.method.clone(),
            url: &message.url,
            headers: &message.headers,
            body: Some(&message.body),
            answer_bytes_max: limit::ANSWER_BYTES_MAX,
        });
        let mut hush = Hush::default();
        for secret in credential.iter().chain(&key) {
            secret.hush(&user, &mut hush);
        }
        Ok(match asked {
            Ok(answer) => self.understood(&answer, &hush),
            Err(failure) => {
                let down = !matches!(failure, Failure::Malformed(_));
                Sent { outcome: failure.outcome(&self.who), down }
            }
        })
    }

    /// What an answer says.
    fn understood(&self, answer: &Answer, hush: &Hush) -> Sent {
        let text = String::from_utf8_lossy(&answer.body);
        let status = status(answer.status);
        let reason = || {
            let text = hush.strike(&text);
            let said = excerpt(&text, limit::SAID_CHARACTERS_MAX);
            format!("{} answered {status}{}{said}", self.who, hint(answer.status))
        };
        let outcome = match judge(&self.rules, answer) {
            Verdict::Done => {
                let name = self.said.as_ref().and_then(|at| name_in(&text, at));
                let name = name.map(|name| hush.strike(&name)).unwrap_or_default();
                Outcome::Done(format!("{status}{}", excerpt(&name, limit::SAID_CHARACTERS_MAX)))
            }
            Verdict::Later => {
                // Anything else may be for what this message has in it.
                let after = answer.retry_after;
                let alone = after.is_none() && !matches!(answer.status, 429 | 502..=504);
                Outcome::Later { reason: reason(), after, alone }
            }
            Verdict::Refused => Outcome::Refused(reason()),
        };
        let down = matches!(outcome, Outcome::Later { alone: false, .. });
        Sent { outcome, down }
    }

    fn bounded(&self, bytes: usize) -> Result<(), String> {
        if bytes <= limit::BODY_BYTES_MAX {
            return Ok(());
        }
        Err(format!(
            "{} takes bodies of {} bytes at most, this one has {bytes}",
            self.who,
            limit::BODY_BYTES_MAX
        ))
    }

    fn message(&self, request: &Request, credential: &str) -> Result<Message, String> {
        self.bounded(size(request))?;
        let scope = Scope { request, values: &self.values, credential };
        let mut headers = vec![
            ("content-type".to_owned(), Zeroizing::new(self.body.content_type().to_owned())),
            (
                "idempotency-key".to_owned(),
                header(&short(&request.id, limit::IDEMPOTENCY_KEY_CHARACTERS_MAX), "the id")?,
            ),
        ];
        for (name, template) in &self.headers {
            let value = template.text(&scope)?;
            headers.retain(|(known, _)| known != name);
            // A secret is shown as it is or not at all.
            if template.fills().any(|(what, _)| *what == What::Credential) {
                header(credential, name)?;
            }
            headers.push((name.clone(), fitted(&value)));
        }
        let body = match body::raw(self.raw.as_deref(), request) {
            Some(raw) => raw,
            None => self.body.write(&scope)?,
        };
        Ok(Message { url: Zeroizing::new(self.url.text(&scope)?), headers, body })
    }

    fn user(&self, credential: &str) -> String {
        let request = Request::default();
        let scope = Scope { request: &request, values: &self.values, credential };
        self.user.text(&scope).unwrap_or_default()
    }
}

/// Makes a recipe ready.
fn prepare(
    recipe: Recipe,
    used: Use,
    lookup: Arc<dyn Lookup>,
    roots: &mut Roots,
) -> Result<Sender, String> {
    let known = Known { tables: Some(&recipe.tables), escapes: Some(&recipe.escapes) };
    let url = recipe.url.as_deref().ok_or("it needs a `url`")?;
    let secure = !url.starts_with("http://");
    let url = Template::read(url, &known)?;
    let user = recipe.user.as_deref().unwrap_or_default();
    let user = Template::read(user, &known)?;
    let (auth, anonymous) = (recipe.auth.unwrap_or_default(), recipe.anonymous.unwrap_or(false));
    let body = match (&recipe.json, &recipe.form) {
        (Some(tree), None) => Body::Json(Tree::read(tree, &known)?),
        (None, Some(fields)) => Body::Form(body::fields(fields, &known)?),
        (None, None) if recipe.raw.is_some() => {
            Body::Json(Tree::read(&Value::String("{@all}".into()), &known)?)
        }
        (None, None) => return Err("it needs a body: `json`, `form` or `raw`".into()),
        (Some(_), Some(_)) => return Err("its body is `json` or `form`, it can't be both".into()),
    };
    let sender = Sender {
        method: method(recipe.method.as_deref())?,
        headers: headers(&recipe.headers, &known)?,
        client: Client::new(used.reach, lookup, roots, secure)?,
        who: used.who,
        credential: used.credential,
        signature: used.signature,
        rules: recipe.answers,
        raw: recipe.raw,
        said: recipe.said,
        values: recipe.values,
        url,
        auth,
        user,
        body,
    };
    sound(&sender, anonymous)?;
    Ok(sender)
}

/// Whether all parts fit together.
fn sound(sender: &Sender, anonymous: bool) -> Result<(), String> {
    let mut fills: Vec<(&What, bool)> = sender.body.fills();
    fills.extend(sender.url.fills().chain(sender.user.fills()));
    fills.extend(sender.headers.iter().flat_map(|(_, template)| template.fills()));
    values(&sender.values, &fills)?;
    let foreign = |what: &What| !matches!(what, What::Value(_) | What::Credential);
    if sender.url.fills().chain(sender.user.fills()).any(|(what, _)| foreign(what)) {
        return Err("only `values` and the credential may stand in `url` and `user`".into());
    }
    let wanted =
        sender.auth != Auth::None || fills.iter().any(|(what, _)| **what == What::Credential);
    match &sender.credential {
        None if wanted && !(anonymous && sender.auth != Auth::Basic) => {
            return Err(
                "it needs a `credential`: the name of one that is kept with `correlator credential set NAME`"
                    .into(),
            );
        }
        Some(_) if !wanted => {
            return Err("its `credential` is used by nothing; say how with `auth`".into());
        }
        _ => {}
    }
    if sender.auth == Auth::Basic && sender.user("").is_empty() {
        return Err("basic authentication needs a `user`".into());
    }
    match &sender.auth {
        Auth::Header(name) => header_name(name).map(|_| ())?,
        Auth::Scheme(word) => header(word, "authorization").map(|_| ())?,
        _ => {}
    }
    if let Some(signature) = &sender.signature {
        header_name(&signature.header)?;
    }
    // A URL that is the secret itself is looked at when it is there.
    if sender.url.is_only(&What::Credential) {
        return Ok(());
    }
    let request = Request::default();
    let scope = Scope { request: &request, values: &sender.values, credential: "secret" };
    sender.client.check(&sender.url.text(&scope)?, sender.credential.is_some())
}

/// Whether the operator gave what is used, and nothing else.
fn values(
    values: &BTreeMap<String, Option<String>>,
    fills: &[(&What, bool)],
) -> Result<(), String> {
    for (name, value) in values {
        if value.is_none() {
            return Err(format!("`values` lacks `{name}`"));
        }
        if !fills.iter().any(|(what, _)| matches!(what, What::Value(used) if used == name)) {
            return Err(format!("`{name}` under `values` is used by nothing"));
        }
    }
    for (what, optional) in fills {
        if !optional && matches!(what, What::Value(name) if !values.contains_key(name)) {
            return Err(format!("{} is missing", what.name()));
        }
    }
    Ok(())
}

fn method(name: Option<&str>) -> Result<Method, String> {
    match name.unwrap_or("POST").to_ascii_uppercase().as_str() {
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        other => Err(format!("method `{other}` is none of POST, PUT, PATCH")),
    }
}

fn headers(
    given: &BTreeMap<String, String>,
    known: &Known,
) -> Result<Vec<(String, Template)>, String> {
    if given.len() > limit::HEADERS_MAX {
        return Err(format!("it has more than {} headers", limit::HEADERS_MAX));
    }
    let read = |(name, text): (&String, &String)| {
        header(text, name)?;
        Ok((header_name(name)?, Template::read(text, known)?))
    };
    given.iter().map(read).collect()
}

fn header_name(name: &str) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    if HEADERS_OWN.contains(&lower.as_str()) {
        return Err(format!("header `{name}` is not for the stack to write"));
    }
    match name.parse::<HeaderName>() {
        Ok(_) => Ok(lower),
        Err(_) => Err(format!("`{}` is no name of a header", clean(name))),
    }
}

/// A header's value by the operator's own words, which must be plain: a line end in it would begin another header.
fn header(value: &str, name: &str) -> Result<Zeroizing<String>, String> {
    if !value.chars().all(is_plain) || value.len() > limit::HEADER_BYTES_MAX {
        return Err(format!(
            "header `{name}` would have something else than plain ASCII in it, or more than {} bytes",
            limit::HEADER_BYTES_MAX
        ));
    }
    Ok(Zeroizing::new(value.trim().to_owned()))
}

/// The same of what stands in events, which is a stranger's and must keep no message from being sent: what a header can't
/// hold is written as in a URL, and what is too long is cut.
fn fitted(value: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(value.len().min(limit::HEADER_BYTES_MAX)));
    let is_all_plain = value.chars().all(is_plain);
    let mut shown = 0;
    for c in value.trim().chars() {
        if is_plain(c) && (is_all_plain || c != '%') {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        if out.len() > limit::HEADER_BYTES_MAX {
            out.truncate(shown);
            out.push_str(CUT);
            break;
        }
        if out.len() + CUT.len() <= limit::HEADER_BYTES_MAX {
            shown = out.len();
        }
    }
    out
}

/// Stands where a value was cut.
const CUT: &str = "...";

fn is_plain(c: char) -> bool {
    (' '..='~').contains(&c)
}

/// A status with its name.
pub(super) fn status(code: u16) -> String {
    let name = StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    name.map_or_else(|| code.to_string(), |name| format!("{code} {name}"))
}

/// What an operator may not think of.
fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => " (redirects are not followed; give its new `url`)",
        401 | 403 => " (is its credential right?)",
        _ => "",
    }
}

fn name_in(text: &str, at: &str) -> Option<String> {
    match serde_json::from_str::<Value>(text).ok()?.pointer(at)? {
        Value::String(name) => Some(name.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}
