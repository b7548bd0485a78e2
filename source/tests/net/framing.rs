//! How records are told apart, connection by connection.

use std::io::Write;
use std::thread;

use correlator_frame::record::{TIME_ASSUMED, TRUNCATED};
use correlator_record::framing::Framing;
use correlator_source::settings::{Address, Door};

use crate::support::{Running, confirmed, counted, ended, limits, loopback, source, tcp};

/// Records as they are sent, and how they stand on the wire.
fn streams() -> Vec<(Vec<String>, String)> {
    let records = |name: &str| -> Vec<String> {
        (0..50).map(|n| format!("<13>Dec 10 06:55:46 host {name}[{n}]: message {n}")).collect()
    };
    let with = |name: &str, trailer: &str| {
        let records = records(name);
        let text = ended(&records, trailer);
        (records, text)
    };
    let many = |name: &str| -> Vec<String> {
        records(name).iter().map(|record| format!("{record}\nsecond line")).collect()
    };
    let octets = records("octets");
    let lines_within = many("octets-lines");
    let returns = many("return-lines");
    vec![
        with("lines", "\n"),
        with("windows", "\r\n"),
        with("nul", "\0"),
        with("return", "\r"),
        with("three", "\u{1}\u{2}\u{3}"),
        (octets.clone(), octets.iter().map(|record| counted(record)).collect()),
        (lines_within.clone(), lines_within.iter().map(|record| counted(record)).collect()),
        (returns.clone(), ended(&returns, "\r")),
    ]
}

#[test]
fn all_framings_on_one_port_at_once() {
    let running = Running::tcp();
    let streams = streams();
    thread::scope(|scope| {
        for (_, text) in &streams {
            scope.spawn(|| running.send(text.as_bytes()));
            // Byte by byte, as the slowest of peers would.
            scope.spawn(|| {
                let mut peer = running.connect();
                for byte in text.as_bytes() {
                    peer.write_all(&[*byte]).expect("sent");
                }
                confirmed(peer);
            });
        }
    });
    let mut taken = running.taken.state().texts();
    let sent = streams.iter().flat_map(|(records, _)| records.iter().chain(records));
    let mut sent: Vec<_> = sent.cloned().collect();
    taken.sort_unstable();
    sent.sort_unstable();
    assert_eq!(taken, sent);
}

#[test]
fn one_connection_keeps_its_order() {
    let running = Running::tcp();
    let records: Vec<_> = (0..100_000).map(|n| format!("<13>message {n}")).collect();
    let text: String = records.iter().map(|record| counted(record)).collect();
    running.send(text.as_bytes());
    let state = running.taken.state();
    assert!(state.texts() == records, "{} of {}", state.records.len(), records.len());
    assert_eq!(state.counts.bytes, text.len() as u64);
    assert_eq!((state.counts.records, state.counts.connections), (100_000, 1));
}

/// More records than a frame holds, in one block: all of them come without another byte being sent.
#[test]
fn tiny_records() {
    let running = Running::tcp();
    let mut peer = running.connect();
    peer.write_all("a\n".repeat(100_000).as_bytes()).expect("sent");
    running.taken.wait("100,000 records", |state| state.records.len() == 100_000);
    peer.write_all(b"\n\n \nb").expect("sent");
    confirmed(peer);
    let state = running.taken.state();
    assert_eq!((state.counts.records, state.counts.blank), (100_001, 3));
}

/// The first record comes alone, and nobody knows yet what stands behind it: it doesn't wait for the second for ever.
#[test]
fn a_first_record_alone_comes_soon() {
    for text in ["<13>alone\n", "<13>alone\r", "<13>alone\0", "alone\n", "9 <13>alone"] {
        let running = Running::tcp();
        let mut peer = running.connect();
        peer.write_all(text.as_bytes()).expect("sent");
        let state = running.taken.after("the record", |state| !state.records.is_empty());
        assert!(state.texts()[0].ends_with("alone"), "{text:?}: {:?}", state.texts());
    }
}

