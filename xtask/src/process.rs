//! Runs a command, says so first, and stops at the first that fails.
//!
//! It must never know what the commands are for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The workspace's folder. Every command runs there, wherever the person stands.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder that cargo builds into: this program lies in a profile's folder of it.
pub fn target() -> Result<PathBuf> {
    let program = std::env::current_exe().context("can't tell where this program lies")?;
    let folder = program.ancestors().nth(2).context("this program lies in no target folder")?;
    Ok(folder.to_owned())
}

/// Runs a command line in the workspace's folder, after printing it; fails if it fails.
pub fn run(program: &str, arguments: &[&str]) -> Result<()> {
    println!("\n$ {program} {}", arguments.join(" "));
    let status = command(program).args(arguments).status();
    let status = status.with_context(|| format!("can't start `{program}`"))?;
    if !status.success() {
        bail!("`{program} {}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}

/// Like [`run`], and says how long it took.
pub fn run_timed(program: &str, arguments: &[&str]) -> Result<()> {
    #[allow(clippy::disallowed_methods, reason = "a chore's duration is wall time")]
    let start = Instant::now();
    run(program, arguments)?;
    println!("({} s)", start.elapsed().as_secs());
    Ok(())
}

/// What a command prints, or nothing if it is not there or fails.
pub fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = command(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}
