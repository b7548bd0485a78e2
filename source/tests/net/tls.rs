//! TLS: who is let in, who is not, and what they are told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use correlator_source::settings::Tls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::authority::Authority;
use crate::support::{Running, counted, is_reset, limits, loopback, stream};

type Client = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts this authority.
fn connect(
    authority: &Authority,
    running: &Running,
    version: &'static SupportedProtocolVersion,
    identity: Option<(String, String)>,
) -> Client {
    let mut roots = RootCertStore::empty();
    let pem =
        CertificateDer::from_pem_slice(authority.certificate.as_bytes()).expect("a certificate");
    roots.add(pem).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
                .collect::<Result<_, _>>()
                .expect("a certificate");
            let key = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            let key = PrivateKeyDer::Pkcs8(key);
            builder.with_client_auth_cert(chain, key).expect("an identity")
        }
    };
    let name = "localhost".try_into().expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
    StreamOwned::new(tls, running.connect())
}

/// Sends all of this, ends in order, and waits for the answer to that.
fn send(mut client: Client, text: &str) -> std::io::Result<usize> {
    client.write_all(text.as_bytes())?;
    client.conn.send_close_notify();
    client.flush()?;
    client.read(&mut [0; 16])
}

#[test]
fn records_come_through_both_versions() {
    let authority = Authority::new();
    let running = authority.serve(None);
    for version in [&TLS12, &TLS13] {
        let records: Vec<_> = (0..20_000).map(|n| format!("<13>message {n}")).collect();
        let text: String = records.iter().map(|record| counted(record)).collect();
        let end = send(connect(&authority, &running, version, None), &text);
        assert_eq!(end.expect("an orderly end"), 0);
        let mut state = running.taken.state();
        assert!(state.texts() == records, "{} records", state.records.len());
        state.records.clear();
    }
}

#[test]
fn clients_are_let_in_by_their_names() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let running = authority.serve(Some(&["a.example.org", "*.good.org"]));
    let mut welcome = 0;
    let mut check = |identity: Option<(String, String)>, expected: bool, what: &str| {
        for version in [&TLS12, &TLS13] {
            let end = send(connect(&authority, &running, version, identity.clone()), "<13>in\n");
            assert_eq!(end.as_ref().is_ok_and(|&end| end == 0), expected, "{what}: {end:?}");
            welcome += usize::from(expected);
            assert_eq!(running.taken.state().records.len(), welcome, "{what}");
        }
    };
    check(Some(authority.sign("x", &["a.example.org"])), true, "a name");
    check(Some(authority.sign("x", &["b.org", "A.Example.Org"])), true, "one of two names");
    check(Some(authority.sign("x", &["b.good.org"])), true, "a wildcard of the stack");
    check(Some(authority.sign("x", &["*.example.org"])), true, "a wildcard of the certificate");
    check(Some(authority.sign("a.example.org", &[])), true, "a common name");
    check(Some(authority.sign("a.example.org", &["b.org"])), false, "a common name beside others");
    check(Some(authority.sign("x", &["b.example.org"])), false, "another name");
    check(Some(authority.sign("x", &["a.b.good.org"])), false, "a name that is too deep");
    check(Some(stranger.sign("x", &["a.example.org"])), false, "another authority");
    check(None, false, "no certificate");
}

#[test]
fn any_client_of_the_authority() {
    let authority = Authority::new();
    let running = authority.serve(Some(&[]));
    let identity = authority.sign("x", &["whoever.org"]);
    let end = send(connect(&authority, &running, &TLS13, Some(identity)), "<13>in\n");
    assert_eq!(end.expect("an orderly end"), 0);
    let end = send(connect(&authority, &running, &TLS13, None), "<13>in\n");
    assert!(end.is_err(), "{end:?}");
    assert_eq!(running.taken.state().texts(), ["<13>in"]);
}

/// What is no TLS gets no further, and no record comes of it.
#[test]
fn plain_text_on_a_secure_port() {
    let authority = Authority::new();
    let running = authority.serve(None);
    for text in
        ["<13>plain\n", "9 <13>plain", "\u{16}\u{3}\u{1}\u{0}\u{5}hello", "GET / HTTP/1.1\r\n\r\n"]
    {
        let mut peer = running.connect();
        peer.write_all(text.as_bytes()).expect("sent");
        let _ = peer.shutdown(Shutdown::Write);
        // The answer may be an alert. What follows is the end.
        let mut answer = Vec::new();
        let end = peer.read_to_end(&mut answer);
        assert!(answer.len() < 100 && !answer.contains(&b'<'), "{text:?}: {answer:?}, {end:?}");
    }
    let failed = || running.gauge.connections_failed.load(Ordering::Relaxed);
    let state = running.taken.after("four failures", |s| s.counts.connections_failed == 4);
    assert_eq!((failed(), state.records.len()), (4, 0));
}

/// Somebody may have cut the stream off: what has come is kept, and nothing is confirmed.
#[test]
fn an_end_without_goodbye() {
    let authority = Authority::new();
    let running = authority.serve(None);
    let mut client = connect(&authority, &running, &TLS13, None);
    client.write_all(b"<13>a\n<13>b\n").expect("sent");
    client.flush().expect("sent");
    client.sock.shutdown(Shutdown::Write).expect("shut down");
    let end = client.read(&mut [0; 16]).expect_err("no confirmation");
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    running.taken.wait("both records", |state| state.records.len() == 2);
}

/// A peer that connects and says nothing is not waited for.
#[test]
fn a_handshake_that_stalls() {
    let authority = Authority::new();
    let running = authority.serve(None);
    let mut stalled = running.connect();
    stalled.write_all(&[0x16, 3, 1]).expect("sent");
    let mut client = connect(&authority, &running, &TLS13, None);
    client.write_all(b"<13>a\n").expect("sent");
    client.flush().expect("sent");
    running.taken.wait("a record", |state| state.records.len() == 1);
    // It gets the end, or a reset, since there is nothing to confirm.
    let mut rest = Vec::new();
    let _ = stalled.read_to_end(&mut rest);
    assert!(rest.is_empty());
    assert_eq!(running.gauge.connections_failed.load(Ordering::Relaxed), 1);
    assert_eq!(send(client, "<13>b\n").expect("an orderly end"), 0);
    assert_eq!(running.taken.state().texts(), ["<13>a", "<13>b"]);
}

#[test]
fn a_run_that_stops_confirms_nothing() {
    let authority = Authority::new();
    let mut running = authority.serve(None);
    let mut client = connect(&authority, &running, &TLS13, None);
    client.write_all(b"<13>a\n").expect("sent");
    client.flush().expect("sent");
    running.taken.wait("a record", |state| state.records.len() == 1);
    running.stop();
    is_reset(client);
}

#[test]
fn wrong_files_are_named() {
    let tls = Tls {
        certificate: Path::new("/nowhere/cert.pem").into(),
        key: Path::new("/nowhere/key.pem").into(),
        client_authority: None,
        client_names: Vec::new(),
    };
    let source = stream(loopback(), limits(), Some(tls));
    let error = correlator_source::net::Net::bind(7, &source, None).err().map(|e| e.to_string());
    let expected = "source `test`: /nowhere/cert.pem: No such file";
    assert!(error.as_ref().is_some_and(|error| error.starts_with(expected)), "{error:?}");
}
