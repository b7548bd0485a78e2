//! What a stack would have its listeners ask for in vain is told before anything runs, and where it was typed; and what need not
//! be named is found.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use correlator_store::effect::State;
use correlator_tests::sender::Port;
use correlator_tests::world::effects;
use correlator_tests::world::failures::failures;
use correlator_tests::world::postfix::Postfix;
use correlator_tests::world::web::Web;
use correlator_world::Secret;

use super::acting::{hook, listener, send, site, tcp, until_taken};

const HOOK: &str = "endpoints: { ops: { url: 'http://127.0.0.1:9/', private: true }, \
                    chat: { preset: slack, private: true, credential: chat } }";
const MAIL: &str = "mail: { server: '127.0.0.1:9', security: none, from: a@b.org, to: c@d.org";

/// What `check` says of a stack with this listener, and what it exits with.
fn check(component: &str, options: &str, grant: &str, code: i32, expected: &str) {
    let site = site("foreseen", "file: auth.log", &listener("one", component, options, grant));
    site.put("auth.log", "");
    let said = site.tell(&["check", "stack.yaml"]);
    let told = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, Some(code), "{component} {{ {options} }}: {told}");
    assert!(told.contains(expected), "{component} {{ {options} }}, {expected}: {told}");
    if expected == "sound" {
        assert_eq!(said.stderr, "", "{component} {{ {options} }}");
    }
}

#[test]
fn what_a_grant_lacks_is_told_by_check() {
    let hook = format!("webhook: {{ {HOOK} }}");
    check("webhook", "endpoint: ops", &hook, 0, "sound");
    check("webhook", "endpoint: opss", &hook, 2, "there is no endpoint `opss`");
    check("webhook", "endpoint: opss", &hook, 2, "--> stack.yaml:9:26");
    check("webhook", "", &hook, 2, "listener `one` asks in vain: there is no endpoint ``");
    check("webhook", "", &hook, 2, "--> stack.yaml:10:15");
    let body = "endpoint: chat, body: '{\"a\": {{ summary }}}'";
    check("webhook", body, &hook, 0, "endpoint `chat` makes its own bodies");
    check("webhook", &body.replace("chat", "ops"), &hook, 0, "sound");
    check("webhook", "endpoint: ops, body: '{'", &hook, 3, "what it makes is no JSON");
    check("firewall", "", "firewall: { sets: { ssh: {} } }", 0, "sound");
    check("firewall", "", "firewall: { sets: { ssh: {}, blocked: {} } }", 0, "sound");
    check("firewall", "set: sssh", "firewall: { sets: { ssh: {} } }", 2, "has no set `sssh`");
    let rows = |tables: &str| {
        format!(
            "database: {{ databases: {{ it: {{ kind: sqlite, path: it.db, tables: [{tables}] }} }} }}"
        )
    };
    check("database", "", &rows("'sshd_*'"), 0, "sound");
    check("database", "", &rows("other"), 2, "table `sshd_attempts_exceeded` of database `it`");
    check("database", "database: that", &rows("'*'"), 2, "--> stack.yaml:9:26");
    let udp = "syslog: { targets: { siem: { address: '127.0.0.1:9', transport: udp } } }";
    check("syslog", "", udp, 0, "sound");
    check("syslog", "target: siam", udp, 2, "target `siam` is not granted");
    check("email", "", &format!("{MAIL} }}"), 0, "sound");
    check("email", "", &format!("{MAIL}, html: false }}"), 0, "HTML is not granted");
    check("email", "html: false", &format!("{MAIL}, html: false }}"), 0, "sound");
    let nouser = "template_text: '{{ fields.nouser }}'";
    check(
        "email",
        nouser,
        &format!("{MAIL} }}"),
        3,
        "no event that may arrive has a column `nouser`",
    );
}

#[test]
fn the_only_target_need_not_be_named_and_is_asked_for_nothing_beforehand() {
    let siem = UdpSocket::bind("127.0.0.1:0").expect("a port");
    siem.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let address = siem.local_addr().expect("an address");
    let grant =
        format!("syslog: {{ targets: {{ siem: {{ address: '{address}', transport: udp }} }} }}");
    let site = site("only-target", "file: auth.log", &listener("siem", "syslog", "", &grant));
    site.put("auth.log", failures(0..3).join("\n") + "\n");
    site.run();
    for _ in 0..3 {
        let mut message = [0; 4096];
        let length = siem.recv(&mut message).expect("a message");
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        assert!(message.contains("attempts_exceeded"), "{message}");
    }
    siem.set_nonblocking(true).expect("a socket");
    assert!(siem.recv(&mut [0; 16]).is_err(), "more than was logged");
    assert!(site.said().contains("to syslog siem"), "{}", site.said());
}

#[test]
fn a_reload_to_what_is_asked_for_in_vain_is_refused() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let site = site("foreseen-reload", &tcp(&port), &hook(&web, "5s"));
    let engine = site.start();
    site.until_it_runs();
    let stack = fs::read_to_string(site.folder().join("stack.yaml")).expect("a stack");
    site.put("stack.yaml", stack.replace("endpoint: ops", "endpoint: other"));
    let said = site.ask(&["reload"]);
    assert_ne!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("there is no endpoint `other`"), "{}", said.stderr);
    send(&port, &failures(0..2), &site);
    until_taken(&web, 2, &site);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn a_recipient_that_gets_no_mail_is_told() {
    let Some(postfix) = Postfix::start("correct horse") else { return };
    let grant = format!("mail: {{ {} }}", postfix.grant());
    let options = "to: 'b@test.local,x@test.local', html: false";
    let text = listener("ops", "email", options, &grant)
        + "credentials: { order: [file], file: credentials }\n";
    let site = site("half-mail", "file: auth.log", &text);
    let settings = correlator_credential::Settings {
        order: vec![correlator_credential::Place::File],
        file: Some("credentials".into()),
        ..correlator_credential::Settings::default()
    };
    let vault = correlator_credential::Vault::open(&settings.relative_to(site.folder()));
    let secret = Secret::new("correct horse".into());
    let place = Some(correlator_credential::Place::File);
    vault.expect("a vault").set("smtp", &secret, place).expect("room for a secret");
    site.put("auth.log", failures(0..3).join("\n") + "\n");
    let code = site.start().wait();
    let said = site.said();
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(effects::count(&site, "ops", State::Done), 3, "{said}");
    let words = "sent, but not to x@test.local, whom the mail server refuses (550)";
    let lines: Vec<_> = said.lines().filter(|line| line.contains(words)).collect();
    // Once while it runs, and once in the summary, with how many.
    assert!(lines.len() == 2 && lines[1].contains("3 rows mail default"), "{said}");
}
