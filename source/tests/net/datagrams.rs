//! Datagrams, and what the kernel dropped of them.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use correlator_frame::record::TRUNCATED;
use correlator_record::framing::Framing;
use correlator_source::settings::{Address, Door};

use crate::support::{Running, datagram, loopback, path, source};

#[test]
fn each_is_a_record() {
    let running = Running::new(&datagram(loopback(), 1 << 20));
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    peer.connect(running.address.expect("an address")).expect("connected");
    let longest = format!("<13>{}", "x".repeat(65_507 - 4));
    let sent =
        ["<13>a", "<13>b\n", "<13>c\r\n", "<13>d\0", "<13>e\nf\n", "5 <13>g", "", "\n", " ", "7"];
    for text in sent.into_iter().chain([longest.as_str()]) {
        peer.send(text.as_bytes()).expect("sent");
    }
    let expected = ["<13>a", "<13>b", "<13>c", "<13>d", "<13>e\nf", "5 <13>g", "7", &longest];
    let state = running.taken.after("the records", |state| state.records.len() >= expected.len());
    assert!(state.texts() == expected, "{:?}", &state.texts()[..7]);
    assert_eq!(state.counts.blank, 3);
    let bytes: usize = sent.iter().map(|text| text.len()).sum();
    assert_eq!(state.counts.bytes, (bytes + longest.len()) as u64);
    assert_eq!(state.counts.dropped_by_kernel, 0);
}

#[test]
fn several_records_if_the_stack_says_so() {
    let door = Door::Datagram { address: loopback(), buffer_bytes: 1 << 20 };
    let running = Running::new(&source(door, Some(Framing::Lines)));
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for text in ["<13>a\n<13>b\n", "<13>c", "<13>d\n"] {
        peer.send_to(text.as_bytes(), running.address.expect("an address")).expect("sent");
    }
    let state = running.taken.after("four records", |state| state.records.len() == 4);
    assert_eq!(state.texts(), ["<13>a", "<13>b", "<13>c", "<13>d"]);
}

/// Whatever comes in is either taken or counted as dropped, also what is dropped after the last that was kept.
#[test]
fn a_flood_is_counted_truthfully() {
    let mut running = Running::new(&datagram(loopback(), 64 << 10));
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    peer.connect(running.address.expect("an address")).expect("connected");
    // While the intake is closed, the kernel's buffer runs over.
    running.taken.set(|state| state.closed = true);
    let record = format!("<13>{}", "x".repeat(100));
    for _ in 0..20_000 {
        peer.send(record.as_bytes()).expect("sent");
    }
    running.taken.set(|state| state.closed = false);
    let state = running.taken.after("the drops", |state| {
        state.counts.records + state.counts.dropped_by_kernel >= 20_000
    });
    assert!(state.counts.dropped_by_kernel > 1000, "{:?}", state.counts);
    assert_eq!(state.counts.records + state.counts.dropped_by_kernel, 20_000);
    drop(state);
    // Once more, with the end of the flood being the end of the run.
    running.taken.set(|state| state.closed = true);
    for _ in 0..20_000 {
        peer.send(record.as_bytes()).expect("sent");
    }
    running.taken.set(|state| state.closed = false);
    running.stop();
    let state = running.taken.state();
    assert_eq!(state.counts.records + state.counts.dropped_by_kernel, 40_000, "{:?}", state.counts);
    assert_eq!(
        running.gauge.dropped_by_kernel.load(std::sync::atomic::Ordering::Relaxed),
        state.counts.dropped_by_kernel
    );
}

#[test]
fn a_local_socket_loses_nothing() {
    let path = path("datagrams.sock");
    let running = Running::new(&datagram(Address::Path(path.clone(), 0o600), 1 << 20));
    let peer = UnixDatagram::unbound().expect("a socket");
    for n in 0..20_000 {
        peer.send_to(format!("<13>message {n}").as_bytes(), &path).expect("sent");
    }
    let long = format!("<13>{}", "x".repeat(100_000));
    peer.send_to(long.as_bytes(), &path).expect("sent");
    peer.send_to(b"<13>after\0", &path).expect("sent");
    let state = running.taken.after("all records", |state| state.records.len() == 20_002);
    let texts = state.texts();
    assert!((0..20_000).all(|n| texts[n] == format!("<13>message {n}")));
    let cut = &state.records[20_000];
    assert!(cut.raw == long.as_bytes()[..64 << 10] && cut.flags & TRUNCATED != 0);
    assert_eq!((state.counts.cut, state.counts.skipped_bytes), (1, 100_004 - (64 << 10)));
    assert_eq!(texts[20_001], "<13>after");
    drop(state);
    drop(running);
    assert!(!path.exists(), "the socket goes with its source");
}
