//! `correlator componentize`: the last step of building a guest, so that its author needs no other tool.

use std::fs;
use std::path::PathBuf;

use super::output::Output;
use super::words::bytes;
use super::{Common, EXIT_MACHINE, EXIT_REFUSED, EXIT_WELL, Failed};
use crate::limit::Limits;
use crate::sandbox;

/// What `componentize` understands.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The core module that the compiler made, such as target/wasm32-unknown-unknown/release/mine.wasm.
    #[arg(value_name = "CORE.wasm")]
    core: PathBuf,
    /// Where the component goes [default: the file's name, in this folder].
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Wraps a core module into a component.
pub(super) fn componentize(
    arguments: &Arguments,
    _: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let shown = arguments.core.display();
    let machine = |error| Failed::new(EXIT_MACHINE, format_args!("{shown}: {error}"));
    let core = fs::read(&arguments.core).map_err(machine)?;
    let refused =
        |error: &dyn std::fmt::Display| Failed::new(EXIT_REFUSED, format_args!("{shown}: {error}"));
    let component = sandbox::componentize(&core).map_err(|error| refused(&error))?;
    sandbox::inspect(&component, Limits::default().component_bytes)
        .map_err(|error| refused(&error))?;
    let to = match &arguments.to {
        Some(to) => to.clone(),
        None => PathBuf::from(arguments.core.file_name().unwrap_or_default()),
    };
    if to.exists() && same_file(&to, &arguments.core) {
        return Err(refused(
            &"the component would overwrite the core module; choose another place with --to",
        ));
    }
    fs::write(&to, &component)
        .map_err(|error| Failed::new(EXIT_MACHINE, format_args!("{}: {error}", to.display())))?;
    output.result(&format!("{} ({})\n", to.display(), bytes(component.len() as u64)));
    Ok(EXIT_WELL)
}

fn same_file(one: &std::path::Path, other: &std::path::Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
