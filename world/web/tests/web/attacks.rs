//! What hostile guests, servers and name servers try.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use correlator_web::webhook::{Settings, Webhook};
use correlator_web::{Lookup, elastic, sms};
use correlator_world::{Capability, Outcome, Refused, Request};

use crate::server::{Reply, Server};
use crate::vault::{
    SECRET, Script, Vault, assert_done, assert_later, assert_refused, event, request, text,
};
use crate::webhooks::webhook;

/// Each capability with a server at this URL, and a request for it.
fn each(url: &str, more: &str, lookup: &Arc<dyn Lookup>) -> [(Box<dyn Capability>, Request); 3] {
    let hook = format!("endpoints: {{ a: {{ url: '{url}', {more} }} }}");
    let hook: Settings = serde_yaml::from_str(&hook).expect("settings");
    let message = format!(
        "{{ provider: other, url: '{url}', json: '{{text}}', recipients: ['+49*'], {more} }}"
    );
    let message: sms::Settings = serde_yaml::from_str(&message).expect("settings");
    let index = format!("{{ url: '{}', {more} }}", url.trim_end_matches('/'));
    let index: elastic::Settings = serde_yaml::from_str(&index).expect("settings");
    [
        (Box::new(Webhook::with_lookup(&hook, lookup).expect("a webhook")), event("r", "a")),
        (
            Box::new(sms::Sms::with_lookup(&message, lookup).expect("text messages")),
            request("r", "sms", &[("to", text("+4917012345")), ("text", text("x"))]),
        ),
        (
            Box::new(elastic::Elastic::with_lookup(&index, lookup).expect("a search engine")),
            event("r", "a"),
        ),
    ]
}

/// Asks each of them: none is asked for anything, and what comes of it is this; documents wait in any case.
fn all_stay_outside(
    url: &str,
    more: &str,
    lookup: &Arc<dyn Lookup>,
    assert: fn(&Outcome, &str),
    expected: &str,
) {
    let [hook, message, index] = each(url, more, lookup)
        .map(|(mut one, request)| one.deliver(&[request], &Vault::default()).remove(0));
    assert(&hook, expected);
    assert(&message, expected);
    assert_later(&index, expected);
}

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
    for status in [300, 301, 302, 303, 305, 307, 308] {
        let inside = Server::with(Reply::status(200));
        let outside = Server::with(Reply::header(status, "Location", &inside.url("/admin")));
        let system: Arc<dyn Lookup> = Arc::new(correlator_web::System);
        all_stay_outside(
            &outside.url("/"),
            "private: true",
            &system,
            assert_refused,
            "redirects are not followed",
        );
        assert_eq!(inside.seen().len(), 0);
    }
    // Nor is what else might be taken for one.
    for name in ["Location", "Refresh", "Content-Location", "Alt-Svc", "Link"] {
        let inside = Server::with(Reply::status(200));
        let outside = Server::with(Reply::header(201, name, &inside.url("/admin")));
        let yaml = format!("endpoints: {{ a: {{ url: '{}', private: true }} }}", outside.url("/"));
        assert_done(&deliver(&mut webhook(&yaml)), "201");
        assert_done(&deliver(&mut webhook(&yaml)), "201");
        assert_eq!(inside.seen().len(), 0);
    }
}

#[test]
fn a_public_name_may_not_lead_inside() {
    for address in [
        "127.0.0.1:80",
        "127.8.9.10:80",
        "10.0.0.1:80",
        "172.31.0.1:80",
        "192.168.0.1:80",
        "100.64.0.1:80",
        "169.254.169.254:80",
        "168.63.129.16:80",
        "0.0.0.0:80",
        "255.255.255.255:80",
        "224.0.0.1:80",
        "[::]:80",
        "[::1]:80",
        "[::127.0.0.1]:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:169.254.169.254]:80",
        "[::ffff:0:127.0.0.1]:80",
        "[64:ff9b::10.0.0.1]:80",
        "[64:ff9b:1::10.0.0.1]:80",
        "[2002:7f00:1::]:80",
        "[2002:a00:1::1]:80",
        "[2001:0:4136:e378:8000:63bf:f5ff:fffe]:80",
        "[fd00:ec2::254]:80",
        "[fc00::1]:80",
        "[fe80::1]:80",
        "[fec0::1]:80",
        "[ff02::1]:80",
    ] {
        let script = Arc::new(Script::new(&[&[address]]));
        let lookup: Arc<dyn Lookup> = script.clone();
        all_stay_outside(
            "http://hooks.example.org/",
            "proxy: null",
            &lookup,
            assert_later,
            "if that is meant",
        );
        assert_eq!(script.asked(), ["hooks.example.org"; 3]);
    }
}

