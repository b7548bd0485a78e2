//! Installs what building needs and this machine lacks.
//!
//! rustup brings all of it, and `rust-toolchain.toml` says what: rustup does so on its own unless
//! it was told not to. It asks for nothing and touches nothing outside rustup's folder.

use std::path::Path;

use anyhow::{Result, bail};

use crate::process;

/// What guests are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// What `cargo xtask check` calls.
const TOOLS: [&str; 2] = ["clippy", "rustfmt"];

/// Brings the target that guests are built for, if it is missing.
pub fn require_target() -> Result<()> {
    if has_target() {
        return Ok(());
    }
    if process::answer("rustup", &["--version"]).is_none() {
        bail!(
            "this Rust can't build for {TARGET}, and there is no rustup to bring it: install \
             https://rustup.rs, or your distribution's package of that target"
        );
    }
    println!("installing the target {TARGET}, which the bundled guests are built for");
    process::run("rustup", &["target", "add", TARGET])
}

/// `cargo xtask setup`.
pub fn run() -> Result<()> {
    require_target()?;
    for tool in TOOLS {
        if process::answer("cargo", &[tool.trim_start_matches("rust"), "--version"]).is_none() {
            println!("installing {tool}, which `cargo xtask check` calls");
            process::run("rustup", &["component", "add", tool])?;
        }
    }
    println!("ready: {}, {TARGET}", process::answer("rustc", &["--version"]).unwrap_or_default());
    Ok(())
}

fn has_target() -> bool {
    process::answer("rustc", &["--print", "target-libdir", "--target", TARGET])
        .is_some_and(|folder| Path::new(&folder).is_dir())
}
