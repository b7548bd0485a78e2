//! Sessions: who is logged in, and which line is the end of it.
//!
//! sshd says `Accepted` from the process that watches the connection, and so does PAM when it opens and closes the
//! session. The farewells come from a child that runs as the user, under another process id. So a session is found by
//! its process or by the peer's address and port. Where PAM opened it, PAM's closing ends it; elsewhere the first
//! word of the connection's end does. If PAM's word never comes, the connection's end stands in for it.

use std::collections::BTreeMap;

use correlator_sdk::keep::Transactions;
use correlator_sdk::prelude::*;

use crate::events::{Login, SessionStarted};
use crate::key::{Key, address};
use crate::message::Accepted;
use crate::peer::Peer;

/// How many sessions are kept: each costs some 300 bytes. The oldest goes first.
pub const SESSIONS_MAX: usize = 16_384;

/// Somebody who is logged in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Session {
    user: BString,
    auth: BString,
    addr: BString,
    port: u16,
    key: Option<BString>,
    host: BString,
    failures: u32,
    start: Time,
    /// Whether PAM opened it, so that PAM closes it.
    by_pam: bool,
    /// When the connection ended, while PAM's word is awaited.
    ended: Option<Time>,
    /// Where the peer is listed.
    peer: (u64, u16),
}

impl Session {
    /// A session that begins.
    pub fn new(
        host: &BStr,
        number: u64,
        time: Time,
        failures: u32,
        accepted: &Accepted<'_>,
    ) -> Self {
        let Peer { addr, port } = accepted.who.peer;
        Self {
            user: accepted.who.user.into(),
            auth: accepted.auth().into(),
            addr: addr.into(),
            port,
            key: accepted.fingerprint().map(BString::from),
            host: host.to_owned(),
            failures,
            start: time,
            by_pam: false,
            ended: None,
            peer: (address(number, addr), port),
        }
    }

    /// Tells that it began.
    pub fn tell_start(&self, turn: &mut Turn) -> Result<(), Error> {
        turn.emit(&SessionStarted {
            user: self.user.as_bstr(),
            auth: self.auth.as_bstr(),
            addr: self.addr.as_bstr(),
            port: port_told(self.port),
            failures: self.failures,
            key: self.key.as_ref().map(|key| key.as_bstr()),
            host: self.host.as_bstr(),
        })
    }

    /// Tells that it ended.
    pub fn tell_end(&self, finish: Time, turn: &mut Turn) -> Result<(), Error> {
        turn.emit(&Login {
            user: self.user.as_bstr(),
            auth: self.auth.as_bstr(),
            addr: self.addr.as_bstr(),
            port: port_told(self.port),
            failures: self.failures,
            start: self.start,
            finish,
            duration: finish - self.start,
            key: self.key.as_ref().map(|key| key.as_bstr()),
            host: self.host.as_bstr(),
        })
    }

    /// The account.
    pub fn user(&self) -> &BStr {
        self.user.as_bstr()
    }

    /// Where from.
    pub fn from(&self) -> Peer<'_> {
        Peer { addr: &self.addr, port: self.port }
    }

    /// Failures before it was accepted.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// A port, if it is known.
#[inline]
pub fn port_told(port: u16) -> Option<u16> {
    (port != 0).then_some(port)
}

/// What became of a session when its connection ended.
pub enum Ended {
    /// There is none.
    Unknown,
    /// PAM's word is awaited.
    Awaited,
    /// It ended.
    Over(Key, Session),
}

/// All sessions.
#[derive(Serialize, Deserialize)]
pub struct Sessions {
    open: Transactions<Key, Session>,
    /// Which process watches the connection of a peer, by host and address and by port.
    peers: BTreeMap<(u64, u16), Key>,
    /// Sessions whose connection has ended, and when: PAM's word is awaited.
    awaited: Vec<Key>,
    evicted: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        let open = Transactions::with_capacity(SESSIONS_MAX);
        Self { open, peers: BTreeMap::new(), awaited: Vec::new(), evicted: 0 }
    }
}

