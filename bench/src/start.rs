//! How long `correlator run` takes when there is nothing to do and its modules are compiled already.

use anyhow::Result;

use crate::engine::Engine;
use crate::measure;
use crate::report::Report;
use crate::series::alternate;

/// Starts for each round: they are short.
const STARTS_PER_ROUND: usize = 5;

/// Measures it on an empty file.
pub fn measure(engine: &Engine, rounds: usize, report: &mut Report) -> Result<()> {
    println!("start");
    let empty = engine.place("empty.log");
    std::fs::write(&empty, "")?;
    let [wall] = alternate::<1>(rounds * STARTS_PER_ROUND, |_| {
        let cost = measure::run(&mut engine.run(&["sshd"], &empty)?)?;
        Ok(cost.wall.as_secs_f64() * 1e3)
    })?;
    report.add("start to end on an empty file, ms", &wall, "50");
    Ok(())
}
