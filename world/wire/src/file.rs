//! A file that the operator names, opened without waiting for anybody: to open a pipe waits for whoever writes to it, for
//! ever if nobody does.
//!
//! It must never know what is in the file.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a file to read.
///
/// # Errors
/// It can't be opened, or it is something else than a file: the error says what.
pub fn open(path: &Path) -> io::Result<File> {
    // What is something else is best not even opened; it may become that meanwhile.
    regular(&fs::metadata(path)?)?;
    let file = open_at_once(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens whatever a path names to read, without waiting for anything.
///
/// # Errors
/// It can't be opened.
pub fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// What something is that is no file.
#[must_use]
pub fn not_a_file(facts: &Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

fn regular(facts: &Metadata) -> io::Result<()> {
    let told =
        |what| io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a file"));
    not_a_file(facts).map(told).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::open;

    #[test]
    fn nothing_but_files_is_opened_and_nobody_waits() {
        let folder = std::env::temp_dir().join(format!("correlator-file-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let (pipe, socket, file) =
            (folder.join("pipe"), folder.join("socket"), folder.join("file"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
        let _listener = UnixListener::bind(&socket).expect("a socket");
        std::fs::write(&file, "text").expect("a file");
        let link = folder.join("link");
        std::os::unix::fs::symlink(&pipe, &link).expect("a link");
        let check = |path: &Path, expected: &str| {
            let error = open(path).expect_err("no file").to_string();
            assert!(error.contains(expected), "{}: {error}", path.display());
        };
        check(&pipe, "it is a pipe, not a file");
        check(&link, "it is a pipe, not a file");
        check(&socket, "it is a socket, not a file");
        check(&folder, "it is a folder, not a file");
        check(Path::new("/dev/null"), "it is a device, not a file");
        check(&folder.join("gone"), "No such file");
        let mut text = String::new();
        open(&file).and_then(|mut file| file.read_to_string(&mut text)).expect("a file");
        assert_eq!(text, "text");
        std::fs::remove_dir_all(folder).expect("clean up");
    }
}
