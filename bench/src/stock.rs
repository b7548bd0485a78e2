//! A spool that holds records which no module has read yet, as an engine leaves it that is killed while its modules are
//! behind.
//!
//! The records come over TCP while the modules are off. One that wants none of them stays on and makes no checkpoint, so
//! that all is held for it. It must never know what the records are for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use correlator::control::Command;

use crate::crowd::make_quiet;
use crate::engine::{Engine, Log};
use crate::live::Live;
use crate::sender::Sender;

/// A folder with the state of an engine that was killed.
pub struct Stock {
    folder: PathBuf,
    /// Records in its spool.
    pub records: u64,
    /// Bytes of its spool.
    pub bytes: u64,
}

/// What every engine on it is told: it may hold all, and nothing is lost if the engine is killed.
pub const KEEPING: [&str; 4] = ["--durability", "batched", "--spool-size", "64GiB"];

impl Stock {
    /// Fills a spool with a log, so many times, for these modules.
    pub fn fill(
        engine: &Engine,
        modules: &[&str],
        names: &[&str],
        log: &Log,
        repeat: u64,
    ) -> Result<Self> {
        let folder = engine.empty_folder("stock")?;
        let state = folder.to_string_lossy().into_owned();
        let mut arguments = vec!["--tcp", "127.0.0.1:0", "--state", &state];
        arguments.extend(KEEPING);
        arguments.extend(["--checkpoint-every", "1d"]);
        let quiet = make_quiet(engine, 1)?;
        let all: Vec<&str> =
            modules.iter().copied().chain(quiet.iter().map(String::as_str)).collect();
        let mut live = Live::start(engine, &all, &arguments)?;
        for name in names {
            live.tell(Command::Disable { name: (*name).to_owned() })?;
        }
        let sender = Sender::tcp(engine, log, repeat, live.address()?)?;
        let records = log.lines * repeat;
        let status = live.wait_until(|status| status.records >= records)?;
        let spool = status.record_spool.context("records are spooled")?;
        ensure!(sender.finish()?.records == records, "not all was sent");
        // It is killed when it is let go of. Who works it off is not put off any more.
        drop(live);
        fs::remove_file(folder.join("disabled.json")).context("nothing was put off")?;
        Ok(Self { folder, records, bytes: spool.bytes })
    }

    /// A copy to work off. It is on the disk, so that writing it disturbs nobody.
    pub fn copy(&self, engine: &Engine) -> Result<String> {
        let state = engine.empty_folder("state")?;
        copy(&self.folder, &state)?;
        rustix::fs::sync();
        Ok(state.to_string_lossy().into_owned())
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // A gigabyte that nobody needs; what can't be removed now is when it is made again.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
