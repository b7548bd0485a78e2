//! 1 against 100 loaded modules, 99 of them uninterested.
//!
//! The 99 are components of their own, each with an interest of its own (a program and two literals that are not in the
//! log), so that the engine can't fold them into one.

use std::fs;

use anyhow::Result;
use correlator_tests::guests::contract::{Interest, Literal, Module};
use correlator_tests::guests::draft::Draft;

use crate::engine::{Engine, Log};
use crate::measure;
use crate::report::Report;
use crate::series::alternate;

/// Modules that get no record.
const UNINTERESTED: usize = 99;

/// Measures it.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("1 against {} modules", UNINTERESTED + 1);
    let quiet = make_quiet(engine, UNINTERESTED)?;
    let mut crowd = vec!["sshd"];
    crowd.extend(quiet.iter().map(String::as_str));
    let [alone, together] = alternate::<2>(rounds, |which| {
        let modules = if which == 0 { &crowd[..1] } else { &crowd[..] };
        Ok(measure::run(&mut engine.run(modules, &log.path)?)?.cpu.as_secs_f64())
    })?;
    let ratio = together.over(&alone);
    report.add("CPU time with 100 modules over 1", &ratio, "1.2");
    Ok(())
}

/// Writes so many modules that want nothing of the log, and gives their files.
pub fn make_quiet(engine: &Engine, count: usize) -> Result<Vec<String>> {
    let folder = engine.empty_folder("quiet")?;
    let mut files = Vec::new();
    for number in 0..count {
        let path = folder.join(format!("quiet-{number:03}.wasm"));
        fs::write(&path, quiet(number)?)?;
        files.push(path.to_string_lossy().into_owned());
    }
    Ok(files)
}

/// A module that wants only what no line of the log is.
fn quiet(number: usize) -> Result<Vec<u8>> {
    let literal = |text: String| Literal { text: text.as_str().into(), anchor: 0 };
    let program = format!("daemon-{number:03}");
    let of_program = Interest { programs: vec![program.as_str().into()].into(), ..anything() };
    let words = vec![
        literal(format!("Refused password number {number:03}")),
        literal(format!("segment {number:03} of the disk is lost")),
    ];
    let of_words = Interest { literals: words.into(), ..anything() };
    let description = Module {
        interest: vec![of_program, of_words].into(),
        options: vec![].into(),
        timers: vec![].into(),
        ..Module::honest(&format!("quiet-{number:03}"))
    };
    Draft::describing_module(&description).component()
}

fn anything() -> Interest {
    Interest {
        programs: vec![].into(),
        facilities: vec![].into(),
        severity: None,
        literals: vec![].into(),
        fields: vec![].into(),
    }
}
