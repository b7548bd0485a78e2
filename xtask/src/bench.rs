//! Builds everything in release and hands over to `bench/`.

use anyhow::Result;

use crate::{process, setup};

/// `cargo xtask bench`; the arguments are the harness's.
pub fn run(arguments: &[String]) -> Result<()> {
    setup::require_target()?;
    process::run_timed("cargo", &["build", "--workspace", "--bins", "--locked", "--release"])?;
    let harness = process::target()?.join("release").join("correlator-bench");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    process::run(&harness.to_string_lossy(), &arguments)
}
