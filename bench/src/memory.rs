//! What the engine holds in memory when its modules have nothing to do, and what one more module adds.

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::crowd;
use crate::engine::Engine;
use crate::measure::{memory_bytes, now, pause, spawn};
use crate::report::Report;
use crate::series::Series;

/// Modules in the smaller and in the larger engine.
const FEW: usize = 10;
const MANY: usize = 60;

/// An engine whose memory has not changed for so many looks in a row is idle.
const STEADY_LOOKS: usize = 10;
const LOOK: Duration = Duration::from_millis(50);
const IDLE_AFTER_MAX: Duration = Duration::from_mins(1);

/// Measures engines that wait for standard input.
pub fn measure(engine: &Engine, report: &mut Report) -> Result<()> {
    println!("memory");
    let quiet = crowd::make_quiet(engine, MANY - 1)?;
    let mut modules = vec!["sshd"];
    modules.extend(quiet.iter().map(String::as_str));
    // The first run compiles.
    idle_bytes(engine, &modules)?;
    let few = idle_bytes(engine, &modules[..FEW])? as f64 / 1e6;
    let many = idle_bytes(engine, &modules)? as f64 / 1e6;
    let one = |figure: f64| -> Series { [figure].into_iter().collect() };
    report.add("memory with 10 idle modules, MB", &one(few), "60");
    report.add("each more, MB", &one((many - few) / (MANY - FEW) as f64), "1");
    Ok(())
}

/// Starts an engine, gives it one line so that every room has been walked through, and waits until it is still.
fn idle_bytes(engine: &Engine, modules: &[&str]) -> Result<u64> {
    let mut command = engine.run(modules, "-".as_ref())?;
    let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::null()))?;
    let outcome = feed(&mut child).and_then(|()| steady(&mut child));
    drop(child.stdin.take());
    let end = child.wait_with_output()?;
    ensure!(end.status.success(), "{command:?}: {}", String::from_utf8_lossy(&end.stderr));
    outcome
}

fn feed(child: &mut Child) -> Result<()> {
    let input = child.stdin.as_mut().context("the engine has an input")?;
    Ok(writeln!(input, "Jan 10 06:00:00 gate sshd[1]: Connection closed by 192.0.2.1 port 1024")?)
}

fn steady(child: &mut Child) -> Result<u64> {
    let start = now();
    let (mut last, mut looks) = (0, 0);
    while looks < STEADY_LOOKS {
        ensure!(start.elapsed() < IDLE_AFTER_MAX, "the engine does not come to rest");
        ensure!(child.try_wait()?.is_none(), "the engine ended before its input did");
        let bytes = memory_bytes(child.id(), "VmRSS").context("the engine has memory")?;
        looks = if bytes == last { looks + 1 } else { 0 };
        last = bytes;
        pause(LOOK);
    }
    Ok(last)
}
