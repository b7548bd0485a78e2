//! From a record on the wire to its row in a CSV file, at 10,000 records a second of which every fourth makes an event.

use std::time::Duration;

use anyhow::Result;

use crate::engine::Engine;
use crate::live::Live;
use crate::probe::{Probe, failed_login};
use crate::report::Report;
use crate::series::{Series, alternate};

/// Failed logins a second, each of four records.
const PROBES_PER_SECOND: u64 = 2_500;
const TIME: Duration = Duration::from_secs(6);

/// Measures it with nothing kept and with state.
pub fn measure(engine: &Engine, rounds: usize, report: &mut Report) -> Result<()> {
    println!("latency");
    let mut tails: [Vec<f64>; 2] = Default::default();
    let medians = alternate::<2>(rounds, |which| {
        let state = engine.empty_folder("state")?;
        let state = state.to_string_lossy();
        let mut arguments = vec!["--tcp", "127.0.0.1:0"];
        if which == 1 {
            arguments.extend(["--state", &state]);
        }
        let live = Live::start(engine, &["sshd"], &arguments)?;
        let table = engine.place("tables").join("sshd-login_failed.csv");
        let (to, table) = (live.address()?, &table);
        let probe =
            Probe { to, table, rate: PROBES_PER_SECOND, time: TIME, messages: failed_login };
        let delays = probe.run()?;
        live.stop()?;
        tails[which].push(delays.percentile(99));
        Ok(delays.percentile(50))
    })?;
    for (which, kept) in ["nothing kept", "`batched`"].into_iter().enumerate() {
        report.add(&format!("from the wire to a row, {kept}, median, ms"), &medians[which], "");
        let tail: Series = tails[which].iter().skip(1).copied().collect();
        report.add(&format!("from the wire to a row, {kept}, 99 in 100 within, ms"), &tail, "5");
    }
    Ok(())
}
