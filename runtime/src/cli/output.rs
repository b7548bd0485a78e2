//! Where words go: results to standard output, everything about the run to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex};

use rustix::termios::tcgetwinsize;
use serde_json::Value;

use super::log::{LogFormat, told};
use super::{EXIT_MACHINE, EXIT_WELL, Verbosity};
use crate::capability::{Console, Paint};
use crate::text::seen;

/// How wide the page of a terminal is that does not say it.
const PAGE_WIDTH: usize = 100;

/// The program's voice.
pub(super) struct Output {
    /// Whether a machine reads.
    pub(super) json: bool,
    pub(super) verbosity: Verbosity,
    /// How all that is told besides results is written.
    log: LogFormat,
    /// Why results can't be written any more.
    unwritten: Option<io::Error>,
}

impl Output {
    pub(super) fn new(json: bool, verbosity: Verbosity, log: LogFormat) -> Self {
        Self { json, verbosity, log, unwritten: None }
    }

    /// A result, for people. What can't be written ends the words, not the work; [`Self::end`] tells of it.
    pub(super) fn result(&mut self, text: &str) {
        if self.is_heard() {
            let mut out = io::stdout().lock();
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            self.unwritten = written.err();
        }
    }

    /// Whether results still go where they are to go.
    pub(super) fn is_heard(&self) -> bool {
        self.unwritten.is_none()
    }

    /// The code of a command that ended with this one. Whoever has read enough is content; results that are lost otherwise
    /// are no success.
    pub(super) fn end(&mut self, code: u8) -> u8 {
        match self.unwritten.take() {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                self.error(&format!("error: standard output: {error}\n"));
                if code == EXIT_WELL { EXIT_MACHINE } else { code }
            }
            _ => code,
        }
    }

    /// A result, for a machine: one line.
    pub(super) fn value(&mut self, value: &Value) {
        self.result(&(seen(value.to_string()) + "\n"));
    }

    /// Something about the run, unless nobody wants to know.
    pub(super) fn note(&mut self, text: &str) {
        if self.verbosity != Verbosity::Quiet {
            self.error(text);
        }
    }

    /// Something that must be told.
    pub(super) fn error(&mut self, text: &str) {
        let line = match self.log {
            LogFormat::Json if !text.is_empty() => &told(text, None),
            _ => text,
        };
        // Where nobody hears errors, there is nobody to tell of that.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }

    /// What a run came to, unless nobody wants to know.
    pub(super) fn summary(
        &mut self,
        people: impl FnOnce() -> String,
        machine: impl FnOnce() -> Value,
    ) {
        match self.log {
            LogFormat::Json if self.verbosity != Verbosity::Quiet => {
                let line = told("the run is over", Some(machine()));
                let _ = io::stderr().lock().write_all(line.as_bytes());
            }
            _ => self.note(&people()),
        }
    }

    /// Where listeners' lines go, and whether they are coloured.
    pub(super) fn console() -> (Console, Paint) {
        let console: Console = Arc::new(Mutex::new(io::stdout()));
        (console, if Self::is_coloured() { Paint::Coloured } else { Paint::Plain })
    }

    /// Whether results are read where colours are seen.
    pub(super) fn is_coloured() -> bool {
        Self::is_terminal() && std::env::var_os("NO_COLOR").is_none()
    }

    /// Whether results go to a terminal.
    pub(super) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// How wide a page is: the terminal's width. Nobody folds a file or a pipe, and there is no end to its lines.
    pub(super) fn width() -> usize {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return usize::MAX;
        }
        let columns = tcgetwinsize(&stdout).map(|size| usize::from(size.ws_col));
        columns.ok().filter(|columns| *columns > 0).unwrap_or(PAGE_WIDTH)
    }

    /// Whether somebody watches the run.
    pub(super) fn is_watched(&self) -> bool {
        self.verbosity != Verbosity::Quiet && !self.json && io::stderr().is_terminal()
    }

    /// Bold, where somebody sees it.
    pub(super) fn heading(text: &str) -> String {
        if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
