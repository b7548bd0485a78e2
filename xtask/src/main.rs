//! Set-up, demo, tests and measurements: `cargo xtask COMMAND`.
//!
//! The project's chores are Rust, so that they need nothing but the toolchain that builds it. Each
//! command prints the commands that it runs, and anybody can run those by hand. It must never know
//! how the engine works, only which commands a person would type.
//!
//! # Layout
//! - `process`: runs a command, says so, and stops at the first that fails
//! - `table`: a CSV file in columns
//! - `links`: every link in the project's pages leads somewhere
//! - `peers`: programs of others that tests start
//! - a file for each command: `setup`, `demo`, `test`, `check`, `guests`, `bench`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its job is to tell people things")]

mod process;

mod table;

mod peers;

mod setup;

mod guests;

mod demo;

mod test;

mod links;

mod check;

mod bench;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup      install what building needs and this machine lacks;
             with `--all` the programs of others that tests use, too
  demo       build, run the main job on bundled samples, show what came out
  test       set up, then run every test
  check      what CI runs: format, clippy, tests, docs, licences
  guests     build the bundled guests and list them
  bench      measure, in a release build (`cargo xtask bench --help`)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let takes = matches!(command, "bench" | "setup");
    if !takes && !rest.is_empty() && rest != ["--help"] {
        eprintln!("`cargo xtask {command}` takes no arguments\n\n{USAGE}");
        return ExitCode::from(2);
    }
    let outcome = match command {
        _ if rest == ["--help"] && command != "bench" => help(),
        "setup" => setup::run(rest),
        "demo" => demo::run(),
        "test" => test::run(),
        "check" => check::run(),
        "guests" => guests::run(),
        "bench" => bench::run(rest),
        "help" | "--help" | "-h" => help(),
        unknown => {
            eprintln!("there is no command `{unknown}`\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it has the shape of the other commands")]
fn help() -> anyhow::Result<()> {
    print!("{USAGE}");
    Ok(())
}
