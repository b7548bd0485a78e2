//! Sessions, and how attempts and sessions end.

use correlator_sdk::prelude::*;

use super::{CLOSING_WAIT, ENDS_MAX, ENDS_WAIT, Origin, Work};
use crate::attempt::Attempt;
use crate::events::LoginFailed;
use crate::key::{self, Key};
use crate::message::{Accepted, End, Stage};
use crate::peer::{Peer, Who};
use crate::session::{Ended, Session, port_told};

impl Work<'_> {
    /// `Accepted METHOD for ...`
    pub(super) fn accepted(
        &mut self,
        origin: &Origin<'_>,
        accepted: &Accepted<'_>,
    ) -> Result<(), Error> {
        let who = &accepted.who;
        let Some(key) = origin.key(who.peer) else { return Ok(()) };
        self.settle_sessions(origin.time - CLOSING_WAIT)?;
        // Who gets in with one account has not thereby proved that another is theirs.
        let other = |attempt: &Attempt| attempt.is_other(who) || attempt.is_other_user(who);
        if self.machine.attempt(key).is_some_and(other) {
            self.end_attempt(origin, key)?;
        }
        // What a module noted and the next one accepted was no failure; the same of a process of PAM's own.
        let failures = self.machine.attempts.close(&key).map_or(0, |closed| closed.state.failures);
        self.drop_note_of(origin, who);
        let machine = &mut *self.machine;
        machine.failures.clear(BStr::new(who.peer.addr));
        let session = Session::new(origin.host, origin.number, origin.time, failures, accepted);
        session.tell_start(self.turn)?;
        machine.tally.partial += machine.sessions.make_way(key, &session);
        let age_max = self.options.max_transaction_age;
        machine.sessions.open(key, origin.time, age_max, session);
        Ok(())
    }

    /// `session opened for user ...`
    pub(super) fn opened(&mut self, origin: &Origin<'_>) {
        let Some(key) = origin.process else { return };
        if !self.machine.sessions.opened(key, origin.time) {
            // `Accepted` is lost, but whoever it was has got in. The session's end will count as half a session.
            self.machine.attempts.close(&key);
        }
    }

    /// `session closed for user ...`
    pub(super) fn closed(&mut self, origin: &Origin<'_>) -> Result<(), Error> {
        let Some(key) = origin.process else { return Ok(()) };
        if let Some(session) = self.machine.sessions.close(key) {
            return self.log_out(key, &session, origin.time, origin.time);
        }
        if !self.has_ended(key, origin.time) {
            self.machine.tally.partial += 1;
            self.remember_end(key, origin.time);
        }
        Ok(())
    }

    /// `Access denied for user ...`: accepted or not, nobody gets in.
    pub(super) fn denied(&mut self, origin: &Origin<'_>, user: &[u8]) -> Result<(), Error> {
        let Some(key) = origin.process else { return Ok(()) };
        if let Some(session) = self.machine.sessions.close(key) {
            let who = Who { user: session.user(), invalid: true, peer: session.from() };
            let mut attempt = Attempt::default();
            attempt.learn(&who, true);
            attempt.failures = session.failures();
            return self.fail_attempt(origin, key, attempt);
        }
        if let Some(attempt) = self.machine.attempt_mut(key) {
            attempt.learn(&Who { user, invalid: true, ..Who::default() }, false);
        }
        self.end_attempt(origin, key)
    }

    /// `maximum authentication attempts exceeded for ...`
    pub(super) fn exhausted(&mut self, origin: &Origin<'_>, who: &Who<'_>) -> Result<(), Error> {
        let Some(key) = origin.key(who.peer) else { return Ok(()) };
        let attempt = self.attempt(origin, key, who)?;
        attempt.learn(who, true);
        attempt.refused = true;
        self.end_attempt(origin, key)
    }

    /// A connection that never came as far as a user's name.
    pub(super) fn probe(&mut self, origin: &Origin<'_>) -> Result<(), Error> {
        let Some(key) = origin.process else {
            self.machine.tally.probes += 1;
            return Ok(());
        };
        if self.machine.attempt(key).is_some() {
            return self.end_attempt(origin, key);
        }
        self.count_probe(origin, key);
        Ok(())
    }

    /// The end of a connection.
    pub(super) fn ended(&mut self, origin: &Origin<'_>, end: &End<'_>) -> Result<(), Error> {
        let key = match end.process_id {
            Some(id) => key::process(origin.number, id),
            None => origin.key(end.who.peer),
        };
        if let Some(key) = key
            && end.stage != Stage::LoggedIn
            && let Some(attempt) = self.machine.attempt_mut(key)
        {
            attempt.learn_rest(&end.who);
            attempt.refused |= end.gave_up;
            if end.gave_up && attempt.addr().is_empty() {
                return Ok(());
            }
            return self.end_attempt(origin, key);
        }
        if !end.preauth {
            // Old versions tell no port, and say that a connection closed of scans, too: only a farewell may be guessed.
            let told = end.farewell || end.who.peer.port != 0;
            let peer = if told { end.who.peer } else { Peer::default() };
            let sessions = &mut self.machine.sessions;
            match sessions.end(key, origin.number, peer, origin.time) {
                Ended::Over(key, session) => {
                    return self.log_out(key, &session, origin.time, origin.time);
                }
                Ended::Awaited => return Ok(()),
                Ended::Unknown => {}
            }
        }
        match key {
            Some(key) if !self.has_ended(key, origin.time) => self.ended_unheard(origin, key, end),
            _ => Ok(()),
        }
    }

    /// The end of a connection of which nothing was heard before: some versions say all in this one line.
    fn ended_unheard(&mut self, origin: &Origin<'_>, key: Key, end: &End<'_>) -> Result<(), Error> {
        let named = matches!(end.stage, Stage::Authenticating | Stage::Invalid);
        let failed =
            end.gave_up || end.stage == Stage::Invalid || (named && self.options.count_abandoned);
        let peer = end.who.peer;
        // Old versions give up without an address; some follow with a line that has it. New versions follow the
        // client's farewell with a line that names the user.
        let nowhere = end.gave_up && peer.addr.is_empty();
        if nowhere || (failed && !peer.addr.is_empty()) {
            let mut attempt = Attempt::default();
            attempt.learn(&end.who, true);
            attempt.refused = true;
            if nowhere || (end.farewell && end.preauth && peer.port != 0) {
                *self.attempt(origin, key, &end.who)? = attempt;
                return Ok(());
            }
            return self.fail_attempt(origin, key, attempt);
        }
        let last_word = !end.farewell || peer.port == 0;
        if named || (end.preauth && last_word) {
            self.count_probe(origin, key);
        }
        Ok(())
    }

    /// Ends the attempt of a process, if it has one.
    pub(super) fn end_attempt(&mut self, origin: &Origin<'_>, key: Key) -> Result<(), Error> {
        match self.machine.attempts.close(&key) {
            Some(closed) => self.fail_attempt(origin, key, closed.state),
            None => Ok(()),
        }
    }

    /// Tells of a failed attempt, if it is one.
    fn fail_attempt(
        &mut self,
        origin: &Origin<'_>,
        key: Key,
        mut attempt: Attempt,
    ) -> Result<(), Error> {
        let mut count = attempt.take_notes();
        let abandoned = self.options.count_abandoned && !attempt.user().is_empty();
        if attempt.failures == 0 && (attempt.refused || abandoned) {
            attempt.failures = 1;
            count = 1;
        }
        if attempt.failures == 0 {
            self.count_probe(origin, key);
            return Ok(());
        }
        self.count((origin.host, origin.time), attempt.user(), attempt.addr(), count)?;
        self.remember_end(key, origin.time);
        self.machine.tally.denied += 1;
        self.turn.emit(&LoginFailed {
            user: attempt.user(),
            addr: attempt.addr(),
            port: port_told(attempt.port()),
            failures: attempt.failures,
            host: origin.host,
        })
    }

    /// Tells of a session that ended.
    fn log_out(
        &mut self,
        key: Key,
        session: &Session,
        finish: Time,
        now: Time,
    ) -> Result<(), Error> {
        self.remember_end(key, now);
        self.machine.tally.login_sessions += 1;
        session.tell_end(finish, self.turn)
    }

    /// Ends the sessions whose connections ended before `before` and which PAM has not closed.
    pub(super) fn settle_sessions(&mut self, before: Time) -> Result<(), Error> {
        for (key, session, ended) in self.machine.sessions.overdue(before) {
            self.log_out(key, &session, ended, ended)?;
        }
        Ok(())
    }

    fn count_probe(&mut self, origin: &Origin<'_>, key: Key) {
        if !self.has_ended(key, origin.time) {
            self.machine.tally.probes += 1;
            self.remember_end(key, origin.time);
        }
    }

    fn remember_end(&mut self, key: Key, time: Time) {
        let ends = &mut self.machine.ends;
        if ends.len() >= ENDS_MAX {
            ends.pop_front();
        }
        ends.push_back((key, time));
    }

    /// Whether the connection of a process has ended just now, so that this is a second word on it.
    fn has_ended(&self, key: Key, now: Time) -> bool {
        let ends = self.machine.ends.iter().rev();
        ends.clone().any(|&(ended, time)| ended == key && now - time <= ENDS_WAIT)
    }
}
