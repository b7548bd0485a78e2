//! The door of a source, as it is typed: by which key, with which others, and what they come to.
//!
//! Every key is for certain doors; one that would do nothing is a mistake. This room must never open anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use correlator_source::settings::{Address, Door, SourcePath, StreamLimits, Tls};

use super::{files, key};
use crate::limit::{self, Unit, setting};
use crate::stack::fields::Fields;
use crate::stack::node::{Key, Node};
use crate::stack::problem::{Place, Problems, Wrong};
use crate::stack::{address, bound, path, suggest, value};
use crate::text::clean;

/// The port of syslog, and of syslog by TLS, in examples.
const PORT: u16 = 514;
const PORT_TLS: u16 = 6514;

/// The keys that only some doors have, and which.
const KEYS: [(&str, &[&str]); 11] = [
    (key::FOLLOW, &[key::FILE]),
    (key::CONNECTIONS, &[key::TCP, key::TLS, key::UNIX]),
    (key::PER_ADDRESS, &[key::TCP, key::TLS]),
    (key::IDLE, &[key::TCP, key::TLS, key::UNIX]),
    (key::BYTES_IN_FLIGHT, &[key::TCP, key::TLS, key::UNIX]),
    (key::CERTIFICATE, &[key::TLS]),
    (key::KEY, &[key::TLS]),
    (key::CLIENT_AUTHORITY, &[key::TLS]),
    (key::CLIENT_NAMES, &[key::TLS]),
    (key::BUFFER, &[key::UDP, key::UNIX_DATAGRAM]),
    (key::MODE, &[key::UNIX, key::UNIX_DATAGRAM]),
];

/// A source's door as it is typed.
pub(super) struct Typed<'a> {
    /// Which it is.
    pub(super) name: &'static str,
    /// Where its value stands.
    pub(super) node: &'a Arc<Node>,
    /// What people call the source.
    pub(super) what: &'a str,
    /// Where the source stands.
    pub(super) place: &'a Place,
    /// What relative paths are relative to.
    pub(super) folder: &'a Path,
}

/// The one door of a source; nothing, and a problem, if there is none or more than one.
pub(super) fn find<'a>(
    entries: &'a [(Key, Arc<Node>)],
    what: &str,
    place: &Place,
    problems: &mut Problems,
) -> Option<(&'static str, &'a Arc<Node>)> {
    let mut doors = entries.iter().filter_map(|(key, node)| {
        let name = key::DOORS.into_iter().find(|name| *name == key.text)?;
        Some((name, key, node))
    });
    let Some((name, _, node)) = doors.next() else {
        // A door that was mistyped is told as such.
        if !entries.iter().any(|(key, _)| suggest::nearest(&key.text, &key::DOORS).is_some()) {
            let wrong = Wrong::new(format!("{what} does not say where its records come from"));
            let help = "add `file: PATH` (`file: \"-\"` for standard input), or one of `tcp`, \
                        `tls`, `udp`, `unix`, `unix_datagram` with an address";
            problems.error(place, wrong.help(help));
        }
        return None;
    };
    let mut one = true;
    for (other, key, _) in doors {
        let wrong = Wrong::new(format!("{what} has `{name}` and `{other}`"));
        problems.error(&key.place, wrong.help("a source is one of them; make two sources"));
        one = false;
    }
    one.then_some((name, node))
}

/// Complains of keys that nobody knows and of those that are for other doors.
pub(super) fn fit(
    entries: &[(Key, Arc<Node>)],
    what: &str,
    door: Option<&'static str>,
    problems: &mut Problems,
) {
    let fits = |doors: &[&str]| door.is_none_or(|door| doors.contains(&door));
    let own = KEYS.iter().filter(|(_, doors)| fits(doors)).map(|(name, _)| *name);
    let doors = key::DOORS.into_iter().filter(|name| door.is_none_or(|door| door == *name));
    let known: Vec<&str> = doors.chain(own).chain(key::EVERY).collect();
    for (key, _) in entries {
        if known.contains(&key.text.as_str()) || key::DOORS.contains(&key.text.as_str()) {
            continue;
        }
        let name = clean(&key.text, limit::NAME_BYTES_MAX);
        let other = KEYS.iter().find(|(other, _)| *other == key.text);
        let wrong = if let (Some((_, doors)), Some(door)) = (other, door) {
            let wrong = format!("{what} is `{door}`, and `{name}` is for {}", list(doors));
            Wrong::new(wrong).help("remove it")
        } else {
            let wrong = Wrong::new(format!("{what} has no `{name}`"));
            wrong.maybe(suggest::known(&key.text, &known))
        };
        problems.error(&key.place, wrong);
    }
}

