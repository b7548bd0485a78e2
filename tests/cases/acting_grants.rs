//! What grants bound, and for how long: totals that outlive crashes, an allow-list that acts on what is in force, secrets
//! that were unlocked at the start.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::{Child, Command};

use correlator_credential::{Place, Settings, Vault};
use correlator_store::effect::State;
use correlator_tests::engine;
use correlator_tests::guests::wishes::Wish;
use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failure, failure_from, failures};
use correlator_tests::world::network::{AFAR, Network};
use correlator_tests::world::smtp::Smtp;
use correlator_tests::world::web::Web;
use correlator_world::Secret;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::acting::{listener, send, site, tcp, until_taken};
use super::acting_firewall;

const PASSPHRASE: &str = "open sesame 7f3a";

/// Puts another text into the stack, and has it taken up.
fn change(site: &Site, from: &str, to: &str) {
    let text = fs::read_to_string(site.folder().join("stack.yaml")).expect("a stack");
    assert!(text.contains(from), "{text}");
    site.put("stack.yaml", text.replace(from, to));
    let said = site.ask(&["reload"]);
    assert_eq!(said.code, Some(0), "{}{}\n{}", said.stdout, said.stderr, site.said());
}

/// Waits until so many effects of a listener are in each of these states.
fn until(site: &Site, listener: &str, expected: &[(State, usize)]) {
    let mut there = Vec::new();
    let all = wait::within(wait::PATIENCE, || {
        there = expected.iter().map(|(state, _)| effects::count(site, listener, *state)).collect();
        there.iter().eq(expected.iter().map(|(_, count)| count)).then_some(())
    });
    assert!(all.is_some(), "{there:?} instead of {expected:?}\n{}", site.said());
}

#[test]
fn a_total_holds_through_crashes_and_reloads_until_it_begins_anew() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let grant = format!(
        "webhook: {{ total: {{ most: 5, since: 2024-01-01 }}, endpoints: {{ ops: {{ url: '{}', private: true }} }} }}",
        web.url()
    );
    let site = site("total", &tcp(&port), &listener("webhook", "webhook", "endpoint: ops", &grant));
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..3), &site);
    until(&site, "webhook", &[(State::Done, 3)]);
    engine.kill();
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(3..8), &site);
    until(&site, "webhook", &[(State::Done, 5), (State::Denied, 3)]);
    let said = site.said();
    assert!(said.contains("more than 5 requests in all, the grant's `total`"), "{said}");
    change(&site, "webhook: { total", "webhook: { rate: 1000/1h, total");
    send(&port, &failures(8..10), &site);
    until(&site, "webhook", &[(State::Done, 5), (State::Denied, 5)]);
    change(&site, "since: 2024-01-01", "since: 2024-01-02");
    send(&port, &failures(10..12), &site);
    until(&site, "webhook", &[(State::Done, 7), (State::Denied, 5)]);
    engine.stop();
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(12..18), &site);
    until(&site, "webhook", &[(State::Done, 10), (State::Denied, 8)]);
    // What was denied is told as a loss.
    assert_eq!(engine.stop(), Some(1), "{}", site.said());
}

#[test]
fn what_was_done_to_a_user_who_comes_on_the_allow_list_is_taken_back() {
    let port = Port::new().expect("a port");
    let wish = Wish::new("locker", "command", "lock", &[("how", "for good")]);
    let folder = Site::new("locks");
    let (program, told) = (folder.folder().join("lock"), folder.folder().join("told"));
    fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}\n", told.display()))
        .expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let user = Command::new("id").arg("-un").output().expect("id");
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let grant = format!(
        "command: {{ commands: {{ lock: {{ program: {}, arguments: [lock, '{{how}}'], user: {user}, \
         undo: {{ arguments: [unlock] }}, values: {{ how: {{ kind: text }} }} }} }} }}",
        program.display()
    );
    let site = site("allow", &tcp(&port), &listener("locker", "./locker.wasm", "", &grant));
    site.put("locker.wasm", wish.component());
    let engine = site.start();
    site.until_it_runs();
    send(&port, &[failure(0)], &site);
    until(&site, "locker", &[(State::Done, 1)]);
    change(&site, "modules:", "allow: { users: ['ro*'] }\nmodules:");
    until(&site, "locker", &[(State::Done, 0), (State::Undone, 1)]);
    assert_eq!(fs::read_to_string(&told).expect("told"), "lock for good\nunlock\n");
    send(&port, &[failure(1)], &site);
    until(&site, "locker", &[(State::Undone, 1), (State::Denied, 1)]);
    let denied = effects::effects(&site).remove(1);
    let why = denied.said.expect("a reason");
    assert_eq!(why, "user `root` is on the allow-list, as `ro*`");
    send(&port, &[failure(2).replace("root", "eve")], &site);
    until(&site, "locker", &[(State::Undone, 1), (State::Denied, 1), (State::Done, 1)]);
    assert_eq!(engine.stop(), Some(1), "{}", site.said());
}

