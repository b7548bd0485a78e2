//! A site: one folder, and the same arguments, for one engine after the other, killed, stopped, started again and asked.
//!
//! It must never know what is to be proved there.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::engine::{binary, files, shared};
use crate::rows::Tables;
use crate::wait;

static SITES: AtomicU32 = AtomicU32::new(0);

/// A folder and arguments.
#[derive(Debug)]
pub struct Site {
    folder: PathBuf,
    before: Vec<OsString>,
    arguments: Vec<OsString>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; nothing if it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Site {
    /// An empty folder, and no arguments yet.
    ///
    /// # Panics
    /// If the folder can't be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        let folder = shared().expect("a target folder").join(format!("{name}-{number}"));
        fs::create_dir_all(&folder).expect("a folder");
        Self { folder, before: Vec::new(), arguments: vec!["run".into()] }
    }

    /// Adds arguments. Relative paths in them are relative to the site's folder.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// The same folder with other arguments, and nothing before them.
    pub fn set(&mut self, arguments: &[&str]) {
        self.before.clear();
        self.arguments = vec!["run".into()];
        self.arguments.extend(arguments.iter().map(OsString::from));
    }

    /// Starts the engine by another program from now on, such as one that sets its clock.
    pub fn by(&mut self, before: &[&str]) {
        self.before = before.iter().map(OsString::from).collect();
    }

    /// The site's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a file there.
    ///
    /// # Panics
    /// If that can't be done.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        // Written beside and renamed: nobody sees half of it.
        let new = self.folder.join(format!(".{}.new", name.replace('/', "-")));
        fs::write(&new, content).expect("a file");
        fs::rename(&new, &path).expect("a file");
    }

    /// Starts an engine.
    ///
    /// # Panics
    /// If that can't be done.
    #[must_use]
    pub fn start(&self) -> Engine {
        let log = |name| OpenOptions::new().append(true).create(true).open(self.folder.join(name));
        let child = self
            .command(&self.before, &self.arguments)
            .stdin(Stdio::null())
            .stdout(log("stdout").expect("a file"))
            .stderr(log("stderr").expect("a file"))
            .spawn()
            .expect("the engine starts");
        Engine { child, stderr: self.folder.join("stderr") }
    }

    fn command(&self, before: &[OsString], arguments: &[OsString]) -> Command {
        let binary = binary().expect("the engine's binary").into_os_string();
        let words: Vec<&OsString> = before.iter().chain([&binary]).chain(arguments).collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env("CORRELATOR_CACHE", shared().expect("a target folder").join("cache"))
            .env("TZ", "UTC")
            .current_dir(&self.folder);
        command
    }

    /// Runs an engine to its end, which must be a good one.
    ///
    /// # Panics
    /// If it ends otherwise.
    pub fn run(&self) {
        let code = self.start().wait();
        assert_eq!(code, Some(0), "{}", self.said());
    }

    /// What all engines here have complained about so far; of much only the end.
    #[must_use]
    pub fn said(&self) -> String {
        let said = fs::read(self.folder.join("stderr")).unwrap_or_default();
        let end = said.len().saturating_sub(6_000);
        String::from_utf8_lossy(&said[end..]).into_owned()
    }

    /// Forgets what engines have complained about.
    pub fn forget_said(&self) {
        // Nothing was said if it is not there.
        let _ = fs::remove_file(self.folder.join("stderr"));
    }

    /// The tables in its folder `rows`.
    ///
    /// # Panics
    /// If one can't be read.
    #[must_use]
    pub fn tables(&self) -> Tables {
        files(&self.folder.join("rows")).expect("tables")
    }

    /// The path of its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    /// The status that the running engine tells; nothing if none answers.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(wait::PATIENCE)).ok()?;
        stream.write_all(b"{\"version\":1,\"command\":\"status\"}\n").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        let answer: Value = serde_json::from_str(&line).ok()?;
        answer.get("result").cloned()
    }

    /// Runs another command, which asks the running engine.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Said {
        self.tell(&[arguments, &["--socket", "control.sock"]].concat())
    }

    /// The same, which must succeed: what it prints.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn asks(&self, arguments: &[&str]) -> String {
        let said = self.ask(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {}{}", said.stdout, said.stderr);
        said.stdout
    }

    /// Runs another command.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn tell(&self, arguments: &[&str]) -> Said {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let output = self.command(&[], &arguments).stdin(Stdio::null()).output().expect("it runs");
        Said {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Waits until the running engine's status is as asked.
    ///
    /// # Panics
    /// If it does not become so.
    pub fn until<T>(&self, what: &str, mut ask: impl FnMut(&Value) -> Option<T>) -> T {
        let mut last = Value::Null;
        let answer = wait::within(wait::PATIENCE, || {
            last = self.status()?;
            ask(&last)
        });
        answer.unwrap_or_else(|| panic!("never {what}: {last:#}\n{}", self.said()))
    }

    /// Waits until the running engine answers.
    pub fn until_it_runs(&self) {
        self.until("answered", |_| Some(()));
    }

    /// The whole rows of a table so far.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<String> {
        crate::rows::rows(&self.tables(), table)
    }

    /// Waits until a table has so many rows.
    ///
    /// # Panics
    /// If it does not come to that.
    pub fn until_rows(&self, table: &str, count: usize) {
        let mut there = 0;
        let enough = wait::within(wait::PATIENCE, || {
            there = self.rows(table).len();
            (there >= count).then_some(())
        });
        assert!(enough.is_some(), "{there} rows in {table}, not {count}\n{}", self.said());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What a failed case leaves is looked at.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// An engine at work. It does not outlive the test.
#[derive(Debug)]
pub struct Engine {
    child: Child,
    stderr: PathBuf,
}

impl Engine {
    /// Kills it, as a crash would. Whether it was still there to be killed.
    ///
    /// # Panics
    /// If it can't be killed.
    #[allow(clippy::must_use_candidate, reason = "what it came to may not matter to a test")]
    pub fn kill(mut self) -> bool {
        let there = self.child.try_wait().expect("a child").is_none();
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
        there
    }

    /// Asks it to end.
    ///
    /// # Panics
    /// If it can't be asked.
    pub fn terminate(&self) {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(process.expect("a process"), Signal::TERM).expect("a child");
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    ///
    /// # Panics
    /// If that can't be told.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end. The exit code; nothing if a signal ended it.
    ///
    /// # Panics
    /// If it does not end.
    #[allow(clippy::must_use_candidate, reason = "what it came to may not matter to a test")]
    pub fn wait(mut self) -> Option<i32> {
        let child = &mut self.child;
        let ended = wait::within(wait::PATIENCE, || child.try_wait().expect("a child"));
        let said = || fs::read_to_string(&self.stderr).unwrap_or_default();
        ended.unwrap_or_else(|| panic!("it does not end: {}", said())).code()
    }

    /// Asks it to end and waits for that.
    ///
    /// # Panics
    /// If it does not end.
    #[allow(clippy::must_use_candidate, reason = "what it came to may not matter to a test")]
    pub fn stop(self) -> Option<i32> {
        self.terminate();
        self.wait()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It has ended already in most cases.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
