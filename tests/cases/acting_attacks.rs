//! Listeners that ask for what they must not get: each is denied, which is kept and told, and everybody else works on.

use std::collections::BTreeMap;

use correlator_store::effect::State;
use correlator_tests::guests::wishes::Wish;
use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{failures, later};
use correlator_tests::world::smtp::Smtp;
use correlator_tests::world::web::Web;
use serde_json::Value;

use super::acting::{hook, listener, send, tcp};

/// An attack: who asks, by which grant, and what is said to it.
struct Attack {
    wish: Wish,
    grant: &'static str,
    said: &'static str,
    /// What it asks for is eight million bytes.
    is_huge: bool,
}

const fn attack(wish: Wish, grant: &'static str, said: &'static str) -> Attack {
    Attack { wish, grant, said, is_huge: false }
}

const HOOK: &str = "webhook: { endpoints: { ops: { url: 'URL', private: true } } }";
const FEW: &str = "webhook: { endpoints: { ops: { url: 'URL', private: true } }, rate: 3/1h }";
const MAIL: &str =
    "mail: { server: 'SMTP', security: none, from: c@example.org, to: ops@example.org }";
const COMMAND: &str = "command: { commands: { tell: { program: /bin/echo, arguments: ['{who}'], \
                       values: { who: { kind: text } } } } }";
const DATABASE: &str =
    "database: { databases: { events: { kind: sqlite, path: attack.db, tables: [mine] } } }";
const SYSLOG: &str = "syslog: { targets: { central: { address: '127.0.0.1:9', transport: udp } } }";

/// What each single effect is denied.
const SINGLE: &[Attack] = &[
    attack(
        Wish::new("hook-elsewhere", "webhook", "internal", &[("summary", "x")]),
        HOOK,
        "no endpoint `internal`",
    ),
    attack(
        Wish::new("hook-by-url", "webhook", "http://169.254.169.254/", &[("summary", "x")]),
        HOOK,
        "no endpoint",
    ),
    attack(
        Wish { rows: 1_000, ..Wish::new("hook-flood", "webhook", "ops", &[("summary", "flood")]) },
        FEW,
        "more than 3 requests",
    ),
    Attack {
        is_huge: true,
        ..attack(
            Wish::new("hook-huge", "webhook", "ops", &[("body", "")]),
            HOOK,
            "takes bodies of 1048576 bytes at most",
        )
    },
    attack(
        Wish::new(
            "mail-stranger",
            "mail",
            "default",
            &[("to", "x@evil.example"), ("subject", "s"), ("text", "t")],
        ),
        MAIL,
        "mail to `x@evil.example` is not granted",
    ),
    attack(
        Wish::new(
            "mail-smuggled",
            "mail",
            "default",
            &[("to", "ops@example.org\r\nBcc: x@evil.example"), ("subject", "s"), ("text", "t")],
        ),
        MAIL,
        "is no plain address",
    ),
    Attack {
        is_huge: true,
        ..attack(
            Wish::new(
                "mail-million",
                "mail",
                "default",
                &[("to", ""), ("subject", ""), ("text", "")],
            ),
            MAIL,
            "more than 10 recipients",
        )
    },
    attack(
        Wish::new("command-option", "command", "tell", &[("who", "--output=/etc/passwd")]),
        COMMAND,
        "dash",
    ),
    attack(
        Wish::new("command-lines", "command", "tell", &[("who", "a\nb")]),
        COMMAND,
        "line of text",
    ),
    attack(Wish::new("command-elsewhere", "command", "/bin/sh", &[("who", "x")]), COMMAND, "sh"),
];

/// What is denied of what is done a turn at a time.
const TOGETHER: &[Attack] = &[
    attack(Wish::new("rows-elsewhere", "database", "users", &[("a", "x")]), DATABASE, "users"),
    attack(
        Wish::new("rows-smuggled", "database", "mine; DROP TABLE mine", &[("a", "x")]),
        DATABASE,
        "",
    ),
    attack(
        Wish::new("syslog-elsewhere", "syslog", "nowhere", &[("message", "x")]),
        SYSLOG,
        "nowhere",
    ),
];

/// What may be asked for, but not like this: it is made harmless.
const SUBJECT: Wish = Wish::new(
    "mail-subject",
    "mail",
    "default",
    &[("subject", "hello\r\nBcc: x@evil.example\r\n\r\nforged"), ("text", "t")],
);

