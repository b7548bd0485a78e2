//! `correlator check`: is this stack sound, guests and all?

use serde_json::json;

use super::load::load;
use super::output::Output;
use super::words::count;
use super::{Common, EXIT_WELL, Failed, StackArguments};

/// Checks a stack and runs nothing.
pub(super) fn check(
    arguments: &StackArguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let stack = load(arguments, common)?.stack;
    let warnings: Vec<_> = stack.warnings.iter().map(ToString::to_string).collect();
    if output.json {
        output.value(&json!({
            "sources": stack.sources.len(),
            "modules": stack.modules.len(),
            "listeners": stack.listeners.len(),
            "warnings": warnings,
        }));
        return Ok(EXIT_WELL);
    }
    for warning in &stack.warnings {
        output.note(&warning.render());
    }
    output.result(&format!(
        "sound: {}, {}, {}\n",
        count(stack.sources.len() as u64, "source"),
        count(stack.modules.len() as u64, "module"),
        count(stack.listeners.len() as u64, "listener"),
    ));
    Ok(EXIT_WELL)
}
