//! Where records are sent: addresses as they are typed, and sockets that are connected to them.
//!
//! It must never know what is sent.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use crate::limit;

/// The way to a syslog server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// TCP, secured by TLS.
    Tls,
    /// UDP, a record a datagram.
    Udp,
}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// On a network.
    Internet {
        /// The way.
        transport: Transport,
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A Unix stream socket.
    Unix(PathBuf),
    /// A Unix datagram socket, a record a datagram.
    UnixDatagram(PathBuf),
}

/// What was typed is no target.
#[derive(Debug, Error)]
#[error(
    "expected `tcp://HOST:PORT`, `udp://HOST:PORT`, `tls://HOST:PORT`, `unix:PATH` or `unix-datagram:PATH`, found `{0}`"
)]
pub struct TargetError(String);

/// A socket that is connected.
#[derive(Debug)]
pub enum Socket {
    /// To a network.
    Tcp(TcpStream),
    /// To a Unix stream socket.
    Unix(UnixStream),
    /// To a network, for datagrams.
    Udp(UdpSocket),
    /// To a Unix datagram socket.
    UnixDatagram(UnixDatagram),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let path = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
        let target = if let Some(rest) = text.strip_prefix("unix-datagram:") {
            path(rest).map(Self::UnixDatagram)
        } else if let Some(rest) = text.strip_prefix("unix:") {
            path(rest).map(Self::Unix)
        } else {
            internet(text)
        };
        target.ok_or_else(|| TargetError(text.escape_debug().take(SHOWN_MAX).collect()))
    }
}

/// Characters that are shown of what makes no sense.
const SHOWN_MAX: usize = 80;

fn internet(text: &str) -> Option<Target> {
    let (scheme, rest) = text.split_once("://")?;
    let transport = match scheme {
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        "udp" => Transport::Udp,
        _ => return None,
    };
    let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']')?,
        // An IPv6 address without brackets can't be told from its port.
        None => Some(host).filter(|host| !host.contains(':'))?,
    };
    let port = port.parse().ok().filter(|&port| port > 0)?;
    (!host.is_empty()).then(|| Target::Internet { transport, host: host.to_owned(), port })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet { transport, host, port } => {
                let scheme = match transport {
                    Transport::Tcp => "tcp",
                    Transport::Tls => "tls",
                    Transport::Udp => "udp",
                };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::UnixDatagram(path) => write!(f, "unix-datagram:{}", path.display()),
        }
    }
}

impl Target {
    /// Whether each record is a datagram.
    #[must_use]
    pub fn takes_datagrams(&self) -> bool {
        matches!(self, Self::UnixDatagram(_) | Self::Internet { transport: Transport::Udp, .. })
    }

    /// Whether it is secured by TLS.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        matches!(self, Self::Internet { transport: Transport::Tls, .. })
    }

    /// A socket that is connected to it. It blocks.
    ///
    /// # Errors
    /// The name is not known, nobody listens, or it takes too long.
    pub fn connect(&self) -> io::Result<Socket> {
        match self {
            Self::Unix(path) => UnixStream::connect(path).map(Socket::Unix),
            Self::UnixDatagram(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Ok(Socket::UnixDatagram(socket))
            }
            Self::Internet { transport: Transport::Udp, host, port } => {
                first(host, *port, connect_udp).map(Socket::Udp)
            }
            Self::Internet { host, port, .. } => {
                let socket = first(host, *port, |address| {
                    TcpStream::connect_timeout(&address, limit::REPLAY_CONNECT_MAX)
                })?;
                // What is written is a batch already; waiting for more of it only changes the timing.
                socket.set_nodelay(true)?;
                Ok(Socket::Tcp(socket))
            }
        }
    }
}

/// The first of a host's addresses that can be connected to.
fn first<T>(host: &str, port: u16, connect: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match connect(address) {
            Ok(connected) => return Ok(connected),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn targets() {
        let check = |text: &str, expected: Option<&str>| {
            let target: Option<Target> = text.parse().ok();
            assert_eq!(target.map(|target| target.to_string()).as_deref(), expected, "{text}");
        };
        for same in [
            "tcp://127.0.0.1:514",
            "udp://log.example.org:514",
            "tls://[::1]:6514",
            "unix:/run/log.sock",
            "unix-datagram:dev/log",
        ] {
            check(same, Some(same));
        }
        check("tcp://h:1/", Some("tcp://h:1"));
        for wrong in [
            "",
            "h:1",
            "tcp://h",
            "tcp://:1",
            "tcp://h:0",
            "tcp://h:65536",
            "tcp://::1:514",
            "http://h:1",
            "unix:",
            "unix-datagram:",
            "tcp://[::1:514",
        ] {
            check(wrong, None);
        }
    }
}
