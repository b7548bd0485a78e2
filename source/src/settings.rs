//! What is to be read: checked, so that nobody downstream checks again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use correlator_record::framing::Framing;
use jiff::tz::TimeZone;

/// A source of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, unique in the stack.
    pub name: String,
    /// Where its records come from.
    pub door: Door,
    /// How records are told apart; found out from the first bytes, if absent.
    pub framing: Option<Framing>,
    /// The framing as it was typed.
    pub framing_text: String,
    /// The zone of records that name none.
    pub zone: TimeZone,
    /// The year of dates that name none; taken from the time of reading, if absent.
    pub year: Option<i16>,
    /// How far behind the newest record of this source another may be without being late.
    pub lateness: Duration,
    /// After how long without records nobody waits for this source any more.
    pub idle_after: Duration,
    /// What of this was typed.
    pub typed: Vec<&'static str>,
}

impl Source {
    /// Whether it comes to the same as another, whatever of it was typed. Zones are the same if they have one name.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let Self {
            name,
            door,
            framing,
            framing_text: _,
            zone,
            year,
            lateness,
            idle_after,
            typed: _,
        } = self;
        let zones = match (zone.iana_name(), other.zone.iana_name()) {
            (None, None) => *zone == other.zone,
            (one, another) => one == another,
        };
        zones
            && *name == other.name
            && *door == other.door
            && *framing == other.framing
            && *year == other.year
            && *lateness == other.lateness
            && *idle_after == other.idle_after
    }
}

impl Source {
    /// A number that names the source for good. The topmost bit is for ticks.
    #[must_use]
    pub fn number(&self) -> u32 {
        let [a, b, c, d, ..] = *blake3::hash(self.name.as_bytes()).as_bytes();
        u32::from_le_bytes([a, b, c, d]) & (u32::MAX >> 1)
    }
}

/// A way by which records come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// Files and standard input.
    Files {
        /// What is read, in this order.
        paths: Vec<SourcePath>,
        /// Whether to go on at the end, by name, through rotation. Otherwise each is read once, to its end.
        follow: bool,
    },
    /// Connections: TCP, TLS, a Unix stream socket.
    Stream {
        /// Where to listen.
        address: Address,
        /// What bounds connections.
        limits: StreamLimits,
        /// How connections are secured.
        tls: Option<Tls>,
    },
    /// Datagrams, a record each: UDP, a Unix datagram socket.
    Datagram {
        /// Where to listen.
        address: Address,
        /// The kernel's buffer that is asked for.
        buffer_bytes: usize,
    },
}

impl Door {
    /// Whether its records come as they happen, so that it never ends by itself. Standard input may be either.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self, Self::Files { follow: false, .. })
    }
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePath {
    /// Standard input.
    Input,
    /// A file.
    File(PathBuf),
    /// Every file that this pattern matches. If a file has the pattern itself as its name, it is that file.
    Glob(String),
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and port.
    Internet(SocketAddr),
    /// A socket in the file system, with this mode.
    Path(PathBuf, u32),
    /// A socket that systemd hands over, by its name (`FileDescriptorName=`).
    Inherited(String),
}

/// What bounds the connections of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections at once.
    pub connections: usize,
    /// Connections of one address at once.
    pub per_address: usize,
    /// How long a connection may say nothing; never ended for it, if absent.
    pub idle: Option<Duration>,
    /// Bytes of one peer that are held before they are taken.
    pub bytes_in_flight: usize,
}

/// How connections are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// Who signs the certificates that clients must show (PEM); clients need none, if absent.
    pub client_authority: Option<PathBuf>,
    /// The names of which a client's certificate must have one; any will do, if empty.
    pub client_names: Vec<String>,
}
