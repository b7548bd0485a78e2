//! Changes of a running engine: no record is lost on the way, and who stays keeps what he knows.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use correlator_tests::guests::hostile;
use correlator_tests::known::{NOTICES, until_done};
use correlator_tests::log::{Line, Log};
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::{Engine, Site};
use correlator_tests::wait;

/// What every stack here begins with.
fn head(port: &Port, watch: bool) -> String {
    format!(
        "state: {{ folder: state, checkpoint_every: 200ms }}\n\
         control: {{ socket: control.sock, watch: {watch}, drop_in: conf.d }}\n\
         sources: {{ net: {{ tcp: \"{}\" }} }}\n",
        port.address()
    )
}

const MODULES: &str = "modules:\n  report:\n  sshd: { options: { login_failure_limit: 5 } }\n";
const LISTENERS: &str = "listeners:\n  csv: { grants: { table: { directory: rows } } }\n";

struct Running {
    site: Site,
    port: Port,
    engine: Engine,
}

fn run(name: &str, watch: bool, modules: &str) -> Running {
    let port = Port::new().expect("a port");
    let site = Site::new(name).with(&["stack.yaml"]);
    std::fs::create_dir_all(site.folder().join("conf.d")).expect("a folder");
    site.put("stack.yaml", [&head(&port, watch), modules, LISTENERS].concat());
    let engine = site.start();
    site.until_it_runs();
    Running { site, port, engine }
}

impl Running {
    /// Changes the stack file and has it read; tells how that went.
    fn change(&self, modules: &str, listeners: &str) -> correlator_tests::site::Said {
        self.site.put("stack.yaml", [&head(&self.port, false), modules, listeners].concat());
        self.site.ask(&["reload"])
    }

    fn changes(&self, modules: &str, listeners: &str, told: &str) {
        let said = self.change(modules, listeners);
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains(told), "{told}: {}", said.stdout);
    }

    fn asks(&self, arguments: &[&str]) -> String {
        self.site.asks(arguments)
    }

    fn send(&self, messages: &[String]) {
        let sent = sender::send(self.port.address(), &sender::octets(messages));
        assert_eq!(sent, Sent::Acknowledged, "{}", self.site.said());
    }

    fn ends(self) {
        assert_eq!(self.engine.stop(), Some(0), "{}", self.site.said());
    }
}

/// A failed login at a second of a minute.
fn failure(second: usize) -> String {
    let process = 4_000 + second;
    format!(
        "<38>1 2024-12-10T06:00:{second:02}Z alpha sshd {process} - - Failed password for root from 198.51.100.9 port 4711 ssh2"
    )
}

/// Sends without a pause until it is told to end; all that is acknowledged is counted.
fn stream(port: &Port, lines: &[Line], over: &AtomicBool, sent: &AtomicUsize) -> Vec<Line> {
    let mut acknowledged = Vec::new();
    for part in lines.chunks(200) {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let texts: Vec<String> = part.iter().map(Line::text).collect();
        // A door that is changed may be closed for a moment: what was not acknowledged is not counted.
        match sender::send(port.address(), &sender::octets(&texts)) {
            Sent::Acknowledged => acknowledged.extend_from_slice(part),
            other => panic!("{other:?}: a change of guests touches no connection"),
        }
        sent.fetch_add(part.len(), Ordering::Relaxed);
        wait::pass(std::time::Duration::from_millis(2));
    }
    acknowledged
}

