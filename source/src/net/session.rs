//! One side of a TLS connection: what came off the wire becomes the peer's bytes (RFC 5425).
//!
//! rustls speaks the protocol and never touches a socket; this fits it to one that never waits. It must never know what
//! the bytes are.

use std::io::{self, BufRead, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustls::{CertificateError, Error, InvalidMessage, OtherError, ServerConfig, ServerConnection};

use crate::intake::Ended;

/// What the peer has done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It goes on.
    On,
    /// It has said that nothing follows.
    Closed,
    /// It broke the protocol, or is not let in; why, for people.
    Failed(String),
}

/// A TLS session as its server.
pub(crate) struct Session {
    tls: ServerConnection,
}

impl Session {
    /// A session before its first byte.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        ServerConnection::new(config).map(|tls| Self { tls })
    }

    /// Whether the peers have yet to agree.
    pub fn is_new(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether something waits until the socket can be written to.
    pub fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Takes what came off the wire and delivers what it says. The second result is an error if the run ends.
    pub fn receive(
        &mut self,
        mut wire: &[u8],
        mut deliver: impl FnMut(&[u8]) -> Result<(), Ended>,
    ) -> Result<Step, Ended> {
        let speaks_syslog = wire.first().is_some_and(|b| *b == b'<' || b.is_ascii_digit());
        while !wire.is_empty() {
            if let Err(error) = self.tls.read_tls(&mut wire) {
                return Ok(Step::Failed(error.to_string()));
            }
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    let plain = speaks_syslog && self.is_new();
                    self.drain(&mut deliver)?;
                    return Ok(Step::Failed(explain(&error, plain)));
                }
            };
            self.drain(&mut deliver)?;
            if state.peer_has_closed() {
                return Ok(Step::Closed);
            }
        }
        Ok(Step::On)
    }

    /// Delivers everything that is decrypted.
    fn drain(&mut self, deliver: &mut impl FnMut(&[u8]) -> Result<(), Ended>) -> Result<(), Ended> {
        let mut reader = self.tls.reader();
        // An error says that there is nothing more for now.
        while let Ok(chunk) = reader.fill_buf() {
            let length = chunk.len();
            if length == 0 {
                break;
            }
            deliver(chunk)?;
            reader.consume(length);
        }
        Ok(())
    }

    /// Writes what waits, as much as the socket takes.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Wire(socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tells the peer that nothing follows: all that it sent is safe.
    pub fn close(&mut self, socket: BorrowedFd<'_>) {
        self.tls.send_close_notify();
        // A peer that has gone already doesn't want to know.
        let _ = self.flush(socket);
    }
}

/// An error with what is most likely behind it.
fn explain(error: &Error, plain: bool) -> String {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) if plain => {
            "it speaks syslog without TLS".into()
        }
        Error::NoCertificatesPresented => {
            "it shows no certificate, which `client_authority` demands".into()
        }
        Error::InvalidCertificate(problem) => explain_certificate(problem),
        error => error.to_string(),
    }
}

/// What is wrong with a client's certificate.
fn explain_certificate(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer => {
            "the client's certificate is not signed by `client_authority`".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the client's certificate has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the client's certificate is not valid yet".into()
        }
        CertificateError::Other(OtherError(why)) => match why.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::UnsupportedCertVersion) => {
                "the client's certificate is of version 1; it takes one of version 3, such as \
                 `openssl x509 -req -extfile ...` makes"
                    .into()
            }
            Some(problem) => format!("the client's certificate is no good: {problem:?}"),
            // It is ours, and says all.
            None => why.to_string(),
        },
        problem => format!("the client's certificate is no good: {problem:?}"),
    }
}

/// A socket that never waits and raises no signal.
struct Wire<'a>(BorrowedFd<'a>);

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(self.0.as_fd(), bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                sent => return Ok(sent?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{CertificateError, OtherError};

    use super::explain_certificate;

    #[test]
    fn a_certificate_is_refused_with_a_reason() {
        let check = |problem, part: &str| {
            let told = explain_certificate(&problem);
            assert!(told.contains(part), "{told}");
        };
        let other = |error| CertificateError::Other(OtherError(Arc::new(error)));
        check(other(webpki::Error::UnsupportedCertVersion), "it takes one of version 3");
        check(other(webpki::Error::BadDer), "the client's certificate is no good: BadDer");
        check(CertificateError::BadEncoding, "the client's certificate is no good: BadEncoding");
        check(CertificateError::Expired, "has expired");
        let ours = OtherError(Arc::new(std::io::Error::other("it is for somebody else")));
        check(CertificateError::Other(ours), "it is for somebody else");
    }
}
