//! Other settings for a source that is read, and its socket for another: who is connected stays, and nobody is refused.

use std::fs;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use correlator_record::framing::Framing;
use correlator_source::settings::{Address, Source, StreamLimits};

use crate::authority::Authority;
use crate::support::{
    Running, confirmed, counted, datagram, is_reset, limits, loopback, path, stream, tcp,
};

/// Has a source go on by other settings, as a reload does.
fn change(running: &Running, from: &Source, to: &Source) {
    let change = running.handle.change(from, to).expect("nothing is wrong with it");
    change.expect("it needs no other socket").take_up();
}

#[test]
fn who_is_connected_stays() {
    let first = tcp(limits());
    let running = Running::new(&first);
    let (mut peer, mut silent) = (running.connect(), running.connect());
    let text = counted("<13>begin") + &counted("<13>a half, and a rest");
    let (half, rest) = text.split_at(text.len() - 10);
    peer.write_all(half.as_bytes()).expect("sent");
    running.taken.wait("the first", |state| state.records.len() == 1);
    let second = tcp(StreamLimits { idle: Some(Duration::from_mins(1)), ..limits() });
    let third = Source { lateness: Duration::from_secs(5), ..second.clone() };
    change(&running, &first, &second);
    change(&running, &second, &third);
    peer.write_all(rest.as_bytes()).expect("it is still connected");
    peer.write_all(b"5 <13>c").expect("it is still connected");
    confirmed(peer);
    silent.write_all(b"5 <13>d").expect("it is still connected");
    confirmed(silent);
    let texts = running.taken.state().texts();
    assert_eq!(texts, ["<13>begin", "<13>a half, and a rest", "<13>c", "<13>d"].map(String::from));
}

/// Limits hold from then on, also for those who were connected before.
#[test]
fn limits_hold_at_once() {
    let first = tcp(limits());
    let running = Running::new(&first);
    let (mut peer, _other) = (running.connect(), running.connect());
    peer.write_all(&counted("<13>a").into_bytes()).expect("sent");
    running.taken.wait("the first", |state| state.records.len() == 1);
    change(&running, &first, &tcp(StreamLimits { connections: 2, ..limits() }));
    is_reset(running.connect());
    let idle = Some(Duration::from_millis(1));
    change(&running, &first, &tcp(StreamLimits { idle, ..limits() }));
    is_reset(peer);
}

/// What has not come whole yet, and all that follows, is read by the framing that holds now.
#[test]
fn another_framing() {
    let first = Source { framing: Some(Framing::Lines), ..tcp(limits()) };
    let running = Running::new(&first);
    let mut peer = running.connect();
    peer.write_all(b"<13>a\n<13>b").expect("sent");
    running.taken.wait("the first", |state| state.records.len() == 1);
    let second = Source { framing: Some(Framing::Trailer(b"||".to_vec())), ..first.clone() };
    change(&running, &first, &second);
    peer.write_all(b"\nstill b||<13>c||").expect("sent");
    running.taken.wait("three", |state| state.records.len() == 3);
    let third = Source { framing: None, ..first };
    change(&running, &second, &third);
    peer.write_all(b"5 <13>d5 <13>e").expect("sent");
    confirmed(peer);
    let texts = running.taken.state().texts();
    assert_eq!(texts, ["<13>a", "<13>b\nstill b", "<13>c", "<13>d", "<13>e"]);
}

/// Who was let in without being asked for a certificate does not stay in; what he had sent is taken.
#[test]
fn who_would_not_be_let_in_any_more_goes() {
    let authority = Authority::new();
    let first = tcp(limits());
    let running = Running::new(&first);
    let mut peer = running.connect();
    peer.write_all(b"<13>a\n<13>b\n<13>ha").expect("sent");
    running.taken.wait("two", |state| state.records.len() == 2);
    let second = stream(loopback(), limits(), Some(authority.tls(None)));
    change(&running, &first, &second);
    is_reset(peer);
    assert_eq!(running.taken.state().texts(), ["<13>a", "<13>b", "<13>ha"]);
    let mut wrong = authority.tls(None);
    wrong.key = path("nothing");
    let third = stream(loopback(), limits(), Some(wrong));
    let error = running.handle.change(&second, &third).err().map(|error| error.to_string());
    assert!(error.as_ref().is_some_and(|error| error.contains("nothing")), "{error:?}");
}

