//! Whose the state folder is: nobody else reads what is kept in it, and one that others may write is not believed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use correlator_tests::site::Site;

const STACK: &str = "\
state: state
sources: { auth: { file: auth.log } }
modules: { sshd: }
listeners: { csv: { grants: { table: { directory: rows } } } }
";
const LINE: &str = "<38>1 2024-12-10T06:00:00Z alpha sshd 40 - - Failed password for root from 198.51.100.9 port 4711 ssh2\n";

fn site(name: &str) -> Site {
    let mut site = Site::new(name).with(&["stack.yaml"]);
    // Whatever the engine makes, everybody might do everything with it.
    site.by(&["sh", "-c", "umask 0; exec \"$@\"", "sh"]);
    site.put("stack.yaml", STACK);
    site.put("auth.log", LINE);
    site
}

/// Everything in a folder with what who may do with it, and the folder itself.
fn modes(path: &Path, found: &mut Vec<String>) {
    let facts = fs::symlink_metadata(path).expect("it is there");
    let expected = if facts.is_dir() { 0o700 } else { 0o600 };
    let mode = facts.permissions().mode() & 0o777;
    if mode != expected {
        found.push(format!("{} {mode:o}", path.display()));
    }
    if facts.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            modes(&entry.expect("an entry").path(), found);
        }
    }
}

#[test]
fn what_is_kept_is_nobody_elses_to_read() {
    let site = site("private");
    let state = site.folder().join("state");
    site.run();
    let (checkpoints, mut open) = (state.join("checkpoints"), Vec::new());
    let checkpoint = checkpoints.join("sshd.checkpoint");
    assert!(checkpoint.exists(), "{}", site.said());
    modes(&state, &mut open);
    assert_eq!(open, [""; 0]);
    // What an earlier version made is closed.
    fs::set_permissions(&checkpoints, Permissions::from_mode(0o755)).expect("ours");
    site.run();
    modes(&state, &mut open);
    assert_eq!(open, [""; 0]);
}

#[test]
fn a_state_that_others_may_write_is_refused() {
    let site = site("shared");
    let state = site.folder().join("state");
    fs::create_dir(&state).expect("a folder");
    let run = |mode| {
        fs::set_permissions(&state, Permissions::from_mode(mode)).expect("ours");
        site.forget_said();
        (site.start().wait(), site.said())
    };
    let (code, said) = run(0o777);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("everybody may write the folder"), "{said}");
    assert_eq!(fs::read_dir(&state).expect("a folder").count(), 0);
    let (code, said) = run(0o775);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("may write the folder"), "{said}");
    assert_eq!(run(0o755).0, Some(0));
}
