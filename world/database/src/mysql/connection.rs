//! A conversation with MySQL or MariaDB, in the few packets that rows need.
//!
//! The client of this protocol that is kept up, `mysql`, has limits of time for single reads but none for an exchange,
//! trusts the authorities of the public web besides the operator's, and reads what a server sent without asking whether it
//! is there. Files of this machine are never sent, whatever a server asks for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read, Write};

use correlator_world::Secret;

use super::error::{ServerError, Trouble};
use super::login::{CHALLENGE_BYTES, Plugin, with_nul};
use super::packet::{Parts, put_text};
use crate::fault::{Fault, shown};
use crate::limit::{ANSWER_BYTES_MAX, ANSWER_PARTS_MAX, STATEMENTS_MAX};
use crate::settings::Login;
use crate::wire::Wire;

/// What this client can do: long passwords and flags, a database at the login, the protocol of version 4.1, transactions,
/// ways to log in by name.
const ABILITIES: u32 = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
/// TLS, if it is wanted.
const ABILITY_TLS: u32 = 0x800;
/// The character set `utf8mb4_general_ci`, which old servers know as well.
const UTF8MB4: u8 = 45;
/// Bytes of a packet, and the length that says that it goes on in another.
const PACKET_BYTES_MAX: usize = 0xFF_FFFF;
/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;
const COM_PREPARE: u8 = 0x16;
const COM_EXECUTE: u8 = 0x17;
const COM_CLOSE: u8 = 0x19;

const TYPE_FLOAT: u8 = 0x05;
const TYPE_INTEGER: u8 = 0x08;
const TYPE_TEXT: u8 = 0xFD;

/// A connection that is logged in.
pub struct Connection {
    wire: Wire,
    heard: Vec<u8>,
    sequence: u8,
    /// Statements that the server has prepared, by their text.
    statements: HashMap<String, u32>,
}

/// A value of a statement.
#[derive(Clone, Debug)]
pub enum Parameter<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A text, or what the server reads from one.
    Text(Cow<'a, str>),
}

/// What a statement brought.
#[derive(Debug, Default)]
pub struct Answer {
    /// Rows of texts, of a query.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows there were.
    pub row_count: usize,
    /// How many rows it changed.
    pub affected: u64,
}

impl Connection {
    /// Connects and logs in.
    pub fn open(login: &Login, password: Option<&Secret>) -> Result<Self, Fault> {
        let lost =
            |error: io::Error| Fault::Lost(format!("connecting: {}", shown(&error.to_string())));
        let wire = Wire::connect(&login.way).map_err(lost)?;
        let mut connection =
            Self { wire, heard: Vec::new(), sequence: 0, statements: HashMap::new() };
        match connection.log_in(login, password) {
            Ok(()) => Ok(connection),
            // Whatever it is that keeps anyone from logging in, there is no connection.
            Err(trouble) => Err(Fault::Lost(trouble.fault().to_string())),
        }
    }

