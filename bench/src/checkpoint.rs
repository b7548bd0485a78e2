//! How long checkpoints of a large state hold records up: the longest time from the wire to a row, with a checkpoint
//! every second and with none.
//!
//! The state is 100 MB that the guest hands out as they lie; the time that a guest takes to write its state down in some
//! form comes on top of that and is the guest's own.

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

/// The guest: its name, its source, and what it needs.
const NAME: &str = "heavy";
const GUEST: &str = include_str!("../guests/heavy.wat");
const STATE_BYTES: u64 = 100_000_000;
const LIMITS: [&str; 4] = ["--limit", "heavy.memory=512MiB", "--limit", "heavy.state_bytes=128MiB"];

/// Records a second, each with an event.
const RATE: u64 = 2_000;
const TIME: Duration = Duration::from_secs(9);
/// A longest time says little: more rounds than these take long and tell no more.
const ROUNDS_MAX: usize = 5;

/// Measures it.
pub fn measure(engine: &Engine, rounds: usize, report: &mut Report) -> Result<()> {
    println!("checkpoint");
    let mut draft = Draft::describing_module(&Module::honest(NAME));
    draft.read(GUEST);
    let file = engine.place(&format!("{NAME}.wasm"));
    fs::write(&file, draft.component()?)?;
    let file = file.to_string_lossy().into_owned();
    let mut medians: [Vec<f64>; 2] = Default::default();
    let [without, with] = alternate::<2>(rounds.min(ROUNDS_MAX), |which| {
        let delays = run(engine, &file, which == 1)?;
        medians[which].push(delays.percentile(50));
        Ok(delays.longest())
    })?;
    let pairs = with.minus(&without);
    report.add("100 MB of state, longest without checkpoints, ms", &without, "");
    report.add("100 MB of state, longest with one a second, ms", &with, "");
    report.add("100 MB of state, longest with less without, ms", &pairs, "50");
    let [without, with] = medians.map(|it| it.into_iter().skip(1).collect::<Series>());
    report.add("100 MB of state, median with over without", &with.over(&without), "");
    Ok(())
}

fn run(engine: &Engine, file: &str, saves: bool) -> Result<Delays> {
    let state = engine.empty_folder("state")?;
    let state = state.to_string_lossy();
    let every = if saves { "1s" } else { "1d" };
    let mut arguments = vec!["--tcp", "127.0.0.1:0", "--state", &state];
    arguments.extend(KEEPING);
    arguments.extend(["--checkpoint-every", every]);
    arguments.extend(LIMITS);
    let live = Live::start(engine, &[file], &arguments)?;
    let table = engine.place("tables").join(format!("{NAME}-noticed.csv"));
    let probe =
        Probe { to: live.address()?, table: &table, rate: RATE, time: TIME, messages: bare };
    let delays = probe.run()?;
    let status = live.status()?;
    let guest = &status.modules[0].guest;
    let saved = guest.last_checkpoint_seconds.is_some() && guest.state_bytes >= STATE_BYTES;
    ensure!(saved == saves, "checkpoints were made, or were not, against all wishes: {guest:?}");
    live.stop()?;
    Ok(delays)
}
