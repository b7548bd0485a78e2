//! The loop that serves all connections of a source, in turns.
//!
//! Each round asks which sockets are ready and reads each of them once. So a peer that floods gets its turn and no
//! more, and one that sends nothing costs nothing. Nothing here ever waits for a peer; it waits for the intake, and
//! then all peers do, since their records have nowhere to go.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{SocketFlags, acceptfrom_with};
use rustix::process::{Resource, getrlimit};
use rustix::time::Timespec;

use super::certificates::Certificates;
use super::connection::{Connection, Heard};
use super::filling::{Filling, Moment};
use super::gauge::NetGauge;
use super::handle::{Kind, Settings, Shared, lets_in_others};
use super::peer::Peer;
use super::quiet::Quiet;
use super::setbacks::Setbacks;
use super::shares::Shares;
use super::slots::{Key, Slots};
use super::stream::Manner;
use crate::intake::Ended;
use crate::settings::StreamLimits;
use crate::{clock, limit};

/// What epoll calls the listening socket. No connection's key is this.
const LISTENER: u64 = u64::MAX;

/// The listening socket and everything that a connection needs.
pub(crate) struct Server<'a> {
    /// The source's name, for people.
    pub name: &'a str,
    /// The listening socket, and what is said to who serves it.
    pub shared: &'a Shared,
    /// What bounds connections.
    pub limits: StreamLimits,
    /// How their bytes are read.
    pub manner: Manner,
    /// How they are secured.
    pub certificates: Option<Box<Certificates>>,
    /// What is shown.
    pub gauge: &'a NetGauge,
}

/// The connections while they are served.
struct Round<'a, 'b> {
    setbacks: Setbacks<'a>,
    server: Server<'a>,
    filling: Filling<'b>,
    epoll: OwnedFd,
    connections: Slots<Connection>,
    /// How many of them each address has.
    shares: Shares,
    /// Those that are over, until all that they brought is safe.
    leaving: Vec<Connection>,
    /// Those whose first bytes wait for what follows them.
    beginning: Vec<Key>,
    /// How long the first of these waits.
    patience: Option<Duration>,
    /// Since when nothing is accepted, because the system has no room.
    paused: Option<Instant>,
    swept: Instant,
    buffer: Vec<u8>,
    failures: Quiet,
    refusals: Quiet,
}

/// The moment of a round.
pub(crate) fn moment() -> Moment {
    Moment { instant: clock::instant(), wall: clock::now() }
}

impl Server<'_> {
    fn listener(&self) -> &OwnedFd {
        &self.shared.bound.socket
    }

    /// Serves until `stop` is set or the intake has ended.
    pub fn run(self, filling: Filling<'_>, stop: &AtomicBool) -> Result<(), Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, self.listener(), EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut round = Round {
            swept: filling.moment.instant,
            setbacks: Setbacks::new(self.name),
            server: self,
            filling,
            epoll,
            connections: Slots::default(),
            shares: Shares::default(),
            leaving: Vec::new(),
            beginning: Vec::new(),
            patience: None,
            paused: None,
            buffer: vec![0; limit::READ_BYTES],
            failures: Quiet::new(limit::TELLS_MAX, limit::TELL_EVERY),
            refusals: Quiet::new(1, limit::TELL_EVERY),
        };
        round.run(stop);
        round.server.gauge.connections_open.store(0, Ordering::Relaxed);
        Ok(())
    }
}

impl Round<'_, '_> {
    fn run(&mut self, stop: &AtomicBool) {
        let mut events = Vec::with_capacity(limit::READY_MAX);
        let mut last: Option<Instant> = None;
        loop {
            let timeout = if last.is_some() { Duration::ZERO } else { self.timeout() };
            let ready = self.wait(&mut events, timeout);
            if self.round(&events).is_err() {
                return;
            }
            match last {
                Some(until) if !ready || self.filling.moment.instant >= until => {
                    // An intake that has ended says so; there is nobody to tell it to any more.
                    let _ = self.finish();
                    return;
                }
                // What had come by now is still read, but not for ever.
                None if stop.load(Ordering::Relaxed) => {
                    last = Some(self.filling.moment.instant + limit::STOP_DRAIN);
                    self.leave_the_door();
                }
                _ => {}
            }
        }
    }

