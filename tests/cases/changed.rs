//! Changes of sources and of who works, in a running engine: while nothing has room, while files are read, and over kills.
//! Nothing is lost, nothing is doubled, and the engine answers at any time.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use correlator_tests::guests::hostile;
use correlator_tests::known::{NOTICES, until_done};
use correlator_tests::log::{self, Line, Log};
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::{Engine, Site};
use correlator_tests::wait;
use serde_json::{Value, json};

use super::disk::Mounted;

const MODULES: &str = "modules:\n  report:\n";
const LISTENERS: &str = "listeners:\n  csv: { grants: { table: { directory: rows } } }\n";
/// So many records of this size fill the spool of events, then that of records.
const BYTES: usize = 300;
const MANY: usize = 180_000;
/// Records of this size fill a spool alone.
const LONG_BYTES: usize = 8_000;

struct Place {
    site: Site,
    port: Port,
}

impl Place {
    fn new(name: &str) -> Self {
        Self { site: Site::new(name).with(&["stack.yaml"]), port: Port::new().expect("a port") }
    }

    /// Puts a stack there: what it keeps and how, what is set of both sources, its guests.
    fn stack(&self, state: &str, source: &str, guests: &str) {
        let sources = format!(
            "sources:\n  net: {{ tcp: \"{}\"{source} }}\n  log: {{ file: in.log, follow: true{source} }}\n",
            self.port.address()
        );
        self.put(state, &sources, guests);
    }

    fn put(&self, state: &str, sources: &str, guests: &str) {
        let head = format!("state: {{ folder: state, checkpoint_every: 200ms{state} }}\n");
        let control = "control: { socket: control.sock }\n";
        self.site.put("stack.yaml", [&head, control, sources, guests].concat());
    }

    fn start(&self) -> Engine {
        let engine = self.site.start();
        self.site.until_it_runs();
        engine
    }

