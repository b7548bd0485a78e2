//! What an operator sets of sources and of what is kept: what holds otherwise, and between which bounds.

use std::time::Duration;

use super::{GIB, KIB, MIB};

/// How far behind the newest record another may be at the most.
pub const LATENESS_MAX: Duration = Duration::from_hours(24);
/// After how long without records nobody waits for a source.
pub const IDLE_AFTER_DEFAULT: Duration = Duration::from_secs(30);
/// The least of it: sooner, a pause for breath would count as the end.
pub const IDLE_AFTER_MIN: Duration = Duration::from_secs(1);
/// The most of it.
pub const IDLE_AFTER_MAX: Duration = Duration::from_hours(30 * 24);
/// Connections of a source at once.
pub const CONNECTIONS_DEFAULT: usize = 1_024;
/// The most of them.
pub const CONNECTIONS_MAX: u64 = 65_536;
/// One connection in so many is for other addresses than the one that has all the rest.
pub const CONNECTIONS_FOR_OTHERS: usize = 64;
/// How long a connection from the network may say nothing.
pub const CONNECTION_IDLE_DEFAULT: Duration = Duration::from_hours(1);
/// The least of it.
pub const CONNECTION_IDLE_MIN: Duration = Duration::from_secs(1);
/// The most of it that is not for ever.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_hours(30 * 24);
/// Bytes of one peer that are held before they are taken.
pub const BYTES_IN_FLIGHT_DEFAULT: u64 = MIB;
/// The least of them: a whole record, and what stands before it.
pub const BYTES_IN_FLIGHT_MIN: u64 = 65 * KIB;
/// The most of them.
pub const BYTES_IN_FLIGHT_MAX: u64 = GIB;
/// The kernel's buffer for datagrams.
pub const DATAGRAM_BUFFER_DEFAULT: u64 = 16 * MIB;
/// The least of it.
pub const DATAGRAM_BUFFER_MIN: u64 = 4 * KIB;
/// The most of it.
pub const DATAGRAM_BUFFER_MAX: u64 = GIB;
/// The mode of a socket in the file system.
pub const SOCKET_MODE_DEFAULT: u32 = 0o660;
/// How often a spool is written through.
pub const SYNC_EVERY_DEFAULT: Duration = Duration::from_secs(1);
/// The least of it.
pub const SYNC_EVERY_MIN: Duration = Duration::from_millis(10);
/// The most of it.
pub const SYNC_EVERY_MAX: Duration = Duration::from_hours(1);
/// The size of a spool.
pub const SPOOL_BYTES_DEFAULT: u64 = GIB;
/// The least of it: a few of the greatest frames.
pub const SPOOL_BYTES_MIN: u64 = 16 * MIB;
/// The most of it.
pub const SPOOL_BYTES_MAX: u64 = 1 << 50;
/// How often state is saved with positions.
pub const CHECKPOINT_EVERY_DEFAULT: Duration = Duration::from_secs(10);
/// The least of it.
pub const CHECKPOINT_EVERY_MIN: Duration = Duration::from_millis(100);
/// The most of it.
pub const CHECKPOINT_EVERY_MAX: Duration = Duration::from_hours(24);
