//! `correlator undo`: what was done is taken back, by the engine that runs, or here with what its stack grants.

use std::path::Path;

use clap::Args;
use correlator_store::effect::Effect;
use correlator_world::Capability;

use super::load::load_raw;
use super::output::Output;
use super::place::{self, Place, store, unread, user};
use super::secrets::vault;
use super::{Common, EXIT_LOSSES, EXIT_WRONG, Failed};
use crate::control::Command as Engine;
use crate::stack::Stack;
use crate::stack::grant::Grant;

/// What is undone.
#[derive(Args)]
pub(super) struct Arguments {
    /// The effect, as `correlator effects list` names it.
    effect: String,
    #[command(flatten)]
    place: Place,
}

/// Takes an effect back.
pub(super) fn undo(
    arguments: &Arguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    one(&arguments.effect, &arguments.place, common, output)
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
        let stack = stack(place, common)?;
        let mut capability = granted(&stack, &effect)?;
        let secrets = vault(&stack.credentials, Some(output))?;
        let store = store(folder)?;
        let whose = (effect.listener.as_str(), effect.capability.as_str());
        crate::capability::undo(&store, &mut *capability, &secrets, (id, user()), whose)
            .map_err(|error| Failed::new(EXIT_LOSSES, error))
    };
    place.order(Engine::EffectUndo { id: id.to_owned() }, here, output)
}

/// The stack that is named: it says how the world is reached.
fn stack(place: &Place, common: &Common) -> Result<Stack, Failed> {
    let raw = place.reach.raw()?.ok_or_else(|| {
        Failed::new(
            EXIT_WRONG,
            "no engine is asked, so it takes the stack file to undo anything: it says how the world is reached",
        )
    })?;
    Ok(load_raw(&raw, common)?.stack)
}

/// The capability that did it, as the stack grants it now.
fn granted(stack: &Stack, effect: &Effect) -> Result<Box<dyn Capability>, Failed> {
    let listeners = stack.listeners.iter().filter(|listener| listener.name == effect.listener);
    let mut grants =
        listeners.flat_map(|listener| &listener.grants).filter_map(|grant| match grant {
            Grant::World(grant) if grant.name == effect.capability => Some(grant),
            _ => None,
        });
    let Some(grant) = grants.next() else {
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
