//! Blocks that packets feel, and that end.

use std::io::ErrorKind;
use std::time::Duration;

use correlator_firewall::Firewall;
use correlator_world::{Capability, Outcome};

use crate::network::{
    AFAR_V4, AFAR_V6, HOST_V4, HOST_V6, LEFT_V4, LEFT_V6, Network, NoSecrets, RIGHT_V4, block,
    firewall, in_force, request,
};

const ONE_SET: &str = r#"{"sets": {"ssh": {}}}"#;

#[test]
fn the_kernel_ends_a_block() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    for (address, host) in [(AFAR_V4, HOST_V4), (AFAR_V6, HOST_V6)] {
        assert!(network.reaches(address, host, 80), "{address}");
        let mut firewall = network.host(|| {
            let mut firewall = firewall(ONE_SET);
            block(&mut firewall, address, 2_000);
            firewall
        });
        assert!(!network.reaches(address, host, 80), "{address}");
        assert_eq!(network.host(|| in_force(&mut firewall)).len(), 1);
        // Nobody has to be there for it.
        drop(firewall);
        network.wait_until_reached(address, host, 80);
    }
    assert!(network.nft("list ruleset").contains("counter packets"), "what was dropped is counted");
}

#[test]
fn an_undone_block_is_gone() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    let undo = request(AFAR_V4, 60_000);
    let mut firewall = network.host(|| firewall(ONE_SET));
    network.host(|| block(&mut firewall, AFAR_V4, 60_000));
    assert!(!network.reaches(AFAR_V4, HOST_V4, 80));
    let outcome = network.host(|| firewall.undo(&undo, &NoSecrets));
    assert_eq!(outcome, Outcome::Done(format!("{AFAR_V4} is blocked no more")));
    assert!(network.reaches(AFAR_V4, HOST_V4, 80));
    let outcome = network.host(|| firewall.undo(&undo, &NoSecrets));
    assert_eq!(outcome, Outcome::Done("it is not blocked any more".into()));

    // The operator names an address and means whatever blocks it; in another process, which has blocked nothing.
    network.host(|| block(&mut firewall, "203.0.113.0/24", 60_000));
    network.host(|| block(&mut firewall, AFAR_V4, 60_000));
    network.host(|| block(&mut firewall, "203.0.112.9", 60_000));
    let mut other = network.host(|| crate::network::firewall(ONE_SET));
    let removed = network.host(|| other.remove(AFAR_V4)).unwrap();
    assert_eq!(removed.len(), 2, "{removed:?}");
    assert!(network.reaches(AFAR_V4, HOST_V4, 80));
    network.host(|| firewall.ensure()).unwrap();
    assert_eq!(network.host(|| in_force(&mut firewall)), ["ssh 203.0.112.9/32"]);
    assert!(network.host(|| other.remove("nobody")).unwrap_err().to_string().contains("`nobody`"));
}

