//! `sshd` beside a module that burns all its fuel on every batch: neither its throughput nor its latency may suffer.
//!
//! The engine and its senders run on one core, the thread of the module that burns on another: what is left is what the
//! two share, which is to be next to nothing. For throughput both work off a spool, so that no sender is measured.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use correlator_tests::guests;

use crate::cores::Cores;
use crate::engine::{Engine, Log};
use crate::live::Live;
use crate::measure::{now, pause};
use crate::probe::{Delays, Probe, failed_login};
use crate::report::Report;
use crate::series::{Series, alternate};
use crate::stock::{KEEPING, Stock};

/// The module that burns: its name as an instance and as a guest.
const BURNS: &str = "burns";
const GUEST: &str = "endless-loop";
/// It fails within some milliseconds, again and again, and is never suspended.
const LIMITS: [&str; 4] =
    ["fuel_per_turn=20_000_000", "fuel_per_record=0", "fuel_per_byte=0", "failures=1_000_000"];

/// Failed logins a second, each of four records.
const PROBES_PER_SECOND: u64 = 2_500;
const PROBE_TIME: Duration = Duration::from_secs(6);
const START_LOOK: Duration = Duration::from_millis(1);

/// Measures both.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("blocked");
    let file = engine.place(&format!("{BURNS}.wasm"));
    fs::write(&file, guests::hostile(GUEST))?;
    let file = file.to_string_lossy().into_owned();
    let both = ["sshd", file.as_str()];
    let limits = LIMITS.map(|limit| format!("{BURNS}.{limit}"));
    let limits: Vec<&str> = limits.iter().flat_map(|it| ["--limit", it]).collect();
    let Some(cores) = Cores::take()? else {
        report.note("there is one core only: `blocked` was skipped");
        return Ok(());
    };
    let engines = Engines { engine, cores: &cores, both, limits: &limits };
    let stock = Stock::fill(engine, &both, &["sshd", BURNS], log, 1)?;
    let [alone, beside] = alternate::<2>(rounds, |which| engines.throughput(&stock, which == 1))?;
    report.add("sshd alone on its core, records per second", &alone, "");
    let ratio = beside.over(&alone);
    report.add("sshd beside one that burns, throughput over alone", &ratio, "0.9 at least");
    drop(stock);

    let mut tails: [Vec<f64>; 2] = Default::default();
    let [alone, beside] = alternate::<2>(rounds, |which| {
        let delays = engines.latency(which == 1)?;
        tails[which].push(delays.percentile(99));
        Ok(delays.percentile(50))
    })?;
    let tails = tails.map(|it| it.into_iter().skip(1).collect::<Series>());
    report.add("sshd alone, median latency, ms", &alone, "");
    report.add("sshd beside one that burns, median over alone", &beside.over(&alone), "2");
    report.add("sshd alone, 99 in 100 within, ms", &tails[0], "");
    report.add("sshd beside one that burns, 99 in 100 over alone", &tails[1].over(&tails[0]), "2");
    report.note(&format!("`blocked` ran on {}", cores.names()));
    Ok(())
}

/// Engines with `sshd` alone or beside the other.
struct Engines<'a> {
    engine: &'a Engine,
    cores: &'a Cores,
    both: [&'a str; 2],
    limits: &'a [&'a str],
}

impl Engines<'_> {
    fn start(&self, state: &str, beside: bool) -> Result<Live> {
        let modules = if beside { &self.both[..] } else { &self.both[..1] };
        let mut arguments = vec!["--tcp", "127.0.0.1:0", "--state", state];
        arguments.extend(KEEPING);
        if beside {
            arguments.extend(self.limits);
        }
        let live = Live::start(self.engine, modules, &arguments)?;
        let start = now();
        while beside && self.cores.move_away(live.process(), BURNS)? == 0 {
            ensure!(start.elapsed() < PROBE_TIME, "`{BURNS}` has no thread");
            pause(START_LOOK);
        }
        Ok(live)
    }

    /// Records a second from a spool.
    fn throughput(&self, stock: &Stock, beside: bool) -> Result<f64> {
        let state = stock.copy(self.engine)?;
        let start = now();
        let mut live = self.start(&state, beside)?;
        let status = live.wait_until(|status| {
            let sshd = &status.modules[0];
            sshd.guest.position >= stock.records
                && sshd.lag_records == 0
                && status.listeners.iter().all(|it| it.lag_events == 0)
        })?;
        let seconds = start.elapsed().as_secs_f64();
        check(&live, beside)?;
        let handed = status.modules[0].guest.handed;
        ensure!(handed >= stock.records / 10 * 9, "sshd got {handed} of {}", stock.records);
        Ok(stock.records as f64 / seconds)
    }

    fn latency(&self, beside: bool) -> Result<Delays> {
        let state = self.engine.empty_folder("state")?;
        let live = self.start(&state.to_string_lossy(), beside)?;
        let table = self.engine.place("tables").join("sshd-login_failed.csv");
        let probe = Probe {
            to: live.address()?,
            table: &table,
            rate: PROBES_PER_SECOND,
            time: PROBE_TIME,
            messages: failed_login,
        };
        let delays = probe.run()?;
        check(&live, beside)?;
        Ok(delays)
    }
}

/// The other must have burned all the while, or nothing was measured. The engine is then killed: the other would
/// never come to an end.
fn check(live: &Live, beside: bool) -> Result<()> {
    let status = live.status()?;
    let other = status.modules.iter().find(|module| module.guest.name == BURNS);
    let burned = other.is_some_and(|it| it.guest.failures > 0 && it.lag_records > 0);
    ensure!(burned == beside, "`{BURNS}` did not burn: {other:?}");
    Ok(())
}
