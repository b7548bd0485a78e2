//! Attempts: what begins them, and what counts while they last.

use correlator_sdk::prelude::*;

use super::{NOTES_MAX, NOTES_SEARCHED, NOTES_WAIT, Origin, Work};
use crate::attempt::Attempt;
use crate::key::Key;
use crate::message::Method;
use crate::peer::{Peer, Who};

impl Work<'_> {
    /// `Failed METHOD for ...`
    #[inline]
    pub fn failed(
        &mut self,
        origin: &Origin<'_>,
        method: Method,
        who: &Who<'_>,
    ) -> Result<(), Error> {
        let Some(key) = origin.key(who.peer) else { return Ok(()) };
        let counts = match method {
            Method::Guess | Method::Dialogue => true,
            Method::PublicKey => self.options.count_publickey,
            Method::Nothing => false,
        };
        // Under attack nearly every line is one more of a known connection: it is looked up once.
        let count = match self.machine.attempt_mut(key) {
            Some(attempt) if counts && attempt.is_same(who) => attempt.fail(method, origin.count),
            _ => {
                let attempt = self.attempt(origin, key, who)?;
                attempt.learn(who, true);
                if counts { attempt.fail(method, origin.count) } else { 0 }
            }
        };
        if !counts {
            self.machine.last_failure = None;
            return Ok(());
        }
        self.machine.last_failure = Some((origin.number, key, origin.time));
        let user = BStr::new(who.user);
        self.count((origin.host, origin.time), user, BStr::new(who.peer.addr), count)
    }

    /// The last failure, once more.
    pub(super) fn failed_again(&mut self, origin: &Origin<'_>, key: Key) -> Result<(), Error> {
        let Some(attempt) = self.machine.attempt_mut(key) else { return Ok(()) };
        let count = attempt.fail(Method::Guess, origin.count);
        self.count_attempt(origin, key, count)
    }

    /// `error: PAM: REASON for ...`
    pub(super) fn pam_error(&mut self, origin: &Origin<'_>, who: &Who<'_>) -> Result<(), Error> {
        let Some(key) = origin.key(who.peer) else { return Ok(()) };
        let other = self.machine.attempt(key).map(|attempt| attempt.is_other_by_name(who));
        let attempt = self.attempt_unless(origin, key, other)?;
        attempt.learn(who, false);
        let alone = !attempt.is_noted_only();
        let count = attempt.fail_by_pam(origin.count);
        if alone {
            self.drop_note_of(origin, who);
        }
        self.count_attempt(origin, key, count)
    }

    /// `Invalid user ...`: once for a connection. If no port tells that it is the same one, it is another.
    pub(super) fn invalid(&mut self, origin: &Origin<'_>, who: &Who<'_>) -> Result<(), Error> {
        let Some(key) = origin.key(who.peer) else { return Ok(()) };
        let again = self.machine.attempt(key).is_some_and(|attempt| attempt.refused);
        if again && who.peer.port == 0 {
            self.end_attempt(origin, key)?;
        }
        self.attempt(origin, key, who)?.learn(who, true);
        Ok(())
    }

    /// `User ... not allowed because ...`
    pub(super) fn refused(&mut self, origin: &Origin<'_>, who: &Who<'_>) -> Result<(), Error> {
        let Some(key) = origin.key(who.peer) else { return Ok(()) };
        let other = self.machine.attempt(key).map(|attempt| attempt.is_other_by_name(who));
        self.attempt_unless(origin, key, other)?.learn(who, false);
        Ok(())
    }

    /// A PAM module's `authentication failure; ...`: noted until sshd says its own word.
    pub(super) fn pam_failed(
        &mut self,
        origin: &Origin<'_>,
        module: &[u8],
        who: &Who<'_>,
    ) -> Result<(), Error> {
        self.settle_notes(origin.time - NOTES_WAIT)?;
        let Some(key) = origin.key(who.peer) else { return Ok(()) };
        let known = self.machine.attempt(key);
        let other =
            known.map(|attempt| attempt.is_other_by_name(who) || attempt.is_other_user(who));
        let attempt = self.attempt_unless(origin, key, other)?;
        attempt.learn(who, false);
        attempt.note(module, origin.count);
        let (notes, time) = (&mut self.machine.notes, origin.time);
        if notes.len() >= NOTES_MAX {
            if notes.back().is_some_and(|(_, _, latest)| *latest > time + NOTES_WAIT) {
                notes.pop_back();
            } else {
                notes.pop_front();
            }
        }
        // In order of time, so that one that lies about it keeps no other waiting. Almost always at the end.
        let at = self.notes_before(time);
        self.machine.notes.insert(at, (key, origin.number, time));
        Ok(())
    }

    /// `PAM N more authentication failures; ...`: PAM's last word, so what it noted need not wait.
    pub(super) fn pam_more(&mut self, origin: &Origin<'_>, more: u32) -> Result<(), Error> {
        let Some(key) = origin.process else { return Ok(()) };
        let Some(attempt) = self.machine.attempt_mut(key) else { return Ok(()) };
        attempt.note_more(more);
        let count = attempt.take_notes();
        self.count_attempt(origin, key, count)
    }

    /// `Connection from ...`: whatever the process was before, it is a new one.
    pub(super) fn connected(&mut self, origin: &Origin<'_>, peer: Peer<'_>) -> Result<(), Error> {
        let Some(key) = origin.process else { return Ok(()) };
        self.end_attempt(origin, key)?;
        let who = Who { peer, ..Who::default() };
        self.attempt(origin, key, &who)?.learn(&who, true);
        Ok(())
    }

    /// The attempt of a process. What can't be the same connection ends for it.
    #[inline]
    pub(super) fn attempt(
        &mut self,
        origin: &Origin<'_>,
        key: Key,
        who: &Who<'_>,
    ) -> Result<&mut Attempt, Error> {
        let other = self.machine.attempt(key).map(|attempt| attempt.is_other(who));
        self.attempt_unless(origin, key, other)
    }

    /// The attempt of a process, or a new one if there is none or it is known to be another.
    #[inline]
    fn attempt_unless(
        &mut self,
        origin: &Origin<'_>,
        key: Key,
        other: Option<bool>,
    ) -> Result<&mut Attempt, Error> {
        match other {
            Some(false) => {}
            Some(true) => {
                self.end_attempt(origin, key)?;
                self.begin_attempt(origin, key);
            }
            None => self.begin_attempt(origin, key),
        }
        self.machine.attempt_mut(key).ok_or_else(|| Error::from("an attempt is lost"))
    }

    fn begin_attempt(&mut self, origin: &Origin<'_>, key: Key) {
        let machine = &mut *self.machine;
        machine.tally.partial += u64::from(machine.sessions.close(key).is_some());
        let age_max = self.options.max_transaction_age;
        machine.attempts.open(&key, origin.time, age_max, Attempt::default);
    }

    /// Counts failures of an attempt's own address.
    pub(super) fn count_attempt(
        &mut self,
        origin: &Origin<'_>,
        key: Key,
        count: u32,
    ) -> Result<(), Error> {
        let Some(attempt) = self.machine.attempt(key) else { return Ok(()) };
        let (user, addr) = (attempt.user().to_owned(), attempt.addr().to_owned());
        self.count((origin.host, origin.time), user.as_bstr(), addr.as_bstr(), count)
    }

    /// Counts the notes that came before `before` and that no word of sshd's has confirmed or refuted.
    pub(super) fn settle_notes(&mut self, before: Time) -> Result<(), Error> {
        while let Some(&(key, host, time)) = self.machine.notes.front() {
            if time > before {
                break;
            }
            self.machine.notes.pop_front();
            let Some(attempt) = self.machine.attempt_mut(key) else { continue };
            let count = attempt.take_notes();
            if count > 0 {
                let (user, addr) = (attempt.user().to_owned(), attempt.addr().to_owned());
                let host = self.machine.hosts.name(host).to_owned();
                self.count((host.as_bstr(), time), user.as_bstr(), addr.as_bstr(), count)?;
            }
        }
        Ok(())
    }

    /// How many notes came no later than that.
    fn notes_before(&self, time: Time) -> usize {
        let notes = &self.machine.notes;
        match notes.back() {
            Some((.., latest)) if *latest > time => {
                notes.partition_point(|(.., earlier)| *earlier <= time)
            }
            _ => notes.len(),
        }
    }

    /// Drops the latest note of the same account and address under another process id: for a dialogue, sshd runs PAM
    /// in a process of its own, which says nothing more.
    pub(super) fn drop_note_of(&mut self, origin: &Origin<'_>, who: &Who<'_>) {
        let count = self.notes_before(origin.time);
        let machine = &mut *self.machine;
        let found = machine.notes.range(..count).rev().take(NOTES_SEARCHED).find(|(key, _, _)| {
            machine.attempt(*key).is_some_and(|attempt| {
                attempt.is_noted_only()
                    && attempt.addr() == who.peer.addr
                    && !attempt.is_other_user(who)
            })
        });
        if let Some(&(key, _, _)) = found {
            machine.attempts.close(&key);
        }
    }
}
