//! Small files of the state that are there whole or not at all: written beside, written through, and renamed. They are the
//! operator's business alone. This room must never know what is in them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const MODE: u32 = 0o600;

/// Writes a file in the place of the one before. Until it is whole it has this ending. Two that write it at once are the
/// caller's to keep apart.
///
/// # Errors
/// It can't be written. Then the one before is still there.
pub(crate) fn write(path: &Path, unfinished: &str, bytes: &[u8]) -> io::Result<File> {
    let new = path.with_extension(unfinished);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(MODE).open(&new)?;
    let done =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if let Err(error) = done {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
    Ok(file)
}
