//! From a record on the wire to an entry in the kernel's set, at 10,000 records a second of which some make a block.
//!
//! It all happens in a network namespace of its own, where nobody is in the way: this program starts itself there. When an
//! entry is in the set says the kernel, through `nft monitor`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use crate::engine::Engine;
use crate::live::spawn;
use crate::measure::{now, pause};
use crate::report::Report;
use crate::series::{Series, alternate};

const PORT: u16 = 5_140;
const SEND_STEP: Duration = Duration::from_millis(1);
/// Records a step, the one that makes a block among them.
const RECORDS: u64 = 10;
/// Steps from one block to the next.
const BLOCK_EVERY: u64 = 20;
const STEPS: u64 = 6_000;
/// Blocks before this do not count: guests and caches warm up.
const WARM: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_mins(1);

/// Measures it in a namespace; where that can't be made, it is said why.
pub fn measure(engine: &Engine, rounds: usize, report: &mut Report) -> Result<()> {
    println!("block");
    if let Err(why) = possible() {
        println!("  not measured: {why}");
        return Ok(());
    }
    let this = std::env::current_exe()?;
    let mut tails = Vec::new();
    let [medians] = alternate::<1>(rounds, |_| {
        let script = "ip link set lo up && exec \"$@\"";
        let mut inside = Command::new("unshare");
        inside.args(["--net", "sh", "-c", script, "sh"]).arg(&this).arg("block");
        let output = inside.arg(engine.binary()).stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "in the namespace: {said}");
        let mut figures = said.split_whitespace().map(str::parse::<f64>);
        let mut figure = || figures.next().context("a figure")?.context("a number");
        let median = figure()?;
        tails.push(figure()?);
        Ok(median)
    })?;
    report.add("from the wire to the kernel's set, `batched`, median, ms", &medians, "");
    let tails: Series = tails.iter().skip(1).copied().collect();
    report.add("from the wire to the kernel's set, `batched`, 99 in 100 within, ms", &tails, "5");
    Ok(())
}

fn possible() -> Result<(), String> {
    for (program, flag) in [("nft", "--version"), ("unshare", "--version"), ("ip", "-V")] {
        let answer = Command::new(program).arg(flag).output();
        answer.map_err(|error| format!("{program}: {error}"))?;
    }
    let tried = Command::new("unshare").args(["--net", "true"]).output();
    let tried = tried.map_err(|error| error.to_string())?;
    if tried.status.success() {
        return Ok(());
    }
    Err(format!("no namespace can be made: {}", String::from_utf8_lossy(&tried.stderr).trim()))
}

/// Ends a process that is let go of.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // One that has ended can't be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What runs in the namespace: prints the median and the slowest of 99 in 100, in milliseconds.
pub fn inside(binary: &Path) -> Result<()> {
    let engine = Engine::new(Some(binary))?;
    let state = engine.empty_folder("state")?;
    let stack = engine.place("block.yaml");
    std::fs::write(
        &stack,
        format!(
            "state: {}\ncontrol: {{ socket: none }}\nsources: {{ net: {{ tcp: \"127.0.0.1:{PORT}\" }} }}\n\
             modules: {{ sshd: {{ options: {{ login_failure_limit: 1 }} }} }}\n\
             listeners:\n  firewall:\n    criteria: event == \"attempts_exceeded\"\n\
             \x20   options: {{ set: ssh }}\n    grants: {{ firewall: {{ sets: {{ ssh: {{}} }} }} }}\n",
            state.display()
        ),
    )?;
    let mut run = engine.command(&["run", "--json"]);
    run.arg(&stack);
    let running = spawn(&mut run, &engine.place("summary.json"), &engine.place("complaints"))?;
    let _running = Ends(running);
    let (_monitor, seen) = monitor()?;
    let sent = send(&mut connect()?)?;
    let delays = delays(&sent, &seen)?;
    let at = |percent: usize| delays[(delays.len() * percent / 100).min(delays.len() - 1)];
    println!("{} {}", at(50).as_secs_f64() * 1e3, at(99).as_secs_f64() * 1e3);
    Ok(())
}

/// Connects as soon as the engine listens.
fn connect() -> Result<TcpStream> {
    let since = now();
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => {
                ensure!(since.elapsed() < PATIENCE, "the engine does not listen: {error}");
            }
        }
        pause(Duration::from_millis(10));
    }
}

/// Listens to the kernel: which addresses came into a set, and when that was heard.
fn monitor() -> Result<(Ends, Receiver<(Ipv4Addr, Instant)>)> {
    let mut monitor = Command::new("nft");
    let mut monitor =
        monitor.args(["monitor", "new", "elements"]).stdout(Stdio::piped()).spawn()?;
    let output = monitor.stdout.take().context("its output")?;
    let (tell, seen) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let heard = now();
            let words = line.split(|c: char| !c.is_ascii_digit() && c != '.');
            for address in words.filter_map(|word| word.parse().ok()) {
                if tell.send((address, heard)).is_err() {
                    return;
                }
            }
        }
    });
    Ok((Ends(monitor), seen))
}

/// Sends all, and says when the record of each address was sent.
fn send(stream: &mut TcpStream) -> Result<Vec<(Ipv4Addr, Instant)>> {
    let (mut sent, mut bytes) = (Vec::new(), Vec::new());
    let start = now();
    for step in 0..STEPS {
        bytes.clear();
        let time = Timestamp::from_nanosecond(correlator::clock::now().into())?;
        let address = Ipv4Addr::from(0xc633_0000 + (step / BLOCK_EVERY) as u32);
        for record in 0..RECORDS {
            let makes_one = step % BLOCK_EVERY == 0 && record == RECORDS - 1;
            let words = if makes_one {
                format!("Failed password for root from {address} port 4711 ssh2")
            } else {
                format!("Connection closed by 203.0.113.9 port {record} [preauth]")
            };
            let process = step * RECORDS + record;
            let text = format!("<86>1 {time} gate sshd {process} - - {words}");
            write!(bytes, "{} {text}", text.len())?;
        }
        if step % BLOCK_EVERY == 0 {
            sent.push((address, now()));
        }
        stream.write_all(&bytes)?;
        let due = start + SEND_STEP * (step + 1) as u32;
        pause(due.saturating_duration_since(now()));
    }
    Ok(sent)
}

/// How long each took, in order of that.
fn delays(
    sent: &[(Ipv4Addr, Instant)],
    seen: &Receiver<(Ipv4Addr, Instant)>,
) -> Result<Vec<Duration>> {
    let mut came: HashMap<Ipv4Addr, Instant> = HashMap::new();
    let since = now();
    while sent.iter().any(|(address, _)| !came.contains_key(address)) {
        ensure!(since.elapsed() < PATIENCE, "{} of {} came", came.len(), sent.len());
        if let Ok((address, heard)) = seen.recv_timeout(Duration::from_millis(100)) {
            came.entry(address).or_insert(heard);
        }
    }
    let first = sent.first().context("a block")?.1;
    let counted = sent.iter().filter(|(_, at)| *at - first >= WARM);
    let mut delays: Vec<_> =
        counted.map(|(address, at)| came[address].saturating_duration_since(*at)).collect();
    delays.sort_unstable();
    Ok(delays)
}
