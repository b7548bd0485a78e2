//! Messages as datagrams: each is taken by the system or not, and nobody says whether it arrives.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use correlator_wire::address::HostPort;

/// What came of sending: how many messages the system took before it said no.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub taken: usize,
    pub error: io::Error,
}

/// Sends messages over UDP.
pub(crate) fn send_udp(
    messages: &[String],
    server: &HostPort,
    timeout: Duration,
) -> Result<(), Stopped> {
    let nothing = |error| Stopped { taken: 0, error };
    let socket = connect(server, timeout).map_err(nothing)?;
    send(messages, |bytes| socket.send(bytes))?;
    // A machine where nobody listens says so after the datagram.
    match socket.take_error() {
        Ok(None) => Ok(()),
        Ok(Some(error)) | Err(error) => {
            Err(Stopped { taken: messages.len().saturating_sub(1), error })
        }
    }
}

/// Sends messages to a Unix socket.
pub(crate) fn send_unix(
    messages: &[String],
    path: &Path,
    timeout: Duration,
) -> Result<(), Stopped> {
    let connected = UnixDatagram::unbound().and_then(|socket| {
        socket.connect(path)?;
        socket.set_write_timeout(Some(timeout))?;
        Ok(socket)
    });
    let socket = connected.map_err(|error| Stopped { taken: 0, error })?;
    send(messages, |bytes| socket.send(bytes))
}

fn send(messages: &[String], send: impl Fn(&[u8]) -> io::Result<usize>) -> Result<(), Stopped> {
    for (number, message) in messages.iter().enumerate() {
        loop {
            match send(message.as_bytes()) {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // This is about the one before.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    return Err(Stopped { taken: number.saturating_sub(1), error });
                }
                Err(error) => return Err(Stopped { taken: number, error }),
            }
        }
    }
    Ok(())
}

fn connect(server: &HostPort, timeout: Duration) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (server.host.as_str(), server.port).to_socket_addrs()? {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let connected = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(address)?;
            socket.set_write_timeout(Some(timeout))?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
