//! `correlator run`: from a checked stack to a finished run.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::load::{Loaded, load};
use super::output::Output;
use super::{
    Common, EXIT_INTERRUPTED, EXIT_LOSSES, EXIT_MACHINE, EXIT_REFUSED, EXIT_WELL, Failed,
    StackArguments, summary,
};
use crate::capability::{Capabilities, LogLines, Rotation, TableFiles};
use crate::clock;
use crate::declaration::Role;
use crate::limit;
use crate::pipeline::{Engine, ListenerPlan, ModulePlan, Plan, Progress, Report, RunError};
use crate::sandbox::Guest;
use crate::stack::grant::Grant;
use crate::stack::{Component, ListenerInstance, ModuleInstance, Stack};
use correlator_source::settings::{Door, Source, SourcePath};

pub(super) const EXAMPLES: &str = "\
Examples:
  correlator run --module sshd --listener log --file /var/log/auth.log
  correlator run --module ./mine.wasm --listener csv --output rows --option mine.limit=3 --file 'logs/*.log'
  correlator run stack.yaml --json";

/// What `run` understands.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    stack: StackArguments,
}

/// Runs a stack to its end.
pub(super) fn run(
    arguments: &Arguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let start = clock::instant();
    let Loaded { stack, guests, .. } = load(&arguments.stack, common)?;
    for warning in &stack.warnings {
        output.note(&warning.render());
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let register = |result: Result<_, std::io::Error>| {
            result.map_err(|error| Failed::new(EXIT_MACHINE, error))
        };
        // The second signal ends at once: what listens for the first may be what is stuck.
        register(signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(EXIT_INTERRUPTED),
            Arc::clone(&stop),
        ))?;
        register(signal_hook::flag::register(signal, Arc::clone(&stop)))?;
    }
    if reads_terminal(&stack) && std::io::stdin().is_terminal() {
        output.note("reading from the terminal; end with Ctrl-D\n");
    }
    let progress = Arc::new(Progress::default());
    let plan = plan(&arguments.stack, &stack, guests);
    let engine = Engine::start(plan, Arc::clone(&progress), Arc::clone(&stop)).map_err(failed)?;
    let started = start.elapsed();
    let done = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        if output.is_watched() && !prints_to_terminal(&stack) {
            scope.spawn(|| watch(&progress, &done));
        }
        engine.wait();
        let report = engine.finish();
        done.store(true, Ordering::Release);
        report
    });
    let report = report.map_err(failed)?;
    summary::tell(
        &report,
        summary::Spent { started, wall: start.elapsed(), cpu: clock::cpu() },
        output,
    );
    Ok(code(&report))
}

#[expect(clippy::needless_pass_by_value, reason = "an error is told once")]
fn failed(error: RunError) -> Failed {
    match error {
        RunError::Start { .. } => Failed::new(EXIT_REFUSED, error),
        RunError::Source(_) | RunError::State(_) | RunError::Thread(_) => {
            Failed::new(EXIT_MACHINE, error)
        }
    }
}

fn code(report: &Report) -> u8 {
    let guests = report.modules.iter().map(|module| &module.guest);
    let mut guests = guests.chain(report.listeners.iter().map(|listener| &listener.guest));
    let lost = guests.any(|guest| guest.failures > 0)
        || report.listeners.iter().any(|listener| !listener.refused.is_empty())
        || report.sources.iter().any(|source| source.error.is_some());
    match (report.interrupted, lost) {
        (true, _) => EXIT_INTERRUPTED,
        (false, true) => EXIT_LOSSES,
        (false, false) => EXIT_WELL,
    }
}

fn reads_terminal(stack: &Stack) -> bool {
    let input = |source: &Source| match &source.door {
        Door::Files { paths, .. } => paths.contains(&SourcePath::Input),
        _ => false,
    };
    stack.sources.iter().any(input)
}

/// Whether a listener's lines come to the terminal, where a picture of the progress would be in their way.
fn prints_to_terminal(stack: &Stack) -> bool {
    let prints = |grant: &Grant| matches!(grant, Grant::Log(_));
    let mut listeners = stack.listeners.iter();
    std::io::stdout().is_terminal() && listeners.any(|it| it.grants.iter().any(prints))
}

