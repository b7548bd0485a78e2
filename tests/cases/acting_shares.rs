//! Acting on the world one by one: what a kill leaves in doubt, what one that fails does to the others, and the order that a
//! stack asks for.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use correlator_store::effect::State;
use correlator_tests::guests::wishes::Wish;
use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failure_from, failures};
use correlator_tests::world::smtp::Smtp;
use correlator_tests::world::web::{Mood, Web};

use super::acting::{about, hook, listener, send, site, tcp, until_taken};

/// As many as go in one share.
const SHARE: usize = 64;
/// How long the world takes for each.
const SLOW: Duration = Duration::from_millis(50);

/// Kills an engine when some of a share is done: one is in doubt at the most, and what is done twice is that one.
fn check_doubt(site: &Site, port: &Port, done: impl Fn() -> Vec<String>) {
    let engine = site.start();
    site.until_it_runs();
    send(port, &failures(0..SHARE), site);
    wait::until("some of it is done", || (done().len() >= 5).then_some(()));
    assert!(engine.kill(), "it was there to be killed");
    let before = done().len();
    assert!(before < SHARE, "it was done before the kill");
    let engine = site.start();
    wait::until("all is done", || {
        let all = effects::effects(site);
        let done = all.iter().filter(|effect| effect.state == State::Done).count();
        (all.len() == SHARE && done == SHARE).then_some(())
    });
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    let doubts = effects::doubts(site);
    assert!(doubts.len() <= 1, "{} in doubt: {doubts:?}", doubts.len());
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for id in done() {
        *times.entry(id).or_default() += 1;
    }
    assert_eq!(times.len(), SHARE);
    for (id, times) in times.iter().filter(|(_, times)| **times > 1) {
        assert!(*times == 2 && doubts.contains_key(id), "{id} was done {times} times: {doubts:?}");
    }
}

#[test]
fn a_kill_leaves_one_webhook_in_doubt() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    web.be(Mood::Slow(SLOW));
    let site = site("doubt-hook", &tcp(&port), &hook(&web, "5s"));
    check_doubt(&site, &port, || {
        web.seen().into_iter().filter(|seen| seen.taken).map(|seen| seen.key).collect()
    });
}

#[test]
fn a_kill_leaves_one_mail_in_doubt_and_a_share_is_one_conversation() {
    let (smtp, port) = (Smtp::slow(SLOW), Port::new().expect("a port"));
    let grant = format!(
        "mail: {{ server: '{}', security: none, from: c@example.org, to: ops@example.org }}",
        smtp.address
    );
    let site = site("doubt-mail", &tcp(&port), &listener("email", "email", "", &grant));
    let id = |line: &String| line.strip_prefix("X-Correlator-Id: ").map(str::to_owned);
    check_doubt(&site, &port, || {
        smtp.mails().iter().filter_map(|mail| mail.head.iter().find_map(id)).collect()
    });
    assert!(smtp.conversations() <= 8, "{} conversations", smtp.conversations());
}

/// A program of this site that takes its time and writes down what it is run for, and its grant.
fn program(name: &str) -> (PathBuf, PathBuf, String) {
    let folder = Site::new(name).folder().with_extension("program");
    fs::create_dir_all(&folder).expect("a folder");
    let (program, told) = (folder.join("tell"), folder.join("told"));
    fs::write(&told, "").expect("a file");
    let seconds = SLOW.as_secs_f32();
    let text = format!(
        "#!/bin/sh\n[ -e {0}.later ] && exit 75\nsleep {seconds}\n\
         echo \"$CORRELATOR_ID\" >> {0}\n",
        told.display()
    );
    fs::write(&program, text).expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let user = Command::new("id").arg("-un").output().expect("id");
    let grant = format!(
        "commands: {{ tell: {{ program: '{}', arguments: ['{{who}}'], user: {}, \
         values: {{ who: {{ kind: text }} }} }} }}",
        program.display(),
        String::from_utf8_lossy(&user.stdout).trim()
    );
    (folder, told, grant)
}

