//! Text messages: against a server that checks what Twilio checks, another provider, and Twilio's own description.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use correlator_web::sms::{Settings, Sms};
use correlator_world::{Capability, Cell, Outcome, Request};

use crate::server::{Reply, Seen, Server, pause};
use crate::vault::{
    SECRET, Vault, assert_done, assert_later, assert_refused, peer, request, skipped, text,
};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const SID: &str = "SM0123456789abcdef0123456789abcdef";

fn sms(yaml: &str) -> Sms {
    let settings: Settings = serde_yaml::from_str(yaml).expect("settings");
    Sms::new(&settings).expect("a capability")
}

fn twilio(url: &str, more: &str) -> Sms {
    sms(&format!(
        "{{ account: {ACCOUNT}, credential: token, recipients: ['+4917012345', '+1555*'], private: true,
            url: '{url}/2010-04-01/Accounts/{{$account}}/Messages.json', {more} }}"
    ))
}

fn message(id: &str, to: &str, body: &str) -> Request {
    request(id, "sms", &[("to", text(to)), ("text", text(body))])
}

fn vault() -> Vault {
    Vault::with(&[("token", SECRET)])
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let pair = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                let pair = std::str::from_utf8(&pair).expect("ASCII");
                bytes.push(u8::from_str_radix(pair, 16).expect("hexadecimal"));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn form(seen: &Seen) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("a pair");
        (decode(name), decode(value))
    };
    seen.text().split('&').map(pair).collect()
}

/// Answers as Twilio does to what is right and wrong.
fn judge(seen: &Seen) -> Reply {
    let error = |status, code, message: &str| {
        Reply::text(
            status,
            &format!("{{\"code\":{code},\"message\":\"{message}\",\"status\":{status}}}"),
        )
    };
    // printf 'AC...:s3cr3t-Tok/en' | base64
    let expected = "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjpzM2NyM3QtVG9rL2Vu";
    if seen.header("authorization") != Some(expected) {
        return error(401, 20003, "Authenticate");
    }
    if seen.method != "POST" || seen.path != format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    {
        return error(404, 20404, "The requested resource was not found");
    }
    let form = form(seen);
    let Some(to) = form.get("To") else {
        return error(400, 21604, "A 'To' phone number is required.");
    };
    if to == "+15550000001" {
        return error(400, 21211, "Invalid 'To' Phone Number");
    }
    if form.contains_key("From") == form.contains_key("MessagingServiceSid") {
        return error(400, 21603, "A 'From' phone number is required.");
    }
    if form.get("Body").is_none_or(|body| body.is_empty() || body.chars().count() > 1600) {
        return error(400, 21602, "Message body is required.");
    }
    Reply::text(201, &format!("{{\"sid\":\"{SID}\",\"status\":\"queued\"}}"))
}

