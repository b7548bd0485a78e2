//! Builds the bundled guests and lists them.
//!
//! The engine's build script builds them, because the binary carries them; it leaves the
//! components in `target/guests/`.

use std::fs;

use anyhow::{Context, Result};

use crate::{process, setup};

/// `cargo xtask guests`.
pub fn run() -> Result<()> {
    setup::require_target()?;
    process::run("cargo", &["build", "--workspace", "--bins", "--locked"])?;
    let shelf = process::target()?.join("guests");
    let mut rows = Vec::new();
    for entry in fs::read_dir(&shelf).with_context(|| shelf.display().to_string())? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "wasm") {
            rows.push((entry.path(), entry.metadata()?.len()));
        }
    }
    rows.sort();
    println!();
    for (path, size) in rows {
        println!("{:>6} KiB  {}", size.div_ceil(1024), path.display());
    }
    Ok(())
}
