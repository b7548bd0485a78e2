//! Acting on the world: what happens when the world is down, busy, silent, or hangs up half way, and that nothing is lost
//! or done twice meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use correlator_store::effect::State;
use correlator_store::entry::{Kind, Verdict};
use correlator_tests::guests::wishes::Wish;
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failures};
use correlator_tests::world::web::{Mood, Web};

/// Failures in one go.
const MANY: usize = 100;

/// A site with a module that tells of every failed login, and these listeners.
pub fn site(name: &str, source: &str, listeners: &str) -> Site {
    let site = Site::new(name).with(&["stack.yaml"]);
    site.put(
        "stack.yaml",
        format!(
            "state: {{ folder: {}, checkpoint_every: 100ms }}\n\
             control: {{ socket: control.sock }}\n\
             sources: {{ in: {{ {source} }} }}\n\
             modules: {{ sshd: {{ options: {{ login_failure_limit: 1 }} }} }}\n\
             listeners:\n{listeners}",
            effects::STATE
        ),
    );
    site
}

/// The door of a port.
pub fn tcp(port: &Port) -> String {
    format!("tcp: '{}'", port.address())
}

/// A listener with one grant. It hears of failures, once for each address.
pub fn listener(name: &str, component: &str, options: &str, grant: &str) -> String {
    format!(
        "  {name}:\n    listener: {component}\n    criteria: event == \"attempts_exceeded\"\n\
         \x20   options: {{ {options} }}\n    grants: {{ {grant} }}\n"
    )
}

/// How long an endpoint of [`hook`] is left alone at first.
const FIRST: Duration = Duration::from_millis(250);

/// A listener that sends to a web server.
pub fn hook(web: &Web, timeout: &str) -> String {
    hook_with(web, timeout, &format!("first: {}ms", FIRST.as_millis()))
}

/// The same with these settings of how it tries again.
pub fn hook_with(web: &Web, timeout: &str, retry: &str) -> String {
    let grant = format!(
        "webhook: {{ retry: {{ {retry} }}, endpoints: \
         {{ ops: {{ url: '{}', private: true, timeout: {timeout} }} }} }}",
        web.url()
    );
    listener("webhook", "webhook", "endpoint: ops", &grant)
}

/// Sends until it is safe.
pub fn send(port: &Port, messages: &[String], site: &Site) {
    let sent = sender::send(port.address(), &sender::octets(messages));
    assert_eq!(sent, Sent::Acknowledged, "{}", site.said());
}

/// The address that a request is about.
pub fn about(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let fields = body["fields"].as_str().map(|text| serde_json::from_str(text).expect("JSON"));
    let fields: serde_json::Value = fields.unwrap_or_else(|| body["fields"].clone());
    fields["addr"].as_str().unwrap_or_else(|| panic!("no address in {body}")).to_owned()
}

/// Waits until the server has taken something for each of so many addresses.
pub fn until_taken(web: &Web, count: usize, site: &Site) {
    let mut there = 0;
    let all = wait::within(wait::PATIENCE, || {
        let addresses: BTreeSet<String> =
            web.taken().values().flatten().map(|body| about(body)).collect();
        there = addresses.len();
        (there >= count).then_some(())
    });
    assert!(all.is_some(), "{there} instead of {count} were told\n{}", site.said());
}

/// How many attempts came out so at each time, after the entry of this number.
fn attempts(site: &Site, verdict: Verdict, after: u64) -> BTreeMap<i64, usize> {
    let mut attempts: BTreeMap<i64, usize> = BTreeMap::new();
    let entries = effects::entries(site, Kind::Attempt);
    for entry in entries.iter().filter(|it| it.sequence > after && it.verdict == Some(verdict)) {
        *attempts.entry(entry.time).or_default() += 1;
    }
    attempts
}

