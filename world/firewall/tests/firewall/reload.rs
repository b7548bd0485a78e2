//! What others do to the table, and what a start finds.

use std::time::Duration;

use crate::network::{AFAR_V4, AFAR_V6, HOST_V4, HOST_V6, Network, block, firewall, in_force};

const ONE_SET: &str = r#"{"sets": {"ssh": {}}}"#;

#[test]
fn a_reload_is_healed() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    let json = r#"{"sets": {"ssh": {"hook": "both", "ports": [80]}}}"#;
    let mut firewall = network.host(|| firewall(json));
    network.host(|| {
        block(&mut firewall, AFAR_V4, 60_000);
        block(&mut firewall, "2001:db8:77::/64", 60_000);
    });
    for damage in [
        "flush ruleset",
        "flush table inet correlator",
        "delete table inet correlator",
        "flush chain inet correlator ssh_input",
        "flush chain inet correlator ssh_forward",
        "flush chain inet correlator ssh_input; delete chain inet correlator ssh_input",
        "flush ruleset; add table inet correlator; add chain inet correlator ssh_input",
        "add table inet other; flush table inet correlator",
    ] {
        assert_eq!(network.host(|| firewall.ensure()).unwrap().healed, None);
        network.nft(damage);
        let healed = network.host(|| firewall.ensure()).unwrap().healed;
        assert_eq!(healed, Some(2), "{damage}");
        assert!(!network.reaches(AFAR_V4, HOST_V4, 80), "{damage}");
        assert!(!network.reaches(AFAR_V6, HOST_V6, 80), "{damage}");
    }
    assert!(
        network.nft("list ruleset").contains("table inet other"),
        "others' tables are left alone"
    );
    let rules = network.nft("list chain inet correlator ssh_input");
    assert_eq!(rules.matches("ip saddr @ssh_v4").count(), 1, "{rules}");
}

#[test]
fn a_block_after_a_reload_finds_its_set() {
    let Some(network) = Network::new() else { return };
    let mut firewall = network.host(|| firewall(ONE_SET));
    network.host(|| block(&mut firewall, "203.0.113.1", 60_000));
    network.nft("flush ruleset");
    network.host(|| block(&mut firewall, "203.0.113.2", 60_000));
    let both = ["ssh 203.0.113.1/32", "ssh 203.0.113.2/32"];
    assert_eq!(network.host(|| in_force(&mut firewall)), both);
}

#[test]
fn what_a_person_lifts_stays_lifted() {
    let Some(network) = Network::new() else { return };
    let mut firewall = network.host(|| firewall(ONE_SET));
    network.host(|| {
        block(&mut firewall, "203.0.113.1", 60_000);
        block(&mut firewall, "203.0.113.2", 60_000);
        firewall.ensure().unwrap();
    });
    network.nft("delete element inet correlator ssh_v4 { 203.0.113.1 }");
    network.nft("add element inet correlator ssh_v4 { 203.0.113.3 }");
    network.host(|| firewall.ensure()).unwrap();
    network.nft("flush ruleset");
    network.host(|| firewall.ensure()).unwrap();
    let rest = ["ssh 203.0.113.2/32", "ssh 203.0.113.3/32"];
    assert_eq!(network.host(|| in_force(&mut firewall)), rest);
}

