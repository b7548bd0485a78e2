//! One target, checked: where messages go, from whom, and in which form.

use std::collections::BTreeMap;
use std::path::PathBuf;

use correlator_wire::address::HostPort;
use correlator_wire::trust::{Trust, TrustError};
use correlator_world::human::{Size, Span};
use correlator_world::{Refused, Request};

use crate::cef;
use crate::escape;
use crate::limit;
use crate::record::Record;
use crate::rfc5424;
use crate::settings::{Format, TargetSettings, Transport};

/// Facilities by their numbers.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "console", "cron2", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// A target.
#[derive(Debug)]
pub(crate) struct Target {
    pub place: Place,
    pub timeout: Span,
    source: Source,
    format: Format,
    extensions: BTreeMap<String, String>,
    message_max: usize,
}

/// Where it is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// At the end of a connection, secured or not.
    Stream(HostPort, Option<Trust>),
    Udp(HostPort),
    Unix(PathBuf),
}

/// From whom its messages come.
#[derive(Debug)]
pub(crate) struct Source {
    pub facility: u8,
    pub hostname: String,
    pub app_name: String,
    pub sd_id: String,
}

impl Target {
    pub fn new(settings: &TargetSettings) -> Result<Self, String> {
        let is_udp = settings.transport == Transport::Udp;
        let usual = if is_udp { limit::DATAGRAM_BYTES } else { limit::MESSAGE_BYTES };
        let size = settings.message_max.unwrap_or(Size(usual));
        let most = if is_udp { limit::DATAGRAM_BYTES_MAX } else { limit::MESSAGE_BYTES_MAX };
        let bounds = limit::MESSAGE_BYTES_MIN..=most;
        if !bounds.contains(&size.0) {
            return Err(format!(
                "message_max: {size} is not from {} to {most} bytes",
                bounds.start()
            ));
        }
        let times = limit::TIMEOUT_MIN..=limit::TIMEOUT_MAX;
        if !times.contains(&settings.timeout.0) {
            let (least, most) = (Span(*times.start()), Span(*times.end()));
            return Err(format!("timeout: {} is not from {least} to {most}", settings.timeout));
        }
        for (field, key) in &settings.extensions {
            if cef::plain(key) != *key {
                let key = key.escape_debug();
                return Err(format!(
                    "extensions.{field}: `{key}` is no key; use letters and digits"
                ));
            }
        }
        Ok(Self {
            place: place(settings)?,
            timeout: settings.timeout,
            source: Source::new(settings)?,
            format: settings.format,
            extensions: settings.extensions.clone(),
            message_max: usize::try_from(size.0).unwrap_or(usize::MAX),
        })
    }

