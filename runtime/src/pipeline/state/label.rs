//! Labels of a state folder: empty files whose names say something. A bit that turns can't damage one, and it is never there
//! by half. This room must never know what they say.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::private;

/// What the labels say that begin so.
pub(super) fn read(folder: &Path, start: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix(start)).map(str::to_owned));
    }
    Ok(found)
}

/// Puts one there, for good.
pub(super) fn put(folder: &Path, start: &str, says: &str) -> io::Result<()> {
    private::options().truncate(true).open(folder.join(format!("{start}{says}")))?.sync_all()?;
    File::open(folder)?.sync_all()
}