/// Says to the test inside that it is in a network of its own.
const INSIDE: &str = "CORRELATOR_TEST_INSIDE";
/// Public addresses of this machine: two of one network, one by a route, and one of IPv6.
const NETWORK: &str = "ip link set lo up && ip addr add 9.9.9.9/24 dev lo && \
    ip addr add 9.9.9.10/24 dev lo && ip route add local 30.1.2.0/24 dev lo && \
    ip addr add 2a00::5/64 dev lo nodad && exec \"$0\" \"$@\"";

#[test]
fn a_public_address_of_this_machine_is_no_public_one() {
    const NAME: &str = "attacks::a_public_address_of_this_machine_is_no_public_one";
    if std::env::var_os(INSIDE).is_some() {
        return own_addresses_are_not_reached();
    }
    let apart = ["--user", "--map-root-user", "--net"];
    let can = Command::new("unshare").args(apart).args(["ip", "link"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a network of its own takes the programs `unshare` and `ip`");
        return;
    }
    let this = std::env::current_exe().expect("this program");
    let inside = Command::new("unshare")
        .args(apart)
        .args(["sh", "-c", NETWORK])
        .arg(this)
        .args([NAME, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("`unshare` is there");
    assert!(inside.status.success(), "{}", String::from_utf8_lossy(&inside.stderr));
}

fn own_addresses_are_not_reached() {
    let system: Arc<dyn Lookup> = Arc::new(correlator_web::System);
    for host in ["9.9.9.9", "9.9.9.10", "30.1.2.3", "[2a00::5]"] {
        let server = Server::at("[::]:0", |_| Reply::status(200));
        // Whoever answers for a name says where it is.
        let address = format!("{host}:{}", server.address.port());
        let lookup: Arc<dyn Lookup> = Arc::new(Script::new(&[&[&address]]));
        let expected = "is this machine's own; say `private: true`";
        all_stay_outside(
            "http://hooks.example.org/",
            "proxy: null",
            &lookup,
            assert_later,
            expected,
        );
        let yaml = format!("endpoints: {{ a: {{ url: 'http://{address}/' }} }}");
        let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
        let refused = Webhook::with_lookup(&settings, &system).map(drop).expect_err("its own");
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(server.seen().len(), 0);
        for grant in
            ["private: true".to_owned(), format!("networks: ['{}']", host.trim_matches(['[', ']']))]
        {
            let yaml = format!("endpoints: {{ a: {{ url: 'http://{address}/', {grant} }} }}");
            assert_done(&deliver(&mut webhook(&yaml)), "200");
        }
        assert_eq!(server.seen().len(), 2);
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
    assert_later(&deliver(&mut webhook), "127.0.0.2 is in none of its `networks`");
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
    assert_later(&deliver(&mut webhook), "127.0.0.2 is in none of its `networks`");
    assert_done(&deliver(&mut webhook), "200");
    assert_later(&deliver(&mut webhook), "127.0.0.2 is in none");
    assert_eq!((good.seen().len(), bad.seen().len()), (2, 0));
}

#[test]
fn a_name_that_changes_its_mind_within_a_turn_gains_nothing() {
    let good = Server::with(Reply::text(404, "{}"));
    let bad = Server::at("127.0.0.2:0", |_| Reply::text(200, "{\"items\":[]}"));
    let (first, second) = (good.address.to_string(), bad.address.to_string());
    // The template is asked for where it may be, and then the name leads elsewhere.
    let lookup: Arc<dyn Lookup> = Arc::new(Script::new(&[&[&first], &[&second]]));
    let url = "http://search.example.org";
    let [.., (mut elastic, request)] = each(url, "networks: [127.0.0.1/32]", &lookup);
    let outcome = elastic.deliver(&[request], &Vault::default()).remove(0);
    assert_later(&outcome, "127.0.0.2 is in none of its `networks`");
    assert_eq!((good.seen().len(), bad.seen().len()), (1, 0));
}

#[test]
fn addresses_in_disguise_are_addresses() {
    for host in [
        "localhost",
        "LocalHost.",
        "ip6-localhost",
        "127.0.0.1.",
        "2130706433",
        "2130706433.",
        "017700000001",
        "0x7f000001",
        "0x7F.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.01",
        "0",
        "00000000",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::1%25lo]",
        "[::1%lo]",
        "[::]",
        "127.0.0.1%00.example.org",
        "%31%32%37.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}",
        "\u{ff11}27.0.0.1",
        "hooks.example.org@127.0.0.1",
        "hooks.example.org:443@127.0.0.1",
        "@127.0.0.1",
        "hooks.example.org\\@127.0.0.1",
        "127.0.0.1\\.example.org",
        "127.0.0.1#.example.org",
        "127.0.0.1?.example.org",
        "127.0.0.1\t",
        " 127.0.0.1",
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
    check(&mut hook, "https://x.org:TOKEN@127.0.0.1/", "its URL");
    check(&mut hook, "https://x.org@127.0.0.1/TOKEN", "belong into");
    check(&mut hook, "https://[::ffff:10.0.0.1]/TOKEN", "is private");
    check(&mut hook, "https://[::1]:443/TOKEN", "is the machine itself");
    check(&mut hook, "//127.0.0.1/TOKEN", "its URL");
    check(&mut hook, "gopher://x.org/TOKEN", "it can be https or http");
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
    let (long, wide) = ("x".repeat(1 << 16), "\u{e9}".repeat(4096));
    let mut sent = 0;
    let mut check = |event: &str, expected: &str| {
        let request = request("r", "a", &[("event", text(event))]);
        assert_eq!(webhook.check(&request), Ok(()), "{event:?}");
        assert_done(&webhook.deliver(&[request], &Vault::default())[0], "200");
        let seen = server.seen();
        sent += 1;
        assert_eq!(seen.len(), sent);
        let seen = seen.last().expect("a request");
        assert_eq!((seen.header("x-event"), seen.header("evil")), (Some(expected), None));
    };
    // Whoever chooses a name does not choose whether it is told of.
    check("a\r\nEvil: 1", "e a%0D%0AEvil: 1");
    check("a\0", "e a%00");
    check("\u{e9} 5%", "e %C3%A9 5%25");
    check("5%", "e 5%");
    check("a\r\n\r\nPOST /x HTTP/1.1", "e a%0D%0A%0D%0APOST /x HTTP/1.1");
    check(&long, &format!("e {}...", "x".repeat(4091)));
    check(&wide, &format!("e {}...", "%C3%A9".repeat(681)));
    let id = request("r\r\nEvil: 1", "a", &[("event", text("e"))]);
    assert!(matches!(webhook.check(&id), Err(Refused::Malformed(_))));
    assert_refused(&webhook.deliver(&[id], &Vault::default())[0], "the id");
    let before = server.seen().len();
    let mut fine = request("r", "a", &[("event", text("e: ~{}"))]);
    fine.cells.push(("body".into(), text("\r\n\r\nPOST /evil HTTP/1.1\r\nHost: x\r\n\r\n")));
    assert_done(&webhook.deliver(&[fine], &Vault::default())[0], "200");
    let seen = server.seen();
    assert_eq!(seen.len(), before + 1);
    let seen = seen.last().expect("a request");
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

/// The most memory that this process ever had, in kB.
fn memory_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
}

/// It is looked at and refused, or cut, before anything is made of it.
#[test]
fn a_gigabyte_is_not_copied() {
    let server = Server::with(Reply::status(200));
    let system: Arc<dyn Lookup> = Arc::new(correlator_web::System);
    let capabilities = each(&server.url("/"), "private: true", &system);
    let mut requests = capabilities.each_ref().map(|(_, request)| request.clone());
    let huge = "x".repeat(1 << 30);
    let before = memory_kb();
    requests[0].cells.push(("body".into(), text("")));
    requests[2].cells.push(("body".into(), text("")));
    for ((mut one, _), request) in capabilities.into_iter().zip(&mut requests) {
        let is_message = request.text("to").is_some();
        let cell = request.cells.last_mut().expect("a cell");
        cell.1 = correlator_world::Cell::Text(huge.clone());
        if is_message {
            one.check(request).expect("cut");
        } else {
            assert!(matches!(one.check(request), Err(Refused::Denied(_))));
        }
        assert!(one.plan(request).len() < 2_000);
        let outcome = one.deliver(std::slice::from_ref(request), &Vault::default()).remove(0);
        assert_eq!(matches!(outcome, Outcome::Done(_)), is_message, "{outcome:?}");
        // One copy is the request's own.
        request.cells.clear();
    }
    let mut named = event("r", "");
    named.target = huge;
    let hook = webhook("endpoints: { a: { url: 'https://x.org' } }");
    assert!(hook.check(&named).expect_err("no endpoint").to_string().len() < 2_000);
    let grown = memory_kb() - before;
    assert!(grown < 1_300_000, "{grown} kB");
    assert!(server.only().body.len() < 2_000);
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
