//! A set of networks that is asked for overlaps: a list of thousands is as quick as one of ten.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::table::Width;
use crate::wish;

/// Networks, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks {
    sorted: BTreeSet<IpNet>,
    widths: BTreeSet<Width>,
}

impl Networks {
    /// Whether there is one in it that is not in another.
    pub(crate) fn exceeds(&self, other: &Self) -> bool {
        !self.sorted.is_subset(&other.sorted)
    }

    /// One that has an address in common with this one: it is around it or inside it, for networks overlap in no other
    /// way.
    pub(crate) fn overlapping(&self, net: &IpNet) -> Option<&IpNet> {
        let shortest = Width { v6: wish::is_v6(net), length: 0 };
        let mut wider = self.widths.range(shortest..=Width::of(net));
        let around =
            wider.find_map(|width| self.sorted.get(&wish::clipped(net.addr(), width.length)));
        around.or_else(|| {
            // The first that begins no earlier; a shorter prefix of the same address comes before.
            let first = self.sorted.range(wish::clipped(net.network(), net.prefix_len())..).next();
            first.filter(|first| net.contains(*first))
        })
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<T: IntoIterator<Item = IpNet>>(nets: T) -> Self {
        let sorted: BTreeSet<IpNet> = nets.into_iter().collect();
        let widths = sorted.iter().map(Width::of).collect();
        Self { sorted, widths }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        texts.iter().map(|text| wish::network(text).unwrap()).collect()
    }

    #[test]
    fn overlaps_are_found_both_ways() {
        let some =
            networks(&["10.0.0.0/8", "192.0.2.7", "192.0.2.200", "2001:db8::/32", "2001:db9::1"]);
        let check = |text: &str, expected: Option<&str>| {
            let found = some.overlapping(&wish::network(text).unwrap()).map(wish::shown);
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("10.1.2.3", Some("10.0.0.0/8"));
        check("10.0.0.0/8", Some("10.0.0.0/8"));
        check("8.0.0.0/6", Some("10.0.0.0/8"));
        check("11.0.0.0", None);
        check("192.0.2.7", Some("192.0.2.7"));
        check("192.0.2.8", None);
        check("192.0.2.128/25", Some("192.0.2.200"));
        check("192.0.2.64/26", None);
        check("2001:db8:ffff::1", Some("2001:db8::/32"));
        check("2001:db9::/64", Some("2001:db9::1"));
        check("2001:db9:1::/64", None);
        check("255.255.255.255", None);
    }

    #[test]
    fn overlaps_are_those_that_are_found_one_by_one() {
        // Every network of a small corner of the addresses against some of them.
        let some = ["192.0.2.0/29", "192.0.2.8", "192.0.2.13", "192.0.2.20/30", "192.0.2.31"];
        let set = networks(&some);
        for length in 24..=32 {
            for last in 0..=u8::MAX {
                let net = wish::clipped(std::net::IpAddr::from([192, 0, 2, last]), length);
                let one = some.iter().any(|it| wish::overlap(&wish::network(it).unwrap(), &net));
                assert_eq!(set.overlapping(&net).is_some(), one, "{net}");
            }
        }
    }
}
