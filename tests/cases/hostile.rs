//! Every hostile guest beside honest ones: whatever it does, the engine ends by itself, within bounds, says who did what,
//! and the honest guests' work is complete.
//!
//! A table says of each guest how it must end. What the guests try is told in `tests/guests/README.md`. It must never
//! matter here how the engine does it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

use correlator_tests::engine::{Outcome, Run};
use correlator_tests::guests;
use correlator_tests::site::Site;

use super::hostile_table as table;
use Must::{BeRefused, HarmItself, Lose, NotStart, Work};

/// Many times what the slowest needs; only a machine in trouble and an engine that hangs get there.
const DEADLINE: Duration = Duration::from_mins(1);
/// The default limit of a guest's memory, and room for the rest.
const ENGINE_MIB_MAX: u64 = 420;
/// The default limit of compiling a component of 2 MiB, and room for the rest.
const CHILD_MIB_MAX: u64 = 900;
/// Ended with losses, as `correlator --help` says.
const LOSSES: i32 = 1;
/// Wrong command line or stack.
const WRONG: i32 = 2;
/// A guest was refused.
const REFUSED: i32 = 3;
/// In the middle of the log.
const POISON: usize = 200;

/// How a guest must end.
#[derive(Clone, Copy, Debug)]
pub enum Must {
    /// It is not loaded, for a reason with these words.
    BeRefused(&'static str),
    /// It is loaded, but the run does not begin with it, for a reason with these words.
    NotStart(&'static str),
    /// It loses work, for a reason with these words.
    Lose(&'static str),
    /// It works.
    Work,
    /// It works or loses work: which of the two is its own affair.
    HarmItself,
}

/// A guest and how it must end.
pub struct Case {
    /// The guest's name.
    pub guest: &'static str,
    /// How it must end.
    pub must: Must,
    /// Flags that make the case quicker or sharper.
    pub flags: &'static [&'static str],
}

/// A case under the default limits.
pub const fn case(guest: &'static str, must: Must) -> Case {
    Case { guest, must, flags: &[] }
}

/// Some hours of a small server's log, made up: 400 lines, one of them poison for one guest.
fn log() -> Vec<u8> {
    let mut log = String::new();
    for line in 0..400 {
        let (minute, second) = (line / 10, line * 6 % 60);
        let time = format!("2024-12-10T06:{minute:02}:{second:02}.000000+00:00");
        let (process, address) = (1_000 + line / 3, line % 7);
        let message = match line % 3 {
            _ if line == POISON => "Connection closed by POISON port 22 [preauth]".into(),
            0 => format!("Failed password for root from 192.0.2.{address} port 4711 ssh2"),
            1 => format!("Accepted password for anna from 192.0.2.{address} port 4712 ssh2"),
            _ => format!("Connection closed by 192.0.2.{address} port 4711 [preauth]"),
        };
        writeln!(log, "<38>1 {time} host sshd {process} - - {message}").expect("a string grows");
    }
    log.into_bytes()
}

/// The honest part of every run: two modules, and a listener that writes all their events to files.
fn honest() -> Run {
    Run::new(DEADLINE)
        .and_then(|run| run.with_file("--file", "case.log", &log()))
        .expect("a run can be put together")
        .with(&["--json", "--module", "sshd", "--module", "report", "--listener", "csv"])
}

/// The files of the honest guests alone.
static HONEST_FILES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let outcome = honest().go().expect("the engine runs");
    assert_eq!(outcome.code, Some(0), "{}", outcome.said());
    assert!(outcome.files.len() >= 3, "{:?}", outcome.files.keys());
    outcome.files
});

/// Runs all cases and tells of every one that went wrong.
fn check(cases: &[Case], role: &str) {
    let failures: Vec<String> = cases.iter().filter_map(|case| failure(case, role)).collect();
    assert!(
        failures.is_empty(),
        "{} of {}\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n\n")
    );
}

fn failure(case: &Case, role: &str) -> Option<String> {
    let file = format!("{}.wasm", case.guest);
    let outcome = honest()
        .with_file(role, &file, &guests::hostile(case.guest))
        .and_then(|run| run.with(case.flags).go())
        .expect("the engine runs");
    let wrong = contained(&outcome).or_else(|| ended(case, &outcome))?;
    Some(format!("{}: {wrong}\n{}", case.guest, outcome.said()))
}

/// What holds for every guest, whatever it does.
fn contained(outcome: &Outcome) -> Option<String> {
    let all = [outcome.stdout.as_str(), outcome.stderr.as_str()].concat();
    let raw = all.chars().find(|it| (it.is_control() && *it != '\n') || is_bidi(*it));
    match outcome {
        _ if outcome.code.is_none() => Some("it did not end by itself".into()),
        _ if all.contains("panicked at") => Some("the engine panicked".into()),
        _ if outcome.engine_mib > ENGINE_MIB_MAX => Some("the engine took too much memory".into()),
        _ if outcome.child_mib > CHILD_MIB_MAX => Some("the compiler took too much memory".into()),
        _ => raw.map(|raw| format!("it printed {raw:?} as it is")),
    }
}

