//! One connection: a socket, perhaps TLS, and the stream of bytes that comes out of it.
//!
//! # What closing says
//! A socket that was accepted is set to be reset when it is closed. So whatever goes wrong, up to the end of this
//! process, a peer that has shut down its side and waits for the end of ours sees a reset. Only in one case it sees
//! the end of the stream (over TLS: a `close_notify`): all that it sent was taken by the intake, which returns when
//! the records are as safe as the stack demands. A sender that wants to know whether its records are safe shuts down
//! its side and waits. (A Unix socket knows no reset: there, an end of the stream says nothing.)

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::{Errno, read};
use rustix::net::sockopt::{set_socket_keepalive, set_socket_linger};
use rustls::ServerConfig;

use super::filling::Filling;
use super::peer::Peer;
use super::session::{Session, Step};
use super::stream::{Manner, Stream};
use crate::intake::Ended;
use crate::limit;

/// What came of one look at a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing.
    Nothing,
    /// Bytes.
    Bytes,
    /// Bytes that wait for what follows them: see [`Connection::settle`].
    Beginning,
    /// The peer has nothing more to say.
    End,
    /// The connection is over; why, for people.
    Failed(String),
}

/// A connection.
pub(crate) struct Connection {
    /// Who is at the other end.
    pub peer: Peer,
    /// When something was last heard; before that, when it was accepted.
    pub heard: Instant,
    /// Whether it is waited for until the socket can be written to.
    pub writing: bool,
    socket: OwnedFd,
    session: Option<Box<Session>>,
    stream: Stream,
    opened: Instant,
    /// Whether the peer has ended its side in order.
    ended: bool,
}

impl Connection {
    /// Of a socket that was just accepted.
    pub fn new(
        socket: OwnedFd,
        peer: Peer,
        manner: &Manner,
        tls: Option<Arc<ServerConfig>>,
        filling: &Filling,
    ) -> Result<Self, String> {
        if peer.is_remote() {
            // A peer whose machine has gone would be waited for until the idle time, or for ever.
            let set = set_socket_linger(&socket, Some(Duration::ZERO))
                .and_then(|()| set_socket_keepalive(&socket, true));
            set.map_err(|error| error.to_string())?;
        }
        let session = match tls {
            Some(config) => {
                Some(Box::new(Session::new(config).map_err(|error| error.to_string())?))
            }
            None => None,
        };
        Ok(Self {
            peer,
            heard: filling.moment.instant,
            writing: false,
            socket,
            session,
            stream: Stream::new(manner, filling.moment.wall),
            opened: filling.moment.instant,
            ended: false,
        })
    }

    /// Its socket.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Reads once and takes what has come.
    pub fn read(&mut self, buffer: &mut [u8], filling: &mut Filling) -> Result<Heard, Ended> {
        let room = self.stream.room(filling)?.min(buffer.len());
        let count = match read(&self.socket, &mut buffer[..room]) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Heard::Nothing),
            Err(error) => return Ok(Heard::Failed(error.to_string())),
        };
        if count == 0 {
            return Ok(self.at_end());
        }
        self.heard = filling.moment.instant;
        let bytes = &buffer[..count];
        let Some(session) = &mut self.session else {
            return Ok(heard(self.stream.feed(bytes, filling)?));
        };
        let (stream, mut begins) = (&mut self.stream, false);
        let step = session.receive(bytes, |bytes| {
            begins |= stream.feed(bytes, filling)?;
            Ok(())
        })?;
        let flushed = session.flush(self.socket.as_fd());
        match (step, flushed) {
            (Step::Closed, _) => {
                self.ended = true;
                Ok(Heard::End)
            }
            (Step::Failed(why), _) => Ok(Heard::Failed(why)),
            (Step::On, Err(error)) => Ok(Heard::Failed(error.to_string())),
            (Step::On, Ok(())) => Ok(heard(begins)),
        }
    }

    /// What the end of the stream means: over TLS somebody else may have cut it off.
    fn at_end(&mut self) -> Heard {
        match &self.session {
            None => {
                self.ended = true;
                Heard::End
            }
            Some(session) if session.is_new() => {
                Heard::Failed("it left before the TLS handshake was done".into())
            }
            Some(_) => Heard::Failed("it left without ending TLS".into()),
        }
    }

    /// Writes what TLS has to say, now that the socket takes it.
    pub fn write(&mut self) -> Heard {
        let Some(session) = &mut self.session else { return Heard::Nothing };
        match session.flush(self.socket.as_fd()) {
            Ok(()) => Heard::Nothing,
            Err(error) => Heard::Failed(error.to_string()),
        }
    }

    /// Whether TLS has something to say that the socket didn't take.
    pub fn wants_write(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.wants_write())
    }

    /// How much longer the first bytes wait for what follows them, if they do.
    pub fn settle(&mut self, filling: &mut Filling) -> Result<Option<Duration>, Ended> {
        self.stream.settle(filling)
    }

    /// Goes on by another manner than before.
    pub fn go_by(&mut self, manners: (&Manner, &Manner), now: i64) {
        self.stream.go_by(manners, now);
    }

    /// Why it has been silent for too long, if it has.
    pub fn overdue(&self, now: Instant, idle: Option<Duration>) -> Option<String> {
        if self.session.as_ref().is_some_and(|session| session.is_new())
            && now.saturating_duration_since(self.opened) >= limit::HANDSHAKE_MAX
        {
            return Some(format!("no TLS handshake within {:?}", limit::HANDSHAKE_MAX));
        }
        let idle = idle?;
        (now.saturating_duration_since(self.heard) >= idle)
            .then(|| format!("it said nothing for {idle:?}"))
    }

    /// Nothing follows: what is unfinished is all of the last record.
    pub fn end(&mut self, filling: &mut Filling) -> Result<(), Ended> {
        self.stream.end(filling)
    }

    /// Closes it, now that all that it brought is safe: in order, if the peer has ended in order.
    pub fn close(mut self) {
        let mut orderly = self.ended;
        if let Some(session) = &mut self.session {
            if orderly {
                session.close(self.socket.as_fd());
            } else {
                // The peer is to read why. It can't take this for a confirmation, which is a `close_notify`.
                let _ = session.flush(self.socket.as_fd());
                orderly = true;
            }
        }
        if orderly && self.peer.is_remote() {
            // If this fails, the peer sees a reset and sends once more: nothing is lost.
            let _ = set_socket_linger(&self.socket, None);
        }
    }
}

fn heard(begins: bool) -> Heard {
    if begins { Heard::Beginning } else { Heard::Bytes }
}
