//! The credentials that a stack's listeners need: looked for before anything begins, and held while the engine works.
//!
//! A confined engine can't reach every place that holds secrets, so what is known to be needed is got before. It must
//! never show one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use correlator_credential::{Settings, Vault, keep_out_of_dumps};
use correlator_world::{NoSecret, Secret, Secrets};

use super::credential::unlock;
use super::output::Output;
use super::{EXIT_WRONG, Failed, prompt};
use crate::stack::Stack;
use crate::stack::grant::Grant;

/// What was got, and where to look for what was not.
struct Held {
    got: HashMap<String, Secret>,
    vault: Vault,
}

impl Secrets for Held {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        self.got.get(name).map_or_else(|| self.vault.get(name), |secret| Ok(secret.clone()))
    }
}

/// Gets the secrets that a stack needs; one message tells all that are missing, and how each is added. `ask` is there
/// while somebody waits who can be asked for a passphrase.
pub(super) fn secrets(stack: &Stack, ask: Option<&mut Output>) -> Result<Arc<dyn Secrets>, Failed> {
    let wrong = |error: &dyn std::fmt::Display| Failed::new(EXIT_WRONG, error);
    let names = needed(stack);
    let vault = vault(&stack.credentials, ask.filter(|_| !names.is_empty()))?;
    if !names.is_empty() {
        if let Err(error) = keep_out_of_dumps() {
            tracing::warn!("what is in memory may end up in a core dump: {error}");
        }
        vault.check(&names).map_err(|lacking| wrong(&lacking))?;
    }
    let mut got = HashMap::new();
    for name in names {
        let secret = vault.get(&name).map_err(|error| wrong(&error))?;
        got.insert(name, secret);
    }
    Ok(Arc::new(Held { got, vault }))
}

/// All places in their order. Where somebody can type, a file that is locked is unlocked.
pub(super) fn vault(settings: &Settings, ask: Option<&mut Output>) -> Result<Vault, Failed> {
    let vault = Vault::open(settings).map_err(|error| Failed::new(EXIT_WRONG, error))?;
    if let Some(output) = ask.filter(|_| prompt::is_terminal()) {
        unlock(&vault, output)?;
    }
    Ok(vault)
}

/// The credentials that the listeners and their grants name.
pub(super) fn needed(stack: &Stack) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for listener in &stack.listeners {
        names.extend(listener.credentials.iter().cloned());
        for grant in &listener.grants {
            if let Grant::World(grant) = grant {
                names.extend(grant.credentials.iter().cloned());
            }
        }
    }
    names
}
