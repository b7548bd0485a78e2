//! What is said to nftables: tables, chains, sets and their elements as messages, and back. It must never know why
//! something is in a set.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::rule::Rule;
use crate::settings::Hook;
use crate::wire::{Batch, Message, Writer, attribute, attributes};
use crate::wish;

/// The part of netfilter that nftables is.
pub(crate) const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const DELETE_ELEMENT: u16 = 14;
/// What there is to be listed, by the kind of message.
pub(crate) const GET_RULE: u16 = kind(7);
pub(crate) const GET_SET: u16 = kind(10);
pub(crate) const GET_ELEMENT: u16 = kind(13);
pub(crate) const GET_GENERATION: u16 = kind(16);

const fn kind(message: u16) -> u16 {
    (SUBSYSTEM << 8) | message
}

const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
/// Family inet, which is both, version 0.
const HEADER: [u8; 4] = [1, 0, 0, 0];
const HEADER_BYTES: usize = 4;

const SET_TIMEOUT: u32 = 0x10;
/// What `nft` calls `ipv4_addr` and `ipv6_addr`.
const KEY_TYPES: [u32; 2] = [7, 8];
const HOOK_INPUT: u32 = 1;
const HOOK_FORWARD: u32 = 2;
const ACCEPT: u32 = 1;
/// Where `nft` looks for a comment.
const COMMENT: u8 = 0;

/// Elements of one message: their list has to stay below 64 KiB.
pub(crate) const ELEMENTS_PER_MESSAGE_MAX: usize = 1000;
/// Bytes of an element in a message.
pub(crate) const ELEMENT_BYTES_MAX: usize = 44;

/// A family and a length of prefix: what one set of the kernel holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Width {
    pub(crate) v6: bool,
    pub(crate) length: u8,
}

impl Width {
    /// The first in order.
    pub(crate) const MIN: Self = Self { v6: false, length: 0 };
    /// The last in order.
    pub(crate) const MAX: Self = Self { v6: true, length: 128 };

    /// Of a network.
    pub(crate) fn of(net: &IpNet) -> Self {
        Self { v6: wish::is_v6(net), length: net.prefix_len() }
    }

    /// Of single addresses.
    pub(crate) fn is_single(self) -> bool {
        usize::from(self.length) == self.bytes() * 8
    }

    /// Bytes of an address.
    pub(crate) fn bytes(self) -> usize {
        if self.v6 { 16 } else { 4 }
    }

    /// The bits of an address that count.
    pub(crate) fn mask(self) -> Vec<u8> {
        let ones = |byte: usize| usize::from(self.length).saturating_sub(byte * 8).min(8);
        (0..self.bytes()).map(|byte| (0xff00_u16 >> ones(byte)) as u8).collect()
    }

    /// The name of the kernel's set.
    pub(crate) fn set(self, name: &str) -> String {
        let family = if self.v6 { "v6" } else { "v4" };
        if self.is_single() {
            format!("{name}_{family}")
        } else {
            format!("{name}_{family}_{}", self.length)
        }
    }

    /// What a set of the kernel holds, if it is one of those of a name.
    fn read(set: &str, name: &str) -> Option<Self> {
        let rest = set.strip_prefix(name)?.strip_prefix('_')?;
        let (family, length) =
            rest.split_once('_').map_or((rest, None), |(it, length)| (it, Some(length)));
        let v6 = match family {
            "v4" => false,
            "v6" => true,
            _ => return None,
        };
        let most = if v6 { 128 } else { 32 };
        let length = length.map_or(Some(most), |length| length.parse().ok())?;
        Some(Self { v6, length }).filter(|it| length <= most && it.set(name) == set)
    }
}

/// The chains that a set may have, each with its hook if it ought to have it.
pub(crate) fn chains(name: &str, hook: Hook) -> [(String, Option<u32>); 2] {
    let input = (hook != Hook::Forward).then_some(HOOK_INPUT);
    let forward = (hook != Hook::Input).then_some(HOOK_FORWARD);
    [(format!("{name}_input"), input), (format!("{name}_forward"), forward)]
}

