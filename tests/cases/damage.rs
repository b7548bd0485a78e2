//! Damage between two runs: what is kept was cut or changed behind the engine's back, or the machine's clock was. The
//! engine starts, tells what is missing, and the rest is right.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use correlator_tests::known::{GUESTS, KEPT, NOTICES, alone, args, end, until_done};
use correlator_tests::log::{self, Line, Log};
use correlator_tests::rows::{difference, rows};
use correlator_tests::seed::Seed;
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::Site;
use correlator_tests::wait;

const LINES: usize = 150_000;
/// What shows a program another clock.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// What a second checkpoint leaves of the first.
const BEFORE: [&str; 3] = ["sshd.before", "report.before", "csv.before"];

/// A site whose engine was killed in the middle of a file, when every guest had made two checkpoints.
fn killed_half_way(lines: &[Line]) -> Site {
    let site = Site::new("damage").with(&args(&[&GUESTS, &KEPT, &["--file", "log"]]));
    site.put("log", log::file(lines));
    let engine = site.start();
    let checkpoints = site.folder().join("state/checkpoints");
    wait::until("every guest has two checkpoints", || {
        BEFORE.iter().all(|name| checkpoints.join(name).exists()).then_some(())
    });
    engine.kill();
    site.forget_said();
    site
}

/// The files of a folder whose names end so, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == ending)).collect();
    files.sort();
    files
}

fn cut(path: &Path, length: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("a file");
    file.set_len(length).expect("a file");
}

fn flip(path: &Path, place: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x55], place).expect("a byte");
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |facts| facts.len())
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let mut seed = Seed::of_this_run("damaged checkpoints");
    let lines = Log::new(seed.number()).lines(LINES);
    let expected = alone(&lines, &[]);
    for guest in ["sshd", "report", "csv"] {
        for shorter in [false, true] {
            let site = killed_half_way(&lines);
            let path = site.folder().join(format!("state/checkpoints/{guest}.checkpoint"));
            let place = seed.below(length(&path) as usize) as u64;
            if shorter {
                cut(&path, place)
            } else {
                flip(&path, place)
            }
            site.run();
            let said = site.said();
            let told = said.matches(&format!("{guest}.checkpoint: this checkpoint")).count();
            assert_eq!(told, 1, "{said}");
            assert_eq!(difference(&expected, &site.tables()), None, "{guest} at {place}: {said}");
        }
    }
}

#[test]
fn marks_of_files_that_are_damaged_are_taken_from_the_spool() {
    let mut seed = Seed::of_this_run("damaged marks");
    let lines = Log::new(seed.number()).lines(LINES);
    let expected = alone(&lines, &[]);
    let site = killed_half_way(&lines);
    let path = site.folder().join("state/sources");
    if path.exists() {
        flip(&path, seed.below(length(&path) as usize) as u64);
    }
    site.run();
    assert_eq!(difference(&expected, &site.tables()), None, "{}", site.said());
}

/// A site whose engine took all of these by TCP and was killed before it had made its last checkpoints.
fn killed_after(lines: &[Line]) -> Site {
    let port = Port::new().expect("a port");
    let live = ["--control", "control.sock", "--tcp", &port.address().to_string()];
    let site = Site::new("cut").with(&args(&[&GUESTS, &KEPT, &live]));
    let engine = site.start();
    site.until_it_runs();
    for part in lines.chunks(1_000) {
        let texts: Vec<String> = part.iter().map(Line::text).collect();
        assert_eq!(sender::send(port.address(), &sender::lines(&texts)), Sent::Acknowledged);
    }
    engine.kill();
    site.forget_said();
    site
}

/// What holds whatever is missing: no row twice, none that is new, all in order, and no gap that was not told.
fn the_rest_is_right(lines: &[Line], site: &mut Site, what: &str) {
    site.set(&args(&[&GUESTS, &KEPT, &["--file", "more"]]));
    // It goes on as if nothing had been.
    let more = Log::new(99).lines(lines.len() + 100).split_off(lines.len());
    site.put("more", log::file(&more));
    let code = site.start().wait();
    let said = site.said();
    let there = site.rows(NOTICES);
    let mut expected = lines.iter().chain(&more).map(Line::row);
    for row in &there {
        // What is looked past is missing; what is not found behind is doubled, out of order or new.
        assert!(expected.any(|it| it == *row), "{what}: {row} is not in its place: {said}");
    }
    let missing = lines.len() + more.len() - there.len();
    let told =
        ["missing", "lost", "passed over", "gone", "cut "].iter().any(|it| said.contains(it));
    assert!(missing == 0 || told, "{what}: {missing} are missing, which nobody tells: {said}");
    // Of a tail that is gone without a trace nobody can know what was in it.
    let known = ["missing", "lost", "passed over", "gone"].iter().any(|it| said.contains(it));
    let codes = [Some(i32::from(missing > 0 && known)), Some(i32::from(known))];
    assert!(codes.contains(&code), "{what}: {code:?}, {missing} are missing: {said}");
    let last: Vec<String> = more.iter().map(Line::row).collect();
    assert!(there.ends_with(&last), "{what}: what came later is not whole: {said}");
    eprintln!("{what}: {missing} of {} are missing", lines.len());
}

