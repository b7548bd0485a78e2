//! From where somebody is logged in over SSH.
//!
//! A connection to the SSH daemon alone is no session: whoever tries passwords has one too, and to spare it would be
//! to block nobody. A session is what the environment of this process says, what systemd-logind has written down, and
//! a connection that was there before this process or is older than the daemon lets one be that has not logged in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Those of the network that this thread is in, which is also where it asks the kernel for everything else.
const CONNECTIONS: [&str; 2] = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
const LOGINS: &str = "/run/systemd/sessions";
/// How the kernel writes that a connection is established.
const ESTABLISHED: &str = "01";
/// Files of sessions that are read at most, and bytes of each.
const LOGINS_MAX: usize = 4096;
const LOGIN_BYTES_MAX: u64 = 16 * 1024;

/// Who is connected to the SSH daemon, and since when.
pub(crate) struct Sessions {
    ports: Vec<u16>,
    login_grace: Duration,
    /// From where this process itself was started.
    starter: Option<IpAddr>,
    /// Connections with when they were first seen; nothing for those that were there before.
    seen: HashMap<Connection, Option<Duration>>,
    peers: Vec<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Connection {
    peer: IpAddr,
    peer_port: u16,
    port: u16,
}

impl Sessions {
    /// What is there now; `environment` is what an SSH daemon gives to those it starts: both ends of the connection.
    pub(crate) fn new(
        mut ports: Vec<u16>,
        login_grace: Duration,
        environment: Option<&str>,
    ) -> Self {
        let words: Vec<&str> = environment.unwrap_or_default().split(' ').collect();
        let starter = words[0].parse().ok().map(|peer: IpAddr| peer.to_canonical());
        ports.extend(words.get(3).and_then(|port| port.parse::<u16>().ok()));
        let seen = connected(&ports).into_iter().map(|connection| (connection, None)).collect();
        let mut sessions = Self { ports, login_grace, starter, seen, peers: Vec::new() };
        sessions.conclude(Duration::ZERO, &logins(Path::new(LOGINS)));
        sessions
    }

    /// Looks again.
    pub(crate) fn look(&mut self, now: Duration) {
        let connections = connected(&self.ports);
        self.update(&connections, now);
        self.conclude(now, &logins(Path::new(LOGINS)));
    }

    /// From where somebody is logged in.
    pub(crate) fn peers(&self) -> &[IpAddr] {
        &self.peers
    }

    fn update(&mut self, connections: &[Connection], now: Duration) {
        let before = std::mem::take(&mut self.seen);
        let since = |connection: &Connection| before.get(connection).copied().unwrap_or(Some(now));
        self.seen = connections.iter().map(|it| (*it, since(it))).collect();
    }

    fn conclude(&mut self, now: Duration, logins: &[IpAddr]) {
        let old =
            |since: &Option<Duration>| since.is_none_or(|since| now >= since + self.login_grace);
        let connected = self.seen.iter().filter(|(_, since)| old(since)).map(|(it, _)| it.peer);
        let mut peers: Vec<IpAddr> =
            connected.chain(self.starter).chain(logins.iter().copied()).collect();
        peers.sort_unstable();
        peers.dedup();
        self.peers = peers;
    }
}

/// Connections to these ports of this host. What can't be read is not there: a kernel without IPv6 has no such file.
fn connected(ports: &[u16]) -> Vec<Connection> {
    let texts = CONNECTIONS.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts.flat_map(|text| connections(&text, ports)).collect()
}

fn connections(text: &str, ports: &[u16]) -> Vec<Connection> {
    let established = text.lines().skip(1).filter_map(connection);
    established.filter(|connection| ports.contains(&connection.port)).collect()
}

/// A line such as `0: 0100007F:0016 0200007F:D431 01 ...`, if the connection is established.
fn connection(line: &str) -> Option<Connection> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    let (peer, peer_port) = remote.split_once(':')?;
    let (_, port) = local.split_once(':')?;
    if state != ESTABLISHED {
        return None;
    }
    let number = |port| u16::from_str_radix(port, 16).ok();
    Some(Connection {
        peer: hexadecimal(peer)?,
        peer_port: number(peer_port)?,
        port: number(port)?,
    })
}

/// An address as the kernel writes it: each four bytes as one number of this machine.
fn hexadecimal(text: &str) -> Option<IpAddr> {
    let words = text.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok().filter(|word| word.len() == 8)?;
        u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes)
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    crate::route::address(&bytes)
}

