//! What a change of the stack must not cost: guests that go and come back, that are divided otherwise, or that tell of other
//! events than before. No row that was written goes, no record and no event is passed over in silence.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::{fs, thread};

use correlator_tests::guests::contract::{Column, EventSchema, Module, TEXT};
use correlator_tests::guests::draft::Draft;
use correlator_tests::guests::hostile;
use correlator_tests::known::{NOTICES, until_done};
use correlator_tests::log::{self, Line, Log};
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::{Engine, Site};
use correlator_tests::wait;

const REPORT: &str = "  report:\n";
const CSV: &str = "  csv: { grants: { table: { directory: rows } } }\n";
const OTHER: &str = "  other: { listener: csv, grants: { table: { directory: others } } }\n";
/// How many lines are sent in one go.
const PART: usize = 200;

/// An engine's folder and the door of its stack.
struct Place {
    site: Site,
    port: Port,
}

impl Place {
    fn new(name: &str, modules: &str, listeners: &str) -> Self {
        let place = Self {
            site: Site::new(name).with(&["stack.yaml"]),
            port: Port::new().expect("a port"),
        };
        place.site.put("in.log", "");
        place.writes(modules, listeners);
        place
    }

    fn writes(&self, modules: &str, listeners: &str) {
        let address = self.port.address();
        self.site.put(
            "stack.yaml",
            format!(
                "state: {{ folder: state, checkpoint_every: 200ms }}\n\
                 control: {{ socket: control.sock }}\n\
                 sources: {{ net: {{ tcp: \"{address}\" }}, log: {{ file: in.log, follow: true }} }}\n\
                 modules:\n{modules}listeners:\n{listeners}"
            ),
        );
    }

    fn changes(&self, modules: &str, listeners: &str) {
        self.writes(modules, listeners);
        let said = self.site.ask(&["reload"]);
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    }

    fn is_refused(&self, modules: &str, words: &str) {
        self.writes(modules, CSV);
        let said = self.site.ask(&["reload"]);
        assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
        for words in [words, "nothing was changed"] {
            assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
        }
    }

    fn sends(&self, lines: &[Line]) {
        let texts: Vec<String> = lines.iter().map(Line::text).collect();
        let sent = sender::send(self.port.address(), &sender::octets(&texts));
        assert_eq!(sent, Sent::Acknowledged, "{}", self.site.said());
    }

