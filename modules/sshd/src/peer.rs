//! Who tried, and from where: the part that most of sshd's messages share.
//!
//! User names are chosen by whoever connects, spaces and the word `from` included, while sshd itself writes what
//! comes after them. So everything here is read from the right end: `root from 192.0.2.1 port 22 from 198.51.100.7
//! port 4711` is a strange user at 198.51.100.7. This file knows shapes, never what follows from them.

use crate::bytes::{last_space, without_end};

/// The longest decimal form of a port.
const PORT_DIGITS_MAX: usize = 5;

/// What sshd writes where it can't tell the address.
const UNKNOWN: &[u8] = b"UNKNOWN";

/// The prefix of an IPv4 address in the form of an IPv6 one.
const MAPPED: &[u8] = b"::ffff:";

/// The other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer<'a> {
    /// Its address, or its name where the server looks names up; empty if unknown.
    pub addr: &'a [u8],
    /// Its port; 0 if the message does not tell, as with old versions.
    pub port: u16,
}

/// An account that somebody tried, and from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Who<'a> {
    /// The name, as sshd logged it; empty if unknown, or if it is empty.
    pub user: &'a [u8],
    /// Whether sshd says that there is no such account, or that it may not log in.
    pub invalid: bool,
    /// From where.
    pub peer: Peer<'a>,
}

impl<'a> Peer<'a> {
    /// Splits `... ADDRESS[ port PORT]` into what comes before and the peer.
    #[inline]
    pub fn at_end(text: &'a [u8]) -> Option<(&'a [u8], Self)> {
        let (head, last) = split_last(text);
        let (head, addr, port) = match (port(last), without_end(head, b" port")) {
            (Some(port), Some(head)) => {
                let (head, addr) = split_last(head);
                (head, addr, port)
            }
            _ => (head, last, 0),
        };
        (!addr.is_empty()).then_some((head, Self { addr: address(addr), port }))
    }

    /// Takes all of `ADDRESS`, which may be empty and holds no space.
    #[inline]
    pub fn portless(addr: &'a [u8]) -> Self {
        Self { addr: address(addr), port: 0 }
    }

    /// Reads all of `ADDRESS[ port PORT]`.
    pub fn whole(text: &'a [u8]) -> Option<Self> {
        let (head, peer) = Self::at_end(text)?;
        head.is_empty().then_some(peer)
    }
}

impl<'a> Who<'a> {
    /// Reads `[invalid user ]USER from ADDRESS[ port PORT]`.
    #[inline]
    pub fn from(text: &'a [u8]) -> Option<Self> {
        let (head, peer) = Peer::at_end(text)?;
        // An empty name leaves two spaces, of which some collectors keep one or none.
        let user = without_end(head, b" from").or_else(|| head.strip_suffix(b"from"))?;
        let (user, invalid) = validity(user);
        Some(Self { user, invalid, peer })
    }

    /// Reads `USER ADDRESS port PORT`.
    pub fn before_peer(text: &'a [u8]) -> Option<Self> {
        let (user, peer) = Peer::at_end(text)?;
        Some(Self { user, invalid: false, peer })
    }
}

/// Takes the mark of an account that does not exist off a name.
#[inline]
fn validity(user: &[u8]) -> (&[u8], bool) {
    if !matches!(user.first(), Some(b'i' | b'<')) {
        return (user, false);
    }
    for mark in [&b"invalid user"[..], b"illegal user"] {
        if let Some(name) = user.strip_prefix(mark) {
            if name.is_empty() {
                return (name, true);
            }
            if let Some(name) = name.strip_prefix(b" ") {
                return (name, true);
            }
        }
    }
    (user, user == b"<invalid username>")
}

/// The address in the form that tells that two are the same.
#[inline]
fn address(text: &[u8]) -> &[u8] {
    match text.first() {
        Some(b':') => {}
        Some(b'U') if text == UNKNOWN => return b"",
        _ => return text,
    }
    match text.strip_prefix(MAPPED) {
        Some(inner) if inner.contains(&b'.') => inner,
        _ => text,
    }
}

/// Splits at the last space; without one there is nothing before.
#[inline]
fn split_last(text: &[u8]) -> (&[u8], &[u8]) {
    match last_space(text) {
        Some(place) => (&text[..place], &text[place + 1..]),
        None => (b"", text),
    }
}

/// Reads a port.
#[inline]
fn port(text: &[u8]) -> Option<u16> {
    u16::try_from(number(text)?).ok()
}

/// Reads a number of few digits.
#[inline]
pub fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > PORT_DIGITS_MAX {
        return None;
    }
    text.iter().try_fold(0, |number, &byte| {
        byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, bool, &str, u16)>) {
        let found = Who::from(text.as_bytes());
        let expected = expected.map(|(user, invalid, addr, port)| Who {
            user: user.as_bytes(),
            invalid,
            peer: Peer { addr: addr.as_bytes(), port },
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn reads_from_the_right_end() {
        check("root from 192.0.2.7 port 50022", Some(("root", false, "192.0.2.7", 50022)));
        check("root from 192.0.2.7", Some(("root", false, "192.0.2.7", 0)));
        check("root from 2001:db8::1 port 22", Some(("root", false, "2001:db8::1", 22)));
        check("root from fe80::1%eth0 port 22", Some(("root", false, "fe80::1%eth0", 22)));
        check("root from ::ffff:192.0.2.7", Some(("root", false, "192.0.2.7", 0)));
        check("root from host.example.net", Some(("root", false, "host.example.net", 0)));
        check("root from UNKNOWN port 65535", Some(("root", false, "", 65535)));
    }

    #[test]
    fn a_name_is_whatever_stands_before() {
        check("invalid user a b from 192.0.2.7 port 1", Some(("a b", true, "192.0.2.7", 1)));
        check("illegal user x from 192.0.2.7 port 1", Some(("x", true, "192.0.2.7", 1)));
        check("invalid user  from 192.0.2.7 port 1", Some(("", true, "192.0.2.7", 1)));
        check("invalid user from 192.0.2.7 port 1", Some(("", true, "192.0.2.7", 1)));
        check("invalid user  01 from 192.0.2.7", Some((" 01", true, "192.0.2.7", 0)));
        check(" from 192.0.2.7 port 1", Some(("", false, "192.0.2.7", 1)));
        check("from 192.0.2.7 port 1", Some(("", false, "192.0.2.7", 1)));
        check(
            "<invalid username> from 192.0.2.7 port 1",
            Some(("<invalid username>", true, "192.0.2.7", 1)),
        );
        check(
            "root from 192.0.2.1 port 22 ssh2 from 192.0.2.7 port 9",
            Some(("root from 192.0.2.1 port 22 ssh2", false, "192.0.2.7", 9)),
        );
        check(
            "from 192.0.2.1 port 22 from 192.0.2.7",
            Some(("from 192.0.2.1 port 22", false, "192.0.2.7", 0)),
        );
    }

    #[test]
    fn refuses_what_has_another_shape() {
        for text in ["", "root", "root from ", "root at 192.0.2.7", "port 22", " port 22"] {
            check(text, None);
        }
        assert_eq!(number(b"123456"), None);
        assert_eq!(port(b"65536"), None);
    }
}
