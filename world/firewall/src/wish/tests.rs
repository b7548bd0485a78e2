//! What may be asked for and what not, without a world.

use correlator_world::{Cell, Kind, Refused, Request};

use super::*;
use crate::settings::Settings;

const SECOND: i64 = 1_000_000_000;

fn granted(json: &str) -> Granted {
    serde_json::from_str::<Settings>(json).unwrap().checked().unwrap()
}

fn request(cells: &[(&str, Cell)]) -> Request {
    let cells = cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect();
    Request { id: "1".into(), target: "ssh".into(), cells }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

#[test]
fn networks_are_read_in_one_form() {
    let check = |text: &str, expected: Option<&str>| {
        let net = network(text).ok().map(|net| net.to_string());
        assert_eq!(net.as_deref(), expected, "{text}");
    };
    check("192.0.2.7", Some("192.0.2.7/32"));
    check("192.0.2.7/24", Some("192.0.2.0/24"));
    check("::ffff:192.0.2.7", Some("192.0.2.7/32"));
    check("::ffff:c000:207", Some("192.0.2.7/32"));
    check("::ffff:192.0.2.0/120", Some("192.0.2.0/24"));
    check("::ffff:0.0.0.0/96", Some("0.0.0.0/0"));
    check("2001:DB8::1", Some("2001:db8::1/128"));
    check("2001:db8:0:1::7/64", Some("2001:db8:0:1::/64"));
    check("", None);
    check(" 192.0.2.7", None);
    check("192.0.2.7\n", None);
    check("192.0.2.07", None);
    check("192.0.2.7/33", None);
    check("192.0.2.7/-1", None);
    check("fe80::1%eth0", None);
    check("0xc0000207", None);
    check("3221225991", None);
    check("example.org", None);
    check("192.0.2.7, 192.0.2.8", None);
    check("192.0.2.7 } ; flush ruleset", None);
    check(&"1".repeat(1_000_000), None);
}

#[test]
fn what_nobody_may_block() {
    let wide = granted(r#"{"sets": {"ssh": {}}, "prefix_min": {"v4": 8, "v6": 16}}"#);
    let check = |address: &str, expected: &str| {
        let refused = wish(&wide, &request(&[("address", text(address))])).unwrap_err();
        assert!(matches!(refused, Refused::Denied(_)), "{address}: {refused}");
        assert!(refused.to_string().contains(expected), "{address}: {refused}");
    };
    check("0.0.0.0", "unspecified");
    check("0.0.0.0/0", "too large");
    check("::ffff:0.0.0.0/96", "too large");
    check("0.1.2.3", "unspecified");
    check("127.0.0.1", "loopback");
    check("127.1.2.3", "loopback");
    check("::ffff:127.0.0.1", "loopback");
    check("127.0.0.0/8", "loopback");
    check("169.254.169.254", "link-local");
    check("224.0.0.1", "multicast");
    check("239.255.255.250", "multicast");
    check("255.255.255.255", "broadcast");
    check("255.0.0.0/8", "broadcast");
    check("::", "unspecified");
    check("::/0", "too large");
    check("::1", "loopback");
    check("::/16", "never blocked");
    check("fe80::1", "link-local");
    check("fe80::/16", "link-local");
    check("ff02::1", "multicast");
    check(
        "64:ff9b::127.0.0.1",
        "64:ff9b::7f00:1 stands for IPv4: 127.0.0.1/32 overlaps 127.0.0.0/8",
    );
    check("64:ff9b::/96", "0.0.0.0/0 is too large");
    check("64:ff9b::/64", "0.0.0.0/0 is too large");
    check("64:ff9b:1::/64", "0.0.0.0/0 is too large");
    check("64:ff9b:1:7::203.0.113.0/103", "202.0.0.0/7 is too large");
}

#[test]
fn what_the_grant_covers() {
    let usual = granted(r#"{"sets": {"ssh": {}}, "duration": "10m", "duration_max": "1h"}"#);
    let check = |cells: &[(&str, Cell)], expected: Result<(&str, u64), &str>| {
        let wish = wish(&usual, &request(cells));
        match (&wish, expected) {
            (Ok(wish), Ok((net, seconds))) => {
                assert_eq!(
                    (wish.wide.to_string().as_str(), wish.duration.as_secs()),
                    (net, seconds)
                );
            }
            (Err(refused), Err(part)) => assert!(refused.to_string().contains(part), "{refused}"),
            _ => panic!("{cells:?}: {wish:?}, not {expected:?}"),
        }
    };
    let address = ("address", text("192.0.2.7"));
    let during = |seconds: i64| ("duration", Cell::Duration(seconds * SECOND));
    check(std::slice::from_ref(&address), Ok(("192.0.2.7/32", 600)));
    check(
        &[address.clone(), ("duration", Cell::Absent(Kind::Duration))],
        Ok(("192.0.2.7/32", 600)),
    );
    check(&[address.clone(), during(60), ("reason", text("5 failures"))], Ok(("192.0.2.7/32", 60)));
    check(&[address.clone(), during(86_400)], Ok(("192.0.2.7/32", 3600)));
    check(&[address.clone(), during(0)], Err("1s is the least"));
    check(&[address.clone(), during(-1)], Err("1s is the least"));
    check(&[address.clone(), ("duration", Cell::Integer(60))], Err("is no duration"));
    check(&[address.clone(), ("reason", Cell::Integer(60))], Err("`reason` is no text"));
    check(&[address.clone(), ("set", text("all"))], Err("there is no column `set`"));
    check(&[], Err("`address` is missing"));
    check(&[("address", Cell::Integer(1))], Err("`address` is no text"));
    check(&[("address", text("192.0.2.0/24"))], Ok(("192.0.2.0/24", 600)));
    check(&[("address", text("192.0.2.0/23"))], Err("/24 is the largest"));
    check(&[("address", text("2001:db8::/47"))], Err("/48 is the largest"));
    check(&[("address", text("2001:db8:0:1::7"))], Ok(("2001:db8:0:1::7/128", 600)));
}

#[test]
fn an_address_may_stand_for_its_network() {
    let by_64 = granted(r#"{"sets": {"ssh": {}}, "prefix": {"v6": 64}}"#);
    let check = |address: &str, expected: &str| {
        let wish = wish(&by_64, &request(&[("address", text(address))])).unwrap();
        assert_eq!(wish.wide.to_string(), expected);
    };
    check("2001:db8:0:1::7", "2001:db8:0:1::/64");
    check("2001:db8:0:1::/96", "2001:db8:0:1::/96");
    check("192.0.2.7", "192.0.2.7/32");
    // One /64 of these has clients of many networks, or of all of IPv4.
    check("64:ff9b::203.0.113.9", "64:ff9b::cb00:7109/128");
    check("64:ff9b:1:fffe::203.0.113.9", "64:ff9b:1:fffe::cb00:7109/128");
    check("64:ff9b:1:cb00:71:900::", "64:ff9b:1:cb00:71:900::/128");
    check("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:4136:e378:8000:63bf:3fff:fdd2/128");
    check("64:ff9b::203.0.113.0/120", "64:ff9b::cb00:7100/120");
    // Those of one site.
    check("2002:cb00:7109:1::7", "2002:cb00:7109:1::/64");
}

#[test]
fn plans_are_one_line() {
    let by_64 = granted(r#"{"sets": {"ssh": {}}, "prefix": {"v6": 64}, "duration_max": "1h"}"#);
    let check = |cells: &[(&str, Cell)], expected: &str| {
        assert_eq!(plan(&by_64, &request(cells)), expected);
    };
    check(
        &[
            ("address", text("2001:db8:0:1::7")),
            ("duration", Cell::Duration(86_400 * SECOND)),
            ("reason", text("\u{1b}[2J3 failures\nof root \u{202e}")),
        ],
        "block 2001:db8:0:1::/64 for 2001:db8:0:1::7 in set `ssh` of table inet correlator for 1h (asked for 1d): \
         \\u{1b}[2J3 failures\\nof root \\u{202e}",
    );
    check(
        &[("address", text("127.0.0.1"))],
        "block nothing in set `ssh` of table inet correlator: denied: 127.0.0.1/32 overlaps 127.0.0.0/8, which is \
         loopback and never blocked",
    );
}
