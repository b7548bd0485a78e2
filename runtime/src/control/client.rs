//! Asking a running engine, from another process.

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::Value;

use super::bounded::{self, Parts};
use super::protocol::{self, Request};
use super::{Command, ControlError};
use crate::clock;
use crate::limit;
use crate::stack::Control;
use crate::status::Status;

/// The control socket where nobody names one: the service manager's folder, or the system's for root, or the user's.
/// The engine makes it and clients look for it by the same rule.
#[must_use]
pub fn default_socket(
    environment: impl Fn(&str) -> Option<OsString>,
    root: bool,
) -> Option<PathBuf> {
    let set = |name| environment(name).filter(|value| !value.is_empty());
    if let Some(folders) = set("RUNTIME_DIRECTORY") {
        // Several are told apart by colons; the first is the service's own.
        return std::env::split_paths(&folders).next().map(|folder| folder.join("control.sock"));
    }
    if root {
        return Some(PathBuf::from("/run/correlator/control.sock"));
    }
    set("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("correlator.sock"))
}

/// The control socket of an engine with such a stack, if it has one. `live` says whether the engine goes on by itself:
/// one that only reads files to their end is reached where its stack says so, and nowhere else.
#[must_use]
pub fn socket_of(
    control: &Control,
    live: bool,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    if control.socket_set || !live {
        return control.socket.clone();
    }
    default_socket(environment, rustix::process::geteuid().is_root())
}

/// A connection to an engine.
pub struct Client {
    stream: UnixStream,
    parts: Parts,
    path: PathBuf,
}

impl Client {
    /// Connects to the engine behind this socket.
    ///
    /// # Errors
    /// There is none, or we may not ask it.
    pub fn connect(path: &Path) -> Result<Self, ControlError> {
        let stream = open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ControlError::Nobody { path: path.to_owned() }
            }
            _ => ControlError::Refused { path: path.to_owned(), error },
        })?;
        let parts = Parts::new(limit::CONTROL_ANSWER_BYTES_MAX);
        Ok(Self { stream, parts, path: path.to_owned() })
    }

    /// How the engine fares.
    ///
    /// # Errors
    /// It did not answer, or not so that we understand.
    pub fn status(&mut self) -> Result<Status, ControlError> {
        let value = self.ask(&Request::Status, limit::ENGINE_ANSWER_TIME)?;
        serde_json::from_value(value).map_err(|error| self.failed(io::Error::other(error)))
    }

    /// Tells the engine to do something, and waits until it has.
    ///
    /// # Errors
    /// It did not answer, or says why it would not.
    pub fn command(&mut self, command: Command) -> Result<Value, ControlError> {
        self.ask(&Request::Do(command), limit::ENGINE_COMMAND_TIME)
    }

    /// Waits until the engine answers nobody any more. Returns whether it came to that in this time.
    #[must_use]
    pub fn wait_for_end(mut self, time: Duration) -> bool {
        let deadline = clock::instant() + time;
        loop {
            let left = deadline.saturating_duration_since(clock::instant());
            // The engine hangs up on who says nothing, too: only one that can't be called again has ended.
            match self.parts.next(&mut self.stream, left, bounded::line) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return false,
                _ => {}
            }
            match Self::connect(&self.path) {
                Ok(again) => self = again,
                Err(ControlError::Nobody { .. }) => return true,
                Err(_) => return false,
            }
        }
    }

    fn ask(&mut self, request: &Request, time: Duration) -> Result<Value, ControlError> {
        let sent =
            bounded::write(&mut self.stream, request.line().as_bytes(), limit::ENGINE_ANSWER_TIME);
        // An engine that will not talk to us says so before it hangs up: look for that even if nothing could be sent.
        let line = match self.parts.next(&mut self.stream, time, bounded::line) {
            Ok(Some(line)) => line,
            Ok(None) => {
                let gone = io::Error::other("it hung up; it may have ended");
                return Err(self.failed(sent.err().unwrap_or(gone)));
            }
            Err(error) => return Err(self.failed(error)),
        };
        protocol::read(&line)
            .map_err(|error| self.failed(io::Error::other(error)))?
            .map_err(ControlError::Told)
    }

    fn failed(&self, error: io::Error) -> ControlError {
        ControlError::Answer { path: self.path.clone(), error }
    }
}

/// Connects within a time, even to an engine that accepts nobody any more.
fn open(path: &Path) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(limit::ENGINE_ANSWER_TIME))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use super::default_socket;

    #[test]
    fn the_socket_is_found_by_one_rule() {
        let check = |set: &[(&str, &str)], root: bool, expected: Option<&str>| {
            let environment = |name: &str| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            };
            let found = default_socket(environment, root);
            assert_eq!(found, expected.map(PathBuf::from), "{set:?}");
        };
        let user = ("XDG_RUNTIME_DIR", "/run/user/7");
        let service = ("RUNTIME_DIRECTORY", "/run/correlator:/run/other");
        check(&[user], false, Some("/run/user/7/correlator.sock"));
        check(&[user], true, Some("/run/correlator/control.sock"));
        check(&[user, service], false, Some("/run/correlator/control.sock"));
        check(&[("RUNTIME_DIRECTORY", "")], false, None);
        check(&[], false, None);
    }
}
