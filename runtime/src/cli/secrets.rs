//! The credentials that a stack's listeners need: looked for before anything begins, and held while the engine works.
//!
//! A confined engine can't reach every place that holds secrets, so what is known to be needed is got before. It must
//! never show one.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use correlator_credential::{Lacking, Settings, Vault, Want, keep_out_of_dumps};
use correlator_world::{NoSecret, Secret, Secrets};

use super::credential::unlock;
use super::output::Output;
use super::{EXIT_WRONG, Failed, prompt};
use crate::stack::Stack;
use crate::stack::grant::Grant;

/// Capabilities that speak HTTP, where a secret is a text on one line.
pub(super) const IN_TEXT: [&str; 3] = ["sms", "webhook", "elastic"];

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
        if let Some(lacking) = lacking(&vault, &names, Some(stack)) {
            return Err(wrong(&of_stack(lacking, &stack.credentials, file)));
        }
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
        let lacking = self.vault.check(&lacking).err();
        let mut wants = lacking.map(|lacking| lacking.wants).unwrap_or_default();
        wants.extend(unfit(stack, &self.vault, |name| got.get(name).cloned()));
        if wants.is_empty() {
            return Ok(Arc::new(Self { got, vault: Arc::clone(&self.vault) }));
        }
        let lacking = Lacking { wants };
        let mut words = of_stack(lacking, &stack.credentials, file).to_string();
        if self.vault.is_locked() {
            words.push_str(
                "\nhelp: a passphrase is asked for at a start alone; stop the engine and start it at a terminal",
            );
        }
        Err(Failed::new(EXIT_WRONG, words))
    }
}

/// What of these can't be got, and what a grant of the stack can do nothing with.
pub(super) fn lacking(
    vault: &Vault,
    names: &BTreeSet<String>,
    stack: Option<&Stack>,
) -> Option<Lacking> {
    let mut wants = vault.check(names).err().map(|lacking| lacking.wants).unwrap_or_default();
    for want in stack.into_iter().flat_map(|stack| unfit(stack, vault, |name| vault.get(name).ok()))
    {
        if wants.iter().all(|other| other.name != want.name) {
            wants.push(want);
        }
    }
    if wants.is_empty() { None } else { Some(Lacking { wants }) }
}

/// What there is and would be refused for good when it is needed.
fn unfit(stack: &Stack, vault: &Vault, got: impl Fn(&str) -> Option<Secret>) -> Vec<Want> {
    let mut wants: Vec<Want> = Vec::new();
    for grant in stack.listeners.iter().flat_map(|listener| &listener.grants) {
        let Grant::World(grant) = grant else { continue };
        for name in grant.credentials.iter().filter(|_| IN_TEXT.contains(&grant.name)) {
            let is_told = wants.iter().any(|want| want.name == *name);
            if is_told || got(name).is_none_or(|secret| is_line(&secret)) {
                continue;
            }
            wants.push(Want {
                name: name.clone(),
                unreachable: false,
                why: format!("it is no text on one line, which `{}` needs", grant.name),
                command: vault.replacing(name),
            });
        }
    }
    wants
}

/// Whether a secret can stand in a header or a URL. The end of its line may, which nobody meant.
pub(super) fn is_line(secret: &Secret) -> bool {
    let text = secret.reveal_text().map(|text| text.trim_end_matches(['\r', '\n']));
    text.is_some_and(|text| !text.is_empty() && !text.contains(char::is_control))
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

#[cfg(test)]
mod tests {
    use correlator_world::Secret;

    use super::is_line;

    #[test]
    fn a_text_on_one_line_is_told_from_what_is_none() {
        let check = |bytes: &[u8], expected: bool| {
            assert_eq!(is_line(&Secret::new(bytes.to_vec())), expected, "{}", bytes.escape_ascii());
        };
        check(b"word", true);
        check("wört\r\n".as_bytes(), true);
        check(b"two\nlines", false);
        check(b"a\0b", false);
        check(b"\xff", false);
        check(b"\n", false);
    }
}
