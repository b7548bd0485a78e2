//! A run that goes on: its control socket and metrics, the service manager, and another stack in the place of its own.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use serde_json::{Value, json};
use signal_hook::consts::SIGHUP;

use super::arguments::StackArguments;
use super::dry;
use super::load::load;
use super::plan::plan;
use super::secrets::Held;
use super::{Common, EXIT_MACHINE, Failed};
use crate::control::client::socket_of;
use crate::control::notify::Notify;
use crate::control::server::{self, Server};
use crate::control::{Command, Engine as Controlled};
use crate::pipeline::Engine;
use crate::stack::{Component, Control, Stack};
use crate::status::Status;
use crate::{clock, limit};

/// What reaches a run from outside.
pub(super) struct Live {
    server: Option<Server>,
    notify: Notify,
    reload: Arc<AtomicBool>,
}

/// What it takes to read the stack once more.
pub(super) struct Again<'a> {
    pub(super) arguments: &'a StackArguments,
    pub(super) common: &'a Common,
    pub(super) stack: &'a Stack,
    /// The stack's own files.
    pub(super) files: Vec<PathBuf>,
    /// The secrets that it needs.
    pub(super) secrets: Arc<Held>,
    /// Whether nothing is asked of the world, by whatever stack.
    pub(super) dry_run: bool,
}

impl Live {
    /// Opens the doors that the stack wants, before anything runs.
    pub(super) fn open(stack: &Stack) -> Result<Self, Failed> {
        let machine = |error: &dyn std::fmt::Display| Failed::new(EXIT_MACHINE, error);
        let socket = socket_of(&stack.control, stack.is_live(), |name| env::var_os(name));
        let mut control = Control { socket, ..stack.control.clone() };
        let server = match server::open(&control) {
            Ok(server) => server,
            Err(error) if !stack.control.socket_set && control.socket.is_some() => {
                tracing::warn!("{error}; the engine runs without a control socket");
                control.socket = None;
                server::open(&control).map_err(|error| machine(&error))?
            }
            Err(error) => return Err(machine(&error)),
        };
        let wanted = control.socket.is_some() || control.metrics.is_some();
        let notify = Notify::open(|name| env::var_os(name)).unwrap_or_else(|error| {
            tracing::warn!("the service manager can't be told anything: {error}");
            Notify::default()
        });
        let reload = Arc::new(AtomicBool::new(false));
        if stack.is_live() {
            signal_hook::flag::register(SIGHUP, Arc::clone(&reload))
                .map_err(|error| machine(&error))?;
        }
        Ok(Self { server: wanted.then_some(server), notify, reload })
    }

    /// Serves until the run is over.
    pub(super) fn run(&self, engine: &Engine, again: &Again<'_>) {
        let files = Mutex::new(files_of(again.stack, &again.files));
        let secrets = Mutex::new(Arc::clone(&again.secrets));
        let (turn, notify) = (Mutex::new(()), &self.notify);
        let running = Running { engine, again, turn, notify, files, secrets };
        thread::scope(|scope| {
            let stopper = self.server.as_ref().map(Server::stopper);
            if let Some(server) = &self.server {
                scope.spawn(|| {
                    if let Err(error) = server.run(&running) {
                        tracing::error!("{error}; the engine goes on without its control socket");
                    }
                });
            }
            self.notify.ready();
            let mut watch = Watch::new(again);
            let mut watchdog = clock::instant();
            let mut reload: Option<Reload<'_>> = None;
            engine.wait(|| {
                watchdog = self.sign_of_life(watchdog);
                if let Some(done) = reload.take_if(|it| it.thread.is_finished())
                    && let (Some(watch), Some(before)) = (&mut watch, done.before)
                {
                    watch.go_on(before, &running.files());
                }
                if reload.is_some() {
                    return;
                }
                let asked = self.reload.swap(false, Ordering::Relaxed);
                if asked || watch.as_mut().is_some_and(Watch::has_changed) {
                    // What changes while the stack is read is a change to be taken up next.
                    let before = watch.as_ref().map(Watch::look);
                    // To compile takes long, and who watches over the engine wants a sign of life meanwhile.
                    let thread = scope.spawn(|| running.reload_and_tell());
                    reload = Some(Reload { thread, before });
                }
            });
            self.notify.stopping();
            if let Some(stopper) = stopper {
                stopper.stop();
            }
        });
    }

    fn sign_of_life(&self, last: Instant) -> Instant {
        let now = clock::instant();
        let due =
            self.notify.watchdog_every().is_some_and(|every| now.duration_since(last) >= every);
        if !due {
            return last;
        }
        self.notify.watchdog();
        now
    }
}

/// A stack that is being taken up, and how its files were before.
struct Reload<'scope> {
    thread: ScopedJoinHandle<'scope, ()>,
    before: Option<BTreeMap<PathBuf, Version>>,
}

/// The engine and its stack, as those see them who control it.
struct Running<'a> {
    engine: &'a Engine,
    again: &'a Again<'a>,
    /// One change at a time.
    turn: Mutex<()>,
    notify: &'a Notify,
    /// The files that the stack which was read last is made of.
    files: Mutex<Vec<PathBuf>>,
    /// The secrets that it needs.
    secrets: Mutex<Arc<Held>>,
}