/// A site with two honest listeners, whose requests go to the first server, and all attackers.
fn attacked([web, other]: [&Web; 2], smtp: &Smtp, port: &Port) -> Site {
    let filled = |grant: &str| {
        let grant = grant.replace("URL", &other.url());
        grant.replace("SMTP", &smtp.address.to_string())
    };
    let attacker = |wish: &Wish, grant: &str| {
        listener(wish.name, &format!("./{}.wasm", wish.name), "", &filled(grant))
    };
    let mut listeners = hook(web, "5s");
    listeners += &listener("csv", "csv", "", "table: { directory: rows }");
    listeners += &attacker(&SUBJECT, MAIL);
    let all = SINGLE.iter().chain(TOGETHER);
    listeners.extend(all.clone().map(|attack| attacker(&attack.wish, attack.grant)));
    let stack = super::acting::site("attacked", &tcp(port), &listeners);
    stack.put("mail-subject.wasm", SUBJECT.component());
    for attack in all {
        let wish = &attack.wish;
        let component = if attack.is_huge { wish.huge_component() } else { wish.component() };
        stack.put(&format!("{}.wasm", wish.name), component);
    }
    stack
}

/// How often a listener was denied something for a reason with these words, by the status.
fn told(status: &Value, name: &str, words: &str) -> u64 {
    let listeners = status["listeners"].as_array().into_iter().flatten();
    let refused = listeners
        .filter(|it| it["name"] == name)
        .filter_map(|it| it["effects_refused"].as_object());
    let counts =
        refused.flatten().filter(|(reason, _)| reason.contains("denied") && reason.contains(words));
    counts.filter_map(|(_, count)| count.as_u64()).sum()
}

#[test]
fn what_is_not_granted_is_denied_and_told_and_the_others_work_on() {
    let (web, other) = (Web::start(), Web::start());
    let (smtp, port) = (Smtp::start(), Port::new().expect("a port"));
    let site = attacked([&web, &other], &smtp, &port);
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..1), &site);
    for attack in SINGLE.iter().chain(TOGETHER) {
        let (name, words) = (attack.wish.name, attack.said);
        site.until(&format!("told that `{name}` is denied"), |status| {
            (told(status, name, words) > 0).then_some(())
        });
    }
    wait::until("all was decided", || {
        let all = effects::effects(&site);
        all.iter().all(|effect| effect.state.is_finished()).then_some(())
    });
    let mut kept: BTreeMap<String, Vec<(State, String)>> = BTreeMap::new();
    for effect in effects::effects(&site) {
        let said = effect.said.unwrap_or_default();
        kept.entry(effect.listener).or_default().push((effect.state, said));
    }
    for Attack { wish, said, .. } in SINGLE {
        let kept = kept.get(wish.name).map_or(&[][..], Vec::as_slice);
        let denied = kept.iter().filter(|it| it.0 == State::Denied && it.1.contains(said)).count();
        let most = if wish.rows > 1 { 3 } else { 0 };
        // Of very many that are denied, some are recorded and the others counted.
        let least = most + (wish.rows - most).min(100);
        assert!((least..=wish.rows).contains(&kept.len()), "{}: {kept:?}", wish.name);
        assert_eq!(kept.len() - denied, most, "{}: {kept:?}", wish.name);
    }
    assert_eq!(other.seen().len(), 3, "what the rate allows: {:?}", other.seen());
    harmless(&smtp);
    // Everybody goes on.
    send(&port, &failures(1..2), &site);
    send(&port, &[later(60)], &site);
    site.until_rows("sshd-attempts_exceeded.csv", 2);
    super::acting::until_taken(&web, 2, &site);
    site.until("running, all of them", |status| {
        let all = status["listeners"].as_array()?;
        let fine =
            |it: &Value| it["state"] == "running" && it["failures"] == 0 && it["lag_events"] == 0;
        all.iter().all(fine).then_some(())
    });
    assert_eq!(engine.stop(), Some(1), "denials are losses: {}", site.said());
}

/// The one mail that was sent has no head of a stranger's making.
fn harmless(smtp: &Smtp) {
    let mails = smtp.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].recipients.len(), 1, "{mails:?}");
    let head = &mails[0].head;
    assert!(!head.iter().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head:?}");
    assert!(head.iter().any(|line| line.starts_with("Subject: hello")), "{head:?}");
}

#[test]
fn the_table_for_people_names_every_wish() {
    let table = include_str!("../guests/README.md");
    let wishes = SINGLE.iter().chain(TOGETHER).map(|attack| attack.wish.name);
    for name in
        wishes.chain([SUBJECT.name]).chain(super::acting_firewall::NEVER.iter().map(|it| it.0.name))
    {
        assert!(table.contains(&format!("`{name}`")), "`{name}` is not in the README");
    }
}
