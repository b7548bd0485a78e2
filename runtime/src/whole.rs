//! Small files of the state that are there whole or not at all: written beside, written through, and renamed. They are the
//! operator's business alone. This room must never know what is in them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::private;

/// Writes a file in the place of the one before. Until it is whole it has this ending. Two that write it at once are the
/// caller's to keep apart.
///
/// # Errors
/// It can't be written. Then the one before is still there.
pub(crate) fn write(path: &Path, unfinished: &str, bytes: &[u8]) -> io::Result<File> {
    let new = path.with_extension(unfinished);
    let mut file = private::options().truncate(true).open(&new)?;
    let done =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if let Err(error) = done {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
    Ok(file)
}
