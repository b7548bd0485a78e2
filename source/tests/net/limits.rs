//! What bounds a peer, so that it harms only itself.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use correlator_source::settings::StreamLimits;

use crate::support::{Running, confirmed, counted, is_reset, limits, tcp};

#[test]
fn connections_at_once() {
    let running = Running::new(&tcp(StreamLimits { connections: 2, ..limits() }));
    let (mut first, second) = (running.connect(), running.connect());
    first.write_all(b"<13>a\n").expect("sent");
    running.taken.wait("a record", |state| state.records.len() == 1);
    for _ in 0..3 {
        is_reset(running.connect());
    }
    first.write_all(b"<13>b\n").expect("sent");
    confirmed(first);
    running.send(b"<13>c\n");
    confirmed(second);
    assert_eq!(running.gauge.connections_failed.load(Ordering::Relaxed), 3);
    // Counts without records come a little later.
    let state = running.taken.after("the counts", |state| state.counts.connections == 6);
    assert_eq!(state.texts(), ["<13>a", "<13>b", "<13>c"]);
    assert_eq!(state.counts.connections_failed, 3);
}

#[test]
fn connections_of_one_address() {
    let running = Running::new(&tcp(StreamLimits { per_address: 2, ..limits() }));
    let (first, second) = (running.connect(), running.connect());
    is_reset(running.connect());
    confirmed(first);
    // Its place is another's.
    let mut third = running.connect();
    third.write_all(b"<13>third\n").expect("sent");
    confirmed(third);
    confirmed(second);
    let state = running.taken.state();
    assert_eq!(state.texts(), ["<13>third"]);
    assert_eq!(running.gauge.connections_failed.load(Ordering::Relaxed), 1);
}

#[test]
fn silence() {
    let idle = Some(Duration::from_secs(1));
    let running = Running::new(&tcp(StreamLimits { idle, ..limits() }));
    let (silent, mut half, mut talking) = (running.connect(), running.connect(), running.connect());
    half.write_all(b"<13>whole\n<13>half").expect("sent");
    let mut said = 0;
    while running.gauge.connections_failed.load(Ordering::Relaxed) < 2 {
        talking.write_all(b"<13>talk\n").expect("sent");
        said += 1;
        running.taken.wait("what was said", |state| state.beginning("<13>talk") == said);
    }
    is_reset(silent);
    is_reset(half);
    confirmed(talking);
    let state = running.taken.state();
    assert_eq!((state.beginning("<13>whole"), state.beginning("<13>half")), (1, 1));
}

/// A peer that may have little in flight has it taken in small lots, and records that don't fit are cut.
#[test]
fn bytes_in_flight() {
    let bytes_in_flight = 4096;
    let running = Running::new(&tcp(StreamLimits { bytes_in_flight, ..limits() }));
    let records = 20_000;
    let text = counted("<13>a record of some length").repeat(records);
    running.send(text.as_bytes());
    {
        let state = running.taken.state();
        assert_eq!(state.records.len(), records);
        assert!(state.lots >= text.len() / bytes_in_flight, "{} lots", state.lots);
    }
    let long = format!("<13>long {}", "x".repeat(10_000));
    running.send((counted(&long) + &counted("<13>after")).as_bytes());
    let state = running.taken.state();
    let lengths: Vec<_> = state.records[records..].iter().map(|r| r.raw.len()).collect();
    assert_eq!(lengths.len(), 2, "{lengths:?}");
    assert!((3000..4096).contains(&lengths[0]) && lengths[1] == 9, "{lengths:?}");
}

/// A record of 64 KiB that comes in pieces of one byte is not looked at from its start for each of them: this would
/// take minutes, for one peer.
#[test]
fn a_long_record_byte_by_byte() {
    let running = Running::tcp();
    let mut peer = running.connect();
    let record = format!("<13>long {}", "x".repeat(60_000));
    for text in [counted(&record), format!("{record}\n")] {
        let mut peer = running.connect();
        for byte in text.as_bytes() {
            peer.write_all(&[*byte]).expect("sent");
        }
        confirmed(peer);
    }
    peer.write_all(b"<13>a\n").expect("sent");
    confirmed(peer);
    let state = running.taken.state();
    assert_eq!((state.beginning("<13>long"), state.counts.cut), (2, 0));
    assert!(state.records[..2].iter().all(|r| r.raw == record.as_bytes()));
}