/// A table, if there is none yet.
pub(crate) fn add_table(batch: &mut Batch, table: &str) {
    batch.add(NEW_TABLE, CREATE, Writer::new(&HEADER).text(1, table));
}

/// A set whose entries expire, if there is none yet.
pub(crate) fn add_set(batch: &mut Batch, table: &str, name: &str, width: Width) {
    let mut body = Writer::new(&HEADER);
    body.text(1, table).text(2, &width.set(name)).number(3, SET_TIMEOUT);
    body.number(4, KEY_TYPES[usize::from(width.v6)]).number(5, width.bytes() as u32);
    // A number by which the batch could name it; the kernel wants one.
    body.number(10, u32::from(width.v6) << 8 | u32::from(width.length));
    batch.add(NEW_SET, CREATE, &body);
}

/// A chain without rules at a hook, whatever was there by that name; without a hook, none.
pub(crate) fn replace_chain(
    batch: &mut Batch,
    table: &str,
    chain: &str,
    hook: Option<u32>,
    priority: i32,
) {
    let named = |of: u16| {
        let mut body = Writer::new(&HEADER);
        body.text(1, table).text(of, chain);
        body
    };
    // A chain can't change its hook, and deleting one that isn't there fails: so it is made, emptied, deleted.
    batch.add(NEW_CHAIN, CREATE, &named(3));
    batch.add(DELETE_RULE, 0, &named(2));
    batch.add(DELETE_CHAIN, 0, &named(3));
    let Some(hook) = hook else { return };
    let mut body = named(3);
    body.nest(4, |inner| {
        inner.number(1, hook).number(2, priority.cast_unsigned());
    });
    body.number(5, ACCEPT).text(7, "filter");
    batch.add(NEW_CHAIN, CREATE, &body);
}

/// A rule after those that are there.
pub(crate) fn add_rule(
    batch: &mut Batch,
    table: &str,
    chain: &str,
    rule: Rule,
    set: &str,
    priority: i32,
) {
    let mut body = Writer::new(&HEADER);
    body.text(1, table).text(2, chain);
    body.nest(4, |expressions| rule.write(expressions, set));
    let comment = rule.comment(priority);
    let start = [COMMENT, (comment.len() + 1) as u8];
    body.bytes(7, &[&start[..], comment.as_bytes(), &[0]].concat());
    batch.add(NEW_RULE, CREATE | APPEND, &body);
}

/// Nobody waits for the end of a block that is longer.
pub(crate) const FOREVER: Duration = Duration::from_hours(100 * 366 * 24);

/// What is done with elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// They come, for this long each; one that is there stays as it is.
    Add,
    /// They go; one that isn't there is a failure.
    Delete,
}

/// Changes elements of one set of the kernel, not more than fit into a message.
pub(crate) fn change_elements(
    batch: &mut Batch,
    change: Change,
    (table, set): (&str, &str),
    elements: &[(IpAddr, Duration)],
) {
    debug_assert!(elements.len() <= ELEMENTS_PER_MESSAGE_MAX);
    let mut body = Writer::new(&HEADER);
    body.text(1, table).text(2, set);
    body.nest(3, |list| elements.iter().for_each(|element| write_element(list, change, element)));
    match change {
        Change::Add => batch.add(NEW_ELEMENT, CREATE, &body),
        Change::Delete => batch.add(DELETE_ELEMENT, 0, &body),
    }
}

fn write_element(list: &mut Writer, change: Change, (address, remaining): &(IpAddr, Duration)) {
    list.nest(1, |element| {
        element.nest(1, |key| {
            match address {
                IpAddr::V4(address) => key.bytes(1, &address.octets()),
                IpAddr::V6(address) => key.bytes(1, &address.octets()),
            };
        });
        // The kernel refuses longer ones; an element without a timeout stays.
        if change == Change::Add && *remaining < FOREVER {
            let milliseconds = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
            element.long(4, milliseconds.max(1));
        }
    });
}

/// What to ask for everything of a table, or of a set in it.
pub(crate) fn everything_of(table: &str, set: Option<&str>) -> Writer {
    let mut body = Writer::new(&HEADER);
    body.text(1, table);
    if let Some(set) = set {
        body.text(2, set);
    }
    body
}

