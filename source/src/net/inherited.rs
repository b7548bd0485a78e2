//! Sockets that systemd opened before it started this process, by their names (`sd_listen_fds(3)`).
//!
//! So a port below 1024 needs no privilege here, and a restart refuses nobody: connections wait in the socket, which
//! stays open. The process's own table of descriptors is asked for a duplicate by number, through the kernel, which
//! needs no `unsafe` and can't give what is not open. The original stays with the process, so that a source that is
//! reloaded finds it again.

use std::env;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::SocketType;
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use thiserror::Error;

use crate::limit;

/// The number of the first descriptor that is handed over.
const FIRST: i32 = 3;

/// Why there is no such socket.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InheritError {
    /// Nothing was handed over to this process.
    #[error(
        "the socket `{wanted}` of systemd: none was handed over; start this by a socket unit with `FileDescriptorName={wanted}`"
    )]
    Nothing {
        /// The name that was looked for.
        wanted: String,
    },
    /// Others were handed over.
    #[error("the socket `{wanted}` of systemd: only these were handed over: {names}")]
    NoSuchName {
        /// The name that was looked for.
        wanted: String,
        /// Those that there are.
        names: String,
    },
    /// It was handed over and is none that can be read from.
    #[error("the socket `{wanted}` of systemd: {problem}")]
    Unfit {
        /// The name that was looked for.
        wanted: String,
        /// What is wrong.
        problem: String,
    },
}

/// The socket with this name, which has to be of this kind.
pub(crate) fn take(wanted: &str, kind: SocketType) -> Result<OwnedFd, InheritError> {
    let unfit = |problem: String| InheritError::Unfit { wanted: wanted.to_owned(), problem };
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let own = variable("LISTEN_PID") == getpid().as_raw_nonzero().to_string();
    let count = if own { variable("LISTEN_FDS") } else { String::new() };
    let place = find(wanted, &count, &variable("LISTEN_FDNAMES"))?;
    let told = |error: Errno| unfit(error.to_string());
    let this = pidfd_open(getpid(), PidfdFlags::empty()).map_err(told)?;
    let socket = pidfd_getfd(&this, FIRST + place, PidfdGetfdFlags::empty()).map_err(told)?;
    let found = socket_type(&socket).map_err(|_| unfit("it is no socket".into()))?;
    if found != kind {
        let typed = if kind == SocketType::STREAM { "ListenStream=" } else { "ListenDatagram=" };
        return Err(unfit(format!("its unit needs `{typed}` for this source")));
    }
    if kind == SocketType::STREAM && !socket_acceptconn(&socket).map_err(told)? {
        return Err(unfit("it is a connection; its unit needs `Accept=no`".into()));
    }
    ioctl_fionbio(&socket, true).map_err(told)?;
    Ok(socket)
}

/// The place of a name among those that were handed over.
fn find(wanted: &str, count: &str, names: &str) -> Result<i32, InheritError> {
    let count = count.parse::<usize>().unwrap_or(0).min(limit::INHERITED_MAX);
    if count == 0 {
        return Err(InheritError::Nothing { wanted: wanted.to_owned() });
    }
    let known = || names.split(':').take(count);
    let place = known().position(|name| name == wanted).and_then(|place| i32::try_from(place).ok());
    place.ok_or_else(|| InheritError::NoSuchName {
        wanted: wanted.to_owned(),
        names: known().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn names_have_places() {
        let check = |wanted, count, names, expected: Result<i32, &str>| {
            let found = find(wanted, count, names).map_err(|error| error.to_string());
            match expected {
                Ok(place) => assert_eq!(found, Ok(place), "{wanted} in {names}"),
                Err(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{found:?}"),
            }
        };
        check("syslog", "1", "syslog", Ok(0));
        check("syslog", "3", "http:syslog:other", Ok(1));
        check("syslog", "2", "http:other:syslog", Err("only these were handed over: http, other"));
        check("syslog", "0", "", Err("none was handed over"));
        check("syslog", "", "syslog", Err("none was handed over"));
        check("syslog", "-1", "syslog", Err("none was handed over"));
        check("syslog", "99999999999999999999", "syslog", Err("none was handed over"));
        check("a", "1", "\u{1b}[31m", Err("\\u{1b}[31m"));
    }
}
