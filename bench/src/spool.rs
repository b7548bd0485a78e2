//! What the spool costs where records come from a file: the same run with state, `batched`, and without.

use anyhow::Result;

use crate::engine::{Engine, Log};
use crate::measure;
use crate::report::Report;
use crate::series::{Series, alternate};

/// Measures it; each run begins with no state.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("spool");
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
