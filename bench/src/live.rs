//! An engine that goes on until it is told to stop, asked over its control socket as a person asks it.
//!
//! It must never know what is measured.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use correlator::control::Command;
use correlator::control::client::Client;
use correlator::status::Status;
use serde_json::Value;

use crate::engine::Engine;
use crate::measure::{now, pause, reap};

/// How often a running engine is asked how it fares.
const LOOK: Duration = Duration::from_millis(10);
/// An engine that gets no further for so long is stuck.
const STILL_MAX: Duration = Duration::from_secs(30);
/// Starting takes longest when guests have to be compiled.
const START_MAX: Duration = Duration::from_mins(2);

/// A running engine. It is killed if it is let go of before its end.
pub struct Live {
    child: Child,
    socket: PathBuf,
    summary: PathBuf,
    complaints: PathBuf,
}

/// What became of an engine that was stopped.
pub struct Ended {
    /// The CPU time that it took, from start to end.
    pub cpu: Duration,
    /// What it told at the end.
    pub summary: Value,
}

impl Live {
    /// Starts `correlator run` with these modules and arguments, events to CSV files in an empty folder.
    pub fn start(engine: &Engine, modules: &[&str], arguments: &[&str]) -> Result<Self> {
        let socket = std::env::temp_dir().join(format!("correlator-bench-{}", std::process::id()));
        let (summary, complaints) = (engine.place("summary.json"), engine.place("complaints"));
        let mut command = engine.command(&["run", "--json", "--listener", "csv"]);
        for module in modules {
            command.args(["--module", module]);
        }
        command.arg("--output").arg(engine.empty_folder("tables")?);
        command.arg("--control").arg(&socket).args(arguments);
        let child = spawn(&mut command, &summary, &complaints)?;
        let mut live = Self { child, socket, summary, complaints };
        live.wait_for_answer()?;
        Ok(live)
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// How it fares.
    pub fn status(&self) -> Result<Status> {
        Ok(Client::connect(&self.socket)?.status()?)
    }

    /// Where its first source listens.
    pub fn address(&self) -> Result<SocketAddr> {
        let status = self.status()?;
        let source = status.sources.first().context("the engine has a source")?;
        source.place.parse().with_context(|| format!("{:?} is no address", source.place))
    }

    /// Has it do something.
    pub fn tell(&self, command: Command) -> Result<()> {
        Client::connect(&self.socket)?.command(command)?;
        Ok(())
    }

    /// Waits until its status is as wanted; fails when it gets no further.
    pub fn wait_until(&mut self, done: impl Fn(&Status) -> bool) -> Result<Status> {
        let (mut moved, mut last) = (now(), 0);
        loop {
            let status = self.status().with_context(|| self.complaints())?;
            if done(&status) {
                return Ok(status);
            }
            let modules = status.modules.iter().map(|it| it.guest.position);
            let listeners = status.listeners.iter().map(|it| it.guest.position);
            let far: u64 = modules.chain(listeners).sum::<u64>() + status.records;
            if far != last {
                (moved, last) = (now(), far);
            }
            ensure!(
                moved.elapsed() < STILL_MAX,
                "the engine gets no further: {}\n{}",
                serde_json::to_string(&status)?,
                self.complaints()
            );
            pause(LOOK);
        }
    }

    /// Stops it in good order.
    pub fn stop(mut self) -> Result<Ended> {
        self.tell(Command::Stop)?;
        let (status, cpu) = reap(&mut self.child)?;
        ensure!(status.success(), "the engine ended with {status}\n{}", self.complaints());
        let summary = fs::read(&self.summary)?;
        let summary = serde_json::from_slice(&summary).context("the engine's summary")?;
        Ok(Ended { cpu, summary })
    }

    fn wait_for_answer(&mut self) -> Result<()> {
        let start = now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the engine ended with {status}\n{}", self.complaints());
            }
            match self.status() {
                Ok(_) => return Ok(()),
                Err(error) => ensure!(start.elapsed() < START_MAX, "no answer: {error}"),
            }
            pause(LOOK);
        }
    }

    fn complaints(&self) -> String {
        let said = fs::read_to_string(&self.complaints).unwrap_or_default();
        let lines: Vec<_> = said.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // One that has ended can't be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

/// Whether every record has been taken and all that follows from them stands in its tables.
pub fn is_done(status: &Status, records: u64) -> bool {
    status.records >= records
        && status.modules.iter().all(|module| module.lag_records == 0)
        && status.listeners.iter().all(|listener| listener.lag_events == 0)
}

/// Starts a process whose output goes to files.
pub fn spawn(command: &mut Process, output: &PathBuf, complaints: &PathBuf) -> Result<Child> {
    let create = |path: &PathBuf| File::create(path).with_context(|| path.display().to_string());
    command.stdin(Stdio::null()).stdout(create(output)?).stderr(create(complaints)?);
    command.spawn().with_context(|| format!("can't start {command:?}"))
}
