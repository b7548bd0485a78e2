//! What is never blocked, by whomever it is asked for.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use correlator_world::{Capability, Kept, Outcome, Refused};

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
        // All of a network may be the host's own.
        "local 198.51.100.0/24 dev lo".into(),
        // Of a proxy that nothing passes by: the host is not everybody.
        "local default dev lo table 100".into(),
    ] {
        network.ip(&format!("-n {host} route add {route}"));
    }
    let mut firewall = network.host(|| firewall(LARGE));
    for (address, why) in [
        (HOST_V4, "an address of this host"),
        (HOST_V6, "an address of this host"),
        ("::ffff:10.9.1.1", "an address of this host"),
        ("10.9.1.255", "a broadcast address"),
        // Its address was added without one; the kernel has it all the same.
        ("10.9.2.255", "a broadcast address"),
        ("198.51.100.7", "198.51.100.7 is an address of this host"),
        ("198.51.100.128/25", "198.51.100.128/25 lies in 198.51.100.0/24, which is an address"),
        ("198.51.0.0/16", "198.51.0.0/16 contains 198.51.100.0/24, which is an address"),
        ("64:ff9b::10.9.1.1", "stands for IPv4: 10.9.1.1 is an address of this host"),
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
fn gateways_that_routes_name_by_a_number() {
    let Some(network) = Network::new() else { return };
    let host = network.of("host");
    for line in [
        format!("nexthop add id 1 via {LEFT_V4} dev left"),
        format!("nexthop add id 2 via {LEFT_V6} dev left"),
        "nexthop add id 3 via 10.9.2.2 dev right".into(),
        "nexthop add id 4 via 10.9.2.3 dev right".into(),
        "nexthop add id 5 group 3/4".into(),
        "route add default nhid 1".into(),
        "-6 route add default nhid 2".into(),
        "route add 198.18.0.0/16 nhid 5".into(),
    ] {
        network.ip(&format!("-n {host} {line}"));
    }
    // From here on routes say no more than that number.
    let mode = "/proc/sys/net/ipv4/nexthop_compat_mode";
    network.host(|| std::fs::write(mode, "0").unwrap());
    let mut firewall = network.host(|| firewall(LARGE));
    for address in [LEFT_V4, LEFT_V6, "10.9.2.2", "10.9.2.3"] {
        check(&network, &mut firewall, address, "a gateway");
    }
    network.host(|| block(&mut firewall, "10.9.2.4", 60_000));
}

#[test]
fn what_a_translator_makes_of_ipv4() {
    let Some(network) = Network::new() else { return };
    let json = r#"{"sets": {"ssh": {}}, "prefix": {"v6": 64}, "allow": ["203.0.113.0/24"]}"#;
    let mut firewall = network.host(|| firewall(json));
    let allowed = "64:ff9b::cb00:7109 stands for IPv4: 203.0.113.9 overlaps 203.0.113.0/24";
    check(&network, &mut firewall, "64:ff9b::203.0.113.9", allowed);
    network.host(|| {
        // All of IPv4 is in its /64.
        block(&mut firewall, "64:ff9b::192.0.2.9", 60_000);
        assert_eq!(in_force(&mut firewall), ["ssh 64:ff9b::c000:209/128"]);
        let lifted = firewall.undo(&request("64:ff9b::192.0.2.9", 60_000), &NoSecrets);
        assert_eq!(lifted, Outcome::Done("64:ff9b::c000:209 is blocked no more".to_owned()));
    });
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
fn what_is_to_be_undone_is_known_before_anything_is_lifted() {
    let Some(network) = Network::new() else { return };
    let json = r#"{"sets": {"ssh": {}}, "prefix": {"v6": 64}}"#;
    network.host(|| {
        let mut firewall = firewall(json);
        let (v4, v6) = (request("10.9.2.9", 60_000), request("2001:db8:77::5", 60_000));
        for request in [&v4, &v6] {
            block(&mut firewall, request.text("address").unwrap(), 60_000);
            assert_eq!(firewall.forbids(request, Duration::ZERO), None);
        }
        firewall.forbids_more();
        assert!(!firewall.forbids_more(), "nothing has changed");
        for address in ["10.9.2.9/32", "2001:db8:77::1/128"] {
            network.ip(&format!("-n {} addr add {address} dev right", network.of("host")));
        }
        let mut told = false;
        let mut forbids = |firewall: &mut correlator_firewall::Firewall| {
            told |= firewall.forbids_more();
            let why = [&v4, &v6].map(|request| firewall.forbids(request, Duration::ZERO));
            why.into_iter().collect::<Option<Vec<String>>>()
        };
        let start = crate::network::uptime();
        let why = loop {
            if let Some(why) = forbids(&mut firewall) {
                break why;
            }
            assert!(crate::network::uptime() < start + Duration::from_secs(10));
        };
        assert!(told, "that it forbids more");
        assert_eq!(why[0], "10.9.2.9 is an address of this host and never blocked");
        assert!(why[1].starts_with("2001:db8:77::/64 contains 2001:db8:77::1"), "{why:?}");
        assert_eq!(firewall.forbids(&v4, Duration::from_mins(1)), None, "its time is over");
        for (request, what) in [(&v4, "10.9.2.9"), (&v6, "2001:db8:77::/64")] {
            let lifted = Outcome::Done(format!("{what} is blocked no more"));
            assert_eq!(firewall.undo(request, &NoSecrets), lifted);
        }
        assert_eq!(firewall.keep(), Ok(Kept::default()), "nothing is left to be lifted");
        // Without the network it stands for it may be blocked, and stays.
        block(&mut firewall, "2001:db8:77::5", 60_000);
        assert_eq!(in_force(&mut firewall), ["ssh 2001:db8:77::5/128"]);
        assert_eq!(firewall.forbids(&v6, Duration::ZERO), None);
        assert!(firewall.forbids(&v4, Duration::ZERO).is_some());
    });
}

#[test]
fn what_another_grant_has_lifted_first_is_to_be_undone_too() {
    let Some(network) = Network::new() else { return };
    network.host(|| {
        let (mut mine, mut other) = (firewall(LARGE), firewall(LARGE));
        block(&mut mine, "10.9.2.9", 60_000);
        for firewall in [&mut mine, &mut other] {
            firewall.forbids_more();
            firewall.ensure().unwrap();
            assert!(!firewall.forbids_more());
        }
        let wait = |mut is_so: Box<dyn FnMut() -> bool + '_>| {
            let start = crate::network::uptime();
            while !is_so() {
                assert!(crate::network::uptime() < start + Duration::from_secs(10));
            }
        };
        // What comes and matters to nobody is nothing to look for.
        network.ip(&format!("-n {} addr add 10.9.2.10/32 dev right", network.of("host")));
        let start = crate::network::uptime();
        while crate::network::uptime() < start + Duration::from_secs(3) {
            assert!(!mine.forbids_more());
        }
        network.ip(&format!("-n {} addr add 10.9.2.9/32 dev right", network.of("host")));
        wait(Box::new(|| !other.ensure().unwrap().lifted.is_empty()));
        wait(Box::new(|| {
            mine.ensure().unwrap();
            mine.forbids_more()
        }));
        let request = request("10.9.2.9", 60_000);
        assert!(mine.forbids(&request, Duration::ZERO).is_some());
        let gone = Outcome::Done("it is not blocked any more".to_owned());
        assert_eq!(mine.undo(&request, &NoSecrets), gone);
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
    network.host(|| {
        block(&mut firewall, AFAR_V4, 60_000);
        block(&mut firewall, "203.0.113.0/24", 60_000);
        block(&mut firewall, "203.0.112.0/24", 60_000);
    });
    assert!(!network.reaches(AFAR_V4, HOST_V4, 80));
    // With another list, what was done is to be undone where somebody is on that.
    let json = r#"{"sets": {"ssh": {}}, "allow": ["203.0.113.7"]}"#;
    let mut firewall = network.host(|| crate::network::firewall(json));
    network.host(|| {
        assert!(firewall.forbids_more());
        for (address, forbidden) in
            [(AFAR_V4, true), ("203.0.113.0/24", true), ("203.0.112.0/24", false)]
        {
            let request = request(address, 60_000);
            let why = firewall.forbids(&request, Duration::ZERO);
            assert_eq!(why.is_some(), forbidden, "{address}: {why:?}");
            if forbidden {
                let outcome = firewall.undo(&request, &NoSecrets);
                assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
            }
        }
    });
    assert!(network.reaches(AFAR_V4, HOST_V4, 80));
    assert_eq!(network.host(|| in_force(&mut firewall)), ["ssh 203.0.112.0/24"]);
    let outcome =
        network.host(|| firewall.deliver(&[request("203.0.113.0/24", 60_000)], &NoSecrets));
    assert!(matches!(outcome[..], [Outcome::Refused(_)]), "{outcome:?}");
}
