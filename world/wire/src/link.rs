//! A connection with an end in time: whatever is asked of it comes back before its deadline, however slowly or endlessly
//! the other side talks.
//!
//! It must never know what is said.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::ioctl::{Getter, ioctl};
use rustix::net::{RecvFlags, recv, sockopt};
use rustls::ClientConnection;

use crate::address::HostPort;
use crate::clock;
use crate::own;
use crate::trust::Trust;

/// Bytes that are read at once of what nobody waits for.
const HEARD_BYTES: usize = 4096;
/// Time for one address, when little is left.
const SHARE_MIN: Duration = Duration::from_millis(10);
/// How often so much is read before the peer is taken for one that never stops.
const HEARD_TIMES_MAX: usize = 64;

/// A connection, plain or secured.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    deadline: Instant,
}

impl Link {
    /// Connects to the first of the server's addresses that answers.
    ///
    /// # Errors
    /// The name is not known, nobody listens, or the deadline has come.
    pub fn connect(server: &HostPort, deadline: Instant) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        let addresses: Vec<_> = (server.host.as_str(), server.port).to_socket_addrs()?.collect();
        for (number, address) in addresses.iter().enumerate() {
            // One that says nothing leaves the others their share of the time.
            let others = u32::try_from(addresses.len() - number).unwrap_or(u32::MAX);
            let share = left(deadline)? / others;
            match TcpStream::connect_timeout(address, share.max(SHARE_MIN)) {
                Ok(socket) => {
                    // What is written is whole already; waiting for more of it only changes the timing.
                    socket.set_nodelay(true)?;
                    return Ok(Self { socket, tls: None, deadline });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Goes on in TLS. What was heard before stands in nobody's buffer here, so nothing of it is taken for what the server
    /// said in secret.
    ///
    /// # Errors
    /// The server is not who it should be, does not speak TLS, or is too slow.
    pub fn secure(mut self, trust: &Trust) -> io::Result<Self> {
        let mut tls = Box::new(trust.begin().map_err(io::Error::other)?);
        let mut timed = Timed { socket: &self.socket, deadline: self.deadline };
        while tls.is_handshaking() {
            let (read, written) = tls.complete_io(&mut timed).map_err(own::way_out)?;
            if tls.is_handshaking() && read == 0 && written == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.tls = Some(tls);
        Ok(self)
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// Until when whatever comes next must be over.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// After how long without an answer from the other machine the system gives the connection up.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_unanswered_max(&self, span: Duration) -> io::Result<()> {
        let milliseconds = u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
        Ok(sockopt::set_tcp_user_timeout(&self.socket, milliseconds)?)
    }

    /// Throws away what the other side has said, without waiting for it to say something.
    ///
    /// # Errors
    /// The connection is over: closed in order (`UnexpectedEof`), broken, or the other side never stops talking.
    pub fn discard(&mut self) -> io::Result<()> {
        let mut heard = [0; HEARD_BYTES];
        for _ in 0..HEARD_TIMES_MAX {
            let bytes = match recv(&self.socket, &mut heard[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok((count, _)) => &heard[..count],
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(tls) = &mut self.tls {
                understand(tls, bytes)?;
            }
        }
        Err(io::Error::other("the other side does not stop talking"))
    }

    /// Whether the other side, of which [`discard`](Self::discard) heard that it has closed in order, has all that it was
    /// sent: its machine has confirmed it, and did not break the connection off, as it does where a program closes before
    /// it has read all.
    #[must_use]
    pub fn is_read_out(&self) -> bool {
        let mut heard = [0; HEARD_BYTES];
        let mut closed = false;
        for _ in 0..HEARD_TIMES_MAX {
            // The end of TLS is not yet that of the connection.
            match recv(&self.socket, &mut heard[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => {
                    closed = true;
                    break;
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        // Where it is broken off, nothing is unconfirmed any more either: that is asked last.
        closed && unconfirmed(&self.socket) == Ok(0) && matches!(self.socket.take_error(), Ok(None))
    }

    /// Says that nothing more will come. What the system has taken is still sent.
    pub fn close(mut self) {
        let _ = self.finish();
        // What the other side said and nobody read would make the system break the connection off.
        let _ = self.discard();
    }

    /// The same, where something is still to be heard.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn finish(&mut self) -> io::Result<()> {
        self.deadline = clock::instant() + FAREWELL_MAX;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        let said = self.flush();
        self.socket.shutdown(Shutdown::Write)?;
        said
    }

    /// Reads on after [`finish`](Self::finish) until the other side has closed as well. It breaks the connection off where it
    /// has not read all that it was sent.
    ///
    /// # Errors
    /// The connection is broken, or the other side has not closed it in time (`TimedOut`).
    pub fn hear_out(self, deadline: Instant) -> io::Result<()> {
        let mut timed = Timed { socket: &self.socket, deadline };
        let mut heard = [0; HEARD_BYTES];
        // Nobody wants to know what it says.
        while timed.read(&mut heard)? > 0 {}
        Ok(())
    }
}

/// How long a farewell may take.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Bytes that the other machine has not confirmed yet.
#[allow(unsafe_code, reason = "the system's own call for it takes a raw pointer")]
fn unconfirmed(socket: &TcpStream) -> Result<libc::c_int, Errno> {
    const ASK: rustix::ioctl::Opcode = libc::TIOCOUTQ as rustix::ioctl::Opcode;
    // SAFETY: TIOCOUTQ writes one `int`.
    unsafe { ioctl(socket, Getter::<ASK, libc::c_int>::new()) }
}

/// Gives TLS what was heard, and drops what it says.
fn understand(tls: &mut ClientConnection, mut bytes: &[u8]) -> io::Result<()> {
    let mut said = [0; HEARD_BYTES];
    while !bytes.is_empty() {
        tls.read_tls(&mut bytes)?;
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        if state.peer_has_closed() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        while let Ok(1..) = tls.reader().read(&mut said) {}
    }
    Ok(())
}

impl Read for Link {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut timed = Timed { socket: &self.socket, deadline: self.deadline };
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut timed).read(bytes),
            None => timed.read(bytes),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut timed = Timed { socket: &self.socket, deadline: self.deadline };
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut timed).write(bytes),
            None => timed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut timed = Timed { socket: &self.socket, deadline: self.deadline };
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut timed).flush(),
            None => Ok(()),
        }
    }
}

/// A socket that gives up at the deadline. The time that is left is counted anew for every byte that comes or goes, so a
/// peer gains nothing by dripping.
struct Timed<'a> {
    socket: &'a TcpStream,
    deadline: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.deadline)?))?;
        self.socket.read(bytes).map_err(in_words)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.deadline)?))?;
        self.socket.write(bytes).map_err(in_words)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The time that is left; an error if there is none.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(clock::instant());
    if left.is_zero() { Err(late()) } else { Ok(left) }
}

