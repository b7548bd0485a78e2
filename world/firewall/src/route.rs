//! What the host is on its networks: its addresses, its broadcast addresses, its gateways.

use std::net::IpAddr;

use rustix::io::Errno;

use crate::wire::{Wire, Writer, attributes};

const GET_ADDRESS: u16 = 22;
const GET_ROUTE: u16 = 26;
const ADDRESS_HEADER_BYTES: usize = 8;
const ROUTE_HEADER_BYTES: usize = 12;
const HOP_HEADER_BYTES: usize = 8;
/// What the kernel remembers of a route that it has looked up, not a route of its own.
const CLONED: u32 = 0x200;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;

/// What an address is to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Its own, or the other end of its own.
    Own,
    /// A network's broadcast address.
    Broadcast,
    /// A gateway.
    Gateway,
}

/// All that the host has now.
pub(crate) fn places() -> Result<Vec<(IpAddr, Place)>, Errno> {
    let mut wire = Wire::new(None)?;
    let (mut own, mut gateways) = (Vec::new(), Vec::new());
    wire.dump(GET_ADDRESS, &Writer::new(&[0; ADDRESS_HEADER_BYTES]), |message| match message {
        None => own.clear(),
        Some(message) => addresses(message.body, &mut own),
    })?;
    wire.dump(GET_ROUTE, &Writer::new(&[0; ROUTE_HEADER_BYTES]), |message| match message {
        None => gateways.clear(),
        Some(message) => route(message.body, &mut gateways),
    })?;
    own.append(&mut gateways);
    own.sort_unstable();
    own.dedup();
    Ok(own)
}

fn addresses(body: &[u8], found: &mut Vec<(IpAddr, Place)>) {
    for (kind, value) in attributes(body, ADDRESS_HEADER_BYTES) {
        let place = match kind {
            IFA_ADDRESS | IFA_LOCAL => Place::Own,
            IFA_BROADCAST => Place::Broadcast,
            _ => continue,
        };
        found.extend(address(value).map(|address| (address, place)));
    }
}

fn route(body: &[u8], found: &mut Vec<(IpAddr, Place)>) {
    let flags = body.get(8..).and_then(|flags| flags.first_chunk());
    if flags.is_none_or(|flags| u32::from_ne_bytes(*flags) & CLONED != 0) {
        return;
    }
    gateways(attributes(body, ROUTE_HEADER_BYTES), found);
    let ways = attributes(body, ROUTE_HEADER_BYTES).find(|(kind, _)| *kind == RTA_MULTIPATH);
    let mut rest = ways.map_or(&[][..], |(_, ways)| ways);
    while let Some(length) =
        rest.first_chunk().map(|length| usize::from(u16::from_ne_bytes(*length)))
    {
        let Some(hop) = rest.get(..length).filter(|_| length >= HOP_HEADER_BYTES) else { break };
        gateways(attributes(hop, HOP_HEADER_BYTES), found);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn gateways<'a>(
    attributes: impl Iterator<Item = (u16, &'a [u8])>,
    found: &mut Vec<(IpAddr, Place)>,
) {
    for (kind, value) in attributes {
        let gateway = match kind {
            RTA_GATEWAY => address(value),
            // An IPv4 route over an IPv6 neighbour names the family first.
            RTA_VIA => value.get(2..).and_then(address),
            _ => None,
        };
        found.extend(gateway.map(|gateway| (gateway, Place::Gateway)));
    }
}

/// An address by its bytes.
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(bytes));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_canonical())
}
