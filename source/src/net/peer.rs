//! Who is at the other end, for people.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use rustix::net::SocketAddrAny;
use rustix::net::sockopt::socket_peercred;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// Somewhere in the network.
    Internet(SocketAddr),
    /// A process of this machine, and its user.
    Local(i32, u32),
    /// Nobody knows.
    Unknown,
}

impl Peer {
    /// The one behind this connection, whose address was told when it was accepted.
    pub fn of(socket: BorrowedFd<'_>, address: Option<SocketAddrAny>) -> Self {
        if let Some(address) = address.and_then(|address| SocketAddr::try_from(address).ok()) {
            return Self::Internet(address);
        }
        match socket_peercred(socket) {
            Ok(who) => Self::Local(who.pid.as_raw_nonzero().get(), who.uid.as_raw()),
            Err(_) => Self::Unknown,
        }
    }

    /// Whether it is reached by TCP.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::Internet(_))
    }
}

impl Display for Peer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(address) => address.fmt(f),
            Self::Local(process, user) => write!(f, "process {process} of user {user}"),
            Self::Unknown => f.write_str("an unknown peer"),
        }
    }
}
