//! Who is never acted against, whatever a rule says: users and networks that the operator wrote down.
//!
//! What is asked for is compared, and what the host noted of the event that it is asked for. It must never know what a
//! capability does to whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::pattern::fits;
use crate::request::{Cell, Request};

/// The columns, of events and of what is asked for, that name users.
pub const USER_COLUMNS: [&str; 5] = ["user", "username", "user_name", "account", "login"];

/// How the name of a cell begins that the host added, about the event that something is asked for.
pub const NOTED: char = '@';

/// Bytes of what is compared: names and addresses are shorter.
pub const NAME_BYTES_MAX: usize = 256;

/// Networks whose addresses stand for the IPv4 address in their last 32 bits: clients that a translator lets in (RFC 6052). In
/// the second, which is anybody's own, some are written in other ways (RFC 8215).
const TRANSLATED: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
];

/// Who is never acted against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Users, by name or pattern: `*` is any text, `?` any one character.
    pub users: Vec<String>,
    /// Networks and addresses.
    pub networks: Vec<IpNet>,
    /// The columns that name users, beside [`USER_COLUMNS`].
    pub columns: Vec<String>,
}

impl Allow {
    /// Whether nobody is on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.networks.is_empty()
    }

    /// Puts on it whoever is on another one.
    pub fn add(&mut self, other: &Self) {
        self.users.extend(other.users.iter().cloned());
        self.networks.extend(&other.networks);
        self.columns.extend(other.columns.iter().cloned());
    }

    /// Whether a column of this name has users in it.
    #[must_use]
    pub fn is_of_users(&self, column: &str) -> bool {
        USER_COLUMNS.contains(&column) || self.columns.iter().any(|known| known == column)
    }

    /// Why something is not to be done, if so.
    #[must_use]
    pub fn refusal(&self, request: &Request) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let texts = request.cells.iter().filter_map(|(name, cell)| match cell {
            Cell::Text(text) => Some((name.as_str(), text.trim())),
            _ => None,
        });
        texts.into_iter().find_map(|(name, text)| {
            let noted = name.strip_prefix(NOTED);
            let user = self.is_of_users(noted.unwrap_or(name)).then(|| self.user(text)).flatten();
            // Of an event only its users count: it names machines that nothing is done to.
            user.or_else(|| noted.is_none().then(|| self.network(text)).flatten())
        })
    }

    fn user(&self, text: &str) -> Option<String> {
        let name: String = text.chars().take(NAME_BYTES_MAX).collect();
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        let wanted = letters(&name);
        let pattern = self.users.iter().find(|pattern| fits(&letters(pattern), &wanted))?;
        let shown = name.escape_debug();
        Some(if *pattern == name {
            format!("user `{shown}` is on the allow-list")
        } else {
            format!("user `{shown}` is on the allow-list, as `{pattern}`")
        })
    }

    fn network(&self, text: &str) -> Option<String> {
        at_heart(&network(text)?, |net| self.listed(net))
    }

    fn listed(&self, net: &IpNet) -> Option<String> {
        let found = self.networks.iter().find(|known| known.contains(net) || net.contains(*known));
        found.map(|known| {
            if known == net {
                return format!("{} is on the allow-list", shown(net));
            }
            format!("{} overlaps {}, which is on the allow-list", shown(net), shown(known))
        })
    }
}

/// What there is against a network, or against the IPv4 network that a translator makes of it.
#[must_use]
pub fn at_heart(net: &IpNet, against: impl Fn(&IpNet) -> Option<String>) -> Option<String> {
    against(net).or_else(|| {
        let why = against(&translated(net)?)?;
        Some(format!("{} stands for IPv4: {why}", shown(net)))
    })
}

/// The IPv4 network that a translator makes of a network: all of IPv4 where it is larger than that.
fn translated(net: &IpNet) -> Option<IpNet> {
    let IpNet::V6(net) = net else { return None };
    TRANSLATED.iter().find(|known| known.contains(net) || net.contains(*known))?;
    let Some(length) = net.prefix_len().checked_sub(96) else {
        return Some(Ipv4Net::default().into());
    };
    let [_, _, _, _, 0, 0, high, low] = net.addr().segments() else { return None };
    let address = Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    Ipv4Net::new(address, length).ok().map(|net| net.trunc().into())
}