#[test]
fn networks_and_addresses_overlap_freely() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    let mut firewall = network.host(|| firewall(r#"{"sets": {"ssh": {}}, "prefix": {"v6": 64}}"#));
    network.host(|| {
        block(&mut firewall, AFAR_V4, 60_000);
        block(&mut firewall, "203.0.113.0/24", 60_000);
        block(&mut firewall, "203.0.113.0/25", 60_000);
        block(&mut firewall, "2001:db8:77::99", 60_000);
        block(&mut firewall, "2001:db8:77::/48", 60_000);
    });
    let all = ["ssh 203.0.113.0/24", "ssh 203.0.113.0/25", "ssh 203.0.113.7/32"];
    let v6 = ["ssh 2001:db8:77::/48", "ssh 2001:db8:77::/64"];
    assert_eq!(network.host(|| in_force(&mut firewall)), [&all[..], &v6[..]].concat());
    let mut undo =
        |address: &str| network.host(|| firewall.undo(&request(address, 60_000), &NoSecrets));
    undo("203.0.113.0/24");
    undo("203.0.113.7");
    assert!(!network.reaches(AFAR_V4, HOST_V4, 80));
    undo("203.0.113.0/25");
    assert!(network.reaches(AFAR_V4, HOST_V4, 80));
    undo("2001:db8:77::/48");
    assert!(!network.reaches(AFAR_V6, HOST_V6, 80));
    undo("2001:db8:77::98");
    assert_eq!(network.host(|| in_force(&mut firewall)), [""; 0], "any address stands for its /64");
    network.wait_until_reached(AFAR_V6, HOST_V6, 80);
}

#[test]
fn an_address_whose_network_is_ours_stands_for_itself() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    let mut firewall = network.host(|| firewall(r#"{"sets": {"ssh": {}}, "prefix": {"v6": 64}}"#));
    network.host(|| block(&mut firewall, LEFT_V6, 60_000));
    assert_eq!(network.host(|| in_force(&mut firewall)), [format!("ssh {LEFT_V6}/128")]);
    assert!(!network.reaches(LEFT_V6, HOST_V6, 80));
    let outcome = network.host(|| firewall.undo(&request(LEFT_V6, 60_000), &NoSecrets));
    assert_eq!(outcome, Outcome::Done(format!("{LEFT_V6} is blocked no more")));
    // The neighbours have to find each other again.
    network.wait_until_reached(LEFT_V6, HOST_V6, 80);
}

#[test]
fn only_ports_that_are_named() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    network.serve("host", 2222);
    let json = r#"{"sets": {"ssh": {"ports": [22, 2222]}}}"#;
    network.host(|| block(&mut firewall(json), LEFT_V4, 60_000));
    assert!(network.reaches(LEFT_V4, HOST_V4, 80));
    assert!(!network.reaches(LEFT_V4, HOST_V4, 2222));
}

#[test]
fn who_is_rejected_is_told() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    let check = |protocol: &str, expected: ErrorKind| {
        let json = format!(r#"{{"sets": {{"ssh": {{"verdict": "reject"{protocol}}}}}}}"#);
        network.host(|| block(&mut firewall(&json), LEFT_V4, 60_000));
        let failure = network.failure(LEFT_V4, HOST_V4, 80).unwrap();
        assert_eq!(failure.kind(), expected, "{failure}");
        network.nft("flush ruleset");
    };
    check(r#", "protocol": "tcp""#, ErrorKind::ConnectionRefused);
    check("", ErrorKind::HostUnreachable);
}

#[test]
fn what_is_passed_on_is_blocked_where_it_is_said() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    network.serve("right", 80);
    network.wait_until_reached(LEFT_V4, RIGHT_V4, 80);
    let check = |hook: &str, host: bool, right: bool| {
        let json = format!(r#"{{"sets": {{"ssh": {{"hook": "{hook}"}}}}}}"#);
        network.host(|| block(&mut firewall(&json), LEFT_V4, 60_000));
        assert_eq!(network.reaches(LEFT_V4, HOST_V4, 80), host, "{hook}");
        assert_eq!(network.reaches(LEFT_V4, RIGHT_V4, 80), right, "{hook}");
    };
    // Each finds what the one before it left behind.
    check("input", false, true);
    check("forward", true, false);
    check("both", false, false);
    check("input", false, true);
}

#[test]
fn a_block_is_extended_and_never_shortened() {
    let Some(network) = Network::new() else { return };
    let mut firewall = network.host(|| firewall(ONE_SET));
    let mut check = |milliseconds: i64, expected: u64| {
        network.host(|| block(&mut firewall, AFAR_V4, milliseconds));
        let blocks = network.host(|| firewall.in_force()).unwrap();
        let seconds = blocks[0].remaining.as_secs();
        assert_eq!(blocks.len(), 1);
        assert!(seconds.abs_diff(expected) < 5, "{seconds} s, not {expected}");
    };
    check(60_000, 60);
    check(600_000, 600);
    check(60_000, 600);
    check(3_600_000, 3600);
}

#[test]
fn requests_of_one_delivery() {
    let Some(network) = Network::new() else { return };
    let json = r#"{"sets": {"ssh": {}, "all": {"hook": "both"}}, "entries_max": 3}"#;
    let mut firewall = network.host(|| firewall(json));
    let mut requests: Vec<_> = [
        ("203.0.113.1", 60_000),
        ("203.0.113.1", 120_000),
        ("::ffff:203.0.113.1", 60_000),
        ("127.0.0.1", 60_000),
        ("203.0.113.2", 60_000),
        ("2001:db8::1", 60_000),
        ("203.0.113.3", 60_000),
    ]
    .iter()
    .map(|(address, milliseconds)| request(address, *milliseconds))
    .collect();
    requests.push(correlator_world::Request { target: "nobody's".into(), ..requests[0].clone() });
    let outcomes = network.host(|| firewall.deliver(&requests, &NoSecrets));
    let check = |at: usize, expected: &str| {
        let (Outcome::Done(words) | Outcome::Refused(words)) = &outcomes[at] else {
            panic!("{:?}", outcomes[at])
        };
        assert!(words.contains(expected), "{at}: {words}");
    };
    check(0, "203.0.113.1 is blocked for 1m");
    check(1, "203.0.113.1 is blocked for 2m");
    check(2, "203.0.113.1 is blocked already");
    check(3, "loopback");
    check(4, "203.0.113.2 is blocked");
    check(5, "2001:db8::1 is blocked");
    check(6, "set `ssh` is full: `entries_max` of the grant is 3");
    check(7, "the grant has no set `nobody's`, only `all`, `ssh`");
    let blocks = network.host(|| firewall.in_force()).unwrap();
    assert_eq!(blocks.len(), 3);
    assert!(blocks[0].remaining > Duration::from_secs(100));
    assert_eq!(firewall.key(&requests[0]), firewall.key(&requests[2]));
    assert_eq!(firewall.endpoint(&requests[0]), "firewall");
}

#[test]
fn without_the_capability_it_says_so() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let Some(network) = Network::new() else { return };
    network.host(|| {
        let mut firewall = firewall(ONE_SET);
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_ADMIN);
        set_capabilities(None, sets).unwrap();
        let outcome = firewall.deliver(&[request(AFAR_V4, 60_000)], &NoSecrets);
        let Outcome::Later { reason, .. } = &outcome[0] else { panic!("{outcome:?}") };
        assert!(reason.contains("CAP_NET_ADMIN"), "{reason}");
        assert!(firewall.ensure().unwrap_err().to_string().contains("AmbientCapabilities"));
        // What needs no rights is still judged.
        firewall.check(&request(AFAR_V4, 60_000)).unwrap();
        firewall.check(&request(HOST_V4, 60_000)).unwrap_err();
    });
}

