//! What a request asks for, and what of it can be judged without looking at the world. All of it is hostile: the
//! texts are bounded before they are read, and nothing of them reaches the kernel but numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use correlator_world::allow::at_heart;
use correlator_world::human::Span;
use correlator_world::{Cell, Refused, Request};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::settings::{DURATION_MIN, Granted};

/// Bytes of an address or a network: the longest one has 49.
const ADDRESS_BYTES_MAX: usize = 64;
/// Characters of a reason that are shown.
const REASON_CHARS_MAX: usize = 200;

/// Networks that nobody may block, and what they are.
const NEVER: [(IpNet, &str); 9] = [
    (v4(0, 0, 8), "unspecified"),
    (v4(127, 0, 8), "loopback"),
    (v4(169, 254, 16), "link-local"),
    (v4(224, 0, 4), "multicast"),
    (IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32)), "broadcast"),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128)), "unspecified"),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)), "loopback"),
    (v6(0xfe80, 10), "link-local"),
    (v6(0xff00, 8), "multicast"),
];

/// Networks of which one /64 has clients of many networks: those of translators to IPv6, and of Teredo.
const SHARED: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 32),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),
];

const fn v4(first: u8, second: u8, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(first, second, 0, 0), length))
}

const fn v6(first: u16, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), length))
}

/// A request that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// What it names.
    pub(crate) exact: IpNet,
    /// What a single address stands for by the grant.
    pub(crate) wide: IpNet,
    /// For how long, within what is granted.
    pub(crate) duration: Duration,
    /// For how long it asked, where that is more.
    pub(crate) asked: Option<Duration>,
}

/// What is asked for, if the grant covers it.
pub(crate) fn wish(granted: &Granted, request: &Request) -> Result<Wish, Refused> {
    let known = |name: &str| matches!(name, "address" | "duration" | "reason");
    if let Some((name, _)) = request.cells.iter().find(|(name, _)| !known(name)) {
        return Err(malformed(format!(
            "there is no column `{}`: `address`, `duration` and `reason` are",
            short(name)
        )));
    }
    if !matches!(request.cell("reason"), None | Some(Cell::Text(_))) {
        return Err(malformed("column `reason` is no text".into()));
    }
    let exact = address(request)?;
    too_large(granted, &exact).map_or(Ok(()), |why| Err(denied(why)))?;
    never(&exact).map_or(Ok(()), |why| Err(denied(why)))?;
    let (duration, asked) = duration(granted, request)?;
    Ok(Wish { exact, wide: widened(granted, exact), duration, asked })
}

/// Why a network is too large for the grant, if it is.
pub(crate) fn too_large(granted: &Granted, net: &IpNet) -> Option<String> {
    at_heart(net, |net| {
        let prefix_min = if is_v6(net) { granted.v6_prefix_min } else { granted.v4_prefix_min };
        let large = net.prefix_len() < prefix_min;
        large.then(|| {
            format!("{net} is too large a network: /{prefix_min} is the largest; `prefix_min` in the grant says so")
        })
    })
}

/// The address that a request names, in one form.
pub(crate) fn address(request: &Request) -> Result<IpNet, Refused> {
    match request.cell("address") {
        None => Err(malformed("column `address` is missing".into())),
        Some(Cell::Text(text)) => network(text).map_err(malformed),
        Some(_) => Err(malformed("column `address` is no text".into())),
    }
}

/// The network that an address stands for.
pub(crate) fn widened(granted: &Granted, exact: IpNet) -> IpNet {
    match exact {
        IpNet::V6(net)
            if net.prefix_len() == 128 && !SHARED.iter().any(|shared| shared.contains(&net)) =>
        {
            clipped(net.addr().into(), granted.v6_prefix)
        }
        net => net,
    }
}

fn duration(granted: &Granted, request: &Request) -> Result<(Duration, Option<Duration>), Refused> {
    let nanoseconds = match request.cell("duration") {
        None => return Ok((granted.duration, None)),
        Some(Cell::Duration(nanoseconds)) => *nanoseconds,
        Some(_) => return Err(malformed("column `duration` is no duration".into())),
    };
    let asked = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
    if asked < DURATION_MIN {
        return Err(malformed(format!("column `duration` has {nanoseconds} ns: 1s is the least")));
    }
    Ok((asked.min(granted.duration_max), Some(asked).filter(|asked| *asked > granted.duration_max)))
}

/// An address or a network: in canonical form, IPv4 wherever it is IPv4 at heart.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let wrong = || format!("`{}` is neither an address nor a network", short(text));
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(wrong());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    text.parse().map(canonical).map_err(|_| wrong())
}

/// A network in its one form.
pub(crate) fn canonical(net: IpNet) -> IpNet {
    if let IpNet::V6(net) = net
        && let (Some(mapped), 96..) = (net.addr().to_ipv4_mapped(), net.prefix_len())
    {
        return clipped(mapped.into(), net.prefix_len() - 96);
    }
    net.trunc()
}

/// Addresses and networks of a list.
pub(crate) fn networks(texts: &[String]) -> Result<Vec<IpNet>, String> {
    texts.iter().map(|text| network(text)).collect()
}

/// The network of this length that an address is in.
pub(crate) fn clipped(address: IpAddr, length: u8) -> IpNet {
    match address {
        IpAddr::V4(address) => {
            Ipv4Net::new(address, length.min(32)).unwrap_or_default().trunc().into()
        }
        IpAddr::V6(address) => {
            Ipv6Net::new(address, length.min(128)).unwrap_or_default().trunc().into()
        }
    }
}

/// Why nobody may block it, if so.
pub(crate) fn never(net: &IpNet) -> Option<String> {
    at_heart(net, |net| {
        let (never, what) = NEVER.iter().find(|(never, _)| overlap(never, net))?;
        Some(format!("{net} overlaps {never}, which is {what} and never blocked"))
    })
}

/// Whether they have an address in common.
pub(crate) fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// Whether it is IPv6.
pub(crate) fn is_v6(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(_))
}

/// What is done, in one line.
pub(crate) fn plan(granted: &Granted, request: &Request) -> String {
    let set = format!("set `{}` of table inet {}", short(&request.target), granted.table);
    let wish = match wish(granted, request) {
        Ok(wish) => wish,
        Err(refused) => return format!("block nothing in {set}: {refused}"),
    };
    let asked =
        wish.asked.map_or_else(String::new, |asked| format!(" (asked for {})", Span(asked)));
    let stands =
        if wish.wide == wish.exact { String::new() } else { format!(" for {}", wish.exact.addr()) };
    let reason =
        request.text("reason").map_or_else(String::new, |text| format!(": {}", short(text)));
    format!(
        "block {}{stands} in {set} for {}{asked}{reason}",
        shown(&wish.wide),
        Span(wish.duration)
    )
}

/// A single address without its length.
pub(crate) fn shown(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// What a guest said, fit for a line: bounded, and nothing in it moves a cursor.
pub(crate) fn short(text: &str) -> String {
    let cut: String = text.chars().take(REASON_CHARS_MAX).collect();
    let end = if cut.len() < text.len() { "..." } else { "" };
    let plain = |c: char| match c {
        ' '..='~' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    cut.chars().map(plain).chain([end.to_owned()]).collect()
}

fn denied(why: String) -> Refused {
    Refused::Denied(why)
}

fn malformed(why: String) -> Refused {
    Refused::Malformed(why)
}

#[cfg(test)]
mod tests;
