//! What a sender may conclude from the end of a connection, and what happens to one that breaks off.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::support::{Running, confirmed, counted, is_reset};

/// Nothing is confirmed before the intake has it.
#[test]
fn the_end_is_the_confirmation() {
    let running = Running::tcp();
    running.taken.set(|state| state.closed = true);
    let mut peer = running.connect();
    peer.write_all(b"<13>a\n<13>b").expect("sent");
    peer.shutdown(Shutdown::Write).expect("shut down");
    peer.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
    let early = peer.read(&mut [0; 16]).expect_err("the intake has nothing yet").kind();
    assert_eq!(early, ErrorKind::WouldBlock);
    running.taken.set(|state| state.closed = false);
    peer.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    assert_eq!(peer.read(&mut [0; 16]).expect("an orderly end"), 0);
    assert_eq!(running.taken.state().texts(), ["<13>a", "<13>b"]);
}

#[test]
fn an_intake_that_ends_confirms_nothing() {
    let mut running = Running::tcp();
    running.taken.set(|state| state.ended = true);
    let mut peer = running.connect();
    peer.write_all(b"<13>a\n").expect("sent");
    peer.shutdown(Shutdown::Write).expect("shut down");
    is_reset(peer);
    running.join();
    assert!(running.taken.state().records.is_empty());
}

/// A source that stops takes what was sent, and resets those that have not ended.
#[test]
fn a_stop_takes_what_was_sent() {
    let mut running = Running::tcp();
    let mut peers: Vec<_> = (0..20).map(|_| running.connect()).collect();
    let text = counted("<13>whole").repeat(1000) + "20 <13>half";
    for peer in &mut peers {
        peer.write_all(text.as_bytes()).expect("sent");
    }
    running.stop();
    peers.into_iter().for_each(is_reset);
    let state = running.taken.state();
    assert_eq!((state.beginning("<13>whole"), state.beginning("<13>half")), (20_000, 20));
}

#[test]
fn a_reset_loses_nothing_that_had_come() {
    let running = Running::tcp();
    let mut peer = running.connect();
    peer.write_all(b"<13>first\n<13>second\n<13>thi").expect("sent");
    running.taken.wait("two records", |state| state.records.len() == 2);
    rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).expect("set");
    drop(peer);
    let state = running.taken.after("the third", |state| state.records.len() == 3);
    assert_eq!(state.texts(), ["<13>first", "<13>second", "<13>thi"]);
    assert_eq!(state.counts.connections_failed, 1);
}

/// A thousand connections at once, each of them with some records, a piece at a time.
#[test]
fn a_thousand_connections() {
    let running = Running::tcp();
    let mut peers: Vec<_> = (0..1000).map(|_| running.connect()).collect();
    for round in 0..10 {
        for (place, peer) in peers.iter_mut().enumerate() {
            let record = counted(&format!("<13>record {round} of {place}"));
            let (start, end) = record.split_at(record.len() / 2);
            peer.write_all(start.as_bytes()).expect("sent");
            peer.write_all(end.as_bytes()).expect("sent");
        }
    }
    running.taken.wait("10,000 records", |state| state.records.len() == 10_000);
    assert_eq!(running.gauge.connections_open.load(std::sync::atomic::Ordering::Relaxed), 1000);
    peers.into_iter().for_each(confirmed);
    let mut texts = running.taken.state().texts();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 10_000, "each came once");
}

/// One peer that floods, one that is stuck in the middle of a record, one that sends byte by byte: the last is served
/// while the first goes on.
#[test]
fn a_flood_harms_nobody() {
    let running = Running::tcp();
    let (mut flooding, mut stuck, mut slow) =
        (running.connect(), running.connect(), running.connect());
    stuck.write_all(b"1000 <13>stuck").expect("sent");
    let flood = flooding.try_clone().expect("another handle");
    let sender = thread::spawn(move || {
        let block = counted("<13>flood").repeat(5000);
        let mut sent = 0;
        while flooding.write_all(block.as_bytes()).is_ok() {
            sent += 5000;
        }
        sent
    });
    running.taken.wait("the flood", |state| state.beginning("<13>flood") > 10_000);
    for n in 0..20 {
        for byte in counted(&format!("<13>slow {n}")).as_bytes() {
            slow.write_all(&[*byte]).expect("sent");
        }
    }
    running.taken.wait("the slow one", |state| state.beginning("<13>slow") == 20);
    let flooded = running.taken.state().beginning("<13>flood");
    running.taken.wait("more of the flood", |state| state.beginning("<13>flood") > flooded);
    flood.shutdown(Shutdown::Both).expect("shut down");
    let sent = sender.join().expect("it ended");
    confirmed(slow);
    let state = running.taken.after("all of the flood", |s| s.beginning("<13>flood") >= sent);
    assert_eq!(state.beginning("<13>stuck"), 0);
}
