//! Two network name spaces with a cable between them: `host`, where the engine works, and `left`, from where it is
//! attacked.
//!
//! It must never know what is kept out, and why.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::foreign::Program;

/// The host's address on the cable.
pub const HOST: &str = "10.9.1.1";
/// The neighbour's, which is the host's gateway too.
pub const GATEWAY: &str = "10.9.1.2";
/// Another one of the neighbour's, far from the host's network.
pub const AFAR: &str = "203.0.113.7";

/// How long a connection may take that is let through; what is dropped is given up after it.
const CONNECT_MAX: Duration = Duration::from_millis(500);

static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// The name spaces, gone when this is.
#[derive(Debug)]
pub struct Network {
    name: String,
}

impl Network {
    /// A network; nothing where none can be made, which is told.
    ///
    /// # Panics
    /// If it can be made only in part.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "what is skipped is told plainly")]
    pub fn new() -> Option<Self> {
        Program::find("ip").and(Program::find("nft"))?;
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let network = Self { name: format!("ct{}-{number}", std::process::id()) };
        let (host, left) = (network.of("host"), network.of("left"));
        if !ip(&format!("netns add {host}")) {
            eprintln!("skipped: no network name space can be made here, which takes root");
            return None;
        }
        for line in [
            format!("netns add {left}"),
            format!("link add left netns {host} type veth peer name cable netns {left}"),
            format!("-n {host} addr add {HOST}/24 brd + dev left"),
            format!("-n {left} addr add {GATEWAY}/24 dev cable"),
            format!("-n {left} addr add {AFAR}/32 dev cable"),
            format!("-n {host} link set lo up"),
            format!("-n {host} link set left up"),
            format!("-n {left} link set cable up"),
            format!("-n {host} route add default via {GATEWAY}"),
        ] {
            assert!(ip(&line), "ip {line}");
        }
        Some(network)
    }

    /// The name space of a role.
    #[must_use]
    pub fn of(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// `nft` at the host.
    #[must_use]
    pub fn nft(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.of("host"), "nft"]);
        command
    }

    /// What `nft` says at the host.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn rules(&self) -> String {
        let output = self.nft().args(["list", "ruleset"]).output().expect("nft");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Does something in a name space.
    ///
    /// # Panics
    /// If there is no way into it, or what is done there panics.
    pub fn inside<T: Send>(&self, role: &str, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.of(role));
        let space = std::fs::File::open(path).expect("a name space");
        let worker = move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("a way in");
            work()
        };
        let done = std::thread::scope(|scope| scope.spawn(worker).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A server at the host that says hello to everybody, until the test ends.
    ///
    /// # Panics
    /// If the port is taken.
    pub fn serve(&self, port: u16) {
        let door = self.inside("host", || TcpListener::bind(("0.0.0.0", port)).expect("a port"));
        std::thread::spawn(move || {
            for mut connection in door.incoming().flatten() {
                // Who is kept out does not hear it.
                let _ = connection.write_all(b"hello");
            }
        });
    }

    /// Whether the neighbour, by one of its addresses, gets a hello.
    #[must_use]
    pub fn reaches(&self, from: &str, port: u16) -> bool {
        self.inside("left", || hello(from, port)).is_ok()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for role in ["host", "left"] {
            ip(&format!("netns del {}", self.of(role)));
        }
    }
}

fn ip(line: &str) -> bool {
    let output = Command::new("ip").args(line.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// Connects from an address and waits for the hello.
fn hello(from: &str, port: u16) -> std::io::Result<()> {
    let address = |text: &str| text.parse::<IpAddr>().map_err(std::io::Error::other);
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    // A connection that is being made is given up after the time for sending.
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(CONNECT_MAX))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(CONNECT_MAX))?;
    bind(&socket, &SocketAddr::new(address(from)?, 0))?;
    connect(&socket, &SocketAddr::new(address(HOST)?, port))?;
    TcpStream::from(socket).read_exact(&mut [0; 5])
}
