//! Endpoints that are stopped, slow, refusing, half-answering, or answer without an end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use correlator_web::Lookup;
use correlator_web::elastic::{self, Elastic};
use correlator_web::webhook::{Settings, Webhook};
use correlator_world::{Capability, Outcome};

use crate::server::{Reply, Server};
use crate::vault::{Vault, assert_done, assert_later, event};
use crate::webhooks::webhook;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

fn hook(url: &str) -> Outcome {
    let yaml = format!("endpoints: {{ a: {{ url: '{url}', private: true, timeout: 500ms }} }}");
    webhook(&yaml).deliver(&[event("r", "a")], &Vault::default()).remove(0)
}

fn index(url: &str) -> Outcome {
    let yaml = format!("{{ url: '{url}', private: true, timeout: 500ms, template: false }}");
    let settings: elastic::Settings = serde_yaml::from_str(&yaml).expect("settings");
    Elastic::new(&settings)
        .expect("a capability")
        .deliver(&[event("r", "a")], &Vault::default())
        .remove(0)
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    assert_later(&hook(&format!("http://{address}/")), "refused");
    assert_later(&index(&format!("http://{address}")), "refused");
}

#[test]
fn a_server_that_never_answers() {
    let server = Server::with(Reply::Silence);
    assert_later(&hook(&server.url("/")), "no answer in time");
    assert_later(&index(&server.url("")), "no answer in time");
}

#[test]
fn a_server_that_accepts_and_never_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    assert_later(&hook(&url), "no answer in time");
    assert_later(&index(&url), "no answer in time");
}

#[test]
fn an_answer_byte_by_byte() {
    let server = Server::with(Reply::Drip(b"HTTP/1.1 200 OK\r\nX: y".to_vec()));
    assert_later(&hook(&server.url("/")), "no answer in time");
    assert_later(&index(&server.url("")), "no answer in time");
}

#[test]
fn a_body_without_an_end() {
    let server = Server::with(Reply::Endless([HEAD, b"x"].concat()));
    // The status has been told, and the rest is nobody's business.
    assert_done(&hook(&server.url("/")), "200 OK");
    assert_later(&index(&server.url("")), "200 OK and broke off");
}

#[test]
fn a_head_without_an_end() {
    let server = Server::with(Reply::Endless(b"HTTP/1.1 200 OK\r\nX: yyy".to_vec()));
    assert_later(&hook(&server.url("/")), "head has no end");
    assert_later(&index(&server.url("")), "head has no end");
}

#[test]
fn half_an_answer() {
    let server = Server::with(Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()));
    assert_later(&hook(&server.url("/")), "");
    assert_later(&index(&server.url("")), "");
    let server = Server::with(Reply::Bytes(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\":[{".to_vec(),
    ));
    assert_done(&hook(&server.url("/")), "200 OK");
    assert_later(&index(&server.url("")), "200 OK and broke off");
    let server = Server::with(Reply::Bytes(Vec::new()));
    assert_later(&hook(&server.url("/")), "");
    let server = Server::with(Reply::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()));
    assert_later(&hook(&server.url("/")), "no HTTP");
    assert_later(&index(&server.url("")), "no HTTP");
}

/// Never answers, until it is let go.
struct Deaf(Mutex<Receiver<()>>);

impl Lookup for Deaf {
    fn lookup(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let _ = self.0.lock().expect("no panic").recv();
        Ok(Vec::new())
    }
}

#[test]
fn a_name_server_that_never_answers() {
    let (let_go, receiver) = mpsc::channel();
    let lookup: Arc<dyn Lookup> = Arc::new(Deaf(Mutex::new(receiver)));
    let yaml = "endpoints: { a: { url: 'https://hooks.example.org/', connect_timeout: 200ms } }";
    let settings: Settings = serde_yaml::from_str(yaml).expect("settings");
    let mut webhook = Webhook::with_lookup(&settings, &lookup).expect("a webhook");
    let outcome = webhook.deliver(&[event("r", "a")], &Vault::default()).remove(0);
    assert_later(&outcome, "no answer in time");
    drop(let_go);
}

#[test]
fn it_heals() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Bytes(Vec::new()),
        1 => Reply::status(503),
        _ => Reply::status(200),
    });
    let yaml = format!("endpoints: {{ a: {{ url: '{}', private: true }} }}", server.url("/"));
    let mut webhook = webhook(&yaml);
    let mut deliver = || webhook.deliver(&[event("r", "a")], &Vault::default()).remove(0);
    assert_later(&deliver(), "");
    assert_later(&deliver(), "503");
    assert_done(&deliver(), "200");
    let ids: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(ids, vec![Some("r".to_owned()); 3]);
}
