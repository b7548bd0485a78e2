//! What a running engine is told to do: `correlator reload`, `stop`, `checkpoint`, `modules enable|disable|release`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::Output;
use super::reach::{Reach, failed, say};
use super::{Common, EXIT_MACHINE, EXIT_WELL, Failed, modules};
use crate::control::Command;
use crate::limit;

/// `correlator modules`, which by itself lists the bundled ones.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ModulesArguments {
    #[command(subcommand)]
    command: Option<InstanceCommand>,
}

#[derive(Subcommand)]
enum InstanceCommand {
    /// Let a module or listener of a running engine work again.
    Enable(Instance),
    /// Put a module or listener of a running engine off; it keeps its state and its position. With `state` in the stack it
    /// stays off when the engine is started anew.
    Disable(Instance),
    /// Let a module or listener go on that was suspended because it kept failing.
    Release(Instance),
}

#[derive(Args)]
struct Instance {
    /// Its name in the stack.
    name: String,
    #[command(flatten)]
    reach: Reach,
}

/// Lists the bundled guests, or tells a running engine what to do with one of its own.
pub(super) fn modules(
    arguments: &ModulesArguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let name = |instance: &Instance| instance.name.clone();
    let (reach, command) = match &arguments.command {
        None => return modules::modules(common, output),
        Some(InstanceCommand::Enable(it)) => (&it.reach, Command::Enable { name: name(it) }),
        Some(InstanceCommand::Disable(it)) => (&it.reach, Command::Disable { name: name(it) }),
        Some(InstanceCommand::Release(it)) => (&it.reach, Command::Release { name: name(it) }),
    };
    reach.tell(command, output)
}

/// Ends an engine in good order, and waits until it has.
pub(super) fn stop(reach: &Reach, output: &mut Output) -> Result<u8, Failed> {
    let mut client = reach.connect()?;
    let said = client.command(Command::Stop).map_err(failed)?;
    if !client.wait_for_end(limit::ENGINE_COMMAND_TIME) {
        let minutes = limit::ENGINE_COMMAND_TIME.as_secs() / 60;
        let text = format!("the engine was told to end, but has not within {minutes} minutes");
        return Err(Failed::new(EXIT_MACHINE, text));
    }
    let said = if said.get("message").is_some() { said } else { json!({ "message": "stopped" }) };
    say(&said, output);
    Ok(EXIT_WELL)
}
