//! Doors are opened here: sockets made, bound and set up, or taken over from systemd.
//!
//! Everything that can go wrong with an address goes wrong here, before a record is read, and says what to do about it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU32;

use rustix::io::Errno;
use rustix::net::sockopt::{
    set_ipv6_v6only, set_socket_recv_buffer_size, set_socket_recv_buffer_size_force,
    set_socket_reuseaddr, socket_recv_buffer_size,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
use thiserror::Error;

use super::certificates::TlsError;
use super::inherited::{self, InheritError};
use super::socket_file::SocketFile;
use crate::limit;
use crate::settings::{Address, Door};

/// The first port that everybody may listen on.
const PORT_UNPRIVILEGED: u16 = 1024;

/// Why a source can't listen.
#[derive(Debug, Error)]
pub enum BindError {
    /// The source reads files.
    #[error("source `{source_name}` reads files, and has no socket")]
    NoSocket {
        /// The source.
        source_name: String,
    },
    /// The system said no.
    #[error("source `{source_name}`: {address}: {error}{advice}")]
    Io {
        /// The source.
        source_name: String,
        /// Where it was to listen.
        address: String,
        /// What the system said.
        error: io::Error,
        /// What to do about it.
        advice: &'static str,
    },
    /// The socket that systemd should have handed over can't be used.
    #[error("source `{source_name}`: {error}")]
    Inherited {
        /// The source.
        source_name: String,
        /// What is wrong with it.
        error: InheritError,
    },
    /// TLS can't be spoken.
    #[error("source `{source_name}`: {error}")]
    Tls {
        /// The source.
        source_name: String,
        /// What is wrong with certificates or keys.
        error: Box<TlsError>,
    },
}

impl BindError {
    /// Whether somebody listens there already.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::AddrInUse)
    }
}

/// A socket that is bound.
pub(crate) struct Bound {
    pub socket: OwnedFd,
    /// Where it listens, if that is an address and a port.
    pub local: Option<SocketAddr>,
    /// Where it listens, for people.
    pub shown: String,
    /// Its file, which goes when the socket does.
    pub _file: Option<SocketFile>,
    /// What the kernel has dropped of its datagrams and was counted.
    pub dropped: AtomicU32,
}

/// Binds a socket to an address, or takes one over.
pub(crate) fn open(name: &str, address: &Address, kind: SocketType) -> Result<Bound, BindError> {
    let failed = |error: Errno| BindError::Io {
        source_name: name.to_owned(),
        address: shown(address),
        error: error.into(),
        advice: advice(address, error),
    };
    let (socket, file) = match address {
        Address::Internet(address) => (internet(address, kind).map_err(failed)?, None),
        Address::Path(path, mode) => {
            let (socket, file) = SocketFile::bind(path, *mode, kind).map_err(failed)?;
            (socket, Some(file))
        }
        Address::Inherited(wanted) => {
            let inherited = inherited::take(wanted, kind)
                .map_err(|error| BindError::Inherited { source_name: name.to_owned(), error })?;
            (inherited, None)
        }
    };
    if kind == SocketType::STREAM && !matches!(address, Address::Inherited(_)) {
        listen(&socket, limit::BACKLOG).map_err(failed)?;
    }
    let local = getsockname(&socket).ok().and_then(|local| SocketAddr::try_from(local).ok());
    let shown = match (address, local) {
        (Address::Internet(_), Some(local)) => local.to_string(),
        _ => shown(address),
    };
    Ok(Bound { socket, local, shown, _file: file, dropped: AtomicU32::new(0) })
}

/// Where a source listens, if it does.
pub(crate) fn address(door: &Door) -> Option<&Address> {
    match door {
        Door::Files { .. } => None,
        Door::Stream { address, .. } | Door::Datagram { address, .. } => Some(address),
    }
}

/// A socket at an address and port.
fn internet(address: &SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, flags(), None)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // All addresses are those of the fourth version too, whatever the system's default is.
        set_ipv6_v6only(&socket, false)?;
    }
    if kind == SocketType::STREAM {
        // Connections of a run before may still be closing. For datagrams this would let two listen at once.
        set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, address)?;
    Ok(socket)
}

/// Nothing here ever waits, and no child gets it.
pub(crate) fn flags() -> SocketFlags {
    SocketFlags::NONBLOCK | SocketFlags::CLOEXEC
}

/// Asks for a large buffer, beyond the system's limit if that is allowed. What the kernel granted, in bytes of records:
/// it counts its own bookkeeping too, and doubles the number for it.
pub(crate) fn enlarge(socket: &OwnedFd, bytes: usize) -> Result<usize, Errno> {
    if set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        set_socket_recv_buffer_size(socket, bytes)?;
    }
    Ok(socket_recv_buffer_size(socket)? / 2)
}

fn shown(address: &Address) -> String {
    match address {
        Address::Internet(address) => address.to_string(),
        Address::Path(path, _) => path.display().to_string(),
        Address::Inherited(name) => format!("the socket `{name}` of systemd"),
    }
}

/// What to do about an error.
fn advice(address: &Address, error: Errno) -> &'static str {
    match (address, error) {
        (Address::Internet(address), Errno::ACCESS) if address.port() < PORT_UNPRIVILEGED => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE, a socket that systemd hands over (`systemd:NAME`), or a lower net.ipv4.ip_unprivileged_port_start"
        }
        (Address::Internet(_), Errno::ADDRINUSE) => {
            "; something else listens there: `ss -lntup` names it"
        }
        (Address::Path(..), Errno::ADDRINUSE) => {
            "; somebody answers there: stop them or choose another path"
        }
        (Address::Path(..), Errno::EXIST) => {
            "; a file that is no socket is there: remove it or choose another path"
        }
        (Address::Path(..), Errno::NAMETOOLONG) => "; a socket's path has 107 bytes at the most",
        (Address::Internet(_), Errno::ADDRNOTAVAIL) => "; this machine has no such address",
        _ => "",
    }
}
