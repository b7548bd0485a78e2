//! A sender by TCP that knows what was taken: it shuts down its side and waits for the end of the other.
//!
//! An engine that ends a connection in order says that all that came by it is safe; a reset, or nothing, says that it may
//! not be, and it has to be sent once more. It must never know what is in the records.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};

use crate::wait::PATIENCE;

/// A port that stays ours while engine after engine listens at it: nobody else is given it meanwhile.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _held: OwnedFd,
}

impl Port {
    /// One that the kernel chooses.
    ///
    /// # Errors
    /// If it gives none.
    pub fn new() -> Result<Self> {
        let held = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_reuseaddr(&held, true)?;
        bind(&held, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = getsockname(&held)?.try_into().context("an address with a port")?;
        Ok(Self { address, _held: held })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What became of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is safe.
    Acknowledged,
    /// Some of it, all of it or nothing may have been taken.
    Unknown,
    /// Nobody is there.
    Refused,
}

/// Sends these bytes on a connection of their own.
#[must_use]
pub fn send(address: SocketAddr, bytes: &[u8]) -> Sent {
    let mut stream = match TcpStream::connect(address) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Sent::Refused,
        Err(_) => return Sent::Unknown,
    };
    let mut rest = Vec::new();
    let told = stream
        .write_all(bytes)
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| stream.read_to_end(&mut rest));
    if told.is_ok() && rest.is_empty() { Sent::Acknowledged } else { Sent::Unknown }
}

/// Records with their length before each (RFC 6587).
#[must_use]
pub fn octets(records: &[String]) -> Vec<u8> {
    let counted = records.iter().map(|record| format!("{} {record}", record.len()));
    counted.collect::<String>().into_bytes()
}

/// Records with a line feed behind each.
#[must_use]
pub fn lines(records: &[String]) -> Vec<u8> {
    let ended = records.iter().map(|record| format!("{record}\n"));
    ended.collect::<String>().into_bytes()
}
