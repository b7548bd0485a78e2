//! The names of a source's parts.

/// The ways by which records come; a source has one of them.
pub(in crate::stack) const DOORS: [&str; 6] = [FILE, TCP, TLS, UDP, UNIX, UNIX_DATAGRAM];
/// What a source has whatever its door.
pub(in crate::stack) const EVERY: [&str; 5] = [FRAMING, TIME_ZONE, YEAR, LATENESS, IDLE_AFTER];

pub(in crate::stack) const FILE: &str = "file";
pub(in crate::stack) const TCP: &str = "tcp";
pub(in crate::stack) const TLS: &str = "tls";
pub(in crate::stack) const UDP: &str = "udp";
pub(in crate::stack) const UNIX: &str = "unix";
pub(in crate::stack) const UNIX_DATAGRAM: &str = "unix_datagram";

pub(in crate::stack) const FOLLOW: &str = "follow";
pub(in crate::stack) const CONNECTIONS: &str = "connections";
pub(in crate::stack) const PER_ADDRESS: &str = "connections_per_address";
pub(in crate::stack) const IDLE: &str = "idle";
pub(in crate::stack) const BYTES_IN_FLIGHT: &str = "bytes_in_flight";
pub(in crate::stack) const CERTIFICATE: &str = "certificate";
pub(in crate::stack) const KEY: &str = "key";
pub(in crate::stack) const CLIENT_AUTHORITY: &str = "client_authority";
pub(in crate::stack) const CLIENT_NAMES: &str = "client_names";
pub(in crate::stack) const BUFFER: &str = "buffer";
pub(in crate::stack) const MODE: &str = "mode";

pub(in crate::stack) const FRAMING: &str = "framing";
pub(in crate::stack) const TIME_ZONE: &str = "time_zone";
pub(in crate::stack) const YEAR: &str = "year";
pub(in crate::stack) const LATENESS: &str = "lateness";
pub(in crate::stack) const IDLE_AFTER: &str = "idle_after";

/// In the place of a span of time: not at all.
pub(in crate::stack) const NEVER: &str = "never";