    fn log_in(&mut self, login: &Login, password: Option<&Secret>) -> Result<(), Trouble> {
        let greeting = self.packet()?;
        if greeting.first() == Some(&0xFF) {
            return Err(Trouble::Server(ServerError::read(&greeting)));
        }
        let (abilities, mut challenge, offered) = greeted(&greeting).ok_or_else(out_of_turn)?;
        let password = password.map(Secret::reveal).unwrap_or_default();
        let tls = if login.way.tls { ABILITY_TLS } else { 0 };
        let mut hello = Vec::new();
        hello.extend_from_slice(&(ABILITIES | tls).to_le_bytes());
        hello.extend_from_slice(&u32::try_from(PACKET_BYTES_MAX).unwrap_or(0).to_le_bytes());
        hello.push(UTF8MB4);
        hello.extend_from_slice(&[0; 23]);
        if login.way.tls {
            if abilities & ABILITY_TLS == 0 {
                return Err(Trouble::Broken("the server has no tls; set it up there".into()));
            }
            self.send(&hello)?;
            // What somebody put behind the greeting in the open must not count as said under TLS.
            self.heard.clear();
            let secured = self.wire.secure(&login.way);
            secured
                .map_err(|error| Trouble::Broken(format!("tls: {}", shown(&error.to_string()))))?;
        }
        let mut plugin = offered.filter(|plugin| !plugin.is_said()).unwrap_or(Plugin::Native);
        let answer = plugin.answer(password, &challenge);
        hello.extend_from_slice(login.user.as_bytes());
        hello.push(0);
        hello.push(u8::try_from(answer.len()).unwrap_or(0));
        hello.extend_from_slice(&answer);
        hello.extend_from_slice(login.database.as_deref().unwrap_or_default().as_bytes());
        hello.push(0);
        hello.extend_from_slice(plugin.name().as_bytes());
        hello.push(0);
        self.send(&hello)?;
        for _ in 0..ANSWER_PARTS_MAX {
            let packet = self.packet()?;
            match packet.first() {
                Some(0x00) => return Ok(()),
                Some(0xFF) => return Err(Trouble::Server(ServerError::read(&packet))),
                Some(0xFE) => {
                    (plugin, challenge) = asked(&packet)?;
                    if plugin.is_said() {
                        self.check_guarded()?;
                    }
                    self.send(&plugin.answer(password, &challenge))?;
                }
                Some(0x01) if plugin == Plugin::CachingSha2 => match packet.get(1) {
                    Some(3) => {}
                    Some(4) => {
                        self.check_guarded()?;
                        self.send(&with_nul(password))?;
                    }
                    _ => return Err(out_of_turn()),
                },
                _ => return Err(out_of_turn()),
            }
        }
        Err(out_of_turn())
    }

    /// Only where nobody else hears it is the password itself told.
    fn check_guarded(&self) -> Result<(), Trouble> {
        if self.wire.is_guarded() {
            return Ok(());
        }
        Err(Trouble::Broken(
            "the server asks for the password in the open, perhaps because it is a wrong one; use tls or its socket".into(),
        ))
    }

    /// Runs a statement without parameters.
    pub fn query(&mut self, statement: &str) -> Result<Answer, Trouble> {
        self.command(COM_QUERY, statement.as_bytes())?;
        self.answer(true)
    }

