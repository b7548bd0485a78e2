//! The control socket's file, and who may talk through it.
//!
//! The file is its owner's alone (mode 0600), and the kernel says who is at the other end besides: nobody but the
//! engine's own user and root. A socket that a dead engine left behind is replaced; one that answers never is.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::ControlError;

const SOCKET_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// What the lock's and the new socket's names end in. The lock's file stays: to remove it would let two have it.
const LOCK: &str = ".lock";
const NEW: &str = ".new";

/// A control socket that listens. Its file goes when this does.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Which file is ours: another engine may have been given the name since.
    inode: (u64, u64),
    /// Held for as long as the socket is ours.
    _lock: File,
}

/// Makes the socket.
pub(super) fn bind(path: &Path) -> Result<Socket, ControlError> {
    let failed = |error| ControlError::Socket { path: path.to_owned(), error };
    let taken = || ControlError::Taken { path: path.to_owned() };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed)?;
    }
    // Two engines that start at once must not both find the same socket dead.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(SOCKET_MODE);
    let lock = options.open(beside(path, LOCK)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken()),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(facts) if !facts.file_type().is_socket() => {
            return Err(ControlError::Occupied { path: path.to_owned() });
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(taken()),
            // Nobody listens: whoever made it is dead.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(failed(error)),
        },
    }
    // Made under another name, so that nobody can come before the mode is right; the rename replaces a dead one at once.
    let new = beside(path, NEW);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&new).map_err(failed)?;
    let made = fs::set_permissions(&new, Permissions::from_mode(SOCKET_MODE))
        .and_then(|()| fs::symlink_metadata(&new))
        .and_then(|facts| fs::rename(&new, path).map(|()| facts));
    let facts = made.inspect_err(|_| drop(fs::remove_file(&new))).map_err(failed)?;
    let inode = (facts.dev(), facts.ino());
    Ok(Socket { listener, path: path.to_owned(), inode, _lock: lock })
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|facts| (facts.dev(), facts.ino()) == self.inode);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The user at the other end, if it is this process's own or root: others may not ask.
pub(super) fn who_asks(stream: &UnixStream) -> Option<u32> {
    let peer = rustix::net::sockopt::socket_peercred(stream).ok()?;
    let may = peer.uid.is_root() || peer.uid == rustix::process::geteuid();
    may.then(|| peer.uid.as_raw())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;

    use super::{bind, who_asks};
    use crate::control::ControlError;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("correlator-socket-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_socket_is_its_owners_and_goes_with_it() {
        let folder = folder("mode");
        let path = folder.join("deep/control.sock");
        let socket = bind(&path).expect("bound");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let client = UnixStream::connect(&path).expect("connected");
        let (accepted, _) = socket.listener.accept().expect("accepted");
        let user = Some(rustix::process::geteuid().as_raw());
        assert_eq!((who_asks(&accepted), who_asks(&client)), (user, user));
        drop(socket);
        assert!(!path.exists());
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let folder = folder("stale");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("control.sock");
        drop(UnixListener::bind(&path).expect("a dead one"));
        let socket = bind(&path).expect("replaced");
        assert!(matches!(bind(&path), Err(ControlError::Taken { .. })));
        drop(socket);
        // A stranger's that answers, though it holds no lock.
        let stranger = UnixListener::bind(&path).expect("a live one");
        let error = bind(&path).err().expect("taken").to_string();
        assert!(error.contains("runs there already"), "{error}");
        drop(stranger);
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "precious").expect("a file");
        assert!(matches!(bind(&path), Err(ControlError::Occupied { .. })));
        assert_eq!(fs::read(&path).expect("still there"), b"precious");
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn another_engines_socket_is_left_alone() {
        let folder = folder("other");
        let path = folder.join("control.sock");
        let socket = bind(&path).expect("bound");
        fs::remove_file(&path).expect("somebody cleaned up");
        let other = UnixListener::bind(&path).expect("another came");
        drop(socket);
        assert!(path.exists());
        drop(other);
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn where_there_can_be_no_socket_the_place_is_named() {
        let check = |path: PathBuf| {
            let error = bind(&path).err().expect("an error").to_string();
            assert!(error.contains(path.to_str().expect("a name")), "{error}");
        };
        check(PathBuf::from("/proc/none/control.sock"));
        check(std::env::temp_dir().join("x".repeat(150)));
        let _ = fs::remove_file(std::env::temp_dir().join("x".repeat(150) + ".lock"));
    }
}
