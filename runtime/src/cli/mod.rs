//! The command line: arguments, wiring, words and exit codes.
//!
//! Only this room prints. What a run produces goes to standard output, everything about the run to standard error.

mod arguments;
mod audit;
mod blocks;
mod capture;
mod check;
mod componentize;
mod confinement;
mod credential;
mod dead;
mod dry;
mod effects;
mod inspect;
mod instances;
mod live;
mod load;
mod log;
mod modules;
mod output;
mod place;
mod plan;
mod prompt;
mod reach;
mod rehearsal;
mod run;
mod secrets;
mod show;
mod signals;
mod status;
mod summary;
mod table;
mod trail;
mod undo;
mod why;
mod words;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::stack::problem::Problem;
use crate::{control, sandbox};
use arguments::StackArguments;
use log::LogFormat;
use output::Output;

/// All went well.
const EXIT_WELL: u8 = 0;
/// The run ended, but a guest failed, records or events were lost, an effect was refused, a source could not be read to
/// its end, or something is left to be done by the next run.
const EXIT_LOSSES: u8 = 1;
/// The command line or the stack is wrong; nothing was run.
const EXIT_WRONG: u8 = 2;
/// A guest was refused or could not be started; nothing was run.
const EXIT_REFUSED: u8 = 3;
/// The machine did not give what a run needs.
const EXIT_MACHINE: u8 = 4;
/// SIGINT or SIGTERM ended the run, cleanly.
const EXIT_INTERRUPTED: u8 = 130;

const AFTER_HELP: &str = "\
Exit codes: 0 all well; 1 ended with losses (a guest failed, records or events were lost, an effect was refused, \
a source broke off) or with rows or effects left for the next run; \
2 wrong command line or stack; 3 a guest was refused; 4 the machine failed; 130 interrupted";

/// Log correlation and response with sandboxed rules.
#[derive(Parser)]
#[command(name = "correlator", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// What every command understands.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what they are")]
struct Common {
    /// Print for a machine: JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Tell errors only, and show no progress and no summary.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Tell everything, guests' debugging lines too.
    #[arg(long, short, global = true)]
    verbose: bool,
    /// How the engine's log is written to standard error.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        env = "CORRELATOR_LOG_FORMAT",
        hide_env_values = true,
        default_value_t
    )]
    log_format: LogFormat,
    /// Where compiled guests are kept between runs [default: `$XDG_CACHE_HOME/correlator`].
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        env = "CORRELATOR_CACHE",
        hide_env_values = true
    )]
    cache: Option<PathBuf>,
    /// Compile guests anew and keep nothing.
    #[arg(long, global = true)]
    no_cache: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run a stack: a file, or the one that the flags make.
    #[command(after_help = run::EXAMPLES)]
    Run(run::Arguments),
    /// Check a stack, guests and all, and run nothing.
    Check(StackArguments),
    /// Show what a stack comes to.
    #[command(subcommand)]
    Stack(StackCommand),
    /// Tell what a component is, wants, declares and imports.
    Inspect(inspect::Arguments),
    /// Make a component of the core module that a compiler made: the last step of building a guest.
    Componentize(componentize::Arguments),
    /// List the bundled modules and listeners, or put one of a running engine on or off.
    Modules(instances::ModulesArguments),
    /// Tell how a running engine fares: sources, modules, listeners, lag, failures.
    #[command(after_help = status::EXAMPLES)]
    Status(status::Arguments),
    /// Have a running engine read its stack anew and take up what changed.
    Reload(reach::Reach),
    /// Have a running engine save all state now.
    Checkpoint(reach::Reach),
    /// End a running engine in good order.
    Stop(reach::Reach),
    /// List, show, retry or drop what was set aside because it made a module fail.
    #[command(subcommand)]
    Dead(dead::Command),
    /// List, show, retry or drop what listeners asked the world for.
    #[command(subcommand)]
    Effects(effects::Command),
    /// List, show or verify the trail of what was asked for, decided and done.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Tell why: from an event or an effect back to the record, and on to what was decided and done.
    Why(why::Arguments),
    /// Take back what was done for a listener.
    Undo(undo::Arguments),
    /// List or lift the firewall's blocks.
    #[command(subcommand)]
    Blocks(blocks::Command),
    /// Set, list, remove or look for the secrets that a stack names.
    #[command(subcommand)]
    Credential(credential::Command),
    /// List, filter and replay captures.
    #[command(subcommand)]
    Capture(capture::Command),
    #[command(hide = true, name = sandbox::CHILD_COMMAND)]
    CompileComponent { seconds: u64, memory_bytes: u64 },
}

