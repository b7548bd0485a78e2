//! A run that goes on: its control socket and metrics, the service manager, and another stack in the place of its own.

mod watch;

use std::env;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use signal_hook::consts::SIGHUP;

use self::watch::{Seen, Watch};
use super::arguments::StackArguments;
use super::dry;
use super::load::{self, load_raw};
use super::log::NEWS;
use super::plan::plan;
use super::rehearsal::rehearse;
use super::secrets::Held;
use super::{Common, EXIT_MACHINE, Failed};
use crate::clock;
use crate::control::client::socket_of;
use crate::control::notify::Notify;
use crate::control::server::{self, Server};
use crate::control::{Command, ControlError, Engine as Controlled};
use crate::pipeline::Engine;
use crate::stack::raw::RawStack;
use crate::stack::{Control, Stack};
use crate::status::Status;

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
            Err(error)
                if !stack.control.socket_set
                    && control.socket.is_some()
                    && !matches!(error, ControlError::Metrics { .. }) =>
            {
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
        let secrets = Mutex::new(Arc::clone(&again.secrets));
        let (turn, notify) = (Mutex::new(()), &self.notify);
        let seen =
            Mutex::new(Seen::new(again.arguments.stack.as_deref(), again.stack, &again.files));
        let running = Running { engine, again, turn, notify, seen, secrets };
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
            let mut watch = Watch::new(again.stack, again.arguments.stack.is_some());
            let mut watchdog = clock::instant();
            let mut reload = None;
            engine.wait(|| {
                watchdog = self.sign_of_life(watchdog);
                let _ =
                    reload.take_if(|it: &mut thread::ScopedJoinHandle<'_, ()>| it.is_finished());
                if reload.is_some() {
                    return;
                }
                let asked = self.reload.swap(false, Ordering::Relaxed);
                if asked || watch.as_mut().is_some_and(|it| it.has_changed(&running.seen())) {
                    // To compile takes long, and who watches over the engine wants a sign of life meanwhile.
                    reload = Some(scope.spawn(|| running.reload_and_tell()));
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

/// The engine and its stack, as those see them who control it.
struct Running<'a> {
    engine: &'a Engine,
    again: &'a Again<'a>,
    /// One change at a time.
    turn: Mutex<()>,
    notify: &'a Notify,
    /// The files of the stack that was read last, whether it was taken up or not.
    seen: Mutex<Seen>,
    /// The secrets that it needs.
    secrets: Mutex<Arc<Held>>,
}

impl Running<'_> {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the stack, after a look at its files: what changes from then on is a change to be taken up next.
    fn read(&self) -> Result<RawStack, Failed> {
        self.seen().look();
        let read = || load::read(self.again.arguments);
        let named = read()?.named();
        // What it names that it did not name before is looked at before it is read for good. What is refused then can be
        // mended in any of these files.
        self.seen().go_on(named);
        read()
    }

    /// Reads the stack once more and takes up what changed.
    fn reload(&self) -> Result<String, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Again { arguments, common, stack, .. } = self.again;
        let raw = self.read().map_err(|failed| unchanged(&failed))?;
        let mut loaded = load_raw(&raw, common).map_err(|failed| unchanged(&failed))?;
        let foreseen = rehearse(&raw, &loaded.stack, &loaded.guests);
        for warning in foreseen.map_err(|failed| unchanged(&failed))? {
            tracing::warn!("{warning}");
        }
        if self.again.dry_run {
            dry::make(&mut loaded.stack);
        }
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
        // The log has it.
        let _ = self.reload_told();
        self.notify.ready();
    }

    /// Whoever has it done, what came of it is in the log.
    fn reload_told(&self) -> Result<String, String> {
        let done = self.reload();
        match &done {
            Ok(done) => tracing::info!(target: NEWS, "the stack was read once more: {done}"),
            Err(error) => tracing::error!("the stack was read once more: {error}"),
        }
        done
    }
}

impl Controlled for Running<'_> {
    fn status(&self) -> Status {
        self.engine.status()
    }

    fn command(&self, command: Command, by: u32) -> Result<Value, String> {
        match command {
            Command::Reload => self.reload_told().map(|done| json!({ "message": done })),
            other => self.engine.command(&other, by),
        }
    }
}

/// Why a stack was not taken up. Who tells it says himself that it is an error.
fn unchanged(failed: &Failed) -> String {
    let text = failed.text.strip_prefix("error: ").unwrap_or(&failed.text);
    format!("{text}nothing was changed")
}
