//! Sets up, then runs every test.

use anyhow::Result;

use crate::{process, setup};

/// `cargo xtask test`.
pub fn run() -> Result<()> {
    setup::require_target()?;
    tests()
}

/// Every test of the workspace. The binary comes first: end-to-end tests start it.
pub fn tests() -> Result<()> {
    process::run_timed("cargo", &["build", "--workspace", "--bins", "--locked"])?;
    process::run_timed("cargo", &["test", "--workspace", "--locked"])
}