/// Has failures told while the server is in a mood, until it was tried so often in vain; then it is well again.
fn endure(site: &Site, (web, port): (&Web, &Port), phase: usize, (mood, tries): (Mood, usize)) {
    let seen = web.seen().len();
    let before = effects::entries(site, Kind::Attempt).last().map_or(0, |entry| entry.sequence);
    let all = (phase + 1) * MANY;
    web.be(mood);
    send(port, &failures(phase * MANY..all), site);
    wait::until("all is kept, and was tried in vain", || {
        let kept = effects::effects(site).len() == all;
        (kept && attempts(site, Verdict::Later, before).len() >= tries).then_some(())
    });
    let bothered = web.seen().len() - seen;
    assert!(mood == Mood::Well || bothered <= 8, "{mood:?}: asked {bothered} times in vain");
    web.be(Mood::Well);
    until_taken(web, all, site);
    wait::until("what was done is written down", || {
        (effects::count(site, "webhook", State::Done) == all).then_some(())
    });
    if mood != Mood::Well {
        let curve = curve(web, seen, FIRST);
        assert!(few_at_first(&curve), "{mood:?}: not few at first: {curve:?}");
    }
}

/// Steps in which an endpoint that is back is given more, until it is given as much as before.
const RAMP: u32 = 6;

/// How many a server took in one, two, three steps of time, and so on, after the first of those behind a request.
pub fn curve(web: &Web, behind: usize, step: Duration) -> Vec<usize> {
    let seen = web.seen();
    let taken: Vec<_> = seen[behind..].iter().filter(|it| it.taken).map(|it| it.at).collect();
    let within = |steps| taken.iter().filter(|at| **at < taken[0] + step * steps).count();
    (1..=RAMP).map(within).collect()
}

/// One in the first step, two in the second, four in the third, and so on: no more.
pub fn few_at_first(curve: &[usize]) -> bool {
    curve.iter().zip(1..).all(|(count, steps)| *count < 1 << steps)
}

#[test]
fn each_event_arrives_once_whatever_the_server_does() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let site = site("moods", &tcp(&port), &hook(&web, "2s"));
    let engine = site.start();
    site.until_it_runs();
    let moods = [
        (Mood::Well, 0),
        (Mood::Away, 2),
        (Mood::Status(503), 2),
        (Mood::Busy, 1),
        (Mood::Silent, 1),
        (Mood::HalfRead, 1),
        (Mood::HalfSaid, 1),
    ];
    for (phase, mood) in moods.into_iter().enumerate() {
        endure(&site, (&web, &port), phase, mood);
    }
    for (key, bodies) in web.taken() {
        assert_eq!(bodies.len(), 1, "{key} was taken more than once");
    }
    let known: BTreeSet<String> =
        effects::effects(&site).into_iter().map(|effect| effect.request.id).collect();
    assert_eq!(web.taken().into_keys().collect::<BTreeSet<_>>(), known);
    let addresses: BTreeSet<String> = web.taken().values().map(|it| about(&it[0])).collect();
    assert_eq!(addresses, (0..moods.len() * MANY).map(address).collect());
    let all = (moods.len() * MANY) as u64;
    site.until("counted", |status| {
        (status["listeners"][0]["effects_done"]["webhook ops"] == all).then_some(())
    });
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn what_a_run_that_ends_could_not_deliver_is_delivered_by_a_later_one() {
    let web = Web::start();
    let site = site("ends", "file: log", &hook(&web, "2s"));
    site.put("log", failures(0..MANY).join("\n") + "\n");
    web.be(Mood::Away);
    assert_eq!(site.start().wait(), Some(1), "{}", site.said());
    let told =
        format!("{MANY} effects to be delivered when the engine runs again (webhook ops {MANY})");
    assert!(site.said().contains(&told), "{}", site.said());
    assert!(site.said().contains("it is tried again"), "{}", site.said());
    let waiting = effects::count(&site, "webhook", State::Waiting);
    assert_eq!(waiting, MANY, "{}", site.said());
    web.be(Mood::Well);
    wait::until("a later run delivers", || {
        let code = site.start().wait();
        let done = effects::count(&site, "webhook", State::Done) == MANY;
        assert_eq!(code, Some(i32::from(!done)), "{}", site.said());
        done.then_some(())
    });
    assert!(web.taken().len() == MANY && web.seen().len() == MANY, "{}", web.seen().len());
}

