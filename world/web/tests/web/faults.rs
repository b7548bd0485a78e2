//! Endpoints that are stopped, slow, refusing, half-answering, or answer without an end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use correlator_web::Lookup;
use correlator_web::elastic::{self, Elastic};
use correlator_web::sms::{self, Sms};
use correlator_web::webhook::{Settings, Webhook};
use correlator_world::{Capability, Outcome};

use crate::server::{Reply, Server};
use crate::vault::{Script, Vault, assert_done, assert_later, event, request, skipped, text};
use crate::webhooks::webhook;

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

fn hook(url: &str) -> Outcome {
    let yaml = format!("endpoints: {{ a: {{ url: '{url}', private: true, timeout: 500ms }} }}");
    webhook(&yaml).deliver(&[event("r", "a")], &Vault::default()).remove(0)
}

fn message(url: &str) -> Outcome {
    let yaml = format!(
        "{{ provider: other, url: '{url}', private: true, timeout: 500ms, json: {{ to: '{{to}}', text: '{{text}}' }}, \
         recipients: ['+49*'] }}"
    );
    let settings: sms::Settings = serde_yaml::from_str(&yaml).expect("settings");
    let request = request("r", "sms", &[("to", text("+4917012345")), ("text", text("x"))]);
    Sms::new(&settings).expect("a capability").deliver(&[request], &Vault::default()).remove(0)
}

fn index(url: &str, more: &str) -> Outcome {
    let url = url.trim_end_matches('/');
    let yaml = format!("{{ url: '{url}', private: true, timeout: 500ms, {more} }}");
    let settings: elastic::Settings = serde_yaml::from_str(&yaml).expect("settings");
    Elastic::new(&settings)
        .expect("a capability")
        .deliver(&[event("r", "a")], &Vault::default())
        .remove(0)
}

/// What each capability makes of a server.
fn all(url: &str) -> [Outcome; 4] {
    [hook(url), message(url), index(url, "template: false"), index(url, "template: true")]
}

/// There is no answer, for all of them, and it may be later.
#[track_caller]
fn unanswered(reply: Reply, expected: &str) {
    let server = Server::with(reply);
    for outcome in all(&server.url("/")) {
        assert_later(&outcome, expected);
    }
}

/// The status has been told: a message is done, and the rest is nobody's business. What a search engine says of its
/// documents stands in the rest.
#[track_caller]
fn half_answered(reply: Reply, expected: &str) {
    let server = Server::with(reply);
    assert_done(&hook(&server.url("/")), "200 OK");
    assert_done(&message(&server.url("/")), "200 OK");
    assert_later(&index(&server.url("/"), "template: false"), expected);
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    for outcome in all(&format!("http://{address}/")) {
        assert_later(&outcome, "refused");
    }
}

#[test]
fn a_server_that_never_answers() {
    unanswered(Reply::Silence, "no answer in time");
}

#[test]
fn a_server_that_accepts_and_never_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    for outcome in all(&url) {
        assert_later(&outcome, "no answer in time");
    }
}

#[test]
fn an_answer_byte_by_byte() {
    unanswered(Reply::Drip(b"HTTP/1.1 200 OK\r\nX: y".to_vec()), "no answer in time");
}

#[test]
fn a_body_without_an_end() {
    half_answered(Reply::endless(&format!("{HEAD}\r\n"), "x"), "200 OK and broke off");
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    half_answered(Reply::endless(&chunked, "1\r\nx\r\n"), "200 OK and broke off");
    // A gigabyte, and all of it would come.
    let large = format!("{HEAD}Content-Length: 1073741824\r\n\r\n");
    half_answered(Reply::endless(&large, "x"), "200 OK and broke off");
    // What is packed is not unpacked, whatever it would become.
    let packed = format!("{HEAD}Content-Encoding: gzip\r\n\r\n");
    half_answered(Reply::endless(&packed, "x"), "200 OK and broke off");
}

#[test]
fn a_head_without_an_end() {
    unanswered(Reply::endless("HTTP/1.1 200 OK\r\nX: y", "y"), "head has no end");
    unanswered(Reply::endless(HEAD, "X: y\r\n"), "");
    unanswered(Reply::endless("", "y"), "");
    unanswered(Reply::endless("", "HTTP/1.1 100 Continue\r\n\r\n"), "");
}

#[test]
fn a_head_that_is_cut_or_none() {
    for head in [
        "",
        "H",
        "HTTP/1.1 ",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/7.3 200 OK\r\n\r\n",
        "HTTP/1.1 9 OK\r\n\r\n",
        "HTTP/1.1 two OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\na\u{0}b: c\r\n\r\n",
    ] {
        unanswered(Reply::bytes(head), "");
    }
}

#[test]
fn a_body_that_is_cut() {
    let item = r#"{"items":[{"create":{"status":201}}]}"#;
    let head = |header: &str, body: &str| Reply::bytes(&format!("{HEAD}{header}\r\n\r\n{body}"));
    // It says more than comes: the middle of the items, and nothing but their last byte.
    half_answered(head("Content-Length: 100", "{\"items\":[{"), "200 OK and broke off");
    // It says less than comes.
    half_answered(head("Content-Length: 10", item), "200 OK");
    half_answered(head("Content-Length: 0", item), "200 OK");
    for body in ["", "5", "25\r\n{\"items\":", "zz\r\n{}\r\n0\r\n\r\n", "-1\r\nx", "\r\n\r\n"] {
        half_answered(head("Transfer-Encoding: chunked", body), "200 OK");
    }
    half_answered(head("Transfer-Encoding: chunked", "ffffffffffffffff\r\nx"), "200 OK");
    half_answered(head("Transfer-Encoding: chunked", "fffffffffffffffff\r\nx"), "200 OK");
}

/// Lengths that are none, or two, or another: which of them are an answer is the library's to say. It is never a success
/// of documents, nothing fails for good, and it ends.
#[test]
fn lengths_that_make_no_sense() {
    for headers in [
        "Content-Length: -5",
        "Content-Length: five",
        "Content-Length: 99999999999999999999",
        "Content-Length: 3\r\nContent-Length: 5",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: sideways",
        "Connection: upgrade",
    ] {
        let server = Server::with(Reply::bytes(&format!("{HEAD}{headers}\r\n\r\n{{\"items\"")));
        for outcome in all(&server.url("/")) {
            assert!(!matches!(outcome, Outcome::Refused(_)), "{headers}: {outcome:?}");
        }
        assert_later(&index(&server.url("/"), "template: false"), "");
    }
}

#[test]
fn a_proxy_that_does_none_of_its_work() {
    for reply in [
        Reply::Silence,
        Reply::bytes(""),
        Reply::bytes("HTTP/1.1 200"),
        Reply::status(407),
        Reply::endless(HEAD, "X: y\r\n"),
        Reply::endless("", "y"),
        // It is through, and then nobody is there who speaks TLS.
        Reply::bytes("HTTP/1.1 200 OK\r\n\r\nhello"),
    ] {
        let proxy = Server::with(reply);
        let yaml = format!(
            "endpoints: {{ a: {{ url: 'https://hooks.example.org/', proxy: '{}', timeout: 500ms }} }}",
            proxy.url("")
        );
        let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
        let lookup: Arc<dyn Lookup> = Arc::new(Script::new(&[&[&proxy.address.to_string()]]));
        let Ok(mut webhook) = Webhook::with_lookup(&settings, &lookup) else {
            skipped("this machine has no authorities");
            return;
        };
        assert_later(&webhook.deliver(&[event("r", "a")], &Vault::default())[0], "");
    }
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
