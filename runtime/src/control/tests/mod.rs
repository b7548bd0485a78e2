//! A server with an engine that is made up, and clients of every kind.

mod http;
mod metrics;
mod socket;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::{Command, Engine, server};
use crate::stack::Control;
use crate::status::{
    BoundStatus, DeliveryStatus, EndpointStatus, GuestState, GuestStatus, ListenerStatus,
    ModuleStatus, Moment, SourceState, SourceStatus, SpoolStatus, Status,
};

/// An engine that remembers what it was told, and can be held up.
#[derive(Default)]
struct Fake {
    told: Mutex<Vec<Command>>,
    /// While this is set, a reload does not come to an end.
    held: Mutex<bool>,
    freed: Condvar,
}

impl Engine for Fake {
    fn status(&self) -> Status {
        status()
    }

    fn command(&self, command: Command, by: u32) -> Result<Value, String> {
        assert_eq!(by, rustix::process::geteuid().as_raw());
        self.told.lock().expect("no panic").push(command.clone());
        match command {
            Command::Reload => {
                let held = self.held.lock().expect("no panic");
                let _free = self.freed.wait_while(held, |held| *held).expect("no panic");
                Ok(json!({ "message": "nothing changed" }))
            }
            Command::Enable { name } => Err(format!("there is no module `{name}`")),
            command => Ok(json!({ "message": format!("{command:?}") })),
        }
    }
}

/// A status in which every field says something.
fn status() -> Status {
    let guest = GuestStatus {
        name: "sshd".to_owned(),
        component: "sshd".to_owned(),
        version: "0.1.0".to_owned(),
        state: GuestState::Behind,
        position: 1_000,
        lag_seconds: Some(2.5),
        handed: 900,
        lost: Some(5),
        failures: 3,
        set_aside: 1,
        last_failure: Some("trapped: unreachable".to_owned()),
        fuel: u64::MAX,
        memory_bytes: 1 << 20,
        turns: 12,
        turn_seconds: 0.125,
        last_checkpoint_seconds: Some(4.0),
        state_bytes: 512,
        refused_checkpoints: 2,
    };
    let idle = GuestStatus { name: "we\"ird\\\n".to_owned(), ..GuestStatus::default() };
    let spool = SpoolStatus {
        first: 1,
        next: 2_000,
        bytes: 4_096,
        bytes_max: 1 << 30,
        durability: "each".to_owned(),
        oldest_needed: 1_000,
        damaged: 0,
        missing: Some(34),
        dropped: 7,
    };
    Status {
        version: "0.1.0".to_owned(),
        pid: 42,
        stack: "stack.yaml".to_owned(),
        state: Some("/var/lib/correlator".to_owned()),
        started: Moment(1_700_000_000_000_000_000),
        uptime_seconds: 3_600.5,
        live: true,
        time: Some(Moment(1_700_000_000_000_000_000)),
        records: 2_000,
        bytes: 200_000,
        record_spool: Some(spool.clone()),
        event_spool: Some(spool),
        sources: vec![source()],
        modules: vec![
            ModuleStatus { guest: guest.clone(), lag_records: 1_000, events: 30 },
            ModuleStatus { guest: idle, ..ModuleStatus::default() },
        ],
        listeners: vec![ListenerStatus {
            guest: GuestStatus { name: "csv".to_owned(), ..guest },
            lag_events: 3,
            effects_done: [("table:logins".to_owned(), 27)].into(),
            effects_refused: [("not granted".to_owned(), 2)].into(),
            waiting: 1,
            bounds: vec![BoundStatus {
                capability: "mail".to_owned(),
                bound: "each.rate".to_owned(),
                used: 3,
                most: 10,
                span_seconds: Some(3_600.0),
            }],
            dry_run: vec!["sms".to_owned()],
        }],
        deliveries: Some(deliveries()),
        dead_letters: 1,
        dropped: 0,
    }
}

fn deliveries() -> DeliveryStatus {
    DeliveryStatus {
        waiting: 3,
        dead: 1,
        done: 40,
        refused: 2,
        denied: 5,
        oldest: Some(Moment(1_700_000_000_000_000_000)),
        endpoints: vec![EndpointStatus {
            capability: "webhook".to_owned(),
            endpoint: "ops/chat".to_owned(),
            waiting: 3,
            dead: 1,
            oldest: Some(Moment(1_700_000_000_000_000_000)),
        }],
        bytes: 8_192,
    }
}

fn source() -> SourceStatus {
    SourceStatus {
        name: "net".to_owned(),
        kind: "tcp".to_owned(),
        place: "127.0.0.1:514".to_owned(),
        state: SourceState::Open,
        records: 2_000,
        bytes: 200_000,
        unparsed: 1,
        cut: 2,
        invalid_utf8: 3,
        late: 4,
        connections_open: 5,
        connections: 6,
        connections_failed: 7,
        dropped_by_kernel: 8,
        last_record: Some(Moment(1_700_000_000_500_000_000)),
        error: None,
    }
}

/// Where the server of a test is.
struct Place {
    socket: PathBuf,
    metrics: SocketAddr,
}

/// Runs a server on behalf of this engine for as long as the test takes.
fn serve(name: &str, engine: &Fake, test: impl FnOnce(&Place)) {
    let folder = Folder::new(name);
    let control = Control {
        socket: Some(folder.0.join("control.sock")),
        metrics: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..Control::default()
    };
    let server = server::open(&control).expect("open doors");
    let metrics = server.metrics_address().expect("an address");
    let place = Place { socket: folder.0.join("control.sock"), metrics };
    let stopper = server.stopper();
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.run(engine));
        // A test that fails must not hang: the server is ended on every path.
        let ending = Ending(stopper);
        test(&place);
        drop(ending);
        serving.join().expect("no panic").expect("served");
    });
}

struct Ending(server::Stopper);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A folder of one test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let unique = format!("correlator-control-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program's file of this name, where it is installed.
fn installed(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| Path::is_file(path))
}
