//! The one door to the network: an HTTP client that is careful about whom it talks to.
//!
//! It must never know what is asked for, nor what an answer means.

mod failure;
mod guard;
mod lookup;
mod own;
mod reach;
mod roots;
mod secure;

use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderValue, Method, Request, Response, Uri};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::{Agent, Body, Proxy};
use zeroize::Zeroizing;

pub(crate) use failure::Failure;
pub use lookup::{Lookup, System};
pub(crate) use reach::Reach;
pub(crate) use roots::Roots;

use crate::{clock, limit};
use guard::Guard;
use lookup::Guarded;
use secure::Secure;

/// A header's name and value, which may be a secret.
pub(crate) type Header = (String, Zeroizing<String>);

/// What is asked.
pub(crate) struct Ask<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a [Header],
    /// Nothing for methods that have no body.
    pub body: Option<&'a [u8]>,
    pub answer_bytes_max: u64,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    /// How long the endpoint wants to be left alone.
    pub retry_after: Option<Duration>,
    /// As much of the body as was read.
    pub body: Vec<u8>,
    /// Whether that is all of it.
    pub whole: bool,
}

/// Talks to one endpoint.
pub(crate) struct Client {
    agent: Agent,
    guard: Guard,
    near: bool,
}

impl Client {
    /// A client for one endpoint. `roots` is `None` if TLS is never spoken to it.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(
        reach: &Reach,
        lookup: Arc<dyn Lookup>,
        roots: &mut Roots,
        secure: bool,
    ) -> Result<Self, String> {
        let networks = reach.networks.iter().map(|network| network.0).collect();
        let guard = Guard { private: reach.private, networks };
        let proxy = reach.proxy.as_deref().map(proxy).transpose()?;
        let own = |proxy: &Proxy| (lookup::bare(proxy.host()).to_owned(), proxy.port());
        let guarded = Guarded { lookup, guard: guard.clone(), proxy: proxy.as_ref().map(own) };
        let trust = match &reach.ca {
            Some(path) => Some(roots::of_file(path)?),
            None if secure => Some(roots.system()?),
            None => None,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .timeout_resolve(Some(reach.connect()?))
            .timeout_connect(Some(reach.connect()?))
            .timeout_global(Some(reach.whole()?))
            .max_response_header_size(limit::ANSWER_HEAD_BYTES_MAX)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(limit::IDLE_MAX)
            .accept_encoding(AutoHeaderValue::None)
            .user_agent(concat!("correlator/", env!("CARGO_PKG_VERSION")))
            .build();
        let connector = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default());
        let agent = Agent::with_parts(config, connector.chain(Secure(trust)), guarded);
        Ok(Self { agent, guard, near: reach.near() })
    }

    /// Whether a URL is one that may be asked at all, as far as it can be told without looking up its name.
    ///
    /// # Errors
    /// Why not. The URL is not repeated: it may be a secret.
    pub fn check(&self, url: &str, secret: bool) -> Result<(), String> {
        let uri: Uri = url.parse().map_err(|error| format!("its URL is none: {error}"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(
                "its URL has no scheme or no host; it is written as `https://host/path`".into()
            );
        };
        if authority.as_str().contains('@') {
            return Err(
                "its URL has a name or password in it; they belong into `user` and `credential`"
                    .into(),
            );
        }
        match scheme {
            "http" if secret && !self.near => {
                return Err(
                    "a credential would go over plain HTTP; use https, or say `private: true` or \
                            list `networks` if the endpoint is near"
                        .into(),
                );
            }
            "https" | "http" => {}
            other => return Err(format!("its URL is `{other}`, it can be https or http")),
        }
        match lookup::bare(authority.host()).parse::<IpAddr>() {
            Ok(address) => self.guard.check(address),
            Err(_) => Ok(()),
        }
    }

    /// Asks, and reads the answer up to a limit.
    ///
    /// # Errors
    /// There is no answer, and why.
    pub fn ask(&self, ask: &Ask) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(ask.method.clone()).uri(ask.url);
        for (name, value) in ask.headers {
            let bad =
                |_| Failure::Malformed(format!("header `{name}` has what no header can have"));
            let mut value = HeaderValue::from_str(value).map_err(bad)?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let response = match ask.body {
            Some(body) => request.body(body).map(|request| self.agent.run(request)),
            None => request.body(()).map(|request| self.agent.run(request)),
        };
        let response = response.map_err(|error| Failure::Malformed(error.to_string()))?;
        Ok(answer(response?, ask.answer_bytes_max))
    }
}

/// Reads what is left of an answer: as much as there is, up to a limit. That it breaks off is no failure, for the
/// status has been told.
fn answer(response: Response<Body>, bytes_max: u64) -> Answer {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header("retry-after").and_then(|text| retry_after(text, clock::now()));
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let mut reader = response.into_body().into_reader().take(bytes_max.saturating_add(1));
    let mut whole = reader.read_to_end(&mut body).is_ok();
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    if body.len() > bytes_max {
        body.truncate(bytes_max);
        whole = false;
    }
    Answer { status, retry_after, body, whole }
}

/// `Retry-After`: seconds, or a date.
fn retry_after(text: &str, now: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(limit::RETRY_AFTER_MAX));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let wait = Duration::try_from(until.duration_since(clock::moment(now))).unwrap_or_default();
    Some(wait.min(limit::RETRY_AFTER_MAX))
}

fn proxy(text: &str) -> Result<Proxy, String> {
    let wrong =
        || "`proxy` is no proxy; it is written as `http://proxy.example.net:3128`".to_owned();
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(wrong());
    }
    if text.contains('@') {
        return Err("`proxy` has a name or password in it, and a stack has no secrets".into());
    }
    Proxy::new(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::retry_after;

    #[test]
    fn endpoints_say_how_long_to_wait() {
        let check = |text: &str, expected: Option<u64>| {
            let now = 784_111_777_000_000_000;
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        };
        check("120", Some(120));
        check(" 7 ", Some(7));
        check("99999999999", Some(86_400));
        check("Sun, 06 Nov 1994 08:49:47 GMT", Some(10));
        check("Sun, 06 Nov 1994 08:49:00 GMT", Some(0));
        check("soon", None);
        check("-5", None);
    }
}
