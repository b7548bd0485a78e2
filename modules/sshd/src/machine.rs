//! The state machine: what follows from a message, given what was said before.
//!
//! A process is, in turn, an attempt, a session, and nothing. An attempt begins with the first word of a user's name
//! and ends with the connection; a session begins with `Accepted` (see [`crate::session`] for its end). What opens
//! something new under a process id in use ends what was there: the process id was used again, its end is lost.
//!
//! # What counts as a failure
//! - `Failed` with anything but a public key or nothing. Clients offer all their keys one by one, and ask with
//!   nothing which methods there are: neither is a guess.
//! - PAM's refusal that sshd reports. The `Failed` that may follow is the same one.
//! - A PAM module's report alone, if no word of sshd's own confirms or refutes it until the connection ends or
//!   [`NOTES_WAIT`] has passed. A module may well refuse what the next one accepts, which is no failure.
//! - Once for an attempt that sshd refused whatever was tried (no such account, not allowed, too many failures), if
//!   nothing else counted.
//!
//! A connection that ends without any of these was a probe, and not a failed login.

use std::collections::VecDeque;

use correlator_sdk::prelude::*;

use crate::attempt::Attempt;
use crate::events::{AttemptsExceeded, LoginFailed};
use crate::failures::Failures;
use crate::key::{Hosts, Key, address};
use crate::message::{Accepted, End, Message, Method, Stage};
use crate::options::Options;
use crate::peer::{Peer, Who};
use crate::session::{Ended, Session, Sessions, port_told};
use crate::table::Table;
use crate::tally::Tally;

/// How many attempts are kept at once: each costs some 150 bytes. The oldest goes first.
pub const ATTEMPTS_MAX: usize = 16_384;

/// How many ends are remembered, so that a second word on an end begins nothing.
pub const ENDS_MAX: usize = 64;

/// How many notes of PAM's wait for sshd's own word.
pub const NOTES_MAX: usize = 4096;

/// How many of the latest notes may be one that sshd now reports from another process.
const NOTES_SEARCHED: usize = 16;

/// How long sshd may take from a PAM module's report to its own: modules delay, and directories time out.
pub const NOTES_WAIT: Duration = Duration::from_seconds(30);

/// How long PAM may take to close a session whose connection has ended.
pub const CLOSING_WAIT: Duration = Duration::from_seconds(60);

/// How long after a failure a line may say that it was repeated: a syslog daemon tells so after two minutes.
const REPEAT_WAIT: Duration = Duration::from_seconds(120);

/// Everything that is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    attempts: Table<Attempt>,
    sessions: Sessions,
    failures: Failures,
    notes: VecDeque<(Key, Time)>,
    ends: VecDeque<(Key, Time)>,
    /// The host and process of the last message, if it was a failure: it may be repeated.
    last_failure: Option<(u64, Key, Time)>,
    tally: Tally,
    total: Tally,
    #[serde(skip)]
    hosts: Hosts,
}

/// A message with where it comes from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The host's name.
    pub host: &'a BStr,
    /// The host's number.
    pub number: u64,
    /// The process, if it has an id.
    pub process: Option<Key>,
    /// When.
    pub time: Time,
    /// How often it was said.
    pub count: u32,
}

/// The machine at work on one record or tick.
pub struct Work<'m, 't> {
    /// What is remembered.
    pub machine: &'m mut Machine,
    /// What the stack set.
    pub options: &'m Options,
    /// Where events go.
    pub turn: &'t mut Turn,
}
