//! Octet-counted syslog over 16 connections to `sshd` and CSV files, with the sender on the same machine.
//!
//! The clock runs from the start of the sender until every event stands in its file. Then the engine is stopped in good
//! order, and its counts and its files must be what they were: nothing was lost, and nothing was still on its way.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::engine::{Engine, Log};
use crate::live::{Live, is_done};
use crate::measure::now;
use crate::report::Report;
use crate::sender::Sender;
use crate::series::{Series, alternate};

/// What is kept: the name for people, and how sure it is.
const KEPT: [(&str, Option<&str>); 3] =
    [("nothing kept", None), ("`none`", Some("none")), ("`batched`", Some("batched"))];

/// How often the log is sent, so that the spool's files go round: to write in one again costs less than in a new one, and
/// that is how an engine goes on that runs for more than a second.
const REPEAT: u64 = 4;

/// Records a second that this project wants to reach.
const GOAL: &str = "1,000,000";

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// From the sender's start until all events were in their files.
    pub wall: f64,
    /// The engine's alone.
    pub cpu: f64,
}

/// Measures each way of keeping, in turn.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("tcp");
    let mut walls: [Vec<f64>; KEPT.len()] = Default::default();
    let cpus = alternate::<{ KEPT.len() }>(rounds, |which| {
        let taken = run(engine, log, REPEAT, KEPT[which].1)?;
        walls[which].push(taken.wall);
        Ok(taken.cpu)
    })?;
    let per_second = |seconds: f64| (REPEAT * log.lines) as f64 / seconds;
    for (which, (kept, _)) in KEPT.iter().enumerate() {
        let wall: Series = walls[which].iter().skip(1).copied().collect();
        let goal = if which == 1 { "" } else { GOAL };
        report.add(&format!("TCP, {kept}, records per second"), &wall.map(per_second), goal);
        let cpu = cpus[which].map(per_second);
        report.add(&format!("TCP, {kept}, records per CPU-second of the engine"), &cpu, "");
    }
    let [nothing, _, batched] = &cpus;
    report.add("TCP, CPU time `batched` over nothing kept", &batched.over(nothing), "1.15");
    let walls = walls.map(|walls| walls.into_iter().skip(1).collect::<Series>());
    report.add("TCP, time `batched` over nothing kept", &walls[2].over(&walls[0]), "1.15");
    Ok(())
}

/// Sends all of a log to an engine, so often.
pub fn run(engine: &Engine, log: &Log, repeat: u64, durability: Option<&str>) -> Result<Taken> {
    let state = engine.empty_folder("state")?;
    let state = state.to_string_lossy();
    let mut arguments = vec!["--tcp", "127.0.0.1:0"];
    if let Some(durability) = durability {
        arguments.extend(["--state", &state, "--durability", durability, "--spool-size", "64GiB"]);
    }
    let mut live = Live::start(engine, &["sshd"], &arguments)?;
    let to = live.address()?;
    let start = now();
    let lines = repeat * log.lines;
    let sender = Sender::tcp(engine, log, repeat, to)?;
    live.wait_until(|status| is_done(status, lines))?;
    let wall = start.elapsed().as_secs_f64();
    let rows = bytes_of(&engine.place("tables"))?;
    let sent = sender.finish()?.records;
    let ended = live.stop()?;
    let received = ended.summary["read"]["records"].as_u64();
    ensure!(
        sent == lines && received == Some(lines),
        "{lines} records to send, {sent} sent, {received:?} received"
    );
    let rows_after = bytes_of(&engine.place("tables"))?;
    ensure!(rows == rows_after, "rows came after all was done: {rows} bytes, then {rows_after}");
    Ok(Taken { wall, cpu: ended.cpu.as_secs_f64() })
}

/// How many bytes the files of a folder have.
pub fn bytes_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in folder.read_dir()? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