/// The system says "would block" of a socket whose time is over.
fn in_words(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { late() } else { error }
}

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer in time")
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::Duration;

    use super::Link;
    use crate::address::HostPort;
    use crate::clock;
    use crate::trust::Trust;

    fn listener() -> (TcpListener, HostPort) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        (listener, HostPort { host: "127.0.0.1".into(), port })
    }

    #[test]
    fn a_peer_that_drips_gains_nothing() {
        let (listener, server) = listener();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let peer = thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a connection");
            while stopped.recv_timeout(Duration::from_millis(20)).is_err() {
                if socket.write_all(b"x").is_err() {
                    return;
                }
            }
        });
        let start = clock::instant();
        let mut link = Link::connect(&server, start + Duration::from_millis(400)).expect("linked");
        let mut all = Vec::new();
        let error = link.read_to_end(&mut all).expect_err("no end");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(5) && !all.is_empty());
        drop(link);
        let _ = stop.send(());
        peer.join().expect("a peer");
    }

    #[test]
    fn what_is_no_tls_is_told_and_ends() {
        let (listener, server) = listener();
        let peer = thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a connection");
            let _ = socket.write_all(b"220 hello\r\n");
            let mut heard = [0; 1];
            let _ = socket.read(&mut heard);
        });
        let folder =
            std::env::temp_dir().join(format!("correlator-wire-{}.pem", std::process::id()));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        std::fs::write(&folder, made.cert.pem()).expect("written");
        let trust = Trust::new("localhost", Some(&folder), None).expect("trust");
        let _ = std::fs::remove_file(&folder);
        let link =
            Link::connect(&server, clock::instant() + Duration::from_secs(5)).expect("linked");
        assert!(link.secure(&trust).is_err());
        peer.join().expect("a peer");
    }

    #[test]
    fn an_end_is_noticed_without_waiting() {
        let (listener, server) = listener();
        let deadline = clock::instant() + Duration::from_secs(5);
        let mut link = Link::connect(&server, deadline).expect("linked");
        let (mut peer, _) = listener.accept().expect("a connection");
        link.discard().expect("nothing is said, nothing is wrong");
        peer.write_all(b"some words").expect("written");
        drop(peer);
        while clock::instant() < deadline {
            if let Err(error) = link.discard() {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                return;
            }
        }
        panic!("the end was not noticed");
    }

    #[test]
    fn whether_all_was_read_is_heard_at_the_end() {
        // What a peer does that is sent a word, and what is heard of it.
        let check = |peer: fn(TcpStream), expected: Option<ErrorKind>| {
            let (listener, server) = listener();
            let deadline = clock::instant() + Duration::from_secs(20);
            let mut link = Link::connect(&server, deadline).expect("linked");
            let (socket, _) = listener.accept().expect("a connection");
            link.write_all(b"words").expect("written");
            link.finish().expect("said");
            let peer = thread::spawn(move || peer(socket));
            let in_time = clock::instant() + Duration::from_millis(500);
            let heard = link.hear_out(in_time).map_err(|error| error.kind());
            assert_eq!(heard.err(), expected);
            peer.join().expect("a peer");
        };
        check(
            |mut socket| {
                socket.write_all(b"good bye").expect("said");
                assert_eq!(socket.read_to_end(&mut Vec::new()).ok(), Some(5));
            },
            None,
        );
        check(
            |mut socket| {
                socket.read_exact(&mut [0]).expect("a letter");
            },
            Some(ErrorKind::ConnectionReset),
        );
        check(|mut socket| while socket.write_all(b"x").is_ok() {}, Some(ErrorKind::TimedOut));
    }

    #[test]
    fn who_closed_in_order_has_read_all() {
        // What a peer does that is sent a word, and whether it has read it as far as anybody knows.
        let check = |peer: fn(TcpStream), expected: bool| {
            let (listener, server) = listener();
            let deadline = clock::instant() + Duration::from_secs(5);
            let mut link = Link::connect(&server, deadline).expect("linked");
            let (socket, _) = listener.accept().expect("a connection");
            link.write_all(b"words").expect("written");
            assert!(!link.is_read_out(), "it is not closed");
            peer(socket);
            let error = loop {
                match link.discard() {
                    Ok(()) => assert!(clock::instant() < deadline, "the end was not noticed"),
                    Err(error) => break error,
                }
            };
            let read_out = error.kind() == ErrorKind::UnexpectedEof && link.is_read_out();
            assert_eq!(read_out, expected, "{error}");
        };
        check(
            |mut socket| {
                socket.write_all(b"good bye").expect("said");
                socket.read_exact(&mut [0; 5]).expect("all");
            },
            true,
        );
        check(
            |mut socket| {
                socket.read_exact(&mut [0]).expect("a letter");
            },
            false,
        );
        // It says first that it will say no more, and breaks off then.
        check(
            |mut socket| {
                socket.read_exact(&mut [0]).expect("a letter");
                socket.shutdown(std::net::Shutdown::Write).expect("said");
            },
            false,
        );
    }

    #[test]
    fn authorities_that_make_no_sense_are_named() {
        let error = Trust::new("localhost", Some("/nowhere/ca.pem".as_ref()), None);
        assert!(error.expect_err("refused").to_string().contains("/nowhere/ca.pem"));
    }
}