#[test]
fn twilio_gets_what_it_wants() {
    let server = Server::start(judge);
    let mut sms = twilio(&server.url(""), "from: '+15005550006'");
    assert_eq!(sms.credentials(), ["token"]);
    assert_eq!(sms.parties(&message("1", " +4917012345 ", "x")), ["+4917012345"]);
    let hostile = "5 Fehlschläge\r\nFrom: x&To=+1900\0\u{1b}[31m \u{202e}";
    let outcomes = sms.deliver(
        &[
            message("1", "+4917012345", hostile),
            message("2", "+15550000001", "x"),
            message("3", "+15551234567", &"x".repeat(9_999)),
        ],
        &vault(),
    );
    assert_done(&outcomes[0], &format!("201 Created: `{SID}`"));
    assert_refused(&outcomes[1], "Invalid 'To' Phone Number");
    assert_done(&outcomes[2], SID);
    let seen = server.seen();
    let expected = [
        ("Body", "5 Fehlschläge  From: x&To=+1900[31m"),
        ("From", "+15005550006"),
        ("To", "+4917012345"),
    ];
    assert_eq!(
        form(&seen[0]),
        expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    );
    assert_eq!(seen[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(form(&seen[2])["Body"], format!("{}...", "x".repeat(317)));
}

#[test]
fn a_messaging_service_may_send() {
    let server = Server::start(judge);
    let mut sms = twilio(
        &server.url(""),
        "messaging_service: MG0123456789abcdef0123456789abcdef, characters_max: 10",
    );
    assert_done(&sms.deliver(&[message("1", "+4917012345", "0123456789abc")], &vault())[0], SID);
    let form = form(&server.only());
    assert_eq!(form["MessagingServiceSid"], "MG0123456789abcdef0123456789abcdef");
    assert_eq!(form["Body"], "0123456...");
}

#[test]
fn twilio_may_be_busy_or_locked() {
    let check = |reply: Reply, assert: fn(&Outcome, &str), expected: &str| {
        let server = Server::with(reply);
        let mut sms = twilio(&server.url(""), "from: '+15005550006'");
        assert(&sms.deliver(&[message("1", "+4917012345", "x")], &vault())[0], expected);
    };
    check(Reply::text(429, "{\"code\":20429}"), assert_later, "429 Too Many Requests");
    check(Reply::status(503), assert_later, "503");
    check(Reply::text(401, "{\"code\":20003}"), assert_refused, "is its credential right?");
    // It has taken the message: asking again would send it twice.
    check(
        Reply::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 999\r\n\r\n{\"sid\":".to_vec()),
        assert_done,
        "201",
    );
}

#[test]
fn only_listed_recipients_are_written_to() {
    let sms = twilio("http://127.0.0.1:1", "from: x");
    let check = |to: &str, body: &str, expected: &str| {
        let said = sms.check(&message("1", to, body)).err().map(|refused| refused.to_string());
        assert!(
            said.as_ref().map_or(expected.is_empty(), |said| said.contains(expected)),
            "{said:?}"
        );
        assert!(!expected.is_empty() || sms.plan(&message("1", to, body)).contains(to));
    };
    check("+4917012345", "x", "");
    check("+15551", "x", "");
    check("+4917012346", "x", "denied: +4917012346 is not among the `recipients`");
    check(
        "+4917012345,+15551",
        "x",
        "not understood: `+4917012345,+15551` is not one phone number",
    );
    check("whatsapp:+15551", "x", "is not one phone number");
    check("+15551\r\nX: y", "x", "is not one phone number");
    check("+4917012345", "\u{1b}\0", "the text is empty");
    let missing = request("1", "sms", &[("to", Cell::Integer(49)), ("text", text("x"))]);
    assert!(sms.check(&missing).is_err());
}

#[test]
fn another_provider_is_described_by_the_stack() {
    let server =
        Server::with(Reply::text(200, "{\"messages\":[{\"id\":\"m-7\"}],\"state\":\"queued\"}"));
    let yaml = format!(
        "{{ provider: other, url: '{}', auth: {{ header: X-Api-Key }}, credential: token, from: Correlator, private: true,
            json: {{ to: ['{{to}}'], from: '{{$from}}', text: '{{text}}' }}, said: /messages/0/id,
            answers: [{{ contains: '\"state\":\"rejected\"', is: refused }}], recipients: ['+49*'] }}",
        server.url("/v1/send")
    );
    let mut sms = sms(&yaml);
    assert_done(&sms.deliver(&[message("r-1", "+4917012345", "a \"b\"")], &vault())[0], "m-7");
    let seen = server.only();
    assert_eq!(
        seen.json(),
        serde_json::json!({"to": ["+4917012345"], "from": "Correlator", "text": "a \"b\""})
    );
    assert_eq!(
        (seen.header("x-api-key"), seen.header("idempotency-key")),
        (Some(SECRET), Some("r-1"))
    );
}

