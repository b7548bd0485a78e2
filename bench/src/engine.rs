//! The binary under test, its command lines, and the folder where measurements happen.
//!
//! It must never know what is measured.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::sshd_log::{self, Form};

/// The binary and the folder.
pub struct Engine {
    binary: PathBuf,
    folder: PathBuf,
}

/// A log that lies in a file.
pub struct Log {
    /// The file.
    pub path: PathBuf,
    /// What its form is called.
    pub name: &'static str,
    /// How many lines it has.
    pub lines: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

impl Engine {
    /// The given binary, or the one that lies beside this program. Measurements happen in `target/bench`.
    pub fn new(binary: Option<&Path>) -> Result<Self> {
        let this = std::env::current_exe()?;
        let beside = this.with_file_name("correlator");
        let binary = binary.map_or(beside, Path::to_owned);
        ensure!(
            binary.is_file(),
            "there is no {}: `cargo xtask bench` builds it",
            binary.display()
        );
        let target = this.ancestors().nth(2).context("this program lies in no target folder")?;
        let folder = target.join("bench");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self { binary: binary.canonicalize()?, folder })
    }

    /// The log of so many lines; it is made once.
    pub fn log(&self, form: Form, lines: u64, seed: u64) -> Result<Log> {
        let path = self.folder.join(format!("sshd-{}-{lines}-{seed}.log", form.name()));
        if !path.is_file() {
            println!("making {}", path.display());
            let draft = path.with_extension("draft");
            let mut out = BufWriter::new(File::create(&draft)?);
            sshd_log::write(&mut out, form, lines, seed)?;
            out.flush()?;
            fs::rename(&draft, &path)?;
        }
        let bytes = path.metadata()?.len();
        Ok(Log { path, name: form.name(), lines, bytes })
    }

    /// The binary.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Where compiled modules are kept from run to run.
    pub fn cache(&self) -> PathBuf {
        self.place("cache")
    }

    /// A file or folder of this name where measurements happen.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A folder with nothing in it.
    pub fn empty_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.place(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// The binary with a command of its own, such as `capture replay`.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words).arg("--cache").arg(self.cache());
        command
    }

    /// `correlator run` on a log (`-` is standard input), events to CSV files in an empty folder.
    pub fn run(&self, modules: &[&str], log: &Path) -> Result<Command> {
        let mut command = Command::new(&self.binary);
        command.arg("run").arg("--cache").arg(self.cache());
        for module in modules {
            command.args(["--module", module]);
        }
        command.args(["--listener", "csv"]).arg("--file").arg(log);
        command.arg("--output").arg(self.empty_folder("tables")?);
        Ok(command)
    }
}