    /// What the engine answers; nothing if it does not.
    fn ask(&self, request: &Value) -> Option<Value> {
        let mut stream = UnixStream::connect(self.site.socket()).ok()?;
        stream.set_read_timeout(Some(wait::PATIENCE / 3)).ok()?;
        stream.write_all(format!("{request}\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    fn does(&self, command: &Value, told: &str) {
        let answer = self.ask(command);
        let answer = answer.unwrap_or_else(|| panic!("{command}: no answer\n{}", self.site.said()));
        let said = answer["result"]["message"].as_str().unwrap_or_default();
        assert!(said.contains(told), "{told}: {answer}");
    }

    fn reloads(&self, told: &str) {
        self.does(&json!({ "version": 1, "command": "reload" }), told);
    }

    fn puts(&self, what: &str, name: &str) {
        self.does(&json!({ "version": 1, "command": what, "name": name }), name);
    }

    fn append(&self, bytes: &[u8]) {
        let path = self.site.folder().join("in.log");
        let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
        file.write_all(bytes).expect("written");
    }

    fn send(&self, messages: &[String]) {
        let sent = sender::send(self.port.address(), &sender::octets(messages));
        assert_eq!(sent, Sent::Acknowledged, "{}", self.site.said());
    }
}

fn until_said(site: &Site, words: &str) {
    wait::until(words, || site.said().contains(words).then_some(()));
}

/// Waits until there is no room for events, and then none for records, which each spool says; and until the last checkpoint
/// has made the last room.
fn until_full(site: &Site) {
    let said = || site.said().matches("what comes has to wait until there is room").count() == 2;
    wait::until("both spools are full", || said().then_some(()));
    let taken = || site.until("asked", |status| status["record_spool"]["next"].as_u64());
    let mut last = 0;
    while last != taken() {
        last = taken();
        wait::pass(Duration::from_secs(2));
    }
}

/// Records of one second, each of about so many bytes.
fn records(count: usize, bytes: usize) -> Vec<String> {
    let filling = "x".repeat(bytes);
    let record = |it| {
        format!(
            "<38>1 2024-12-10T06:00:00Z alpha app {} - - number {it} {filling}",
            it % 30_000 + 1
        )
    };
    (0..count).map(record).collect()
}

/// An engine whose rows can't be written, and of whose spools the file has taken all the room.
fn full(name: &str, state: &str) -> Option<(Place, Engine, Mounted)> {
    let place = Place::new(name);
    place.stack(&[", spool_size: 16MiB", state].concat(), "", &[MODULES, LISTENERS].concat());
    let disk = Mounted::new(&place.site.folder().join("rows"), "256m")?;
    let engine = place.start();
    disk.fill();
    place.append(&sender::lines(&records(MANY, BYTES)));
    until_full(&place.site);
    Some((place, engine, disk))
}

#[test]
fn sources_are_changed_while_nothing_has_room() {
    let Some((place, engine, disk)) = full("changed-full", ", when_full: block") else { return };
    let (tell, told) = mpsc::channel();
    let (address, more) = (place.port.address(), records(100, BYTES));
    thread::spawn(move || tell.send(sender::send(address, &sender::octets(&more))));
    place.site.until("heard", |status| (status["sources"][0]["connections"] == 1).then_some(()));
    wait::pass(Duration::from_secs(1));
    // Both wait, one of them for the other.
    let guests = [MODULES, LISTENERS].concat();
    for source in [", lateness: 1s", ", lateness: 2s"] {
        place.stack(", spool_size: 16MiB, when_full: block", source, &guests);
        place.reloads("source `net` was changed; source `log` was changed");
        assert!(place.site.status().is_some(), "it answers: {}", place.site.said());
    }
    disk.make_room();
    // Nobody was cut off, and what is acknowledged is there.
    assert_eq!(told.recv_timeout(wait::PATIENCE), Ok(Sent::Acknowledged), "{}", place.site.said());
    until_done(&place.site, MANY + 100);
    place.send(&records(100, BYTES));
    until_done(&place.site, MANY + 200);
    assert_eq!(place.site.rows(NOTICES).len(), MANY + 200, "{}", place.site.said());
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn an_engine_without_room_ends_in_good_order_after_a_change() {
    let Some((place, engine, disk)) = full("changed-end", ", when_full: block") else { return };
    let guests = [MODULES, LISTENERS].concat();
    place.stack(", spool_size: 16MiB, when_full: block", ", lateness: 1s", &guests);
    place.reloads("source `log` was changed");
    assert!(engine.stop().is_some(), "{}", place.site.said());
    disk.make_room();
    let engine = place.start();
    until_done(&place.site, MANY);
    assert_eq!(place.site.rows(NOTICES).len(), MANY, "{}", place.site.said());
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn what_is_to_be_dropped_is_dropped_while_a_file_waits() {
    let Some((place, engine, disk)) = full("changed-drop", ", when_full: drop") else { return };
    place.send(&records(100, BYTES));
    let dropped = |status: &Value| status["record_spool"]["dropped"].as_u64();
    place.site.until("dropped", |status| (dropped(status)? > 0).then_some(()));
    until_said(&place.site, "what comes is dropped until there is room");
    disk.make_room();
    place.site.until("all but those", |status| {
        let taken = (MANY + 100) as u64 - dropped(status)?;
        (place.site.rows(NOTICES).len() as u64 == taken).then_some(())
    });
    assert!(matches!(engine.stop(), Some(0 | 1)), "{}", place.site.said());
}

#[test]
fn a_letter_is_not_tried_again_where_there_is_no_room() {
    let place = Place::new("changed-letter");
    let modules =
        "modules:\n  report:\n  mine: { module: ./mine.wasm, limits: { failures: 50 } }\n";
    place.site.put("mine.wasm", hostile("fails-on-poison"));
    let state = ", spool_size: 16MiB, when_full: block";
    place.stack(state, "", &[modules, LISTENERS].concat());
    let Some(disk) = Mounted::new(&place.site.folder().join("rows"), "256m") else { return };
    let engine = place.start();
    place.send(&["<38>1 2024-12-10T06:00:00Z alpha app 1 - - POISON".to_owned()]);
    place.site.until("set aside", |status| (status["dead_letters"] == 1).then_some(()));
    disk.fill();
    place.append(&sender::lines(&records(MANY, BYTES)));
    until_full(&place.site);
    let listed = place.site.ask(&["dead", "list", "--json"]).stdout;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let retry = json!({ "version": 1, "command": "dead-retry", "id": listed[0]["id"] });
    let answer = place.ask(&retry).expect("an answer");
    let error = answer["error"].as_str().unwrap_or_default();
    assert!(error.contains("no room in the spool now; the letter stays"), "{answer}");
    disk.make_room();
    wait::until("there is room", || place.ask(&retry)?["result"].is_object().then_some(()));
    assert!(matches!(engine.stop(), Some(0 | 1)), "{}", place.site.said());
}

#[test]
fn a_followed_source_that_is_changed_while_it_is_busy_doubles_nothing() {
    let place = Place::new("changed-busy");
    place.stack("", "", &[MODULES, LISTENERS].concat());
    let lines = Log::new(5).lines(60_000);
    let engine = place.start();
    for (number, part) in lines.chunks(lines.len() / 12).enumerate() {
        place.append(&log::file(part));
        let source = format!(", lateness: {}s", number % 3 + 1);
        place.stack("", &source, &[MODULES, LISTENERS].concat());
        place.reloads("source `log` was changed");
    }
    until_done(&place.site, lines.len());
    let rows = place.site.rows(NOTICES);
    let expected: Vec<String> = lines.iter().map(Line::row).collect();
    assert_eq!(rows.len(), expected.len(), "{}", place.site.said());
    assert!(rows == expected, "in another order: {}", place.site.said());
    let status = place.site.until("asked", |status| Some(status.clone()));
    assert_eq!(status["sources"][1]["records"], lines.len(), "{status:#}");
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn sources_with_other_names_or_each_other_s_address_are_taken_up() {
    let place = Place::new("changed-names");
    let guests = [MODULES, LISTENERS].concat();
    let other = Port::new().expect("a port");
    let sources = |first: &str, second: &str, log: &str, ports: [&Port; 2]| {
        let [one, another] = ports.map(Port::address);
        format!(
            "sources:\n  {first}: {{ tcp: \"{one}\" }}\n  {second}: {{ tcp: \"{another}\" }}\n  {log}: {{ file: in.log, follow: true }}\n"
        )
    };
    let lines = Log::new(5).lines(500);
    place.put("", &sources("a", "b", "log", [&place.port, &other]), &guests);
    let engine = place.start();
    let mut parts = lines.chunks(100);
    let mut count = 0;
    let mut comes = |by: &dyn Fn(&[Line])| {
        let part = parts.next().expect("enough of them");
        by(part);
        count += part.len();
        place.site.until_rows(NOTICES, count);
    };
    let by_tcp = |port: &Port, part: &[Line]| {
        let texts: Vec<String> = part.iter().map(Line::text).collect();
        let sent = sender::send(port.address(), &sender::octets(&texts));
        assert_eq!(sent, Sent::Acknowledged, "{}", place.site.said());
    };
    comes(&|part| place.append(&log::file(part)));
    for (first, second, log, ports) in
        [("c", "b", "other", [&place.port, &other]), ("c", "b", "other", [&other, &place.port])]
    {
        place.put("", &sources(first, second, log, ports), &guests);
        let answer = place.ask(&json!({ "version": 1, "command": "reload" })).expect("an answer");
        assert!(answer.get("error").is_none(), "{answer}");
        comes(&|part| by_tcp(ports[0], part));
    }
    comes(&|part| by_tcp(&place.port, part));
    // The file is read on from where it was, whatever its source is called.
    comes(&|part| place.append(&log::file(part)));
    let expected: Vec<String> = lines.iter().map(Line::row).collect();
    assert_eq!(place.site.rows(NOTICES), expected, "{}", place.site.said());
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn nobody_waits_for_a_source_that_was_removed() {
    let place = Place::new("changed-removed");
    let guests = [MODULES, LISTENERS].concat();
    let net = format!("sources:\n  net: {{ tcp: \"{}\", lateness: 0s }}\n", place.port.address());
    let slow = "  log: { file: in.log, follow: true, lateness: 0s, idle_after: 1d }\n";
    place.put("", &[&net, slow].concat(), &guests);
    place.append(b"<38>1 2024-12-10T06:00:00Z alpha app 1 - - first\n");
    let engine = place.start();
    place.site.until_rows(NOTICES, 1);
    place.send(&["<38>1 2024-12-10T07:00:00Z alpha app 1 - - second".to_owned()]);
    place.site.until_rows(NOTICES, 2);
    let time = |expected: &str| {
        place.site.until(expected, |status| (status["time"] == expected).then_some(()));
    };
    time("2024-12-10T06:00:00Z");
    place.put("", &net, &guests);
    place.reloads("source `log` was removed");
    place.send(&["<38>1 2024-12-10T07:00:01Z alpha app 1 - - third".to_owned()]);
    time("2024-12-10T07:00:01Z");
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn a_source_that_can_not_be_had_takes_no_other_with_it() {
    let place = Place::new("changed-gone");
    let guests = [MODULES, LISTENERS].concat();
    let sockets = place.site.folder().join("sockets");
    fs::create_dir_all(&sockets).expect("a folder");
    let sources = |lateness: &str, socket: &str| {
        format!(
            "sources:\n  net: {{ tcp: \"{}\", lateness: {lateness} }}\n  own: {{ unix: \"{socket}\" }}\n",
            place.port.address()
        )
    };
    place.put("", &sources("1s", "./sockets/own"), &guests);
    let engine = place.start();
    fs::remove_dir_all(&sockets).expect("a folder");
    place.put("", &sources("2s", "./nowhere/own"), &guests);
    let answer = place.ask(&json!({ "version": 1, "command": "reload" })).expect("an answer");
    let error = answer["error"].as_str().unwrap_or_default();
    for expected in ["nowhere/own", "no source was changed"] {
        assert!(error.contains(expected), "{expected}: {answer}");
    }
    // What has to end first comes back, if it can.
    place.put("", &sources("2s", "./sockets/own"), &guests);
    place.reloads("source `net` was changed");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let changed = sources("1s", "./sockets/own")
        .replace(&place.port.address().to_string(), &address.to_string());
    place.put("", &changed, &guests);
    let answer = place.ask(&json!({ "version": 1, "command": "reload" })).expect("an answer");
    let error = answer["error"].as_str().unwrap_or_default();
    for expected in ["already in use", "source `net` stays as it was"] {
        assert!(error.contains(expected), "{expected}: {answer}");
    }
    place.send(&["<38>1 2024-12-10T06:00:00Z alpha app 1 - - first".to_owned()]);
    place.site.until_rows(NOTICES, 1);
    // It is there again as soon as it can be.
    fs::create_dir_all(&sockets).expect("a folder");
    place.put("", &sources("2s", "./sockets/other"), &guests);
    place.reloads("source `own` was changed");
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

fn needed(place: &Place) -> u64 {
    place.site.until("asked", |status| status["record_spool"]["oldest_needed"].as_u64())
}

#[test]
fn a_module_that_the_stack_puts_off_keeps_its_place() {
    let place = Place::new("changed-off");
    let guests = |enabled: bool| {
        format!(
            "modules:\n  report: {{ enabled: {enabled} }}\n  other: {{ module: report }}\n{LISTENERS}"
        )
    };
    let stack = |enabled| place.stack(", spool_size: 16MiB", "", &guests(enabled));
    stack(true);
    let all = records(2_400, LONG_BYTES);
    let mut parts = all.chunks(600);
    // A segment and more, which the one that works is done with.
    let mut passes = |count: usize| {
        place.send(parts.next().expect("four"));
        place.site.until_rows("other-notice.csv", count);
        place.ask(&json!({ "version": 1, "command": "checkpoint" })).expect("an answer");
        wait::pass(Duration::from_secs(1));
    };
    let engine = place.start();
    passes(600);
    place.site.until_rows(NOTICES, 600);
    // By a reload, then by a start.
    stack(false);
    place.reloads("module `report` was put off");
    passes(1_200);
    assert!(needed(&place) <= 600);
    stack(true);
    place.reloads("module `report` was changed");
    until_done(&place.site, 1_200);
    stack(false);
    place.reloads("module `report` was put off");
    passes(1_800);
    engine.kill();
    let engine = place.start();
    passes(2_400);
    assert!(needed(&place) <= 1_200);
    stack(true);
    place.reloads("module `report` was changed");
    until_done(&place.site, 2_400);
    assert_eq!(place.site.rows(NOTICES), place.site.rows("other-notice.csv"));
    // Nothing is held for who works.
    place.site.until("no hold is left", |_| {
        place.ask(&json!({ "version": 1, "command": "checkpoint" }))?;
        (needed(&place) >= 2_400).then_some(())
    });
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn what_is_disabled_and_changed_lets_go_of_its_place_once_it_works() {
    let place = Place::new("changed-disabled");
    let guests = |limit: usize| {
        format!(
            "modules:\n  report:\n  sshd: {{ options: {{ login_failure_limit: {limit} }} }}\n{LISTENERS}"
        )
    };
    place.stack("", "", &guests(5));
    let lines = Log::new(7).lines(2_000);
    let texts: Vec<_> = lines.iter().map(Line::text).collect();
    let engine = place.start();
    place.send(&texts[..1_000]);
    until_done(&place.site, 1_000);
    place.puts("disable", "sshd");
    place.stack("", "", &guests(6));
    place.reloads("module `sshd` was changed, and stays disabled");
    place.send(&texts[1_000..]);
    place.site.until_rows(NOTICES, 2_000);
    assert!(needed(&place) <= 1_000);
    for command in ["enable", "disable", "enable"] {
        place.puts(command, "sshd");
    }
    place.site.until("no hold is left", |_| {
        place.ask(&json!({ "version": 1, "command": "checkpoint" }))?;
        (needed(&place) >= 2_000).then_some(())
    });
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn timers_that_lateness_holds_back_tick_at_the_end() {
    let site = Site::new("late-end");
    let login = |time: &str| {
        format!(
            "<86>1 2024-12-{time}Z gate sshd 7 - - Failed password for root from 192.0.2.9 port 1 ssh2\n"
        )
    };
    site.put("in.log", [login("10T23:59:50"), login("11T00:00:05")].concat());
    let run = |lateness: &str| {
        let rows = format!("rows-{lateness}");
        let arguments = [
            "run",
            "--module",
            "sshd",
            "--listener",
            "csv",
            "--output",
            &rows,
            "--time-zone",
            "UTC",
        ];
        let said =
            site.tell(&[&arguments[..], &["--lateness", lateness, "--file", "in.log"]].concat());
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        fs::read_to_string(site.folder().join(rows).join("sshd-statistics.csv")).expect("a table")
    };
    assert_eq!(run("30s"), run("0s"));
}