#[test]
fn settings_that_make_no_sense_are_told() {
    let check = |yaml: &str, expected: &str| {
        let settings = serde_yaml::from_str::<Settings>(yaml);
        let said = settings
            .map_or_else(|error| error.to_string(), |s| Sms::new(&s).err().unwrap_or_default());
        assert!(said.contains(expected), "{yaml}: {said}");
    };
    let whole = "account: AC1, from: '+1555', credential: c, recipients: ['+49*']";
    check("{ from: x, credential: c, recipients: ['+49*'] }", "the account's SID");
    check("{ account: AC1/../AC2, from: x, credential: c, recipients: ['+49*'] }", "is no SID");
    check(
        "{ account: AC1, credential: c, recipients: ['+49*'] }",
        "one of `from` and `messaging_service`",
    );
    check(
        "{ account: AC1, from: x, recipients: ['+49*'] }",
        "keep the token with `correlator credential set twilio`",
    );
    check(
        "{ provider: other, url: 'https://x.org', auth: bearer, json: {}, recipients: ['+49*'] }",
        "kept with `correlator credential set NAME`",
    );
    check("{ account: AC1, from: x, credential: c }", "`recipients` lists");
    check(
        "{ account: AC1, from: x, credential: c, recipients: ['*'] }",
        "recipient `*` is no number",
    );
    check(&format!("{{ {whole}, characters_max: 1601 }}"), "1 to 1600");
    check(&format!("{{ {whole}, provider: nexmo }}"), "neither `twilio` nor `other`");
    check(&format!("{{ {whole}, url: 'http://sms.example.org' }}"), "over plain HTTP");
    check("{ provider: other, url: 'https://x.org', recipients: ['+49*'] }", "it needs a body");
}

/// Prism, which answers by Twilio's published description, until it is dropped.
struct Prism(Child);

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

fn prism() -> Option<(Prism, SocketAddr)> {
    let program = peer("CORRELATOR_PRISM", "prism/node_modules/.bin/prism");
    let description = "twilio/twilio_api_v2010.json";
    let description = peer("CORRELATOR_TWILIO_SPEC", description);
    for (path, what, variable) in [
        (&program, "Prism", "CORRELATOR_PRISM"),
        (&description, "Twilio's description of its API", "CORRELATOR_TWILIO_SPEC"),
    ] {
        if !path.exists() {
            skipped(&format!(
                "there is no {what} at {}, and {variable} names none",
                path.display()
            ));
            return None;
        }
    }
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let child = Command::new("node")
        .arg(program)
        .args(["mock", "--errors", "-h", "127.0.0.1", "-p", &address.port().to_string()])
        .arg(description)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut prism = Prism(child);
    for _ in 0..600 {
        if TcpStream::connect(address).is_ok() {
            return Some((prism, address));
        }
        assert!(prism.0.try_wait().expect("a child").is_none(), "prism ended");
        pause(Duration::from_millis(100));
    }
    panic!("prism does not answer at {address}");
}

#[test]
fn requests_fit_twilios_description() {
    let Some((_prism, address)) = prism() else { return };
    let url = format!("http://{address}");
    let mut good = twilio(&url, "from: '+15005550006'");
    assert_done(
        &good.deliver(&[message("1", "+4917012345", "5 Fehlschläge")], &vault())[0],
        "201 Created",
    );
    let mut service = twilio(&url, "messaging_service: MG0123456789abcdef0123456789abcdef");
    assert_done(&service.deliver(&[message("1", "+4917012345", "x")], &vault())[0], "201 Created");
    let wrong = |more: &str| {
        sms(&format!(
            "{{ account: AC1, credential: token, from: x, recipients: ['+49*'], private: true, {more},
                url: '{url}/2010-04-01/Accounts/{{$account}}/Messages.json' }}"
        ))
        .deliver(&[message("1", "+4917012345", "x")], &vault())
        .remove(0)
    };
    assert_refused(&wrong("characters_max: 9"), "422");
    assert_refused(&wrong("auth: bearer"), "401");
}