impl Sessions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// How many were given up because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Takes one up for a while. If there are too many, the oldest goes.
    pub fn open(&mut self, key: Key, time: Time, age_max: Duration, session: Session) {
        if self.open.len() >= SESSIONS_MAX
            && let Some((key, oldest)) = self.open.pop_expired(Time::MAX)
        {
            self.forget(key, &oldest.state);
            self.evicted += 1;
        }
        self.peers.insert(session.peer, key);
        self.open.open(&key, time, age_max, || session);
    }

    /// Takes away what had the process or the peer of a session that begins, and gives how many there were: their
    /// ends are lost.
    pub fn make_way(&mut self, key: Key, session: &Session) -> u64 {
        let other = self.peers.get(&session.peer).copied().filter(|_| session.port != 0);
        let keys = [Some(key), other.filter(|&other| other != key)];
        keys.into_iter().flatten().filter_map(|key| self.close(key)).count() as u64
    }

    /// PAM opened the session: this is its start. Further words of other modules change nothing.
    pub fn opened(&mut self, key: Key, time: Time) -> bool {
        let Some(session) = self.get_mut(key) else { return false };
        if !session.by_pam {
            session.by_pam = true;
            session.start = time;
        }
        true
    }

    /// Takes one away.
    pub fn close(&mut self, key: Key) -> Option<Session> {
        let session = self.open.close(&key)?.state;
        self.forget(key, &session);
        Some(session)
    }

    /// A connection ended: that of this process, or else that of this peer of the host.
    pub fn end(&mut self, key: Option<Key>, host: u64, peer: Peer<'_>, time: Time) -> Ended {
        let found = key.filter(|&key| self.get(key).is_some());
        let Some(key) = found.or_else(|| self.find(host, peer)) else { return Ended::Unknown };
        let Some(session) = self.get_mut(key) else { return Ended::Unknown };
        if session.by_pam {
            if session.ended.is_none() {
                session.ended = Some(time);
                self.awaited.push(key);
            }
            return Ended::Awaited;
        }
        self.close(key).map_or(Ended::Unknown, |session| Ended::Over(key, session))
    }

    /// Old versions tell no port: then the address must be that of one session alone.
    fn find(&self, host: u64, peer: Peer<'_>) -> Option<Key> {
        if peer.addr.is_empty() {
            return None;
        }
        let list = address(host, peer.addr);
        if peer.port != 0 {
            return self.peers.get(&(list, peer.port)).copied();
        }
        let mut keys = self.peers.range((list, 0)..=(list, u16::MAX));
        let (_, &key) = keys.next()?;
        let alone = keys.next().is_none();
        // What PAM opened, PAM closes: no need to guess.
        let guess = alone && self.get(key).is_some_and(|session| !session.by_pam);
        guess.then_some(key)
    }

    /// Takes those away for which PAM's word has not come since `before`, with the end of their connections.
    pub fn overdue(&mut self, before: Time) -> Vec<(Key, Session, Time)> {
        let mut over = Vec::new();
        for key in core::mem::take(&mut self.awaited) {
            match self.get(key).and_then(|session| session.ended) {
                Some(time) if time <= before => {
                    over.extend(self.close(key).map(|session| (key, session, time)));
                }
                Some(_) => self.awaited.push(key),
                None => {}
            }
        }
        over
    }

    /// Takes those away that are too old by now, and gives how many there were.
    pub fn expire(&mut self, now: Time) -> u64 {
        let mut expired = 0;
        while let Some((key, session)) = self.open.pop_expired(now) {
            self.forget(key, &session.state);
            expired += 1;
        }
        expired
    }

    fn get(&self, key: Key) -> Option<&Session> {
        self.open.get(&key).map(|transaction| &transaction.state)
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut Session> {
        self.open.get_mut(&key).map(|transaction| &mut transaction.state)
    }

    fn forget(&mut self, key: Key, session: &Session) {
        if self.peers.get(&session.peer) == Some(&key) {
            self.peers.remove(&session.peer);
        }
        if session.ended.is_some() {
            self.awaited.retain(|&awaited| awaited != key);
        }
    }
}