impl Running<'_> {
    fn files(&self) -> Vec<PathBuf> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the stack once more and takes up what changed.
    fn reload(&self) -> Result<String, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Again { arguments, common, stack, .. } = self.again;
        let mut loaded = load(arguments, common).map_err(|failed| unchanged(&failed))?;
        if self.again.dry_run {
            dry::make(&mut loaded.stack);
        }
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) =
            files_of(&loaded.stack, &loaded.files);
        let fixed = [
            ("time_zone", loaded.stack.zone != stack.zone),
            ("state", loaded.stack.keeping != stack.keeping),
            ("control", loaded.stack.control != stack.control),
            ("capture", loaded.stack.capture != stack.capture),
            ("credentials", loaded.stack.credentials != stack.credentials),
        ];
        let mut before = String::new();
        for (name, _) in fixed.iter().filter(|(_, changed)| *changed) {
            let told = format!("`{name}` has changed, which needs a new start of the engine");
            tracing::warn!("{told}");
            before.push_str(&told);
            before.push_str("; ");
        }
        if !before.is_empty() {
            before += "apart from that: ";
        }
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let renewed = secrets
            .renewed(&loaded.stack, arguments.stack.as_deref())
            .map_err(|failed| unchanged(&failed))?;
        *secrets = Arc::clone(&renewed);
        drop(secrets);
        let done = self.engine.change(plan(arguments, &loaded.stack, loaded.guests, renewed))?;
        Ok(before + &done)
    }

    fn reload_and_tell(&self) {
        self.notify.reloading(clock::uptime());
        match self.reload() {
            Ok(done) => tracing::info!("the stack was read once more: {done}"),
            Err(error) => tracing::error!("the stack was read once more: {error}"),
        }
        self.notify.ready();
    }
}

impl Controlled for Running<'_> {
    fn status(&self) -> Status {
        self.engine.status()
    }

    fn command(&self, command: Command, by: u32) -> Result<Value, String> {
        match command {
            Command::Reload => self.reload().map(|done| json!({ "message": done })),
            other => self.engine.command(&other, by),
        }
    }
}

/// Why a stack was not taken up. Who tells it says himself that it is an error.
fn unchanged(failed: &Failed) -> String {
    let text = failed.text.strip_prefix("error: ").unwrap_or(&failed.text);
    format!("{text}nothing was changed")
}

/// What tells one version of a file from another.
type Version = (u64, u64, i64, i64, u64);

/// The files that a stack is made of: its own and its components.
fn files_of(stack: &Stack, own: &[PathBuf]) -> Vec<PathBuf> {
    let modules = stack.modules.iter().map(|it| &it.component);
    let components = modules.chain(stack.listeners.iter().map(|it| &it.component));
    let files = components.filter_map(|component| match component {
        Component::File(path) => Some(path.clone()),
        Component::Bundled(_) => None,
    });
    files.chain(own.iter().cloned()).collect()
}

/// Looks whether the files of a stack have changed.
struct Watch {
    stack: PathBuf,
    drop_in: Option<PathBuf>,
    files: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, Version>,
    /// A change that is not taken up before it has stayed for a while: files are written piece by piece.
    changed: Option<BTreeMap<PathBuf, Version>>,
    looked: Instant,
}

impl Watch {
    /// None if nobody wants that, or if there is no file to look at.
    fn new(again: &Again<'_>) -> Option<Self> {
        let stack = again.arguments.stack.clone()?;
        if !again.stack.control.watch || !again.stack.is_live() {
            return None;
        }
        let mut watch = Self {
            stack,
            drop_in: again.stack.control.drop_in.clone(),
            files: files_of(again.stack, &again.files),
            seen: BTreeMap::new(),
            changed: None,
            looked: clock::instant(),
        };
        watch.seen = watch.look();
        Some(watch)
    }

    /// Goes on from how the files were before the stack was read once more; now it is made of these.
    fn go_on(&mut self, before: BTreeMap<PathBuf, Version>, files: &[PathBuf]) {
        self.files = files.to_vec();
        self.seen = before;
        for (path, version) in self.look() {
            if files.contains(&path) {
                // What the stack did not name before was not looked at before.
                self.seen.entry(path).or_insert(version);
            }
        }
        self.changed = None;
    }

    /// Whether a file has changed and stayed so.
    fn has_changed(&mut self) -> bool {
        let now = clock::instant();
        if now.duration_since(self.looked) < limit::WATCH_STEP {
            return false;
        }
        self.looked = now;
        let there = self.look();
        if there == self.seen {
            self.changed = None;
            return false;
        }
        if self.changed.as_ref() == Some(&there) {
            return true;
        }
        self.changed = Some(there);
        false
    }

    fn look(&self) -> BTreeMap<PathBuf, Version> {
        let mut there = BTreeMap::new();
        let mut note = |path: &Path| {
            if let Ok(facts) = fs::metadata(path) {
                let (seconds, nanoseconds) = (facts.mtime(), facts.mtime_nsec());
                let version = (facts.dev(), facts.ino(), seconds, nanoseconds, facts.len());
                there.insert(path.to_owned(), version);
            }
        };
        note(&self.stack);
        self.files.iter().for_each(|path| note(path));
        let entries = self.drop_in.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        for entry in entries.into_iter().flatten().flatten() {
            note(&entry.path());
        }
        there
    }
}