/// Characters that turn what follows around on a screen.
fn is_bidi(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether it ended as it must, with the words that it must, and with all of the honest guests' work done.
fn ended(case: &Case, outcome: &Outcome) -> Option<String> {
    let (codes, words): (&[i32], &str) = match case.must {
        BeRefused(words) => (&[REFUSED], words),
        NotStart(words) => (&[WRONG, REFUSED], words),
        Lose(words) => (&[LOSSES], words),
        Work => (&[0], ""),
        HarmItself => (&[0, LOSSES], ""),
    };
    if !outcome.code.is_some_and(|code| codes.contains(&code)) {
        return Some(format!("its exit code is none of {codes:?}"));
    }
    if !outcome.stderr.contains(words) {
        return Some(format!("the reason does not say {words:?}"));
    }
    if !matches!(case.must, Work | HarmItself) && !outcome.stderr.contains(case.guest) {
        return Some("the reason does not name the guest".into());
    }
    match case.must {
        BeRefused(_) | NotStart(_) => None,
        Lose(_) | Work | HarmItself => undone(outcome).or_else(|| misreported(outcome)),
    }
}

/// A file of the honest guests that is not as it is without the hostile one.
fn undone(outcome: &Outcome) -> Option<String> {
    let wrong = HONEST_FILES.iter().find(|(name, bytes)| outcome.files.get(*name) != Some(bytes));
    wrong.map(|(name, _)| format!("the honest guests' `{name}` is not complete"))
}

/// A summary that is not JSON, or that blames an honest guest.
fn misreported(outcome: &Outcome) -> Option<String> {
    let summary: serde_json::Value = match serde_json::from_str(&outcome.stdout) {
        Ok(summary) => summary,
        Err(error) => return Some(format!("the summary is not JSON: {error}")),
    };
    let roles = ["modules", "listeners"].into_iter().filter_map(|role| summary[role].as_array());
    let blamed = roles.flatten().find(|it| {
        ["sshd", "report", "csv"].contains(&it["name"].as_str().unwrap_or_default())
            && it["failures"] != 0
    });
    blamed.map(|guest| format!("the honest guest {} is blamed", guest["name"]))
}

#[test]
fn calls_that_never_end_or_end_badly() {
    check(table::CALLS, "--module");
}

#[test]
fn too_much_of_something() {
    check(table::AMOUNTS, "--module");
}

#[test]
fn descriptions_that_lie() {
    check(table::LIES, "--module");
}

#[test]
fn turns_that_lie() {
    check(table::ROWS, "--module");
}

#[test]
fn strangers() {
    check(table::STRANGERS, "--module");
}

#[test]
fn bombs() {
    check(table::BOMBS, "--module");
}

#[test]
fn listeners() {
    check(table::LISTENERS, "--listener");
}

#[test]
fn effects_that_lie() {
    check(table::EFFECTS, "--listener");
}

/// What a guest's events come to in the table of an honest listener.
fn table_of(guest: &str) -> String {
    let outcome = honest()
        .with_file("--module", &format!("{guest}.wasm"), &guests::hostile(guest))
        .and_then(Run::go)
        .expect("the engine runs");
    let table = outcome.files.get(&format!("{guest}-noticed.csv"));
    let table = table.unwrap_or_else(|| panic!("no table\n{}", outcome.said()));
    String::from_utf8(table.clone()).expect("a table is UTF-8")
}

#[test]
fn poison_in_texts_is_defused_in_tables() {
    for guest in ["text-formula", "text-formula-tab", "text-control", "text-invalid-utf8"] {
        let table = table_of(guest);
        let mut lines = table.lines();
        let columns = lines.next().expect("a header").split(',').count();
        assert_eq!(columns, 6, "{guest}: {table}");
        let mut rows = 0;
        for line in lines {
            rows += 1;
            let control = line.chars().any(|it| it.is_control() || is_bidi(it));
            assert!(!control, "{guest}: {line:?}");
            assert!(line.starts_with("2023-11-14T22:13:20"), "{guest}: a row in two: {line:?}");
            let cell = line.split(',').nth(1).unwrap_or_default().trim_start_matches('"');
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t']), "{guest}: a formula: {line:?}");
        }
        assert!(rows > 1, "{guest}: {table}");
    }
}

#[test]
fn only_the_poison_is_lost() {
    let rows = table_of("fails-on-poison").lines().count();
    assert_eq!(rows, 1 + 399, "a header, and a row for each of the others");
}

#[test]
fn every_guest_has_a_case() {
    let tables = [
        table::CALLS,
        table::AMOUNTS,
        table::LIES,
        table::ROWS,
        table::STRANGERS,
        table::BOMBS,
        table::LISTENERS,
        table::EFFECTS,
    ];
    let cases: BTreeSet<&str> = tables.into_iter().flatten().map(|case| case.guest).collect();
    let names = guests::names();
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names, cases);
}

#[test]
fn a_check_asks_guests_what_they_say_to_their_options() {
    let site = Site::new("hostile-checked");
    site.put("refuses.wasm", guests::hostile("configure-refuses"));
    site.put(
        "stack.yaml",
        "sources: { a: { file: a.log } }\nmodules: { sshd: , refuses: { module: ./refuses.wasm } }\n\
         state: state\nlisteners:\n  email:\n    options: { template_text: 'x {{ event' }\n    grants: { mail: \
         { server: mail.example.org, from: a@example.org, to: b@example.org } }\n",
    );
    let said = site.tell(&["check", "stack.yaml"]);
    assert_eq!(said.code, Some(REFUSED), "{}{}", said.stdout, said.stderr);
    for words in ["module `refuses` could not be started", "option `template_text`, line 1"] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert!(!said.stderr.contains('\u{1b}'), "{:?}", said.stderr);
}
