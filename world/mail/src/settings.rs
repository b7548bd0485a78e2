//! What the operator wrote, and whether it makes sense.
//!
//! It must never know what is sent.

use std::path::PathBuf;

use correlator_wire::address::HostPort;
use correlator_wire::trust::Trust;
use correlator_world::human::{Size, Span};
use lettre::Address;
use lettre::message::Mailbox;
use serde::{Deserialize, Deserializer};

use crate::limit;
use crate::recipient::Recipients;

/// A grant of e-mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The mail server: `HOST:PORT`. The port may be left out: 587, 465 for `security: tls`, 25 for `security: none`.
    pub server: String,
    /// How the conversation is kept secret.
    #[serde(default)]
    pub security: Security,
    /// Whether `security: none` may leave this machine.
    #[serde(default)]
    pub insecure: bool,
    /// The file of the authorities (PEM) that sign the server's certificate; the machine's own, if absent.
    pub ca: Option<PathBuf>,
    /// The name that the server's certificate must have; the host in `server`, if absent.
    pub server_name: Option<String>,
    /// Who we are to the server; there is no login, if absent.
    pub username: Option<String>,
    /// The name of the credential that has the password.
    pub credential: Option<String>,
    /// The sender: `NAME <ADDRESS>` or `ADDRESS`.
    pub from: String,
    /// Who gets what names nobody.
    #[serde(default, deserialize_with = "one_or_many")]
    pub to: Vec<String>,
    /// Whom a request may name besides: addresses, and `*@DOMAIN` for all of a domain.
    #[serde(default, deserialize_with = "one_or_many")]
    pub recipients: Vec<String>,
    /// Recipients of one mail.
    #[serde(default = "recipients_max")]
    pub recipients_max: usize,
    /// Whether a request may say where answers go.
    #[serde(default)]
    pub reply_to: bool,
    /// Whether a request may have a part in HTML.
    #[serde(default = "yes")]
    pub html: bool,
    /// How we introduce ourselves to the server; the machine's name, if absent.
    pub hello: Option<String>,
    /// Bytes of the subject and all text of one mail.
    #[serde(default = "size_max")]
    pub size_max: Size,
    /// How long the beginning of a conversation, and each mail in it, may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
}

/// How the conversation is kept secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// It begins in the open and goes on in TLS, or not at all.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all.
    None,
}

/// The same, checked.
#[derive(Debug)]
pub(crate) struct Rules {
    pub server: HostPort,
    pub security: Security,
    pub trust: Option<Trust>,
    pub login: Option<Login>,
    pub from: Mailbox,
    pub recipients: Recipients,
    pub reply_to: bool,
    pub html: bool,
    pub hello: String,
    pub size_max: u64,
    pub timeout: Span,
}

/// Who we are to the server.
#[derive(Debug)]
pub(crate) struct Login {
    pub username: String,
    pub credential: String,
}

/// A list, or what would be its only member.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected an address or a list of them")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => text.split(',').map(str::to_owned).collect(),
        OneOrMany::Many(texts) => texts,
    })
}

fn recipients_max() -> usize {
    10
}

fn yes() -> bool {
    true
}

fn size_max() -> Size {
    Size(1 << 20)
}

fn timeout() -> Span {
    Span::seconds(60)
}

impl Rules {
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let server = server(settings)?;
        let from: Mailbox = settings.from.parse().map_err(|_| {
            let from = shown(&settings.from);
            let quotes = if settings.from.contains(',') && !settings.from.contains('"') {
                "; a name with a comma needs quotes: '\"NAME, OTHER\" <USER@DOMAIN>'"
            } else {
                ""
            };
            format!("from: `{from}` is no address; write `NAME <USER@DOMAIN>`{quotes}")
        })?;
        let trust = match settings.security {
            Security::None => None,
            Security::Starttls | Security::Tls => {
                let name = settings.server_name.as_deref().unwrap_or(&server.host);
                let trust = Trust::new(name, settings.ca.as_deref(), None);
                Some(trust.map_err(|error| format!("ca: {error}"))?)
            }
        };
        if settings.size_max.0 == 0 || settings.size_max.0 > limit::SIZE_MAX {
            let most = Size(limit::SIZE_MAX);
            return Err(format!("size_max: {} is not from 1B to {most}", settings.size_max));
        }
        let bounds = limit::TIMEOUT_MIN..=limit::TIMEOUT_MAX;
        if !bounds.contains(&settings.timeout.0) {
            let (least, most) = (Span(*bounds.start()), Span(*bounds.end()));
            return Err(format!("timeout: {} is not from {least} to {most}", settings.timeout));
        }
        Ok(Self {
            server,
            security: settings.security,
            trust,
            login: login(settings)?,
            from,
            recipients: Recipients::new(settings)?,
            reply_to: settings.reply_to,
            html: settings.html,
            hello: hello(settings)?,
            size_max: settings.size_max.0,
            timeout: settings.timeout,
        })
    }

    /// The domain that the mails are of.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }
}

