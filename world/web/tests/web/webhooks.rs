//! Webhooks: what is sent, with which headers, and what answers mean.

use correlator_web::webhook::{Settings, Webhook};
use correlator_world::{Capability, Cell, Outcome, Refused};
use serde_json::json;

use crate::server::{Reply, Server};
use crate::vault::{
    SECRET, Vault, assert_done, assert_later, assert_refused, event, request, text,
};

pub fn webhook(yaml: &str) -> Webhook {
    let settings: Settings = serde_yaml::from_str(yaml).expect("settings");
    Webhook::new(&settings).expect("a webhook")
}

/// Delivers one request.
fn deliver(yaml: &str, request: &correlator_world::Request) -> Outcome {
    let mut webhook = webhook(yaml);
    webhook.check(request).expect("granted");
    let vault = Vault::with(&[("token", SECRET), ("key", "hmac-key\n")]);
    webhook.deliver(std::slice::from_ref(request), &vault).remove(0)
}

#[test]
fn generic_sends_all_columns_as_json() {
    let server = Server::with(Reply::status(204));
    let yaml =
        format!("endpoints: {{ a: {{ url: '{}', private: true }} }}", server.url("/hook?x=1"));
    assert_done(&deliver(&yaml, &event("r-1", "a")), "204 No Content");
    let seen = server.only();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/hook?x=1"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("idempotency-key"), Some("r-1"));
    assert_eq!(seen.header("authorization"), None);
    assert!(seen.header("user-agent").is_some_and(|agent| agent.starts_with("correlator/")));
    let expected = json!({
        "severity": 3, "summary": "5 failed logins from <192.0.2.7> & \"more\"", "event": "login_failed",
        "module": "sshd", "time": "2023-11-14T22:13:20.25Z", "id": "sshd:42#0",
        "fields": {"user": "root", "addr": "192.0.2.7", "failures": 5},
    });
    assert_eq!(seen.json(), expected);
}

#[test]
fn a_body_goes_as_it_is() {
    let server = Server::with(Reply::status(200));
    let yaml = format!(
        "endpoints: {{ a: {{ url: '{}', private: true, method: PUT, headers: {{ Content-Type: text/plain, X-Sev: 'n{{severity}}' }} }} }}",
        server.url("/")
    );
    let body = "any\r\ntext \u{1f980} {summary}";
    let request = request("r", "a", &[("body", text(body)), ("severity", Cell::Integer(2))]);
    assert_done(&deliver(&yaml, &request), "200 OK");
    let seen = server.only();
    assert_eq!((seen.method.as_str(), seen.text().as_str()), ("PUT", body));
    assert_eq!(seen.header("content-type"), Some("text/plain"));
    assert_eq!(seen.header("x-sev"), Some("n2"));
}

#[test]
fn credentials_are_shown_as_the_grant_says() {
    let check = |settings: &str, header: &str, expected: &str| {
        let server = Server::with(Reply::status(200));
        let url = server.url("/");
        let yaml = format!(
            "endpoints: {{ a: {{ url: '{url}', private: true, credential: token, {settings} }} }}"
        );
        assert_done(&deliver(&yaml, &event("r", "a")), "200");
        assert_eq!(server.only().header(header), Some(expected), "{settings}");
    };
    check("method: POST", "authorization", &format!("Bearer {SECRET}"));
    check("user: me", "authorization", "Basic bWU6czNjcjN0LVRvay9lbg==");
    check("auth: { scheme: GenieKey }", "authorization", &format!("GenieKey {SECRET}"));
    check("auth: { header: X-Api-Key }", "x-api-key", SECRET);
    check("auth: none, headers: { X-Own: 'a {@credential}' }", "x-own", &format!("a {SECRET}"));
}

#[test]
fn the_credential_may_be_the_url() {
    let server = Server::with(Reply::text(200, "ok"));
    let vault = Vault::with(&[("url", &format!("{}\n", server.url("/services/T0/B0/zzz")))]);
    let mut slack = webhook("endpoints: { a: { preset: slack, credential: url, private: true } }");
    assert_eq!(slack.credentials(), ["url"]);
    assert!(
        slack.plan(&event("r", "a")).starts_with("POST *** to endpoint `a`"),
        "{}",
        slack.plan(&event("r", "a"))
    );
    assert_done(&slack.deliver(&[event("r", "a")], &vault)[0], "200 OK");
    assert_eq!(server.only().path, "/services/T0/B0/zzz");
}

