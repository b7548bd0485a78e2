//! Replays over TCP and Unix stream sockets.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use correlator_source::replay::batch::Wire;
use correlator_source::replay::link::Closed;
use correlator_source::replay::pace::Speed;
use correlator_source::replay::play::{Outcome, Plan, ReplayError, replay};
use correlator_source::replay::reader::Entry;
use correlator_source::{clock, limit};

use crate::{Folder, HEADER, go, lines, plan, settings};

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = format!("tcp://{}", listener.local_addr().expect("an address"));
    (listener, target)
}

/// Sends to a peer that reads to the end and closes; what arrived on each connection.
fn to_sink(plan: impl FnOnce(&str) -> Plan) -> (Outcome, Vec<Vec<u8>>) {
    let (listener, target) = listener();
    let plan = plan(&target);
    let connections = plan.connections;
    let sink = thread::spawn(move || {
        let read = |_| {
            let (mut stream, _) = listener.accept().expect("a connection");
            thread::spawn(move || {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).expect("all of it");
                bytes
            })
        };
        let each: Vec<_> = (0..connections).map(read).collect();
        each.into_iter().map(|thread| thread.join().expect("a sink")).collect()
    });
    let outcome = go(&plan).expect("a replay");
    (outcome, sink.join().expect("a sink"))
}

#[test]
fn bytes_arrive_as_they_are_and_the_peer_confirms() {
    let folder = Folder::new();
    for text in [
        lines(50_000),
        format!("{HEADER} a\nb\r{HEADER} c\r{HEADER} d"),
        "4 <1>a5 <1>bc50 <1>d".to_owned(),
        "\n\na\n\nb".to_owned(),
    ] {
        let path = folder.file("a.cap", &text);
        let (outcome, arrived) = to_sink(|target| plan(&path, target));
        assert!(arrived == [text.as_bytes()], "{} bytes", text.len());
        assert_eq!(outcome.bytes, text.len() as u64);
        assert!(matches!(outcome.closed[..], [Closed::Orderly]), "{outcome:?}");
    }
}

#[test]
fn framing_is_changed_if_asked() {
    let check = |text: &str, wire, repeat, expected: &str, records| {
        let folder = Folder::new();
        let path = folder.file("a.cap", text);
        let (outcome, arrived) = to_sink(|target| Plan { wire, repeat, ..plan(&path, target) });
        assert_eq!(String::from_utf8_lossy(&arrived[0]), expected, "{text:?}");
        assert_eq!(outcome.records, records);
    };
    check("<1>a\r\n\n<1>bc", Wire::Octets, 1, "4 <1>a5 <1>bc", 2);
    check("4 <1>a5 <1>bc", Wire::Lines, 1, "<1>a\n<1>bc\n", 2);
    check("<1>0123456\n", Wire::Octets, 1, "10 <1>0123456", 1);
    // What is not all there is made whole if something comes behind it.
    check("<1>a\n<1>b", Wire::AsIs, 2, "<1>a\n<1>b\n<1>a\n<1>b\n", 4);
    check("4 <1>a9 <1>b", Wire::AsIs, 2, "4 <1>a4 <1>b4 <1>a4 <1>b", 4);
    let expected = format!("{HEADER} a\r{HEADER} b\r").repeat(2);
    check(&format!("{HEADER} a\r{HEADER} b"), Wire::AsIs, 2, &expected, 4);
}

#[test]
fn a_record_that_would_be_torn_is_not_sent() {
    let folder = Folder::new();
    let path = folder.file("a.cap", format!("{HEADER} a\r{HEADER} b\nc\r"));
    // Nobody listens: it is refused before that matters.
    let plan = Plan { wire: Wire::Lines, ..plan(&path, "tcp://127.0.0.1:1") };
    let error = go(&plan).expect_err("refused");
    assert!(matches!(error, ReplayError::Torn { number: 2, .. }), "{error}");
}

