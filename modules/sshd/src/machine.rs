//! The state machine: what follows from a message, given what was said before.
//!
//! A process is, in turn, an attempt, a session, and nothing. An attempt begins with the first word of a user's name
//! and ends with the connection; a session begins with `Accepted` (see [`crate::session`] for its end). What opens
//! something new under a process id in use ends what was there: the process id was used again, its end is lost.
//!
//! # Layout
//! - here: what is remembered, who hears which message, timers
//! - `trying`: attempts
//! - `ending`: sessions, and the ends of both
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

use correlator_sdk::keep::Transactions;
use correlator_sdk::prelude::*;

use crate::attempt::Attempt;
use crate::events::AttemptsExceeded;
use crate::failures::Failures;
use crate::key::{self, Hosts, Key};
use crate::message::Message;
use crate::options::Options;
use crate::peer::Peer;
use crate::session::Sessions;
use crate::tally::Tally;

mod trying;

mod ending;

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

/// How long a second word on an end may take.
pub const ENDS_WAIT: Duration = Duration::from_seconds(60);

/// How long PAM may take to close a session whose connection has ended.
pub const CLOSING_WAIT: Duration = Duration::from_seconds(60);

/// How long after a failure a line may say that it was repeated: a syslog daemon tells so after two minutes.
const REPEAT_WAIT: Duration = Duration::from_seconds(120);

/// Everything that is remembered.
#[derive(Serialize, Deserialize)]
pub struct Machine {
    attempts: Transactions<Key, Attempt>,
    sessions: Sessions,
    failures: Failures,
    /// Processes for which a PAM module reported a failure, with their hosts and when.
    notes: VecDeque<(Key, u64, Time)>,
    /// Processes whose connections ended lately.
    ends: VecDeque<(Key, Time)>,
    /// The host and process of the last message, if it was a failure: it may be repeated.
    last_failure: Option<(u64, Key, Time)>,
    tally: Tally,
    total: Tally,
    hosts: Hosts,
}

/// Where a message comes from.
#[derive(Clone, Copy, Debug)]
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

impl Origin<'_> {
    /// What the message is about: its process or, without an id, the peer.
    #[inline]
    fn key(&self, peer: Peer<'_>) -> Option<Key> {
        let peer = || (!peer.addr.is_empty()).then(|| key::address(self.number, peer.addr));
        self.process.or_else(peer)
    }
}

/// The machine at work on one record or one tick.
pub struct Work<'w> {
    /// What is remembered.
    pub machine: &'w mut Machine,
    /// What the stack set.
    pub options: &'w Options,
    /// Where events go.
    pub turn: &'w mut Turn,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            attempts: Transactions::with_capacity(ATTEMPTS_MAX),
            sessions: Sessions::default(),
            failures: Failures::default(),
            notes: VecDeque::new(),
            ends: VecDeque::new(),
            last_failure: None,
            tally: Tally::default(),
            total: Tally::default(),
            hosts: Hosts::default(),
        }
    }
}

impl Machine {
    /// Where a record comes from.
    #[inline]
    pub fn origin<'a>(&mut self, record: Record<'a>) -> Origin<'a> {
        let host = record.host();
        let number = self.hosts.number(host);
        let process = key::process(number, record.process_id());
        Origin { host, number, process, time: record.time(), count: 1 }
    }

    /// What happened since the beginning.
    pub fn statistics(&self) -> Vec<Statistic> {
        let mut total = self.total;
        total.add(&self.tally);
        let mut statistics = total.statistics();
        statistics.push(Statistic::new("open", self.sessions.len()));
        let evicted = [self.attempts.evicted(), self.sessions.evicted(), self.failures.evicted()];
        statistics.push(Statistic::new("evicted", evicted.into_iter().sum::<u64>()));
        statistics
    }

    /// The attempt of a process.
    #[inline]
    fn attempt(&self, key: Key) -> Option<&Attempt> {
        self.attempts.get(&key).map(|transaction| &transaction.state)
    }

    /// The attempt of a process.
    #[inline]
    fn attempt_mut(&mut self, key: Key) -> Option<&mut Attempt> {
        self.attempts.get_mut(&key).map(|transaction| &mut transaction.state)
    }
}

impl Work<'_> {
    /// Hears a message.
    #[inline]
    pub fn hear(&mut self, origin: &Origin<'_>, message: &Message<'_>) -> Result<(), Error> {
        if let Message::Failed { method, who } = message {
            return self.failed(origin, *method, who);
        }
        self.machine.last_failure = None;
        match message {
            Message::Failed { .. } => Ok(()),
            Message::PamFailed { module, who } => self.pam_failed(origin, module, who),
            Message::Invalid(who) => self.invalid(origin, who),
            Message::Ended(end) => self.ended(origin, end),
            Message::Accepted(accepted) => self.accepted(origin, accepted),
            Message::Opened => {
                self.opened(origin);
                Ok(())
            }
            Message::Closed => self.closed(origin),
            Message::Refused(who) => self.refused(origin, who),
            Message::Denied { user } => self.denied(origin, user),
            Message::PamMore { count } => self.pam_more(origin, *count),
            Message::PamError(who) => self.pam_error(origin, who),
            Message::Exhausted(who) => self.exhausted(origin, who),
            Message::Connected(peer) => self.connected(origin, *peer),
            Message::Probe => self.probe(origin),
        }
    }

    /// Hears that the last message of a host was repeated.
    pub fn hear_again(&mut self, origin: &Origin<'_>) -> Result<(), Error> {
        match self.machine.last_failure {
            Some((number, key, time))
                if number == origin.number && origin.time - time <= REPEAT_WAIT =>
            {
                self.failed_again(origin, key)
            }
            _ => Ok(()),
        }
    }

    /// Ends what nothing more will be heard of.
    pub fn tidy(&mut self, now: Time, at_end: bool) -> Result<(), Error> {
        let until = |wait| if at_end { Time::MAX } else { now - wait };
        self.settle_notes(until(NOTES_WAIT))?;
        self.settle_sessions(until(CLOSING_WAIT))?;
        let machine = &mut *self.machine;
        while machine.attempts.pop_expired(now).is_some() {
            machine.tally.expired += 1;
        }
        machine.tally.expired += machine.sessions.expire(now);
        machine.failures.expire(now);
        Ok(())
    }

    /// Tells what happened since the last time.
    pub fn tell_statistics(&mut self) -> Result<(), Error> {
        let tally = core::mem::take(&mut self.machine.tally);
        self.machine.total.add(&tally);
        self.turn.emit(&tally.event())
    }

    /// Counts failures of an address.
    #[inline]
    fn count(
        &mut self,
        (host, time): (&BStr, Time),
        user: &BStr,
        addr: &BStr,
        count: u32,
    ) -> Result<(), Error> {
        if count == 0 || addr.is_empty() {
            return Ok(());
        }
        self.machine.tally.failures += u64::from(count);
        let window = self.options.login_failure_window;
        let failures = self.machine.failures.add(addr, time, count, window);
        if failures < self.options.login_failure_limit {
            return Ok(());
        }
        self.machine.tally.lockouts += 1;
        let user = (!user.is_empty()).then_some(user);
        self.turn.emit(&AttemptsExceeded { addr, failures, window, user, host })
    }
}
