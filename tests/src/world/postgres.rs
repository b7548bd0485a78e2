//! A real `PostgreSQL` behind a socket in the file system.
//!
//! It must never know which tables it gets.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::foreign::Program;
use crate::wait;

/// Where Debian keeps the servers by version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The server, gone when this is.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    user: Option<(u32, u32)>,
    programs: PathBuf,
    running: Option<Child>,
}

impl Postgres {
    /// One that is up; nothing where it is not installed, which is told.
    ///
    /// # Panics
    /// If it is there and does not start.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "what is skipped is told plainly")]
    pub fn start() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Program::find("psql")?;
        let Some(programs) = programs() else {
            eprintln!(
                "skipped: PostgreSQL's server is not installed (`cargo xtask setup --all` does so)"
            );
            return None;
        };
        let user = geteuid().is_root().then(|| named("postgres"));
        if user == Some(None) {
            eprintln!("skipped: PostgreSQL does not run as root, and there is no user `postgres`");
            return None;
        }
        // A socket's path is short.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("cpg-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("a mode");
        let user = user.flatten();
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group)).expect("an owner");
        }
        let mut server = Self { folder, user, programs, running: None };
        let made = server
            .command("initdb")
            .args(["-U", "admin", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"])
            .arg("-D")
            .arg(server.folder.join("data"))
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.up();
        Some(server)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// Starts it again.
    ///
    /// # Panics
    /// If it does not start.
    pub fn up(&mut self) {
        let log = fs::File::create(self.folder.join("log")).expect("a file");
        let sockets = format!("unix_socket_directories={}", self.folder.display());
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(["-c", "listen_addresses=", "-c", &sockets, "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.running = Some(child.expect("postgres"));
        wait::until("postgres answers", || self.ask("SELECT 1"));
    }

    /// Stops it at once, as a crash would.
    ///
    /// # Panics
    /// If it does not end.
    pub fn down(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(process, Signal::QUIT).expect("a child");
        child.wait().expect("a child");
    }

    /// The path of its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// What it answers; nothing if it does not.
    #[must_use]
    pub fn ask(&self, sql: &str) -> Option<String> {
        let mut psql = Command::new("psql");
        psql.arg("-h")
            .arg(&self.folder)
            .args(["-U", "admin", "-d", "postgres", "-XAtq", "-c", sql]);
        let output = psql.stdin(Stdio::null()).output().ok().filter(|it| it.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.down();
        }
        // What is left is in a folder for what may be lost.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where its programs are.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let by_version = versions.map(|version| version.path().join("bin"));
    let usual = ["/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let has_both =
        |folder: &PathBuf| ["postgres", "initdb"].iter().all(|it| folder.join(it).is_file());
    by_version.chain(usual).find(has_both)
}

/// The numbers of a user and its group.
fn named(name: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}
