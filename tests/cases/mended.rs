//! An operator's mistakes, and the way back from them: what is no file in the place of a file, a component that comes too
//! late or is the wrong one, instances that are gone.

use std::fs;
use std::process::Command;

use correlator_tests::guests::hostile;
use correlator_tests::known::{NOTICES, until_done};
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::{Engine, Site};
use correlator_tests::wait;
use serde_json::Value;

const LISTENERS: &str = "listeners:\n  csv: { grants: { table: { directory: rows } } }\n";
const EXCEEDED: &str = "sshd-attempts_exceeded.csv";

struct Place {
    site: Site,
    port: Port,
}

impl Place {
    fn new(name: &str) -> Self {
        let site = Site::new(name).with(&["stack.yaml"]);
        fs::create_dir_all(site.folder().join("conf.d")).expect("a folder");
        Self { site, port: Port::new().expect("a port") }
    }

    fn stack(&self, watch: bool, modules: &str) {
        let head = format!(
            "state: {{ folder: state, checkpoint_every: 200ms }}\n\
             control: {{ socket: control.sock, watch: {watch}, drop_in: conf.d }}\n\
             sources: {{ net: {{ tcp: \"{}\" }} }}\n",
            self.port.address()
        );
        self.site.put("stack.yaml", [&head, modules, LISTENERS].concat());
    }

    fn start(&self) -> Engine {
        let engine = self.site.start();
        self.site.until_it_runs();
        engine
    }

    fn send(&self, records: &[String]) {
        let sent = sender::send(self.port.address(), &sender::octets(records));
        assert_eq!(sent, Sent::Acknowledged, "{}", self.site.said());
    }

    fn ends(&self, engine: Engine) {
        assert_eq!(engine.stop(), Some(0), "{}", self.site.said());
    }

    fn pipe(&self, name: &str) {
        let made = Command::new("mkfifo").arg(self.site.folder().join(name)).status();
        assert!(made.is_ok_and(|status| status.success()), "a pipe");
    }
}

/// A failed login at a second of a minute.
fn failure(second: usize) -> String {
    let process = 4_000 + second;
    format!(
        "<38>1 2024-12-10T06:00:{second:02}Z alpha sshd {process} - - Failed password for root from 198.51.100.9 port 4711 ssh2"
    )
}

fn record(program: &str, words: &str) -> String {
    format!("<38>1 2024-12-10T06:00:00Z alpha {program} 1 - - {words}")
}

fn module<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["modules"].as_array()?.iter().find(|it| it["name"] == name)
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_and_nobody_waits_for_it() {
    let place = Place::new("pipes");
    let own = "modules:\n  report:\n  mine: { module: ./mine.wasm }\n";
    place.site.put("mine.wasm", hostile("honest-module"));
    place.stack(false, own);
    let engine = place.start();
    for name in ["conf.d/more.yaml", "conf.d/more.wasm", "mine.wasm", "stack.yaml"] {
        let path = place.site.folder().join(name);
        let before = fs::read(&path).ok();
        let _ = fs::remove_file(&path);
        place.pipe(name);
        let said = place.site.ask(&["reload"]);
        assert_eq!(said.code, Some(2), "{name}: {}", said.stdout);
        assert!(said.stderr.contains("it is a pipe, not a file"), "{name}: {}", said.stderr);
        assert!(said.stderr.contains(name), "{name}: {}", said.stderr);
        fs::remove_file(&path).expect("the pipe");
        if let Some(before) = before {
            fs::write(&path, before).expect("what was there");
        }
        assert!(place.site.asks(&["reload"]).contains("nothing has changed"), "{name}");
    }
    place.send(&[failure(1)]);
    until_done(&place.site, 1);
    place.ends(engine);
}

