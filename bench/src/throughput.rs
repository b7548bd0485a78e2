//! Lines per CPU-second of the whole process: file, parser, `sshd` in its sandbox, metered, `csv` in its, rows on disk.

use anyhow::Result;

use crate::engine::{Engine, Log};
use crate::measure;
use crate::report::Report;
use crate::series::{Series, alternate};

/// Lines per CPU-second that this project wants to reach.
const GOAL: &str = "3,000,000";

/// Measures it on a log of each form, in turn.
pub fn measure(engine: &Engine, logs: [&Log; 2], rounds: usize, report: &mut Report) -> Result<()> {
    println!("throughput");
    let mut peaks = [0; 2];
    let mut walls = [const { Vec::new() }; 2];
    let cpus = alternate::<2>(rounds, |which| {
        let cost = measure::run(&mut engine.run(&["sshd"], &logs[which].path)?)?;
        peaks[which] = peaks[which].max(cost.memory_peak_bytes);
        walls[which].push(cost.wall.as_secs_f64());
        Ok(cost.cpu.as_secs_f64())
    })?;
    for (which, log) in logs.into_iter().enumerate() {
        let lines = log.lines as f64;
        let name = format!("{} to CSV ({} bytes a line)", log.name, log.bytes / log.lines.max(1));
        let per_second = |seconds: f64| lines / seconds;
        report.add(&format!("{name}, lines per CPU-second"), &cpus[which].map(per_second), GOAL);
        let wall: Series = walls[which].iter().skip(1).copied().collect();
        report.add(&format!("{name}, lines per second"), &wall.map(per_second), "");
        let peak: Series = [peaks[which] as f64 / 1e6].into_iter().collect();
        report.add(&format!("{name}, most memory, MB"), &peak, "");
    }
    Ok(())
}
