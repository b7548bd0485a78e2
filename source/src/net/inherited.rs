//! Sockets that systemd opened before it started this process, by their names (`sd_listen_fds(3)`).
//!
//! So a port below 1024 needs no privilege here, and a restart refuses nobody: connections wait in the socket, which
//! stays open. All are taken over once, before the process opens anything else and confines itself ([`hold`]), and kept
//! as long as it lives: a source that is changed, or comes back, finds its socket again. A descriptor that is a mere
//! number becomes owned by being sent to ourselves: that needs no `unsafe`, the kernel can't give what is not open, and
//! sending and receiving is allowed wherever an engine could work at all.

use std::env;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::LazyLock;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::io::{Errno, fcntl_dupfd_cloexec, ioctl_fionbio};
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};
use rustix::process::getpid;
use thiserror::Error;

use crate::limit;

/// The number of the first descriptor that is handed over.
const FIRST: RawFd = 3;

/// What was handed over under one name, or why it can't be had.
struct Handed {
    name: String,
    socket: Result<OwnedFd, Errno>,
}

/// All that was handed over, in order.
static HANDED: LazyLock<Vec<Handed>> = LazyLock::new(|| {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let own = variable("LISTEN_PID") == getpid().as_raw_nonzero().to_string();
    let count = if own { variable("LISTEN_FDS") } else { String::new() };
    let names = names(&count, &variable("LISTEN_FDNAMES"));
    (FIRST..).zip(names).map(|(number, name)| Handed { name, socket: own_number(number) }).collect()
});

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

/// Takes over what was handed over: call this before anything else is opened, whose numbers could be mistaken for theirs.
pub fn hold() {
    LazyLock::force(&HANDED);
}

/// The socket with this name, which has to be of this kind.
pub(crate) fn take(wanted: &str, kind: SocketType) -> Result<OwnedFd, InheritError> {
    let unfit = |problem: String| InheritError::Unfit { wanted: wanted.to_owned(), problem };
    let told = |error: Errno| unfit(error.to_string());
    let held = find(wanted, &HANDED)?.socket.as_ref().map_err(|error| told(*error))?;
    let socket = fcntl_dupfd_cloexec(held, 0).map_err(told)?;
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

/// The first that has this name.
fn find<'a>(wanted: &str, handed: &'a [Handed]) -> Result<&'a Handed, InheritError> {
    if handed.is_empty() {
        return Err(InheritError::Nothing { wanted: wanted.to_owned() });
    }
    let found = handed.iter().find(|it| it.name == wanted);
    found.ok_or_else(|| InheritError::NoSuchName {
        wanted: wanted.to_owned(),
        names: handed
            .iter()
            .map(|it| it.name.escape_debug().to_string())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// The names of so many descriptors.
fn names(count: &str, names: &str) -> Vec<String> {
    let count = count.parse::<usize>().unwrap_or(0).min(limit::INHERITED_MAX);
    let mut given = names.split(':').map(str::to_owned);
    (0..count).map(|_| given.next().unwrap_or_default()).collect()
}

/// Owns the descriptor that has this number. The number itself is given up if it is a socket's: programs that the engine
/// starts would inherit it, and keep the port open.
fn own_number(number: RawFd) -> Result<OwnedFd, Errno> {
    let (here, there) =
        socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let rights = [number];
    let message = [ControlMessage::ScmRights(&rights)];
    let byte = [IoSlice::new(&[0])];
    sendmsg::<()>(here.as_raw_fd(), &byte, &message, MsgFlags::MSG_DONTWAIT, None)
        .map_err(|error| Errno::from_raw_os_error(error as i32))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut messages = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(&there, &mut [IoSliceMut::new(&mut [0])], &mut messages, flags)?;
    let owned = messages.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    let owned = owned.ok_or(Errno::MFILE)?;
    if socket_type(&owned).is_ok() {
        // What can't be closed is none of ours.
        let _ = nix::unistd::close(number);
    }
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

    use rustix::io::Errno;

    use super::{Handed, find, names, own_number};

    #[test]
    fn names_have_places() {
        let check = |wanted, count, given, expected: Result<usize, &str>| {
            let handed: Vec<_> = (names(count, given).into_iter())
                .map(|name| Handed { name, socket: Err(Errno::BADF) })
                .collect();
            match (find(wanted, &handed), expected) {
                (Ok(found), Ok(place)) => {
                    assert!(std::ptr::eq(found, &raw const handed[place]), "{wanted} in {given}");
                }
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{error}");
                }
                (found, _) => panic!("{wanted} in {given}: {}", found.is_ok()),
            }
        };
        check("syslog", "1", "syslog", Ok(0));
        check("syslog", "3", "http:syslog:other", Ok(1));
        check("syslog", "2", "syslog:syslog", Ok(0));
        check("syslog", "2", "http:other:syslog", Err("only these were handed over: http, other"));
        check("syslog", "0", "", Err("none was handed over"));
        check("syslog", "", "syslog", Err("none was handed over"));
        check("syslog", "-1", "syslog", Err("none was handed over"));
        check("syslog", "99999999999999999999", "syslog", Err("none was handed over"));
        check("a", "1", "\u{1b}[31m", Err("\\u{1b}[31m"));
    }

    #[test]
    fn a_number_becomes_owned() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let number = listener.into_raw_fd();
        let owned = own_number(number).expect("it is open");
        assert_ne!(owned.as_raw_fd(), number);
        drop(TcpStream::connect(address).expect("it listens on"));
        drop(owned);
        assert!(TcpStream::connect(address).is_err(), "nobody else has it");
        // What is no socket was not handed over by anybody, and stays.
        let file = File::open("/dev/null").expect("opened");
        drop(own_number(file.as_raw_fd()).expect("it is open"));
        assert!(file.metadata().is_ok());
        assert_eq!(own_number(RawFd::MAX).err(), Some(Errno::BADF));
    }
}
