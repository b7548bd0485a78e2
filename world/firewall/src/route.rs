//! What the host is on its networks: its addresses, its broadcast addresses, its gateways.

use std::net::IpAddr;

use ipnet::IpNet;
use rustix::io::Errno;

use crate::wire::{Wire, Writer, attribute, attributes};
use crate::wish;

const GET_ADDRESS: u16 = 22;
const GET_ROUTE: u16 = 26;
const GET_NEXT_HOP: u16 = 106;
const ADDRESS_HEADER_BYTES: usize = 8;
const ROUTE_HEADER_BYTES: usize = 12;
const HOP_HEADER_BYTES: usize = 8;
const NEXT_HOP_HEADER_BYTES: usize = 8;
/// What the kernel remembers of a route that it has looked up, not a route of its own.
const CLONED: u32 = 0x200;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const RTA_DESTINATION: u16 = 1;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;
const NHA_GATEWAY: u16 = 6;

/// The table of what is the host's own. In another one a route of that type is there for a proxy, often for everything.
const TABLE_LOCAL: u8 = 255;
const TYPE_LOCAL: u8 = 2;
const TYPE_BROADCAST: u8 = 3;

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
pub(crate) fn places() -> Result<Vec<(IpNet, Place)>, Errno> {
    let mut wire = Wire::new(None)?;
    let mut places = Vec::new();
    list(&mut wire, GET_ADDRESS, ADDRESS_HEADER_BYTES, addresses, &mut places)?;
    list(&mut wire, GET_ROUTE, ROUTE_HEADER_BYTES, route, &mut places)?;
    // Routes may name their gateways by these, and say no more.
    match list(&mut wire, GET_NEXT_HOP, NEXT_HOP_HEADER_BYTES, next_hop, &mut places) {
        // A kernel before 5.3 knows none.
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

/// Everything of a kind, as it is read.
fn list(
    wire: &mut Wire,
    kind: u16,
    header_bytes: usize,
    read: fn(&[u8], &mut Vec<(IpNet, Place)>),
    places: &mut Vec<(IpNet, Place)>,
) -> Result<(), Errno> {
    let before = places.len();
    wire.dump(kind, &Writer::new(&vec![0; header_bytes]), |message| match message {
        None => places.truncate(before),
        Some(message) => read(message.body, places),
    })
}

fn addresses(body: &[u8], found: &mut Vec<(IpNet, Place)>) {
    for (kind, value) in attributes(body, ADDRESS_HEADER_BYTES) {
        let place = match kind {
            IFA_ADDRESS | IFA_LOCAL => Place::Own,
            IFA_BROADCAST => Place::Broadcast,
            _ => continue,
        };
        found.extend(address(value).map(|address| (address.into(), place)));
    }
}

fn route(body: &[u8], found: &mut Vec<(IpNet, Place)>) {
    let flags = body.get(8..).and_then(|flags| flags.first_chunk());
    if flags.is_none_or(|flags| u32::from_ne_bytes(*flags) & CLONED != 0) {
        return;
    }
    found.extend(destination(body));
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

/// What a route leads to, where that is the host itself or all of a network.
fn destination(body: &[u8]) -> Option<(IpNet, Place)> {
    let &[_, length, _, _, table, _, _, kind] = body.first_chunk()?;
    let place = match (kind, table) {
        (TYPE_LOCAL, TABLE_LOCAL) => Place::Own,
        (TYPE_BROADCAST, _) => Place::Broadcast,
        _ => return None,
    };
    let address = attribute(body, ROUTE_HEADER_BYTES, RTA_DESTINATION).and_then(address)?;
    Some((wish::clipped(address, length), place))
}

fn next_hop(body: &[u8], found: &mut Vec<(IpNet, Place)>) {
    let gateway = attribute(body, NEXT_HOP_HEADER_BYTES, NHA_GATEWAY).and_then(address);
    found.extend(gateway.map(|gateway| (gateway.into(), Place::Gateway)));
}

fn gateways<'a>(
    attributes: impl Iterator<Item = (u16, &'a [u8])>,
    found: &mut Vec<(IpNet, Place)>,
) {
    for (kind, value) in attributes {
        let gateway = match kind {
            RTA_GATEWAY => address(value),
            // An IPv4 route over an IPv6 neighbour names the family first.
            RTA_VIA => value.get(2..).and_then(address),
            _ => None,
        };
        found.extend(gateway.map(|gateway| (gateway.into(), Place::Gateway)));
    }
}

/// An address by its bytes.
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(bytes));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_canonical())
}
