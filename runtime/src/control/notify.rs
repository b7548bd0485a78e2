//! What the service manager is told: systemd's notification protocol, without its library.
//!
//! Each state is one datagram to the socket that `NOTIFY_SOCKET` names. Where nobody asked to be told, nothing happens;
//! a manager that does not listen never harms the engine.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::net::{SendFlags, send};

use crate::limit;
use crate::text::clean;

/// The line to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// Looks in the environment for who wants to be told, and how often the watchdog wants a sign of life. Open it
    /// before the engine confines itself.
    ///
    /// # Errors
    /// The manager's socket can't be reached.
    pub fn open(environment: impl Fn(&str) -> Option<OsString>) -> io::Result<Self> {
        let name = environment("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.map(|name| connect(&name)).transpose()?;
        let number = |name| environment(name)?.to_str()?.parse::<u64>().ok();
        // The watchdog's limit is for one process; a child that inherited the words has nothing to say.
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|limit| *limit > 0 && is_ours);
        Ok(Self { socket, watchdog: watchdog.map(Duration::from_micros) })
    }

    /// How often [`Self::watchdog`] is to be called: twice in the time after which the manager loses patience.
    #[must_use]
    pub fn watchdog_every(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some()).map(|limit| limit / 2)
    }

    /// The engine takes records.
    pub fn ready(&self) {
        self.tell("READY=1\n");
    }

    /// The engine reads its stack anew; [`Self::ready`] says when it has. `monotonic` is the time by the machine's clock
    /// that never jumps, by which the manager tells one reload from another.
    pub fn reloading(&self, monotonic: Duration) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic.as_micros()));
    }

    /// The engine is ending.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\n");
    }

    /// What the engine is doing, in one line for people.
    pub fn status(&self, text: &str) {
        let text = clean(text, limit::SERVICE_STATUS_BYTES_MAX);
        self.tell(&format!("STATUS={text}\n"));
    }

    /// The engine is alive. Call it from where the engine's work is, not from a timer that works while all else is stuck.
    pub fn watchdog(&self) {
        let Some(socket) = &self.socket else { return };
        // The next sign comes soon: this one is not worth a wait.
        if let Err(error) = send(socket, b"WATCHDOG=1\n", SendFlags::DONTWAIT) {
            tracing::debug!("the service manager was given no sign of life: {error}");
        }
    }

    fn tell(&self, words: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(words.as_bytes()) {
            tracing::debug!("the service manager could not be told: {error}");
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A manager that is busy is waited for, since what it is told once is not told again; one that reads nothing must not
    // hold up the engine.
    socket.set_write_timeout(Some(limit::NOTIFY_TIME))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use super::Notify;

    fn open(set: &[(&str, &str)]) -> std::io::Result<Notify> {
        Notify::open(|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 4096];
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let count = socket.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    fn all_is_told(manager: &UnixDatagram, name: &str) {
        let notify = open(&[("NOTIFY_SOCKET", name)]).expect("connected");
        let check = |tell: &dyn Fn(), expected: &str| {
            tell();
            assert_eq!(heard(manager), expected);
        };
        check(&|| notify.ready(), "READY=1\n");
        check(&|| notify.reloading(Duration::from_millis(7)), "RELOADING=1\nMONOTONIC_USEC=7000\n");
        check(&|| notify.status("5 records\nREADY=1"), "STATUS=5 records\\u{a}READY=1\n");
        check(&|| notify.watchdog(), "WATCHDOG=1\n");
        check(&|| notify.stopping(), "STOPPING=1\n");
    }

    #[test]
    fn a_manager_with_a_path_is_told() {
        let name = format!("correlator-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let manager = UnixDatagram::bind(&path).expect("bound");
        all_is_told(&manager, path.to_str().expect("a name"));
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_manager_with_an_abstract_name_is_told() {
        let name = format!("correlator-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let manager = UnixDatagram::bind_addr(&address).expect("bound");
        all_is_told(&manager, &format!("@{name}"));
    }

    #[test]
    fn nobody_is_told_where_nobody_asked_and_a_deaf_manager_does_no_harm() {
        let notify = open(&[]).expect("nobody");
        notify.ready();
        assert_eq!(notify.watchdog_every(), None);
        assert!(open(&[("NOTIFY_SOCKET", "/proc/none")]).is_err());
        let address = format!("correlator-deaf-{}", std::process::id());
        let bound = SocketAddr::from_abstract_name(&address).expect("an address");
        let manager = UnixDatagram::bind_addr(&bound).expect("bound");
        let notify = open(&[("NOTIFY_SOCKET", &format!("@{address}"))]).expect("connected");
        for _ in 0..10_000 {
            notify.watchdog();
        }
        drop(manager);
        notify.watchdog();
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time() {
        let address = format!("correlator-watchdog-{}", std::process::id());
        let bound = SocketAddr::from_abstract_name(&address).expect("an address");
        let _manager = UnixDatagram::bind_addr(&bound).expect("bound");
        let name = format!("@{address}");
        let check = |set: &[(&str, &str)], expected: Option<u64>| {
            let mut set = set.to_vec();
            set.push(("NOTIFY_SOCKET", &name));
            let notify = open(&set).expect("connected");
            assert_eq!(notify.watchdog_every(), expected.map(Duration::from_secs), "{set:?}");
        };
        let pid = std::process::id().to_string();
        check(&[("WATCHDOG_USEC", "30000000")], Some(15));
        check(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", &pid)], Some(15));
        check(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "1")], None);
        check(&[("WATCHDOG_USEC", "0")], None);
        check(&[("WATCHDOG_USEC", "soon")], None);
        check(&[], None);
    }
}