#[test]
fn bodies_are_signed() {
    let server = Server::with(Reply::status(200));
    let yaml = format!(
        "endpoints: {{ a: {{ url: '{}', private: true, signature: {{ credential: key, header: X-Sig, algorithm: hmac-sha256 }} }} }}",
        server.url("/")
    );
    assert_eq!(webhook(&yaml).credentials(), ["key"]);
    assert_done(&deliver(&yaml, &event("r", "a")), "200");
    let seen = server.only();
    let signature = seen.header("x-sig").expect("signed");
    let (time, hex) = signature.split_once(",v1=").expect("two parts");
    let seconds = time.strip_prefix("t=").expect("a time");
    assert!(seconds.parse::<u64>().expect("seconds") > 1_700_000_000);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"hmac-key");
    let signed = ring::hmac::sign(&key, &[seconds.as_bytes(), b".", &seen.body].concat());
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect();
    assert_eq!(bytes, signed.as_ref());
}

#[test]
fn answers_are_understood() {
    let check = |reply: Reply, assert: fn(&Outcome, &str), expected: &str| {
        let server = Server::with(reply);
        let yaml = format!(
            "endpoints: {{ a: {{ url: '{}', private: true, credential: token, answers: [{{ status: [418], is: done }}, {{ contains: later please, is: later }}] }} }}",
            server.url("/")
        );
        assert(&deliver(&yaml, &event("r", "a")), expected);
    };
    check(Reply::status(201), assert_done, "201 Created");
    check(Reply::status(418), assert_done, "418");
    check(Reply::text(200, "{\"error\":\"later please\"}"), assert_later, "later please");
    check(
        Reply::text(400, "bad\r\nfield"),
        assert_refused,
        "endpoint `a` answered 400 Bad Request: `bad  field`",
    );
    check(Reply::status(401), assert_refused, "is its credential right?");
    check(Reply::status(404), assert_refused, "404 Not Found");
    check(Reply::status(408), assert_later, "408");
    check(Reply::status(500), assert_later, "500 Internal Server Error");
    check(Reply::status(503), assert_later, "503");
    // Who repeats the secret does not get it told.
    check(Reply::text(400, &format!("no {SECRET} here")), assert_refused, "no *** here");
    check(Reply::text(500, "auth Bearer s3cr3t-Tok/en"), assert_later, "auth Bearer ***");
}

