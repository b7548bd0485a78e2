//! Peers of the test's own: they read exactly what was written, or nothing, and go away when they like.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use correlator_wire::clock;
use correlator_world::{Capability, Cell, Request};
use rustix::net::sockopt;

use crate::{Nothing, deliver, expect, numbered, request, syslog, text, until};

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, format!("address: '127.0.0.1:{port}', transport: tcp, timeout: 1s"))
}

/// The next message, told apart by its length.
fn frame(peer: &mut TcpStream) -> String {
    let (mut length, mut byte) = (0, [0]);
    loop {
        peer.read_exact(&mut byte).expect("a length");
        match byte[0] {
            b' ' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut bytes = vec![0; length];
    peer.read_exact(&mut bytes).expect("a message");
    String::from_utf8(bytes).expect("text")
}

fn frames(peer: &mut TcpStream, count: usize) -> Vec<String> {
    (0..count).map(|_| frame(peer)).collect()
}

/// The numbers of the messages.
fn numbers(frames: &[String]) -> Vec<usize> {
    let number = |text: &String| text.rsplit(' ').next()?.parse().ok();
    frames.iter().filter_map(number).collect()
}

#[test]
fn one_connection_is_kept() {
    let (listener, target) = listener();
    let mut syslog = syslog(&target);
    expect(&deliver(&mut syslog, &numbered(0..3)), "done", "nobody confirms syslog");
    let (mut peer, _) = listener.accept().expect("a connection");
    expect(&deliver(&mut syslog, &numbered(3..500)), "done", "");
    let all = frames(&mut peer, 500);
    assert_eq!(numbers(&all), (0..500).collect::<Vec<_>>());
    let first = "<134>1 - tester correlator - - [correlator@32473 id=\"m:0#0\"] message 0";
    assert_eq!(all[0], first);
    drop(syslog);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).expect("an end in order");
    assert!(rest.is_empty());
}

#[test]
fn a_connection_that_broke_between() {
    let (listener, target) = listener();
    let mut syslog = syslog(&target);
    expect(&deliver(&mut syslog, &numbered(0..3)), "done", "");
    let (peer, _) = listener.accept().expect("a connection");
    // It hangs up without having read a word: what it was sent is lost.
    drop(peer);
    expect(
        &deliver(&mut syslog, &numbered(3..5)),
        "done",
        "so 3 messages of before were sent again",
    );
    let (mut peer, _) = listener.accept().expect("a connection");
    assert_eq!(numbers(&frames(&mut peer, 5)), [0, 1, 2, 3, 4]);
    // Once more, with something that it does not read: all of them may be lost now.
    expect(&deliver(&mut syslog, &numbered(5..6)), "done", "");
    peer.read_exact(&mut [0]).expect("a letter");
    drop(peer);
    expect(
        &deliver(&mut syslog, &numbered(6..7)),
        "done",
        "so 6 messages of before were sent again",
    );
    let (mut peer, _) = listener.accept().expect("a connection");
    assert_eq!(numbers(&frames(&mut peer, 7)), [0, 1, 2, 3, 4, 5, 6]);
}

/// A receiver that closes idle connections has read what it was sent: nothing comes twice.
#[test]
fn a_connection_that_was_closed_in_order() {
    let (listener, target) = listener();
    let mut syslog = syslog(&target);
    let mut come = Vec::new();
    for n in 0..5 {
        let outcomes = deliver(&mut syslog, &numbered(n..n + 1));
        expect(&outcomes, "done", "");
        let told = format!("{outcomes:?}");
        assert!(!told.contains("again"), "{told}");
        let (mut peer, _) = listener.accept().expect("a connection");
        peer.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
        come.extend(numbers(&[frame(&mut peer)]));
        assert!(peer.read(&mut [0]).is_err(), "nothing more");
    }
    assert_eq!(come, [0, 1, 2, 3, 4]);
    assert!(syslog.close().is_empty());
}

/// What so many peers do, one after another, that each are sent a hundred messages, and how many may be lost in the end.
fn at_the_end(peers: &[fn(TcpStream)], expected: usize, words: &str) {
    let (listener, target) = listener();
    let peers = peers.to_vec();
    let answering = thread::spawn(move || {
        for peer in peers {
            peer(listener.accept().expect("a connection").0);
        }
    });
    let mut syslog = syslog(&target);
    expect(&deliver(&mut syslog, &numbered(0..100)), "done", "");
    let start = clock::instant();
    let undone = syslog.close();
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let told: Vec<&str> = undone.iter().map(|undone| undone.reason.as_str()).collect();
    let count: u64 = undone.iter().map(|undone| undone.requests).sum();
    assert_eq!(count, expected as u64, "{told:?}");
    assert!(told.iter().all(|told| told.contains(words)), "{told:?}");
    drop(syslog);
    answering.join().expect("peers");
}

#[test]
fn what_was_not_read_is_known_at_the_end() {
    let reads_all = |mut peer: TcpStream| {
        assert_eq!(numbers(&frames(&mut peer, 100)), (0..100).collect::<Vec<_>>());
        assert_eq!(peer.read(&mut [0]).expect("an end"), 0);
    };
    let drops = |mut peer: TcpStream| {
        frames(&mut peer, 30);
    };
    let never_closes = |mut peer: TcpStream| {
        frames(&mut peer, 100);
        while peer.write_all(b"x").is_ok() {}
    };
    at_the_end(&[reads_all], 0, "");
    at_the_end(&[drops, reads_all], 0, "");
    at_the_end(&[drops, drops, reads_all], 0, "");
    at_the_end(&[drops, drops, drops], 100, "over TCP may not have read it: its connection broke");
    at_the_end(
        &[drops],
        100,
        "may not have read it: its connection broke at the end: Connection re",
    );
    at_the_end(&[never_closes], 0, "");
}

#[test]
fn nobody_listens_for_a_while() {
    let (listener, target) = listener();
    let address = listener.local_addr().expect("an address");
    let mut syslog = syslog(&target);
    expect(&deliver(&mut syslog, &numbered(0..2)), "done", "");
    let (peer, _) = listener.accept().expect("a connection");
    drop(peer);
    drop(listener);
    for _ in 0..3 {
        expect(&deliver(&mut syslog, &numbered(2..4)), "later", "Connection refused");
    }
    let listener = TcpListener::bind(address).expect("the same port");
    expect(&deliver(&mut syslog, &numbered(2..4)), "done", "2 messages of before were sent again");
    let (mut peer, _) = listener.accept().expect("a connection");
    assert_eq!(numbers(&frames(&mut peer, 4)), [0, 1, 2, 3]);
}

#[test]
fn a_peer_that_stops_reading() {
    let (listener, target) = listener();
    sockopt::set_socket_recv_buffer_size(&listener, 4096).expect("a small buffer");
    let mut syslog = syslog(&target);
    let large: Vec<Request> = (0..4000)
        .map(|n| {
            let words = format!("{} {n}", "x".repeat(4000));
            request(&format!("m:{n}#0"), &[("message", text(&words))])
        })
        .collect();
    expect(&deliver(&mut syslog, &large), "later", "no answer in time; what was written of it may");
    let (stuck, _) = listener.accept().expect("a connection");
    drop(stuck);
    let reader = thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a connection");
        numbers(&frames(&mut peer, 4000))
    });
    expect(&deliver(&mut syslog, &large), "done", "");
    assert_eq!(reader.join().expect("a reader"), (0..4000).collect::<Vec<_>>());
}

