//! A server's name and port, as they are typed.
//!
//! It must never know whether anybody answers there.

use std::fmt;
use std::net::IpAddr;

/// A server: its name or address, and its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Bytes of a host's name.
const HOST_BYTES_MAX: usize = 253;

impl HostPort {
    /// Reads `HOST:PORT` or `[ADDRESS]:PORT`; the port may be left out where there is a usual one. Nothing if it makes no
    /// sense.
    #[must_use]
    pub fn parse(text: &str, usual_port: Option<u16>) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
                (host, port)
            }
            None => match text.split_once(':') {
                // An IPv6 address without brackets can't be told from its port.
                Some((_, port)) if port.contains(':') => return None,
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok(),
            None => usual_port,
        };
        let port = port.filter(|&port| port > 0)?;
        let named = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        let fits = !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.chars().all(named);
        fits.then(|| Self { host: host.to_owned(), port })
    }

    /// Whether it can only be this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HostPort;

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Option<&str>| {
            let found = HostPort::parse(text, Some(25)).map(|server| server.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("mail.example.org:587", Some("mail.example.org:587"));
        check("mail.example.org", Some("mail.example.org:25"));
        check("[::1]:2525", Some("[::1]:2525"));
        check("[::1]", Some("[::1]:25"));
        for wrong in ["", ":25", "h:", "h:0", "h:65536", "::1", "::1:25", "[::1", "[h]:1", "a b:1"]
        {
            check(wrong, None);
        }
        assert_eq!(HostPort::parse("h", None), None);
    }

    #[test]
    fn loopback() {
        let check = |text: &str, expected: bool| {
            let server = HostPort::parse(text, Some(25)).expect("an address");
            assert_eq!(server.is_loopback(), expected, "{text}");
        };
        check("127.0.0.1", true);
        check("127.9.9.9", true);
        check("[::1]", true);
        check("LocalHost", true);
        check("localhost.example.org", false);
        check("192.0.2.1", false);
    }
}
