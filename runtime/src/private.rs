//! Files and folders of the state are their owner's alone, whatever the umask says: what guests keep tells of people. And
//! whoever may write there has the engine believe what he likes. This room must never know what is in them.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Whoever is on the machine may change it.
pub(crate) const EVERYBODY_WRITES: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
pub(crate) const ROOT: u32 = 0;

/// How a file is opened to be written, and made if there is none.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(FILE_MODE);
    options
}

/// Makes a folder, with those above it. One that earlier versions made for all to read is closed.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    if is_open(fs::metadata(path)?.mode()) {
        fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))?;
    }
    Ok(())
}

/// Whether anybody but the owner may do anything.
pub(crate) fn is_open(mode: u32) -> bool {
    mode & !FOLDER_MODE & 0o777 != 0
}

/// Refuses a folder that everybody may write or that is somebody else's, and tells where a group may write. One that is not
/// there yet is nobody's.
pub(crate) fn refuse_shared(folder: &Path) -> Result<(), String> {
    let Ok(facts) = fs::metadata(folder) else { return Ok(()) };
    let (shown, user) = (folder.display(), facts.uid());
    if user != ROOT && user != rustix::process::geteuid().as_raw() {
        return Err(format!(
            "{shown} belongs to user {user}, who is neither root nor the engine's: give it to the engine's user (`chown`), or name another folder"
        ));
    }
    if facts.mode() & EVERYBODY_WRITES != 0 {
        return Err(format!(
            "everybody may write the folder {shown}, and so decide what the engine believes it has seen: take that right away (`chmod 700`), or name another folder"
        ));
    }
    if facts.mode() & GROUP_WRITES != 0 {
        tracing::warn!(
            "group {} may write the folder {shown}, and so decide what the engine believes it has seen (`chmod 700` takes that right away)",
            facts.gid()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    use super::{folder, options, refuse_shared};

    #[test]
    fn nobody_else_reads_or_writes_it() {
        let root = std::env::temp_dir().join(format!("correlator-private-{}", std::process::id()));
        let inner = root.join("a/b");
        folder(&inner).expect("a folder");
        let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!((mode(&root), mode(&inner)), (0o700, 0o700));
        options().open(inner.join("file")).expect("a file");
        assert_eq!(mode(&inner.join("file")), 0o600);
        fs::set_permissions(&inner, Permissions::from_mode(0o755)).expect("it is ours");
        folder(&inner).expect("a folder");
        assert_eq!(mode(&inner), 0o700);
        fs::remove_dir_all(root).expect("clean up");
    }

    #[test]
    fn a_folder_of_others_is_refused() {
        let path = std::env::temp_dir().join(format!("correlator-shared-{}", std::process::id()));
        assert_eq!(refuse_shared(&path), Ok(()), "nothing is there yet");
        fs::create_dir_all(&path).expect("a folder");
        let check = |mode, expected: &str| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
            let told = refuse_shared(&path).err().unwrap_or_default();
            assert!(told.starts_with(expected) && told.is_empty() == expected.is_empty(), "{told}");
        };
        for mode in [0o700, 0o755, 0o770] {
            check(mode, "");
        }
        for mode in [0o777, 0o1777, 0o702] {
            check(mode, "everybody may write the folder ");
        }
        // Who is not root can't give it away.
        if chown(&path, Some(12_345), None).is_ok() {
            check(0o700, &format!("{} belongs to user 12345, ", path.display()));
        }
        fs::remove_dir_all(path).expect("clean up");
    }
}