#[derive(Subcommand)]
enum StackCommand {
    /// Every option, limit and grant with its value, default and meaning.
    Show(StackArguments),
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// Why a command ended without doing its work.
struct Failed {
    code: u8,
    /// Lines for people, ready to print.
    text: String,
}

impl Failed {
    fn new(code: u8, text: impl std::fmt::Display) -> Self {
        Self { code, text: format!("error: {text}\n") }
    }

    /// What is wrong with a stack, as it is told.
    fn wrong(code: u8, problems: &[Problem]) -> Self {
        let text: Vec<_> = problems.iter().map(Problem::render).collect();
        Self { code, text: text.join("\n") }
    }
}

/// Runs the program with these arguments.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; clap knows where each belongs.
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            return ExitCode::from(match printed {
                _ if error.use_stderr() => EXIT_WRONG,
                Err(lost) if lost.kind() != ErrorKind::BrokenPipe => {
                    let mut output = Output::new(false, Verbosity::Normal, LogFormat::Text);
                    output.error(&format!("error: standard output: {lost}\n"));
                    EXIT_MACHINE
                }
                _ => EXIT_WELL,
            });
        }
    };
    let common = arguments.common;
    let verbosity = match (common.quiet, common.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    log::begin(verbosity, common.log_format);
    let mut output = Output::new(common.json, verbosity, common.log_format);
    let done = match arguments.command {
        Command::Run(run) => run::run(&run, &common, &mut output),
        Command::Check(stack) => check::check(&stack, &common, &mut output),
        Command::Stack(StackCommand::Show(stack)) => show::show(&stack, &common, &mut output),
        Command::Inspect(inspect) => inspect::inspect(&inspect, &common, &mut output),
        Command::Componentize(arguments) => {
            componentize::componentize(&arguments, &common, &mut output)
        }
        Command::Modules(arguments) => instances::modules(&arguments, &common, &mut output),
        Command::Status(arguments) => status::status(&arguments, &mut output),
        Command::Reload(reach) => reach.tell(control::Command::Reload, &mut output),
        Command::Checkpoint(reach) => reach.tell(control::Command::Checkpoint, &mut output),
        Command::Stop(reach) => instances::stop(&reach, &mut output),
        Command::Dead(command) => dead::dead(&command, &mut output),
        Command::Effects(command) => effects::effects(&command, &mut output),
        Command::Audit(command) => audit::audit(&command, &mut output),
        Command::Why(arguments) => why::why(&arguments, &mut output),
        Command::Undo(arguments) => undo::undo(&arguments, &common, &mut output),
        Command::Blocks(command) => blocks::blocks(&command, &common, &mut output),
        Command::Credential(command) => credential::credential(&command, &common, &mut output),
        Command::Capture(command) => capture::capture(&command, &mut output),
        Command::CompileComponent { seconds, memory_bytes } => compile(seconds, memory_bytes),
    };
    let code = done.unwrap_or_else(|failed| {
        output.error(&failed.text);
        failed.code
    });
    ExitCode::from(output.end(code))
}

/// What the compiling child does.
fn compile(seconds: u64, memory_bytes: u64) -> Result<u8, Failed> {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    sandbox::child(seconds, memory_bytes, input, output)
        .map(|()| EXIT_WELL)
        .map_err(|error| Failed { code: EXIT_REFUSED, text: format!("{error}\n") })
}