/// Names for people: "`a`, `b` and `c`".
fn list(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => {
            format!("{} and `{last}`", suggest::quoted(first))
        }
        _ => suggest::quoted(names),
    }
}

/// What the door and its keys come to.
pub(super) fn read(
    typed: &Typed<'_>,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<Door> {
    fields.typed.push(typed.name);
    match typed.name {
        key::FILE => Some(file(typed, fields, problems)),
        key::UDP | key::UNIX_DATAGRAM => datagram(typed, fields, problems),
        _ => stream(typed, fields, problems),
    }
}

fn file(typed: &Typed<'_>, fields: &mut Fields<'_>, problems: &mut Problems) -> Door {
    let paths = files::read(typed.node, typed.folder, problems);
    let follow = fields.read(key::FOLLOW, problems, |node| {
        node.scalar("`true` or `false`").and_then(value::boolean)
    });
    let follow = follow.unwrap_or(false);
    if follow && paths.contains(&SourcePath::Input) {
        let wrong = Wrong::new("standard input can't be followed");
        let help = "remove `follow`: what comes by a pipe is read as it comes anyway";
        problems.error(&typed.node.place, wrong.help(help));
    }
    Door::Files { paths, follow }
}

fn datagram(typed: &Typed<'_>, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Door> {
    let bounds = setting::DATAGRAM_BUFFER_MIN..=setting::DATAGRAM_BUFFER_MAX;
    let buffer = fields
        .read(key::BUFFER, problems, |node| bound::read("`buffer`", Unit::Bytes, bounds, node));
    let buffer = buffer.unwrap_or(setting::DATAGRAM_BUFFER_DEFAULT);
    let address = listen(typed, fields, problems)?;
    Some(Door::Datagram { address, buffer_bytes: buffer as usize })
}

fn stream(typed: &Typed<'_>, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Door> {
    let limits = limits(typed.name, fields, problems);
    let tls = if typed.name == key::TLS { Some(tls(typed, fields, problems)) } else { None };
    let address = listen(typed, fields, problems)?;
    Some(Door::Stream { address, limits, tls: tls.map_or(Some(None), |tls| tls.map(Some))? })
}

/// Where to listen.
fn listen(typed: &Typed<'_>, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Address> {
    let node = typed.node;
    if !matches!(typed.name, key::UNIX | key::UNIX_DATAGRAM) {
        let port = if typed.name == key::TLS { PORT_TLS } else { PORT };
        return problems.take(&node.place, address::network(node, port));
    }
    let mode_node = fields.get(key::MODE);
    let mode = mode_node.and_then(|node| problems.take(&node.place, mode(node)));
    let mode = mode.unwrap_or(setting::SOCKET_MODE_DEFAULT);
    let address = problems.take(&node.place, address::local(node, typed.folder, mode))?;
    if let (Address::Inherited(_), Some(node)) = (&address, mode_node) {
        let wrong = Wrong::new("the mode of a socket that systemd hands over is its unit's");
        problems.error(&node.place, wrong.help("remove it, and set `SocketMode=` there"));
    }
    Some(address)
}

/// Who may connect to a socket in the file system.
fn mode(node: &Node) -> Result<u32, Wrong> {
    let text = node.scalar("a mode such as `\"0660\"`")?;
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(|| {
        let wrong = format!("expected a mode such as `\"0660\"`, found {}", node.found());
        Wrong::new(wrong).help("it has three octal digits: for the owner, the group, the others")
    })
}

