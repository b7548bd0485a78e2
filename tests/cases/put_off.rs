//! Guests that do not work: put off by the operator or suspended, over reloads, kills and starts; and what goes on being
//! counted when a guest or a source is changed.

use std::fs;

use correlator_tests::guests::hostile;
use correlator_tests::known::{NOTICES, until_done};
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::Site;
use serde_json::Value;

const STATE: &str = "state: { folder: state, checkpoint_every: 200ms }\n";
const MODULES: &str = "modules:\n  report:\n  sshd: { options: { login_failure_limit: 5 } }\n";
const LISTENERS: &str = "listeners:\n  csv: { grants: { table: { directory: rows } } }\n";
/// A listener of the tests' own.
const OPS: &str = "  ops: { listener: ./ops.wasm, limits: { failures: 50 }, grants: { table: { directory: out } } }\n";
const EXCEEDED: &str = "sshd-attempts_exceeded.csv";

/// A site and the port of its one source.
struct Place {
    site: Site,
    port: Port,
}

impl Place {
    fn new(name: &str) -> Self {
        let port = Port::new().expect("a port");
        Self { site: Site::new(name).with(&["stack.yaml"]), port }
    }

    /// Puts a stack there.
    fn stack(&self, state: &str, source: &str, modules: &str, listeners: &str) {
        let address = self.port.address();
        let head = format!(
            "{state}control: {{ socket: control.sock }}\nsources: {{ net: {{ tcp: \"{address}\"{source} }} }}\n"
        );
        self.site.put("stack.yaml", [&head, modules, listeners].concat());
    }

    fn asks(&self, arguments: &[&str]) -> String {
        self.site.asks(arguments)
    }

    fn send(&self, messages: &[String]) {
        let sent = sender::send(self.port.address(), &sender::octets(messages));
        assert_eq!(sent, Sent::Acknowledged, "{}", self.site.said());
    }

    /// Waits until a guest is in this state.
    fn until(&self, guests: &str, name: &str, state: &str) {
        self.site.until(&format!("{name} {state}"), |status| {
            (guest(status, guests, name)["state"] == state).then_some(())
        });
    }

    /// A number that the status tells of a guest or source.
    fn number(&self, things: &str, name: &str, number: &str) -> u64 {
        self.site.until("asked", |status| guest(status, things, name)[number].as_u64())
    }
}

fn guest(status: &Value, guests: &str, name: &str) -> Value {
    let all = status[guests].as_array().into_iter().flatten();
    all.into_iter().find(|it| it["name"] == name).cloned().unwrap_or_default()
}

/// A failed login at a second of a minute.
fn failure(second: usize) -> String {
    let process = 4_000 + second;
    format!(
        "<38>1 2024-12-10T06:00:{second:02}Z alpha sshd {process} - - Failed password for root from 198.51.100.9 port 4711 ssh2"
    )
}

/// A record that says so much.
fn record(number: usize, words: &str) -> String {
    format!("<38>1 2024-12-10T06:00:{:02}Z alpha app {number} - - {words}", number % 60)
}

