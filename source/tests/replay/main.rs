//! Captures read record by record, and replays against real sockets: what arrives, and what is told of it.

mod datagrams;
mod reader;
mod streams;
mod tls;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use correlator_record::framing::Framing;
use correlator_source::replay::batch::Wire;
use correlator_source::replay::pace::Speed;
use correlator_source::replay::play::{Outcome, Plan, ReplayError, replay};
use correlator_source::replay::reader::{Entry, Settings};
use jiff::tz::TimeZone;

const HEADER: &str = "<34>1 2003-10-11T22:14:15Z h p - - -";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("correlator-replay-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn settings(framing: Option<Framing>, parse: bool) -> Settings {
    Settings { framing, zone: TimeZone::UTC, year: Some(2023), parse }
}

fn plan(path: &Path, target: &str) -> Plan {
    Plan {
        path: path.to_path_buf(),
        settings: settings(None, false),
        target: target.parse().expect("a target"),
        security: None,
        wire: Wire::AsIs,
        speed: Speed::Fastest,
        gap_max: Duration::from_secs(10),
        repeat: 1,
        connections: 1,
        close_wait: PATIENCE,
    }
}

fn go(plan: &Plan) -> Result<Outcome, ReplayError> {
    replay(plan, &|_: &Entry| true, &AtomicBool::new(false))
}

fn lines(count: usize) -> String {
    let line = |n| format!("{HEADER} message number {n}\n");
    (0..count).map(line).collect()
}