fn limits(door: &str, fields: &mut Fields<'_>, problems: &mut Problems) -> StreamLimits {
    let connections = fields.read(key::CONNECTIONS, problems, |node| {
        bound::read("`connections`", Unit::Count, 1..=setting::CONNECTIONS_MAX, node)
    });
    let connections = connections.map_or(setting::CONNECTIONS_DEFAULT, |count| count as usize);
    let per_address = fields.read(key::PER_ADDRESS, problems, |node| {
        bound::read("`connections_per_address`", Unit::Count, 1..=setting::CONNECTIONS_MAX, node)
    });
    let bounds = setting::CONNECTION_IDLE_MIN..=setting::CONNECTION_IDLE_MAX;
    let idle = fields.read(key::IDLE, problems, |node| {
        if node.scalar("") == Ok(key::NEVER) {
            return Ok(None);
        }
        let time = bound::time("`idle`", bounds, node).map(Some);
        time.map_err(|wrong| match wrong.help {
            None => wrong.help("or write `never`"),
            Some(_) => wrong,
        })
    });
    let bounds = setting::BYTES_IN_FLIGHT_MIN..=setting::BYTES_IN_FLIGHT_MAX;
    let bytes = fields.read(key::BYTES_IN_FLIGHT, problems, |node| {
        bound::read("`bytes_in_flight`", Unit::Bytes, bounds, node)
    });
    StreamLimits {
        connections,
        per_address: per_address.map_or_else(|| share_default(connections), |count| count as usize),
        idle: idle.unwrap_or_else(|| idle_default(door)),
        bytes_in_flight: bytes.unwrap_or(setting::BYTES_IN_FLIGHT_DEFAULT) as usize,
    }
}

/// Many may come by one address, and some have to be left for others.
pub(in crate::stack) fn share_default(connections: usize) -> usize {
    connections - connections / setting::CONNECTIONS_FOR_OTHERS
}

/// A peer in the network may be gone without a word; one on this machine can't.
pub(in crate::stack) fn idle_default(door: &str) -> Option<std::time::Duration> {
    (door != key::UNIX).then_some(setting::CONNECTION_IDLE_DEFAULT)
}

fn tls(typed: &Typed<'_>, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Tls> {
    let mut file = |name: &'static str, expected: &str| {
        fields.read(name, problems, |node| path::read(expected, node, typed.folder))
    };
    let certificate = file(key::CERTIFICATE, "the path of a certificate");
    let private = file(key::KEY, "the path of a private key");
    let client_authority = file(key::CLIENT_AUTHORITY, "the path of an authority's certificate");
    let names = fields.get(key::CLIENT_NAMES);
    for (name, meaning) in [
        (key::CERTIFICATE, "the file (PEM) of the certificate that it shows"),
        (key::KEY, "the file (PEM) of the certificate's private key"),
    ] {
        if !fields.typed.contains(&name) {
            let wrong = Wrong::new(format!("{} needs `{name}`, {meaning}", typed.what));
            let help = match typed.place {
                Place::Flag { .. } => format!("add `--{name} {name}.pem`"),
                _ => format!("add `{name}: {name}.pem`"),
            };
            problems.error(typed.place, wrong.help(help));
        }
    }
    if let (Some(node), false) = (names, fields.typed.contains(&key::CLIENT_AUTHORITY)) {
        let wrong = "`client_names` needs `client_authority`, which says whose names are believed";
        problems.error(&node.place, Wrong::new(wrong).help("add `client_authority: ca.pem`"));
    }
    let client_names = names.map(|node| client_names(node, problems)).unwrap_or_default();
    let (certificate, key): (PathBuf, PathBuf) = (certificate?, private?);
    Some(Tls { certificate, key, client_authority, client_names })
}

/// The names of which a client's certificate must have one.
fn client_names(node: &Arc<Node>, problems: &mut Problems) -> Vec<String> {
    let nodes = node.one_or_many();
    if nodes.is_empty() || nodes.len() > limit::CLIENT_NAMES_MAX {
        let (most, found) = (limit::CLIENT_NAMES_MAX, nodes.len());
        let wrong = Wrong::new(format!("expected 1 to {most} names, found {found}"));
        problems.error(&node.place, wrong.help("remove the line if any name will do"));
        return Vec::new();
    }
    let name = |node: &Arc<Node>| problems.take(&node.place, client_name(node).map(str::to_owned));
    nodes.iter().filter_map(name).collect()
}

fn client_name(node: &Node) -> Result<&str, Wrong> {
    let text = node.scalar("a name such as `*.example.org`")?;
    let rest = text.strip_prefix("*.").unwrap_or(text);
    let harmless = |c: char| !c.is_whitespace() && !c.is_control() && c != '*';
    let fits = (1..=limit::CLIENT_NAME_BYTES_MAX).contains(&text.len());
    if fits && !rest.is_empty() && rest.chars().all(harmless) {
        return Ok(text);
    }
    let wrong = format!("expected a name such as `host.example.org`, found {}", node.found());
    Err(Wrong::new(wrong).help("`*` stands for the first part of a name, as in `*.example.org`"))
}