    /// The message that a request makes.
    pub fn message(&self, request: &Request) -> Result<String, Refused> {
        let record = Record::new(request)?;
        let (source, most) = (&self.source, self.message_max);
        Ok(match self.format {
            Format::Rfc5424 => rfc5424::message(&record, source, most),
            Format::Cef => cef::message(&record, source, &self.extensions, most),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stream(server, None) => write!(f, "{server} over TCP"),
            Self::Stream(server, Some(_)) => write!(f, "{server} over TLS"),
            Self::Udp(server) => write!(f, "{server} over UDP"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

fn place(settings: &TargetSettings) -> Result<Place, String> {
    let only_tls = [
        ("ca", settings.ca.is_some()),
        ("server_name", settings.server_name.is_some()),
        ("certificate", settings.certificate.is_some()),
        ("key", settings.key.is_some()),
    ];
    if settings.transport != Transport::Tls
        && let Some((key, _)) = only_tls.iter().find(|(_, is_set)| *is_set)
    {
        return Err(format!("{key}: it is for `transport: tls` only"));
    }
    if settings.transport == Transport::Unix {
        let path = PathBuf::from(&settings.address);
        return if path.is_absolute() {
            Ok(Place::Unix(path))
        } else {
            Err(format!("address: `{}` is no whole path", settings.address.escape_debug()))
        };
    }
    let port = if settings.transport == Transport::Tls { 6514 } else { 514 };
    let server = HostPort::parse(&settings.address, Some(port)).ok_or_else(|| {
        let typed = settings.address.escape_debug();
        format!("address: `{typed}` is no server; write `HOST:PORT` or `[ADDRESS]:PORT`")
    })?;
    match settings.transport {
        Transport::Udp => Ok(Place::Udp(server)),
        Transport::Tls => {
            let identity = match (&settings.certificate, &settings.key) {
                (Some(certificate), Some(key)) => Some((certificate.as_path(), key.as_path())),
                (None, None) => None,
                _ => return Err("certificate: it goes with `key`, and `key` with it".into()),
            };
            let name = settings.server_name.as_deref().unwrap_or(&server.host);
            let trust = Trust::new(name, settings.ca.as_deref(), identity);
            let trust = trust.map_err(|error| format!("{}: {error}", key_of(&error, settings)))?;
            Ok(Place::Stream(server, Some(trust)))
        }
        Transport::Tcp | Transport::Unix => Ok(Place::Stream(server, None)),
    }
}

/// Which setting named the file that is no good.
fn key_of(error: &TrustError, settings: &TargetSettings) -> &'static str {
    let TrustError::File { path, .. } = error else { return "ca" };
    let named = [("key", &settings.key), ("certificate", &settings.certificate)];
    named.iter().find(|(_, file)| file.as_ref() == Some(path)).map_or("ca", |(key, _)| key)
}

impl Source {
    fn new(settings: &TargetSettings) -> Result<Self, String> {
        let numbered = settings.facility.parse::<u8>().ok().filter(|number| *number < 24);
        let named = FACILITIES.iter().position(|name| *name == settings.facility);
        let facility = numbered.or_else(|| named.and_then(|place| u8::try_from(place).ok()));
        let facility = facility.ok_or_else(|| {
            let typed = settings.facility.escape_debug();
            let known = FACILITIES.join(", ");
            format!("facility: `{typed}` is none of {known}, nor a number from 0 to 23")
        })?;
        let named = |key: &str, text: &str, without: &str, most: usize| {
            if text.is_empty() || escape::name(text, without, most) != text {
                let typed = text.escape_debug();
                return Err(format!(
                    "{key}: `{typed}` is no word of at most {most} ASCII characters"
                ));
            }
            Ok(text.to_owned())
        };
        let hostname = if let Some(name) = &settings.hostname {
            named("hostname", name, "", limit::HOSTNAME_BYTES_MAX)?
        } else {
            let machine = rustix::system::uname();
            let name = machine.nodename().to_string_lossy();
            let name = escape::name(&name, "", limit::HOSTNAME_BYTES_MAX);
            if name.is_empty() { "-".into() } else { name }
        };
        if !settings.sd_id.contains('@') {
            return Err("sd_id: write `NAME@NUMBER` with your enterprise's number".into());
        }
        Ok(Self {
            facility,
            hostname,
            app_name: named("app_name", &settings.app_name, "", limit::APP_NAME_BYTES_MAX)?,
            sd_id: named("sd_id", &settings.sd_id, "=]\"", limit::PARAMETER_BYTES_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Target;
    use crate::settings::TargetSettings;

    fn read(text: &str) -> Result<Target, String> {
        let settings: TargetSettings =
            serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        Target::new(&settings)
    }

    #[test]
    fn places() {
        let check = |text: &str, expected: &str| {
            assert_eq!(read(text).expect("a target").place.to_string(), expected);
        };
        check("{address: 127.0.0.1, transport: tcp}", "127.0.0.1:514 over TCP");
        check("{address: '[::1]:5514', transport: udp}", "[::1]:5514 over UDP");
        check("{address: /dev/log, transport: unix}", "/dev/log");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected: &str| {
            let error = read(text).expect_err("refused");
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("{address: h}", "transport");
        check("{address: 'a b', transport: tcp}", "address: `a b`");
        check("{address: dev/log, transport: unix}", "no whole path");
        check("{address: h, transport: tcp, ca: /x}", "ca: it is for `transport: tls`");
        check("{address: h, transport: tls, ca: /nowhere}", "ca: /nowhere");
        check("{address: h, transport: tls, key: /x}", "certificate: it goes with");
        let both = "{address: h, transport: tls, certificate: /nowhere.pem, key: /nowhere.key}";
        check(both, "key: /nowhere.key: ");
        check("{address: h, transport: tcp, facility: local9}", "facility: `local9`");
        check("{address: h, transport: tcp, facility: '24'}", "facility: `24`");
        check("{address: h, transport: tcp, app_name: 'a b'}", "app_name: `a b`");
        check("{address: h, transport: tcp, hostname: \"a\\nb\"}", "hostname: ");
        check("{address: h, transport: tcp, sd_id: correlator}", "sd_id: write");
        check("{address: h, transport: tcp, sd_id: 'a]@1'}", "sd_id: `a]@1`");
        check("{address: h, transport: tcp, message_max: 100}", "message_max: 100B is not");
        check("{address: h, transport: tcp, timeout: 1h}", "timeout: 1h is not");
        check("{address: h, transport: tcp, extensions: {a: 'b c'}}", "extensions.a: `b c`");
        check("{address: h, transport: tcp, colour: red}", "colour");
    }
}
