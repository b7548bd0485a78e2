//! Every number that bounds what credentials are and how long they are waited for.

use std::time::Duration;

/// Bytes of a credential's name.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a secret: what the kernel holds in one key.
pub const SECRET_BYTES_MAX: usize = 32_767;
/// Bytes of a passphrase.
pub const PASSPHRASE_BYTES_MAX: usize = 1_024;
/// Credentials in the encrypted file.
pub const FILE_ENTRIES_MAX: usize = 1_024;
/// Bytes of the encrypted file.
pub const FILE_BYTES_MAX: usize = 8 << 20;
/// Bytes of a key file.
pub const KEY_FILE_BYTES_MAX: usize = 256;
/// What a passphrase costs whoever guesses: memory in KiB, passes, lanes. RFC 9106's second choice but for the lanes, which
/// would be computed one after the other here.
pub const ARGON2_COST: [u32; 3] = [64 << 10, 3, 1];
/// The most of these that a file may ask for: it must not be able to eat up the machine.
pub const ARGON2_COST_MAX: [u32; 3] = [1 << 20, 16, 8];
/// Bytes of what the kernel tells of its keys.
pub const KEYS_BYTES_MAX: u64 = 4 << 20;
/// How long the session's bus has for all that is asked for one credential, the start of a service with it.
pub const BUS_WAIT: Duration = Duration::from_secs(5);
/// Bytes of one message of the bus.
pub const BUS_MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Messages of the bus that are for somebody else, before one is the answer.
pub const BUS_STRANGERS_MAX: usize = 1_024;
/// Bytes of a line while the bus asks who we are.
pub const BUS_LINE_BYTES_MAX: usize = 512;
/// Bytes of a stranger's words in a message to the operator.
pub const QUOTED_BYTES_MAX: usize = 200;
