//! A connection to a server of this machine or another, on which no exchange lasts longer than it may.
//!
//! It must never know what is said on it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use correlator_wire::address::HostPort;
use correlator_wire::clock;
use correlator_wire::link::Link as Network;
use correlator_wire::trust::Trust;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At a name or an address, and a port.
    Network(HostPort),
    /// At a socket in the file system.
    Socket(PathBuf),
}

/// How a connection is made.
#[derive(Clone, Debug)]
pub struct Way {
    /// Where the server is.
    pub address: Address,
    /// Whether it must show that it is who it is. Without, only this machine is asked.
    pub tls: bool,
    /// The file of the authorities that may say so; the system's if there is none.
    pub authorities: Option<PathBuf>,
    /// How long connecting, and every exchange after it, may take.
    pub timeout: Duration,
}

/// A connection.
pub struct Wire {
    stream: Stream,
    timeout: Duration,
}

enum Stream {
    Network(Network),
    Socket(UnixStream, Instant),
    /// TLS was begun and failed.
    None,
}

impl Wire {
    /// Connects, without TLS for now. The first exchange begins with it.
    pub fn connect(way: &Way) -> io::Result<Self> {
        let until = clock::instant() + way.timeout;
        let stream = match &way.address {
            Address::Network(server) => Stream::Network(Network::connect(server, until)?),
            Address::Socket(path) => Stream::Socket(connect_unix(path)?, until),
        };
        Ok(Self { stream, timeout: way.timeout })
    }

    /// Begins another exchange: from here on it has all its time again.
    pub fn begin(&mut self) {
        let deadline = clock::instant() + self.timeout;
        match &mut self.stream {
            Stream::Network(network) => network.set_deadline(deadline),
            Stream::Socket(_, until) => *until = deadline,
            Stream::None => {}
        }
    }

    /// Whether others on the way can't read it: it is by TLS, or it doesn't leave the kernel.
    pub fn is_guarded(&self) -> bool {
        match &self.stream {
            Stream::Network(network) => network.is_secured(),
            Stream::Socket(..) => true,
            Stream::None => false,
        }
    }

    /// Goes on by TLS, if the way is a network's; the server must show a certificate of its name.
    pub fn secure(&mut self, way: &Way) -> io::Result<()> {
        let Address::Network(server) = &way.address else { return Ok(()) };
        let trust =
            Trust::new(&server.host, way.authorities.as_deref(), None).map_err(io::Error::other)?;
        if let Stream::Network(network) = std::mem::replace(&mut self.stream, Stream::None) {
            self.stream = Stream::Network(network.secure(&trust)?);
        }
        Ok(())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Network(network) => network.read(buffer),
            Stream::Socket(socket, until) => {
                socket.set_read_timeout(Some(left(*until)?))?;
                socket.read(buffer).map_err(in_words)
            }
            Stream::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Network(network) => network.write(bytes),
            Stream::Socket(socket, until) => {
                socket.set_write_timeout(Some(left(*until)?))?;
                socket.write(bytes).map_err(in_words)
            }
            Stream::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Network(network) => network.flush(),
            Stream::Socket(..) | Stream::None => Ok(()),
        }
    }
}

/// The time that is left. None of it is an error, for a socket takes zero for no limit.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(clock::instant());
    if left.is_zero() { Err(late()) } else { Ok(left) }
}

/// The system says "would block" of a socket whose time is over.
fn in_words(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { late() } else { error }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// A socket whose owner takes no connections would block for ever: it is asked without waiting.
fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

impl Address {
    /// Reads `host:port`, `[address]:port`, a host alone, or the path of a socket; nothing if it makes no sense.
    pub fn parse(written: &str, port: u16) -> Option<Self> {
        if written.starts_with('/') {
            let path = PathBuf::from(written);
            return SocketAddrUnix::new(&path).ok().map(|_| Self::Socket(path));
        }
        HostPort::parse(written, Some(port)).map(Self::Network)
    }

    /// Whether it can only be this machine.
    pub fn is_near(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Network(server) => server.is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let network =
            |host: &str, port| Some(Address::Network(HostPort { host: host.into(), port }));
        let cases = [
            ("db.example:6000", network("db.example", 6000), false),
            ("db.example", network("db.example", 5432), false),
            ("127.0.0.1:1", network("127.0.0.1", 1), true),
            ("[::1]:2", network("::1", 2), true),
            ("localhost", network("localhost", 5432), true),
            ("/run/x.sock", Some(Address::Socket("/run/x.sock".into())), true),
            ("10.0.0.1", network("10.0.0.1", 5432), false),
            ("a:b", None, false),
            ("", None, false),
            ("user@host:1", None, false),
        ];
        for (written, expected, near) in cases {
            let found = Address::parse(written, 5432);
            assert_eq!(found, expected, "{written}");
            assert_eq!(found.is_some_and(|address| address.is_near()), near, "{written}");
        }
    }

    #[test]
    fn a_socket_without_a_server_does_not_wait() {
        let way = Way {
            address: Address::Socket("/nowhere/at/all".into()),
            tls: false,
            authorities: None,
            timeout: Duration::from_secs(1),
        };
        assert!(Wire::connect(&way).is_err());
    }
}
