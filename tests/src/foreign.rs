//! Programs of others that tests start: found if they are there, told if they are not, ended with the test.
//!
//! It must never know what they send.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait;

/// A folder into which a package of syslog-ng was unpacked, where it is not installed.
const SYSLOG_NG_VARIABLE: &str = "CORRELATOR_SYSLOG_NG";
const SYSLOG_NG_LIBRARIES: [&str; 3] =
    ["usr/lib/syslog-ng", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
/// Where programs lie that are not for everybody.
const MORE_FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// A program that is there.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    environment: Vec<(OsString, OsString)>,
    /// The root of the package that it was unpacked from.
    pub root: PathBuf,
}

impl Program {
    /// A program of this name; nothing if there is none, which is told.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "what is skipped is told plainly")]
    pub fn find(name: &str) -> Option<Self> {
        let found = installed(name).or_else(|| unpacked(name));
        if found.is_none() {
            eprintln!(
                "skipped: there is no `{name}` on this machine (`cargo xtask setup --all` installs it)"
            );
        }
        found
    }

    /// A command of it, in this folder, that says nothing here.
    #[must_use]
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.envs(self.environment.iter().cloned()).current_dir(folder).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which must be a good one.
    ///
    /// # Panics
    /// If it is not.
    pub fn run(&self, folder: &Path, arguments: &[&str]) {
        let output = self.command(folder).args(arguments).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {arguments:?}: {said}", self.path.display());
    }

    /// Starts it, to go on until it is dropped. What it says goes to a file of its name.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(&self, folder: &Path, arguments: &[&str]) -> Started {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let said = folder.join(format!("{name}.said"));
        let file = fs::File::create(&said).expect("a file");
        let both = file.try_clone().expect("a file");
        let child = self
            .command(folder)
            .args(arguments)
            .stdout(file)
            .stderr(both)
            .spawn()
            .expect("it starts");
        Started { child, said }
    }
}

fn installed(name: &str) -> Option<Program> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(std::env::split_paths(MORE_FOLDERS));
    let path = folders.map(|folder| folder.join(name)).find(|path| path.is_file())?;
    Some(Program { path, environment: Vec::new(), root: PathBuf::from("/") })
}

fn unpacked(name: &str) -> Option<Program> {
    let root = std::env::var_os(SYSLOG_NG_VARIABLE).map_or_else(by_setup, PathBuf::from);
    let folders = ["usr/bin", "usr/sbin"].map(|folder| root.join(folder));
    let path = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())?;
    let libraries = SYSLOG_NG_LIBRARIES.map(|folder| root.join(folder));
    let libraries = std::env::join_paths(libraries).ok()?;
    let environment = vec![
        ("LD_LIBRARY_PATH".into(), libraries),
        ("SYSLOGNG_PREFIX".into(), root.join("usr").into_os_string()),
    ];
    Some(Program { path, environment, root })
}

/// Where `cargo xtask setup --all` unpacks it.
fn by_setup() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/syslog-ng")
}

/// A program at work. It does not outlive the test.
#[derive(Debug)]
pub struct Started {
    child: Child,
    said: PathBuf,
}

impl Started {
    /// What it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(&mut self) {
        let child = &mut self.child;
        wait::until("it ends", || child.try_wait().expect("a child").map(drop));
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has ended already in some cases.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
