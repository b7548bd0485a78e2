//! Where words go: results to standard output, everything about the run to standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::Verbosity;
use crate::capability::{Console, Paint};
use crate::text::seen;

/// The program's voice.
pub(super) struct Output {
    /// Whether a machine reads.
    pub(super) json: bool,
    pub(super) verbosity: Verbosity,
}

impl Output {
    pub(super) fn new(json: bool, verbosity: Verbosity) -> Self {
        Self { json, verbosity }
    }

    /// A result, for people. A reader that is gone ends the words, not the run.
    #[expect(clippy::unused_self, reason = "the one who prints")]
    pub(super) fn result(&mut self, text: &str) {
        let _ = io::stdout().lock().write_all(text.as_bytes());
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
    #[expect(clippy::unused_self, reason = "the one who prints")]
    pub(super) fn error(&mut self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
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
