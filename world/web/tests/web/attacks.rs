//! What hostile guests, servers and name servers try.

use std::sync::Arc;

use correlator_web::webhook::{Settings, Webhook};
use correlator_web::{Lookup, elastic};
use correlator_world::{Capability, Outcome, Refused, Request};

use crate::server::{Reply, Server};
use crate::vault::{
    SECRET, Script, Vault, assert_done, assert_later, assert_refused, event, request, text,
};
use crate::webhooks::webhook;

fn with_lookup(yaml: &str, lookup: &Arc<Script>) -> Webhook {
    let settings: Settings = serde_yaml::from_str(yaml).expect("settings");
    let lookup: Arc<dyn Lookup> = lookup.clone();
    Webhook::with_lookup(&settings, &lookup).expect("a webhook")
}

fn deliver(webhook: &mut Webhook) -> Outcome {
    webhook.deliver(&[event("r", "a")], &Vault::with(&[("token", SECRET)])).remove(0)
}

#[test]
fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let inside = Server::with(Reply::status(200));
        let outside = Server::with(Reply::header(status, "Location", &inside.url("/admin")));
        let yaml = format!(
            "endpoints: {{ a: {{ url: '{}', private: true, credential: token }} }}",
            outside.url("/")
        );
        assert_refused(&deliver(&mut webhook(&yaml)), "redirects are not followed");
        assert_eq!(inside.seen().len(), 0);
        let settings = format!("{{ url: '{}', private: true }}", outside.url(""));
        let settings: elastic::Settings = serde_yaml::from_str(&settings).expect("settings");
        let mut elastic = elastic::Elastic::new(&settings).expect("a capability");
        assert_refused(
            &elastic.deliver(&[event("r", "a")], &Vault::default())[0],
            "redirects are not followed",
        );
        assert_eq!(inside.seen().len(), 0);
    }
}

#[test]
fn a_public_name_may_not_lead_inside() {
    for address in [
        "127.0.0.1:80",
        "10.0.0.1:80",
        "169.254.169.254:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
        "0.0.0.0:80",
        "[fe80::1]:80",
        "224.0.0.1:80",
    ] {
        let lookup = Arc::new(Script::new(&[&[address]]));
        let mut webhook =
            with_lookup("endpoints: { a: { url: 'http://hooks.example.org/' } }", &lookup);
        assert_refused(&deliver(&mut webhook), "if that is meant");
        assert_eq!(lookup.asked(), ["hooks.example.org"]);
    }
}

#[test]
fn one_bad_address_is_enough() {
    let server = Server::with(Reply::status(200));
    let good = server.address.to_string();
    let lookup = Arc::new(Script::new(&[&[&good, "127.0.0.2:80"]]));
    let mut webhook = with_lookup(
        "endpoints: { a: { url: 'http://hooks.example.org/', networks: [127.0.0.1] } }",
        &lookup,
    );
    assert_refused(&deliver(&mut webhook), "127.0.0.2 is in none of its `networks`");
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_name_that_changes_its_mind_gains_nothing() {
    let good = Server::with(Reply::status(200));
    let bad = Server::at("127.0.0.2:0", |_| Reply::status(200));
    let (first, second) = (good.address.to_string(), bad.address.to_string());
    let lookup = Arc::new(Script::new(&[&[&first], &[&second], &[&first], &[&second]]));
    let yaml = "endpoints: { a: { url: 'http://hooks.example.org/', networks: [127.0.0.1/32] } }";
    let mut webhook = with_lookup(yaml, &lookup);
    // What was checked is what is connected to: the first answer, not one that is asked for again.
    assert_done(&deliver(&mut webhook), "200");
    assert_eq!(lookup.asked().len(), 1);
    assert_refused(&deliver(&mut webhook), "127.0.0.2 is in none of its `networks`");
    assert_done(&deliver(&mut webhook), "200");
    assert_refused(&deliver(&mut webhook), "127.0.0.2 is in none");
    assert_eq!((good.seen().len(), bad.seen().len()), (2, 0));
}

#[test]
fn addresses_in_disguise_are_addresses() {
    for host in [
        "localhost",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::ffff:7f00:1]",
        "[::]",
        "0",
    ] {
        let server = Server::with(Reply::status(200));
        let yaml =
            format!("endpoints: {{ a: {{ url: 'http://{host}:{}/' }} }}", server.address.port());
        let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
        if let Ok(mut webhook) = Webhook::new(&settings) {
            let outcome = deliver(&mut webhook);
            assert!(!matches!(outcome, Outcome::Done(_)), "{host}: {outcome:?}");
        }
        assert_eq!(server.seen().len(), 0, "{host}");
    }
}

