//! A conversation with PostgreSQL: messages go out, and come in until the server is ready again.
//!
//! The messages are those of `postgres-protocol`; the crate above it, `postgres`, has no limit of time for a login or a
//! statement that the server does not answer, and brings an asynchronous runtime. What a server sends is bounded before it
//! is read.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::ops::Range;

use bytes::BytesMut;
use correlator_world::Secret;
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, DataRowBody, Header, Message};
use postgres_protocol::message::frontend;
use zeroize::Zeroize;

use super::error::ServerError;
use crate::fault::{Fault, shown};
use crate::limit::{ANSWER_BYTES_MAX, ANSWER_PARTS_MAX};
use crate::settings::Login;
use crate::wire::Wire;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// A connection that is logged in.
pub struct Connection {
    wire: Wire,
    read: BytesMut,
    write: BytesMut,
}

/// All that the server said until it was ready again.
#[derive(Debug, Default)]
pub struct Answer {
    /// Rows of texts.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows each command changed.
    pub counts: Vec<u64>,
    /// The last command, as the server calls it.
    pub tag: String,
    error: Option<ServerError>,
}

impl Answer {
    /// The answer, unless it is an error.
    pub fn done(self) -> Result<Self, Fault> {
        match &self.error {
            Some(error) => Err(error.fault()),
            None => Ok(self),
        }
    }
}