#[test]
fn changes_while_records_stream_lose_none() {
    let run = run("reload", false, MODULES);
    run.site.put("mine.wasm", hostile("honest-module"));
    let lines = Log::new(1).lines(1_000_000);
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let (port, lines, over, sent) = (&run.port, &lines, &over, &sent);
        scope.spawn(move || tell.send(stream(port, lines, over, sent)).expect("the test waits"));
        let _ends = Ends(over);
        // Each change falls among records that are on their way.
        let streaming = || {
            let then = sent.load(Ordering::Relaxed);
            wait::until("records stream", || {
                (sent.load(Ordering::Relaxed) > then + 600).then_some(())
            });
        };
        let more = |text: &str| [MODULES, text].concat();
        for _ in 0..2 {
            streaming();
            run.changes(
                &more("  mine: { module: ./mine.wasm }\n"),
                LISTENERS,
                "module `mine` was added",
            );
            streaming();
            run.site.put("mine.wasm", hostile("honest-utf16"));
            run.changes(
                &more("  mine: { module: ./mine.wasm }\n"),
                LISTENERS,
                "module `mine` was changed",
            );
            streaming();
            let other = MODULES.replace("login_failure_limit: 5", "login_failure_limit: 3");
            run.changes(&other, LISTENERS, "module `sshd` was changed");
            run.changes(MODULES, LISTENERS, "module `sshd` was changed");
            streaming();
            let all = LISTENERS.replace("csv: {", "csv: { criteria: 'severity >= debug',");
            run.changes(MODULES, &all, "listener `csv` was changed");
            run.changes(MODULES, LISTENERS, "listener `csv` was changed");
            streaming();
            run.asks(&["modules", "disable", "report"]);
            streaming();
            run.asks(&["modules", "enable", "report"]);
            run.asks(&["modules", "disable", "csv"]);
            streaming();
            run.asks(&["modules", "enable", "csv"]);
            run.site.put("mine.wasm", hostile("honest-module"));
        }
        streaming();
    });
    let acknowledged = told.recv().expect("the sender has ended");
    until_done(&run.site, acknowledged.len());
    let rows = run.site.rows(NOTICES);
    let expected: Vec<String> = acknowledged.iter().map(Line::row).collect();
    assert_eq!(rows.len(), expected.len(), "{}", run.site.said());
    assert!(rows == expected, "in another order: {}", run.site.said());
    run.ends();
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_stays_keeps_his_state_and_who_is_changed_takes_it_over() {
    let run = run("state", false, MODULES);
    let exceeded = "sshd-attempts_exceeded.csv";
    run.send(&[failure(1), failure(2), failure(3)]);
    until_done(&run.site, 3);
    let more = [MODULES, "  capture:\n"].concat();
    run.changes(&more, LISTENERS, "module `capture` was added");
    run.send(&[failure(4)]);
    until_done(&run.site, 4);
    assert_eq!(run.site.rows(exceeded).len(), 0, "four are not too many");
    run.asks(&["modules", "disable", "sshd"]);
    run.send(&[failure(5)]);
    run.asks(&["modules", "enable", "sshd"]);
    run.site.until_rows(exceeded, 1);
    // With another limit it still knows the five.
    let other = more.replace("login_failure_limit: 5", "login_failure_limit: 6");
    run.changes(&other, LISTENERS, "module `sshd` was changed");
    run.send(&[failure(6)]);
    run.site.until_rows(exceeded, 2);
    let rows = run.site.rows(exceeded);
    assert!(rows[0].contains(",198.51.100.9,5,") || rows[0].contains("198.51.100.9"), "{rows:?}");
    run.ends();
}

#[test]
fn what_is_broken_is_refused_and_the_old_stays() {
    let run = run("broken", false, MODULES);
    run.site.put("mine.wasm", hostile("honest-module"));
    let with = [MODULES, "  mine: { module: ./mine.wasm }\n"].concat();
    run.changes(&with, LISTENERS, "module `mine` was added");
    run.send(&[failure(1)]);
    for (content, reason) in [
        (b"no component at all".to_vec(), "mine.wasm"),
        (hostile("trap-in-configure"), "mine"),
        (hostile("contract-of-the-future"), "mine.wasm"),
    ] {
        run.site.put("mine.wasm", content);
        let said = run.change(&with, LISTENERS);
        assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains(reason), "{}", said.stderr);
    }
    let said = run.change(&with.replace("login_failure_limit", "login_failure_limt"), LISTENERS);
    assert_eq!(said.code, Some(2), "{}", said.stdout);
    assert!(said.stderr.contains("did you mean `login_failure_limit`?"), "{}", said.stderr);
    // All of it is told as `correlator check` tells it: line by line, and called an error once.
    assert!(said.stderr.starts_with("error: module `sshd` has no option"), "{}", said.stderr);
    assert!(said.stderr.contains("\n --> stack.yaml:"), "{}", said.stderr);
    assert!(!said.stderr.contains("u{a}"), "{}", said.stderr);
    let said = run.change("modules: [", LISTENERS);
    assert_eq!(said.code, Some(2), "{}", said.stdout);
    run.send(&[failure(2)]);
    until_done(&run.site, 2);
    run.site.until("the old one at work", |status| {
        let modules = status["modules"].as_array()?;
        let mine = modules.iter().find(|it| it["name"] == "mine")?;
        (mine["handed"] == 2 && mine["state"] == "running").then_some(())
    });
    run.ends();
}

