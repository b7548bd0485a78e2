//! Every number that bounds something.

use std::time::Duration;

/// Characters of a subject; what is longer is cut.
pub const SUBJECT_CHARS_MAX: usize = 200;

/// Bytes of an address (RFC 5321, 4.5.3.1.3).
pub const ADDRESS_BYTES_MAX: usize = 254;

/// Recipients of one mail that an operator may allow (RFC 5321, 4.5.3.1.8).
pub const RECIPIENTS_MAX: usize = 100;

/// Bytes of one line that a server says (RFC 5321 has 512).
pub const REPLY_LINE_BYTES_MAX: usize = 2048;

/// Bytes of one answer of a server, of all its lines.
pub const REPLY_BYTES_MAX: usize = 32 << 10;

/// Characters of an answer that are told.
pub const REPLY_TOLD_MAX: usize = 300;

/// How long a mail, or the beginning of a conversation, may take.
pub const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// The same, at most.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// How long a server may take to say goodbye.
pub const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// Bytes of one mail that an operator may allow.
pub const SIZE_MAX: u64 = 64 << 20;

/// Mails of which some recipients have theirs and others not, that are remembered.
pub const PARTLY_MAX: usize = 1000;

/// Conversations that break one after the other before the rest of the mails is left for later.
pub const BROKEN_MAX: u32 = 2;