#[test]
fn the_secret_url_is_checked_too() {
    let mut hook = webhook("endpoints: { a: { preset: slack, credential: url } }");
    let check = |hook: &mut Webhook, url: &str, expected: &str| {
        let outcome = hook.deliver(&[event("r", "a")], &Vault::with(&[("url", url)])).remove(0);
        assert_refused(&outcome, expected);
        assert!(!format!("{outcome:?}").contains("TOKEN"), "{outcome:?}");
    };
    check(&mut hook, "https://127.0.0.1/TOKEN", "is the machine itself");
    check(&mut hook, "http://hooks.slack.com/TOKEN", "over plain HTTP");
    check(&mut hook, "TOKEN", "no scheme or no host");
    check(&mut hook, "https://user:TOKEN@x.org/", "belong into");
    check(&mut hook, "file:///TOKEN", "its URL is none");
    check(&mut hook, "https://x.org/TOK EN\u{1}TOKEN", "is empty or no plain text");
}

#[test]
fn values_make_no_headers() {
    let server = Server::with(Reply::status(200));
    let yaml = format!(
        "endpoints: {{ a: {{ url: '{}', private: true, headers: {{ X-Event: 'e {{event}}' }} }} }}",
        server.url("/")
    );
    let mut webhook = webhook(&yaml);
    for event in [
        "a\r\nEvil: 1",
        "a\nEvil: 1",
        "a\0",
        "\u{e9}",
        "a\r\n\r\nPOST /x HTTP/1.1",
        &"x".repeat(1 << 16),
    ] {
        let request = request("r", "a", &[("event", text(event))]);
        assert!(matches!(webhook.check(&request), Err(Refused::Malformed(_))), "{event:?}");
        assert_refused(&webhook.deliver(&[request], &Vault::default())[0], "header `x-event`");
    }
    let id = request("r\r\nEvil: 1", "a", &[("event", text("e"))]);
    assert!(matches!(webhook.check(&id), Err(Refused::Malformed(_))));
    assert_refused(&webhook.deliver(&[id], &Vault::default())[0], "the id");
    assert_eq!(server.seen().len(), 0);
    let mut fine = request("r", "a", &[("event", text("e: ~{}"))]);
    fine.cells.push(("body".into(), text("\r\n\r\nPOST /evil HTTP/1.1\r\nHost: x\r\n\r\n")));
    assert_done(&webhook.deliver(&[fine], &Vault::default())[0], "200");
    let seen = server.only();
    assert_eq!((seen.header("x-event"), seen.header("evil")), (Some("e e: ~{}"), None));
}

#[test]
fn guests_write_no_placeholders() {
    let server = Server::with(Reply::status(200));
    let yaml = format!(
        "endpoints: {{ a: {{ url: '{}', private: true, credential: token, headers: {{ X-E: '{{event}}' }}, json: {{ t: '{{summary}}', k: '{{@credential}}' }} }} }}",
        server.url("/")
    );
    let request = request(
        "r",
        "a",
        &[("summary", text("{@credential}{@all}")), ("event", text("{@credential}"))],
    );
    let mut webhook = webhook(&yaml);
    assert!(!webhook.plan(&request).contains(SECRET));
    assert_done(&webhook.deliver(&[request], &Vault::with(&[("token", SECRET)]))[0], "200");
    let seen = server.only();
    assert_eq!(seen.header("x-e"), Some("{@credential}"));
    assert_eq!(seen.json()["t"], "{@credential}{@all}");
}

#[test]
fn deep_json_breaks_nothing() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let webhook = webhook(
        "endpoints: { a: { preset: pagerduty, credential: k }, b: { url: 'https://x.org' } }",
    );
    let of = |target: &str| -> Request {
        request("r", target, &[("summary", text("s")), ("fields", text(&deep))])
    };
    assert!(webhook.check(&of("a")).is_err());
    assert!(webhook.check(&of("b")).is_ok());
    assert!(webhook.plan(&of("b")).len() < 2_000);
}

#[test]
fn no_name_server_answers() {
    let lookup = Arc::new(Script::new(&[&[]]));
    let mut webhook =
        with_lookup("endpoints: { a: { url: 'https://hooks.example.org/' } }", &lookup);
    assert_later(&deliver(&mut webhook), "its name has no address");
}

#[test]
fn the_environment_names_no_proxy() {
    // The only proxy is the one that the grant names: to that one everything goes, and it looks up names itself.
    let proxy = Server::with(Reply::status(502));
    let yaml = format!(
        "endpoints: {{ a: {{ url: 'https://hooks.example.org/', proxy: '{}' }} }}",
        proxy.url("")
    );
    let lookup = Arc::new(Script::new(&[&[&proxy.address.to_string()]]));
    let mut webhook = with_lookup(&yaml, &lookup);
    assert_later(&deliver(&mut webhook), "the proxy does not connect to it");
    let seen = proxy.only();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("CONNECT", "hooks.example.org:443"));
}
