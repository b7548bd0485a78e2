//! Everything that CI asks, in the order in which it answers soonest.
//!
//! `.ci/run` calls this and nothing else, so that what passes here passes there.

use anyhow::Result;

use crate::{links, process, setup, test};

/// `cargo xtask check`.
pub fn run() -> Result<()> {
    setup::run(&[])?;
    process::run_timed("cargo", &["fmt", "--all", "--check"])?;
    licences()?;
    test::tests()?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    process::run_timed("cargo", &clippy)?;
    documentation()?;
    println!("\nall checks passed");
    Ok(())
}

/// Licences, sources and bans need no network. Advisories come from it: what was found out today
/// about a dependency fails the check, a network out of reach does not.
fn licences() -> Result<()> {
    if process::answer("cargo", &["deny", "--version"]).is_none() {
        println!("\ncargo-deny is not installed: licences and advisories are not checked");
        return Ok(());
    }
    process::run_timed(
        "cargo",
        &["deny", "--offline", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"],
    )?;
    if process::run_timed("cargo", &["deny", "fetch", "db"]).is_err() {
        println!("the advisories are out of reach and not checked");
        return Ok(());
    }
    process::run_timed("cargo", &["deny", "--offline", "check", "advisories"])
}

fn documentation() -> Result<()> {
    let strict = "build.rustdocflags=['-Dwarnings']";
    let docs = ["doc", "--workspace", "--no-deps", "--locked", "--config", strict];
    process::run_timed("cargo", &docs)?;
    links::check()
}
