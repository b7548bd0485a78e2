//! `correlator run`: from a checked stack to a finished run.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use correlator_source::net::inherited;
use correlator_source::settings::{Door, Source, SourcePath};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::SIGXFSZ;

use super::arguments::StackArguments;
use super::dry;
use super::live::{Again, Live};
use super::load::{Loaded, cache_folder, load};
use super::output::Output;
use super::plan::plan;
use super::secrets::secrets;
use super::signals;
use super::{
    Common, EXIT_INTERRUPTED, EXIT_LOSSES, EXIT_MACHINE, EXIT_REFUSED, EXIT_WELL, Failed,
    confinement, summary,
};
use crate::clock;
use crate::limit;
use crate::pipeline::{Engine, ListenerReport, Progress, Report, RunError, SpoolReport};
use crate::stack::Stack;
use crate::stack::grant::Grant;

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
    /// Do everything but ask the world for anything, and show what would have been asked. It is a run like any other in
    /// what it keeps: give it a state folder of its own if these events are to be acted on later.
    #[arg(long)]
    dry_run: bool,
    /// Leave the process all that its user may do. A run that goes on, or keeps anything, otherwise gives up what its
    /// stack does not need.
    #[arg(long, help_heading = "Control of a running engine")]
    no_confine: bool,
}

/// Runs a stack to its end.
pub(super) fn run(
    arguments: &Arguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let start = clock::instant();
    inherited::hold();
    raise_descriptors();
    let Loaded { mut stack, guests, files, .. } = load(&arguments.stack, common)?;
    let began = clock::now();
    if arguments.dry_run {
        dry::make(&mut stack);
        output.note(&dry::words(&stack));
    } else if let Some(words) = dry::granted(&stack) {
        output.note(&words);
    }
    for warning in &stack.warnings {
        output.note(&warning.render());
    }
    let stop = Arc::new(AtomicBool::new(false));
    signals::tell(&stop).map_err(|error| Failed::new(EXIT_MACHINE, error))?;
    // A file that may grow no more is an error of the write, and no reason to end.
    signal_hook::flag::register(SIGXFSZ, Arc::default())
        .map_err(|error| Failed::new(EXIT_MACHINE, error))?;
    if reads_terminal(&stack) && std::io::stdin().is_terminal() {
        output.note("reading from the terminal; end with Ctrl-D\n");
    }
    let progress = Arc::new(Progress::default());
    let live = Live::open(&stack)?;
    let file = arguments.stack.stack.as_deref();
    let secrets = secrets(&stack, file, Some(&mut *output))?;
    let named = plan(&arguments.stack, &stack, guests, Arc::clone(&secrets) as _);
    let confine = || confine(arguments, &stack, &files, common);
    let engine = Engine::start(named, Arc::clone(&progress), Arc::clone(&stop), confine);
    let engine = engine.map_err(failed)?;
    let started = start.elapsed();
    let done = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        if output.is_watched() && !prints_to_terminal(&stack) {
            scope.spawn(|| watch(&progress, &done));
        }
        let again = Again {
            arguments: &arguments.stack,
            common,
            stack: &stack,
            files,
            secrets,
            dry_run: arguments.dry_run,
        };
        live.run(&engine, &again);
        let report = engine.finish();
        done.store(true, Ordering::Release);
        report
    });
    let report = report.map_err(failed)?;
    let spent = summary::Spent { started, wall: start.elapsed(), cpu: clock::cpu() };
    let planned = arguments.dry_run.then(|| dry::planned(&stack, began)).transpose()?;
    summary::tell(&report, spent, planned.as_deref(), output);
    Ok(code(&report, stack.is_live()))
}

/// Connections and files are descriptors, and what a shell or a service starts with is meant for small programs: an engine
/// takes as many as it may have.
fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(limit::DESCRIPTORS_MAX).min(limit::DESCRIPTORS_MAX);
    if current.is_none_or(|current| current >= most) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }) {
        tracing::warn!("this process may have no more descriptors than before: {error}");
    }
}

