//! How people and programs reach a running engine: a socket, metrics, and the service manager.
//!
//! This room asks the engine and tells what it answers; it must never know how the engine works, and a client that is
//! stuck, hostile or gone must never cost the engine more than one slot for one timeout.
//!
//! # Layout
//! - `protocol`: a request and its answer, a line of JSON each
//! - `bounded`: reading and writing with an end in bytes and in time
//! - `socket`: the control socket's file, and who may talk through it
//! - [`client`]: asking, from another process
//! - `http`, [`metrics`]: the status as Prometheus wants it
//! - [`server`]: all of it on behalf of one engine
//! - [`notify`]: what the service manager is told

pub mod client;
pub mod metrics;
pub mod notify;
pub mod server;

mod bounded;
mod http;
mod protocol;
mod socket;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::status::Status;

/// What can be asked of a running engine. It is called by several threads at once.
pub trait Engine: Sync {
    /// How it fares. This is asked every second by whoever watches, so it must be cheap and must not wait for a guest.
    fn status(&self) -> Status;

    /// Does what the user of this id tells it, and returns what there is to say about it: an object, with `message` for
    /// people.
    ///
    /// # Errors
    /// Why it was not done, in words for the operator.
    fn command(&self, command: Command, by: u32) -> Result<Value, String>;
}

/// What a running engine can be told to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Read the stack anew and take up what changed.
    Reload,
    /// Let a module or listener work that was put off.
    Enable {
        /// Its name in the stack.
        name: String,
    },
    /// Put a module or listener off; it keeps its state and its position.
    Disable {
        /// Its name in the stack.
        name: String,
    },
    /// Let a guest go on that was suspended because it kept failing.
    Release {
        /// Its name in the stack.
        name: String,
    },
    /// Save all state now.
    Checkpoint,
    /// End in good order.
    Stop,
    /// Hand a record or an event that was set aside to its guest once more.
    DeadRetry {
        /// The letter's id.
        id: String,
    },
    /// Forget what was set aside.
    DeadDrop {
        /// The letter's id.
        id: String,
    },
    /// Ask the world for an effect once more.
    EffectRetry {
        /// The effect's id.
        id: String,
    },
    /// Give an effect up.
    EffectDrop {
        /// The effect's id.
        id: String,
    },
    /// Give up all effects that wait of these; what is not named is of any.
    EffectDropAll {
        /// The listener.
        listener: Option<String>,
        /// The capability.
        capability: Option<String>,
        /// The endpoint.
        endpoint: Option<String>,
    },
    /// Have the world take an effect back.
    EffectUndo {
        /// The effect's id.
        id: String,
    },
}

/// Why an engine can't be reached, or can't be made reachable.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Another engine has this socket.
    #[error(
        "an engine runs there already: {} answers; stop it with `correlator stop --socket {}`, or give this one another `control.socket`",
        path.display(), path.display()
    )]
    Taken {
        /// The socket's file.
        path: PathBuf,
    },
    /// Something that is not a socket has the socket's name.
    #[error(
        "the control socket {} can't be made: something else has that name; remove it or change `control.socket`",
        path.display()
    )]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// The socket can't be made.
    #[error("the control socket {} can't be made: {error}; `control.socket` names another", path.display())]
    Socket {
        /// The socket's file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The address for metrics can't be had.
    #[error(
        "metrics can't be served on {address}: {error}; `control.metrics` names another address"
    )]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// What the server needs of the system could not be had.
    #[error("the control server can't work: {0}")]
    System(io::Error),
    /// No engine answers.
    #[error(
        "no engine runs at {}; start one with `correlator run`, or name its socket with `--socket`",
        path.display()
    )]
    Nobody {
        /// The socket's file.
        path: PathBuf,
    },
    /// The system keeps us out.
    #[error(
        "the engine at {} can't be reached: {error}; its own user and root may ask it",
        path.display()
    )]
    Refused {
        /// The socket's file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The engine does not answer as it should.
    #[error("the engine at {} gave no answer: {error}", path.display())]
    Answer {
        /// The socket's file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The engine answered that it would not.
    #[error("{0}")]
    Told(String),
}
