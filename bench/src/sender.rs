//! Sends a log over the network with `correlator capture replay`, and says what became of it.
//!
//! It must never know who receives it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::engine::{Engine, Log};
use crate::live::spawn;

/// Connections of a sender that has many.
const CONNECTIONS: &str = "16";

/// A sender at work.
pub struct Sender {
    child: Child,
    summary: PathBuf,
    complaints: PathBuf,
}

/// What it sent.
pub struct Sent {
    /// Records.
    pub records: u64,
    /// From the first to the last.
    pub seconds: f64,
}

impl Sender {
    /// Sends a log so many times over many connections, octet-counted, as fast as it goes.
    pub fn tcp(engine: &Engine, log: &Log, repeat: u64, to: SocketAddr) -> Result<Self> {
        let to = format!("tcp://{to}");
        let fast = ["--framing", "octets", "--connections", CONNECTIONS, "--speed", "max"];
        Self::start(engine, log, repeat, &to, &fast)
    }

    /// Sends a log so many times, a datagram for each record; at a rate if one is given, then from two sockets: the
    /// kernel does a sender's work and the receiver's in one call, so that a single one may not reach it.
    pub fn udp(
        engine: &Engine,
        log: &Log,
        repeat: u64,
        to: SocketAddr,
        rate: Option<u64>,
    ) -> Result<Self> {
        let to = format!("udp://{to}");
        match rate {
            Some(rate) => {
                let rate = rate.to_string();
                Self::start(engine, log, repeat, &to, &["--rate", &rate, "--connections", "2"])
            }
            None => Self::start(engine, log, repeat, &to, &["--speed", "max"]),
        }
    }

    fn start(engine: &Engine, log: &Log, repeat: u64, to: &str, how: &[&str]) -> Result<Self> {
        let (summary, complaints) = (engine.place("sent.json"), engine.place("sent.complaints"));
        let mut command = engine.command(&["capture", "replay", "--json", "--to", to]);
        // Records are told apart by what the log is known to be: the sender need not find out.
        command.args(["--capture-framing", "lines", "--repeat", &repeat.to_string()]);
        command.args(how).arg(&log.path);
        let child = spawn(&mut command, &summary, &complaints)?;
        Ok(Self { child, summary, complaints })
    }

    /// Waits until all is sent; over TCP, until the receiver has confirmed it by closing in order.
    pub fn finish(mut self) -> Result<Sent> {
        let status = self.child.wait()?;
        let said = fs::read_to_string(&self.complaints).unwrap_or_default();
        ensure!(status.success(), "the sender ended with {status}\n{said}");
        let summary: Value = serde_json::from_slice(&fs::read(&self.summary)?)?;
        let records = summary["records"].as_u64().context("the sender counts records")?;
        let seconds = summary["seconds"].as_f64().context("the sender tells its time")?;
        Ok(Sent { records, seconds })
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // One that has ended can't be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
