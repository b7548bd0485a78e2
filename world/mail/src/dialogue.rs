//! One conversation with a mail server (RFC 5321): greeting, TLS, login, then mails.
//!
//! It must never know what is in a mail, nor what becomes of one that was not taken.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use correlator_wire::clock;
use correlator_wire::link::Link;
use correlator_world::{Hush, Secret};
use lettre::Address;
use zeroize::Zeroizing;

use crate::limit;
use crate::reply::{Ear, Reply};
use crate::settings::{Rules, Security};

/// The step in which the server has seen a mail.
pub(crate) const THE_MAIL: &str = "mail";

/// A conversation.
#[derive(Debug)]
pub(crate) struct Dialogue {
    link: Link,
    ear: Ear,
    /// What the server says that it can, in capital letters.
    abilities: Vec<String>,
}

/// What came of one mail.
#[derive(Debug)]
pub(crate) struct Told {
    /// Recipients that the server accepted.
    pub accepted: Vec<Address>,
    /// Those that it did not, and what it said.
    pub refused: Vec<(Address, Reply)>,
    pub end: End,
}

/// How a mail ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The server has it, for those whom it accepted.
    Taken(Reply),
    /// The server said no, to this step.
    Not(&'static str, Reply),
    /// No recipient was accepted.
    Nobody,
    /// The conversation broke; whether the server may have the mail all the same.
    Broke { error: String, maybe_taken: bool },
}

impl Dialogue {
    /// Begins one, up to the point where mails are taken. Why not, in words for the operator.
    pub fn open(rules: &Rules, password: Option<&Secret>) -> Result<Self, String> {
        let deadline = clock::instant() + rules.timeout.0;
        let cant = |what: &str, error: &io::Error| format!("{what}: {error}");
        let link = Link::connect(&rules.server, deadline)
            .map_err(|error| cant("the mail server can't be reached", &error))?;
        let link = match (rules.security, &rules.trust) {
            (Security::Tls, Some(trust)) => {
                link.secure(trust).map_err(|error| cant("TLS with the mail server", &error))?
            }
            _ => link,
        };
        let mut dialogue = Self { link, ear: Ear::default(), abilities: Vec::new() };
        let greeting = dialogue.ear.reply(&mut dialogue.link);
        positive("greeting", greeting)?;
        dialogue.hello(&rules.hello)?;
        if let (Security::Starttls, Some(trust)) = (rules.security, &rules.trust) {
            if !dialogue.can("STARTTLS") {
                return Err(
                    "the mail server has no STARTTLS, so nothing is sent in the open; use \
                            `security: tls` if it speaks TLS from the first byte"
                        .into(),
                );
            }
            positive("STARTTLS", dialogue.ask("STARTTLS\r\n"))?;
            if dialogue.ear.has_more() {
                return Err(
                    "the mail server, or somebody before it, said more than it may before TLS"
                        .into(),
                );
            }
            let link = dialogue.link.secure(trust);
            let link = link.map_err(|error| cant("TLS with the mail server", &error))?;
            dialogue = Self { link, ear: Ear::default(), abilities: Vec::new() };
            dialogue.hello(&rules.hello)?;
        }
        if let (Some(login), Some(password)) = (&rules.login, password) {
            dialogue.log_in(&login.username, password).map_err(|why| {
                let (user, name) = (&login.username, &login.credential);
                format!("the mail server does not let `{user}` in with credential `{name}`: {why}")
            })?;
        }
        Ok(dialogue)
    }

    /// Hands over one mail.
    pub fn send(&mut self, rules: &Rules, to: &[Address], mail: &[u8]) -> Told {
        self.link.set_deadline(clock::instant() + rules.timeout.0);
        let mut told = Told { accepted: Vec::new(), refused: Vec::new(), end: End::Nobody };
        if let Err(end) = self.send_or(&rules.from.email, to, mail, &mut told) {
            told.end = end;
        }
        told
    }

    fn send_or(
        &mut self,
        from: &Address,
        to: &[Address],
        mail: &[u8],
        told: &mut Told,
    ) -> Result<(), End> {
        let broke = |error: io::Error| End::Broke { error: error.to_string(), maybe_taken: false };
        self.step("sender", &format!("MAIL FROM:<{from}>\r\n"))?;
        for address in to {
            let reply = self.ask(&format!("RCPT TO:<{address}>\r\n")).map_err(broke)?;
            if reply.is_farewell() {
                return Err(End::Not("recipient", reply));
            }
            if reply.is_yes() {
                told.accepted.push(address.clone());
            } else {
                told.refused.push((address.clone(), reply));
            }
        }
        if told.accepted.is_empty() {
            self.step("reset", "RSET\r\n")?;
            return Ok(());
        }
        let ready = self.ask("DATA\r\n").map_err(broke)?;
        if ready.code != 354 {
            return Err(End::Not("start of the mail", ready));
        }
        self.link.write_all(&dotted(mail)).map_err(broke)?;
        // From here on the server may have all of it.
        let unsure = |error: io::Error| End::Broke { error: error.to_string(), maybe_taken: true };
        self.link.write_all(b".\r\n").map_err(unsure)?;
        self.link.flush().map_err(unsure)?;
        let reply = self.ear.reply(&mut self.link).map_err(unsure)?;
        if !reply.is_yes() {
            return Err(End::Not(THE_MAIL, reply));
        }
        told.end = End::Taken(reply);
        Ok(())
    }

