//! Runs of the real binary, watched: how it ended, what it said, how long it took, and how much memory it took.
//!
//! Every run has a folder of its own, a deadline after which it is killed, and a cache of compiled guests that all runs
//! of one test process share. It must never know what a run is to prove.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// The binary to run, if not the one beside this test's own.
const BINARY_VARIABLE: &str = "CORRELATOR_BINARY";
const POLL: Duration = Duration::from_millis(3);

static RUNS: AtomicU32 = AtomicU32::new(0);

/// A run that is being put together.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    arguments: Vec<OsString>,
    deadline: Duration,
    /// Whether something else than a flag says where its files go.
    has_stack: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; nothing if it was killed at the deadline.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
    /// The most memory that the engine held, in MiB.
    pub engine_mib: u64,
    /// The most memory that a process of its own held, such as the compiler, in MiB.
    pub child_mib: u64,
    /// The files that it wrote, by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Run {
    /// A run that will be killed after this long.
    ///
    /// # Errors
    /// If no folder can be made for it.
    pub fn new(deadline: Duration) -> Result<Self> {
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let folder = shared()?.join(number.to_string());
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not make `{}`", folder.display()))?;
        Ok(Self { folder, arguments: vec!["run".into()], deadline, has_stack: false })
    }

    /// Another command than `run`, with these arguments, that will be killed after this long.
    ///
    /// # Errors
    /// If no folder can be made for it.
    pub fn of(deadline: Duration, arguments: &[&str]) -> Result<Self> {
        let arguments = arguments.iter().map(OsString::from).collect();
        Ok(Self { arguments, has_stack: true, ..Self::new(deadline)? })
    }

    /// Runs the stack file of a folder, beside copies of the folder's files. Its tables go to `output`.
    ///
    /// # Errors
    /// If a file can't be copied.
    pub fn with_stack(mut self, folder: &Path) -> Result<Self> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_file() {
                fs::copy(&path, self.folder.join(path.file_name().unwrap_or_default()))?;
            }
        }
        self.arguments.push("stack.yaml".into());
        self.has_stack = true;
        Ok(self)
    }

    /// Adds arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Adds a flag whose value is a file with this content, in the run's folder.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn with_file(mut self, flag: &str, name: &str, content: &[u8]) -> Result<Self> {
        let path = self.folder.join(name);
        fs::write(&path, content)
            .with_context(|| format!("could not write `{}`", path.display()))?;
        self.arguments.extend([flag.into(), path.into()]);
        Ok(self)
    }

    /// Runs it and waits for its end, or kills it.
    ///
    /// # Errors
    /// If it can't be started or watched.
    pub fn go(mut self) -> Result<Outcome> {
        let output = self.folder.join("output");
        if !self.has_stack {
            self.arguments.extend(["--output".into(), output.clone().into()]);
        }
        let (stdout, stderr) = (self.folder.join("stdout"), self.folder.join("stderr"));
        let binary = binary()?;
        let mut child = Command::new(&binary)
            .args(&self.arguments)
            .env("CORRELATOR_CACHE", shared()?.join("cache"))
            .env("TZ", "UTC")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&stdout)?)
            .stderr(fs::File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("could not start `{}`", binary.display()))?;
        let watched = watch(&mut child, self.deadline)?;
        let outcome = Outcome {
            code: watched.code,
            stdout: String::from_utf8_lossy(&fs::read(stdout)?).into_owned(),
            stderr: String::from_utf8_lossy(&fs::read(stderr)?).into_owned(),
            took: watched.took,
            engine_mib: watched.engine_mib,
            child_mib: watched.child_mib,
            files: files(&output)?,
        };
        fs::remove_dir_all(&self.folder)?;
        Ok(outcome)
    }
}

impl Outcome {
    /// What it printed and complained about, for the message of a failed case.
    #[must_use]
    pub fn said(&self) -> String {
        let cut =
            |text: &str| text.chars().take(3_000).collect::<String>().escape_debug().to_string();
        format!(
            "code {:?} after {:?}, {} MiB and {} MiB\nstdout: {}\nstderr: {}",
            self.code,
            self.took,
            self.engine_mib,
            self.child_mib,
            cut(&self.stdout),
            cut(&self.stderr).replace("\\n", "\n"),
        )
    }
}

/// The folder of cargo's profile, two above this test's own binary.
fn profile() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let profile = own.parent().and_then(Path::parent).context("a test lies in a target folder")?;
    Ok(profile.to_path_buf())
}

/// Where all runs of this process are kept, and what they share: empty when the first of them begins.
pub(crate) fn shared() -> Result<&'static Path> {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    let folder = profile()?.join("end-to-end");
    let folder = SHARED.get_or_init(|| {
        // What the last process left; there is nothing the first time.
        let _ = fs::remove_dir_all(&folder);
        folder
    });
    Ok(folder)
}

/// The engine's binary, where cargo puts it.
///
/// # Errors
/// If it was not built.
pub fn binary() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os(BINARY_VARIABLE) {
        return Ok(binary.into());
    }
    let binary = profile()?.join("correlator");
    ensure!(
        binary.is_file(),
        "there is no `{}`: run `cargo build --package correlator` first, as `cargo xtask test` does",
        binary.display()
    );
    Ok(binary)
}

struct Watched {
    code: Option<i32>,
    took: Duration,
    engine_mib: u64,
    child_mib: u64,
}

#[allow(
    clippy::disallowed_methods,
    reason = "another process is watched: only the clock tells that it hangs"
)]
/// Waits for the end and looks at the memory meanwhile; the kernel remembers the most of it.
fn watch(child: &mut Child, deadline: Duration) -> Result<Watched> {
    let begin = Instant::now();
    let (mut engine_mib, mut child_mib) = (0, 0);
    loop {
        engine_mib = engine_mib.max(memory_mib(child.id()));
        child_mib = children(child.id()).map(memory_mib).fold(child_mib, u64::max);
        if let Some(status) = child.try_wait()? {
            let took = begin.elapsed();
            return Ok(Watched { code: status.code(), took, engine_mib, child_mib });
        }
        if begin.elapsed() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(Watched { code: None, took: begin.elapsed(), engine_mib, child_mib });
        }
        std::thread::sleep(POLL);
    }
}

/// The most memory that a process of the engine's has held so far; 0 if it has ended, or has not begun: until it is named
/// after its program, its memory is that of who starts it.
fn memory_mib(process: u32) -> u64 {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else { return 0 };
    if !status.starts_with("Name:\tcorrelator\n") {
        return 0;
    }
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// The processes that any thread of this one has started.
fn children(process: u32) -> impl Iterator<Item = u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads.flat_map(|thread| {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
    })
}

pub(crate) fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(BTreeMap::new()) };
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
        }
    }
    Ok(files)
}