#[test]
fn a_kill_leaves_one_command_in_doubt() {
    let port = Port::new().expect("a port");
    let (folder, told, grant) = program("doubt-command");
    let wish = Wish { rows: SHARE, ..Wish::new("teller", "command", "tell", &[("who", "x")]) };
    let grant = format!("command: {{ {grant} }}");
    let site = site("doubt-command", &tcp(&port), &listener("teller", "./teller.wasm", "", &grant));
    site.put("teller.wasm", wish.component());
    let read = || fs::read_to_string(&told).expect("what it told");
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..1), &site);
    wait::until("some of it is done", || (read().lines().count() >= 5).then_some(()));
    assert!(engine.kill(), "it was there to be killed");
    let engine = site.start();
    wait::until("all is done", || {
        (effects::count(&site, "teller", State::Done) == SHARE).then_some(())
    });
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    let doubts = effects::doubts(&site);
    assert!(doubts.len() <= 1, "{doubts:?}");
    let runs = read().lines().count();
    assert!((SHARE..=SHARE + 1).contains(&runs), "{runs} runs");
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_command_that_says_later_is_run_again_and_is_given_up_when_the_grant_says_so() {
    let port = Port::new().expect("a port");
    let (folder, told, grant) = program("later-command");
    let later = told.with_extension("later");
    fs::write(&later, "").expect("a file");
    let grant = format!(
        "command: {{ {grant}, retry: {{ first: 50ms, most: 100ms, for: 300ms, tries: 4 }} }}"
    );
    let wish = Wish::new("teller", "command", "tell", &[("who", "x")]);
    let site = site("later-command", &tcp(&port), &listener("teller", "./teller.wasm", "", &grant));
    site.put("teller.wasm", wish.component());
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..1), &site);
    wait::until("it is given up", || {
        (effects::count(&site, "teller", State::Dead) == 1).then_some(())
    });
    let dead = effects::effects(&site).remove(0);
    assert!((4..=8).contains(&dead.attempts), "{} attempts", dead.attempts);
    fs::remove_file(&later).expect("removed");
    let said = site.ask(&["effects", "retry", &dead.request.id]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait::until("it is done", || (effects::count(&site, "teller", State::Done) == 1).then_some(()));
    engine.stop();
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn what_an_endpoint_fails_on_does_not_hold_up_the_rest() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    web.be(Mood::Against("10.99.0."));
    let grant = format!(
        "webhook: {{ retry: {{ first: 100ms, most: 10m }}, endpoints: {{ ops: {{ url: '{}', private: true }} }} }}",
        web.url()
    );
    let site = site("picky", &tcp(&port), &listener("webhook", "webhook", "endpoint: ops", &grant));
    let engine = site.start();
    site.until_it_runs();
    let bad = 40;
    let them = (0..bad).map(|number| failure_from(&format!("10.99.0.{number}"), number));
    send(&port, &them.collect::<Vec<_>>(), &site);
    let good = 20;
    send(&port, &failures(bad..bad + good), &site);
    until_taken(&web, good, &site);
    let waiting = effects::count(&site, "webhook", State::Waiting);
    assert!(waiting >= bad - 1, "{waiting} wait");
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn what_a_stack_wants_in_order_is_done_in_order_whatever_happens() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let grant = format!(
        "webhook: {{ retry: {{ first: 50ms, most: 200ms }}, order_by: module, endpoints: \
         {{ ops: {{ url: '{}', private: true, timeout: 1s }} }} }}",
        web.url()
    );
    let site = site("order", &tcp(&port), &listener("webhook", "webhook", "endpoint: ops", &grant));
    let engine = site.start();
    site.until_it_runs();
    let (moods, many) = ([Mood::Status(500), Mood::Away, Mood::Busy, Mood::HalfRead], 25);
    for (round, mood) in moods.into_iter().enumerate() {
        let seen = web.seen().len();
        web.be(mood);
        send(&port, &failures(round * many..(round + 1) * many), &site);
        wait::pass(Duration::from_millis(300));
        web.be(Mood::Well);
        until_taken(&web, (round + 1) * many, &site);
        let asked = web.seen().len() - seen - many;
        assert!(asked <= 8, "{mood:?}: asked {asked} times in vain");
    }
    let taken = web.seen().into_iter().filter(|seen| seen.taken);
    let taken: Vec<String> = taken.map(|seen| about(&seen.body)).collect();
    assert_eq!(taken, (0..moods.len() * many).map(address).collect::<Vec<_>>());
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

/// The counts of failures that were told of an address, in the order in which they were.
fn told_of(web: &Web, address: &str) -> Vec<u64> {
    let fields = |body: &str| -> serde_json::Value {
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let fields = body["fields"].as_str().map(|text| serde_json::from_str(text).expect("JSON"));
        fields.unwrap_or_else(|| body["fields"].clone())
    };
    let seen = web.seen().into_iter().filter(|seen| seen.taken && about(&seen.body) == address);
    seen.map(|seen| fields(&seen.body)["failures"].as_u64().expect("a number")).collect()
}

#[test]
fn what_can_not_be_done_holds_up_only_what_comes_after_it_of_the_same() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    web.be(Mood::Against("10.99.0.1"));
    let grant = format!(
        "webhook: {{ retry: {{ first: 100ms, most: 500ms }}, order_by: addr, endpoints: \
         {{ ops: {{ url: '{}', private: true }} }} }}",
        web.url()
    );
    let site = site("lanes", &tcp(&port), &listener("webhook", "webhook", "endpoint: ops", &grant));
    let engine = site.start();
    site.until_it_runs();
    let (bad, good) = ("10.99.0.1", "10.98.0.1");
    let both = (0..10).flat_map(|number| [bad, good].map(|from| failure_from(from, number)));
    send(&port, &both.collect::<Vec<_>>(), &site);
    wait::until("the others are told", || (told_of(&web, good).len() == 10).then_some(()));
    wait::until("it was tried again", || (web.seen().len() >= 13).then_some(()));
    let in_vain: Vec<_> = web.seen().into_iter().filter(|seen| !seen.taken).collect();
    assert!(in_vain.iter().all(|seen| seen.key == in_vain[0].key), "only the first: {in_vain:?}");
    web.be(Mood::Well);
    wait::until("all is told", || (told_of(&web, bad).len() == 10).then_some(()));
    for from in [bad, good] {
        assert_eq!(told_of(&web, from), (1..=10).collect::<Vec<_>>(), "{from}");
    }
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