#[test]
fn a_block_of_a_user_on_the_allow_list_is_lifted_from_the_kernel() {
    let Some(network) = Network::new() else { return };
    let grant = "firewall: { sets: { blocked: {} } }";
    let listeners = listener("firewall", "firewall", "duration: 1h", grant);
    let (site, engine) = acting_firewall::inside(&network, "allowed", &listeners);
    let backup = |number| failure_from(AFAR, number).replace("root", "backup");
    acting_firewall::send(&network, &[backup(0)], &site);
    until(&site, "firewall", &[(State::Done, 1)]);
    assert!(network.rules().contains(AFAR), "{}", network.rules());
    change(&site, "modules:", "allow: { users: [backup] }\nmodules:");
    until(&site, "firewall", &[(State::Undone, 1)]);
    assert!(!network.rules().contains(AFAR), "{}", network.rules());
    // The listener asks again after a minute.
    acting_firewall::send(&network, &[backup(10_000)], &site);
    until(&site, "firewall", &[(State::Undone, 1), (State::Denied, 1)]);
    acting_firewall::send(&network, &[failure_from(AFAR, 20_000)], &site);
    until(&site, "firewall", &[(State::Done, 1)]);
    assert!(network.rules().contains(AFAR), "{}", network.rules());
    // An address acts on what is in force too, and the trail tells of it.
    change(&site, "users: [backup]", &format!("networks: [{AFAR}]"));
    until(&site, "firewall", &[(State::Undone, 2)]);
    assert!(!network.rules().contains(AFAR), "{}", network.rules());
    assert_eq!(engine.stop(), Some(1), "one was denied: {}", site.said());
}

#[test]
fn a_template_in_a_file_of_its_own_is_taken_up_when_it_changes() {
    let (smtp, port) = (Smtp::start(), Port::new().expect("a port"));
    let grant = format!(
        "mail: {{ server: '{}', security: none, from: a@test.local, to: b@test.local }}",
        smtp.address
    );
    let options = "subject: { file: mails/subject.txt }";
    let site = site("template", &tcp(&port), &listener("email", "email", options, &grant));
    site.put("mails/subject.txt", "one from {{ fields.addr }}\n");
    let engine = site.start();
    site.until_it_runs();
    let subjects = || -> Vec<String> {
        let heads = smtp.mails().into_iter().flat_map(|mail| mail.head);
        heads.filter_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).collect()
    };
    send(&port, &failures(0..1), &site);
    wait::until("a mail came", || (subjects().len() == 1).then_some(()));
    assert_eq!(subjects(), [format!("Error: one from {}", address(0))]);
    // Nobody has to ask for it: the file is watched as the stack is.
    site.put("mails/subject.txt", "another from {{ fields.addr }}");
    let mut told = 1;
    let another = |told: &mut usize| {
        send(&port, &failures(*told..*told + 1), &site);
        *told += 1;
        wait::until("another mail came", || (subjects().len() == *told).then_some(()));
        subjects()[*told - 1] == format!("Error: another from {}", address(*told - 1))
    };
    wait::until("it is taken up", || another(&mut told).then_some(()));
    // A broken one is refused, and the old stays.
    site.put("mails/subject.txt", "{{ nobody }}");
    let said = site.ask(&["reload"]);
    assert_ne!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("option `subject`: `nobody` is no variable"), "{}", said.stderr);
    assert!(another(&mut told), "{:?}", subjects());
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn quiet_hours_are_of_the_stacks_zone_from_the_first_event_on() {
    let smtp = Smtp::start();
    let grant = format!(
        "mail: {{ server: '{}', security: none, from: a@test.local, to: b@test.local }}",
        smtp.address
    );
    // It is seven in Berlin when the first two come, and six by UTC. One alone would be told like any other.
    let options = "quiet_hours: '06:59-07:30', subject: single, subject_digest: digest";
    let listeners = listener("email", "email", options, &grant) + "time_zone: Europe/Berlin\n";
    let site = site("quiet", "file: log", &listeners);
    let twenty_to_eight = 240_000;
    let lines = [0, 1, twenty_to_eight].map(failure);
    site.put("log", lines.join("\n") + "\n");
    site.run();
    let heads = smtp.mails().into_iter().flat_map(|mail| mail.head);
    let subjects: Vec<String> = heads.filter(|line| line.starts_with("Subject: ")).collect();
    assert_eq!(subjects, ["Subject: Error: digest", "Subject: Error: single"], "{}", site.said());
}

