//! Measures Correlator beside itself: figures and ratios of one session on one machine.
//!
//! `cargo xtask bench` builds the release and starts this. It runs the `correlator` binary as a person would, and looks
//! at it from outside: CPU time, wall time, memory. It must never know how the engine works inside.
//!
//! # Layout
//! - [`sshd_log`]: the log that is measured on
//! - [`measure`], [`series`]: what one run costs; several in turn, and the middle
//! - [`engine`]: the binary under test, its command lines and its folders
//! - [`native`]: a module without a sandbox, to compare with
//! - a file for each measurement on a file: [`throughput`], [`tax`], [`crowd`], [`start`], [`memory`], [`spool`]
//! - [`live`], [`sender`], [`probe`], [`stock`], [`cores`]: an engine that goes on, what is sent to it, how long that
//!   takes, a spool to work off, and who runs where
//! - a file for each measurement on such an engine: [`tcp`], [`udp`], [`latency`], [`block`], [`blocked`], [`checkpoint`],
//!   [`replay`]
//! - [`peers`], [`servers`]: what else does the like
//! - [`report`]: the figures for people

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its job is to tell people figures")]
#![allow(clippy::cast_precision_loss, reason = "figures have three digits")]

mod sshd_log;

mod measure;

mod series;

mod engine;

mod throughput;

mod native;

mod tax;

mod crowd;

mod start;

mod memory;

mod spool;

mod live;

mod sender;

mod probe;

mod stock;

mod cores;

mod tcp;

mod udp;

mod latency;

mod block;

mod blocked;

mod checkpoint;

mod replay;

mod peers;

mod servers;

mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use engine::Engine;
use report::Report;
use sshd_log::Form;

/// The seed of the log: the same for everybody, so that figures can be compared.
const SEED: u64 = 20_260_110;

/// Measures Correlator: figures and ratios of one session on one machine.
#[derive(Parser)]
struct Arguments {
    /// Lines of the log that is measured on
    #[arg(long, default_value_t = 2_000_000)]
    lines: u64,
    /// Rounds that count; the things compared take turns in each
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Measure the peers that are installed as well, like `--only peers`
    #[arg(long)]
    peers: bool,
    /// Append the figures to this file, as a section of Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The binary to measure [default: the one beside this]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Write the log that is measured on to standard output
    Log {
        /// How its lines begin
        #[arg(long, value_enum, default_value_t = Form::Traditional)]
        form: Form,
    },
    /// Measure in a namespace; what `block` starts there
    #[command(hide = true)]
    Block {
        /// The binary
        binary: PathBuf,
    },
    /// Run sshd's logic without a sandbox; what `tax` compares with
    #[command(hide = true)]
    Native {
        /// The log
        file: PathBuf,
        /// Where the tables go
        output: PathBuf,
        /// The binary, which compiles what is not in the cache
        binary: PathBuf,
        /// The cache
        cache: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Lines per CPU-second, from file to CSV
    Throughput,
    /// The same module in the sandbox and linked natively
    Tax,
    /// 1 against 100 loaded modules
    Crowd,
    /// Start with cached compiled modules
    Start,
    /// Memory of idle modules
    Memory,
    /// What the spool costs where records come from a file
    Spool,
    /// Records over TCP from 16 connections, with state and without
    Tcp,
    /// Datagrams: received and dropped must be sent
    Udp,
    /// From the wire to a row
    Latency,
    /// From the wire to the kernel's set of blocked addresses
    Block,
    /// One module beside another that burns all its fuel
    Blocked,
    /// How long checkpoints of 100 MB hold records up
    Checkpoint,
    /// A restart with a gigabyte of spool to work off
    Replay,
    /// The peers that are installed; not measured unless named
    Peers,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::Log { form }) => log(*form, arguments.lines),
        Some(Command::Native { file, output, binary, cache }) => {
            tax::run_native(file, output, binary, cache)
        }
        Some(Command::Block { binary }) => block::inside(binary),
        None => measure_all(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log(form: Form, lines: u64) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    sshd_log::write(&mut out, form, lines, SEED)?;
    Ok(std::io::Write::flush(&mut out)?)
}

fn measure_all(arguments: &Arguments) -> Result<()> {
    let engine = Engine::new(arguments.binary.as_deref())?;
    let mut report = Report::new(arguments.lines, arguments.rounds);
    measure_files(arguments, &engine, &mut report)?;
    measure_live(arguments, &engine, &mut report)?;
    if arguments.peers || arguments.only.contains(&Part::Peers) {
        let rounds = arguments.rounds.max(1);
        let small = engine.log(Form::Traditional, arguments.lines / 10, SEED)?;
        peers::measure(&engine, &small, rounds, &mut report)?;
        let log = engine.log(Form::Rfc5424, arguments.lines, SEED)?;
        servers::measure(&engine, &log, rounds, &mut report)?;
    }
    print!("\n{}", report.table());
    if let Some(file) = &arguments.markdown {
        report.append(file)?;
    }
    Ok(())
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// Runs over a file, from start to end.
fn measure_files(arguments: &Arguments, engine: &Engine, report: &mut Report) -> Result<()> {
    let log = engine.log(Form::Traditional, arguments.lines, SEED)?;
    let rounds = arguments.rounds.max(1);
    if arguments.wants(Part::Throughput) {
        let modern = engine.log(Form::Rfc5424, arguments.lines, SEED)?;
        throughput::measure(engine, [&log, &modern], rounds, report)?;
    }
    if arguments.wants(Part::Tax) {
        tax::measure(engine, &log, rounds, report)?;
    }
    if arguments.wants(Part::Crowd) {
        crowd::measure(engine, &log, rounds, report)?;
    }
    if arguments.wants(Part::Start) {
        start::measure(engine, rounds, report)?;
    }
    if arguments.wants(Part::Memory) {
        memory::measure(engine, report)?;
    }
    if arguments.wants(Part::Spool) {
        spool::measure(engine, arguments.lines, SEED, rounds, report)?;
    }
    Ok(())
}

/// Engines that go on until they are told to stop.
fn measure_live(arguments: &Arguments, engine: &Engine, report: &mut Report) -> Result<()> {
    let log = engine.log(Form::Rfc5424, arguments.lines, SEED)?;
    let rounds = arguments.rounds.max(1);
    if arguments.wants(Part::Tcp) {
        tcp::measure(engine, &log, rounds, report)?;
    }
    if arguments.wants(Part::Udp) {
        udp::measure(engine, &log, rounds, report)?;
    }
    if arguments.wants(Part::Latency) {
        latency::measure(engine, rounds, report)?;
    }
    if arguments.wants(Part::Block) {
        block::measure(engine, rounds, report)?;
    }
    if arguments.wants(Part::Blocked) {
        blocked::measure(engine, &log, rounds, report)?;
    }
    if arguments.wants(Part::Checkpoint) {
        checkpoint::measure(engine, rounds, report)?;
    }
    if arguments.wants(Part::Replay) {
        replay::measure(engine, &log, rounds, report)?;
    }
    Ok(())
}