/// Takes from the process what a run that goes on, or keeps anything, does not need.
fn confine(arguments: &Arguments, stack: &Stack, files: &[PathBuf], common: &Common) {
    if arguments.no_confine || !stack.is_live() && stack.keeping.is_none() {
        return;
    }
    confinement::confine(stack, files, cache_folder(common).as_deref());
}

fn failed(error: RunError) -> Failed {
    match error {
        RunError::Start { .. } => Failed::new(EXIT_REFUSED, error),
        RunError::Source(_) | RunError::InUse(_) | RunError::State(_) | RunError::Thread(_) => {
            Failed::new(EXIT_MACHINE, error)
        }
    }
}

/// A run that goes on ends well when it is told to: there is no other end.
fn code(report: &Report, live: bool) -> u8 {
    // While it goes on, something always waits to be delivered: the next start sees to it.
    let left = |it: &ListenerReport| it.unfinished || !live && !it.waiting.is_empty();
    let guests = report.modules.iter().map(|module| &module.guest);
    let mut guests = guests.chain(report.listeners.iter().map(|listener| &listener.guest));
    let lost = guests.any(|guest| guest.failures > 0 || guest.lost > 0)
        || report.listeners.iter().any(|it| !it.refused.is_empty() || left(it))
        || report.sources.iter().any(|source| source.error.is_some())
        || !live && !report.unserved.is_empty()
        || report.dropped > 0
        || report.spools.iter().any(|spool| *spool != SpoolReport::default());
    match (report.interrupted && !live, lost) {
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

#[cfg(test)]
mod tests {
    use super::{EXIT_INTERRUPTED, EXIT_LOSSES, EXIT_WELL, code};
    use crate::pipeline::{
        GuestReport, ListenerReport, ModuleReport, Report, SpoolReport, Unserved,
    };

    #[test]
    fn a_code_says_how_a_run_ended() {
        let check = |report: &Report, file: u8, live: u8| {
            assert_eq!((code(report, false), code(report, true)), (file, live), "{report:?}");
        };
        let listener = |listener| Report { listeners: vec![listener], ..Report::default() };
        let spools =
            |spool| Report { spools: [SpoolReport::default(), spool], ..Report::default() };
        check(&Report::default(), EXIT_WELL, EXIT_WELL);
        let waiting = [("webhook chat".to_owned(), 2)].into();
        let waits = listener(ListenerReport { waiting, ..ListenerReport::default() });
        check(&waits, EXIT_LOSSES, EXIT_WELL);
        let orphans = vec![Unserved { waiting: 1, ..Unserved::default() }];
        let orphans = Report { unserved: orphans, ..Report::default() };
        check(&orphans, EXIT_LOSSES, EXIT_WELL);
        let unfinished = ListenerReport { unfinished: true, ..ListenerReport::default() };
        check(&listener(unfinished), EXIT_LOSSES, EXIT_LOSSES);
        let refused = [("not granted".to_owned(), 1)].into();
        let refused = ListenerReport { refused, ..ListenerReport::default() };
        check(&listener(refused), EXIT_LOSSES, EXIT_LOSSES);
        check(&spools(SpoolReport { damaged: 1, missing: 0 }), EXIT_LOSSES, EXIT_LOSSES);
        check(&spools(SpoolReport { damaged: 0, missing: 1 }), EXIT_LOSSES, EXIT_LOSSES);
        let guest = GuestReport { lost: 1, ..GuestReport::default() };
        let modules = vec![ModuleReport { guest, ..ModuleReport::default() }];
        check(&Report { modules, ..Report::default() }, EXIT_LOSSES, EXIT_LOSSES);
        let stopped = Report { interrupted: true, ..waits };
        check(&stopped, EXIT_INTERRUPTED, EXIT_WELL);
    }
}
