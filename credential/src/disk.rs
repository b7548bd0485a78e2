//! Files that are for one user alone: how they are read, made and replaced.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use zeroize::Zeroizing;

/// What a file of secrets may be: read and written by its owner.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Rights of anybody else.
const OTHERS: u32 = 0o077;
/// The right of anybody else to change what is in a folder.
const OTHERS_WRITE: u32 = 0o022;
/// A folder in which only owners rename and remove.
const STICKY: u32 = 0o1000;

/// Opens a file to read, and waits for nothing: not for the other end of a pipe either.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(wrong("it is no file")) }
}

/// The whole of a file, in memory that is wiped.
pub(crate) fn read(file: &File, bytes_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it, and for a byte that shows it to be too long: memory that grows would leave copies behind.
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(vec![0; len.min(bytes_max) + 1]);
    let mut filled = 0;
    let mut file = file;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if filled == bytes.len() {
        return Err(wrong(&format!(
            "it has more than {bytes_max} bytes, or grows while it is read"
        )));
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Opens a file that nobody else may read or replace; nothing, if it is not there.
pub(crate) fn open_private(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => {
            return Err(wrong(
                "it is a symbolic link, and none is followed; name what it leads to in the stack's `credentials`",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(wrong("it is no file; take it away"));
    }
    let user = rustix::process::geteuid().as_raw();
    if facts.uid() != user && facts.uid() != 0 {
        return Err(wrong(&format!(
            "it belongs to user {}, not to {user}; go on as that user, or `chown {user} {}`",
            facts.uid(),
            path.display()
        )));
    }
    if facts.mode() & OTHERS != 0 {
        return Err(wrong(&format!(
            "others have rights on it (mode {:04o}); `chmod 600 {}`",
            facts.mode() & 0o7777,
            path.display()
        )));
    }
    let folder = std::fs::metadata(folder(path))?;
    if folder.mode() & OTHERS_WRITE != 0 && folder.mode() & STICKY == 0 {
        return Err(wrong(&format!(
            "others may replace it; `chmod go-w {}`",
            self::folder(path).display()
        )));
    }
    Ok(Some(file))
}

/// Makes the folder of a file, if need be: for its owner alone.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder(path))
}

/// Makes a file that is not there yet: whole, or not at all.
pub(crate) fn make(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, MODE)?);
    fill(&file, bytes).and_then(|()| sync_folder(path)).inspect_err(|_| {
        // Half of it is worth nothing. If this fails too, whoever comes next is told.
        let _ = std::fs::remove_file(path);
    })
}

fn fill(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    // What the process takes away from new files' rights must leave these.
    rustix::fs::fchmod(file, MODE)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts a file in the place of another one, whole or not at all. The caller holds the lock.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path, ".new");
    // Left behind by somebody who was stopped in the middle.
    if let Err(error) = std::fs::remove_file(&new)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    make(&new, bytes)?;
    std::fs::rename(&new, path)?;
    sync_folder(path)
}

/// Waits until nobody else changes a file; the lock goes with what is returned.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(beside(path, ".lock"), flags, MODE)?);
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// The path of a file that lies beside another one.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The folder of a file.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn wrong(problem: &str) -> io::Error {
    io::Error::other(problem)
}
