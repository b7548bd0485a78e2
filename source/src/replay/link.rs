//! One connection of a replay: it sends, waits until something is due, and closes so that the peer can confirm.
//!
//! Nothing here blocks but in `poll`, which wakes up to see whether it is to stop and notices a peer that goes away while
//! nothing is sent. It must never know what is in a batch.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use correlator_wire::trust::Trust;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, Shutdown, sendmmsg, shutdown};
use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustls::ClientConnection;

use super::batch::Batch;
use super::target::{Socket, Target};
use crate::{clock, limit};

/// Bytes that are read at once from a peer that says something.
const HEARD_BYTES: usize = 4096;

/// When to stop before the end.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// The operator wants it: what is on its way is still sent.
    pub stop: &'a AtomicBool,
    /// Another connection broke: there is no use in going on.
    pub halt: &'a AtomicBool,
}

/// Why a connection did not do what it was to do.
#[derive(Debug)]
pub enum Broke {
    /// It was to stop.
    Stopped,
    /// The peer or the system ended it.
    Failed(io::Error),
}

/// How a connection ended after all was sent.
#[derive(Debug)]
pub enum Closed {
    /// The peer closed it in order: all that was sent has arrived, and an engine has it safe.
    Orderly,
    /// The peer closed it without the farewell of TLS, so it may have been somebody else.
    Cut,
    /// The peer or the system broke it off.
    Reset(io::Error),
    /// The peer didn't close it in time.
    Late,
    /// It was to stop, and the peer didn't close it in the moment that was left.
    Left,
    /// Datagrams: nobody says whether they arrived.
    Unconfirmed,
}

