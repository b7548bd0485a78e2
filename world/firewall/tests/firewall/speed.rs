//! How fast it is. The figures are printed; the bounds leave room for a busy machine.

use std::time::Duration;

use ipnet::IpNet;

use crate::network::{Network, block, firewall, uptime};

const MANY: u32 = 50_000;
const BLOCKS: u32 = 2_000;

/// Different addresses, a tenth of them IPv6.
fn many() -> Vec<(String, IpNet, Duration)> {
    let address = |number: u32| -> IpNet {
        let [_, a, b, c] = number.to_be_bytes();
        if number.is_multiple_of(10) {
            format!("2001:db8:{b:x}:{c:x}::{a:x}/128").parse().unwrap()
        } else {
            format!("60.{a}.{b}.{c}/32").parse().unwrap()
        }
    };
    (0..MANY).map(|number| ("ssh".to_owned(), address(number), Duration::from_hours(1))).collect()
}

#[test]
fn fifty_thousand_are_restored_within_a_second() {
    let Some(network) = Network::new() else { return };
    network.host(|| {
        let mut firewall = firewall(r#"{"sets": {"ssh": {}}}"#);
        let blocks = many();
        let timed = |what: &str, from: Duration| {
            let took = uptime().saturating_sub(from);
            println!("{what} of {MANY} entries: {:.1} ms", took.as_secs_f64() * 1000.0);
            took
        };
        let start = uptime();
        let restored = firewall.restore(blocks.iter().cloned()).unwrap();
        assert!(timed("restoring", start) < Duration::from_secs(1));
        assert_eq!((restored.entries, restored.left_out.len()), (MANY as usize, 0));

        let start = uptime();
        assert_eq!(firewall.in_force().unwrap().len(), MANY as usize);
        timed("listing", start);

        firewall.ensure().unwrap();
        let start = uptime();
        assert_eq!(firewall.ensure().unwrap().healed, None);
        timed("looking after", start);

        network.nft("add table inet other");
        let start = uptime();
        assert_eq!(firewall.ensure().unwrap().healed, None);
        timed("looking after, when others changed something,", start);

        network.nft("flush ruleset");
        let start = uptime();
        assert_eq!(firewall.ensure().unwrap().healed, Some(MANY as usize));
        assert!(timed("healing", start) < Duration::from_secs(1));

        let start = uptime();
        firewall.restore(blocks.into_iter().map(|(set, net, rest)| (set, net, rest * 2))).unwrap();
        timed("renewing", start);
        assert_eq!(firewall.in_force().unwrap().len(), MANY as usize);
        latencies(&mut firewall, "with 50,000 entries");
    });
}

#[test]
fn a_block_is_quick() {
    let Some(network) = Network::new() else { return };
    network.host(|| latencies(&mut firewall(r#"{"sets": {"ssh": {}}}"#), "in an empty set"));
}

fn latencies(firewall: &mut correlator_firewall::Firewall, what: &str) {
    block(firewall, "61.255.255.255", 60_000);
    let mut took: Vec<Duration> = (0..BLOCKS)
        .map(|number| {
            let [_, _, a, b] = number.to_be_bytes();
            let address = format!("61.0.{a}.{b}");
            let start = uptime();
            block(firewall, &address, 3_600_000);
            uptime().saturating_sub(start)
        })
        .collect();
    took.sort_unstable();
    let at = |thousandths: usize| took[(took.len() - 1) * thousandths / 1000];
    println!("one block {what}: p50 {:?}, p99 {:?}, most {:?}", at(500), at(990), at(1000));
    assert!(at(990) < Duration::from_millis(5), "p99 {:?}", at(990));
}