    /// Forgets a mail that was begun. Whether the conversation can go on.
    pub fn reset(&mut self) -> bool {
        self.ask("RSET\r\n").is_ok_and(|reply| reply.is_yes())
    }

    /// Ends the conversation in order.
    pub fn quit(mut self) {
        self.link.set_deadline(clock::instant() + limit::FAREWELL_MAX);
        let _ = self.ask("QUIT\r\n");
        self.link.close();
    }

    fn step(&mut self, name: &'static str, command: &str) -> Result<(), End> {
        match self.ask(command) {
            Ok(reply) if reply.is_yes() => Ok(()),
            Ok(reply) => Err(End::Not(name, reply)),
            Err(error) => Err(End::Broke { error: error.to_string(), maybe_taken: false }),
        }
    }

    fn ask(&mut self, command: &str) -> io::Result<Reply> {
        self.link.write_all(command.as_bytes())?;
        self.link.flush()?;
        self.ear.reply(&mut self.link)
    }

    fn hello(&mut self, name: &str) -> Result<(), String> {
        let reply = positive("EHLO", self.ask(&format!("EHLO {name}\r\n")))?;
        // The first line is the server's name.
        let lines = reply.lines.iter().skip(1);
        self.abilities = lines.map(|line| line.to_ascii_uppercase()).collect();
        Ok(())
    }

    fn can(&self, ability: &str) -> bool {
        self.abilities.iter().any(|line| line.split_whitespace().next() == Some(ability))
    }

    /// Whether there is this way of logging in; `AUTH=` is how some servers of old write it.
    fn can_log_in(&self, way: &str) -> bool {
        let auth = self.abilities.iter().filter_map(|line| {
            line.strip_prefix("AUTH").filter(|rest| rest.starts_with([' ', '=']))
        });
        auth.flat_map(|rest| rest.split([' ', '='])).any(|word| word == way)
    }

    fn log_in(&mut self, username: &str, password: &Secret) -> Result<(), String> {
        let steps = if self.can_log_in("PLAIN") {
            let mut words =
                Zeroizing::new(Vec::with_capacity(username.len() + password.reveal().len() + 2));
            words.push(0);
            words.extend_from_slice(username.as_bytes());
            words.push(0);
            words.extend_from_slice(password.reveal());
            vec![encoded("AUTH PLAIN ", &words)]
        } else if self.can_log_in("LOGIN") {
            let begin = Zeroizing::new("AUTH LOGIN\r\n".to_owned());
            vec![begin, encoded("", username.as_bytes()), encoded("", password.reveal())]
        } else {
            return Err("it has neither PLAIN nor LOGIN".into());
        };
        let last = steps.len() - 1;
        let sent = steps[last].split_whitespace().last().unwrap_or_default();
        let alone = encoded("", password.reveal());
        let mut hush = Hush::default();
        hush.add(sent);
        hush.add(alone.trim_end());
        hush.add(&Zeroizing::new(String::from_utf8_lossy(password.reveal()).into_owned()));
        self.ear.hush(hush);
        for (number, step) in steps.iter().enumerate() {
            let reply = self.ask(step).map_err(|error| error.to_string())?;
            let expected = if number == last { 235 } else { 334 };
            if reply.code != expected {
                return Err(reply.to_string());
            }
        }
        Ok(())
    }
}

/// A line with something secret in it.
fn encoded(before: &str, secret: &[u8]) -> Zeroizing<String> {
    // With enough room from the start nothing of it is left behind by growing.
    let room = before.len() + secret.len().div_ceil(3) * 4 + 2;
    let mut line = Zeroizing::new(String::with_capacity(room));
    line.push_str(before);
    BASE64.encode_string(secret, &mut line);
    line.push_str("\r\n");
    line
}

fn positive(step: &str, reply: io::Result<Reply>) -> Result<Reply, String> {
    match reply {
        Ok(reply) if reply.is_yes() => Ok(reply),
        Ok(reply) => Err(format!("the mail server's answer ({step}): {reply}")),
        Err(error) => Err(format!("the mail server ({step}): {error}")),
    }
}

/// A mail whose lines don't end the conversation: those that begin with a dot have one more.
fn dotted(mail: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(mail.len() + mail.len() / 64 + 2);
    let mut begins = true;
    for &byte in mail {
        if begins && byte == b'.' {
            made.push(b'.');
        }
        made.push(byte);
        begins = byte == b'\n';
    }
    if !made.ends_with(b"\r\n") {
        made.extend_from_slice(b"\r\n");
    }
    made
}

#[cfg(test)]
mod tests {
    use super::{dotted, encoded};

    #[test]
    fn dots() {
        let check = |mail: &str, expected: &str| {
            assert_eq!(dotted(mail.as_bytes()), expected.as_bytes(), "{mail:?}");
        };
        check("a\r\n.\r\n..b\r\nc.d\r\n", "a\r\n..\r\n...b\r\nc.d\r\n");
        check(".", "..\r\n");
        check("", "\r\n");
    }

    #[test]
    fn login_words() {
        let line = encoded("AUTH PLAIN ", b"\0user\0password");
        assert_eq!(line.as_str(), "AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=\r\n");
        assert_eq!(line.len(), line.capacity(), "it never grew");
    }
}