/// An address or a network in its one form: IPv4 wherever it is IPv4 at heart. None if it is neither.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    // The longest has 49; a zone is no part of an address.
    if text.len() > 64 {
        return None;
    }
    let bare = text.split_once('%').map_or(text, |(bare, _)| bare);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    let net: IpNet = text.parse().ok()?;
    if let IpNet::V6(net) = net
        && let (Some(mapped), 96..) = (net.addr().to_ipv4_mapped(), net.prefix_len())
    {
        return Ipv4Net::new(mapped, net.prefix_len() - 96).ok().map(|net| net.trunc().into());
    }
    Some(net.trunc())
}

fn shown(net: &IpNet) -> String {
    match net {
        IpNet::V4(net) if net.prefix_len() == Ipv4Net::default().max_prefix_len() => {
            net.addr().to_string()
        }
        IpNet::V6(net) if net.prefix_len() == Ipv6Net::default().max_prefix_len() => {
            net.addr().to_string()
        }
        net => net.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Allow, network};
    use crate::request::{Cell, Kind, Request};

    fn allow() -> Allow {
        let networks = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"];
        Allow {
            users: ["backup", "ops@*", "j?n"].map(str::to_owned).into(),
            networks: networks.iter().filter_map(|text| network(text)).collect(),
            columns: vec!["principal".to_owned()],
        }
    }

    fn check(column: &str, text: &str, expected: Option<&str>) {
        let cells = vec![
            ("port".to_owned(), Cell::Integer(22)),
            ("x".to_owned(), Cell::Absent(Kind::Text)),
            (column.to_owned(), Cell::Text(text.to_owned())),
        ];
        let refusal = allow().refusal(&Request { cells, ..Request::default() });
        assert_eq!(refusal.as_deref(), expected, "{column} {text}");
    }

    #[test]
    fn users() {
        check("user", "backup", Some("user `backup` is on the allow-list"));
        check("@user", " backup ", Some("user `backup` is on the allow-list"));
        check("account", "ops@web1", Some("user `ops@web1` is on the allow-list, as `ops@*`"));
        check("@principal", "jon", Some("user `jon` is on the allow-list, as `j?n`"));
        check("user", "joan", None);
        check("user", "Backup", None);
        check("user", "backup2", None);
        check("user", "", None);
        // What is said in other columns is no user's name.
        check("why", "backup", None);
        check("@host", "backup", None);
    }

    #[test]
    fn networks() {
        check(
            "address",
            "10.1.2.3",
            Some("10.1.2.3 overlaps 10.0.0.0/8, which is on the allow-list"),
        );
        check("anything", "192.0.2.7", Some("192.0.2.7 is on the allow-list"));
        check("a", "::ffff:192.0.2.7", Some("192.0.2.7 is on the allow-list"));
        check(
            "a",
            "::ffff:192.0.2.0/120",
            Some("192.0.2.0/24 overlaps 192.0.2.7, which is on the allow-list"),
        );
        check(
            "a",
            "2001:db8::1%eth0",
            Some("2001:db8::1 overlaps 2001:db8::/32, which is on the allow-list"),
        );
        check("a", "0.0.0.0/0", Some("0.0.0.0/0 overlaps 10.0.0.0/8, which is on the allow-list"));
        check("a", "192.0.2.8", None);
        // What a translator makes IPv4 of.
        check(
            "a",
            "64:ff9b::10.1.2.3",
            Some(
                "64:ff9b::a01:203 stands for IPv4: 10.1.2.3 overlaps 10.0.0.0/8, which is on the allow-list",
            ),
        );
        check(
            "a",
            "64:ff9b:1:fffe::192.0.2.7",
            Some("64:ff9b:1:fffe::c000:207 stands for IPv4: 192.0.2.7 is on the allow-list"),
        );
        check(
            "a",
            "64:ff9b::/64",
            Some(
                "64:ff9b::/64 stands for IPv4: 0.0.0.0/0 overlaps 10.0.0.0/8, which is on the allow-list",
            ),
        );
        check("a", "64:ff9b::192.0.2.8", None);
        check("a", "64:ff9b:1:0:1::10.1.2.3", None);
        check("a", "64:ff9b:0:0:1::10.1.2.3", None);
        check("a", "2002:a01:203::1", None);
        check("a", "login from 10.1.2.3", None);
        check("a", &"1".repeat(100_000), None);
        // The machine that an event came to is not what is acted against.
        check("@user", "10.1.2.3", None);
    }

    #[test]
    fn nobody_is_on_an_empty_list() {
        let cells = vec![("user".to_owned(), Cell::Text("root".to_owned()))];
        assert_eq!(Allow::default().refusal(&Request { cells, ..Request::default() }), None);
        let mut both = Allow::default();
        both.add(&allow());
        assert_eq!(both, allow());
    }
}
