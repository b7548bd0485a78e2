//! What tests of the vault share: folders of their own, environments, a session with a keyring.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use correlator_credential::{Place, Settings, Variables, Vault};
use correlator_world::Secret;

/// A folder of a test's own, which goes with it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let at = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-vault-{}-{at}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::DirBuilder::new().mode(0o700).create(&path).expect("folder");
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

pub fn given<const N: usize>(pairs: [(&str, &Path); N]) -> Variables {
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.as_os_str().to_owned()));
    Variables::Given(BTreeMap::<String, OsString>::from(pairs))
}

/// A vault of these places, with its file in a folder.
pub fn vault(folder: &Folder, order: &[Place], variables: &Variables) -> Vault {
    let settings =
        Settings { order: order.to_vec(), file: Some(folder.join("kept/credentials")), key: None };
    Vault::open_in(&settings, variables).expect("vault")
}

/// Whether programs are installed; says so if they are not.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn installed(programs: &[&str], package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |program: &&str| std::env::split_paths(&path).any(|at| at.join(program).exists());
    let missing: Vec<&&str> = programs.iter().filter(|program| !there(program)).collect();
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} not installed (apt install {package})");
    }
    missing.is_empty()
}

/// A bus that starts nothing on demand.
const QUIET: &str = r#"<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
    </policy></busconfig>"#;

/// A bus of its own, which ends with it, and what runs on it.
pub struct Session {
    child: Child,
    pub address: String,
    /// The process that keeps the secrets.
    pub keyring: String,
    _folder: Folder,
}

impl Session {
    /// A bus on which a script runs first; nothing, if what it takes is not installed.
    fn start(script: &str, config: Option<&str>) -> Option<Self> {
        let programs = ["dbus-run-session", "gnome-keyring-daemon", "secret-tool"];
        if !installed(&programs, "dbus-daemon gnome-keyring libsecret-tools") {
            return None;
        }
        let folder = Folder::new();
        for name in ["home", "run"] {
            fs::DirBuilder::new().mode(0o700).create(folder.join(name)).expect("folder");
        }
        // The session lasts until its standard input ends, and ends what it has started itself.
        let script = format!(
            "keyring=; {script}\necho $DBUS_SESSION_BUS_ADDRESS \"$keyring\"; cat >/dev/null; kill $keyring; wait"
        );
        let mut command = Command::new("dbus-run-session");
        if let Some(config) = config {
            fs::write(folder.join("bus.conf"), config).expect("file");
            command.arg("--config-file").arg(folder.join("bus.conf"));
        }
        let mut child = command
            .args(["--", "sh", "-c", &script])
            .env("HOME", folder.join("home"))
            .env("XDG_RUNTIME_DIR", folder.join("run"))
            .env_remove("XDG_DATA_HOME")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("session");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("output");
        BufReader::new(stdout).read_line(&mut line).expect("address");
        let (address, keyring) = line.split_once(' ').expect("address and keyring");
        assert!(address.starts_with("unix:"), "{address}");
        let (address, keyring) = (address.to_owned(), keyring.trim().to_owned());
        Some(Self { child, address, keyring, _folder: folder })
    }

    /// A bus on which nobody offers secrets.
    pub fn bare() -> Option<Self> {
        Self::start("", Some(QUIET))
    }

    /// A keyring that nobody has ever signed in to: the bus starts it on demand.
    pub fn fresh() -> Option<Self> {
        Self::start("", None)
    }

    /// A keyring that is unlocked. The bus must not start another one meanwhile, which would not be.
    pub fn unlocked() -> Option<Self> {
        Self::start(
            "printf pw | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 & keyring=$!
             tries=0
             until printf x | secret-tool store --label=probe probe ready 2>/dev/null; do
                 tries=$((tries + 1)); test $tries -lt 300 || exit 1; sleep 0.1
             done",
            Some(QUIET),
        )
    }

    pub fn variables(&self) -> Variables {
        given([("DBUS_SESSION_BUS_ADDRESS", Path::new(&self.address))])
    }

    /// Runs a program in the session, and tells what it printed.
    pub fn run(&self, command: &str) -> String {
        let output = Command::new("sh")
            .args(["-c", command])
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .stderr(Stdio::inherit())
            .output()
            .expect("program");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