/// What to ask for one element.
pub(crate) fn element_of(table: &str, set: &str, address: IpAddr) -> Writer {
    let mut body = everything_of(table, Some(set));
    body.nest(3, |list| write_element(list, Change::Delete, &(address, Duration::ZERO)));
    body
}

/// What to ask for the number of changes.
pub(crate) fn generation() -> Writer {
    Writer::new(&[0; HEADER_BYTES])
}

/// The number of changes that the kernel tells.
pub(crate) fn read_generation(message: &Message<'_>) -> Option<u32> {
    let number = attribute(message.body, HEADER_BYTES, 1)?;
    number.first_chunk().map(|number| u32::from_be_bytes(*number))
}

/// The chain and the comment of a rule of this table.
pub(crate) fn read_rule(message: &Message<'_>, table: &str) -> Option<(String, String)> {
    let of = |kind| attribute(message.body, HEADER_BYTES, kind);
    if text(of(1)?)? != table {
        return None;
    }
    let comment = of(7).and_then(|data| match data {
        [COMMENT, length, rest @ ..] => text(rest.get(..usize::from(*length))?),
        _ => None,
    });
    Some((text(of(2)?)?.to_owned(), comment.unwrap_or_default().to_owned()))
}

/// What a set of this table holds, if it is one of those of a name.
pub(crate) fn read_set(message: &Message<'_>, table: &str, name: &str) -> Option<Width> {
    let of = |kind| attribute(message.body, HEADER_BYTES, kind).and_then(text);
    if of(1)? != table {
        return None;
    }
    Width::read(of(2)?, name)
}

/// The elements that a message tells, with how long each stays.
pub(crate) fn read_elements(
    message: &Message<'_>,
    width: Width,
    mut found: impl FnMut(IpNet, Duration),
) {
    let list = attribute(message.body, HEADER_BYTES, 3).unwrap_or_default();
    for (_, element) in attributes(list, 0) {
        let key = attribute(element, 0, 1).and_then(|key| attribute(key, 0, 1));
        let Some(address) = key.and_then(crate::route::address) else { continue };
        // Somebody may have added an element that stays for good.
        let rest = attribute(element, 0, 5).and_then(|rest| rest.first_chunk());
        let rest =
            rest.map_or(Duration::MAX, |rest| Duration::from_millis(u64::from_be_bytes(*rest)));
        let net = wish::clipped(address, width.length);
        if wish::is_v6(&net) == width.v6 {
            found(net, rest);
        }
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.strip_suffix(&[0]).unwrap_or(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_by_what_they_hold() {
        let check = |name: &str, v6, length, expected: &str| {
            let width = Width { v6, length };
            assert_eq!(width.set(name), expected);
            assert_eq!(Width::read(expected, name), Some(width));
        };
        check("ssh", false, 32, "ssh_v4");
        check("ssh", false, 24, "ssh_v4_24");
        check("ssh", true, 128, "ssh_v6");
        check("ssh", true, 64, "ssh_v6_64");
        for other in [
            "ssh",
            "ssh_v5",
            "ssh_v4_32",
            "ssh_v4_33",
            "ssh_v4_024",
            "ssh_v4_x",
            "all_v4",
            "ssh_x_v4",
        ] {
            assert_eq!(Width::read(other, "ssh"), None, "{other}");
        }
    }

    #[test]
    fn masks_have_the_bits_of_their_length() {
        let check = |v6, length, expected: &[u8]| {
            assert_eq!(Width { v6, length }.mask()[..expected.len()], *expected);
        };
        check(false, 32, &[255, 255, 255, 255]);
        check(false, 24, &[255, 255, 255, 0]);
        check(false, 25, &[255, 255, 255, 128]);
        check(false, 9, &[255, 128, 0, 0]);
        check(true, 64, &[255, 255, 255, 255, 255, 255, 255, 255, 0, 0]);
        check(true, 49, &[255, 255, 255, 255, 255, 255, 128, 0]);
    }
}
