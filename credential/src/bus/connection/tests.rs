//! Buses that don't do as they should.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::{BusError, Connection};
use crate::bus::Address;
use crate::clock;

const WAIT: Duration = Duration::from_millis(300);

/// A socket of a test's own, which goes with it.
struct Socket(PathBuf);

impl Socket {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let at = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-bus-{}-{at}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Connects to a bus that behaves so, and tells what came of it.
fn against(bus: impl FnOnce(UnixStream) + Send) -> Result<(), BusError> {
    let socket = Socket::new();
    let listener = UnixListener::bind(&socket.0).expect("socket");
    thread::scope(|scope| {
        scope.spawn(move || bus(listener.accept().expect("peer").0));
        Connection::open(&Address::Path(socket.0.clone()), WAIT).map(drop)
    })
}

/// A bus that lets everybody in, and answers the first call with this.
fn answering(answer: &[u8]) -> Result<(), BusError> {
    against(|mut stream| {
        let mut heard = [0; 512];
        let _ = stream.read(&mut heard);
        let _ = stream.write_all(b"OK 0123\r\n");
        let _ = stream.read(&mut heard);
        let _ = stream.write_all(answer);
        // Until the other side has gone.
        while stream.read(&mut heard).is_ok_and(|len| len > 0) {}
    })
}

/// A message with the low byte first: its kind, the call that it answers, its body.
fn message(kind: u8, answer_to: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'l', kind, 0, 1];
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&9u32.to_le_bytes());
    bytes.extend_from_slice(&8u32.to_le_bytes());
    bytes.extend_from_slice(&[5, 1, b'u', 0]);
    bytes.extend_from_slice(&answer_to.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn a_bus_that_misbehaves_is_told_in_time() {
    let check = |answer: &[u8], expected: &str| {
        let start = clock::instant();
        let told = answering(answer).map_or_else(|error| error.to_string(), |()| "fine".into());
        assert!(told.contains(expected), "{told} for {}", answer.escape_ascii());
        assert!(clock::instant() - start < 20 * WAIT, "it took too long");
    };
    check(&message(2, 1, b""), "fine");
    check(&[message(4, 0, b""), message(2, 7, b"x"), message(2, 1, b"")].concat(), "fine");
    check(b"", "in time");
    check(&message(2, 1, b"")[..20], "in time");
    check(&message(3, 1, b"\x03\0\0\0no!\0"), "no!");
    check(&message(1, 1, b""), "not understood");
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n", "not understood");
    // Lengths that nobody has room for.
    let mut long = message(2, 1, b"");
    long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    check(&long, "not understood");
    let mut long = message(2, 1, b"");
    long[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    check(&long, "not understood");
    // A field that ends behind the message, and one of a type that nobody knows.
    let mut odd = message(2, 1, b"");
    odd[18] = b's';
    check(&odd, "not understood");
    odd[18] = b'v';
    check(&odd, "not understood");
    // Somebody who talks to others for ever.
    check(&message(4, 0, b"").repeat(2_000), "not understood");
}

#[test]
fn both_orders_of_bytes_are_understood() {
    let mut bytes = vec![b'B', 2, 0, 1];
    for number in [0u32, 9, 8] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&[5, 1, b'u', 0, 0, 0, 0, 1]);
    assert!(answering(&bytes).is_ok());
}

#[test]
fn a_greeting_has_an_end() {
    let check = |greeting: &'static [u8], expected: &str| {
        let told = against(move |mut stream| {
            let _ = stream.write_all(greeting);
            let mut heard = [0; 512];
            while stream.read(&mut heard).is_ok_and(|len| len > 0) {}
        });
        let told = told.expect_err("a bus like that").to_string();
        assert!(told.contains(expected), "{told}");
    };
    check(b"REJECTED EXTERNAL\r\n", "does not let this user in");
    check(&[b'x'; 4_000], "not understood");
    check(b"OK", "in time");

    let told = against(drop).expect_err("a bus that hangs up").to_string();
    assert!(told.contains("hung up") || told.contains("reset") || told.contains("pipe"), "{told}");
}

#[test]
fn nobody_is_there() {
    let socket = Socket::new();
    let absent = Connection::open(&Address::Path(socket.0.clone()), WAIT).err().expect("nobody");
    assert!(absent.to_string().contains("No such file"), "{absent}");
    drop(UnixListener::bind(&socket.0).expect("socket"));
    let gone = Connection::open(&Address::Path(socket.0.clone()), WAIT).err().expect("nobody");
    assert!(gone.to_string().contains("refused"), "{gone}");

    // Connections that nobody takes: the last one must not wait for ever.
    std::fs::remove_file(&socket.0).expect("remove");
    let _full = UnixListener::bind(&socket.0).expect("socket");
    let start = clock::instant();
    assert!(Connection::open(&Address::Path(socket.0.clone()), WAIT).is_err());
    assert!(clock::instant() - start < 20 * WAIT);
}