#[test]
fn every_record_goes_over_one_of_many_connections() {
    let folder = Folder::new();
    let text = lines(5_000);
    let path = folder.file("a.cap", &text);
    let (outcome, arrived) =
        to_sink(|target| Plan { connections: 16, repeat: 3, ..plan(&path, target) });
    assert_eq!((outcome.records, outcome.closed.len()), (15_000, 16));
    let all = arrived.iter().map(|bytes| std::str::from_utf8(bytes).expect("text"));
    let mut seen: Vec<&str> = all.flat_map(str::lines).collect();
    seen.sort_unstable();
    let mut expected: Vec<&str> = text.lines().flat_map(|line| [line; 3]).collect();
    expected.sort_unstable();
    assert!(seen == expected, "{} lines arrived", seen.len());
}

#[test]
fn only_what_is_chosen_is_sent() {
    let folder = Folder::new();
    let path = folder.file("a.cap", "<1>a\n\n<1>b\n\n<1>c\n");
    let (listener, target) = listener();
    let sink = thread::spawn(move || {
        let mut text = String::new();
        listener.accept().expect("a connection").0.read_to_string(&mut text).expect("text");
        text
    });
    let chosen = |entry: &Entry| entry.body != b"<1>b";
    let outcome =
        replay(&plan(&path, &target), &chosen, &AtomicBool::new(false)).expect("a replay");
    assert_eq!((outcome.records, sink.join().expect("a sink").as_str()), (2, "<1>a\n\n<1>c\n"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the clock on the wall is what is tested")]
fn timing_is_kept_and_gaps_are_shortened() {
    let folder = Folder::new();
    let line = |time: &str| format!("<34>1 2003-10-11T{time}Z h p - - - m\n");
    let text = ["22:00:00.0", "22:00:00.2", "22:00:00.4", "23:00:00.0"].map(line).concat();
    let path = folder.file("a.cap", &text);
    let begin = Instant::now();
    let (outcome, arrived) = to_sink(|target| Plan {
        settings: settings(None, true),
        speed: Speed::Times(2.0),
        gap_max: Duration::from_millis(400),
        ..plan(&path, target)
    });
    let took = begin.elapsed();
    assert_eq!(arrived, [text.as_bytes()]);
    assert_eq!((outcome.records, outcome.gaps), (4, 1));
    assert_eq!(outcome.saved, Duration::from_hours(1) - Duration::from_millis(800));
    // 200 ms for what happened, 200 ms for the gap.
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_local_socket_takes_a_stream() {
    let folder = Folder::new();
    let text = lines(10_000);
    let path = folder.file("a.cap", &text);
    let place = folder.0.join("socket");
    let listener = UnixListener::bind(&place).expect("a socket");
    let sink = thread::spawn(move || {
        let mut bytes = Vec::new();
        listener.accept().expect("a connection").0.read_to_end(&mut bytes).expect("all of it");
        bytes
    });
    let outcome = go(&plan(&path, &format!("unix:{}", place.display()))).expect("a replay");
    assert!(sink.join().expect("a sink") == text.as_bytes());
    assert!(matches!(outcome.closed[..], [Closed::Orderly]));
}

#[test]
fn a_peer_that_is_not_there_or_goes_away_is_told() {
    let folder = Folder::new();
    let path = folder.file("a.cap", lines(200_000));
    let (gone, target) = listener();
    drop(gone);
    let error = go(&plan(&path, &target)).expect_err("nobody listens");
    assert!(matches!(error, ReplayError::Connect { .. }), "{error}");

    let (listener, target) = listener();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        // What is not read makes its end a reset.
        stream.read_exact(&mut [0; 1000]).expect("some of it");
    });
    let error = go(&plan(&path, &target)).expect_err("broken off");
    peer.join().expect("a peer");
    let ReplayError::Broke { records, .. } = error else { panic!("{error}") };
    assert!((1..200_000).contains(&records), "{records}");
}

#[test]
fn a_peer_that_goes_away_while_nothing_is_sent_is_told() {
    let folder = Folder::new();
    let line = |hour: u32| format!("<34>1 2003-10-11T{hour:02}:00:00Z h p - - - m\n");
    let path = folder.file("a.cap", [line(1), line(2)].concat());
    let (listener, target) = listener();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_exact(&mut vec![0; line(1).len()]).expect("the first");
    });
    let plan = Plan {
        settings: settings(None, true),
        speed: Speed::Times(1.0),
        gap_max: Duration::from_hours(1),
        ..plan(&path, &target)
    };
    let error = go(&plan).expect_err("broken off");
    assert!(matches!(error, ReplayError::Broke { records: 1, .. }), "{error}");
    peer.join().expect("a peer");
}