#[test]
fn what_the_stack_says_counts() {
    let check = |framing: Framing, text: &str, expected: &[&str]| {
        let door = Door::Stream { address: loopback(), limits: limits(), tls: None };
        let running = Running::new(&source(door, Some(framing.clone())));
        running.send(text.as_bytes());
        assert_eq!(running.taken.state().texts(), expected, "{framing:?}");
    };
    check(Framing::Lines, "5 <13>a\n<13>b\n", &["5 <13>a", "<13>b"]);
    check(Framing::Trailer(b"||".to_vec()), "<13>a|\n||<13>b||", &["<13>a|\n", "<13>b"]);
    check(Framing::Octets, "3 a\nb1 c", &["a\nb", "c"]);
}

#[test]
fn long_records_are_cut_and_marked() {
    let long = format!("<13>long {}", "x".repeat(300_000));
    let check = |text: String| {
        let running = Running::tcp();
        running.send(text.as_bytes());
        let state = running.taken.state();
        let lengths: Vec<_> = state.records.iter().map(|record| record.raw.len()).collect();
        assert_eq!(lengths, [9, 64 << 10, 9, 64 << 10], "{}", &text[..20]);
        let cut: Vec<_> = state.records.iter().map(|r| r.flags & TRUNCATED != 0).collect();
        assert_eq!(cut, [false, true, false, true]);
        assert_eq!(state.counts.cut, 2);
        let skipped = 2 * (long.len() as u64 - (64 << 10));
        assert_eq!(state.counts.skipped_bytes, skipped);
    };
    let (before, after) = ("<13>short", "<13>after");
    check(format!("{before}\n{long}\n{after}\n{long}"));
    check([before, &long, after, &long].map(counted).concat());
}

/// Records without a time have come when they have come, however long the connection has been open.
#[test]
fn undated_records_get_the_time_of_arrival() {
    let running = Running::tcp();
    let mut peer = running.connect();
    let before = correlator_source::clock::now();
    peer.write_all(b"<13>1 2001-02-03T04:05:06Z host app - - - dated\n<13>undated\n")
        .expect("sent");
    confirmed(peer);
    let after = correlator_source::clock::now();
    let state = running.taken.state();
    assert_eq!(state.records[0].time, 981_173_106_000_000_000);
    assert_ne!(state.records[1].flags & TIME_ASSUMED, 0);
    assert!((before..=after).contains(&state.records[1].time), "{}", state.records[1].time);
}

/// A date without a year is in the year before if it is more than a day ahead.
#[test]
fn years_follow_the_clock() {
    let now = jiff::Timestamp::from_nanosecond(correlator_source::clock::now().into());
    let now = now.expect("a time").to_zoned(jiff::tz::TimeZone::UTC);
    let running = Running::tcp();
    let mut text = String::new();
    for days in [0, 3] {
        let date = now.checked_add(jiff::Span::new().days(days)).expect("a date");
        text += &date.strftime("<13>%b %e %H:%M:%S host a: b\n").to_string();
    }
    running.send(text.as_bytes());
    let state = running.taken.state();
    let ago =
        |place: usize| now.timestamp().as_nanosecond() - i128::from(state.records[place].time);
    assert!(ago(0) < 1_000_000_000 * 60, "{}", ago(0));
    assert!(ago(1) > 1_000_000_000 * 86_400 * 300, "{}", ago(1));
}

#[test]
fn both_versions_of_addresses() {
    for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
        let address = Address::Internet(address.parse().expect("an address"));
        let door = Door::Stream { address: address.clone(), limits: limits(), tls: None };
        let Ok(net) = correlator_source::net::Net::bind(7, &source(door.clone(), None), None)
        else {
            eprintln!("skipped {address:?}: this machine has no such address");
            continue;
        };
        drop(net);
        let mut running = Running::new(&source(door, None));
        let port = running.address.expect("an address").port();
        if matches!(address, Address::Internet(address) if address.ip().is_unspecified()) {
            running.address = Some(([127, 0, 0, 1], port).into());
        }
        running.send(b"<13>a\n");
        assert_eq!(running.taken.state().texts(), ["<13>a"]);
    }
}

#[test]
fn a_port_that_is_taken_is_told() {
    let running = Running::tcp();
    let mut source = tcp(limits());
    let address = Address::Internet(running.address.expect("an address"));
    source.door = Door::Stream { address, limits: limits(), tls: None };
    let error = correlator_source::net::Net::bind(7, &source, None).err().map(|e| e.to_string());
    let expected = "something else listens there";
    assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{error:?}");
}