#[test]
fn a_peer_that_never_stops_talking() {
    let (listener, target) = listener();
    let mut syslog = syslog(&target);
    let talker = thread::spawn(move || {
        let words = vec![b'x'; 1 << 20];
        for peer in listener.incoming().take(2) {
            let mut peer = peer.expect("a connection");
            while peer.write_all(&words).is_ok() {}
        }
    });
    // What it says is read and thrown away as far as that goes; it can't keep us for ever.
    for n in 0..20 {
        let _ = deliver(&mut syslog, &numbered(n..n + 1));
    }
    drop(syslog);
    drop(talker);
}

#[test]
fn datagrams() {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = peer.local_addr().expect("an address").port();
    let mut syslog =
        syslog(&format!("address: '127.0.0.1:{port}', transport: udp, message_max: 480"));
    let long = request("m:0#0", &[("message", text(&"ä".repeat(5000)))]);
    expect(&deliver(&mut syslog, &[long, numbered(1..2).remove(0)]), "done", "over UDP");
    let mut bytes = [0; 9000];
    let count = peer.recv(&mut bytes).expect("a datagram");
    let first = String::from_utf8_lossy(&bytes[..count]);
    assert!(count <= 480 && first.ends_with("ä..."), "{first}");
    let count = peer.recv(&mut bytes).expect("a datagram");
    assert!(bytes[..count].ends_with(b" message 1"));
    drop(peer);
    expect(&deliver(&mut syslog, &numbered(2..3)), "later", "Connection refused");

    let path = std::env::temp_dir().join(format!("correlator-syslog-{}.sock", std::process::id()));
    let target = format!("address: '{}', transport: unix, timeout: 300ms", path.display());
    let mut syslog = crate::syslog(&target);
    expect(&deliver(&mut syslog, &numbered(0..1)), "later", "No such file");
    let peer = UnixDatagram::bind(&path).expect("a socket");
    expect(&deliver(&mut syslog, &numbered(0..1)), "done", "taken by the system");
    let count = peer.recv(&mut bytes).expect("a datagram");
    assert!(bytes[..count].ends_with(b" message 0"));
    // Nobody reads: what the system took is done, the rest is for later.
    let outcomes = deliver(&mut syslog, &numbered(0..5000));
    let taken =
        outcomes.iter().filter(|outcome| matches!(outcome, correlator_world::Outcome::Done(_)));
    let taken = taken.count();
    assert!(taken > 0 && taken < 5000, "{taken}");
    expect(&outcomes[taken..], "later", "");
    peer.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    let mut came = 0;
    while peer.recv(&mut bytes).is_ok() {
        came += 1;
    }
    assert_eq!(came, taken);
    let _ = std::fs::remove_file(&path);
}

