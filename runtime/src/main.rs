//! The `correlator` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    correlator::cli::main(std::env::args_os())
}
