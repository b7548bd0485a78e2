//! Which addresses may be connected to.
//!
//! An endpoint's name is resolved when it is connected to, by whoever answers for that name then. That answer must not
//! lead to what only this machine can reach: its own services, its neighbours, the cloud's metadata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::own;

/// What the grant says of an endpoint's addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Private networks and the machine itself are fine, by whichever of its addresses.
    pub private: bool,
    /// These are fine, and nothing else is. None: everything public is.
    pub networks: Vec<IpNet>,
}

/// Who may connect to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Everybody.
    Public,
    /// Who says `private: true` or lists the network.
    Private(&'static str),
    /// Who lists the network.
    Listed(&'static str),
}

impl Guard {
    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// Why not, with the way out.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        let address = address.to_canonical();
        if !self.networks.is_empty() {
            if self.networks.iter().any(|network| network.contains(&address)) {
                return Ok(());
            }
            return Err(format!("its address {address} is in none of its `networks`"));
        }
        match access(address) {
            Access::Public => Ok(()),
            Access::Private(_) if self.private => Ok(()),
            Access::Private(kind) => Err(format!(
                "its address {address} is {kind}; say `private: true` or list its network in `networks` if that is meant"
            )),
            Access::Listed(kind) => Err(format!(
                "its address {address} is {kind}; list its network in `networks` if that is meant"
            )),
        }
    }
}

fn access(address: IpAddr) -> Access {
    let access = match address {
        IpAddr::V4(address) => access_v4(address),
        IpAddr::V6(address) => access_v6(address),
    };
    // What is public for the world is the machine itself where it has that address.
    if access == Access::Public && own::is_own(address) {
        return Access::Private("this machine's own");
    }
    access
}

fn access_v4(address: Ipv4Addr) -> Access {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (168, 63, 129) if address == METADATA_AZURE => Access::Listed("a cloud's metadata"),
        (100, 100, 100) if address == METADATA_ALIBABA => Access::Listed("a cloud's metadata"),
        (169, 254, _) => Access::Listed("link-local, where clouds have their metadata"),
        (127, ..) => Access::Private("the machine itself"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Access::Private("private"),
        (100, 64..=127, _) => Access::Private("a provider's own"),
        (0, ..) => Access::Listed("no address of a machine"),
        (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) | (240..=255, ..) => {
            Access::Listed("reserved")
        }
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Access::Listed("for documentation"),
        (224..=239, ..) => Access::Listed("multicast"),
        _ => Access::Public,
    }
}

const METADATA_AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
const METADATA_ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

fn access_v6(address: Ipv6Addr) -> Access {
    let segments = address.segments();
    match (segments[0], segments[1]) {
        // Amazon's and Google's, with whatever else of theirs lies beside it.
        (0xfd00, 0xec2) | (0xfd20, 0xce) => Access::Listed("a cloud's metadata"),
        _ if address == Ipv6Addr::LOCALHOST => Access::Private("the machine itself"),
        // A gateway makes an IPv4 address of the last 32 bits.
        (0x64, 0xff9b) if segments[2..6] == [0; 4] => {
            let [.., w, x, y, z] = address.octets();
            access(Ipv4Addr::new(w, x, y, z).into())
        }
        (0xfc00..=0xfdff, _) => Access::Private("private"),
        (0xfe80..=0xfebf, _) => Access::Listed("link-local"),
        (0xff00..=0xffff, _) => Access::Listed("multicast"),
        (0x2001, 0xdb8) | (0x3fff, _) => Access::Listed("for documentation"),
        // Teredo and 6to4 have an IPv4 address inside that nobody has looked at.
        (0x2001, 0..=0x1ff) | (0x2002, _) => Access::Listed("a tunnel's or reserved"),
        (0x2000..=0x3fff, _) => Access::Public,
        _ => Access::Listed("no address of a machine"),
    }
}

#[cfg(test)]
mod tests {
    use super::Guard;

    fn check(guard: &Guard, address: &str, expected: &str) {
        let said = guard.check(address.parse().unwrap());
        match expected {
            "" => assert_eq!(said, Ok(()), "{address}"),
            _ => assert!(said.as_ref().is_err_and(|e| e.contains(expected)), "{address}: {said:?}"),
        }
    }

    #[test]
    fn only_public_addresses_are_for_everybody() {
        let guard = Guard::default();
        for public in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::1.1.1.1"]
        {
            check(&guard, public, "");
        }
        for (address, kind) in [
            ("127.0.0.1", "the machine itself"),
            ("127.255.0.3", "the machine itself"),
            ("::1", "the machine itself"),
            ("::ffff:127.0.0.1", "the machine itself"),
            ("64:ff9b::7f00:1", "the machine itself"),
            ("10.1.2.3", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.0.1", "private"),
            ("fd12::1", "private"),
            ("100.64.0.1", "a provider's own"),
            ("0.0.0.0", "no address of a machine"),
            ("0.1.2.3", "no address of a machine"),
            ("::", "no address of a machine"),
            ("::127.0.0.1", "no address of a machine"),
            ("169.254.169.254", "metadata"),
            ("::ffff:169.254.169.254", "metadata"),
            ("100.100.100.200", "metadata"),
            ("168.63.129.16", "metadata"),
            ("fd00:ec2::254", "metadata"),
            ("fd00:ec2::23", "metadata"),
            ("fd20:ce::254", "metadata"),
            ("fe80::1", "link-local"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "reserved"),
            ("192.0.0.192", "reserved"),
            ("198.18.0.1", "reserved"),
            ("192.0.2.1", "documentation"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "tunnel"),
            ("2001::1", "tunnel"),
            ("fec0::1", "no address of a machine"),
        ] {
            check(&guard, address, kind);
        }
    }

    #[test]
    fn the_grant_opens_what_it_says() {
        let private = Guard { private: true, networks: Vec::new() };
        check(&private, "127.0.0.1", "");
        check(&private, "10.1.2.3", "");
        check(&private, "fd12::1", "");
        check(&private, "1.1.1.1", "");
        check(&private, "169.254.169.254", "list its network");
        check(&private, "fd00:ec2::254", "list its network");
        check(&private, "fd00:ec2::23", "list its network");
        check(&private, "0.0.0.0", "list its network");
        check(&private, "224.0.0.1", "list its network");
        let networks = vec!["10.0.0.0/8".parse().unwrap(), "169.254.0.0/16".parse().unwrap()];
        let listed = Guard { private: true, networks };
        check(&listed, "10.1.2.3", "");
        check(&listed, "::ffff:10.1.2.3", "");
        check(&listed, "169.254.169.254", "");
        check(&listed, "127.0.0.1", "in none of its `networks`");
        check(&listed, "1.1.1.1", "in none of its `networks`");
    }
}