/// An engine at a terminal. Neither outlives the test.
struct AtTerminal {
    child: Child,
    terminal: File,
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        // One that has ended needs no more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the engine at a terminal, and types the passphrase when it is asked for.
fn start_at_terminal(site: &Site) -> AtTerminal {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    let path = ptsname(&master, Vec::new()).expect("a terminal's name");
    let flags = OFlags::NOCTTY.bits().cast_signed();
    let path = path.to_str().expect("a path");
    let open = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    let log = |name| OpenOptions::new().append(true).create(true).open(site.folder().join(name));
    let child = Command::new(engine::binary().expect("the engine's binary"))
        .args(["run", "stack.yaml"])
        .env("TZ", "UTC")
        .current_dir(site.folder())
        .stdin(open.expect("a terminal"))
        .stdout(log("stdout").expect("a file"))
        .stderr(log("stderr").expect("a file"))
        .spawn()
        .expect("the engine starts");
    let mut engine = AtTerminal { child, terminal: File::from(master) };
    wait::until("the passphrase is asked for", || site.said().contains("passphrase").then_some(()));
    writeln!(engine.terminal, "{PASSPHRASE}").expect("a terminal");
    engine
}

#[test]
fn a_reload_finds_what_was_unlocked_at_the_start() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let hook = |name: &str| {
        let grant = format!(
            "webhook: {{ endpoints: {{ ops: {{ url: '{}', private: true, credential: {name} }} }} }}",
            web.url()
        );
        listener(name, "webhook", "endpoint: ops", &grant)
    };
    let credentials = "credentials: { order: [file], file: sealed/credentials }\n";
    let site = site("unlocked", &tcp(&port), &(hook("one") + credentials));
    let settings = Settings { order: vec![Place::File], ..Settings::default() };
    let settings = Settings { file: Some("sealed/credentials".into()), ..settings };
    let vault = Vault::open(&settings.relative_to(site.folder())).expect("a vault");
    fs::create_dir(site.folder().join("sealed")).expect("a folder");
    vault.unlock(&Secret::new(PASSPHRASE.into())).expect("a new file");
    let set_to = |name: &str, words: &str| {
        vault.set(name, &Secret::new(words.into()), None).expect("room");
    };
    let set = |name: &str| set_to(name, "hush");
    set("one");
    let mut engine = start_at_terminal(&site);
    site.until_it_runs();
    // It was not there at the start; it is in the same file, with the same passphrase.
    set("two");
    change(&site, "listeners:\n", &format!("listeners:\n{}", hook("two")));
    send(&port, &failures(0..3), &site);
    until(&site, "one", &[(State::Done, 3)]);
    until(&site, "two", &[(State::Done, 3)]);
    until_taken(&web, 3, &site);
    // One that is another now is used by who asks for it, though nothing else has changed.
    set_to("one", "fresh");
    let said = site.ask(&["reload"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    send(&port, &failures(3..4), &site);
    until(&site, "one", &[(State::Done, 4)]);
    let all: Vec<_> = web.seen().into_iter().map(|seen| seen.authorization).collect();
    let with = |words: &str| all.iter().filter(|it| it.contains(words)).count();
    assert_eq!((with("fresh"), with("hush") >= 6), (1, true), "{all:?}");
    // What is nowhere is told, with what adds it, and nothing changes.
    let text = fs::read_to_string(site.folder().join("stack.yaml")).expect("a stack");
    site.put("stack.yaml", text.replace("credential: two", "credential: three"));
    let said = site.ask(&["reload"]);
    assert_ne!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("correlator credential set three"), "{}", said.stderr);
    assert!(said.stderr.contains("nothing was changed"), "{}", said.stderr);
    // Another passphrase can't be asked for now, and that is said.
    fs::remove_file(site.folder().join("sealed/credentials")).expect("a file");
    vault.unlock(&Secret::new(b"another".to_vec())).expect("a new file");
    set("three");
    let said = site.ask(&["reload"]);
    assert_ne!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("a passphrase is asked for at a start alone"), "{}", said.stderr);
    // What was got before is still known, so that other changes are taken up.
    site.put("stack.yaml", text.replace("login_failure_limit: 1", "login_failure_limit: 2"));
    let said = site.ask(&["reload"]);
    assert_eq!(said.code, Some(0), "{}{}\n{}", said.stdout, said.stderr, site.said());
    let pid = Pid::from_raw(i32::try_from(engine.child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::TERM).expect("a child");
    assert_eq!(engine.child.wait().expect("a child").code(), Some(0), "{}", site.said());
}