#[test]
fn an_edited_stack_and_the_drop_in_folder_are_taken_up_by_themselves() {
    let run = run("watch", true, MODULES);
    let modules = |expected: &[&str]| {
        run.site.until("with these modules", |status| {
            let names = status["modules"].as_array()?.iter().filter_map(|it| it["name"].as_str());
            (names.collect::<BTreeSet<_>>() == expected.iter().copied().collect()).then_some(())
        });
    };
    modules(&["report", "sshd"]);
    let more = [MODULES, "  capture:\n"].concat();
    run.site.put("stack.yaml", [&head(&run.port, true), &more, LISTENERS].concat());
    modules(&["report", "sshd", "capture"]);
    run.site.put("conf.d/web.yaml", "modules:\n  web: { module: sshd }\n");
    modules(&["report", "sshd", "capture", "web"]);
    run.site.put("conf.d/mine.wasm", hostile("honest-module"));
    modules(&["report", "sshd", "capture", "web", "mine"]);
    // What is wrong there changes nothing, and is told with its file.
    run.site.put("conf.d/web.yaml", "modules:\n  web: { module: shsd }\n");
    wait::until("it is told", || run.site.said().contains("web.yaml").then_some(()));
    modules(&["report", "sshd", "capture", "web", "mine"]);
    for name in ["conf.d/web.yaml", "conf.d/mine.wasm"] {
        std::fs::remove_file(run.site.folder().join(name)).expect("a file");
    }
    modules(&["report", "sshd", "capture"]);
    run.send(&[failure(1)]);
    run.site.until_rows(NOTICES, 1);
    run.ends();
}

/// A record that says so much.
fn record(number: usize, words: &str) -> String {
    format!("<38>1 2024-12-10T06:00:{:02}Z alpha app {number} - - {words}", number % 60)
}