/// A connection.
pub struct Link {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// Whom it is told that the peer takes nothing.
    name: String,
    stall_told: bool,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
            Self::UnixDatagram(socket) => socket.as_fd(),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self, bytes)?)
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Link {
    /// Connects, and agrees on TLS if there is any.
    ///
    /// # Errors
    /// The peer can't be reached, or is not who it should be.
    pub fn open(target: &Target, security: Option<&Trust>, watch: Watch) -> Result<Self, Broke> {
        let socket = target.connect().map_err(Broke::Failed)?;
        rustix::io::ioctl_fionbio(&socket, true).map_err(failed)?;
        let tls = match security {
            Some(security) => Some(Box::new(security.begin().map_err(io::Error::other)?)),
            None => None,
        };
        let mut link = Self { socket, tls, name: target.to_string(), stall_told: false };
        let end = clock::instant() + limit::REPLAY_CONNECT_MAX;
        while link.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            link.flush(watch)?;
            if link.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
                if clock::instant() > end {
                    let text = "the peer doesn't finish the handshake of TLS";
                    return Err(Broke::Failed(io::Error::new(io::ErrorKind::TimedOut, text)));
                }
                if !link.poll(PollFlags::IN, None)?.is_empty() && link.hear()? == Heard::End {
                    return Err(Broke::Failed(io::ErrorKind::UnexpectedEof.into()));
                }
                link.give_up(watch)?;
            }
        }
        Ok(link)
    }

    /// Waits until something is due.
    ///
    /// # Errors
    /// It is to stop, or the peer went away.
    pub fn wait(&mut self, due: Instant, watch: Watch) -> Result<(), Broke> {
        loop {
            let left = due.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return Ok(());
            }
            if watch.stop.load(Ordering::Relaxed) || watch.halt.load(Ordering::Relaxed) {
                return Err(Broke::Stopped);
            }
            let ready = self.poll(PollFlags::RDHUP, Some(left))?;
            if ready.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                return Err(self.reason(io::ErrorKind::ConnectionReset.into()));
            }
        }
    }

    /// Sends all of a batch.
    ///
    /// # Errors
    /// It is to stop, or the peer went away; with how many records the system had taken whole.
    pub fn send(&mut self, batch: &Batch, watch: Watch) -> Result<(), (usize, Broke)> {
        let mut sent = 0;
        if matches!(self.socket, Socket::Udp(_) | Socket::UnixDatagram(_)) {
            return self.send_datagrams(batch, &mut sent, watch).map_err(|broke| (sent, broke));
        }
        let done = self.send_bytes(batch.bytes(), &mut sent, watch);
        done.map_err(|broke| (batch.records_within(sent), broke))
    }

    /// Says that this was all, and waits so long for the peer to close its side.
    #[must_use]
    pub fn close(mut self, wait: Duration, watch: Watch) -> Closed {
        match self.farewell(wait, watch) {
            Ok(closed) => closed,
            Err(Broke::Stopped) => Closed::Left,
            Err(Broke::Failed(error)) => Closed::Reset(error),
        }
    }

    fn farewell(&mut self, wait: Duration, watch: Watch) -> Result<Closed, Broke> {
        if matches!(self.socket, Socket::Udp(_) | Socket::UnixDatagram(_)) {
            // A port that nobody listens at is told of after the datagram.
            return self.pending().map_or(Ok(Closed::Unconfirmed), |error| Err(error.into()));
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            self.flush(watch)?;
        }
        if let Err(error) = shutdown(self.socket.as_fd().as_raw_fd(), Shutdown::Write) {
            // The peer was quicker, and may have said why.
            return Err(self.reason(error.into()));
        }
        let (mut end, mut late) = (clock::instant() + wait, Closed::Late);
        loop {
            let now = clock::instant();
            if watch.stop.load(Ordering::Relaxed) && end > now && !matches!(late, Closed::Left) {
                // A peer that closes as soon as it is told to still does so.
                (end, late) = (end.min(now + limit::REPLAY_STOP_MAX), Closed::Left);
            }
            let left = end.saturating_duration_since(now);
            if left.is_zero() {
                return Ok(late);
            }
            if self.poll(PollFlags::IN, Some(left))?.is_empty() {
                continue;
            }
            match self.hear()? {
                Heard::Something => {}
                Heard::End if self.tls.is_some() => return Ok(Closed::Cut),
                Heard::End | Heard::Farewell => return Ok(Closed::Orderly),
            }
        }
    }

    fn send_bytes(&mut self, bytes: &[u8], sent: &mut usize, watch: Watch) -> Result<(), Broke> {
        let mut stalled = None;
        while *sent < bytes.len() {
            let wrote = match &mut self.tls {
                // What TLS has taken is flushed before more is given to it, so it is always all sent or all to come.
                Some(tls) => tls.writer().write(&bytes[*sent..]),
                None => (&self.socket).write(&bytes[*sent..]),
            };
            match wrote {
                Ok(count) => {
                    if self.tls.is_some() {
                        self.flush(watch)?;
                    }
                    *sent += count;
                    stalled = None;
                }
                Err(error) if is_busy(&error) => self.stall(&mut stalled, PollFlags::OUT, watch)?,
                Err(error) => return Err(self.reason(error)),
            }
        }
        Ok(())
    }

    fn send_datagrams(
        &mut self,
        batch: &Batch,
        sent: &mut usize,
        watch: Watch,
    ) -> Result<(), Broke> {
        let mut headers = MultiHeaders::<()>::preallocate(limit::REPLAY_DATAGRAMS, None);
        let nowhere_else = [None; limit::REPLAY_DATAGRAMS];
        let mut stalled = None;
        while *sent < batch.records() {
            let mut slices = [[IoSlice::new(&[])]; limit::REPLAY_DATAGRAMS];
            let mut count = 0;
            for (slot, datagram) in slices.iter_mut().zip(batch.datagrams(*sent)) {
                *slot = [IoSlice::new(datagram)];
                count += 1;
            }
            let socket = self.socket.as_fd().as_raw_fd();
            let (nothing, flags): ([ControlMessage; 0], _) = ([], MsgFlags::MSG_NOSIGNAL);
            let wrote =
                sendmmsg(socket, &mut headers, &slices[..count], nowhere_else, nothing, flags);
            match wrote.map(Iterator::count).map_err(io::Error::from) {
                Ok(count) => {
                    *sent += count;
                    stalled = None;
                }
                Err(error) if is_busy(&error) => self.stall(&mut stalled, PollFlags::OUT, watch)?,
                Err(error) => return Err(Broke::Failed(error)),
            }
        }
        Ok(())
    }

    /// Writes what TLS has to say.
    fn flush(&mut self, watch: Watch) -> Result<(), Broke> {
        let mut stalled = None;
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            match tls.write_tls(&mut &self.socket) {
                Ok(_) => stalled = None,
                Err(error) if is_busy(&error) => {
                    self.stall(&mut stalled, PollFlags::OUT, watch)?;
                }
                Err(error) => return Err(self.reason(error)),
            }
        }
        Ok(())
    }

    /// Reads what the peer says. Syslog has no answers, so only its end and what TLS makes of it matter.
    fn hear(&mut self) -> Result<Heard, Broke> {
        let mut bytes = [0; HEARD_BYTES];
        let Some(tls) = &mut self.tls else {
            return match (&self.socket).read(&mut bytes) {
                Ok(0) => Ok(Heard::End),
                Ok(_) => Ok(Heard::Something),
                Err(error) if is_busy(&error) => Ok(Heard::Something),
                Err(error) => Err(error.into()),
            };
        };
        let read = match tls.read_tls(&mut &self.socket) {
            Ok(read) => read,
            Err(error) if is_busy(&error) => return Ok(Heard::Something),
            Err(error) => return Err(error.into()),
        };
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        while tls.reader().read(&mut bytes).is_ok_and(|count| count > 0) {}
        Ok(match (state.peer_has_closed(), read) {
            (true, _) => Heard::Farewell,
            (false, 0) => Heard::End,
            (false, _) => Heard::Something,
        })
    }

    /// Waits while the peer takes nothing. It may take its time: an engine whose store is full makes senders wait.
    fn stall(
        &mut self,
        since: &mut Option<Instant>,
        wanted: PollFlags,
        watch: Watch,
    ) -> Result<(), Broke> {
        let now = clock::instant();
        let stalled = now.saturating_duration_since(*since.get_or_insert(now));
        if stalled > limit::REPLAY_STALL_TOLD && !self.stall_told {
            self.stall_told = true;
            tracing::warn!("{} takes no more for now; waiting", self.name);
        }
        if stalled > limit::REPLAY_STOP_MAX {
            self.give_up(watch)?;
        }
        if watch.halt.load(Ordering::Relaxed) {
            return Err(Broke::Stopped);
        }
        // What went wrong, if anything, the next write tells.
        self.poll(wanted, None).map(|_| ())
    }

    #[expect(clippy::unused_self, reason = "it is this connection that gives up")]
    fn give_up(&self, watch: Watch) -> Result<(), Broke> {
        let ends = watch.stop.load(Ordering::Relaxed) || watch.halt.load(Ordering::Relaxed);
        if ends { Err(Broke::Stopped) } else { Ok(()) }
    }

    /// Waits for something to happen, but not longer than until somebody looks whether to stop.
    fn poll(&self, wanted: PollFlags, most: Option<Duration>) -> Result<PollFlags, Broke> {
        let step = limit::STOP_POLL;
        let most = most.and_then(|most| Timespec::try_from(most).ok()).unwrap_or(step);
        let wait =
            if (most.tv_sec, most.tv_nsec) < (step.tv_sec, step.tv_nsec) { most } else { step };
        let mut ready = [PollFd::new(&self.socket, wanted)];
        match poll(&mut ready, Some(&wait)) {
            Ok(_) => Ok(ready[0].revents()),
            Err(Errno::INTR) => Ok(PollFlags::empty()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Why the peer went away, as exactly as can be told: TLS may have said so before.
    fn reason(&mut self, error: io::Error) -> Broke {
        let mut told = None;
        // What came before the end is still there to be read; there can't be much of it.
        for _ in 0..HEARD_BYTES {
            match self.hear() {
                Ok(Heard::Something) if self.tls.is_some() && self.has_more() => {}
                Err(Broke::Failed(error)) => {
                    told = Some(error);
                    break;
                }
                _ => break,
            }
        }
        Broke::Failed(told.or_else(|| self.pending()).unwrap_or(error))
    }

    fn has_more(&self) -> bool {
        let mut ready = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut ready, Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }

    /// What the system has to tell of the socket.
    fn pending(&self) -> Option<io::Error> {
        let number = getsockopt(&self.socket, sockopt::SocketError).ok()?;
        (number != 0).then(|| io::Error::from_raw_os_error(number))
    }
}

/// What came from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Something,
    /// The farewell of TLS.
    Farewell,
    End,
}

impl From<io::Error> for Broke {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

fn failed(error: Errno) -> Broke {
    Broke::Failed(error.into())
}

/// Whether a call is to be made again later. Datagrams of a full device have no room either.
fn is_busy(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        || error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error())
}