    /// Runs a statement with parameters. Its rows are only counted.
    pub fn execute(
        &mut self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Answer, Trouble> {
        let id = match self.statements.get(statement) {
            Some(id) => *id,
            None => self.prepare(statement)?,
        };
        let mut packet = Vec::new();
        packet.extend_from_slice(&id.to_le_bytes());
        packet.extend_from_slice(&[0, 1, 0, 0, 0]);
        put_parameters(parameters, &mut packet);
        self.command(COM_EXECUTE, &packet)?;
        self.answer(false)
    }

    /// Lets go of the statements that are prepared: tables have changed.
    pub fn forget(&mut self) -> Result<(), Fault> {
        for (_, id) in std::mem::take(&mut self.statements) {
            self.command(COM_CLOSE, &id.to_le_bytes()).map_err(|trouble| trouble.fault())?;
        }
        Ok(())
    }

    fn prepare(&mut self, statement: &str) -> Result<u32, Trouble> {
        if self.statements.len() >= STATEMENTS_MAX {
            self.forget().map_err(|fault| Trouble::Broken(fault.to_string()))?;
        }
        self.command(COM_PREPARE, statement.as_bytes())?;
        let packet = self.packet()?;
        if packet.first() == Some(&0xFF) {
            return Err(Trouble::Server(ServerError::read(&packet)));
        }
        let mut parts = Parts(&packet);
        let mut read = || {
            let status = parts.number(1)?;
            let id = u32::try_from(parts.number(4)?).ok()?;
            Some((status, id, parts.number(2)?, parts.number(2)?))
        };
        let (status, id, columns, parameters) = read().ok_or_else(out_of_turn)?;
        if status != 0 {
            return Err(out_of_turn());
        }
        for count in [parameters, columns] {
            // What it says of each is known already; the end of them is one more packet.
            let packets = if count == 0 { 0 } else { count + 1 };
            for _ in 0..packets {
                self.packet()?;
            }
        }
        self.statements.insert(statement.to_owned(), id);
        Ok(id)
    }

    fn answer(&mut self, texts: bool) -> Result<Answer, Trouble> {
        let packet = self.packet()?;
        let mut answer = Answer::default();
        let columns = match packet.first() {
            Some(0x00) => {
                answer.affected = Parts(&packet[1..]).length().ok_or_else(out_of_turn)?;
                return Ok(answer);
            }
            Some(0xFF) => return Err(Trouble::Server(ServerError::read(&packet))),
            // It asks for a file of this machine.
            Some(0xFB) => return Err(out_of_turn()),
            _ => Parts(&packet).length().ok_or_else(out_of_turn)?,
        };
        for _ in 0..=columns.min(ANSWER_PARTS_MAX as u64) {
            self.packet()?;
        }
        for _ in 0..ANSWER_PARTS_MAX {
            let packet = self.packet()?;
            match packet.first() {
                Some(0xFE) if packet.len() < 9 => return Ok(answer),
                Some(0xFF) => return Err(Trouble::Server(ServerError::read(&packet))),
                _ => {}
            }
            answer.row_count += 1;
            if texts {
                let mut parts = Parts(&packet);
                let row: Result<Vec<_>, _> = (0..columns).map(|_| parts.text()).collect();
                answer.rows.push(row.map_err(|_| out_of_turn())?);
            }
        }
        Err(Trouble::Broken("the server's answer has no end".into()))
    }

    /// Begins an exchange.
    fn command(&mut self, command: u8, rest: &[u8]) -> Result<(), Trouble> {
        self.wire.begin();
        self.sequence = 0;
        self.send(&[&[command], rest].concat())
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        if payload.len() >= PACKET_BYTES_MAX {
            return Err(Trouble::Broken(format!(
                "a statement of {} bytes can't be sent",
                payload.len()
            )));
        }
        let mut packet = zeroize::Zeroizing::new(Vec::with_capacity(payload.len() + 4));
        packet.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
        packet.push(self.sequence);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        let sent = self.wire.write_all(&packet).and_then(|()| self.wire.flush());
        sent.map_err(|error| Trouble::Broken(format!("sending: {}", shown(&error.to_string()))))
    }

    fn packet(&mut self) -> Result<Vec<u8>, Trouble> {
        self.hear(4)?;
        let length = Parts(&self.heard).number(3).unwrap_or(0) as usize;
        if length > ANSWER_BYTES_MAX {
            return Err(Trouble::Broken(format!("the server sends a packet of {length} bytes")));
        }
        self.sequence = self.heard[3].wrapping_add(1);
        self.hear(4 + length)?;
        let packet = self.heard[4..4 + length].to_vec();
        self.heard.drain(..4 + length);
        Ok(packet)
    }

    /// Reads until so many bytes are there.
    fn hear(&mut self, count: usize) -> Result<(), Trouble> {
        let mut bytes = [0; READ_BYTES];
        while self.heard.len() < count {
            match self.wire.read(&mut bytes) {
                Ok(0) => return Err(Trouble::Broken("the server has hung up".into())),
                Ok(more) => self.heard.extend_from_slice(&bytes[..more]),
                Err(error) => {
                    return Err(Trouble::Broken(format!("reading: {}", shown(&error.to_string()))));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A server that is told doesn't count the connection as one that failed.
        let _ = self.wire.write(&[1, 0, 0, 0, COM_QUIT]);
    }
}

/// What the server can do, its challenge, and its way to log in, from its first packet.
fn greeted(packet: &[u8]) -> Option<(u32, Vec<u8>, Option<Plugin>)> {
    let mut parts = Parts(packet);
    if parts.number(1)? != 10 {
        return None;
    }
    parts.until_nul();
    parts.take(4)?;
    let mut challenge = parts.take(8)?.to_vec();
    parts.take(1)?;
    let low = parts.number(2)?;
    parts.take(3)?;
    let high = parts.number(2)?;
    let length = usize::try_from(parts.number(1)?).ok()?;
    parts.take(10)?;
    challenge.extend_from_slice(parts.take(length.saturating_sub(8).max(13))?);
    challenge.truncate(CHALLENGE_BYTES);
    let abilities = u32::try_from(low | high << 16).ok()?;
    Some((abilities, challenge, Plugin::named(parts.until_nul())))
}

/// Another way to log in, and a challenge for it.
fn asked(packet: &[u8]) -> Result<(Plugin, Vec<u8>), Trouble> {
    let mut parts = Parts(packet.get(1..).unwrap_or_default());
    let name = parts.until_nul();
    let Some(plugin) = Plugin::named(name) else {
        let name = shown(&String::from_utf8_lossy(name));
        return Err(Trouble::Broken(format!(
            "the server asks for the login `{name}`, which is not known here; give the user another"
        )));
    };
    let mut challenge = parts.0.to_vec();
    challenge.truncate(CHALLENGE_BYTES);
    Ok((plugin, challenge))
}

fn put_parameters(parameters: &[Parameter<'_>], packet: &mut Vec<u8>) {
    if parameters.is_empty() {
        return;
    }
    let nulls = packet.len();
    packet.resize(nulls + parameters.len().div_ceil(8), 0);
    packet.push(1);
    for (at, parameter) in parameters.iter().enumerate() {
        let kind = match parameter {
            Parameter::Null => {
                packet[nulls + at / 8] |= 1 << (at % 8);
                TYPE_TEXT
            }
            Parameter::Integer(_) => TYPE_INTEGER,
            Parameter::Float(_) => TYPE_FLOAT,
            Parameter::Text(_) => TYPE_TEXT,
        };
        packet.extend_from_slice(&[kind, 0]);
    }
    for parameter in parameters {
        match parameter {
            Parameter::Null => {}
            Parameter::Integer(number) => packet.extend_from_slice(&number.to_le_bytes()),
            Parameter::Float(number) => packet.extend_from_slice(&number.to_le_bytes()),
            Parameter::Text(text) => put_text(text.as_bytes(), packet),
        }
    }
}

fn out_of_turn() -> Trouble {
    Trouble::Broken("the server said something out of turn".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_cut_anywhere_are_no_greetings() {
        let mut greeting =
            b"\x0a5.5.5-10.11\0\x01\0\0\0abcdefgh\0\xff\xf7\x2d\x02\0\xff\x81\x15".to_vec();
        greeting.extend_from_slice(&[0; 10]);
        greeting.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
        let (abilities, challenge, plugin) = greeted(&greeting).unwrap();
        assert_eq!(abilities, 0x81FF_F7FF);
        assert_eq!(challenge, b"abcdefghijklmnopqrst");
        assert_eq!(plugin, Some(Plugin::Native));
        let end = greeting.len() - "mysql_native_password\0".len();
        for cut in 0..end {
            assert!(greeted(&greeting[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn parameters_on_the_wire() {
        let mut packet = Vec::new();
        let parameters = [
            Parameter::Null,
            Parameter::Integer(-1),
            Parameter::Text(Cow::Borrowed("ab")),
            Parameter::Null,
        ];
        put_parameters(&parameters, &mut packet);
        let mut expected =
            vec![0b1001, 1, TYPE_TEXT, 0, TYPE_INTEGER, 0, TYPE_TEXT, 0, TYPE_TEXT, 0];
        expected.extend_from_slice(&[0xFF; 8]);
        expected.extend_from_slice(b"\x02ab");
        assert_eq!(packet, expected);
    }
}
