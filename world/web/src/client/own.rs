//! Which addresses are this machine's own: what is sent to them never leaves it.
//!
//! To compare with a list of addresses would not do, for a route makes whole networks local. So the kernel is asked for the
//! way, as `ip route get` asks it. This room must never know what is done with the answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const GET_ROUTE: u16 = 26;
const NEW_ROUTE: u16 = 24;
const REQUEST: u16 = 0x001;
const RTA_DST: u16 = 1;
const HEADER_BYTES: u32 = 16;
const ROUTE_HEADER_BYTES: u32 = 12;
const ATTRIBUTE_BYTES: usize = 4;
/// Where in an answer stands what it is, and what becomes of what goes that way.
const KIND: std::ops::Range<usize> = 4..6;
const ROUTE_KIND: usize = 23;
/// It is this machine's own.
const LOCAL: u8 = 2;
/// Several machines have it, and this is one of them.
const ANYCAST: u8 = 4;
/// The answer about one way is a fraction of that.
const ANSWER_BYTES_MAX: usize = 4096;
/// Nothing is ever sent to this port.
const PORT: u16 = 9;

/// Whether what is sent to an address stays on this machine.
pub(super) fn is_own(address: IpAddr) -> bool {
    // A sandbox may leave no way to ask. The address that would speak to it tells as much of most.
    stays(address).or_else(|_| is_spoken_from(address)).unwrap_or(false)
}

/// The kernel's word. It sends what has no way nowhere, so that is not its own.
fn stays(address: IpAddr) -> io::Result<bool> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::send(&socket, &question(address), SendFlags::empty())?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    // It is there before the question's call returns.
    let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::DONTWAIT)?;
    let answer = &answer[..length];
    let route = answer.get(KIND) == Some(&NEW_ROUTE.to_ne_bytes());
    Ok(route && matches!(answer.get(ROUTE_KIND), Some(&LOCAL | &ANYCAST)))
}

fn question(address: IpAddr) -> Vec<u8> {
    let (family, bytes) = match address {
        IpAddr::V4(address) => (AddressFamily::INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::INET6, address.octets().to_vec()),
    };
    let attribute = ATTRIBUTE_BYTES + bytes.len();
    let length = HEADER_BYTES + ROUTE_HEADER_BYTES + attribute as u32;
    let mut route = [0; ROUTE_HEADER_BYTES as usize];
    (route[0], route[1]) = (family.as_raw() as u8, bytes.len() as u8 * 8);
    [
        &length.to_ne_bytes()[..],
        &GET_ROUTE.to_ne_bytes(),
        &REQUEST.to_ne_bytes(),
        // Its number, and whose it is, which the kernel knows.
        &[0; 8],
        &route,
        &(attribute as u16).to_ne_bytes(),
        &RTA_DST.to_ne_bytes(),
        &bytes,
    ]
    .concat()
}

/// Whether the kernel would speak to it from itself. It is not said of an interface's further addresses.
fn is_spoken_from(address: IpAddr) -> io::Result<bool> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((address, PORT))?;
    Ok(socket.local_addr()?.ip() == address)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{is_own, is_spoken_from, stays};

    #[test]
    fn what_stays_here_is_its_own() {
        let check = |address: &str, own: bool, spoken_from: bool| {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(stays(address).expect("an answer"), own, "{address}");
            assert_eq!(is_own(address), own, "{address}");
            assert_eq!(is_spoken_from(address).unwrap_or(false), spoken_from, "{address}");
        };
        check("127.0.0.1", true, true);
        check("127.9.9.9", true, false);
        check("192.0.2.1", false, false);
        check("1.1.1.1", false, false);
        check("2001:db8::1", false, false);
        check("2606:4700::1111", false, false);
    }
}
