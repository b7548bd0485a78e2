//! TLS: whose certificates are believed.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use correlator_web::Lookup;
use correlator_web::webhook::{Settings, Webhook};
use correlator_world::{Capability, Outcome};
use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::{Reply, Server, read};
use crate::vault::{SECRET, Script, Vault, assert_done, assert_later, event};

/// A server with a certificate of its own for this name; it answers so many connections. The certificate is in a file.
fn server(name: &str, connections: usize) -> (SocketAddr, PathBuf) {
    server_with(name, IsCa::NoCa, connections)
}

fn server_with(name: &str, is_ca: IsCa, connections: usize) -> (SocketAddr, PathBuf) {
    let signing_key = KeyPair::generate().expect("a key");
    let mut wanted = CertificateParams::new([name.to_owned()]).expect("a name");
    wanted.is_ca = is_ca;
    let cert = wanted.self_signed(&signing_key).expect("made");
    let made = CertifiedKey { cert, signing_key };
    let ca = std::env::temp_dir().join(format!("correlator-web-{name}-{}.pem", std::process::id()));
    fs::write(&ca, made.cert.pem()).expect("written");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().take(connections).flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream);
            if read(&mut stream).is_some() {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (address, ca)
}

fn deliver(host: &str, address: SocketAddr, ca: &str) -> Outcome {
    let yaml = format!(
        "endpoints: {{ a: {{ url: 'https://{host}:{}/', networks: [127.0.0.0/8], credential: token, {ca} }} }}",
        address.port()
    );
    let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
    let lookup: Arc<dyn Lookup> = Arc::new(Script::new(&[&[&address.to_string()]]));
    let mut webhook = match Webhook::with_lookup(&settings, &lookup) {
        Ok(webhook) => webhook,
        // A machine without authorities believes nobody, and says so.
        Err(error) => {
            return Outcome::later(format!("TLS: {error} (name its authority's file with `ca`)"));
        }
    };
    webhook.deliver(&[event("r", "a")], &Vault::with(&[("token", SECRET)])).remove(0)
}

#[test]
fn only_the_right_authority_is_believed() {
    let (address, ca) = server("hooks.example.org", 3);
    let own = format!("ca: '{}'", ca.display());
    assert_done(&deliver("hooks.example.org", address, &own), "200");
    assert_later(
        &deliver("hooks.example.org", address, "method: POST"),
        "name its authority's file with `ca`",
    );
    assert_later(&deliver("other.example.org", address, &own), "TLS: ");
    let _ = fs::remove_file(ca);
}

/// What `openssl req -x509` makes is an authority and a server's certificate in one.
#[test]
fn a_certificate_that_is_its_own_authority_is_believed_where_it_is_named() {
    let is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (address, ca) = server_with("own.example.org", is_ca, 3);
    let (_, other) = server_with("another.example.org", is_ca, 0);
    let named = |path: &PathBuf| format!("ca: '{}'", path.display());
    assert_done(&deliver("own.example.org", address, &named(&ca)), "200");
    assert_later(&deliver("other.example.org", address, &named(&ca)), "TLS: ");
    assert_later(&deliver("own.example.org", address, &named(&other)), "TLS: ");
    for path in [ca, other] {
        let _ = fs::remove_file(path);
    }
}

/// Who speaks no TLS, or half of it, or too much.
#[test]
fn a_handshake_that_never_comes() {
    let (_, ca) = server("stalled.example.org", 0);
    let own = format!("ca: '{}', timeout: 500ms", ca.display());
    for reply in [
        Reply::Silence,
        Reply::bytes(""),
        Reply::bytes("HTTP/1.1 400 Bad Request\r\n\r\n"),
        // An alert; half a hello of the server's; records without an end.
        Reply::Bytes(vec![21, 3, 3, 0, 2, 2, 40]),
        Reply::Bytes(vec![22, 3, 3, 1, 0, 2, 0, 0, 200, 3, 3]),
        Reply::Endless(Vec::new(), vec![22, 3, 3, 0, 1, 2]),
        Reply::Drip(vec![22, 3, 3, 0, 1, 2]),
    ] {
        // It hears a first flight that is no request, and answers all the same.
        let server = Server::deaf(reply);
        assert_later(&deliver("stalled.example.org", server.address, &own), "");
    }
    let _ = fs::remove_file(ca);
}
