//! A socket in the file system: made with its mode, and removed with its socket.

use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, socket_with};

use super::bind::flags;

/// The file of a socket. It goes when this is dropped, unless it is another's by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// What tells this file from another of the same name.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// Makes a socket there. One that is there already is removed if nobody answers behind it: it was left by a run
    /// that was killed.
    pub fn bind(path: &Path, mode: u32, kind: SocketType) -> Result<(OwnedFd, Self), Errno> {
        let address = SocketAddrUnix::new(path)?;
        remove_stale(path, &address, kind)?;
        let socket = socket_with(AddressFamily::UNIX, kind, flags(), None)?;
        // The file gets this mode when it is made, less what the mask of the process takes away: at no moment anybody
        // can connect who is not to. Where the mask takes too much, it is given back afterwards.
        fchmod(&socket, Mode::from_raw_mode(mode))?;
        bind(&socket, &address)?;
        let mut file = Self { path: path.to_owned(), identity: None };
        file.identity = file.on_disk();
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| errno(&error))?;
        Ok((socket, file))
    }

    fn on_disk(&self) -> Option<(u64, u64)> {
        let facts = fs::symlink_metadata(&self.path).ok()?;
        Some((facts.dev(), facts.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && self.on_disk() == self.identity {
            // If it can't be removed, the next run does so.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket behind which nobody is.
fn remove_stale(path: &Path, address: &SocketAddrUnix, kind: SocketType) -> Result<(), Errno> {
    let Ok(facts) = fs::symlink_metadata(path) else { return Ok(()) };
    if !facts.file_type().is_socket() {
        return Err(Errno::EXIST);
    }
    for asked in [kind, other(kind)] {
        let probe = socket_with(AddressFamily::UNIX, asked, flags(), None)?;
        match connect(&probe, address) {
            Err(Errno::CONNREFUSED) => return fs::remove_file(path).map_err(|error| errno(&error)),
            // It is of the other kind.
            Err(Errno::PROTOTYPE) => {}
            Ok(()) | Err(Errno::AGAIN) => return Err(Errno::ADDRINUSE),
            Err(error) => return Err(error),
        }
    }
    Err(Errno::ADDRINUSE)
}

fn other(kind: SocketType) -> SocketType {
    if kind == SocketType::STREAM { SocketType::DGRAM } else { SocketType::STREAM }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use rustix::io::Errno;
    use rustix::net::{SocketType, listen};

    use super::SocketFile;

    #[test]
    fn it_comes_and_goes() {
        let path = std::env::temp_dir().join(format!("correlator-socket-{}", std::process::id()));
        let kept = path.with_extension("kept");
        for kind in [SocketType::STREAM, SocketType::DGRAM] {
            let (socket, file) = SocketFile::bind(&path, 0o626, kind).expect("bound");
            if kind == SocketType::STREAM {
                listen(&socket, 1).expect("listening");
            }
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o626);
            for again in [SocketType::STREAM, SocketType::DGRAM] {
                let error = SocketFile::bind(&path, 0o600, again).err();
                assert_eq!(error, Some(Errno::ADDRINUSE), "somebody answers");
            }
            // As after a kill: the file stays, and nobody is behind it.
            drop(socket);
            // The old file's number on the disk would be free for the new one otherwise.
            fs::hard_link(&path, &kept).expect("another name");
            let (_socket, newer) = SocketFile::bind(&path, 0o600, kind).expect("a stale one goes");
            drop(file);
            assert!(path.exists(), "the newer one's file stays");
            drop(newer);
            assert!(!path.exists(), "it goes with its owner");
            fs::remove_file(&kept).expect("removed");
        }
        fs::write(&path, "precious").expect("written");
        let error = SocketFile::bind(&path, 0o600, SocketType::STREAM).err();
        assert_eq!(error, Some(Errno::EXIST), "a file is not removed");
        fs::remove_file(&path).expect("removed");
    }
}
