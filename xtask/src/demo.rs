//! Runs the main job on bundled samples and shows what came out.
//!
//! It is a newcomer's first look, so it runs the very commands that a newcomer would type next, and
//! ends with what those could be.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::table::{self, Table};
use crate::{process, setup};

/// The logs that are read: a quiet day, an attack, the newest OpenSSH. More lie beside them.
const SAMPLES: [&str; 3] = [
    "modules/sshd/samples/debian-12.log",
    "modules/sshd/samples/attack.log",
    "modules/sshd/samples/openssh-10.log",
];

/// Rows of a table that are shown.
const ROWS_SHOWN: usize = 8;

const NEXT: &str = "
what to try next:
  correlator modules                               what is bundled
  correlator inspect target/guests/sshd.wasm       what a guest is, wants and declares
  correlator run --module sshd --listener log --file /var/log/auth.log
                                                   the same on a log of yours
  docs/stacks.md                                   the same as a file, with every option
  docs/writing-a-module.md                         a rule of your own in a quarter of an hour
";

/// `cargo xtask demo`.
pub fn run() -> Result<()> {
    setup::require_target()?;
    println!("building Correlator (minutes the first time, seconds from then on)");
    process::run("cargo", &["build", "--workspace", "--bins", "--locked"])?;
    // Commands run in the workspace's folder, and are short to read and to type there.
    let binary = process::target()?.join("debug").join("correlator");
    let binary = match process::root().canonicalize() {
        Ok(root) => binary.strip_prefix(root).unwrap_or(&binary),
        Err(_) => &binary,
    };
    let output = std::env::temp_dir().join(format!("correlator-demo-{}", std::process::id()));
    fs::create_dir_all(&output).with_context(|| output.display().to_string())?;

    let binary = binary.to_string_lossy();
    let folder = output.to_string_lossy();
    let mut arguments = vec!["run", "--module", "sshd", "--listener", "log", "--listener", "csv"];
    for sample in SAMPLES {
        arguments.extend(["--file", sample]);
    }
    arguments.extend(["--output", &folder]);
    process::run(&binary, &arguments)?;

    show_tables(&output)?;
    println!("{}", NEXT.replace("  correlator ", &format!("  {binary} ")));
    Ok(())
}

/// The files in a folder that end so, in the order of their names. There must be one.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == ending));
    files.sort();
    ensure!(!files.is_empty(), "there is no .{ending} file in {}", folder.display());
    Ok(files)
}

/// Prints the first rows of every table file.
fn show_tables(folder: &Path) -> Result<()> {
    for file in files(folder, "csv")? {
        let Table { head, rows } = table::read(&fs::read_to_string(&file)?);
        println!("\n{} ({} rows)", file.display(), rows.len());
        print!("{}", table::show(&head, &rows[..rows.len().min(ROWS_SHOWN)]));
        if rows.len() > ROWS_SHOWN {
            println!("  and {} more", rows.len() - ROWS_SHOWN);
        }
    }
    Ok(())
}
