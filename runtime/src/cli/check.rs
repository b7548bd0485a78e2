//! `correlator check`: is this stack sound, guests and all?

use std::io::ErrorKind;

use correlator_source::net::certificates::{self, TlsError};
use correlator_source::settings::{Door, Source};
use serde_json::json;

use super::load::{Loaded, load};
use super::output::Output;
use super::words::count;
use super::{Common, EXIT_REFUSED, EXIT_WELL, EXIT_WRONG, Failed, StackArguments};

/// Checks a stack and runs nothing.
pub(super) fn check(
    arguments: &StackArguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let loaded = load(arguments, common)?;
    certificates(&loaded.stack.sources)?;
    configure(&loaded)?;
    let stack = loaded.stack;
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

/// Looks whether every source by TLS has what it shows. A key that is closed to who checks may be open to the engine.
fn certificates(sources: &[Source]) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for source in sources {
        let Door::Stream { tls: Some(tls), .. } = &source.door else { continue };
        match certificates::check(tls) {
            Err(TlsError::Io { error, .. }) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => wrong.push(format!("source `{}`: {error}", source.name)),
            Ok(()) => {}
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failed::new(EXIT_WRONG, wrong.join("\nerror: "))) }
}

/// Has every guest take its settings, as a run would: a template that can't be read is known to its listener alone.
fn configure(loaded: &Loaded) -> Result<(), Failed> {
    let stack = &loaded.stack;
    let mut refused = Vec::new();
    for it in &stack.modules {
        let Some(guest) = loaded.guests.get(&it.component) else { continue };
        if let Err(failure) = guest.module(&it.name, &it.settings, &it.limits) {
            refused.push(format!("module `{}` could not be started: {failure}", it.name));
        }
    }
    for it in &stack.listeners {
        let Some(guest) = loaded.guests.get(&it.component) else { continue };
        if let Err(failure) = guest.listener(&it.name, &it.settings, &stack.schemas, &it.limits) {
            refused.push(format!("listener `{}` could not be started: {failure}", it.name));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failed::new(EXIT_REFUSED, refused.join("\nerror: ")))
}