#[test]
fn a_peer_that_does_not_close_in_time_has_not_confirmed() {
    let folder = Folder::new();
    let path = folder.file("a.cap", "<1>a\n");
    let (listener, target) = listener();
    let short = Plan { close_wait: Duration::from_millis(50), ..plan(&path, &target) };
    let outcome = go(&short).expect("a replay");
    assert_eq!(outcome.records, 1);
    assert!(matches!(outcome.closed[..], [Closed::Late]), "{outcome:?}");
    drop(listener);
}

#[test]
fn it_stops_when_it_is_told_to() {
    let folder = Folder::new();
    let line = |hour: u32| format!("<34>1 2003-10-11T{hour:02}:00:00Z h p - - - m\n");
    let path = folder.file("a.cap", [line(1), line(2)].concat());
    let (listener, target) = listener();
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_exact(&mut vec![0; line(1).len()]).expect("the first");
        told.store(true, Ordering::Relaxed);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the end");
        rest
    });
    let plan = Plan {
        settings: settings(None, true),
        speed: Speed::Times(1.0),
        gap_max: Duration::from_hours(1),
        ..plan(&path, &target)
    };
    let outcome = replay(&plan, &|_: &Entry| true, &stop).expect("stopped in order");
    assert!(outcome.stopped && outcome.records == 1, "{outcome:?}");
    assert!(matches!(outcome.closed[..], [Closed::Orderly]), "it confirmed: {outcome:?}");
    assert_eq!(peer.join().expect("a peer"), b"");
}

#[test]
fn whoever_stops_waits_a_moment_for_the_peer_to_close() {
    let folder = Folder::new();
    let path = folder.file("a.cap", "<1>a\n");
    let (listener, target) = listener();
    let stop = Arc::new(AtomicBool::new(true));
    let begun = clock::instant();
    let outcome = replay(&plan(&path, &target), &|_: &Entry| true, &stop).expect("stopped");
    assert!(matches!(outcome.closed[..], [Closed::Left]), "{outcome:?}");
    let waited = clock::instant() - begun;
    let much = limit::REPLAY_STOP_MAX + Duration::from_secs(20);
    assert!((limit::REPLAY_STOP_MAX..much).contains(&waited), "{waited:?}");
    drop(listener);
}

#[test]
fn it_stops_although_the_peer_takes_nothing() {
    let folder = Folder::new();
    let path = folder.file("a.cap", lines(200_000));
    let place = folder.0.join("socket");
    let listener = UnixListener::bind(&place).expect("a socket");
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        // A batch is more than the kernel holds for a local socket, so from here on the sender is stuck.
        stream.read_exact(&mut [0]).expect("a byte");
        told.store(true, Ordering::Relaxed);
        stream
    });
    let plan = plan(&path, &format!("unix:{}", place.display()));
    let outcome = replay(&plan, &|_: &Entry| true, &stop).expect("stopped");
    assert!(outcome.stopped && outcome.closed.is_empty(), "{outcome:?}");
    assert!((1..10_000).contains(&outcome.records), "{outcome:?}");
    peer.join().expect("a peer");
}