#[test]
fn packets_are_not_looked_up_without_end() {
    let Some(network) = Network::new() else { return };
    let mut firewall = network.host(|| firewall(ONE_SET));
    let requests: Vec<_> =
        (48..=128).map(|length| request(&format!("2001:db8:8::/{length}"), 60_000)).collect();
    let refused = |outcomes: Vec<Outcome>| {
        let refused = |outcome: &&Outcome| matches!(outcome, Outcome::Refused(why) if why.contains("24 lengths"));
        outcomes.iter().filter(refused).count()
    };
    // 24 with the single addresses of both families, of which one is asked for.
    assert_eq!(refused(network.host(|| firewall.deliver(&requests, &NoSecrets))), 81 - 23);
    assert_eq!(refused(network.host(|| firewall.deliver(&requests[..40], &NoSecrets))), 40 - 22);
    network.host(|| block(&mut firewall, "2001:db8:9::/48", 60_000));
    network.host(|| block(&mut firewall, AFAR_V4, 60_000));
    let rules = network.nft("list chain inet correlator ssh_input");
    assert_eq!(rules.matches("drop").count(), 24 * 2, "a verdict and a comment each: {rules}");
    assert!(rules.contains("@ssh_v6_48 "), "{rules}");
}

/// For how many seconds an address is still blocked, about.
fn rest(firewall: &mut Firewall) -> Option<u64> {
    let blocks = firewall.in_force().unwrap();
    assert!(blocks.len() < 2, "{blocks:?}");
    blocks.first().map(|block| block.remaining.as_secs().next_multiple_of(10))
}

