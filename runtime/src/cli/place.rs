//! Where what an engine keeps lies: in a state folder that is named, in that of a stack, or in that of the engine that runs.
//!
//! To look takes no engine. What changes anything is done by the engine that runs, or here if none does.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use correlator_store::error::StoreError;
use correlator_store::reader::Reader;
use correlator_store::settings::Settings;
use correlator_store::store::Store;
use serde_json::json;

use super::output::Output;
use super::reach::{Reach, failed, say};
use super::{EXIT_MACHINE, EXIT_WELL, EXIT_WRONG, Failed};
use crate::clock;
use crate::control::{Command, ControlError};
use crate::pipeline::state::version;

/// The store's folder in a state folder.
const STORE: &str = "store";

/// Whose state is meant.
#[derive(Args)]
pub(super) struct Place {
    #[command(flatten)]
    pub(super) reach: Reach,
    /// The state folder, where no engine runs to tell.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["stack", "socket"])]
    pub(super) state: Option<PathBuf>,
}

impl Place {
    /// The state folder.
    pub(super) fn folder(&self) -> Result<PathBuf, Failed> {
        folder(&self.reach, self.state.as_deref())
    }

    /// The store, to be asked.
    pub(super) fn reader(&self) -> Result<Reader, Failed> {
        reader(&self.folder()?)?.map_err(unread)
    }

    /// Has the engine that runs do something; where none runs, it is done here.
    pub(super) fn order(
        &self,
        command: Command,
        here: impl FnOnce(&Path, &mut Output) -> Result<String, Failed>,
        output: &mut Output,
    ) -> Result<u8, Failed> {
        if self.state.is_none() {
            match self.reach.try_connect()? {
                Ok(mut client) => {
                    say(&client.command(command).map_err(failed)?, output);
                    return Ok(EXIT_WELL);
                }
                // Without an engine to ask, a stack file still says where its state is.
                Err(ControlError::Nobody { .. }) if self.reach.stack().is_some() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let done = here(&self.folder()?, output)?;
        say(&json!({ "message": done }), output);
        Ok(EXIT_WELL)
    }
}

/// The state folder that is named, that of the stack, or that of the engine that runs; not if a newer program has it.
pub(super) fn folder(reach: &Reach, state: Option<&Path>) -> Result<PathBuf, Failed> {
    let folder = named(reach, state)?;
    version::check(&folder).map_err(|error| Failed::new(EXIT_MACHINE, error))?;
    Ok(folder)
}

fn named(reach: &Reach, state: Option<&Path>) -> Result<PathBuf, Failed> {
    if let Some(folder) = state {
        return Ok(folder.to_owned());
    }
    if let Some(folder) = reach.state_folder()? {
        return Ok(folder);
    }
    let status = reach.connect()?.status().map_err(failed)?;
    status.state.map(PathBuf::from).ok_or_else(|| {
        Failed::new(
            EXIT_WRONG,
            "this engine keeps nothing across restarts; add `state` to its stack",
        )
    })
}

/// The store of a state folder, to be asked; the inner error is that of the store.
pub(super) fn reader(state: &Path) -> Result<Result<Reader, StoreError>, Failed> {
    Ok(Reader::open(&there(state)?.join(STORE)))
}

/// A state folder that is there: in one that is not, nothing is to be found, and that would be no answer.
pub(super) fn there(state: &Path) -> Result<&Path, Failed> {
    let looked = state.metadata().and_then(|facts| {
        if facts.is_dir() { Ok(state) } else { Err(io::Error::other("it is no folder")) }
    });
    looked.map_err(|error| {
        let text = format!("the state folder {} can't be read: {error}", state.display());
        Failed::new(EXIT_WRONG, text)
    })
}

/// The store of a state folder, to be written: no engine runs.
pub(super) fn store(state: &Path) -> Result<Store, Failed> {
    // Where there is none, none is made.
    reader(state)?.map_err(unread)?;
    let opened = Store::open(&state.join(STORE), Settings::default(), clock::now());
    let (store, recovery) = opened.map_err(unread)?;
    if let Some(torn) = &recovery.torn {
        tracing::error!("the audit trail does not fit its anchor: {torn}");
    }
    Ok(store)
}

/// Ends the command: the store can't be asked, or says no.
pub(super) fn unread(error: StoreError) -> Failed {
    let code = match error {
        StoreError::Unknown { .. }
        | StoreError::NotNow { .. }
        | StoreError::Undoing { .. }
        | StoreError::Missing { .. }
        | StoreError::Locked { .. } => EXIT_WRONG,
        _ => EXIT_MACHINE,
    };
    Failed::new(code, error)
}

/// Who orders.
pub(super) fn user() -> correlator_store::entry::By {
    correlator_store::entry::By::User(rustix::process::getuid().as_raw())
}
