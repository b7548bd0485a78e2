//! Runs a command and says what it cost.
//!
//! CPU time is what the kernel charged the whole process and the children that it waited for, in
//! user and kernel mode: it leaves out what else the machine does, which wall time does not. It must
//! never know what the command is for.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// How often a running process is asked for its memory.
const MEMORY_POLL: Duration = Duration::from_millis(10);

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// In user and kernel mode, all threads and all children together.
    pub cpu: Duration,
    /// The most memory that was resident at once.
    pub memory_peak_bytes: u64,
}

/// Runs a command to its end; fails, with what it said, if it does. One at a time: the kernel sums
/// all children.
pub fn run(command: &mut Command) -> Result<Cost> {
    let cpu_before = children_cpu()?;
    let start = now();
    let child = spawn(command.stdout(Stdio::null()))?;
    let process = child.id();
    let done = AtomicBool::new(false);
    let (output, memory_peak_bytes) = thread::scope(|scope| {
        let peak = scope.spawn(|| watch_peak(process, &done));
        let output = child.wait_with_output();
        done.store(true, Ordering::Relaxed);
        (output, peak.join().unwrap_or(0))
    });
    let wall = start.elapsed();
    let output = output?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed: {}\n{said}", output.status);
    }
    Ok(Cost { wall, cpu: children_cpu()?.saturating_sub(cpu_before), memory_peak_bytes })
}

/// Starts a command whose words are kept for the error message.
pub fn spawn(command: &mut Command) -> Result<Child> {
    command.stderr(Stdio::piped());
    command.spawn().with_context(|| format!("can't start {command:?}"))
}

/// Waits for the end of a process, and says how it ended and what CPU time it took. No other may end meanwhile: the
/// kernel sums all children.
pub fn reap(child: &mut Child) -> Result<(ExitStatus, Duration)> {
    let before = children_cpu()?;
    let status = child.wait()?;
    Ok((status, children_cpu()?.saturating_sub(before)))
}

/// A line such as `VmRSS` of what the kernel says about a process, in bytes.
pub fn memory_bytes(process: u32, line: &str) -> Option<u64> {
    let status = Path::new("/proc").join(process.to_string()).join("status");
    let status = std::fs::read_to_string(status).ok()?;
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))?;
    let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Lets a moment pass.
#[allow(clippy::disallowed_methods, reason = "a process is watched from outside, by polling")]
pub fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// The moment.
#[allow(clippy::disallowed_methods, reason = "measuring is about wall time")]
pub fn now() -> Instant {
    Instant::now()
}

fn watch_peak(process: u32, done: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !done.load(Ordering::Relaxed) {
        peak = memory_bytes(process, "VmHWM").unwrap_or(peak);
        pause(MEMORY_POLL);
    }
    peak
}

fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}
