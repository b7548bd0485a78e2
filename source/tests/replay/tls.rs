//! Replays over TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use correlator_source::replay::link::Closed;
use correlator_source::replay::play::{Outcome, Plan, ReplayError};
use correlator_wire::trust::{Trust, TrustError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::{Folder, go, lines, plan};

/// An authority, and the certificates and keys of a server and a client that it signed.
struct Papers {
    authority: String,
    server: (String, String),
    client: (String, String),
}

fn papers() -> Papers {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let signed = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    };
    Papers { server: signed("localhost"), client: signed("client"), authority: authority.pem() }
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().expect("certificates")
}

/// A server that asks for a certificate or not.
fn server(papers: &Papers, asks: bool) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if asks {
        let mut roots = RootCertStore::empty();
        roots.add(chain(&papers.authority).remove(0)).expect("a root");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_slice(papers.server.1.as_bytes()).expect("a key");
    Arc::new(builder.with_single_cert(chain(&papers.server.0), key).expect("a certificate"))
}

/// What a replay is told to trust and to show.
#[derive(Clone)]
struct Tls {
    authority: PathBuf,
    identity: Option<(PathBuf, PathBuf)>,
    server_name: String,
}

impl Tls {
    fn trust(&self) -> Result<Trust, TrustError> {
        let identity = self.identity.as_ref().map(|(chain, key)| (chain.as_path(), key.as_path()));
        Trust::new(&self.server_name, Some(&self.authority), identity)
    }
}

/// How the server ends a connection.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    Farewell,
    Cut,
}

/// Sends to such a server; what came of it and what arrived.
fn send(
    folder: &Folder,
    text: &str,
    config: Arc<ServerConfig>,
    ending: Ending,
    tls: &Tls,
) -> (Result<Outcome, ReplayError>, Vec<u8>) {
    let path = folder.file("tls.cap", text);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let peer = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut stream = StreamOwned::new(ServerConnection::new(config).expect("TLS"), stream);
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        if read.is_ok() && ending == Ending::Farewell {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        bytes
    });
    let plan = Plan {
        security: Some(tls.trust().expect("papers")),
        ..plan(&path, &format!("tls://127.0.0.1:{port}"))
    };
    let outcome = go(&plan);
    (outcome, peer.join().expect("a peer"))
}

fn anonymous(folder: &Folder, papers: &Papers) -> Tls {
    Tls {
        authority: folder.file("ca.pem", &papers.authority),
        identity: None,
        server_name: "localhost".into(),
    }
}

#[test]
fn both_sides_are_known() {
    let (papers, folder) = (papers(), Folder::new());
    let text = lines(30_000);
    let tls = anonymous(&folder, &papers);
    let (outcome, arrived) = send(&folder, &text, server(&papers, false), Ending::Farewell, &tls);
    let outcome = outcome.expect("a replay");
    assert!(arrived == text.as_bytes() && outcome.records == 30_000);
    assert!(matches!(outcome.closed[..], [Closed::Orderly]), "{outcome:?}");

    let identity = (folder.file("c.pem", &papers.client.0), folder.file("c.key", &papers.client.1));
    let tls = Tls { identity: Some(identity), ..tls };
    let (outcome, arrived) = send(&folder, &text, server(&papers, true), Ending::Cut, &tls);
    assert!(arrived == text.as_bytes());
    let outcome = outcome.expect("a replay");
    assert!(matches!(outcome.closed[..], [Closed::Cut]), "{outcome:?}");
}

#[test]
fn strangers_are_refused() {
    let (papers, folder) = (papers(), Folder::new());
    let tls = anonymous(&folder, &papers);
    let refused = |config, tls: &Tls| {
        let (outcome, arrived) = send(&folder, "<1>a\n", config, Ending::Farewell, tls);
        assert_eq!(arrived, b"");
        match outcome {
            Err(error) => error.to_string(),
            Ok(outcome) => match &outcome.closed[..] {
                [Closed::Reset(error)] => error.to_string(),
                other => panic!("{other:?}"),
            },
        }
    };
    // A name that the certificate doesn't have, and a server that somebody else signed for.
    let elsewhere = Tls { server_name: "elsewhere.example".into(), ..tls.clone() };
    let stranger = self::papers();
    // The last one asks for a certificate and gets none: it says so when we think that all is well.
    for told in [
        refused(server(&papers, false), &elsewhere),
        refused(server(&stranger, false), &tls),
        refused(server(&papers, true), &tls),
    ] {
        assert!(told.to_lowercase().contains("certificate"), "{told}");
    }
}

#[test]
fn papers_that_make_no_sense_are_named() {
    let folder = Folder::new();
    let check = |text: &str, name: &str, expected: &str| {
        let authority = folder.file("ca.pem", text);
        let tls = Tls { authority, identity: None, server_name: name.into() };
        let error = tls.trust().expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("", "localhost", "ca.pem: there is no certificate in it");
    check(&papers().authority, "", "is no name");
    check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "h", "ca.pem");
}
