//! `correlator status`: how a running engine fares, once or again and again.

mod page;

use std::io;

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::output::Output;
use super::reach::{Reach, failed};
use super::{EXIT_MACHINE, EXIT_WELL, Failed};
use crate::clock;
use crate::control::ControlError;
use crate::control::client::Client;
use crate::limit;
use crate::status::Status;

pub(super) const EXAMPLES: &str = "\
Examples:
  correlator status
  correlator status --watch stack.yaml
  correlator status --json --socket /run/correlator/control.sock";

/// What `status` understands.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    reach: Reach,
    /// Draw it again every second, until Ctrl-C.
    #[arg(long, short)]
    watch: bool,
}

/// Tells how an engine fares.
pub(super) fn status(arguments: &Arguments, output: &mut Output) -> Result<u8, Failed> {
    let mut client = arguments.reach.connect()?;
    let status = client.status().map_err(failed)?;
    if arguments.watch {
        return watch(arguments, client, status, output);
    }
    show(&status, None, output)?;
    Ok(EXIT_WELL)
}

fn show(status: &Status, before: Option<&Status>, output: &mut Output) -> Result<(), Failed> {
    if output.json {
        output.value(&json(status)?);
    } else {
        output.result(&page(status, before));
    }
    Ok(())
}

fn page(status: &Status, before: Option<&Status>) -> String {
    page::render(status, before, clock::now(), Output::is_coloured(), Output::width())
}

fn json(status: &Status) -> Result<Value, Failed> {
    serde_json::to_value(status).map_err(|error| Failed::new(EXIT_MACHINE, error))
}

/// Where the picture begins anew: at the top of a cleared terminal, without a cursor that blinks in it.
const BEGIN: &str = "\x1b[?25l\x1b[2J";
/// To the top; what is there is written over, so that nothing flickers.
const AGAIN: &str = "\x1b[H";
/// Away with what is left of the picture before: of the line, and below the last.
const LINE_REST: &str = "\x1b[K\n";
const PAGE_REST: &str = "\x1b[J";
const END: &str = "\x1b[?25h";

/// Draws until a signal comes, or until nobody looks any more. An engine that is gone may come back: it is looked for each time.
fn watch(
    arguments: &Arguments,
    client: Client,
    first: Status,
    output: &mut Output,
) -> Result<u8, Failed> {
    let machine = |error: io::Error| Failed::new(EXIT_MACHINE, error);
    let (woken, waker) = io::pipe().map_err(machine)?;
    for signal in [SIGINT, SIGTERM] {
        let waker = waker.try_clone().map_err(machine)?;
        pipe::register(signal, waker).map_err(machine)?;
    }
    let draws = !output.json && Output::is_terminal();
    if draws {
        output.result(BEGIN);
    }
    let mut client = Some(client);
    let (mut before, mut now) = (None, Ok(first));
    let done = loop {
        match &now {
            Ok(status) if draws => {
                draw(&page(status, before.as_ref()), output);
            }
            Ok(status) => show(status, before.as_ref(), output)?,
            Err(error) if draws => draw(&format!("{error}\n"), output),
            Err(error) => output.error(&format!("error: {error}\n")),
        }
        match rest(&woken) {
            Ok(true) if output.is_heard() => {}
            Ok(_) => break Ok(EXIT_WELL),
            Err(error) => break Err(machine(error)),
        }
        before = now.ok();
        now = ask(arguments, &mut client);
    };
    if draws {
        output.result(END);
    }
    done
}

fn draw(page: &str, output: &mut Output) {
    output.result(&format!("{AGAIN}{}{PAGE_REST}", page.replace('\n', LINE_REST)));
}

/// The status now, over a connection that is made anew when the last one broke.
fn ask(arguments: &Arguments, client: &mut Option<Client>) -> Result<Status, String> {
    let mut asked = match client.take() {
        Some(client) => client,
        None => arguments
            .reach
            .connect()
            .map_err(|failed| failed.text.trim_start_matches("error: ").trim_end().to_owned())?,
    };
    let status = asked.status().map_err(|error: ControlError| error.to_string())?;
    *client = Some(asked);
    Ok(status)
}

/// Waits for the next picture; returns whether there is to be one.
fn rest(woken: &io::PipeReader) -> io::Result<bool> {
    let time = Timespec::try_from(limit::STATUS_STEP).map_err(io::Error::other)?;
    let stdout = io::stdout();
    // Of a pipe without a reader the system says so unasked.
    let mut fds = [PollFd::new(woken, PollFlags::IN), PollFd::new(&stdout, PollFlags::empty())];
    match poll(&mut fds, Some(&time)) {
        Ok(count) => Ok(count == 0),
        // The signal's word is in the pipe by now.
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
