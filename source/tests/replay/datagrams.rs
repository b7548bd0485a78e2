//! Replays over UDP and Unix datagram sockets.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::thread;

use correlator_source::replay::batch::Wire;
use correlator_source::replay::link::Closed;
use correlator_source::replay::play::Plan;

use crate::{Folder, PATIENCE, go, lines, plan};

#[test]
fn datagrams_are_records_without_framing() {
    let folder = Folder::new();
    let path = folder.file("a.cap", "<1>a\n\n<1>bc\r\n<1>d");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let target = format!("udp://{}", socket.local_addr().expect("an address"));
    let outcome = go(&Plan { wire: Wire::Datagrams, ..plan(&path, &target) }).expect("a replay");
    for expected in ["<1>a", "<1>bc", "<1>d"] {
        let mut bytes = [0; 100];
        let length = socket.recv(&mut bytes).expect("a datagram");
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), expected);
    }
    assert_eq!((outcome.records, outcome.bytes), (3, 13));
    assert!(matches!(outcome.closed[..], [Closed::Unconfirmed]));
}

#[test]
fn a_slow_receiver_of_local_datagrams_gets_all() {
    let folder = Folder::new();
    let path = folder.file("a.cap", lines(3_000));
    let place = folder.0.join("socket");
    let socket = UnixDatagram::bind(&place).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let reader = thread::spawn(move || {
        let mut bytes = [0; 200];
        let mut next = || socket.recv(&mut bytes).map(|length| bytes[..length].to_vec());
        (0..3_000).map(|_| next().expect("a datagram")).collect::<Vec<_>>()
    });
    let target = format!("unix-datagram:{}", place.display());
    let outcome = go(&Plan { wire: Wire::Datagrams, ..plan(&path, &target) }).expect("a replay");
    let arrived = reader.join().expect("a reader").join(&b'\n');
    assert_eq!(outcome.records, 3_000);
    assert!(arrived == lines(3_000).trim_end().as_bytes());
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    let folder = Folder::new();
    let address = UdpSocket::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let check = |text: &str| {
        let path = folder.file("a.cap", text);
        let plan = Plan { wire: Wire::Datagrams, ..plan(&path, &format!("udp://{address}")) };
        match go(&plan) {
            Err(error) => error.to_string(),
            Ok(outcome) => format!("{:?}", outcome.closed),
        }
    };
    for told in [check("<1>a\n"), check(&lines(10_000))] {
        assert!(told.contains("efused"), "{told}");
    }
}
