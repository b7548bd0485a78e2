//! A case is a folder in `tests/cases/stacks/`: `stack.yaml`, its logs, and in `expected/` what must come out.
//!
//! `stdout` is what must be printed, `stderr` holds lines that must be complained (any others may be too), `code` is the
//! exit code where it is not 0, and every other file must be written to `output` just so. `CORRELATOR_UPDATE=1` writes
//! what came out instead of comparing it: look at the difference before you keep it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use correlator_tests::engine::{Outcome, Run};

const DEADLINE: Duration = Duration::from_mins(1);
const UPDATE: &str = "CORRELATOR_UPDATE";

#[test]
fn stacks_do_what_their_folders_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/stacks");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("a case").path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    let failures: Vec<_> = cases.iter().filter_map(|case| failure(case)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn failure(case: &Path) -> Option<String> {
    let outcome =
        Run::new(DEADLINE).and_then(|run| run.with_stack(case)?.go()).expect("the engine runs");
    let expected = case.join("expected");
    if std::env::var_os(UPDATE).is_some() {
        update(&expected, &outcome);
        return None;
    }
    let wrong = compare(&expected, &outcome)?;
    Some(format!("{}: {wrong}\n{}", case.display(), outcome.said()))
}

fn compare(expected: &Path, outcome: &Outcome) -> Option<String> {
    let mut files: BTreeMap<_, _> = fs::read_dir(expected)
        .expect("what is expected")
        .map(|entry| {
            let path = entry.expect("a file").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a text"))
        })
        .collect();
    let mut take = |name: &str| files.remove(name).unwrap_or_default();
    let code = take("code").trim().parse().unwrap_or(0);
    if outcome.code != Some(code) {
        return Some(format!("the exit code is not {code}"));
    }
    if take("stdout") != outcome.stdout {
        return Some("stdout differs".into());
    }
    if let Some(line) = take("stderr").lines().find(|line| !outcome.stderr.contains(line)) {
        return Some(format!("stderr does not say {line:?}"));
    }
    for (name, text) in &files {
        match outcome.files.get(name) {
            None => return Some(format!("{name} was not written")),
            Some(bytes) if bytes != text.as_bytes() => {
                return Some(format!("{name} differs:\n{}", String::from_utf8_lossy(bytes)));
            }
            Some(_) => {}
        }
    }
    let more = outcome.files.keys().find(|name| !files.contains_key(*name));
    more.map(|name| format!("{name} was not expected"))
}

fn update(expected: &Path, outcome: &Outcome) {
    // Complaints are chosen by hand: what they say of time and memory differs from run to run.
    let stderr = fs::read(expected.join("stderr")).ok();
    let _ = fs::remove_dir_all(expected);
    let write = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(expected).expect("a folder");
        fs::write(expected.join(name), bytes).expect("a file");
    };
    write("stdout", outcome.stdout.as_bytes());
    if let Some(stderr) = stderr {
        write("stderr", &stderr);
    }
    if let Some(code) = outcome.code.filter(|code| *code != 0) {
        write("code", code.to_string().as_bytes());
    }
    for (name, bytes) in &outcome.files {
        write(name, bytes);
    }
}
