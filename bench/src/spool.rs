//! What the spool costs where records come from a file: the same run with state, `batched`, and without.
//!
//! The log is longer than elsewhere, so that the spool's files go round: to write in one again costs less than in a new
//! one, and that is how an engine goes on that runs for more than a second.

use anyhow::Result;

use crate::engine::Engine;
use crate::measure;
use crate::report::Report;
use crate::series::{Series, alternate};
use crate::sshd_log::Form;

/// How many times as long as elsewhere the log is.
const LONGER: u64 = 4;

/// Measures it; each run begins with no state.
pub fn measure(
    engine: &Engine,
    lines: u64,
    seed: u64,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    println!("spool");
    let log = engine.log(Form::Traditional, LONGER * lines, seed)?;
    let mut walls: [Vec<f64>; 2] = Default::default();
    let [without, with] = alternate::<2>(rounds, |which| {
        let mut command = engine.run(&["sshd"], &log.path)?;
        if which == 1 {
            let state = engine.empty_folder("state")?;
            command.args(["--durability", "batched", "--spool-size", "64GiB"]);
            command.arg("--state").arg(state);
        }
        let cost = measure::run(&mut command)?;
        walls[which].push(cost.wall.as_secs_f64());
        Ok(cost.cpu.as_secs_f64())
    })?;
    report.add("file, CPU time `batched` over nothing kept", &with.over(&without), "1.15");
    let [without, with] = walls.map(|walls| walls.into_iter().skip(1).collect::<Series>());
    report.add("file, time `batched` over nothing kept", &with.over(&without), "1.15");
    Ok(())
}