#[test]
fn who_shares_a_set_sees_what_the_other_did() {
    let Some(network) = Network::new() else { return };
    let [mut one, mut two] = network.host(|| [firewall(ONE_SET), firewall(ONE_SET)]);
    // Both have looked at the set before anything is in it.
    network.host(|| [&mut one, &mut two].map(|it| it.ensure().unwrap()));
    network.host(|| block(&mut one, AFAR_V4, 60_000));
    network.host(|| block(&mut two, AFAR_V4, 120_000));
    assert_eq!(network.host(|| rest(&mut one)), Some(120), "the second is longer");
    network.host(|| [&mut one, &mut two].map(|it| it.ensure().unwrap()));
    network.host(|| block(&mut one, AFAR_V6, 120_000));
    let outcomes = network.host(|| two.deliver(&[request(AFAR_V6, 60_000)], &NoSecrets));
    let already = format!("{AFAR_V6} is blocked already, longer than for 1m");
    assert_eq!(outcomes, [Outcome::Done(already)]);
    let blocks = network.host(|| one.in_force()).unwrap();
    assert!(blocks.iter().all(|block| block.remaining.as_secs() > 100), "{blocks:?}");
    // What nobody of this process lifted is missed all the same.
    network.nft("delete element inet correlator ssh_v4 { 203.0.113.7 }");
    network.host(|| block(&mut two, AFAR_V4, 60_000));
    network.nft("delete element inet correlator ssh_v6 { 2001:db8:77::7 }");
    assert_eq!(network.host(|| rest(&mut one)), Some(60));
}

#[test]
fn what_others_stand_for_stays() {
    let Some(network) = Network::new() else { return };
    network.serve("host", 80);
    let [mut one, mut two] = network.host(|| [firewall(ONE_SET), firewall(ONE_SET)]);
    network.host(|| block(&mut one, AFAR_V4, 60_000));
    network.host(|| block(&mut two, AFAR_V4, 600_000));
    let told = |minutes: u64| format!("{AFAR_V4} is blocked for {minutes}m");
    let (short, long) = (told(1), told(10));
    let ago = Duration::from_secs(20);
    let mut undo = |others: &[(&str, Duration)]| {
        let undone =
            network.host(|| one.undo_beside(&request(AFAR_V4, 60_000), others, &NoSecrets));
        let Outcome::Done(said) = undone else { panic!("{undone:?}") };
        (said, network.host(|| rest(&mut two)))
    };
    let (said, rest) = undo(&[(&long, Duration::ZERO), (&short, ago)]);
    assert!(said.starts_with(&format!("{AFAR_V4} stays blocked for 9m5")), "{said}");
    assert_eq!(rest, Some(600));
    // The longest of those that stand, and not what does not any more or is about somebody else.
    let over = Duration::from_secs(90);
    let (said, rest) =
        undo(&[(&short, ago), (&short, over), ("192.0.2.1 is blocked for 10m", over), ("?", ago)]);
    assert!(said.contains("stays blocked for "), "{said}");
    assert_eq!(rest, Some(40));
    assert!(!network.reaches(AFAR_V4, HOST_V4, 80));
    let (said, rest) = undo(&[(&short, over)]);
    assert_eq!((said, rest), (format!("{AFAR_V4} is blocked no more"), None));
    assert!(network.reaches(AFAR_V4, HOST_V4, 80));
    assert_eq!(undo(&[(&long, ago)]), ("it is not blocked any more".to_owned(), None));
}