#[test]
fn what_is_disabled_stays_so_over_a_kill_with_its_state_and_its_place() {
    let place = Place::new("put-off");
    place.stack(STATE, "", MODULES, LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    place.send(&[failure(1), failure(2)]);
    until_done(&place.site, 2);
    for name in ["sshd", "csv"] {
        let said = place.asks(&["modules", "disable", name]);
        assert!(said.contains("also when the engine is started anew"), "{said}");
    }
    place.send(&[failure(3)]);
    engine.kill();
    place.site.forget_said();
    let engine = place.site.start();
    place.site.until_it_runs();
    for (role, guests, name) in [("module", "modules", "sshd"), ("listener", "listeners", "csv")] {
        let told = format!(
            "{role} `{name}` stays disabled; `correlator modules enable {name}` lets it work"
        );
        assert!(place.site.said().contains(&told), "{}", place.site.said());
        place.until(guests, name, "disabled");
    }
    place.send(&[failure(4)]);
    // A change of what is off does not put it on.
    let other = MODULES.replace("login_failure_limit: 5", "login_failure_limit: 4");
    let more = LISTENERS.replace("csv: {", "csv: { criteria: 'severity >= debug',");
    place.stack(STATE, "", &other, &more);
    let said = place.asks(&["reload"]);
    for expected in
        ["module `sshd` was changed, and stays", "listener `csv` was changed, and stays"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    place.until("modules", "sshd", "disabled");
    place.until("listeners", "csv", "disabled");
    assert_eq!(place.site.rows(NOTICES).len(), 2, "nothing was written meanwhile");
    place.asks(&["modules", "enable", "sshd"]);
    place.asks(&["modules", "enable", "csv"]);
    // All that came meanwhile, on top of what it knew.
    until_done(&place.site, 4);
    place.site.until_rows(EXCEEDED, 1);
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
    place.site.forget_said();
    let engine = place.site.start();
    place.site.until_it_runs();
    place.until("modules", "sshd", "running");
    assert!(!place.site.said().contains("stays disabled"), "{}", place.site.said());
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn who_is_gone_from_the_stack_is_forgotten() {
    let place = Place::new("gone");
    place.stack(STATE, "", MODULES, LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    place.asks(&["modules", "disable", "sshd"]);
    place.asks(&["modules", "disable", "report"]);
    let off =
        || fs::read_to_string(place.site.folder().join("state/disabled.json")).expect("a file");
    assert!(off().contains("\"sshd\"") && off().contains("\"report\""), "{}", off());
    // By a reload, and by a start.
    place.stack(STATE, "", "modules:\n  report:\n", LISTENERS);
    place.asks(&["reload"]);
    assert!(!off().contains("\"sshd\"") && off().contains("\"report\""), "{}", off());
    engine.kill();
    place.stack(STATE, "", "modules:\n  sshd:\n", LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    place.until("modules", "sshd", "running");
    assert!(!off().contains("\"report\""), "{}", off());
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn without_a_state_it_lasts_until_the_engine_ends() {
    let place = Place::new("for-now");
    place.stack("", "", MODULES, LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    let said = place.asks(&["modules", "disable", "sshd"]);
    assert!(said.contains("is off until the engine ends"), "{said}");
    place.stack("", "", &MODULES.replace('5', "4"), LISTENERS);
    place.asks(&["reload"]);
    place.until("modules", "sshd", "disabled");
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
    let engine = place.site.start();
    place.site.until_it_runs();
    place.until("modules", "sshd", "running");
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn who_waits_to_be_released_by_hand_waits_over_a_kill() {
    let place = Place::new("waits");
    place.site.put("mine.wasm", hostile("fails-on-poison"));
    let modules = |release_after: &str| {
        format!(
            "modules:\n  report:\n  mine: {{ module: ./mine.wasm, limits: {{ failures: 2, release_after: {release_after} }} }}\n"
        )
    };
    place.stack(STATE, "", &modules("0s"), LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    place.send(&["one", "POISON", "two", "POISON", "three"].map(|it| record(1, it)));
    place.until("modules", "mine", "suspended");
    engine.kill();
    let engine = place.site.start();
    place.site.until_it_runs();
    place.until("modules", "mine", "suspended");
    place.asks(&["modules", "release", "mine"]);
    place.until("modules", "mine", "running");
    place.site.until("with all three", |status| {
        (guest(status, "modules", "mine")["lag_records"] == 0).then_some(())
    });
    // Released is released, over a start too.
    assert!(matches!(engine.stop(), Some(0 | 1)));
    let engine = place.site.start();
    place.site.until_it_runs();
    place.until("modules", "mine", "running");
    // With another `release_after` a start is another chance.
    place.send(&["POISON", "POISON"].map(|it| record(2, it)));
    place.until("modules", "mine", "suspended");
    engine.kill();
    place.stack(STATE, "", &modules("10m"), LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    place.until("modules", "mine", "running");
    assert!(matches!(engine.stop(), Some(0 | 1)));
}

#[test]
fn counts_go_on_where_the_name_and_the_kind_stay() {
    let place = Place::new("counts");
    place.stack(STATE, "", MODULES, LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    place.send(&(1..=6).map(failure).collect::<Vec<_>>());
    until_done(&place.site, 6);
    let handed = |guests: &str, name: &str| place.number(guests, name, "handed");
    let done = || {
        let status = place.site.status().expect("it runs");
        guest(&status, "listeners", "csv")["effects_done"].to_string()
    };
    let (events, rows) = (place.number("modules", "sshd", "events"), done());
    assert!(handed("modules", "sshd") == 6 && events > 0, "{events}");
    let told = handed("listeners", "csv");
    // The module's options, the listener's criteria, and the source's lateness are changed; nothing is counted anew.
    let other = MODULES.replace("login_failure_limit: 5", "login_failure_limit: 50");
    let more = LISTENERS.replace("csv: {", "csv: { criteria: 'severity >= debug',");
    place.stack(STATE, ", lateness: 2s", &other, &more);
    let said = place.asks(&["reload"]);
    for expected in
        ["module `sshd` was changed", "listener `csv` was changed", "source `net` was changed"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let connections = place.number("sources", "net", "connections");
    assert_eq!((handed("modules", "sshd"), handed("listeners", "csv")), (6, told));
    assert_eq!((place.number("modules", "sshd", "events"), done()), (events, rows));
    assert_eq!((place.number("sources", "net", "records"), connections), (6, 1));
    place.send(&[failure(7)]);
    until_done(&place.site, 7);
    assert_eq!((handed("modules", "sshd"), place.number("sources", "net", "records")), (7, 7));
    assert_eq!(place.number("sources", "net", "connections"), 2);
    // Also of one that is off, and when it works again.
    let turns = place.number("modules", "sshd", "turns");
    place.asks(&["modules", "disable", "sshd"]);
    place.until("modules", "sshd", "disabled");
    assert_eq!(handed("modules", "sshd"), 7);
    place.asks(&["modules", "enable", "sshd"]);
    assert_eq!(handed("modules", "sshd"), 7);
    assert!(place.number("modules", "sshd", "turns") >= turns);
    // Another name is another count, and so is one that was gone.
    place.stack(STATE, "", "modules:\n  report:\n  web: { module: sshd }\n", LISTENERS);
    place.asks(&["reload"]);
    assert_eq!(handed("modules", "web"), 0);
    place.stack(STATE, "", MODULES, LISTENERS);
    place.asks(&["reload"]);
    assert_eq!(handed("modules", "sshd"), 0);
    assert_eq!(place.number("sources", "net", "records"), 7);
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

/// The letters that an engine keeps.
fn letters(place: &Place) -> Vec<Value> {
    let value: Value =
        serde_json::from_str(&place.asks(&["dead", "list", "--json"])).expect("JSON");
    value.as_array().expect("a list").clone()
}

#[test]
fn an_event_that_killed_a_listener_comes_again_once_that_is_mended() {
    let place = Place::new("again");
    place.site.put("ops.wasm", hostile("listener-poison"));
    let listeners = [LISTENERS, OPS].concat();
    place.stack(STATE, "", "modules:\n  report:\n", &listeners);
    let engine = place.site.start();
    place.site.until_it_runs();
    let dead = |count: usize| {
        place.site.until("set aside", |status| (status["dead_letters"] == count).then_some(()));
    };
    // A batch has all the text of a turn, so each poisoned event is in one of its own.
    for round in 1..=3 {
        place.send(&(0..9).map(|number| record(number, "nothing")).collect::<Vec<_>>());
        until_done(&place.site, 10 * round - 1);
        place.send(&[record(9, "POISON here")]);
        dead(round);
    }
    until_done(&place.site, 30);
    let all = letters(&place);
    let id = |place: usize| all[place]["id"].as_str().expect("an id").to_owned();
    assert_eq!(all[0]["kind"], "event", "{all:?}");
    let shown = place.asks(&["dead", "show", &id(0)]);
    for expected in ["listener    ops\n", "event report:", "\nnotice\n", "POISON here"] {
        assert!(shown.contains(expected), "{expected} in\n{shown}");
    }
    // It fails again, and is a letter again, under another name.
    place.asks(&["dead", "retry", &id(0)]);
    place.site.until("set aside again", |status| {
        (guest(status, "listeners", "ops")["set_aside"] == 4).then_some(())
    });
    dead(3);
    // The listener is mended: all three come, and nothing else.
    let mended = OPS.replace("./ops.wasm", "csv");
    place.stack(STATE, "", "modules:\n  report:\n", &[LISTENERS, &mended].concat());
    let said = place.asks(&["reload"]);
    assert!(said.contains("listener `ops` was changed"), "{said}");
    let others = place.site.rows(NOTICES).len();
    for letter in letters(&place) {
        let said = place.asks(&["dead", "retry", letter["id"].as_str().expect("an id")]);
        assert!(said.contains("`ops` gets the event once more"), "{said}");
    }
    dead(0);
    let rows = || fs::read_to_string(place.site.folder().join("out").join(NOTICES)).expect("rows");
    let told = || {
        until_done(&place.site, 30);
        let rows = rows();
        let lines: Vec<_> = rows.lines().skip(1).map(str::to_owned).collect();
        assert!(lines.iter().all(|line| line.contains("POISON here")), "{lines:?}");
        lines
    };
    place.site.until("written", |_| (told().len() == 3).then_some(()));
    let before = told();
    // A kill brings back neither what was set aside nor what came again.
    engine.kill();
    let engine = place.site.start();
    place.site.until_it_runs();
    place.asks(&["checkpoint"]);
    assert_eq!(told(), before);
    assert_eq!(place.site.rows(NOTICES).len(), others, "it comes again to one alone");
    assert_eq!(place.asks(&["dead", "list"]), "no dead letters\n");
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn what_can_not_come_again_is_refused_with_the_reason() {
    let place = Place::new("never-again");
    place.site.put("ops.wasm", hostile("listener-poison"));
    place.site.put("mine.wasm", hostile("trap-in-tick"));
    place.stack(
        STATE,
        "",
        "modules:\n  report:\n  mine: { module: ./mine.wasm }\n",
        &[LISTENERS, OPS].concat(),
    );
    let engine = place.site.start();
    place.site.until_it_runs();
    place.send(&[record(1, "POISON")]);
    place.site.until("set aside", |status| (status["dead_letters"] != 0).then_some(()));
    let id = letters(&place)[0]["id"].as_str().expect("an id").to_owned();
    let refused = |id: &str, reason: &str| {
        let said = place.site.ask(&["dead", "retry", id]);
        assert_eq!(said.code, Some(2), "{}", said.stdout);
        assert!(said.stderr.contains(reason), "{reason}: {}", said.stderr);
    };
    place.asks(&["modules", "disable", "ops"]);
    refused(&id, "listener `ops` does not work now");
    place.asks(&["modules", "enable", "ops"]);
    // Nobody knows the events of a module that is gone.
    place.stack(STATE, "", "modules:\n  sshd:\n", &[LISTENERS, OPS].concat());
    place.asks(&["reload"]);
    refused(&id, "this stack has no module `report` any more");
    assert_eq!(letters(&place).len(), 1, "the letter stays");
    // A tick is over. This letter is one that an engine would write.
    let tick = "mine-0000000000000007.0000000000000001";
    let letter = serde_json::json!({
        "id": tick, "module": "mine", "component": "mine", "component_digest": "00", "kind": "tick",
        "sequence": 7, "source": "", "position": 0, "time": "1970-01-01T00:00:00.000000001Z",
        "raw": { "text": "" }, "failure": "trapped", "backtrace": [], "when": "2026-01-01T00:00:01Z",
    });
    place.site.put(&format!("state/dead/{tick}.json"), letter.to_string());
    refused(tick, "a tick is a moment, and that is over");
    assert!(matches!(engine.stop(), Some(0 | 1)));
}

#[test]
fn what_comes_again_is_not_handed_over_from_before_a_kill_besides() {
    let place = Place::new("once-more");
    place.site.put("mine.wasm", hostile("fails-on-poison"));
    let rarely = "state: { folder: state, checkpoint_every: 1h }\n";
    let modules =
        "modules:\n  report:\n  mine: { module: ./mine.wasm, limits: { failures: 50 } }\n";
    place.stack(rarely, "", modules, LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    place.send(&[record(1, "POISON")]);
    let aside = |count: u64| {
        place.site.until("set aside", |status| {
            (guest(status, "modules", "mine")["set_aside"] == count).then_some(())
        });
    };
    aside(1);
    let id = letters(&place)[0]["id"].as_str().expect("an id").to_owned();
    place.asks(&["dead", "retry", &id]);
    aside(2);
    engine.kill();
    let engine = place.site.start();
    place.site.until_it_runs();
    until_done(&place.site, 1);
    let all = letters(&place);
    assert!(all.len() == 1 && all[0]["id"] != id.as_str(), "{all:?}");
    assert!(matches!(engine.stop(), Some(0 | 1)));
}

#[test]
fn a_letter_goes_only_when_its_guest_is_past_what_it_holds() {
    let place = Place::new("past-it");
    place.site.put("mine.wasm", hostile("fails-on-poison"));
    let rarely = "state: { folder: state, checkpoint_every: 1h }\n";
    let mine = |failures: u32| {
        format!(
            "modules:\n  report:\n  mine: {{ module: ./mine.wasm, limits: {{ failures: {failures}, release_after: 0s }} }}\n"
        )
    };
    place.stack(rarely, "", &mine(50), LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    let letter = || {
        place.site.until("set aside", |status| (status["dead_letters"] == 1).then_some(()));
        letters(&place)[0]["id"].as_str().expect("an id").to_owned()
    };
    place.send(&[record(1, "POISON")]);
    place.asks(&["dead", "drop", &letter()]);
    engine.kill();
    // A guest that is suspended saves nothing: what it failed on would come twice.
    place.stack(rarely, "", &mine(1), LISTENERS);
    let engine = place.site.start();
    place.site.until_it_runs();
    until_done(&place.site, 1);
    assert!(letters(&place).is_empty(), "what was dropped came again: {}", place.site.said());
    place.send(&[record(2, "POISON")]);
    let id = letter();
    place.until("modules", "mine", "suspended");
    let said = place.site.ask(&["dead", "retry", &id]);
    assert_eq!(said.code, Some(2), "{}", said.stdout);
    assert!(said.stderr.contains("has not saved its state behind that yet"), "{}", said.stderr);
    assert_eq!(letter(), id, "it stays");
    place.asks(&["modules", "release", "mine"]);
    place.until("modules", "mine", "running");
    place.asks(&["dead", "retry", &id]);
    place.site.until("set aside anew", |_| {
        let now = letters(&place);
        (now.len() == 1 && now[0]["id"] != id.as_str()).then_some(())
    });
    assert!(matches!(engine.stop(), Some(0 | 1)));
}
