//! What sources have among each other: standard input is read once, and nobody listens where another does.

use std::net::SocketAddr;

use correlator_source::settings::{Address, Door, Source, SourcePath};

use super::Checker;
use crate::stack::problem::{Place, Wrong};
use crate::stack::{Control, address, source};

impl Checker<'_> {
    pub(super) fn sources(&mut self) -> Vec<Source> {
        let raw = self.raw;
        let mut sources: Vec<(Source, Place)> = Vec::new();
        for raw in &raw.sources {
            let Some((source, place)) = source::read(raw, &self.zone, &mut self.problems) else {
                continue;
            };
            self.listens_alone(&source, &place, &sources);
            let inputs = inputs(&source);
            let before = sources.iter().any(|(source, _)| self::inputs(source) > 0);
            if inputs > 1 || inputs > 0 && before {
                let wrong = Wrong::new("standard input can be read only once");
                self.problems.error(&raw.name.place, wrong.help("remove one of the `-`"));
            }
            sources.push((source, place));
        }
        sources.into_iter().map(|(source, _)| source).collect()
    }

    /// Complains of an address of the engine's own that a source has.
    pub(super) fn reached_alone(&mut self, control: &Control, place: &Place, sources: &[Source]) {
        let socket = control.socket.clone().map(|path| Address::Path(path, 0));
        let metrics = control.metrics.map(Address::Internet);
        for address in socket.into_iter().chain(metrics) {
            let taken = |source: &&Source| {
                let stream = matches!(source.door, Door::Stream { .. });
                let path = matches!(address, Address::Path(..));
                let door = &source.door;
                (stream || path)
                    && listens(source).is_some_and(|taken| clash(door, &address, door, taken))
            };
            if let Some(source) = sources.iter().find(taken) {
                let (name, told) = (&source.name, address::text(&address));
                let wrong = Wrong::new(format!("source `{name}` listens at `{told}` already"));
                self.problems.error(place, wrong.help("choose another address"));
            }
        }
    }

    /// Complains of an address that a source before this one has.
    fn listens_alone(&mut self, source: &Source, place: &Place, before: &[(Source, Place)]) {
        let Some(address) = listens(source) else { return };
        for (other, first) in before {
            if !listens(other).is_some_and(|taken| clash(&source.door, address, &other.door, taken))
            {
                continue;
            }
            let told = address::text(address);
            let name = &other.name;
            let wrong = Wrong::new(format!("source `{name}` listens at `{told}` already"));
            let help = format!("it is first at {first}; choose another address");
            return self.problems.error(place, wrong.help(help));
        }
    }
}

fn inputs(source: &Source) -> usize {
    let Door::Files { paths, .. } = &source.door else { return 0 };
    paths.iter().filter(|path| **path == SourcePath::Input).count()
}

const fn listens(source: &Source) -> Option<&Address> {
    match &source.door {
        Door::Files { .. } => None,
        Door::Stream { address, .. } | Door::Datagram { address, .. } => Some(address),
    }
}

/// Whether two doors can't both be open.
fn clash(door: &Door, address: &Address, other: &Door, taken: &Address) -> bool {
    let alike = std::mem::discriminant(door) == std::mem::discriminant(other);
    match (address, taken) {
        (Address::Internet(one), Address::Internet(other)) => alike && meet(*one, *other),
        // A name in the file system is one socket, whatever its kind.
        (Address::Path(one, _), Address::Path(other, _)) => one == other,
        // A name stands for one socket; a unit that opens several gives each a name of its own.
        (Address::Inherited(one), Address::Inherited(other)) => one == other,
        _ => false,
    }
}

/// Whether a connection to one may be one to the other. The kernel chooses for port 0, and never the same twice.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let (first, second) = (one.ip().to_canonical(), other.ip().to_canonical());
    let every = |ip: std::net::IpAddr, other: std::net::IpAddr| {
        // All of IPv6 is all of IPv4 besides.
        ip.is_unspecified() && (ip.is_ipv6() || other.is_ipv4())
    };
    // Addresses of one link are told apart by their interface.
    let same = one == other || first.is_ipv4() && first == second;
    one.port() == other.port()
        && one.port() != 0
        && (same || every(first, second) || every(second, first))
}
