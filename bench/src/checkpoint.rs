//! How long checkpoints of a large state hold records up: the longest time from the wire to a row, with a checkpoint of
//! 100 MB every second, with none, and with one of next to nothing.
//!
//! The guest hands its state out as it lies; the time that a guest takes to write its state down in some form comes on
//! top of that and is the guest's own. Without checkpoints the engine still asks for the state now and then, so that a
//! guest that fails need not go far back: only a guest that saves next to nothing shows what records take otherwise.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use correlator_tests::guests::contract::Module;
use correlator_tests::guests::draft::Draft;

use crate::engine::Engine;
use crate::live::Live;
use crate::probe::{Delays, Probe, bare};
use crate::report::Report;
use crate::series::{Series, alternate};
use crate::stock::KEEPING;

/// The guest, and what it does to save next to nothing.
const GUEST: &str = include_str!("../guests/heavy.wat");
const SAVE_LITTLE: &str = "(call $state (i32.const 1) (global.get $table) (i32.const 4))";
const STATE_BYTES: u64 = 100_000_000;
const LIMITS: [&str; 4] = ["--limit", "memory=512MiB", "--limit", "state_bytes=128MiB"];

/// The guests by name, and how often each makes a checkpoint.
const RUNS: [(&str, &str); 3] = [("light", "1s"), ("heavy", "1d"), ("heavy", "1s")];

/// Records a second, each with an event.
const RATE: u64 = 2_000;
const TIME: Duration = Duration::from_secs(9);
/// A longest time says little: more rounds than these take long and tell no more.
const ROUNDS_MAX: usize = 5;

/// Measures it.
pub fn measure(engine: &Engine, rounds: usize, report: &mut Report) -> Result<()> {
    println!("checkpoint");
    for name in ["light", "heavy"] {
        let mut draft = Draft::describing_module(&Module::honest(name));
        draft.read(GUEST);
        if name == "light" {
            draft.section("save", SAVE_LITTLE);
        }
        fs::write(engine.place(&format!("{name}.wasm")), draft.component()?)?;
    }
    let mut medians: [Vec<f64>; RUNS.len()] = Default::default();
    let [light, never, often] = alternate::<{ RUNS.len() }>(rounds.min(ROUNDS_MAX), |which| {
        let delays = run(engine, RUNS[which])?;
        medians[which].push(delays.percentile(50));
        Ok(delays.longest())
    })?;
    report.add("checkpoints of next to nothing, longest to a row, ms", &light, "");
    report.add("100 MB of state, no checkpoints, longest to a row, ms", &never, "");
    report.add("100 MB of state, a checkpoint a second, longest to a row, ms", &often, "");
    report.add("100 MB over next to nothing, longer by, ms", &often.minus(&light), "50");
    report.add("100 MB over no checkpoints, longer by, ms", &often.minus(&never), "50");
    let [light, _, often] = medians.map(|it| it.into_iter().skip(1).collect::<Series>());
    report.add("100 MB over next to nothing, median, times", &often.over(&light), "");
    Ok(())
}

fn run(engine: &Engine, (name, every): (&str, &str)) -> Result<Delays> {
    let state = engine.empty_folder("state")?;
    let state = state.to_string_lossy();
    let file = engine.place(&format!("{name}.wasm"));
    let mut arguments = vec!["--tcp", "127.0.0.1:0", "--state", &state];
    arguments.extend(KEEPING);
    arguments.extend(["--checkpoint-every", every]);
    arguments.extend(LIMITS);
    let live = Live::start(engine, &[&file.to_string_lossy()], &arguments)?;
    let table = engine.place("tables").join(format!("{name}-noticed.csv"));
    let probe =
        Probe { to: live.address()?, table: &table, rate: RATE, time: TIME, messages: bare };
    let delays = probe.run()?;
    let status = live.status()?;
    let guest = &status.modules[0].guest;
    let saved = guest.last_checkpoint_seconds.is_some();
    let large = name == "light" || guest.state_bytes >= STATE_BYTES || !saved;
    ensure!(saved == (every == "1s") && large, "checkpoints are not as wanted: {guest:?}");
    live.stop()?;
    Ok(delays)
}
