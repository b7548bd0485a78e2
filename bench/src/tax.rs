//! What the sandbox costs: the same module in its sandbox and linked natively, through the same pipeline.
//!
//! The native run is this program itself, so that both are processes of their own and are measured alike.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::engine::{Engine, Log};
use crate::measure;
use crate::report::Report;
use crate::series::alternate;

/// Measures it.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("sandbox tax");
    let this = std::env::current_exe()?;
    let [sandboxed, native] = alternate::<2>(rounds, |which| {
        let mut command = engine.run(&["sshd"], &log.path)?;
        if which == 1 {
            command = Command::new(&this);
            command.arg("native").arg(&log.path).arg(engine.empty_folder("tables")?);
        }
        Ok(measure::run(&mut command)?.cpu.as_secs_f64())
    })?;
    let ratio = sandboxed.over(&native);
    report.add("CPU time in the sandbox over native", &ratio, "1.25");
    Ok(())
}

/// Runs `sshd` natively and `csv` as ever: what a person gets who trusts the module.
pub fn run_native(_file: &Path, _output: &Path) -> Result<()> {
    bail!("the engine can't link a module natively yet")
}
