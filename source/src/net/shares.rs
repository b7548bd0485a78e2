//! How many connections each address has: one that opens them without end must not take those of all others.
//!
//! It must never know what a connection brings.

use std::collections::HashMap;
use std::net::IpAddr;

use super::peer::Peer;

/// Connections by address.
#[derive(Debug, Default)]
pub(crate) struct Shares(HashMap<IpAddr, usize>);

impl Shares {
    /// Counts a connection, unless its address has as many as it may.
    pub fn take(&mut self, peer: Peer, most: usize) -> bool {
        let Some(address) = address(peer) else { return true };
        let count = self.0.entry(address).or_default();
        let fits = *count < most;
        *count += usize::from(fits);
        fits
    }

    /// One that was counted is over.
    pub fn give_back(&mut self, peer: Peer) {
        let Some(address) = address(peer) else { return };
        if let Some(count) = self.0.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&address);
            }
        }
    }
}

/// Whom a connection counts for. In IPv6 a host has as many addresses as it likes, all in one network.
fn address(peer: Peer) -> Option<IpAddr> {
    let Peer::Internet(address) = peer else { return None };
    Some(match address.ip().to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        address @ IpAddr::V4(_) => address,
    })
}

#[cfg(test)]
mod tests {
    use super::{Peer, Shares};

    #[test]
    fn each_address_has_its_share() {
        let peer = |address: &str| Peer::Internet(address.parse().expect("an address"));
        let mut shares = Shares::default();
        let mut check = |address: &str, expected| {
            assert_eq!(shares.take(peer(address), 2), expected, "{address}");
        };
        check("192.0.2.1:1", true);
        check("[::ffff:192.0.2.1]:2", true);
        check("192.0.2.1:3", false);
        check("192.0.2.2:1", true);
        check("[2001:db8::1]:1", true);
        check("[2001:db8::ffff:2]:1", true);
        check("[2001:db8::3]:1", false);
        check("[2001:db8:0:1::3]:1", true);
        shares.give_back(peer("192.0.2.1:2"));
        assert!(shares.take(peer("192.0.2.1:4"), 2));
        // Processes of this machine have no address.
        assert!((0..9).all(|_| shares.take(Peer::Local(1, 0), 2)));
        let all = ["192.0.2.1:1", "192.0.2.1:4", "192.0.2.2:1"];
        let all = all.into_iter().chain(["[2001:db8::1]:1", "[2001:db8::2]:1"]);
        all.chain(["[2001:db8:0:1::3]:1"]).for_each(|address| shares.give_back(peer(address)));
        assert!(shares.0.is_empty());
    }
}
