//! `correlator undo`: what was done is taken back, by the engine that runs, or here with what its stack grants.

use std::path::{Path, PathBuf};

use clap::Args;
use correlator_store::effect::Effect;
use correlator_world::Capability;

use super::load::load_raw;
use super::output::Output;
use super::place::{self, Place, store, unread, user};
use super::reach::Reach;
use super::secrets::vault;
use super::{Common, EXIT_LOSSES, EXIT_WRONG, Failed};
use crate::capability::can_undo;
use crate::control::Command as Engine;
use crate::pipeline::not_done;
use crate::stack::Stack;
use crate::stack::grant::Grant;

/// What is undone.
#[derive(Args)]
pub(super) struct Arguments {
    /// The effect, as `correlator effects list` names it.
    effect: String,
    #[command(flatten)]
    place: WorldPlace,
}

/// Whose state is meant, and by which stack the world is reached.
#[derive(Args)]
pub(super) struct WorldPlace {
    #[command(flatten)]
    reach: Reach,
    /// The state folder, where no engine runs and it is not the one that the stack file names; the stack file still says how
    /// the world is reached.
    #[arg(long, value_name = "FOLDER", conflicts_with = "socket")]
    state: Option<PathBuf>,
}

impl WorldPlace {
    /// The same, to be looked at.
    pub(super) fn place(&self) -> Place {
        Place { reach: self.reach.clone(), state: self.state.clone() }
    }
}

/// Takes an effect back.
pub(super) fn undo(
    arguments: &Arguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    one(&arguments.effect, &arguments.place.place(), common, output)
}

/// The same, whoever asks for it.
pub(super) fn one(
    id: &str,
    place: &Place,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let here = |folder: &Path, output: &mut Output| {
        let shown = place::reader(folder)?.map_err(unread)?.show(id).map_err(unread)?;
        let gone = || {
            let text = format!("{id} is so old that only the audit trail knows of it");
            Failed::new(EXIT_WRONG, text)
        };
        let effect = shown.effect.ok_or_else(gone)?;
        if let Some(why) = not_done(&effect) {
            return Err(Failed::new(EXIT_WRONG, why));
        }
        let stack = stack(place, common)?;
        let mut capability = granted(&stack, &effect)?;
        let secrets = vault(&stack.credentials, Some(output))?;
        let store = store(folder)?;
        let (what, whose) = ((id, user()), effect.listener.as_str());
        let undone = crate::capability::undo(&store, &mut *capability, &secrets, what, whose);
        // What it is chosen for it can.
        let undone = undone.unwrap_or_else(|| Err(format!("{id} is somebody else's by now")));
        undone.map_err(|error| Failed::new(EXIT_LOSSES, error))
    };
    place.order(Engine::EffectUndo { id: id.to_owned() }, here, output)
}

/// The stack that is named: it says how the world is reached.
fn stack(place: &Place, common: &Common) -> Result<Stack, Failed> {
    let raw = place.reach.raw()?.ok_or_else(|| {
        Failed::new(
            EXIT_WRONG,
            "no engine is asked, so it takes the stack file to undo anything, beside `--state` too: it says how the world is \
             reached",
        )
    })?;
    Ok(load_raw(&raw, common)?.stack)
}

/// The capability that did it, as the stack grants it now; where it does not, one that another listener is granted and
/// that can take it back too.
fn granted(stack: &Stack, effect: &Effect) -> Result<Box<dyn Capability>, Failed> {
    let grants = stack.listeners.iter().flat_map(|listener| {
        let grants = listener.grants.iter().filter_map(|grant| match grant {
            Grant::World(grant) if grant.name == effect.capability => Some(grant),
            _ => None,
        });
        grants.map(|grant| (listener.name == effect.listener, grant))
    });
    let (own, others): (Vec<_>, Vec<_>) = grants.partition(|(is_own, _)| *is_own);
    let Some((_, grant)) = own.first() else {
        let mut others = others.iter().filter(|(_, grant)| !grant.dry_run);
        let found = others.find_map(|(_, grant)| {
            grant.make().ok().filter(|capability| can_undo(&**capability, effect))
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let text = format!(
            "the stack grants no `{}` to a listener `{}`, which did this; name the stack that it was done with",
            effect.capability, effect.listener
        );
        return Err(Failed::new(EXIT_WRONG, text));
    };
    if grant.dry_run {
        let text = format!("`{}` is granted as a dry run: nothing is done or undone", grant.name);
        return Err(Failed::new(EXIT_WRONG, text));
    }
    grant.make().map_err(|error| Failed::new(EXIT_WRONG, format!("{}: {error}", grant.name)))
}
