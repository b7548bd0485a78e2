//! Every number that bounds something in a store.
//!
//! This room must never know what an effect does.

use std::time::Duration;

/// The database, if nobody says otherwise. Above it nothing new is accepted. What is written ahead comes on top.
pub const BYTES_MAX: u64 = 1 << 30;
/// The least that a store may be bounded to: below it, it could not hold one large request.
pub const BYTES_MAX_MIN: u64 = 16 << 20;
/// What waits of one listener at one capability takes no more than this part of it: who has his share waits, and nobody else.
pub const SHARE_PART: u64 = 4;
/// The last of it, as a part, is for those who have little in it: who blocks an address is never kept from it by who mails
/// books...
pub const RESERVE_PART: u64 = 8;
/// ...which is less than this part of it, of one listener in all.
pub const LITTLE_PART: u64 = 64;
/// The id of a request.
pub const ID_BYTES_MAX: usize = 200;
/// The name of a listener or a capability, and the digest of a component.
pub const NAME_BYTES_MAX: usize = 256;
/// An endpoint, and a key.
pub const LANE_BYTES_MAX: usize = 1_024;
/// A line for people: a plan, a reason, what the world said. What is beyond it is cut.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// A request, as it is kept.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;
/// A request that was denied; of a larger one only its target is kept, because nobody will carry it out.
pub const DENIED_REQUEST_BYTES_MAX: usize = 4 << 10;
/// Events that an effect is for; more are left out.
pub const CAUSES_MAX: usize = 1_024;
/// The id of an event, and the name of a source.
pub const EVENT_BYTES_MAX: usize = 512;
/// What is kept of a record that caused an effect.
pub const RAW_BYTES_MAX: usize = 4 << 10;
/// What is kept of all records that caused one effect.
pub const RAW_BYTES_SUM_MAX: usize = 64 << 10;
/// Rows that one question answers with, whatever was asked for.
pub const ROWS_MAX: usize = 10_000;
/// Endpoints that are told one by one.
pub const ENDPOINTS_MAX: usize = 1_000;
/// Effects of one event, and entries of one effect, that are shown.
pub const SHOWN_MAX: usize = 1_000;
/// What one question answers with, about: who wants more asks again, from there on.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The requests that are due at once, about.
pub const DUE_BYTES_MAX: usize = 16 << 20;
/// Rows that go in one transaction when what is old goes: others wait for it, a few milliseconds.
pub const PRUNE_ROWS: u64 = 200;
/// Effects that are given up in one transaction: each is written anew whole, with its request.
pub const DROPPED_AT_ONCE: usize = 16;
/// How long whoever waits to write is let in between two such transactions: the lock alone would not let them.
pub const PRUNE_PAUSE: Duration = Duration::from_micros(500);
/// After so many of them what was written ahead is moved to its place, before that falls to somebody who has to wait for it.
pub const PRUNE_STEPS_AHEAD: u64 = 16;
/// What an effect takes beside its request, about.
pub const EFFECT_BYTES: u64 = 256;
/// Entries that are signed off at once at least when there are too many: each time adds one.
pub const SIGN_OFF_ENTRIES_MIN: i64 = 1_000;
/// An entry that is later than now by more, in nanoseconds, is of a clock that was set back since, and keeps nothing from going.
pub const AHEAD_OF_TIME_MAX: i64 = 24 * 3_600 * 1_000_000_000;
/// Entries that are checked in one go; in between, what was written ahead can be moved to its place.
pub const VERIFY_ROWS: u64 = 1_000;
/// Pages that are given back to the system in one transaction.
pub const SHRINK_PAGES: u64 = 200;
/// Free pages are given back when they are more than this part of all; otherwise they are used again.
pub const FREE_PAGES_PART: u64 = 4;
/// Pages that are written ahead before a commit moves them itself; long before that, `settle` is to do it.
pub const AHEAD_PAGES_MAX: u32 = 16_384;
/// What the file of what is written ahead keeps when it is empty: somewhat more than is let come together before it is moved.
pub const AHEAD_BYTES_KEPT: u64 = 24 << 20;
/// How long a connection waits for another one. Only opening and closing ever has to.
pub const BUSY_MS_MAX: u64 = 5_000;
/// Statements that a connection remembers.
pub const STATEMENTS_MAX: usize = 64;
/// What a lock says of its owner.
pub const OWNER_BYTES_MAX: u64 = 256;