#[test]
fn a_segment_that_was_cut_or_changed_costs_only_what_was_in_it() {
    let mut seed = Seed::of_this_run("damaged segments");
    let lines = Log::new(99).lines(20_000);
    for room in ["records", "events"] {
        for shorter in [true, false, true, false] {
            let mut site = killed_after(&lines);
            let segments = files(&site.folder().join("state").join(room), "spool");
            let path = seed.pick(&segments).clone();
            let place = seed.below(length(&path) as usize) as u64;
            if shorter {
                cut(&path, place)
            } else {
                flip(&path, place)
            }
            let how = if shorter { "cut" } else { "changed" };
            the_rest_is_right(&lines, &mut site, &format!("{room} {how} at {place}"));
        }
    }
}

#[test]
fn a_segment_that_is_gone_costs_only_what_was_in_it() {
    let lines = Log::new(99).lines(20_000);
    for room in ["records", "events"] {
        let mut site = killed_after(&lines);
        for path in files(&site.folder().join("state").join(room), "spool") {
            fs::remove_file(path).expect("a segment");
        }
        the_rest_is_right(&lines, &mut site, &format!("{room} gone"));
    }
}

#[test]
fn a_run_that_finds_its_spool_gone_says_so_and_the_next_is_well() {
    let lines = Log::new(5).lines(300);
    let port = Port::new().expect("a port");
    let live = ["--control", "control.sock", "--tcp", &port.address().to_string()];
    let mut site = Site::new("gone").with(&args(&[&GUESTS, &KEPT, &["--file", "log"]]));
    site.put("log", log::file(&lines));
    site.run();
    for path in files(&site.folder().join("state/records"), "spool") {
        fs::remove_file(path).expect("a segment");
    }
    site.set(&args(&[&GUESTS, &KEPT, &live]));
    let engine = site.start();
    let missing = site.until("told", |status| status["record_spool"]["missing"].as_u64());
    assert!(missing >= 300, "{missing}");
    let page = site.ask(&["status"]).stdout;
    assert!(page.contains(&format!("records: {missing} were gone when the engine")), "{page}");
    let texts = [Log::new(6).lines(1)[0].text()];
    assert_eq!(sender::send(port.address(), &sender::lines(&texts)), Sent::Acknowledged);
    until_done(&site, lines.len() + 1);
    assert_eq!(engine.stop(), Some(1), "{}", site.said());
    let told = format!("record spool: {missing} records missing at the start");
    assert!(site.said().contains(&told), "{}", site.said());
    end(&mut site);
}

/// Every file below a folder, and what is in it.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            all.insert(path.clone(), fs::read(path).expect("a file"));
        }
    }
    all
}

#[test]
fn what_a_newer_program_wrote_is_left_as_it_is() {
    let lines = Log::new(4).lines(LINES);
    let site = killed_half_way(&lines);
    let state = site.folder().join("state");
    // The end of a spool as a newer program would write it: to this one it looks torn.
    let last = files(&state.join("records"), "spool").pop().expect("a segment");
    let mut newer = fs::read(&last).expect("a segment");
    newer.extend_from_within(..30);
    fs::write(&last, newer).expect("a segment");
    let mut store = b"SQLite format 3\0".to_vec();
    store.resize(4_096, 0);
    store[60..64].copy_from_slice(&99_u32.to_be_bytes());
    store[68..72].copy_from_slice(b"Corr");
    let newer =
        [("version-2", &[][..], "2 and this program knows "), ("store/store.db", &store, "99 ")];
    for (name, content, version) in newer {
        site.put(&format!("state/{name}"), content);
        let before = everything(&state);
        site.forget_said();
        assert_eq!(site.start().wait(), Some(4), "{name}: {}", site.said());
        let words = [&format!("is of version {version}"), ": run the newer program"];
        let told = |said: &str| words.iter().all(|words| said.contains(*words));
        assert!(told(&site.said()), "{name}: {}", site.said());
        for command in [&["dead", "list"][..], &["effects", "list"], &["why", "sshd:1:2:0"]] {
            let said = site.tell(&[command, &["--state", "state"]].concat());
            assert!(said.code == Some(4) && told(&said.stderr), "{command:?}: {said:?}");
        }
        assert_eq!(
            everything(&state).keys().collect::<Vec<_>>(),
            before.keys().collect::<Vec<_>>()
        );
        assert!(everything(&state) == before, "{name}: a file was changed");
        fs::remove_file(state.join(name)).expect("a file");
    }
    site.run();
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", site.said());
}