#[test]
fn a_start_finds_what_is_in_force() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    network.host(|| {
        let mut firewall = firewall(ONE_SET);
        block(&mut firewall, AFAR_V4, 60_000);
        block(&mut firewall, "2001:db8:77::/64", 60_000);
    });
    // The same settings, others, and others that no longer allow what is in force.
    let found = ["ssh 203.0.113.7/32", "ssh 2001:db8:77::/64"];
    let check = |json: &str, expected: &[&str], lifted: usize| {
        let mut firewall = network.host(|| firewall(json));
        let ensured = network.host(|| firewall.ensure()).unwrap();
        assert_eq!((ensured.healed, ensured.lifted.len()), (None, lifted), "{json}");
        assert_eq!(network.host(|| in_force(&mut firewall)), expected, "{json}");
        let blocked = expected.contains(&"ssh 203.0.113.7/32");
        assert_eq!(network.reaches(AFAR_V4, HOST_V4, 80), !blocked, "{json}");
    };
    check(ONE_SET, &found, 0);
    check(r#"{"sets": {"ssh": {"priority": -20, "verdict": "reject", "ports": [80]}}}"#, &found, 0);
    check(r#"{"sets": {"ssh": {}}, "allow": ["203.0.113.0/24"]}"#, &found[1..], 1);
    let chain = network.nft("list chain inet correlator ssh_input");
    assert!(chain.contains("priority filter - 10"), "{chain}");
}

#[test]
fn grants_share_a_table() {
    let Some(network) = Network::new() else { return };
    network.host(|| {
        let mut one = firewall(ONE_SET);
        let mut same = firewall(ONE_SET);
        let mut other = firewall(r#"{"sets": {"ssh_v4": {"hook": "forward"}}}"#);
        block(&mut one, "203.0.113.1", 60_000);
        block(&mut same, "203.0.113.0/24", 60_000);
        let request = correlator_world::Request {
            target: "ssh_v4".into(),
            ..crate::network::request("203.0.113.3", 60_000)
        };
        correlator_world::Capability::deliver(&mut other, &[request], &crate::network::NoSecrets);
        for _ in 0..2 {
            for firewall in [&mut one, &mut same, &mut other] {
                assert_eq!(firewall.ensure().unwrap(), correlator_firewall::Ensured::default());
            }
        }
        assert_eq!(in_force(&mut one), ["ssh 203.0.113.0/24", "ssh 203.0.113.1/32"]);
        assert_eq!(in_force(&mut other), ["ssh_v4 203.0.113.3/32"]);
    });
}

#[test]
fn what_was_in_force_is_restored() {
    let Some(network) = Network::new() else { return };
    let json = r#"{"sets": {"ssh": {}}, "allow": ["203.0.113.9"], "duration_max": "1h", "entries_max": 2}"#;
    let mut firewall = network.host(|| firewall(json));
    let blocks = [
        ("ssh", "203.0.113.1/32", 60),
        ("ssh", "203.0.113.1/32", 30),
        ("ssh", "203.0.113.8/32", 86_400),
        ("ssh", "203.0.113.9/32", 60),
        ("ssh", "127.0.0.1/32", 60),
        ("ssh", "0.0.0.0/0", 60),
        ("ssh", "203.0.113.5/32", 0),
        ("ssh", "203.0.113.77/24", 60),
        ("ssh", "203.0.112.1/32", 60),
        ("gone", "203.0.113.6/32", 60),
    ];
    let blocks: Vec<_> = blocks
        .iter()
        .map(|(set, net, seconds)| {
            ((*set).to_owned(), net.parse().unwrap(), Duration::from_secs(*seconds))
        })
        .collect();
    let restored = network.host(|| firewall.restore(blocks.clone())).unwrap();
    assert_eq!(restored.entries, 3, "{restored:?}");
    // At the next start the kernel still has them: there is no more of them for that.
    firewall = network.host(|| crate::network::firewall(json));
    assert_eq!(network.host(|| firewall.restore(blocks)).unwrap(), restored);
    let why: Vec<&str> = restored.left_out.iter().map(|(_, why)| why.as_str()).collect();
    assert_eq!(why[0], "203.0.113.9 is on the allow-list");
    assert_eq!(why[4], "203.0.113.0/24 overlaps 203.0.113.9, which is on the allow-list");
    assert_eq!(
        (why.len(), why[5]),
        (7, "set `ssh` is full: `entries_max` of the grant is 2"),
        "{why:?}"
    );
    let found = network.host(|| firewall.in_force()).unwrap();
    let found: Vec<_> =
        found.iter().map(|it| (it.network.to_string(), it.remaining.as_secs())).collect();
    assert!(matches!(&found[0], (net, 50..=60) if net == "203.0.113.1/32"), "{found:?}");
    assert!(matches!(&found[1], (net, 3500..=3600) if net == "203.0.113.8/32"), "{found:?}");
}
