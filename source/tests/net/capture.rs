//! Captures of what comes over the network.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;

use correlator_source::capture::Capture;
use correlator_source::replay::reader::{Reader, Settings};
use jiff::tz::TimeZone;

use crate::support::{Running, confirmed, counted, datagram, ended, limits, loopback, path, tcp};

/// What one connection sends stands in the capture unchanged.
#[test]
fn one_connection_is_kept_as_it_came() {
    let records: Vec<_> = (0..5000).map(|n| format!("<13>message {n}\nsecond line")).collect();
    let long = "x".repeat(200_000);
    for text in [
        records.iter().map(|record| counted(record)).collect::<String>(),
        ended(&records, "\r"),
        "<13>a\r\n\r\n<13>b\r\n<13>half".into(),
        "\n\n<13>\u{0}\u{1}\n".into(),
        format!("<13>a\n<13>{long}\n<13>b\n"),
        format!("{}{}", counted(&format!("<13>{long}")), counted("<13>b")),
        "garbage, and no end".into(),
    ] {
        let path = path("one.cap");
        let capture = Arc::new(Capture::create(&path).expect("a capture"));
        let running = Running::with_capture(&tcp(limits()), Some(capture));
        let mut peer = running.connect();
        for piece in text.as_bytes().chunks(1000) {
            peer.write_all(piece).expect("sent");
        }
        confirmed(peer);
        drop(running);
        let kept = fs::read(&path).expect("readable");
        assert!(kept == text.as_bytes(), "{} of {} bytes", kept.len(), text.len());
        fs::remove_file(path).expect("removed");
    }
}

#[test]
fn several_connections_meet_between_records() {
    let path = path("many.cap");
    let capture = Arc::new(Capture::create(&path).expect("a capture"));
    let running = Running::with_capture(&tcp(limits()), Some(capture));
    let record = |peer: usize, n: usize| format!("<13>{peer} {n} {}", "x".repeat(n % 3000));
    thread::scope(|scope| {
        for peer in 0..8 {
            let running = &running;
            scope.spawn(move || {
                let text: String = (0..2000).map(|n| record(peer, n) + "\n").collect();
                running.send(text.strip_suffix('\n').expect("a line end").as_bytes());
            });
        }
    });
    drop(running);
    let kept = fs::read_to_string(&path).expect("readable");
    let mut lines: Vec<_> = kept.lines().map(ToOwned::to_owned).collect();
    let mut sent: Vec<_> = (0..8).flat_map(|p| (0..2000).map(move |n| record(p, n))).collect();
    lines.sort_unstable();
    sent.sort_unstable();
    assert!(lines == sent, "{} lines of {}", lines.len(), sent.len());
    fs::remove_file(path).expect("removed");
}

#[test]
fn datagrams_are_lines() {
    let path = path("datagrams.cap");
    let capture = Arc::new(Capture::create(&path).expect("a capture"));
    let running = Running::with_capture(&datagram(loopback(), 1 << 20), Some(capture));
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for text in ["<13>a", "<13>b\n", "", "<13>c\0"] {
        peer.send_to(text.as_bytes(), running.address.expect("an address")).expect("sent");
    }
    running.taken.wait("three records", |state| state.records.len() == 3);
    drop(running);
    assert_eq!(fs::read(&path).expect("readable"), b"<13>a\n<13>b\n<13>c\0\n");
    fs::remove_file(path).expect("removed");
}

/// Whatever peers of different framing send is read again as the very records that were made of it.
#[test]
fn peers_of_different_framing_are_read_again() {
    let path = path("framings.cap");
    let capture = Arc::new(Capture::create(&path).expect("a capture"));
    let datagrams = Running::with_capture(&datagram(loopback(), 1 << 20), Some(capture.clone()));
    let streams = Running::with_capture(&tcp(limits()), Some(capture.clone()));
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut count = 0;
    for round in 0..3 {
        for text in [format!("<13>datagram {round}"), format!("<13>two\nlines {round}\0")] {
            peer.send_to(text.as_bytes(), datagrams.address.expect("an address")).expect("sent");
            count += 1;
            datagrams.taken.wait("a datagram", |state| state.records.len() == count);
        }
        streams.send(format!("<13>line {round}\n<13>no end {round}").as_bytes());
        streams.send(counted("<13>counted").repeat(3).as_bytes());
        streams.send(counted("<13>counted\nlines").as_bytes());
        streams.send(ended(&["<13>nul".to_owned(), "<13>another".to_owned()], "\0").as_bytes());
    }
    let mut sent = datagrams.taken.state().texts();
    sent.extend(streams.taken.state().texts());
    drop((datagrams, streams, capture));
    let settings = Settings { framing: None, zone: TimeZone::UTC, year: None, parse: true };
    let mut reader = Reader::open(&path, &settings).expect("readable");
    let mut found = Vec::new();
    while let Some(block) = reader.next_block().expect("readable") {
        let records = block.entries().filter_map(|entry| entry.record);
        found.extend(records.map(|record| String::from_utf8_lossy(record.raw()).into_owned()));
    }
    sent.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, sent);
    fs::remove_file(path).expect("removed");
}
