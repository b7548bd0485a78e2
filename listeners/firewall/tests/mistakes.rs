//! What an operator may write wrongly is told when the stack is checked, with the option's name.

use correlator_listener_firewall::Firewall;
use correlator_sdk::options::Setting;
use correlator_sdk::testing;
use correlator_sdk::time::Duration;

const EVENTS: &str = "schema m:e error \"{peer}\" peer:text port:integer\n";

#[test]
fn mistakes_are_told() {
    let check = |settings: &[Setting], expected: &str| {
        let told = testing::effects::<Firewall>(EVENTS, settings).err().unwrap_or_default();
        assert!(told.contains(expected), "{told}");
    };
    check(&[], "no event that may arrive has a column that holds an address: tried addr, address");
    check(&[Setting::new("columns", "port")], "no event that may arrive has a column");
    check(&[Setting::new("columns", "f=peer, peer")], "no event `f` that may arrive");
    check(&[Setting::new("columns", "e=port, peer")], "has a text column `port`");
    let longest = Setting::new("duration_max", Duration::from_minutes(1));
    check(&[Setting::new("columns", "peer"), longest], "`duration_max` is shorter than `duration`");
}

/// Whoever writes logs may name more addresses than are remembered; the state stays within what may be saved.
#[test]
fn a_flood_of_addresses_is_bounded() {
    let mut events = EVENTS.to_owned();
    for number in 0..60_000_u32 {
        let address = std::net::Ipv4Addr::from(number + 0x0a00_0000);
        let line = format!("2023-02-20T20:14:09Z error m:e peer={address} port=1\n");
        events.push_str(&line);
    }
    let lines = testing::effects::<Firewall>(&events, &[Setting::new("columns", "peer")]);
    let lines = lines.unwrap_or_else(|told| panic!("{told}"));
    assert_eq!(lines.len(), 1 + 60_000 + 4);
    assert_eq!(lines[60_001], "statistic blocks_asked_for=60000");
}
