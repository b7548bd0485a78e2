//! Every number that bounds something.

use std::time::Duration;

/// Targets of one grant.
pub const TARGETS_MAX: usize = 64;

/// Bytes of a message that an operator may allow, at least (RFC 5424, 6.1).
pub const MESSAGE_BYTES_MIN: u64 = 480;
/// The same, at most.
pub const MESSAGE_BYTES_MAX: u64 = 64 << 10;
/// The same, at most, where each is a datagram of UDP.
pub const DATAGRAM_BYTES_MAX: u64 = 65_507;

/// Bytes of a message, if the operator says nothing.
pub const MESSAGE_BYTES: u64 = 8 << 10;
/// The same for UDP (RFC 5426, 3.2).
pub const DATAGRAM_BYTES: u64 = 2 << 10;

/// Bytes of `fields` that are read: more than the longest line makes, with each character escaped.
pub const FIELDS_BYTES_MAX: usize = 16 << 20;
/// Members of `fields` that are told.
pub const FIELDS_MAX: usize = 128;

/// Bytes of the names in a message's head (RFC 5424, 6).
pub const HOSTNAME_BYTES_MAX: usize = 255;
/// The same.
pub const APP_NAME_BYTES_MAX: usize = 48;
/// The same.
pub const MESSAGE_ID_BYTES_MAX: usize = 32;
/// The same, of names in structured data.
pub const PARAMETER_BYTES_MAX: usize = 32;

/// Characters of the name in a CEF head.
pub const CEF_NAME_CHARS_MAX: usize = 512;

/// How long connecting, and each write, may take.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The same, at most.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(5);

/// Bytes that are written at once.
pub const WRITE_BYTES: usize = 64 << 10;

/// Bytes that are kept of what was written and may be lost yet.
pub const UNSURE_BYTES_MAX: usize = 4 << 20;

/// After how long without an answer from the other machine the system gives a connection up.
pub const UNANSWERED_MAX: Duration = Duration::from_secs(30);
/// After how long on a connection that still stands what was written is known to have reached the other machine. It is more
/// than the above, as the system looks now and then only.
pub const UNSURE_MAX: Duration = Duration::from_mins(2);

/// To how many connections that broke a message is written at least, and not again once it is as old as that.
pub const WRITTEN_MAX: usize = 3;

/// How long it is waited at the end for the other side to close as well.
pub const FAREWELL_MAX: Duration = Duration::from_secs(3);
/// How often that is tried: where a connection breaks at the end, what is unsure is written once more.
pub const FAREWELLS_MAX: usize = 3;
/// How long all of that may take.
pub const FAREWELLS_TIME: Duration = Duration::from_secs(8);
