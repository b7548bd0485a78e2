//! `correlator modules`: the guests that come with the program.

use serde_json::{Value, json};

use super::load::{BUNDLED, load_one};
use super::output::Output;
use super::words::bytes;
use super::{Common, EXIT_WELL, Failed};
use crate::declaration::Role;

/// Lists the bundled guests.
pub(super) fn modules(common: &Common, output: &mut Output) -> Result<u8, Failed> {
    let mut rows = Vec::new();
    for (name, component) in BUNDLED {
        let (guest, _) = load_one(name, common)?;
        rows.push((*name, guest.description, component.len()));
    }
    let role = |role: &Role| match role {
        Role::Module { .. } => "module",
        Role::Listener { .. } => "listener",
    };
    if output.json {
        let row = |(name, description, bytes): &(&str, crate::declaration::Description, usize)| {
            json!({
                "name": name,
                "role": role(&description.role),
                "version": description.version,
                "meaning": description.meaning,
                "bytes": bytes,
            })
        };
        output.value(&rows.iter().map(row).collect::<Value>());
        return Ok(EXIT_WELL);
    }
    rows.sort_by_key(|(name, description, _)| (role(&description.role) == "listener", *name));
    for (name, description, size) in &rows {
        output.result(&format!(
            "{:8}  {name:8}  {:6}  {:>9}  {}\n",
            role(&description.role),
            description.version,
            bytes(*size as u64),
            description.meaning
        ));
    }
    output.result("\n`correlator inspect NAME` tells all of one.\n");
    Ok(EXIT_WELL)
}
