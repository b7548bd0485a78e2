//! What is never blocked, by whomever it is asked for.

use std::net::{TcpListener, TcpStream};

use correlator_world::{Capability, Outcome, Refused};

use crate::network::{
    AFAR_V4, HOST_V4, HOST_V6, LEFT_V4, LEFT_V6, Network, NoSecrets, block, firewall, in_force,
    request,
};

const LARGE: &str = r#"{"sets": {"ssh": {}}, "prefix_min": {"v4": 8, "v6": 16}}"#;

/// Both ways in say no, and nothing is in the kernel.
fn check(
    network: &Network,
    firewall: &mut correlator_firewall::Firewall,
    address: &str,
    why: &str,
) {
    let request = request(address, 60_000);
    network.host(|| {
        let refused = firewall.check(&request);
        let Err(Refused::Denied(words)) = &refused else { panic!("{address}: {refused:?}") };
        assert!(words.contains(why), "{address}: {words}");
        let outcome = firewall.deliver(std::slice::from_ref(&request), &NoSecrets);
        let [Outcome::Refused(words)] = &outcome[..] else { panic!("{address}: {outcome:?}") };
        assert!(words.contains(why), "{address}: {words}");
        assert_eq!(in_force(firewall), [""; 0], "{address}");
    });
}

#[test]
fn what_is_nobodys_or_everybodys() {
    let Some(network) = Network::new() else { return };
    let mut firewall = network.host(|| firewall(LARGE));
    for (address, why) in [
        ("0.0.0.0", "unspecified"),
        ("0.0.0.0/0", "too large"),
        ("::/0", "too large"),
        ("::ffff:0.0.0.0/96", "too large"),
        ("127.0.0.1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::", "unspecified"),
        ("255.255.255.255", "broadcast"),
        ("224.0.0.251", "multicast"),
        ("ff02::1", "multicast"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
    ] {
        check(&network, &mut firewall, address, why);
    }
}

#[test]
fn the_host_and_its_gateways() {
    let Some(network) = Network::new() else { return };
    let host = network.of("host");
    for route in [
        format!("default via {LEFT_V4}"),
        format!("default via {LEFT_V6}"),
        "198.18.0.0/16 nexthop via 10.9.2.2 nexthop via 10.9.2.3".into(),
        "198.19.0.0/16 via inet6 2001:db8:1::5 dev left".into(),
    ] {
        network.ip(&format!("-n {host} route add {route}"));
    }
    let mut firewall = network.host(|| firewall(LARGE));
    for (address, why) in [
        (HOST_V4, "an address of this host"),
        (HOST_V6, "an address of this host"),
        ("::ffff:10.9.1.1", "an address of this host"),
        ("10.9.1.255", "a broadcast address"),
        (LEFT_V4, "a gateway"),
        (LEFT_V6, "a gateway"),
        ("10.9.2.2", "a gateway"),
        ("10.9.2.3", "a gateway"),
        ("2001:db8:1::5", "a gateway"),
        ("10.9.1.0/24", "contains"),
        ("10.0.0.0/8", "contains"),
        ("2001:db8:1::/64", "contains"),
        ("2001::/16", "contains"),
    ] {
        check(&network, &mut firewall, address, why);
    }
    network.host(|| block(&mut firewall, "10.9.2.4", 60_000));
}

#[test]
fn what_becomes_the_hosts_is_lifted() {
    let Some(network) = Network::new() else { return };
    network.host(|| {
        let mut firewall = firewall(LARGE);
        block(&mut firewall, "10.9.2.9", 60_000);
        block(&mut firewall, "10.9.2.10", 60_000);
        block(&mut firewall, "203.0.0.0/16", 60_000);
        network.ip(&format!("-n {} addr add 10.9.2.9/32 dev right", network.of("host")));
        network.ip(&format!("-n {} addr add 203.0.99.1/32 dev right", network.of("host")));
        let start = crate::network::uptime();
        let mut lifted = Vec::new();
        while lifted.is_empty()
            && crate::network::uptime() < start + std::time::Duration::from_secs(10)
        {
            lifted = firewall.ensure().unwrap().lifted;
        }
        let lifted: Vec<_> =
            lifted.iter().map(|(block, why)| (block.network.to_string(), why)).collect();
        assert_eq!(lifted.len(), 2, "{lifted:?}");
        assert!(
            lifted.iter().all(|(_, why)| why.contains("an address of this host")),
            "{lifted:?}"
        );
        assert_eq!(in_force(&mut firewall), ["ssh 10.9.2.10/32"]);
    });
}

#[test]
fn the_operators_session() {
    let Some(network) = Network::new() else { return };
    let listener = network.host(|| TcpListener::bind(("::", 2222)).unwrap());
    let operator = network.inside("left", || TcpStream::connect((HOST_V4, 2222)).unwrap());
    let json = r#"{"sets": {"ssh": {}}, "ssh": {"ports": [2222], "login_grace": "2m"}}"#;
    let mut firewall = network.host(|| firewall(json));
    check(&network, &mut firewall, LEFT_V4, "where an SSH session comes from");
    check(&network, &mut firewall, "10.9.1.0/24", "contains");
    // Who has only just connected tries passwords.
    let guesser = network.inside("left", || TcpStream::connect((HOST_V6, 2222)).unwrap());
    network.host(|| block(&mut firewall, LEFT_V6, 60_000));
    drop((operator, guesser, listener));

    // With a daemon that gives up at once, whoever is connected is logged in.
    let json = r#"{"sets": {"ssh": {}}, "ssh": {"ports": [2223], "login_grace": "0s"}}"#;
    let mut firewall = network.host(|| crate::network::firewall(json));
    let listener = network.host(|| TcpListener::bind(("::", 2223)).unwrap());
    let operator = network.inside("left", || TcpStream::connect((HOST_V4, 2223)).unwrap());
    network.host(|| firewall.remove(LEFT_V6)).unwrap();
    check(&network, &mut firewall, LEFT_V4, "where an SSH session comes from");
    drop((operator, listener));
}

#[test]
fn the_allow_list_is_stronger() {
    let Some(network) = Network::new() else { return };
    let json = r#"{"sets": {"ssh": {}}, "allow": ["192.0.2.0/24", "2001:db8:5::5", "::ffff:198.51.100.9"]}"#;
    let mut firewall = network.host(|| firewall(json));
    for address in
        ["192.0.2.7", "192.0.2.128/25", "2001:db8:5::5", "2001:db8:5::/64", "198.51.100.9"]
    {
        check(&network, &mut firewall, address, "on the allow-list");
    }
    network.serve("host", 80);
    let allow = |firewall: &mut correlator_firewall::Firewall, list: &[&str]| {
        let list: Vec<String> = list.iter().map(|it| (*it).to_owned()).collect();
        network.host(|| firewall.apply_allow(&list))
    };
    network.host(|| {
        block(&mut firewall, AFAR_V4, 60_000);
        block(&mut firewall, "203.0.113.0/24", 60_000);
        block(&mut firewall, "203.0.112.0/24", 60_000);
    });
    assert!(!network.reaches(AFAR_V4, HOST_V4, 80));
    let lifted = allow(&mut firewall, &[AFAR_V4]).unwrap();
    assert_eq!(lifted.len(), 2, "{lifted:?}");
    assert!(network.reaches(AFAR_V4, HOST_V4, 80));
    assert_eq!(network.host(|| in_force(&mut firewall)), ["ssh 203.0.112.0/24"]);
    let outcome =
        network.host(|| firewall.deliver(&[request("203.0.113.0/24", 60_000)], &NoSecrets));
    assert!(matches!(outcome[..], [Outcome::Refused(_)]), "{outcome:?}");
    assert!(allow(&mut firewall, &["nobody"]).unwrap_err().to_string().contains("`nobody`"));
    allow(&mut firewall, &[]).unwrap();
    network.host(|| block(&mut firewall, AFAR_V4, 60_000));
}