#[test]
fn a_command_runs_for_an_event() {
    let port = Port::new().expect("a port");
    let wish = Wish::new("teller", "command", "tell", &[("who", "a b; $(id) `id` 'x'")]);
    let grant = "command: { commands: { tell: { program: PROGRAM, arguments: ['--who={who}', '{who}'], \
                 user: USER, values: { who: { kind: text } } } } }";
    let site = Site::new("command");
    let program = site.folder().join("tell");
    let told = site.folder().join("told");
    fs::write(
        &program,
        format!("#!/bin/sh\nprintf '%s\\n' \"$CORRELATOR_ID\" \"$@\" >> {}\n", told.display()),
    )
    .expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let user = Command::new("id").arg("-un").output().expect("id");
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let grant = grant.replace("PROGRAM", &program.display().to_string()).replace("USER", &user);
    let engine_site =
        self::site("command", &tcp(&port), &listener("teller", "./teller.wasm", "", &grant));
    engine_site.put("teller.wasm", wish.component());
    let engine = engine_site.start();
    engine_site.until_it_runs();
    send(&port, &failures(0..1), &engine_site);
    wait::until("it was done", || {
        (effects::count(&engine_site, "teller", State::Done) == 1).then_some(())
    });
    let said = fs::read_to_string(&told).expect("what it told");
    let id = &effects::effects(&engine_site)[0].request.id;
    assert_eq!(said, format!("{id}\n--who=a b; $(id) `id` 'x'\na b; $(id) `id` 'x'\n"));
    assert_eq!(engine.stop(), Some(0), "{}", engine_site.said());
}

#[test]
fn events_go_out_as_syslog() {
    let (port, server) =
        (Port::new().expect("a port"), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let grant = format!(
        "syslog: {{ targets: {{ central: {{ address: '{}', transport: tcp }} }} }}",
        server.local_addr().expect("an address")
    );
    let site =
        site("syslog", &tcp(&port), &listener("syslog", "syslog", "target: central", &grant));
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..3), &site);
    let (stream, _) = server.accept().expect("a connection");
    stream.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout");
    let mut reader = BufReader::new(stream);
    let mut heard = Vec::new();
    for _ in 0..3 {
        let mut length = Vec::new();
        reader.read_until(b' ', &mut length).expect("a length");
        let length = String::from_utf8_lossy(&length).trim().parse().expect("a length");
        let mut message = vec![0; length];
        std::io::Read::read_exact(&mut reader, &mut message).expect("a message");
        heard.push(String::from_utf8_lossy(&message).into_owned());
    }
    for (number, message) in heard.iter().enumerate() {
        assert!(message.contains("2024-12-10T06:00:00"), "{message}");
        assert!(message.contains(&address(number)), "{message}");
    }
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn credentials_that_are_lacking_are_told_all_at_once_before_anything_begins() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let mail = "mail: { server: '127.0.0.1:1', username: c, credential: smtp-password, from: c@test.local, to: b@test.local }";
    let hooks = format!(
        "webhook: {{ endpoints: {{ ops: {{ url: '{}', private: true, credential: hook-token, \
         signature: {{ credential: hook-key, header: X-Signature, algorithm: hmac-sha256 }} }} }} }}",
        web.url()
    );
    let listeners = [
        listener("email", "email", "", mail),
        listener("webhook", "webhook", "endpoint: ops", &hooks),
        "credentials: { order: [file], file: credentials, key: credentials.key }\n".to_owned(),
    ];
    let site = site("lacking", &tcp(&port), &listeners.concat());
    let code = site.start().wait();
    let said = site.said();
    assert_eq!(code, Some(2), "{said}");
    for name in ["smtp-password", "hook-token", "hook-key"] {
        assert!(said.contains(&format!("correlator credential set {name}")), "{name}: {said}");
    }
    assert_eq!(said.matches("error: ").count(), 1, "one message: {said}");
    assert!(!site.folder().join(effects::STATE).exists(), "nothing was begun");
    assert!(!site.socket().exists(), "nobody could ask it");
}
