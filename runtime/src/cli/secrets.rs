//! The credentials that a stack's listeners need: looked for before anything begins, and held while the engine works.
//!
//! A confined engine can't reach every place that holds secrets, so what is known to be needed is got before. It must
//! never show one.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use correlator_credential::{Lacking, Settings, Vault, keep_out_of_dumps};
use correlator_world::{NoSecret, Secret, Secrets};

use super::credential::unlock;
use super::output::Output;
use super::{EXIT_WRONG, Failed, prompt};
use crate::stack::Stack;
use crate::stack::grant::Grant;

/// What was got, and where to look for what was not.
pub(super) struct Held {
    got: HashMap<String, Secret>,
    vault: Arc<Vault>,
}

impl Secrets for Held {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        self.got.get(name).map_or_else(|| self.vault.get(name), |secret| Ok(secret.clone()))
    }
}

/// Gets the secrets that a stack needs, which is in `file` if in any; one message tells all that are missing, and how
/// each is added. `ask` is there while somebody waits who can be asked for a passphrase.
pub(super) fn secrets(
    stack: &Stack,
    file: Option<&Path>,
    ask: Option<&mut Output>,
) -> Result<Arc<Held>, Failed> {
    let wrong = |error: &dyn std::fmt::Display| Failed::new(EXIT_WRONG, error);
    let names = needed(stack);
    let vault = vault(&stack.credentials, ask.filter(|_| !names.is_empty()))?;
    if !names.is_empty() {
        if let Err(error) = keep_out_of_dumps() {
            tracing::warn!("what is in memory may end up in a core dump: {error}");
        }
        vault
            .check(&names)
            .map_err(|lacking| wrong(&of_stack(lacking, &stack.credentials, file)))?;
    }
    let mut got = HashMap::new();
    for name in names {
        let secret = vault.get(&name).map_err(|error| wrong(&error))?;
        got.insert(name, secret);
    }
    Ok(Arc::new(Held { got, vault: Arc::new(vault) }))
}

impl Held {
    /// Gets the secrets that a stack needs which takes the place of the one before. The places stay those of the start:
    /// what was unlocked then is unlocked. What can't be reached any more, since the engine is confined, is still known.
    pub(super) fn renewed(&self, stack: &Stack, file: Option<&Path>) -> Result<Arc<Self>, Failed> {
        let (mut got, mut lacking) = (HashMap::new(), Vec::new());
        for name in needed(stack) {
            match (self.vault.get(&name), self.got.get(&name)) {
                (Ok(secret), _) => drop(got.insert(name, secret)),
                (Err(NoSecret::Unreachable(..)), Some(secret)) => {
                    got.insert(name, secret.clone());
                }
                (Err(_), _) => lacking.push(name),
            }
        }
        let Err(lacking) = self.vault.check(&lacking) else {
            return Ok(Arc::new(Self { got, vault: Arc::clone(&self.vault) }));
        };
        let mut words = of_stack(lacking, &stack.credentials, file).to_string();
        if self.vault.is_locked() {
            words.push_str(
                "\nhelp: a passphrase is asked for at a start alone; stop the engine and start it at a terminal",
            );
        }
        Err(Failed::new(EXIT_WRONG, words))
    }
}

/// What is lacking, with what adds it to the places that a stack has of its own.
pub(super) fn of_stack(lacking: Lacking, settings: &Settings, file: Option<&Path>) -> Lacking {
    match file {
        Some(file) if *settings != Settings::default() => lacking.of_stack(file),
        _ => lacking,
    }
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