/// From where systemd-logind knows somebody.
fn logins(folder: &Path) -> Vec<IpAddr> {
    let files = std::fs::read_dir(folder).into_iter().flatten().take(LOGINS_MAX).flatten();
    let texts = files.filter_map(|file| {
        let small = file.metadata().is_ok_and(|it| it.is_file() && it.len() <= LOGIN_BYTES_MAX);
        small.then(|| std::fs::read_to_string(file.path()).ok()).flatten()
    });
    texts.filter_map(|text| login(&text)).collect()
}

fn login(text: &str) -> Option<IpAddr> {
    let of = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    if of("STATE") == Some("closing") {
        return None;
    }
    of("REMOTE_HOST")?.parse().ok().map(|peer: IpAddr| peer.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_mins(2);

    #[test]
    fn connections_are_read() {
        let check = |text: &str, expected: &[(&str, u16)]| {
            let found =
                connections(&format!("  sl  local_address rem_address   st\n{text}"), &[22]);
            let found: Vec<_> =
                found.iter().map(|it| (it.peer.to_string(), it.peer_port)).collect();
            let expected: Vec<_> =
                expected.iter().map(|(it, port)| ((*it).to_owned(), *port)).collect();
            assert_eq!(found, expected, "{text}");
        };
        // As a machine with the lowest byte first writes them; all that Correlator is built for are.
        check("   0: 0100007F:0016 070200C0:D431 01 00000000:00000000", &[("192.0.2.7", 54321)]);
        check("   0: 0100007F:0016 00000000:0000 0A 00000000:00000000", &[]);
        check("   0: 0100007F:0050 070200C0:D431 01 00000000:00000000", &[]);
        check(
            "   1: B80D0120000000000000000001000000:0016 B80D0120000000000000000007000000:D431 01",
            &[("2001:db8::7", 54321)],
        );
        check(
            "   1: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF0000070200C0:D431 01",
            &[("192.0.2.7", 54321)],
        );
        check("", &[]);
        check("x", &[]);
        check("0: 0016 D431 01", &[]);
        check("0: 0100007F:0016 0702\u{e4}0C0:D431 01", &[]);
        check("0: 0100007F:0016 070200C:D431 01", &[]);
    }

    #[test]
    fn who_only_tries_is_no_session() {
        let connection =
            |peer: &str, peer_port| Connection { peer: peer.parse().unwrap(), peer_port, port: 22 };
        let at = |seconds| Duration::from_secs(seconds);
        let mut sessions = Sessions {
            ports: vec![22],
            login_grace: GRACE,
            starter: Some("192.0.2.1".parse().unwrap()),
            seen: HashMap::from([(connection("192.0.2.2", 1), None)]),
            peers: Vec::new(),
        };
        let mut check = |now, connections: &[Connection], logins: &[&str], expected: &[&str]| {
            let logins: Vec<IpAddr> = logins.iter().map(|login| login.parse().unwrap()).collect();
            sessions.update(connections, at(now));
            sessions.conclude(at(now), &logins);
            let found: Vec<String> = sessions.peers().iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "at {now}");
        };
        let (old, new) = (connection("192.0.2.2", 1), connection("192.0.2.3", 1));
        check(1000, &[old, new], &[], &["192.0.2.1", "192.0.2.2"]);
        check(1119, &[old, new], &[], &["192.0.2.1", "192.0.2.2"]);
        check(1120, &[old, new], &[], &["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        check(1130, &[connection("192.0.2.3", 2)], &[], &["192.0.2.1"]);
        check(1131, &[], &["192.0.2.4"], &["192.0.2.1", "192.0.2.4"]);
    }

    #[test]
    fn logins_are_read() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(login(text).map(|peer| peer.to_string()).as_deref(), expected, "{text}");
        };
        check("UID=0\nSTATE=active\nREMOTE=1\nREMOTE_HOST=192.0.2.7\n", Some("192.0.2.7"));
        check("STATE=online\nREMOTE_HOST=::ffff:192.0.2.7\n", Some("192.0.2.7"));
        check("STATE=closing\nREMOTE_HOST=192.0.2.7\n", None);
        check("STATE=active\nREMOTE=0\n", None);
        check("REMOTE_HOST=somewhere.example\n", None);
    }

    #[test]
    fn the_environment_names_both_ends() {
        let sessions = Sessions::new(vec![], GRACE, Some("::ffff:192.0.2.7 54321 192.0.2.1 2222"));
        assert_eq!(sessions.starter, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(sessions.ports, [2222]);
        assert_eq!(Sessions::new(vec![22], GRACE, Some("")).starter, None);
    }
}