fn server(settings: &Settings) -> Result<HostPort, String> {
    let usual = match settings.security {
        Security::Starttls => 587,
        Security::Tls => 465,
        Security::None => 25,
    };
    let server = HostPort::parse(&settings.server, Some(usual));
    let server = server.ok_or_else(|| {
        let typed = shown(&settings.server);
        format!("server: `{typed}` is no server; write `HOST:PORT` or `[ADDRESS]:PORT`")
    })?;
    if settings.security == Security::None && !settings.insecure && !server.is_loopback() {
        return Err(format!(
            "security: `none` would send mail and password in the open to {server}; use `starttls` or `tls`, or \
             write `insecure: true` if the network is yours"
        ));
    }
    Ok(server)
}

fn login(settings: &Settings) -> Result<Option<Login>, String> {
    match (&settings.username, &settings.credential) {
        (None, None) => Ok(None),
        (Some(username), Some(credential)) => {
            if username.is_empty() || username.chars().any(char::is_control) {
                return Err("username: it is empty or has control characters in it".into());
            }
            Ok(Some(Login { username: username.clone(), credential: credential.clone() }))
        }
        (Some(_), None) => {
            Err("credential: name the one that has the password of `username`".into())
        }
        (None, Some(_)) => Err("username: say whose password `credential` is".into()),
    }
}

/// How we introduce ourselves: a name that servers accept, whatever the machine is called.
fn hello(settings: &Settings) -> Result<String, String> {
    let fits = |name: &str| {
        let letters = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
        !name.is_empty() && name.len() <= limit::ADDRESS_BYTES_MAX && name.chars().all(letters)
    };
    match &settings.hello {
        Some(name) if fits(name) => Ok(name.clone()),
        Some(name) => Err(format!("hello: `{}` is no name of a host", shown(name))),
        None => {
            let machine = rustix::system::uname();
            let name = machine.nodename().to_str().ok().filter(|name| fits(name));
            Ok(name.unwrap_or("localhost").to_owned())
        }
    }
}

/// One address that the operator wrote.
pub(crate) fn address(key: &str, text: &str) -> Result<Address, String> {
    let address = text.trim().parse::<Address>().ok().filter(|address| {
        let text: &str = address.as_ref();
        text.is_ascii() && text.len() <= limit::ADDRESS_BYTES_MAX
    });
    address.ok_or_else(|| format!("{key}: `{}` is no address; write `USER@DOMAIN`", shown(text)))
}

/// What was typed, for a message about it.
pub(crate) fn shown(text: &str) -> String {
    text.escape_debug().take(SHOWN_MAX).collect()
}

/// Characters that are shown of what makes no sense.
const SHOWN_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::{Rules, Settings};

    fn read(text: &str) -> Result<Rules, String> {
        let settings: Settings = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        Rules::new(&settings)
    }

    #[test]
    fn defaults() {
        let rules =
            read("{server: localhost, security: none, from: a@b.org, to: c@d.org}").expect("good");
        assert_eq!(rules.server.to_string(), "localhost:25");
        assert!(rules.html && !rules.reply_to && rules.login.is_none());
        assert_eq!(rules.domain(), "b.org");
    }

    #[test]
    fn the_example_is_one() {
        let example = include_str!("lib.rs").split("```").nth(1).expect("an example");
        let lines = example.lines().filter_map(|line| line.strip_prefix("//!   ")).skip(1);
        let text = lines.collect::<Vec<_>>().join("\n");
        let settings: Settings = serde_yaml::from_str(&text).expect("settings");
        assert_eq!(settings.recipients, ["*@example.org"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected: &str| {
            let error = read(text).expect_err("refused");
            assert!(error.contains(expected), "{text}: {error}");
        };
        let local = "server: 127.0.0.1:1, security: none, from: a@b.org";
        check(
            "{server: 192.0.2.1, security: none, from: a@b.org, to: [c@d.org]}",
            "insecure: true",
        );
        check("{server: 'a b', security: none, from: a@b.org}", "server: `a b`");
        check("{server: 127.0.0.1, security: none, from: nobody}", "from: `nobody`");
        check(
            "{server: 127.0.0.1, security: none, from: 'M, O <a@b.org>'}",
            "write `NAME <USER@DOMAIN>`; a name with a comma needs quotes",
        );
        check("{server: 127.0.0.1, ca: /nowhere, from: a@b.org, to: [c@d.org]}", "ca: /nowhere");
        check(&format!("{{{local}}}"), "to: ");
        check(&format!("{{{local}, to: [x]}}"), "to: `x`");
        check(&format!("{{{local}, recipients: ['*']}}"), "recipients: `*`");
        check(&format!("{{{local}, to: [c@d.org], username: u}}"), "credential: ");
        check(&format!("{{{local}, to: [c@d.org], credential: u}}"), "username: ");
        check(&format!("{{{local}, to: [c@d.org], timeout: 0s}}"), "timeout: 0s is not from 1s");
        check(&format!("{{{local}, to: [c@d.org], timeout: 10}}"), "10");
        check(&format!("{{{local}, to: [c@d.org], size_max: 1GiB}}"), "size_max: 1GiB is not");
        check(&format!("{{{local}, to: [c@d.org], hello: \"a\\r\\nb\"}}"), "hello: ");
        check(&format!("{{{local}, to: [c@d.org], passwort: x}}"), "passwort");
    }
}