#[test]
fn who_is_asked_to_wait_waits() {
    let check = |value: &str, expected: Option<u64>| {
        let server = Server::with(Reply::header(429, "Retry-After", value));
        let yaml = format!("endpoints: {{ a: {{ url: '{}', private: true }} }}", server.url("/"));
        let outcome = deliver(&yaml, &event("r", "a"));
        let Outcome::Later { after, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(after.map(|after| after.as_secs()), expected);
    };
    check("17", Some(17));
    check("Sun, 06 Nov 1994 08:49:37 GMT", Some(0));
    check("whenever", None);
}

#[test]
fn who_is_down_is_asked_once_a_turn() {
    let down = Server::with(Reply::status(503));
    let up = Server::with(Reply::status(200));
    let odd = Server::with(Reply::status(500));
    let yaml = format!(
        "endpoints: {{ down: {{ url: '{}', private: true }}, up: {{ url: '{}', private: true }}, odd: {{ url: '{}', private: true }} }}",
        down.url("/"),
        up.url("/"),
        odd.url("/")
    );
    let requests: Vec<_> = ["down", "up", "odd", "down", "odd", "up", "down"]
        .iter()
        .map(|name| event("r", name))
        .collect();
    let outcomes = webhook(&yaml).deliver(&requests, &Vault::default());
    for (request, outcome) in requests.iter().zip(&outcomes) {
        match request.target.as_str() {
            "up" => assert_done(outcome, "200"),
            _ => assert_later(outcome, "50"),
        }
    }
    assert_eq!((down.seen().len(), up.seen().len(), odd.seen().len()), (1, 2, 2));
}

#[test]
fn what_is_not_granted_is_denied() {
    let webhook = webhook(
        "endpoints: { a: { url: 'https://hooks.example.org/x' }, b: { url: 'https://hooks.example.org/y' } }",
    );
    let check = |request: &correlator_world::Request, expected: &str| {
        let refused = webhook.check(request).expect_err("not granted").to_string();
        assert!(refused.contains(expected), "{refused}");
    };
    check(&event("r", "c"), "denied: there is no endpoint `c` in `endpoints`; there are a, b");
    check(&event("r", "https://evil.example.org/"), "there is no endpoint");
    check(&event("r", "a\u{1b}[31m"), "there is no endpoint `a [31m`");
    let large = request("r", "a", &[("body", text(&"x".repeat(2 << 20)))]);
    assert!(matches!(webhook.check(&large), Err(Refused::Denied(_))));
    let cells: Vec<_> = (0..600).map(|number| (format!("c{number}"), Cell::Integer(1))).collect();
    let wide = correlator_world::Request { id: "r".into(), target: "a".into(), cells };
    assert!(matches!(webhook.check(&wide), Err(Refused::Denied(_))));
}

#[test]
fn a_missing_secret_is_told() {
    let mut webhook =
        webhook("endpoints: { a: { url: 'https://hooks.example.org/', credential: nobody } }");
    let outcome = webhook.deliver(&[event("r", "a")], &Vault::default()).remove(0);
    assert_later(&outcome, "correlator credential set nobody");
    let empty = Vault::with(&[("nobody", "\n")]);
    assert_refused(&webhook.deliver(&[event("r", "a")], &empty).remove(0), "is empty");
}

#[track_caller]
fn wrong(yaml: &str, expected: &str) {
    let said = match serde_yaml::from_str::<Settings>(yaml) {
        Err(error) => error.to_string(),
        Ok(settings) => Webhook::new(&settings).err().unwrap_or_default(),
    };
    assert!(said.contains(expected), "{yaml}: {said}");
}

#[test]
fn settings_that_make_no_sense_are_told() {
    wrong("endpoints: {}", "names 1 to 256 endpoints");
    wrong("endpoints: { a: {} }", "endpoint `a`: it needs a `url`");
    wrong("endpoints: { a: { url: 'https://x.org', token: 1 } }", "token");
    wrong("endpoints: { a: { url: 'ftp://x.org' } }", "it can be https or http");
    wrong("endpoints: { a: { url: 'x.org' } }", "its URL has no scheme or no host");
    wrong("endpoints: { a: { url: 'https://u:p@x.org' } }", "belong into `user` and `credential`");
    wrong("endpoints: { a: { url: 'http://10.0.0.1' } }", "its address 10.0.0.1 is private");
    wrong("endpoints: { a: { url: 'http://[::1]/' } }", "is the machine itself");
    wrong("endpoints: { a: { url: 'http://x.org', credential: c } }", "over plain HTTP");
    wrong("endpoints: { a: { url: 'https://x.org', preset: slak } }", "there is no preset `slak`");
    wrong("endpoints: { a: { preset: slack } }", "it needs a `credential`");
    wrong(
        "endpoints: { a: { preset: jira, url: 'https://x.org', credential: c } }",
        "`values` lacks `project`",
    );
    wrong(
        "endpoints: { a: { url: 'https://x.org', values: { b: c } } }",
        "`b` under `values` is used by nothing",
    );
    wrong("endpoints: { a: { url: 'https://x.org/{$b}' } }", "`b` under `values` is missing");
    wrong("endpoints: { a: { url: 'https://x.org/{summary}' } }", "may stand in `url`");
    wrong("endpoints: { a: { url: 'https://x.org', method: GET } }", "none of POST, PUT, PATCH");
    wrong(
        "endpoints: { a: { url: 'https://x.org', headers: { Host: b } } }",
        "not for the stack to write",
    );
    wrong(
        "endpoints: { a: { url: 'https://x.org', headers: { 'a b': c } } }",
        "is no name of a header",
    );
    wrong(
        "endpoints: { a: { url: 'https://x.org', headers: { X-A: 'ü {summary}' } } }",
        "header `X-A` would have something else than plain ASCII",
    );
    wrong("endpoints: { a: { url: 'https://x.org', user: b } }", "it needs a `credential`");
    wrong(
        "endpoints: { a: { url: 'https://x.org', auth: basic, credential: c } }",
        "needs a `user`",
    );
    wrong(
        "endpoints: { a: { url: 'https://x.org', auth: none, credential: c } }",
        "is used by nothing",
    );
}

#[test]
fn values_that_make_no_sense_are_told() {
    wrong("endpoints: { a: { url: 'https://x.org', timeout: 5 } }", "is no duration");
    wrong("endpoints: { a: { url: 'https://x.org', timeout: 1h } }", "at most 10 minutes");
    wrong("endpoints: { a: { url: 'https://x.org', networks: [ten] } }", "`ten` is no network");
    wrong(
        "endpoints: { a: { url: 'https://x.org', ca: /nowhere.pem } }",
        "`ca` /nowhere.pem: No such file",
    );
    wrong("endpoints: { a: { url: 'https://x.org', proxy: 'socks5://x' } }", "`proxy` is no proxy");
    wrong(
        "endpoints: { a: { url: 'https://x.org', json: { a: '{summary' } } }",
        "without its counterpart",
    );
    wrong(
        "endpoints: { a: { url: 'https://x.org', signature: { credential: c, algorithm: md5 } } }",
        "hmac-sha256",
    );
    wrong(
        "endpoints: { a: { url: 'https://x.org', answers: [{ status: [5xx], is: done }] } }",
        "`5xx` is no status",
    );
    wrong("endpoints: { a: {}, b: { preset: x } }", "endpoint `b`");
    wrong(
        "endpoints: { a: { url: 'https://x.org', proxy: 'http://u:p@x' } }",
        "a stack has no secrets",
    );
}
