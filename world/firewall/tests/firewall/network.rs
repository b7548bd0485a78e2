//! A network of name spaces: `host`, whose firewall is tested, `left` and `right`, joined to it by a cable each.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use correlator_firewall::{Firewall, Settings};
use correlator_world::{Capability, Cell, NoSecret, Outcome, Request, Secret, Secrets};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The host on the left cable, and who is there.
pub const HOST_V4: &str = "10.9.1.1";
pub const LEFT_V4: &str = "10.9.1.2";
pub const HOST_V6: &str = "2001:db8:1::1";
pub const LEFT_V6: &str = "2001:db8:1::2";
/// Somewhere behind `right`, reached through the host.
pub const RIGHT_V4: &str = "10.9.2.2";
/// More addresses of `left`, which nothing of the host is near.
pub const AFAR_V4: &str = "203.0.113.7";
pub const AFAR_V6: &str = "2001:db8:77::7";

/// How long a connection may take that is let through; what is dropped is given up after it.
const CONNECT_MAX: Duration = Duration::from_millis(400);
/// How long it may take to be told no: over a virtual cable the first no comes before the sender listens.
const TOLD_MAX: Duration = Duration::from_secs(4);
/// How long the kernel may take to let something through again.
const WAIT_MAX: Duration = Duration::from_secs(15);

static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// Three name spaces, gone when this is.
pub struct Network {
    name: String,
}

impl Network {
    /// A network, if this machine lets one be made.
    pub fn new() -> Option<Self> {
        for program in ["ip", "nft"] {
            if Command::new(program).arg("-V").output().is_err() {
                eprintln!("skipped: there is no `{program}`; install iproute2 and nftables");
                return None;
            }
        }
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let network = Self { name: format!("fw{}-{number}", std::process::id()) };
        if !network.try_ip(&format!("netns add {}", network.of("host"))) {
            eprintln!("skipped: no network name space can be made here; run as root");
            return None;
        }
        network.cable();
        Some(network)
    }

    fn cable(&self) {
        let (host, left, right) = (self.of("host"), self.of("left"), self.of("right"));
        for line in [
            format!("netns add {left}"),
            format!("netns add {right}"),
            format!("link add left netns {host} type veth peer name cable netns {left}"),
            format!("link add right netns {host} type veth peer name cable netns {right}"),
            format!("-n {host} addr add {HOST_V4}/24 brd + dev left"),
            format!("-n {host} addr add {HOST_V6}/64 dev left nodad"),
            format!("-n {host} addr add 10.9.2.1/24 dev right"),
            format!("-n {left} addr add {LEFT_V4}/24 dev cable"),
            format!("-n {left} addr add {LEFT_V6}/64 dev cable nodad"),
            format!("-n {left} addr add {AFAR_V4}/32 dev cable"),
            format!("-n {left} addr add {AFAR_V6}/128 dev cable nodad"),
            format!("-n {right} addr add {RIGHT_V4}/24 dev cable"),
            format!("-n {host} link set lo up"),
            format!("-n {host} link set left up"),
            format!("-n {host} link set right up"),
            format!("-n {left} link set cable up"),
            format!("-n {right} link set cable up"),
            format!("-n {host} route add 203.0.113.0/24 dev left"),
            format!("-n {host} route add 2001:db8:77::/64 dev left"),
            format!("-n {left} route add default via {HOST_V4}"),
            format!("-n {right} route add default via 10.9.2.1"),
        ] {
            self.ip(&line);
        }
        self.inside("host", || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    }

    /// The name space of a role.
    pub fn of(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    pub fn ip(&self, line: &str) {
        assert!(self.try_ip(line), "ip {line}");
    }

    fn try_ip(&self, line: &str) -> bool {
        let _ = self;
        Command::new("ip").args(line.split(' ')).output().is_ok_and(|it| it.status.success())
    }

    /// Runs `nft` at the host and gives what it says.
    pub fn nft(&self, line: &str) -> String {
        let host = self.of("host");
        let output =
            Command::new("ip").args(["netns", "exec", &host, "nft", line]).output().unwrap();
        assert!(output.status.success(), "nft {line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Does something in a name space.
    pub fn inside<T: Send>(&self, role: &str, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.of(role));
        let space = std::fs::File::open(path).unwrap();
        let worker = move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        let done = std::thread::scope(|scope| scope.spawn(worker).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Does something at the host.
    pub fn host<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.inside("host", work)
    }

    /// A server of a name space that says hello to everybody; it ends when nobody can reach it any more.
    pub fn serve(&self, role: &str, port: u16) {
        let listener = self.inside(role, || TcpListener::bind(("::", port)).unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let _ = std::io::Write::write_all(&mut &connection, b"hello");
            }
        });
    }

    /// Whether somebody at `left`, by one of its addresses, gets an answer.
    pub fn reaches(&self, from: &str, to: &str, port: u16) -> bool {
        self.inside("left", || hello(from, to, port, CONNECT_MAX)).is_ok()
    }

    /// Waits until somebody at `left` gets an answer.
    pub fn wait_until_reached(&self, from: &str, to: &str, port: u16) {
        let start = uptime();
        while !self.reaches(from, to, port) {
            assert!(uptime() < start + WAIT_MAX, "{to} can't be reached from {from}");
        }
    }

    /// What somebody at `left` meets.
    pub fn failure(&self, from: &str, to: &str, port: u16) -> Option<std::io::Error> {
        self.inside("left", || hello(from, to, port, TOLD_MAX)).err()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for role in ["host", "left", "right"] {
            self.try_ip(&format!("netns del {}", self.of(role)));
        }
    }
}

/// Connects from an address and waits for the hello.
fn hello(from: &str, to: &str, port: u16, patience: Duration) -> std::io::Result<()> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};
    let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let family = if to.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket(family, SocketType::STREAM, None)?;
    // A connection that is being made is given up after the time for sending.
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(patience))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(patience))?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    connect(&socket, &SocketAddr::new(to, port))?;
    TcpStream::from(socket).read_exact(&mut [0; 5])
}

/// How long the machine runs.
pub fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
}

/// A firewall by settings as they stand in a stack.
pub fn firewall(json: &str) -> Firewall {
    Firewall::new(serde_json::from_str::<Settings>(json).unwrap()).unwrap()
}

/// A request to block an address in set `ssh` for so many milliseconds.
pub fn request(address: &str, milliseconds: i64) -> Request {
    Request {
        id: format!("test:{address}"),
        target: "ssh".into(),
        cells: vec![
            ("address".into(), Cell::Text(address.into())),
            ("duration".into(), Cell::Duration(milliseconds * 1_000_000)),
            ("reason".into(), Cell::Text("a test".into())),
        ],
    }
}

/// No secrets at all.
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        Err(NoSecret::Unknown(name.into()))
    }
}

/// Blocks one address, which has to work.
pub fn block(firewall: &mut Firewall, address: &str, milliseconds: i64) {
    let request = request(address, milliseconds);
    firewall.check(&request).unwrap();
    let outcome = firewall.deliver(&[request], &NoSecrets);
    assert!(matches!(outcome[..], [Outcome::Done(_)]), "{address}: {outcome:?}");
}

/// What is in force, without how long.
pub fn in_force(firewall: &mut Firewall) -> Vec<String> {
    let blocks = firewall.in_force().unwrap();
    blocks.iter().map(|block| format!("{} {}", block.set, block.network)).collect()
}