    /// Sends without a pause until all of this is done. Tells what was sent.
    fn meanwhile(&self, lines: &[Line], work: impl FnOnce(&dyn Fn())) -> Vec<Line> {
        let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let (over, sent) = (&over, &sent);
            scope.spawn(move || {
                let parts = lines.chunks(PART).take_while(|_| !over.load(Ordering::Relaxed));
                for part in parts {
                    self.sends(part);
                    sent.fetch_add(part.len(), Ordering::Relaxed);
                }
                tell.send(sent.load(Ordering::Relaxed)).expect("the test waits");
            });
            let _ends = Ends(over);
            work(&|| {
                let then = sent.load(Ordering::Relaxed);
                wait::until("records stream", || {
                    (sent.load(Ordering::Relaxed) > then + 5 * PART).then_some(())
                });
            });
        });
        lines[..told.recv().expect("the sender has ended")].to_vec()
    }

    /// The rows of a table must be these, in whatever order.
    fn has_rows(&self, lines: &[Line]) {
        let mut rows = self.site.rows(NOTICES);
        let mut expected: Vec<String> = lines.iter().map(Line::row).collect();
        rows.sort();
        expected.sort();
        assert!(rows == expected, "{} of {}: {}", rows.len(), expected.len(), self.site.said());
    }
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_listener_that_comes_back_finds_its_rows() {
    let both = [CSV, OTHER].concat();
    let place = Place::new("comes-back", REPORT, &both);
    let engine = place.site.start();
    place.site.until_it_runs();
    let lines = Log::new(3).lines(600);
    let (before, after) = lines.split_at(400);
    place.sends(before);
    until_done(&place.site, before.len());
    place.changes(REPORT, OTHER);
    place.changes(REPORT, &both);
    place.has_rows(before);
    place.sends(after);
    until_done(&place.site, lines.len());
    place.has_rows(&lines);
    // What comes again after a kill is cut first, and nothing else is.
    engine.kill();
    let engine = place.site.start();
    until_done(&place.site, lines.len());
    place.has_rows(&lines);
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn who_has_no_checkpoint_that_can_be_read_loses_none() {
    let place = Place::new("no-checkpoint", REPORT, CSV);
    let lines = Log::new(4).lines(800);
    for (guest, upto) in [("report", 400), ("csv", 800)] {
        let engine = place.site.start();
        place.site.until_it_runs();
        place.sends(&lines[upto - 400..upto]);
        until_done(&place.site, upto);
        engine.kill();
        for ending in ["checkpoint", "before"] {
            let path = place.site.folder().join(format!("state/checkpoints/{guest}.{ending}"));
            fs::write(path, "damaged").expect("a file");
        }
    }
    let engine = place.site.start();
    until_done(&place.site, lines.len());
    let rows = place.site.rows(NOTICES);
    let missing = lines.iter().filter(|line| !rows.contains(&line.row())).count();
    assert_eq!(missing, 0, "of {}: {}", lines.len(), place.site.said());
    let told = place.site.said();
    for role in ["module `report`", "listener `csv`"] {
        assert!(told.contains(&format!("{role}: no checkpoint of it can be read")), "{told}");
    }
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

/// The module `report` in so many instances.
fn divided(instances: usize, by: &str) -> String {
    format!("  report: {{ instances: {instances}, partition_by: {by} }}\n")
}

#[test]
fn who_is_divided_otherwise_passes_nothing_over() {
    let place = Place::new("divided", REPORT, CSV);
    let engine = place.site.start();
    place.site.until_it_runs();
    let lines = Log::new(5).lines(1_000_000);
    let sent = place.meanwhile(&lines, |streaming| {
        for modules in [
            divided(2, "process_id"),
            divided(3, "process_id"),
            divided(3, "host"),
            divided(2, "host"),
            REPORT.to_owned(),
        ] {
            streaming();
            place.changes(&modules, CSV);
        }
        streaming();
    });
    until_done(&place.site, sent.len());
    place.has_rows(&sent);
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn who_is_divided_otherwise_after_a_kill_passes_nothing_over() {
    let place = Place::new("divided-later", REPORT, CSV);
    let lines = Log::new(6).lines(400_000);
    place.site.put("in.log", log::file(&lines));
    let others =
        [divided(2, "process_id"), divided(3, "process_id"), divided(3, "host"), REPORT.to_owned()];
    for (round, modules) in others.iter().enumerate() {
        let engine = place.site.start();
        // Read is much more than is done by then.
        place.site.until_rows(NOTICES, 20_000 * (round + 1));
        engine.kill();
        place.writes(modules, CSV);
    }
    let engine = place.site.start();
    until_done(&place.site, lines.len());
    place.has_rows(&lines);
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn who_is_divided_otherwise_while_he_is_off_passes_nothing_over() {
    let place = Place::new("divided-off", REPORT, CSV);
    let lines = Log::new(8).lines(1_200);
    let asks = |arguments: &[&str], code: i32| {
        let said = place.site.ask(arguments);
        assert_eq!(said.code, Some(code), "{}{}", said.stdout, said.stderr);
        [said.stdout, said.stderr].concat()
    };
    let mut engine = place.site.start();
    place.site.until_it_runs();
    for (upto, modules) in
        [(400, divided(2, "process_id")), (800, divided(3, "host")), (1_200, REPORT.to_owned())]
    {
        asks(&["modules", "disable", "report"], 0);
        place.sends(&lines[upto - 400..upto]);
        if upto > 400 {
            place.writes(&modules, CSV);
            let told = asks(&["reload"], 2);
            assert!(told.contains("`report` is not divided otherwise yet"), "{told}");
        } else {
            engine.kill();
            place.writes(&modules, CSV);
            engine = place.site.start();
            place.site.until_it_runs();
        }
        asks(&["modules", "enable", "report"], 0);
        until_done(&place.site, upto);
        let told = asks(&["reload"], 0);
        assert!(told.contains("module `report` was changed, and begins anew"), "{told}");
    }
    place.has_rows(&lines);
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn events_of_another_shape_reach_those_who_listen() {
    let place = Place::new("shapes", REPORT, CSV);
    let engine = place.site.start();
    place.site.until_it_runs();
    let lines = Log::new(7).lines(1_000_000);
    let mine = ["  first: { module: report }\n", "  second: { module: sshd }\n"];
    let sent = place.meanwhile(&lines, |streaming| {
        for upto in [1, 2] {
            streaming();
            place.changes(&[&[REPORT], &mine[..upto]].concat().concat(), CSV);
        }
        streaming();
    });
    until_done(&place.site, sent.len());
    place.has_rows(&sent);
    for name in ["first", "second"] {
        let events = place.site.until("with it", |status| {
            let modules = status["modules"].as_array()?;
            modules.iter().find(|it| it["name"] == name)?["events"].as_u64()
        });
        let tables = place.site.tables();
        let own = tables.keys().filter(|table| table.starts_with(&format!("{name}-")));
        let rows: usize = own.map(|table| place.site.rows(table).len()).sum();
        assert_eq!(rows as u64, events, "{name}: {}", place.site.said());
    }
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn who_does_not_take_the_state_is_refused_with_all_that_came_with_him() {
    let before = "  mine: { module: report }\n  other: { module: report }\n";
    let place = Place::new("refused", before, CSV);
    let engine = place.site.start();
    place.site.until_it_runs();
    let lines = Log::new(8).lines(300);
    let have = |count: usize| {
        for table in ["mine-notice.csv", "other-notice.csv"] {
            place.site.until_rows(table, count);
            let expected: Vec<String> = lines[..count].iter().map(Line::row).collect();
            assert_eq!(place.site.rows(table), expected, "{table}: {}", place.site.said());
        }
    };
    place.sends(&lines[..100]);
    have(100);
    wait::until("its state is kept", || {
        place.site.folder().join("state/checkpoints/mine.before").exists().then_some(())
    });
    // Another one is taken out and a third one comes with it: neither may happen alone.
    let after = "  mine: { module: sshd }\n  third: { module: report }\n";
    for round in 1..3 {
        place.is_refused(after, "module `mine` stays as it was");
        place.sends(&lines[100 * round..100 * (round + 1)]);
        have(100 * (round + 1));
    }
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn a_change_that_is_refused_takes_no_record_from_who_was_to_go() {
    let goes = "  goes: { module: report }\n";
    let place = Place::new("stays", &["  mine: { module: report }\n", goes].concat(), CSV);
    let engine = place.site.start();
    place.site.until_it_runs();
    let lines = Log::new(10).lines(1_000_000);
    place.sends(&lines[..1]);
    wait::until("its state is kept", || {
        place.site.folder().join("state/checkpoints/mine.before").exists().then_some(())
    });
    let sent = place.meanwhile(&lines[1..], |streaming| {
        for _ in 0..3 {
            streaming();
            place.is_refused("  mine: { module: sshd }\n", "module `mine` stays as it was");
        }
        streaming();
    });
    for table in ["mine-notice.csv", "goes-notice.csv"] {
        place.site.until_rows(table, 1 + sent.len());
    }
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn nobody_goes_beside_who_is_refused_though_its_events_look_the_same() {
    let goes = "  goes: { module: report }\n";
    let mine = |component: &str| format!("  mine: {{ module: ./{component}.wasm }}\n");
    let place = Place::new("beside", &[&mine("event-stream"), goes].concat(), CSV);
    for component in ["event-stream", "restore-fails"] {
        place.site.put(&format!("{component}.wasm"), hostile(component));
    }
    let engine = place.site.start();
    place.site.until_it_runs();
    place.sends(&Log::new(11).lines(10));
    wait::until("its state is kept", || {
        place.site.folder().join("state/checkpoints/mine.before").exists().then_some(())
    });
    place.is_refused(&mine("restore-fails"), "module `mine` stays as it was");
    let names = place.site.until("asked", |status| {
        let modules = status["modules"].as_array()?;
        Some(modules.iter().map(|it| it["name"].to_string()).collect::<Vec<_>>())
    });
    assert_eq!(names, ["\"mine\"", "\"goes\""]);
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

#[test]
fn a_module_waits_for_a_listener_that_is_off_and_has_its_events_to_do() {
    let place = Place::new("held", REPORT, CSV);
    let engine = place.site.start();
    place.site.until_it_runs();
    let lines = Log::new(9).lines(200);
    place.sends(&lines[..100]);
    place.site.until_rows(NOTICES, 100);
    let csv = |what: &str| {
        let said = place.site.ask(&["modules", what, "csv"]);
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    };
    csv("disable");
    place.sends(&lines[100..]);
    place.site.until("they are told", |status| {
        (status["modules"][0]["events"].as_u64()? >= 200).then_some(())
    });
    let after = "  first: { module: sshd }\n";
    place.is_refused(after, "listener `csv` is off with events to do");
    csv("enable");
    until_done(&place.site, 200);
    // What has nothing to do is in nobody's way.
    csv("disable");
    place.changes(after, CSV);
    csv("enable");
    let expected: Vec<String> = lines.iter().map(Line::row).collect();
    assert_eq!(place.site.rows(NOTICES), expected, "{}", place.site.said());
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
}

/// A module whose event has these columns: of another version than those that tell them.
fn other_columns(columns: Vec<Column>) -> Vec<u8> {
    let mut description = Module::honest("m");
    let (summary, columns) = ("it was noticed".into(), columns.into());
    description.events = vec![EventSchema { summary, columns, ..EventSchema::honest() }].into();
    Draft::describing_module(&description).component().expect("a component")
}

/// Events that wait for a listener when the engine ends, of a module that has these columns when it is started anew.
fn waiting(name: &str, columns: Vec<Column>) -> (Place, Engine) {
    let place = Place::new(name, "  m: { module: ./m.wasm }\n", CSV);
    place.site.put("m.wasm", hostile("fails-on-poison"));
    let engine = place.site.start();
    place.site.until_it_runs();
    let puts = |what: &str| assert!(place.site.asks(&["modules", what, "csv"]).contains("csv"));
    puts("disable");
    place.sends(&Log::new(12).lines(2));
    place.site.until("told", |status| (status["modules"][0]["events"] == 2).then_some(()));
    engine.stop();
    place.site.put("m.wasm", other_columns(columns));
    let engine = place.site.start();
    place.site.until_it_runs();
    puts("enable");
    (place, engine)
}

fn lost(place: &Place, expected: u64) {
    place
        .site
        .until("counted", |status| (status["listeners"][0]["lost"] == expected).then_some(()));
}

#[test]
fn what_waits_while_the_engine_is_down_is_read_by_the_columns_of_the_day() {
    let optional = |name| Column { optional: 1, ..Column::required(name, TEXT) };
    let columns = vec![optional("more"), optional("note"), Column::required("subject", TEXT)];
    let (place, engine) = waiting("columns", columns);
    place.site.until_rows("m-noticed.csv", 2);
    lost(&place, 0);
    assert_eq!(engine.stop(), Some(0), "{}", place.site.said());
    for row in place.site.rows("m-noticed.csv") {
        assert!(row.contains(",,,"), "{row}");
    }
}

#[test]
fn what_lacks_a_column_of_the_day_is_counted_and_told() {
    let (place, engine) = waiting("columns-lacking", vec![Column::required("more", TEXT)]);
    lost(&place, 2);
    engine.stop();
    let told =
        "can't be read by the columns of today (`more` of `noticed` is new, or of another kind)";
    assert!(place.site.said().contains(told), "{}", place.site.said());
}
