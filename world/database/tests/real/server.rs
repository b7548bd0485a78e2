//! Programs that tests start, the folders they live in, and how requests are made.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use correlator_database::Database;
use correlator_world::{Capability, Cell, NoSecret, Outcome, Request, Secret, Secrets};
use rustix::process::{Pid, Signal, kill_process};

/// A password that must show nowhere.
pub const PASSWORD: &str = "hush-7f3a'\"\\";

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("correlator-{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The user that a server runs as: servers refuse to run as root.
#[derive(Clone, Copy)]
pub struct User {
    ids: Option<(u32, u32)>,
}

impl User {
    /// The user of a name, if we may become it; ourselves if we are not root.
    pub fn named(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return Some(Self { ids: None });
        }
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let fields: Vec<&str> = line.split(':').collect();
        Some(Self { ids: Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)) })
    }

    pub fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    pub fn own(self, path: &Path) {
        if let Some((user, group)) = self.ids {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }
}

/// A program that runs until it is dropped.
pub struct Running(Child);

impl Running {
    /// Starts a program, and waits until it says on standard error that it is ready.
    pub fn start(mut command: Command, ready: &str) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut heard = Vec::new();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.contains(ready) => break,
                Some(Ok(line)) => heard.push(line),
                _ => panic!("it did not start: {}", heard.join("\n")),
            }
        }
        // Somebody has to take what it says later on.
        thread::spawn(move || for _ in lines.map_while(Result::ok) {});
        Self(child)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free now.
pub fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The first of these programs that is installed.
pub fn program(candidates: &[&str]) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    let named = folders
        .iter()
        .flat_map(|folder| candidates.iter().map(move |name| Path::new(folder).join(name)));
    let mut found: Vec<PathBuf> = named.filter(|path| path.exists()).collect();
    // Debian keeps the servers of PostgreSQL by version.
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        for version in versions.filter_map(Result::ok) {
            found.extend(
                candidates
                    .iter()
                    .map(|name| version.path().join("bin").join(name))
                    .filter(|path| path.exists()),
            );
        }
    }
    found.into_iter().next()
}

/// Where something is unpacked that no package of the system has: as a variable says, or among `target/peers`.
pub fn peer(variable: &str, name: &str) -> PathBuf {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    std::env::var_os(variable)
        .map_or_else(|| workspace.join(target).join("peers").join(name), PathBuf::from)
}

/// Runs a program to its end; its output.
pub fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
}

/// A folder for a server of this user, with a certificate of this machine that vouches for itself, `ca.pem`, and its key,
/// `key.pem`.
pub fn folder_with_papers(name: &str, user: User) -> Folder {
    let folder = Folder::new(name);
    user.own(&folder.0);
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.path("ca.pem"), made.cert.pem()).unwrap();
    fs::write(folder.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(folder.path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    user.own(&folder.path("key.pem"));
    folder
}

/// Secrets that know one password.
pub struct Known(pub &'static str);

impl Secrets for Known {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        match name {
            "db" => Ok(Secret::new(self.0.into())),
            other => Err(NoSecret::Unknown(other.into())),
        }
    }
}

/// The capability with one database of these settings.
pub fn database(settings: &str) -> Database {
    let yaml = format!("databases: {{ d: {{ {settings} }} }}");
    Database::new(serde_yaml::from_str(&yaml).unwrap()).unwrap()
}

pub fn request(id: &str, table: &str, cells: &[(&str, Cell)]) -> Request {
    let cells = cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect();
    Request { id: id.into(), target: table.into(), cells }
}

pub fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

/// Delivers, and says for each what came of it: `new`, `known`, `later: ...`, `refused: ...`. No password is ever in it.
pub fn deliver(database: &mut Database, requests: &[Request]) -> Vec<String> {
    let outcomes = database.deliver(requests, &Known(PASSWORD));
    assert_eq!(outcomes.len(), requests.len());
    outcomes.iter().map(said).collect()
}

pub fn said(outcome: &Outcome) -> String {
    let words = match outcome {
        Outcome::Done(words) if words.starts_with("row added") => "new".into(),
        Outcome::Done(words) if words.ends_with("before") => "known".into(),
        Outcome::Done(words) | Outcome::Partly { said: words, .. } => words.clone(),
        Outcome::Later { reason, .. } => format!("later: {reason}"),
        Outcome::Refused(words) => format!("refused: {words}"),
    };
    assert!(!words.contains("hush-7f3a"), "{words}");
    words
}

/// That each outcome has its part in it.
#[track_caller]
pub fn expect(found: &[String], expected: &[&str]) {
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, part)| found.contains(part));
    assert!(fits, "{found:#?}, not {expected:#?}");
}