#[test]
fn what_a_refused_stack_lacked_is_taken_up_when_it_comes() {
    let place = Place::new("mended");
    place.stack(true, "modules:\n  report:\n");
    let engine = place.start();
    let works = |name: &str| {
        place.site.until(name, |status| module(status, name).map(|_| ()));
    };
    let mut known = 0;
    let mut told = |what: &str| {
        known = wait::until(what, || {
            let said = place.site.said();
            said.get(known..)?.contains(what).then_some(said.len())
        });
    };
    let with = "modules:\n  report:\n  late: { module: ./late.wasm }\n";
    place.stack(true, with);
    told("late.wasm");
    place.site.put("late.wasm", &hostile("honest-module")[..1_000]);
    told("late.wasm");
    place.site.put("late.wasm", hostile("honest-module"));
    works("late");
    // What a command took up is watched as well.
    let more = [with, "  other: { module: ./other.wasm }\n"].concat();
    place.site.put("other.wasm", hostile("honest-module"));
    place.stack(true, &more);
    let _ = place.site.ask(&["reload"]);
    works("other");
    place.site.put("other.wasm", "no component at all");
    told("this is not a WebAssembly file");
    place.site.put("other.wasm", hostile("trap-in-configure"));
    told("`configure` trapped");
    place.send(&[failure(1)]);
    until_done(&place.site, 1);
    place.ends(engine);
}

#[test]
fn the_wrong_component_at_a_start_costs_no_state() {
    let place = Place::new("wrong-component");
    let right = "modules:\n  report:\n  sshd: { options: { login_failure_limit: 5 } }\n";
    place.stack(false, right);
    let engine = place.start();
    place.send(&[1, 2, 3, 4].map(failure));
    until_done(&place.site, 4);
    place.ends(engine);
    // Another one has its name.
    place.site.put("mine.wasm", hostile("trap-in-restore"));
    place.stack(false, "modules:\n  report:\n  sshd: { module: ./mine.wasm }\n");
    let engine = place.start();
    place.site.until("kept aside", |status| {
        let kept = module(status, "sshd")?["refused_checkpoints"].as_u64()?;
        (kept > 0).then_some(())
    });
    let said = place.site.said();
    for expected in ["does not take the state", "sshd.refused-1", "sshd.wanted", "digest"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let shown = place.site.asks(&["status"]);
    assert!(shown.contains("sshd.refused-"), "{shown}");
    place.ends(engine);
    // It is mended: the fifth is one too many.
    place.stack(false, right);
    let engine = place.start();
    place.send(&[failure(5)]);
    place.site.until_rows(EXCEEDED, 1);
    place.site.until_rows(NOTICES, 5);
    assert_eq!(place.site.rows(NOTICES).len(), 5, "{}", place.site.said());
    place.ends(engine);
}

#[test]
fn letters_of_instances_that_are_gone_go_to_those_that_there_are() {
    let place = Place::new("gone-instances");
    let mine = |component: &str, instances: usize| {
        place.site.put("mine.wasm", hostile(component));
        place.stack(
            false,
            &format!(
                "modules:\n  report:\n  mine: {{ module: ./mine.wasm, instances: {instances}, partition_by: program, limits: {{ failures: 50 }} }}\n"
            ),
        );
    };
    mine("fails-on-poison", 4);
    let engine = place.start();
    let programs: Vec<String> = (0..12).map(|number| format!("app{number}")).collect();
    let poison: Vec<_> = programs.iter().map(|it| record(it, "POISON here")).collect();
    let dead = |count: usize| {
        place.site.until("letters", |status| (status["dead_letters"] == count).then_some(()));
    };
    place.send(&poison);
    dead(12);
    until_done(&place.site, 12);
    let ids = || -> Vec<(String, String)> {
        let listed = place.site.asks(&["dead", "list", "--json"]);
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        let text = |it: &Value| it.as_str().expect("text").to_owned();
        let all = listed.as_array().expect("a list").iter();
        all.map(|it| (text(&it["id"]), text(&it["module"]))).collect()
    };
    let mut left = 12;
    for instances in [3, 1] {
        mine("event-stream", instances);
        let _ = place.site.asks(&["reload"]);
        let gone: Vec<_> = ids().into_iter().filter(|(_, of)| of == "mine#3").collect();
        let gone = if instances == 1 { ids() } else { gone };
        assert!(!gone.is_empty(), "some of each");
        for (id, of) in gone {
            let said = place.site.asks(&["dead", "retry", &id]);
            assert!(said.contains("gets the record once more"), "{said}");
            assert!(!said.contains(&of) && said.contains("`mine"), "{said}");
            left -= 1;
        }
        dead(left);
    }
    assert_eq!(left, 0);
    place.site.until("ten events of each", |status| {
        let events = module(status, "mine")?["events"].as_u64()?;
        (events > 0).then_some(())
    });
    until_done(&place.site, 12);
    assert_eq!(place.site.rows(NOTICES).len(), 12, "a retry is for one module alone");
    assert!(matches!(engine.stop(), Some(0 | 1)), "{}", place.site.said());
}