#[test]
fn what_is_refused() {
    let (listener, target) = listener();
    let mut syslog = syslog(&target);
    let elsewhere = Request { target: "other".into(), ..numbered(0..1).remove(0) };
    let error = syslog.check(&elsewhere).expect_err("denied").to_string();
    assert!(
        error.contains("denied: target `other` is not granted; those of the stack: t"),
        "{error}"
    );
    let empty = request("m:1#0", &[]);
    let good = numbered(2..3).remove(0);
    let plan = syslog.plan(&good);
    assert!(plan.contains("over TCP: <134>1 ") && plan.ends_with("message 2"), "{plan}");
    let outcomes = deliver(&mut syslog, &[elsewhere, empty, good]);
    expect(&outcomes[..1], "refused", "denied");
    expect(&outcomes[1..2], "refused", "needs `message`");
    expect(&outcomes[2..], "done", "");
    let undone = syslog.undo(&numbered(0..1)[0], &Nothing);
    expect(&[undone], "refused", "can't be taken back");
    drop(listener);
}

#[test]
fn hostile_texts_are_one_message() {
    let (listener, target) = listener();
    let mut syslog = syslog(&target);
    let evil = "a\n<0>1 - evil - - - - b\r\n\u{1b}]0;x\u{7} \"]\\ 99 <1>";
    let fields = format!("{{\"{}\":\"x\\\"]\\\\\\u000a[y@1 z=\\\"1\\\"]\"}}", "k=\\\"] ".repeat(9));
    let cells = [
        ("message", text(evil)),
        ("event", text("e v\nil]")),
        ("module", text(evil)),
        ("id", text(evil)),
        ("fields", text(&fields)),
        ("time", Cell::Time(i64::MIN)),
        ("severity", Cell::Integer(0)),
    ];
    expect(
        &deliver(&mut syslog, &[request("m:0#0", &cells), numbered(1..2).remove(0)]),
        "done",
        "",
    );
    let (mut peer, _) = listener.accept().expect("a connection");
    let first = frame(&mut peer);
    assert!(!first.chars().any(char::is_control), "{first:?}");
    assert!(first.starts_with("<128>1 1677-09-21T00:12:43."), "{first}");
    assert!(
        first.contains(" tester correlator - e_v_il] [correlator@32473 id=\"a\\\\n<0>1"),
        "{first}"
    );
    assert!(first.contains("x\\\"\\]\\\\\\\\n[y@1 z=\\\"1\\\"\\]\"] "), "{first}");
    assert!(frame(&mut peer).ends_with("message 1"));
    until("the end", || {
        peer.set_read_timeout(Some(Duration::from_millis(50))).is_ok()
            && peer.read(&mut [0]).is_err()
    });
}
