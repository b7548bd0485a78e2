//! Compiling a component in a process of its own, with limits on time and memory.
//!
//! Compiling is the one place where a stranger's file is worked on before any fuel is counted, and a few kilobytes can
//! cost seconds and gigabytes. So a child does it: the kernel ends the child at its limits, and the engine goes on.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use thiserror::Error;

use super::engine::engine;
use crate::clock;
use crate::limit::{self, Limits};
use crate::text::clean;

/// The command-line word that makes the program a compiling child.
pub const CHILD_COMMAND: &str = "compile-component";

/// Why a component was not compiled.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The child could not be started or talked to.
    #[error("the compiler process could not be run as {}: {error}", program.display())]
    Process {
        /// The program that was to be the child.
        program: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It took too long.
    #[error(
        "compiling it took more than {seconds} CPU-seconds, too much for {bytes} bytes of component; raise `compile_time` if you trust it"
    )]
    Time {
        /// The limit.
        seconds: u64,
        /// The component's size.
        bytes: usize,
    },
    /// It took too much memory.
    #[error(
        "compiling it took more than {} MiB of memory, too much for {bytes} bytes of component; raise `compile_memory` if you trust it",
        memory_bytes >> 20
    )]
    Memory {
        /// The limit.
        memory_bytes: u64,
        /// The component's size.
        bytes: usize,
    },
    /// The compiler refused it.
    #[error("it does not compile: {0}")]
    Refused(String),
}

/// Compiles a component by running `program` as a child.
///
/// # Errors
/// The component can't be compiled within the limits.
pub fn compile(program: &Path, component: &[u8], limits: &Limits) -> Result<Vec<u8>, CompileError> {
    let seconds = limits.compile_seconds(component.len());
    let memory_bytes = limits.compile_memory_bytes(component.len());
    let failed = |error| CompileError::Process { program: program.to_owned(), error };
    let mut child = Command::new(program)
        .arg(CHILD_COMMAND)
        .arg(seconds.to_string())
        .arg(memory_bytes.to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let ended = converse(&mut child, component, wall_time(seconds));
    // The child is ended and reaped on every path, so none is left behind.
    let killed = child.kill();
    let status = child.wait().map_err(failed)?;
    drop(killed);
    let said = ended.map_err(failed)?;
    if said.timed_out {
        return Err(CompileError::Time { seconds, bytes: component.len() });
    }
    outcome(status, said, component.len(), seconds, memory_bytes)
}

/// How long a child may take by the clock: a loaded machine may be slow, a stuck child must end.
fn wall_time(cpu_seconds: u64) -> Duration {
    Duration::from_secs(cpu_seconds.saturating_mul(limit::COMPILE_WALL_PER_CPU))
}

struct Said {
    code: Vec<u8>,
    complaint: String,
    timed_out: bool,
}

/// Feeds the child and listens to it until it closes its output or time is up.
#[expect(
    clippy::disallowed_methods,
    reason = "sleeps between looks at a child that is bounded by the clock"
)]
fn converse(child: &mut Child, component: &[u8], time: Duration) -> io::Result<Said> {
    let missing = || io::Error::other("its pipes are missing");
    let mut input = child.stdin.take().ok_or_else(missing)?;
    let output = child.stdout.take().ok_or_else(missing)?;
    let errors = child.stderr.take().ok_or_else(missing)?;
    let deadline = clock::instant() + time;
    thread::scope(|scope| {
        // A child that ends early closes its input: that is told by its status, not by this write.
        scope.spawn(move || {
            let _ = input.write_all(component);
        });
        let code = scope.spawn(move || read(output, limit::COMPILED_BYTES_MAX));
        let complaint = scope.spawn(move || read(errors, limit::COMPLAINT_BYTES_MAX));
        let mut timed_out = false;
        while child.try_wait()?.is_none() {
            if code.is_finished() && complaint.is_finished() {
                break;
            }
            if clock::instant() >= deadline {
                timed_out = true;
                child.kill()?;
                break;
            }
            thread::sleep(limit::CHILD_POLL);
        }
        let joined = |result: thread::Result<io::Result<Vec<u8>>>| {
            result.unwrap_or_else(|_| Err(io::Error::other("a reading thread panicked")))
        };
        let code = joined(code.join())?;
        let complaint = String::from_utf8_lossy(&joined(complaint.join())?).into_owned();
        Ok(Said { code, complaint, timed_out })
    })
}

fn read(from: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn outcome(
    status: ExitStatus,
    said: Said,
    bytes: usize,
    seconds: u64,
    memory_bytes: u64,
) -> Result<Vec<u8>, CompileError> {
    use std::os::unix::process::ExitStatusExt;
    if status.success() && !said.code.is_empty() {
        return Ok(said.code);
    }
    let starved = said.complaint.contains("memory allocation of")
        || said.complaint.contains("Cannot allocate memory")
        || said.complaint.contains("thread spawn");
    match status.signal() {
        Some(signal) if signal == SIGXCPU || (signal == SIGKILL && !starved) => {
            Err(CompileError::Time { seconds, bytes })
        }
        _ if starved => Err(CompileError::Memory { memory_bytes, bytes }),
        Some(signal) => Err(CompileError::Refused(format!(
            "the compiler was ended by signal {signal}: {}",
            clean(said.complaint.trim(), limit::MESSAGE_BYTES_MAX)
        ))),
        None => Err(CompileError::Refused(clean(said.complaint.trim(), limit::MESSAGE_BYTES_MAX))),
    }
}

const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// What the child does: bounds itself, then compiles what it reads.
///
/// # Errors
/// The limits could not be set, or the component does not compile.
pub fn child(
    seconds: u64,
    memory_bytes: u64,
    mut input: impl Read,
    mut output: impl Write,
) -> Result<(), String> {
    let bound = |limit, spare| Rlimit { current: Some(limit), maximum: Some(limit + spare) };
    let limits = [
        (Resource::Cpu, bound(seconds, 1)),
        (Resource::As, bound(memory_bytes, 0)),
        (Resource::Core, bound(0, 0)),
        (Resource::Fsize, bound(0, 0)),
    ];
    for (resource, limit) in limits {
        setrlimit(resource, limit).map_err(|error| format!("no limits can be set: {error}"))?;
    }
    let piped = |error: io::Error| error.to_string();
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(piped)?;
    // The causes are what helps an author: all of them are told.
    let refused = |error: wasmtime::Error| format!("{error:#}");
    let code = engine().and_then(|engine| engine.precompile_component(&component));
    output.write_all(&code.map_err(refused)?).map_err(piped)?;
    output.flush().map_err(piped)?;
    Ok(())
}
