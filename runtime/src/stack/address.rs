//! Addresses as they are typed: of the network, of sockets in the file system, of sockets that are handed over.
//!
//! Nothing is looked up, so that a stack means the same whatever a name server says. This room must never open a socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use correlator_source::settings::Address;

use super::node::Node;
use super::path;
use super::problem::Wrong;
use crate::limit;
use crate::text::clean;

/// What stands before the name of a socket that systemd hands over.
const HANDED: &str = "systemd:";

/// Where to listen in the network; `port` is the one that examples have.
pub(super) fn network(node: &Node, port: u16) -> Result<Address, Wrong> {
    let text = node.scalar("an address such as `0.0.0.0:514`")?;
    match text.strip_prefix(HANDED) {
        Some(name) => handed(name),
        None => socket(text, port).map(Address::Internet),
    }
}

/// Where to listen in the file system; the mode is for a socket that is made here.
pub(super) fn local(node: &Node, folder: &Path, mode: u32) -> Result<Address, Wrong> {
    if let Some(name) = node.scalar("the path of a socket")?.strip_prefix(HANDED) {
        return handed(name);
    }
    Ok(Address::Path(socket_path(node, folder)?, mode))
}

/// The path of a socket, short enough for the kernel.
pub(super) fn socket_path(node: &Node, folder: &Path) -> Result<std::path::PathBuf, Wrong> {
    let path = path::read("the path of a socket", node, folder)?;
    let most = limit::SOCKET_PATH_BYTES_MAX;
    let length = path.as_os_str().len();
    if length <= most {
        return Ok(path);
    }
    let wrong = Wrong::new(format!("the path of a socket has at most {most} bytes, this {length}"));
    Err(wrong.help("choose a shorter one, such as in `/run/correlator`"))
}

/// An address and a port, in digits.
pub(super) fn socket(text: &str, port: u16) -> Result<SocketAddr, Wrong> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let with_port = text.rsplit_once(':').and_then(|(host, port)| Some((host, number(port)?)));
    match with_port {
        // One socket for both kinds of addresses.
        Some(("", port)) => return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
        _ => {}
    }
    let wrong = Wrong::new(format!(
        "expected an address such as `0.0.0.0:{port}`, found `{}`",
        clean(text, limit::NAME_BYTES_MAX)
    ));
    Err(wrong.maybe(help(text, with_port, port)))
}

/// What was probably meant.
fn help(text: &str, with_port: Option<(&str, u16)>, port: u16) -> Option<String> {
    if let Some(port) = number(text) {
        let every = format!("write `:{port}` for every address of this machine");
        return Some(format!("{every}, `127.0.0.1:{port}` for this machine alone"));
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(IpAddr::V4(address)) => return Some(format!("add a port, such as `{address}:{port}`")),
        Ok(IpAddr::V6(address)) => {
            let help = "an IPv6 address stands in brackets, with a port behind it";
            return Some(format!("{help}, such as `[{address}]:{port}`"));
        }
        Err(_) => {}
    }
    let (host, port) = with_port?;
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host == "*" {
        return Some(format!("write `:{port}` for every address"));
    }
    host.chars()
        .all(name)
        .then(|| "names of hosts are not looked up; write the address in digits".to_owned())
}

fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A socket that systemd hands over, by its name.
fn handed(name: &str) -> Result<Address, Wrong> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b':';
    let fits = (1..=limit::SOCKET_NAME_BYTES_MAX).contains(&name.len());
    if fits && name.bytes().all(plain) {
        return Ok(Address::Inherited(name.to_owned()));
    }
    let name = clean(name, limit::NAME_BYTES_MAX);
    let wrong = Wrong::new(format!("`{name}` is no name of a socket that systemd hands over"));
    Err(wrong.help("write the `FileDescriptorName=` of the socket's unit behind `systemd:`"))
}

/// An address as it is written in a stack.
pub(super) fn text(address: &Address) -> String {
    match address {
        Address::Internet(address) => address.to_string(),
        Address::Path(path, _) => path.display().to_string(),
        Address::Inherited(name) => format!("{HANDED}{name}"),
    }
}