#[test]
fn a_torn_end_costs_nothing() {
    // What a machine that loses its power leaves: a frame that was begun. Nobody was told that it is safe.
    let mut seed = Seed::of_this_run("torn ends");
    let lines = Log::new(seed.number()).lines(LINES);
    let expected = alone(&lines, &[]);
    let site = killed_half_way(&lines);
    for room in ["records", "events"] {
        let segments = files(&site.folder().join("state").join(room), "spool");
        let last = segments.last().expect("a segment");
        let mut torn = fs::read(last).expect("a segment");
        let begun = torn[..seed.below(4_000).min(torn.len())].to_vec();
        torn.extend(begun);
        fs::write(last, torn).expect("a segment");
    }
    site.run();
    assert_eq!(difference(&expected, &site.tables()), None, "{}", site.said());
}

/// Whether programs can be shown another clock here.
fn faketime() -> bool {
    let there = Path::new(FAKETIME).exists();
    if !there {
        eprintln!("skipped: no {FAKETIME} here, which sets a program's clock (package faketime)");
    }
    there
}

#[test]
fn a_clock_that_jumps_between_runs_harms_nothing() {
    if !faketime() {
        return;
    }
    let port = Port::new().expect("a port");
    let address = port.address().to_string();
    let live = ["--control", "control.sock", "--tcp", &address];
    let mut site = Site::new("clock").with(&args(&[&GUESTS, &KEPT, &live]));
    let lines = Log::new(6).lines(600);
    let mut done = 0;
    for (part, clock) in lines.chunks(100).zip(["+0d", "+1y", "-1y", "+0d", "-1y", "+1y"]) {
        site.by(&["env", &format!("LD_PRELOAD={FAKETIME}"), &format!("FAKETIME={clock}")]);
        let engine = site.start();
        site.until_it_runs();
        let texts: Vec<String> = part.iter().map(Line::text).collect();
        assert_eq!(sender::send(port.address(), &sender::lines(&texts)), Sent::Acknowledged);
        done += part.len();
        until_done(&site, done);
        engine.kill();
    }
    end(&mut site);
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", site.said());
}

#[test]
fn a_clock_that_jumps_while_it_runs_harms_nothing() {
    if !faketime() {
        return;
    }
    let port = Port::new().expect("a port");
    let address = port.address().to_string();
    // The engine reads the file of its clock: it may not, once it is confined.
    let live = ["--control", "control.sock", "--tcp", &address, "--no-confine"];
    let mut site = Site::new("jumps").with(&args(&[&GUESTS, &KEPT, &live]));
    let clock = format!("FAKETIME_TIMESTAMP_FILE={}", site.folder().join("clock").display());
    let preload = format!("LD_PRELOAD={FAKETIME}");
    site.put("clock", "+0d\n");
    // The clock that never jumps is left alone.
    site.by(&["env", &preload, &clock, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]);
    let lines = Log::new(7).lines(600);
    let engine = site.start();
    site.until_it_runs();
    let mut done = 0;
    for (part, jump) in lines.chunks(100).zip(["+0d", "+1y", "-1y", "+0d", "-1y", "+1y"]) {
        site.put("clock", format!("{jump}\n"));
        // A step of time by the clock that has jumped.
        let passed = |status: &serde_json::Value| status["uptime_seconds"].as_f64();
        let then = site.until("old", passed);
        site.until("older", |status| (passed(status)? > then + 1.5).then_some(()));
        let texts: Vec<String> = part.iter().map(Line::text).collect();
        assert_eq!(sender::send(port.address(), &sender::lines(&texts)), Sent::Acknowledged);
        done += part.len();
        until_done(&site, done);
    }
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    end(&mut site);
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", site.said());
}

#[test]
fn half_a_row_that_a_crash_left_is_cut() {
    let lines = Log::new(8).lines(LINES);
    let expected = alone(&lines, &[]);
    let site = killed_half_way(&lines);
    for path in files(&site.folder().join("rows"), "csv") {
        let mut torn = fs::read(&path).expect("a table");
        torn.extend_from_slice(b"2024-12-10T06:");
        fs::write(&path, torn).expect("a table");
    }
    site.run();
    assert!(!rows(&site.tables(), NOTICES).is_empty());
    assert_eq!(difference(&expected, &site.tables()), None, "{}", site.said());
}
