//! Errors of the system that nobody here can mend, such as no memory: they pass, and what comes then is to be read.

use std::thread;

use rustix::io::Errno;

use super::quiet::Quiet;
use crate::{clock, limit};

/// Those of one source.
#[derive(Debug)]
pub(crate) struct Setbacks<'a> {
    source: &'a str,
    told: Quiet,
}

impl<'a> Setbacks<'a> {
    /// Of the source of this name.
    pub fn new(source: &'a str) -> Self {
        Self { source, told: Quiet::new(1, limit::TELL_EVERY) }
    }

    /// Tells of an error and rests, since the same would be said again at once.
    pub fn rest(&mut self, error: Errno) {
        if self.told.ask(clock::instant()).is_some() {
            tracing::error!(
                "source `{}`: nothing can be read: {error}; it is tried again",
                self.source
            );
        }
        thread::park_timeout(limit::SETBACK_PAUSE);
    }
}
