//! Of which version a state folder is: what has an older program leave alone what a newer one wrote.
//!
//! To a program that does not know its layout, a newer frame, ledger or checkpoint looks like a damaged one, and what is
//! damaged is cut off or passed over. A version inside of what is kept would not help, since one bit makes another version
//! of it. So the version of all that is kept stands in the name of an empty file, `version-2`, which is there before
//! anything newer is; a folder without one is of the first. The store has a version of its own, as databases have.
//!
//! Whoever changes how anything in the folder is written counts `KNOWN` up. This room must never know what is in it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use correlator_store::store::Store;

use super::label;
use crate::pipeline::RunError;
use crate::private;

/// The version of spools, ledgers, checkpoints, journals and dead letters as this program writes them.
const KNOWN: u32 = 1;
/// What is there where no file says so.
const FIRST: u32 = 1;
/// What the file's name begins with.
const NAME: &str = "version-";

/// Refuses a state folder that a newer program has written, and touches nothing.
///
/// # Errors
/// It is too new, or can't be looked at.
pub fn check(folder: &Path) -> Result<(), RunError> {
    find(folder, KNOWN)?;
    Store::refuse_newer(&folder.join("store")).map_err(|error| RunError::State(error.to_string()))
}

/// Makes a state folder one of this version, unless it is too new or shared: from now on no older program touches it.
pub(crate) fn take(folder: &Path) -> Result<(), RunError> {
    check(folder)?;
    private::refuse_shared(folder).map_err(RunError::State)?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        let folder = folder.display();
        let text =
            format!("the state folder {folder} can't be made: {error}; `state` names another");
        RunError::State(text)
    })?;
    raise(folder, KNOWN)
}

/// Says that a folder is of this version, before anything in it is.
fn raise(folder: &Path, known: u32) -> Result<(), RunError> {
    if find(folder, known)? == known {
        return Ok(());
    }
    label::put(folder, NAME, &known.to_string()).map_err(|error| {
        let path = folder.join(format!("{NAME}{known}"));
        RunError::State(format!("can't write {}: {error}", path.display()))
    })
}

/// Of which version a folder is, if that is not above what is known.
fn find(folder: &Path, known: u32) -> Result<u32, RunError> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let labels = match label::read(folder, NAME) {
        Ok(labels) => labels,
        // That it is no folder is told by whoever wants one.
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(FIRST),
        Err(error) => {
            let why = format!("can't list the state {}: {error}", folder.display());
            return Err(RunError::State(why));
        }
    };
    let found = labels.iter().filter_map(|label| said(label)).fold(FIRST, u32::max);
    if found > known {
        return Err(RunError::State(format!(
            "the state {} is of version {found} and this program knows {known}: run the newer program, or name another folder",
            folder.display()
        )));
    }
    Ok(found)
}

/// The version that a label tells.
fn said(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // More than can be counted to is newer, too.
    plain.then(|| digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{KNOWN, check, find, raise, take};

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("correlator-version-{}-{name}", std::process::id()))
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_a_newer_program_took_an_older_one_leaves_alone() {
        let folder = folder("newer");
        assert!(find(&folder, 1).is_ok_and(|found| found == 1), "nothing is there yet");
        fs::create_dir_all(&folder).expect("a folder");
        raise(&folder, 1).expect("the first");
        assert_eq!(names(&folder), [""; 0], "the first needs no file");
        for version in [2, 3] {
            raise(&folder, version).expect("a newer one");
            raise(&folder, version).expect("the same again");
        }
        assert!(find(&folder, 3).is_ok_and(|found| found == 3));
        let before = names(&folder);
        for refused in [find(&folder, 2).map(|_| ()), raise(&folder, 2), check(&folder)] {
            let said = refused.expect_err("it is newer").to_string();
            assert!(said.contains("is of version 3 and this program knows "), "{said}");
            assert!(said.ends_with(": run the newer program, or name another folder"), "{said}");
        }
        assert_eq!(names(&folder), before);
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn versions_stand_in_names() {
        let check = |name: &str, expected: bool| {
            let folder = folder("names");
            fs::create_dir_all(folder.join(name)).expect("a folder");
            let taken = take(&folder);
            assert_eq!(taken.is_ok(), expected, "{name}: {taken:?}");
            fs::remove_dir_all(folder).expect("clean up");
        };
        check(&format!("version-{KNOWN}"), true);
        check(&format!("version-{}", KNOWN + 1), false);
        check("version-99999999999999999999", false);
        check("version-", true);
        check("version-x", true);
        check("version-+9", true);
        check("versions", true);
        check("records", true);
    }
}