/// Wires the stack's instances to their guests.
fn plan(arguments: &StackArguments, stack: &Stack, guests: HashMap<Component, Guest>) -> Plan {
    let guests: HashMap<_, _> =
        guests.into_iter().map(|(component, guest)| (component, Arc::new(guest))).collect();
    let guest = |component: &Component| guests.get(component).map(Arc::clone);
    let modules = stack
        .modules
        .iter()
        .filter_map(|instance| Some(module(instance, guest(&instance.component)?)));
    let listeners = stack
        .listeners
        .iter()
        .filter_map(|instance| Some(listener(stack, instance, guest(&instance.component)?)));
    let named = arguments.stack.as_ref().map(|path| path.display().to_string());
    Plan {
        stack: named.unwrap_or_else(|| "command line".to_owned()),
        sources: stack.sources.clone(),
        capture: stack.capture.clone(),
        modules: modules.collect(),
        listeners: listeners.collect(),
        zone: stack.zone.clone(),
        keeping: stack.keeping.clone(),
    }
}

/// A component for people, what tells it from others, and the version that it names.
fn component(component: &Component, guest: &Guest) -> (String, String, String) {
    (component.to_string(), guest.digest.clone(), guest.description.version.clone())
}

fn module(instance: &ModuleInstance, guest: Arc<Guest>) -> ModulePlan {
    let (interest, events) = match &guest.description.role {
        Role::Module { interest, events } => (interest.clone(), events.clone()),
        Role::Listener { .. } => (Vec::new(), Vec::new()),
    };
    let (name, settings, limits) =
        (instance.name.clone(), instance.settings.clone(), instance.limits.clone());
    ModulePlan {
        name: name.clone(),
        component: component(&instance.component, &guest),
        settings: format!("{instance:?}"),
        interest,
        events,
        timers: guest.description.timers.clone(),
        instances: instance.instances,
        partition_by: instance.partition_by.clone(),
        enabled: instance.enabled,
        limits: limits.clone(),
        start: Arc::new(move || guest.module(&name, &settings, &limits)),
    }
}

fn listener(stack: &Stack, instance: &ListenerInstance, guest: Arc<Guest>) -> ListenerPlan {
    let (name, settings, limits) =
        (instance.name.clone(), instance.settings.clone(), instance.limits.clone());
    let (schemas, grants) = (stack.schemas.clone(), instance.grants.clone());
    ListenerPlan {
        name: name.clone(),
        component: component(&instance.component, &guest),
        settings: format!("{instance:?}"),
        criteria: instance.compiled.clone(),
        timers: guest.description.timers.clone(),
        capabilities: Arc::new(move || capabilities(&grants)),
        limits: limits.clone(),
        start: Arc::new(move || guest.listener(&name, &settings, &schemas, &limits)),
    }
}

/// What a listener's grants come to.
fn capabilities(grants: &[Grant]) -> Capabilities {
    let mut capabilities = Capabilities::default();
    for grant in grants {
        match grant {
            Grant::Log(_) => {
                let (console, paint) = Output::console();
                capabilities.log = Some(LogLines::new(console, paint));
            }
            Grant::Table(table) => {
                let rotation = Rotation { bytes: table.rotate_bytes, keep: table.keep };
                capabilities.table = Some(TableFiles::new(table.directory.clone(), rotation));
            }
        }
    }
    capabilities
}

/// Shows how far the run has come, until it is done.
#[expect(clippy::disallowed_methods, reason = "only a picture for people waits here")]
fn watch(progress: &Progress, done: &AtomicBool) {
    let bytes_total = progress.bytes_total.load(Ordering::Relaxed);
    let template = match Some(bytes_total).filter(|&total| total > 0) {
        Some(_) => "{bar:30} {percent:>3} %  {msg}  {bytes_per_sec}  {eta} left",
        None => "{spinner} {bytes} read  {msg}  {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ");
    let bar = ProgressBar::new(bytes_total).with_style(style);
    while !done.load(Ordering::Acquire) {
        bar.set_position(progress.bytes.load(Ordering::Relaxed));
        let records = progress.records.load(Ordering::Relaxed);
        bar.set_message(super::words::count(records, "record"));
        thread::sleep(limit::PROGRESS_STEP);
    }
    bar.finish_and_clear();
}
