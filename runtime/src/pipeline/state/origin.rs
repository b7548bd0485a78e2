//! Which engine asks, of all that may ask the same world: a part of the name of everything that is asked for.
//!
//! Machines with the same stack read logs of the same name, and their rows may go to one table, where a name that is known
//! is a row that is there. A state folder remembers where it was begun, in the name of an empty file as with its version,
//! so that what is asked for again after a crash has the name that it had, whatever the machine is called by then.
//! This room must never know what is asked for.

use std::fs;
use std::io;
use std::path::Path;

use super::label;
use crate::pipeline::RunError;

/// What the file's name begins with.
const NAME: &str = "origin-";
/// Bytes of a hash that tell one from another.
const BYTES: usize = 4;
/// What no two installed systems have in common. A container may have none, but has a name.
const MACHINE_ID: &str = "/etc/machine-id";

/// Of a run that keeps nothing.
pub(crate) fn of_machine() -> String {
    let id = fs::read(MACHINE_ID).unwrap_or_default();
    // What the id is told to others by must not lead back to it.
    let mut hash = blake3::Hasher::new_derive_key("correlator origin of what is asked for");
    hash.update(&id).update(b"\0").update(rustix::system::uname().nodename().to_bytes());
    hash.finalize().to_hex()[..2 * BYTES].to_owned()
}

/// Of a state folder; it is remembered there before anything is asked for.
///
/// # Errors
/// The folder can't be read or written.
pub(crate) fn of_state(folder: &Path) -> Result<String, RunError> {
    let failed = |error: io::Error| {
        RunError::State(format!("can't tell where the state {} began: {error}", folder.display()))
    };
    let is_one = |origin: &String| {
        origin.len() == 2 * BYTES && origin.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    // The least of several, so that it is always the same.
    if let Some(found) = label::read(folder, NAME).map_err(failed)?.into_iter().filter(is_one).min()
    {
        return Ok(found);
    }
    let origin = of_machine();
    label::put(folder, NAME, &origin).map_err(failed)?;
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{of_machine, of_state};

    #[test]
    fn a_state_remembers_where_it_was_begun() {
        let name = format!("correlator-origin-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        assert!(of_state(&folder).is_err(), "there is no such folder");
        fs::create_dir_all(&folder).expect("a folder");
        let check = |expected: &str| assert_eq!(of_state(&folder).expect("an origin"), expected);
        fs::write(folder.join("origin-x"), "").expect("a file");
        check(&of_machine());
        assert!(folder.join(format!("origin-{}", of_machine())).is_file());
        check(&of_machine());
        // It comes from elsewhere.
        fs::remove_file(folder.join(format!("origin-{}", of_machine()))).expect("removed");
        fs::write(folder.join("origin-0123abcd"), "").expect("a file");
        check("0123abcd");
        fs::remove_dir_all(folder).expect("clean up");
    }
}