    /// Waits until a socket is ready. Whether one is.
    fn wait(&mut self, events: &mut Vec<Event>, timeout: Duration) -> bool {
        events.clear();
        let timeout = Timespec {
            tv_sec: timeout.as_secs().cast_signed(),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(count) => count > 0,
            Err(Errno::INTR) => true,
            Err(error) => {
                self.setbacks.rest(error);
                false
            }
        }
    }

    /// How long to wait for a socket: not at all while there is something to hand on.
    fn timeout(&self) -> Duration {
        if !self.filling.lot.frame.is_empty() || !self.leaving.is_empty() {
            return Duration::ZERO;
        }
        let poll = Duration::new(
            limit::STOP_POLL.tv_sec.unsigned_abs(),
            limit::STOP_POLL.tv_nsec.unsigned_abs() as u32,
        );
        self.patience.map_or(poll, |patience| patience.min(poll))
    }

    /// Serves the sockets that are ready; hands on what has come if none is.
    fn round(&mut self, events: &[Event]) -> Result<(), Ended> {
        self.filling.moment = moment();
        self.take_up()?;
        for event in events {
            let Event { flags, data } = *event;
            if data.u64() == LISTENER {
                self.accept();
            } else {
                self.serve(Key::from_number(data.u64()), flags)?;
            }
        }
        if !events.is_empty() {
            self.server.gauge.hear(self.filling.moment.wall);
        } else if !self.filling.lot.frame.is_empty() || !self.leaving.is_empty() {
            self.hand_on()?;
        }
        self.settle()?;
        self.sweep()
    }

    /// Hands on what has come, and lets those go that brought it and have nothing more to say.
    fn hand_on(&mut self) -> Result<(), Ended> {
        self.filling.hand_on()?;
        self.leaving.drain(..).for_each(Connection::close);
        Ok(())
    }

    /// Takes what is there of unfinished records: their peers are about to be reset and won't finish them here.
    fn finish(&mut self) -> Result<(), Ended> {
        let mut connections = std::mem::take(&mut self.connections);
        for connection in connections.iter_mut() {
            connection.end(&mut self.filling)?;
        }
        self.hand_on()
    }

    /// Goes by other settings, if there are some. Whoever is connected stays, unless others are let in now.
    fn take_up(&mut self) -> Result<(), Ended> {
        let Some(settings) = self.server.shared.next() else { return Ok(()) };
        let Settings { manner, kind: Kind::Connections(limits, certificates) } = settings else {
            return Ok(());
        };
        let wall = self.filling.moment.wall;
        let before = std::mem::replace(&mut self.server.manner, manner);
        let tls = |it: &Option<Box<Certificates>>| it.as_deref().map(|it| it.settings().clone());
        let (old, new) = (tls(&self.server.certificates), tls(&certificates));
        (self.server.limits, self.server.certificates) = (limits, certificates);
        if lets_in_others(old.as_ref(), new.as_ref()) {
            return self.part();
        }
        for connection in self.connections.iter_mut() {
            connection.go_by((&self.server.manner, &before), wall);
        }
        Ok(())
    }

    /// Ends all connections: they were let in by what does not hold any more. What they have sent is still read.
    fn part(&mut self) -> Result<(), Ended> {
        let until = self.filling.moment.instant + limit::STOP_DRAIN;
        let keys: Vec<_> = self.connections.iter().map(|(key, _)| key).collect();
        if !keys.is_empty() {
            tracing::warn!(
                "source `{}`: its TLS settings have changed, so connections that are open are ended: {}",
                self.server.name,
                keys.len()
            );
        }
        for key in keys {
            let mut why = None;
            while let Some(connection) = self.connections.get_mut(key) {
                match connection.read(&mut self.buffer, &mut self.filling)? {
                    Heard::Bytes | Heard::Beginning if clock::instant() < until => {}
                    Heard::Failed(told) => {
                        why = Some(told);
                        break;
                    }
                    _ => break,
                }
            }
            self.leave(key, why.as_deref())?;
        }
        self.hand_on()
    }

    /// Accepts nobody any more if those who connect are another's peers already.
    fn leave_the_door(&mut self) {
        if self.server.shared.is_lent() {
            self.paused = None;
            // It may be left already.
            let _ = epoll::delete(&self.epoll, self.server.listener());
        }
    }