impl Connection {
    /// Connects and logs in.
    pub fn open(login: &Login, password: Option<&Secret>) -> Result<Self, Fault> {
        let wire = Wire::connect(&login.way).map_err(|error| lost("connecting", &error))?;
        let mut connection = Self { wire, read: BytesMut::new(), write: BytesMut::new() };
        if login.way.tls {
            connection.secure(login)?;
        }
        let database = login.database.as_deref().unwrap_or(&login.user);
        let said = [
            ("user", login.user.as_str()),
            ("database", database),
            ("application_name", "correlator"),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(said, &mut connection.write)
            .map_err(|error| lost("logging in", &error))?;
        connection.flush()?;
        connection.log_in(&login.user, password)?;
        Ok(connection)
    }

    fn secure(&mut self, login: &Login) -> Result<(), Fault> {
        frontend::ssl_request(&mut self.write);
        self.flush()?;
        // One byte and no more: what somebody put behind it in the open must not count as said under TLS.
        let mut answer = [0];
        self.wire.read_exact(&mut answer).map_err(|error| lost("asking for tls", &error))?;
        if answer != *b"S" {
            return Err(Fault::Lost("the server has no tls; set it up there".into()));
        }
        self.wire.secure(&login.way).map_err(|error| lost("tls", &error))
    }

    fn log_in(&mut self, user: &str, password: Option<&Secret>) -> Result<(), Fault> {
        let secret = || {
            password.ok_or_else(|| {
                Fault::Lost("the server asks for a password; name a `credential`".into())
            })
        };
        let broken = |error: io::Error| Fault::Lost(format!("logging in: {:?}", error.kind()));
        let mut scram = None;
        for _ in 0..ANSWER_PARTS_MAX {
            match self.message()? {
                Message::AuthenticationCleartextPassword => {
                    if !self.wire.is_guarded() {
                        return Err(unguarded());
                    }
                    self.tell(secret()?.reveal())?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let mut hash = md5_hash(user.as_bytes(), secret()?.reveal(), body.salt());
                    self.tell(hash.as_bytes())?;
                    hash.zeroize();
                }
                Message::AuthenticationSasl(body) => {
                    offers_scram(&body)?;
                    let begun = ScramSha256::new(secret()?.reveal(), ChannelBinding::unsupported());
                    frontend::sasl_initial_response(
                        SCRAM_SHA_256,
                        begun.message(),
                        &mut self.write,
                    )
                    .map_err(broken)?;
                    self.flush()?;
                    scram = Some(begun);
                }
                Message::AuthenticationSaslContinue(body) => {
                    let scram = scram.as_mut().ok_or_else(out_of_turn)?;
                    scram.update(body.data()).map_err(broken)?;
                    frontend::sasl_response(scram.message(), &mut self.write).map_err(broken)?;
                    self.flush()?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    let mut scram = scram.take().ok_or_else(out_of_turn)?;
                    scram.finish(body.data()).map_err(|_| {
                        Fault::Lost(
                            "the server does not know the password itself: it is not who it says"
                                .into(),
                        )
                    })?;
                }
                // A server that knows the password ends by proving it.
                Message::AuthenticationOk if scram.is_some() => return Err(out_of_turn()),
                Message::AuthenticationOk
                | Message::ParameterStatus(_)
                | Message::BackendKeyData(_)
                | Message::NoticeResponse(_) => {}
                Message::ErrorResponse(body) => {
                    return Err(as_lost(&ServerError::read(&body).fault()));
                }
                Message::ReadyForQuery(_) => return Ok(()),
                _ => {
                    return Err(Fault::Lost(
                        "the server asks for a way to log in that is not known here".into(),
                    ));
                }
            }
        }
        Err(out_of_turn())
    }

    fn tell(&mut self, password: &[u8]) -> Result<(), Fault> {
        let written = frontend::password_message(password, &mut self.write);
        written
            .map_err(|_| Fault::Lost("the password can't be sent: it has a NUL in it".into()))?;
        let flushed = self.wire.write_all(&self.write).and_then(|()| self.wire.flush());
        self.write.as_mut().zeroize();
        self.write.clear();
        flushed.map_err(|error| lost("logging in", &error))
    }

    /// Runs statements without parameters.
    pub fn simple(&mut self, statements: &str) -> Result<Answer, Fault> {
        self.wire.begin();
        let wrong = |_| Fault::Refused("a statement can't be sent: it has a NUL in it".into());
        frontend::query(statements, &mut self.write).map_err(wrong)?;
        self.answer()
    }

    /// Runs one statement with parameters.
    pub fn one(&mut self, statement: &str, parameters: &[Option<&[u8]>]) -> Result<Answer, Fault> {
        let texts = parameters.iter().map(|value| value.map(String::from_utf8_lossy));
        self.many(statement, std::iter::once(texts))
    }

    /// Runs one statement with many sets of parameters, up to the first that fails.
    pub fn many<'a, I>(
        &mut self,
        statement: &str,
        sets: impl Iterator<Item = I>,
    ) -> Result<Answer, Fault>
    where
        I: Iterator<Item = Option<Cow<'a, str>>>,
    {
        self.wire.begin();
        let wrong = || Fault::Refused("the statement can't be sent".into());
        // The server finds the types itself, from the columns.
        frontend::parse("", statement, std::iter::empty(), &mut self.write).map_err(|_| wrong())?;
        for set in sets {
            let put = |value: Option<Cow<'a, str>>, buffer: &mut BytesMut| {
                Ok(match value {
                    Some(text) => {
                        buffer.extend_from_slice(text.as_bytes());
                        IsNull::No
                    }
                    None => IsNull::Yes,
                })
            };
            let none = std::iter::empty::<i16>;
            let bound = frontend::bind("", "", none(), set, put, none(), &mut self.write);
            if bound.is_err() || frontend::execute("", 0, &mut self.write).is_err() {
                self.write.clear();
                return Err(wrong());
            }
        }
        frontend::sync(&mut self.write);
        self.answer()
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let sent = self.wire.write_all(&self.write).and_then(|()| self.wire.flush());
        self.write.clear();
        sent.map_err(|error| lost("sending", &error))
    }

    /// Sends what is written, and reads until the server is ready again.
    fn answer(&mut self) -> Result<Answer, Fault> {
        self.flush()?;
        let mut answer = Answer::default();
        for _ in 0..ANSWER_PARTS_MAX {
            match self.message()? {
                Message::DataRow(body) => answer.rows.push(texts(&body)?),
                Message::CommandComplete(body) => {
                    let tag = body.tag().map_err(|error| lost("reading", &error))?;
                    // `INSERT 0 1`, `DELETE 3`: the last word is how many.
                    answer
                        .counts
                        .push(tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0));
                    answer.tag = shown(tag);
                }
                Message::ErrorResponse(body) => {
                    let error = ServerError::read(&body);
                    // The server hangs up behind it.
                    if let lost @ Fault::Lost(_) = error.fault() {
                        return Err(lost);
                    }
                    answer.error.get_or_insert(error);
                }
                Message::ReadyForQuery(_) => return Ok(answer),
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                    return Err(out_of_turn());
                }
                _ => {}
            }
        }
        Err(Fault::Lost("the server's answer has no end".into()))
    }

    fn message(&mut self) -> Result<Message, Fault> {
        let broken = |error: io::Error| lost("reading", &error);
        loop {
            if let Some(header) = Header::parse(&self.read).map_err(broken)? {
                let size = usize::try_from(header.len()).unwrap_or(usize::MAX);
                if size > ANSWER_BYTES_MAX {
                    return Err(Fault::Lost(format!("the server sends a message of {size} bytes")));
                }
                if let Some(message) = Message::parse(&mut self.read).map_err(broken)? {
                    return Ok(message);
                }
            }
            let mut bytes = [0; READ_BYTES];
            match self.wire.read(&mut bytes).map_err(broken)? {
                0 => return Err(Fault::Lost("the server has hung up".into())),
                count => self.read.extend_from_slice(&bytes[..count]),
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A server that is told frees what it keeps for the session; one that is gone is none the worse for it.
        self.write.clear();
        frontend::terminate(&mut self.write);
        let _ = self.wire.write(&self.write);
    }
}

fn texts(body: &DataRowBody) -> Result<Vec<Option<String>>, Fault> {
    let cell = |range: Option<Range<usize>>| {
        let bytes = range.and_then(|range| body.buffer().get(range));
        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    };
    body.ranges().map(cell).collect().map_err(|error| lost("reading", &error))
}

fn offers_scram(body: &AuthenticationSaslBody) -> Result<(), Fault> {
    let offered = body.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256));
    match offered {
        Ok(true) => Ok(()),
        _ => Err(Fault::Lost(
            "the server offers no way to log in that is known here (SCRAM-SHA-256)".into(),
        )),
    }
}

fn unguarded() -> Fault {
    Fault::Lost(
        "the server asks for the password in the open; let it ask for scram-sha-256, or use tls"
            .into(),
    )
}

fn out_of_turn() -> Fault {
    Fault::Lost("the server said something out of turn".into())
}

/// Whatever it is that keeps anyone from logging in, there is no connection.
fn as_lost(fault: &Fault) -> Fault {
    Fault::Lost(fault.to_string())
}

fn lost(doing: &str, error: &io::Error) -> Fault {
    Fault::Lost(format!("{doing}: {}", shown(&error.to_string())))
}
