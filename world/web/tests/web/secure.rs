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
use rcgen::generate_simple_self_signed;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::read;
use crate::vault::{SECRET, Script, Vault, assert_done, assert_later, event};

/// A server with a certificate of its own for this name; it answers so many connections. The certificate is in a file.
fn server(name: &str, connections: usize) -> (SocketAddr, PathBuf) {
    let made = generate_simple_self_signed([name.to_owned()]).expect("made");
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
