//! Reaching a running engine: which socket is meant, and what it means when nobody answers.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::output::Output;
use super::{EXIT_MACHINE, EXIT_WELL, EXIT_WRONG, Failed};
use crate::control::client::{Client, default_socket, socket_of};
use crate::control::{Command, ControlError};
use crate::limit;
use crate::stack::raw::RawStack;
use crate::text::clean;

/// Names the socket of clients that are told it nowhere else.
const SOCKET_VARIABLE: &str = "CORRELATOR_SOCKET";

/// Which engine is meant.
#[derive(Clone, Args)]
pub(super) struct Reach {
    /// The stack file that the engine was started with: its `control.socket` is asked.
    #[arg(value_name = "STACK", conflicts_with = "socket")]
    stack: Option<PathBuf>,
    /// The engine's control socket [default: `$CORRELATOR_SOCKET`, else where an engine of this user puts it].
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Reach {
    /// The engine's socket.
    fn socket(&self) -> Result<PathBuf, Failed> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        if let Some(raw) = self.raw()? {
            // What would be reached is live: else there is nobody to ask.
            return socket_of(&raw.control(), true, |name| env::var_os(name)).ok_or_else(|| {
                Failed::new(
                    EXIT_WRONG,
                    "an engine with this stack has no control socket; name one in `control.socket`",
                )
            });
        }
        let named = env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let root = rustix::process::geteuid().is_root();
        named.or_else(|| default_socket(|name| env::var_os(name), root)).ok_or_else(|| {
            Failed::new(EXIT_WRONG, "it is not known which engine is meant; name its socket with `--socket` or its stack file")
        })
    }

    /// The stack file, read but not checked, if one is named.
    pub(super) fn raw(&self) -> Result<Option<RawStack>, Failed> {
        let read = self.stack.as_deref().map(RawStack::read).transpose();
        read.map_err(|error| Failed { code: EXIT_WRONG, text: error.render() })
    }

    /// The stack file, if one is named.
    pub(super) fn stack(&self) -> Option<&Path> {
        self.stack.as_deref()
    }

    /// The state folder that the stack file names, if there is a stack file.
    pub(super) fn state_folder(&self) -> Result<Option<PathBuf>, Failed> {
        let Some(raw) = self.raw()? else { return Ok(None) };
        raw.state_folder().map(Some).ok_or_else(|| {
            Failed::new(EXIT_WRONG, "this stack keeps nothing across restarts; it has no `state`")
        })
    }

    /// A connection to the engine.
    pub(super) fn connect(&self) -> Result<Client, Failed> {
        self.try_connect()?.map_err(failed)
    }

    /// A connection to the engine, or why there is none.
    pub(super) fn try_connect(&self) -> Result<Result<Client, ControlError>, Failed> {
        Ok(Client::connect(&self.socket()?))
    }

    /// Tells the engine to do something, and tells what it says to that.
    pub(super) fn tell(&self, command: Command, output: &mut Output) -> Result<u8, Failed> {
        let said = self.connect()?.command(command).map_err(failed)?;
        say(&said, output);
        Ok(EXIT_WELL)
    }
}

/// What an engine said, for whoever asked.
pub(super) fn say(said: &Value, output: &mut Output) {
    if output.json {
        output.value(said);
        return;
    }
    if let Some(message) = said.get("message").and_then(Value::as_str) {
        for line in message.lines() {
            output.result(&format!("{}\n", clean(line, limit::MESSAGE_BYTES_MAX)));
        }
    }
}

/// Ends the command: the engine can't be asked, or says no.
pub(super) fn failed(error: ControlError) -> Failed {
    match error {
        // What the engine says no to may be several lines, such as all that is wrong with a stack.
        ControlError::Told(told) => Failed::new(EXIT_WRONG, told),
        error => Failed::new(EXIT_MACHINE, error),
    }
}