/// The letters that an engine keeps, as JSON.
fn letters(run: &Running) -> Vec<serde_json::Value> {
    let said = run.asks(&["dead", "list", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    value.as_array().expect("a list").clone()
}

#[test]
fn a_poisonous_record_is_set_aside_shown_retried_and_dropped() {
    let port = Port::new().expect("a port");
    let site = Site::new("poison").with(&["stack.yaml"]);
    std::fs::create_dir_all(site.folder().join("conf.d")).expect("a folder");
    site.put("mine.wasm", hostile("fails-on-poison"));
    let modules =
        "modules:\n  report:\n  mine: { module: ./mine.wasm, limits: { failures: 50 } }\n";
    site.put("stack.yaml", [&head(&port, false), modules, LISTENERS].concat());
    let engine = site.start();
    site.until_it_runs();
    let run = Running { site, port, engine };
    let words = |number: usize| if number % 100 == 50 { "POISON here" } else { "nothing" };
    let records: Vec<String> = (0..1_000).map(|number| record(number, words(number))).collect();
    run.send(&records);
    run.site.until("ten set aside", |status| (status["dead_letters"] == 10).then_some(()));
    until_done(&run.site, 1_000);
    let noticed = || {
        run.site
            .tables()
            .iter()
            .filter(|(name, _)| name.starts_with("mine-"))
            .map(|(name, _)| run.site.rows(name).len())
            .sum::<usize>()
    };
    wait::until("all others are noticed", || (noticed() == 990).then_some(()));
    let all = letters(&run);
    assert_eq!(all.len(), 10);
    let ids: Vec<String> =
        all.iter().filter_map(|it| it["id"].as_str().map(String::from)).collect();
    for id in &ids {
        let shown = run.asks(&["dead", "show", id]);
        assert!(shown.contains("POISON here") && shown.contains("unreachable"), "{shown}");
    }
    run.asks(&["dead", "drop", &ids[0]]);
    assert_eq!(letters(&run).len(), 9);
    // It fails again, and is a letter again.
    run.asks(&["dead", "retry", &ids[1]]);
    let again =
        |count| run.site.until("set aside again", |it| (it["dead_letters"] == count).then_some(()));
    again(9);
    until_done(&run.site, 1_000);
    let now = letters(&run);
    assert!(
        !now.iter().any(|it| it["id"] == ids[1].as_str()),
        "it has another place in the stream"
    );
    // Mended: the others go through.
    run.site.put("mine.wasm", hostile("event-stream"));
    let said = run.site.ask(&["reload"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for letter in &now {
        run.asks(&["dead", "retry", letter["id"].as_str().expect("an id")]);
    }
    again(0);
    until_done(&run.site, 1_000);
    assert_eq!(run.asks(&["dead", "list"]), "no dead letters\n");
    assert_eq!(run.site.rows(NOTICES).len(), 1_000, "a retry is for one module alone");
    assert!(matches!(run.engine.stop(), Some(0 | 1)));
}

#[test]
fn letters_and_what_they_keep_out_survive_a_kill() {
    let port = Port::new().expect("a port");
    let site = Site::new("letters").with(&["stack.yaml"]);
    std::fs::create_dir_all(site.folder().join("conf.d")).expect("a folder");
    site.put("mine.wasm", hostile("fails-on-poison"));
    let modules =
        "modules:\n  report:\n  mine: { module: ./mine.wasm, limits: { failures: 50 } }\n";
    site.put("stack.yaml", [&head(&port, false), modules, LISTENERS].concat());
    for round in 1..=4 {
        let engine = site.start();
        site.until_it_runs();
        let records: Vec<String> = ["one", "POISON", "two"].map(|it| record(round, it)).to_vec();
        let sent = sender::send(port.address(), &sender::octets(&records));
        assert_eq!(sent, Sent::Acknowledged, "{}", site.said());
        site.until("set aside", |status| (status["dead_letters"] == round).then_some(()));
        until_done(&site, 3 * round);
        engine.kill();
    }
    let engine = site.start();
    until_done(&site, 12);
    let status = site.until("asked", |status| Some(status.clone()));
    assert_eq!(status["dead_letters"], 4, "{status:#}");
    assert!(matches!(engine.stop(), Some(0 | 1)));
}

#[test]
fn who_keeps_failing_is_suspended_and_released_with_nothing_lost() {
    let port = Port::new().expect("a port");
    let site = Site::new("suspended").with(&["stack.yaml"]);
    std::fs::create_dir_all(site.folder().join("conf.d")).expect("a folder");
    site.put("mine.wasm", hostile("fails-on-poison"));
    let modules = "modules:\n  report:\n  mine: { module: ./mine.wasm, limits: { failures: 2, release_after: 0s } }\n";
    site.put("stack.yaml", [&head(&port, false), modules, LISTENERS].concat());
    let engine = site.start();
    site.until_it_runs();
    let run = Running { site, port, engine };
    let state = |expected: &str| {
        run.site.until(expected, |status| {
            let modules = status["modules"].as_array()?;
            let mine = modules.iter().find(|it| it["name"] == "mine")?;
            (mine["state"] == expected).then_some(())
        });
    };
    run.send(&["one", "POISON", "two", "POISON", "three"].map(|it| record(1, it)));
    state("suspended");
    run.send(&(0..500).map(|number| record(number, "meanwhile")).collect::<Vec<_>>());
    run.site.until_rows(NOTICES, 505);
    // The engine says so to listeners, too.
    run.site.until_rows("engine-suspended.csv", 1);
    assert_eq!(run.site.ask(&["modules", "release", "report"]).code, Some(2));
    run.asks(&["modules", "release", "mine"]);
    state("running");
    until_done(&run.site, 505);
    let mine = |status: &serde_json::Value| {
        let modules = status["modules"].as_array()?;
        modules.iter().find(|it| it["name"] == "mine").map(|it| it["events"].clone())
    };
    run.site.until("with all that waited", |status| (mine(status)? == 503).then_some(()));
    assert_eq!(letters(&run).len(), 2);
    assert!(matches!(run.engine.stop(), Some(0 | 1)));
}