/// Whoever connects while a source goes on as another one is served, and all that he sends is taken.
#[test]
fn a_socket_goes_on_to_another_source() {
    let first = tcp(limits());
    let second = Source { name: "other".into(), ..first.clone() };
    let elsewhere = stream(Address::Internet("127.0.0.1:1".parse().expect("one")), limits(), None);
    let running = Running::new(&first);
    let address = running.address.expect("an address");
    let none = running.handle.lend((&first, &elsewhere), 7, None).expect("nothing is wrong");
    assert!(none.is_none(), "that is another socket");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                let mut peer = TcpStream::connect(address).expect("nobody is refused");
                // One that is connected to the source that ends is reset, and comes again.
                peer.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
                if peer.write_all(counted("<13>x").as_bytes()).is_ok()
                    && peer.shutdown(std::net::Shutdown::Write).is_ok()
                    && std::io::Read::read(&mut peer, &mut [0; 16]).is_ok_and(|count| count == 0)
                {
                    sent += 1;
                }
            }
            sent
        });
        let mut running = running;
        let mut taken = 0;
        for place in 0..10 {
            running.taken.wait("some", |state| state.records.len() > 20);
            let (from, to) = if place % 2 == 0 { (&first, &second) } else { (&second, &first) };
            let lent = running.handle.lend((from, to), 7, None).expect("nothing is wrong");
            let lent = lent.expect("it is the same socket");
            running.stop();
            taken += running.taken.state().records.len();
            running = Running::of(lent);
            assert_eq!(running.address, Some(address));
        }
        over.store(true, Ordering::Relaxed);
        let sent = sender.join().expect("it ended");
        running.stop();
        taken += running.taken.state().records.len();
        assert!(taken >= sent, "{taken} of {sent}");
    });
}

#[test]
fn datagrams_wait_for_who_reads_next() {
    let first = datagram(loopback(), 1 << 20);
    let mut running = Running::new(&first);
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    peer.connect(running.address.expect("an address")).expect("connected");
    peer.send(b"<13>a").expect("sent");
    running.taken.wait("one", |state| state.records.len() == 1);
    let second = Source { framing: Some(Framing::Lines), ..datagram(loopback(), 2 << 20) };
    change(&running, &first, &second);
    peer.send(b"<13>b\n<13>c").expect("sent");
    running.taken.wait("three", |state| state.records.len() == 3);
    let third = Source { name: "other".into(), ..second.clone() };
    let lent = running.handle.lend((&second, &third), 7, None).expect("nothing is wrong");
    running.stop();
    // Nobody reads now.
    peer.send(b"<13>d\n<13>e").expect("it waits in the socket");
    let running = Running::of(lent.expect("it is the same socket"));
    let state = running.taken.after("the rest", |state| state.records.len() == 2);
    assert_eq!(state.texts(), ["<13>d", "<13>e"]);
}

/// What the kernel dropped is counted once, whoever reads.
#[test]
fn drops_are_counted_once() {
    let first = datagram(loopback(), 64 << 10);
    let mut running = Running::new(&first);
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    peer.connect(running.address.expect("an address")).expect("connected");
    running.taken.set(|state| state.closed = true);
    let record = format!("<13>{}", "x".repeat(100));
    for _ in 0..20_000 {
        peer.send(record.as_bytes()).expect("sent");
    }
    running.taken.set(|state| state.closed = false);
    let dropped = |running: &Running| running.taken.state().counts.dropped_by_kernel;
    running.taken.wait("the drops", |s| s.counts.records + s.counts.dropped_by_kernel >= 20_000);
    let second = Source { name: "other".into(), ..first.clone() };
    let lent = running.handle.lend((&first, &second), 7, None).expect("nothing is wrong");
    running.stop();
    assert!(dropped(&running) > 1000);
    let mut running = Running::of(lent.expect("it is the same socket"));
    peer.send(b"<13>more").expect("sent");
    running.taken.wait("another", |state| state.records.len() == 1);
    running.stop();
    assert_eq!(dropped(&running), 0);
}

#[test]
fn a_socket_file_stays_where_it_is() {
    let path = path("changed.sock");
    let (old, new) = (Address::Path(path.clone(), 0o600), Address::Path(path.clone(), 0o622));
    let (first, second) = (datagram(old, 1 << 20), datagram(new, 1 << 20));
    let mut running = Running::new(&first);
    let peer = UnixDatagram::unbound().expect("a socket");
    peer.connect(&path).expect("connected");
    change(&running, &first, &second);
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o622);
    let third = Source { name: "other".into(), ..second.clone() };
    let lent = running.handle.lend((&second, &third), 7, None).expect("nothing is wrong");
    running.stop();
    peer.send(b"<13>a").expect("still connected");
    let running = Running::of(lent.expect("it is the same socket"));
    running.taken.wait("one", |state| state.records.len() == 1);
    drop(running);
    assert!(!path.exists(), "the socket goes with the last that has it");
}
