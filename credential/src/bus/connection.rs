//! The socket, the greeting, calls: one after the other, all before one deadline.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use thiserror::Error;
use zeroize::Zeroizing;

use super::Address;
use super::read::Reader;
use super::write::{Call, Method};
use crate::clock;
use crate::error::quoted;
use crate::limit;

/// Bytes of a message before its length is known.
const FIXED_BYTES: usize = 16;
/// Kinds of messages.
const ANSWER: u8 = 2;
const FAILURE: u8 = 3;
/// Fields of a message's head.
const FAILURE_NAME: u8 = 4;
const ANSWER_TO: u8 = 5;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum BusError {
    /// The socket.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bus is there, and does not take us.
    #[error("it does not let this user in")]
    Rejected,
    /// What it says is not what is agreed on.
    #[error("what it says is not understood")]
    Garbled,
    /// Whoever was asked says no: a name for why, and words.
    #[error("{0}: {1}")]
    Failed(String, String),
}

/// A message that was heard.
pub(crate) struct Message {
    bytes: Zeroizing<Vec<u8>>,
    kind: u8,
    high_first: bool,
    body_at: usize,
    answer_to: Option<u32>,
    failure: Option<String>,
}

impl Message {
    /// What is in it.
    pub fn body(&self) -> Reader<'_> {
        Reader::new(&self.bytes, self.body_at, self.high_first)
    }
}

/// A connection to a bus.
pub(crate) struct Connection {
    stream: UnixStream,
    until: Instant,
    serial: u32,
}

impl Connection {
    /// Connects and says who we are. All that is ever asked has to be answered within a time.
    pub fn open(address: &Address, wait: Duration) -> Result<Self, BusError> {
        let stream = connect(address)?;
        let mut connection = Self { stream, until: clock::instant() + wait, serial: 0 };
        connection.greet()?;
        connection.call(Call::new(
            Method {
                service: "org.freedesktop.DBus",
                object: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus",
                name: "Hello",
            },
            "",
            |_| {},
        ))?;
        Ok(connection)
    }

    /// Calls a method and waits for the answer.
    pub fn call(&mut self, mut call: Call) -> Result<Message, BusError> {
        self.serial += 1;
        let serial = self.serial;
        self.send(call.numbered(serial))?;
        for _ in 0..limit::BUS_STRANGERS_MAX {
            let message = self.message()?;
            if message.answer_to != Some(serial) {
                continue;
            }
            return match message.kind {
                ANSWER => Ok(message),
                FAILURE => {
                    let name = message.failure.as_deref().unwrap_or_default();
                    let words = message.body().text().unwrap_or_default();
                    Err(BusError::Failed(quoted(name), quoted(words)))
                }
                _ => Err(BusError::Garbled),
            };
        }
        Err(BusError::Garbled)
    }

    /// Says which user we are; the socket itself vouches for it.
    fn greet(&mut self) -> Result<(), BusError> {
        let user = rustix::process::geteuid().as_raw().to_string();
        // Each character as two digits: those of a number all begin with a three.
        let digits: String = user.chars().flat_map(|char| ['3', char]).collect();
        self.send(format!("\0AUTH EXTERNAL {digits}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() == limit::BUS_LINE_BYTES_MAX {
                return Err(BusError::Garbled);
            }
            let mut byte = [0];
            self.receive(&mut byte)?;
            line.push(byte[0]);
        }
        if !line.starts_with(b"OK ") {
            return Err(BusError::Rejected);
        }
        self.send(b"BEGIN\r\n")
    }

    fn message(&mut self) -> Result<Message, BusError> {
        let mut fixed = [0; FIXED_BYTES];
        self.receive(&mut fixed)?;
        let high_first = match fixed[0] {
            b'l' => false,
            b'B' => true,
            _ => return Err(BusError::Garbled),
        };
        let number = |at: usize| {
            let number = Reader::new(&fixed, at, high_first).number();
            number.map(|number| number as usize).ok_or(BusError::Garbled)
        };
        let (body, fields) = (number(4)?, number(12)?);
        if body.max(fields) > limit::BUS_MESSAGE_BYTES_MAX {
            return Err(BusError::Garbled);
        }
        let body_at = (FIXED_BYTES + fields).next_multiple_of(8);
        let mut bytes = Zeroizing::new(vec![0; body_at + body]);
        bytes[..FIXED_BYTES].copy_from_slice(&fixed);
        self.receive(&mut bytes[FIXED_BYTES..])?;
        let (answer_to, failure) = head(&bytes, high_first).ok_or(BusError::Garbled)?;
        Ok(Message { kind: fixed[1], bytes, high_first, body_at, answer_to, failure })
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), BusError> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(closed()),
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) => again(error)?,
            }
        }
        Ok(())
    }

    /// Fills a buffer, and reads no byte more: what is read ahead would lie in memory that nobody wipes.
    fn receive(&mut self, bytes: &mut [u8]) -> Result<(), BusError> {
        let mut filled = 0;
        while filled < bytes.len() {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(&mut bytes[filled..]) {
                Ok(0) => return Err(closed()),
                Ok(more) => filled += more,
                Err(error) => again(error)?,
            }
        }
        Ok(())
    }

    /// The time that is left.
    fn left(&self) -> Result<Duration, BusError> {
        let left = self.until.saturating_duration_since(clock::instant());
        if left.is_zero() { Err(late()) } else { Ok(left) }
    }
}

/// Which call a message answers, and what its failure is called.
fn head(bytes: &[u8], high_first: bool) -> Option<(Option<u32>, Option<String>)> {
    let mut fields = Reader::new(bytes, FIXED_BYTES - 4, high_first).array(8)?;
    let (mut answer_to, mut failure) = (None, None);
    while !fields.is_empty() {
        fields.structure()?;
        let code = fields.byte()?;
        match (code, fields.signature()?) {
            (ANSWER_TO, "u") => answer_to = Some(fields.number()?),
            (FAILURE_NAME, "s") => failure = Some(fields.text()?.to_owned()),
            (_, "s" | "o") => drop(fields.text()?),
            (_, "g") => drop(fields.signature()?),
            (_, "u") => drop(fields.number()?),
            _ => return None,
        }
    }
    Some((answer_to, failure))
}

/// Connects without waiting: a bus whose queue is full is told to be busy.
fn connect(address: &Address) -> io::Result<UnixStream> {
    let address = match address {
        Address::Path(path) => SocketAddrUnix::new(path.as_path())?,
        Address::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn again(error: io::Error) -> Result<(), BusError> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        // What the system says when a time is over.
        io::ErrorKind::WouldBlock => Err(late()),
        _ => Err(error.into()),
    }
}

fn late() -> BusError {
    BusError::Io(io::Error::new(io::ErrorKind::TimedOut, "it does not answer in time"))
}

fn closed() -> BusError {
    BusError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "it has hung up"))
}

#[cfg(test)]
mod tests;