    /// Accepts those that wait.
    fn accept(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        for _ in 0..limit::ACCEPTS_PER_ROUND {
            if self.few_descriptors() {
                self.pause("the rest of the engine needs the few descriptors that are left; `LimitNOFILE=`, or `ulimit -Hn`, gives it more");
                break;
            }
            match acceptfrom_with(self.server.listener(), flags) {
                Ok((socket, address)) => {
                    let peer = Peer::of(socket.as_fd(), address);
                    self.welcome(socket, peer);
                }
                Err(Errno::AGAIN) => break,
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    self.pause(&error.to_string());
                    break;
                }
                // The one that was next has gone again.
                Err(_) => {}
            }
        }
    }

    /// Whether another connection would take one of the descriptors that everybody else in this process needs: who can't
    /// open a file any more stands still, while peers can wait. The lowest number that is free tells how many there are.
    fn few_descriptors(&self) -> bool {
        let Some(most) = getrlimit(Resource::Nofile).current else { return false };
        let most = most - (most / limit::DESCRIPTORS_KEPT_SHARE).min(limit::DESCRIPTORS_KEPT_MAX);
        let next = fcntl_dupfd_cloexec(self.server.listener(), 0);
        next.is_ok_and(|next| u64::from(next.as_raw_fd().unsigned_abs()) >= most)
    }

    /// Takes a connection up, unless there are too many.
    fn welcome(&mut self, socket: OwnedFd, peer: Peer) {
        self.filling.lot.counts.connections += 1;
        self.server.gauge.connections.fetch_add(1, Ordering::Relaxed);
        let most = self.server.limits.connections;
        if self.connections.len() >= most {
            let why = format!("{most} connections are open, which is the limit");
            return self.refuse(&socket, peer, &why);
        }
        let share = self.server.limits.per_address;
        if !self.shares.take(peer, share) {
            let why = format!(
                "{share} connections of its address are open, which is the limit (`connections_per_address`)"
            );
            return self.refuse(&socket, peer, &why);
        }
        let tls = self.tls();
        match Connection::new(socket, peer, &self.server.manner, tls, &self.filling) {
            Ok(connection) => self.open(connection),
            Err(why) => {
                self.shares.give_back(peer);
                self.tell(peer, &why);
            }
        }
    }

    /// Closes a connection that is one too many. It is reset, lest anybody think that it was heard.
    fn refuse(&mut self, socket: &OwnedFd, peer: Peer, why: &str) {
        self.count_failure();
        if let Some(others) = self.refusals.ask(self.filling.moment.instant) {
            let (name, others) = (self.server.name, and_others(others));
            tracing::warn!("source `{name}`: {peer} refused: {why}{others}");
        }
        if peer.is_remote() {
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
    }

    fn open(&mut self, connection: Connection) {
        let key = self.connections.insert(connection);
        let Some(connection) = self.connections.get_mut(key) else { return };
        let data = EventData::new_u64(key.number());
        if let Err(error) = epoll::add(&self.epoll, connection.socket(), data, EventFlags::IN) {
            let peer = connection.peer;
            self.connections.remove(key);
            self.shares.give_back(peer);
            self.tell(peer, &error.to_string());
        }
        self.gauge_open();
    }

    /// How a new connection is secured: certificates that were renewed count from now on.
    fn tls(&mut self) -> Option<std::sync::Arc<rustls::ServerConfig>> {
        let certificates = self.server.certificates.as_mut()?;
        let name = self.server.name;
        match certificates.renew(self.filling.moment.instant) {
            Some(Ok(())) => tracing::info!("source `{name}`: renewed certificates are in use"),
            Some(Err(error)) => {
                tracing::warn!("source `{name}`: {error}; the certificates of before stay in use");
            }
            None => {}
        }
        Some(certificates.config())
    }

    /// Reads a connection that is ready.
    fn serve(&mut self, key: Key, flags: EventFlags) -> Result<(), Ended> {
        let Some(connection) = self.connections.get_mut(key) else { return Ok(()) };
        let mut heard = Heard::Nothing;
        if flags.contains(EventFlags::OUT) {
            heard = connection.write();
        }
        if heard == Heard::Nothing && flags.intersects(!EventFlags::OUT) {
            heard = connection.read(&mut self.buffer, &mut self.filling)?;
        }
        match heard {
            Heard::Nothing | Heard::Bytes => {}
            Heard::Beginning => {
                self.beginning.push(key);
                self.patience.get_or_insert(limit::DISCOVERY_WAIT);
            }
            Heard::End => return self.leave(key, None),
            Heard::Failed(why) => return self.leave(key, Some(&why)),
        }
        self.watch(key);
        Ok(())
    }

    /// Waits for the socket to take what TLS has to say, as long as there is something.
    fn watch(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let wants = connection.wants_write();
        if wants == connection.writing {
            return;
        }
        connection.writing = wants;
        let flags = if wants { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        let data = EventData::new_u64(key.number());
        // It is in the set, so this can't fail.
        let _ = epoll::modify(&self.epoll, connection.socket(), data, flags);
    }

    /// Ends a connection: what is unfinished of it is its last record. It is closed when that is safe.
    fn leave(&mut self, key: Key, why: Option<&str>) -> Result<(), Ended> {
        let Some(mut connection) = self.connections.remove(key) else { return Ok(()) };
        self.shares.give_back(connection.peer);
        self.gauge_open();
        // It is in the set, so this can't fail.
        let _ = epoll::delete(&self.epoll, connection.socket());
        if let Some(why) = why {
            self.tell(connection.peer, why);
        }
        connection.end(&mut self.filling)?;
        self.leaving.push(connection);
        Ok(())
    }

    /// Looks after those whose first record may be there.
    fn settle(&mut self) -> Result<(), Ended> {
        if self.beginning.is_empty() {
            return Ok(());
        }
        self.patience = None;
        let mut kept = 0;
        for place in 0..self.beginning.len() {
            let key = self.beginning[place];
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if let Some(left) = connection.settle(&mut self.filling)? {
                self.patience = Some(self.patience.map_or(left, |patience| patience.min(left)));
                self.beginning[kept] = key;
                kept += 1;
            }
        }
        self.beginning.truncate(kept);
        Ok(())
    }

    /// Ends those that have been silent for too long, now and then, and accepts again after a pause.
    fn sweep(&mut self) -> Result<(), Ended> {
        let now = self.filling.moment.instant;
        if self.paused.is_some_and(|since| now.duration_since(since) >= limit::ACCEPT_PAUSE) {
            self.paused = None;
            let data = EventData::new_u64(LISTENER);
            if epoll::add(&self.epoll, self.server.listener(), data, EventFlags::IN).is_err() {
                self.paused = Some(now);
            }
        }
        if now.duration_since(self.swept) < limit::SWEEP_EVERY {
            return Ok(());
        }
        self.swept = now;
        let idle = self.server.limits.idle;
        let overdue =
            |(key, connection): (Key, &Connection)| Some((key, connection.overdue(now, idle)?));
        let overdue: Vec<_> = self.connections.iter().filter_map(overdue).collect();
        for (key, why) in overdue {
            self.leave(key, Some(&why))?;
        }
        // Counts without records can wait, but not for ever.
        self.hand_on()
    }

    /// Stops accepting for a while: the system has no room, and would say so again at once.
    fn pause(&mut self, why: &str) {
        let now = self.filling.moment.instant;
        self.paused = Some(now);
        let _ = epoll::delete(&self.epoll, self.server.listener());
        if let Some(others) = self.failures.ask(now) {
            let name = self.server.name;
            tracing::warn!(
                "source `{name}`: no connection can be accepted for now: {why}{}",
                and_others(others)
            );
        }
    }

    fn tell(&mut self, peer: Peer, why: &str) {
        self.count_failure();
        if let Some(others) = self.failures.ask(self.filling.moment.instant) {
            let name = self.server.name;
            tracing::warn!(
                "source `{name}`: the connection from {peer}: {why}{}",
                and_others(others)
            );
        }
    }

    fn count_failure(&mut self) {
        self.filling.lot.counts.connections_failed += 1;
        self.server.gauge.connections_failed.fetch_add(1, Ordering::Relaxed);
    }

    fn gauge_open(&self) {
        self.server.gauge.connections_open.store(self.connections.len(), Ordering::Relaxed);
    }
}

/// How many were not told.
fn and_others(others: u64) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} others before)") }
}
