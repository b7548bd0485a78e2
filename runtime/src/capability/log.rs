//! The capability `log`: lines for people on the terminal.
//!
//! Target `lines` is text, coloured by severity on a terminal; target `json` is one JSON text a line, never coloured.
//! Columns: `severity` (integer, 0 to 7) and `line` (text). Control characters are escaped, so that no log line can
//! steer the terminal that shows it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use correlator_frame::value::{Kind, Value};

use super::{Refusal, cells};
use crate::guest::Effect;
use crate::limit;
use crate::text::clean;

/// Where lines go: shared by all who write to the terminal.
pub type Console = Arc<Mutex<dyn Write + Send>>;

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// By severity.
    Coloured,
    /// Not at all.
    Plain,
}

/// The grant `log`, ready to use.
pub struct LogLines {
    console: Console,
    paint: Paint,
    buffer: Vec<u8>,
}

impl LogLines {
    /// Lines on this console.
    #[must_use]
    pub fn new(console: Console, paint: Paint) -> Self {
        Self { console, paint, buffer: Vec::new() }
    }

    pub(super) fn execute(&mut self, effect: &Effect) -> Result<usize, Refusal> {
        // Half a JSON text is none: those lines are as long as a turn allows.
        let (paint, bytes_max) = match effect.target.as_str() {
            "lines" => (self.paint, limit::LOG_LINE_BYTES_MAX),
            "json" => (Paint::Plain, usize::MAX),
            other => {
                return Err(Refusal::Malformed(format!(
                    "`log` has the targets `lines` and `json`, not `{}`",
                    clean(other, limit::NAME_BYTES_MAX)
                )));
            }
        };
        let severity = cells::column(effect, "severity", Kind::Integer)?;
        let line = cells::column(effect, "line", Kind::Text)?;
        self.buffer.clear();
        let mut count = 0;
        for row in cells::rows(effect) {
            let Some(Value::Text(text)) = row.value(line) else { continue };
            let colour = match (paint, row.value(severity)) {
                (Paint::Coloured, Some(Value::Integer(number))) => colour(number),
                _ => "",
            };
            write_line(text, colour, bytes_max, &mut self.buffer);
            count += 1;
        }
        write_all(&self.console, &self.buffer)
            .map_err(|error| Refusal::Failed(format!("the terminal took no lines: {error}")))?;
        Ok(count)
    }
}

fn write_all(console: &Console, bytes: &[u8]) -> io::Result<()> {
    // A writer that panicked has left whole lines or none: the next may go on.
    let mut console = console.lock().unwrap_or_else(PoisonError::into_inner);
    console.write_all(bytes)?;
    console.flush()
}

fn write_line(text: &[u8], colour: &str, bytes_max: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(colour.as_bytes());
    let text = String::from_utf8_lossy(text);
    out.extend_from_slice(clean(&text, bytes_max).as_bytes());
    if !colour.is_empty() {
        out.extend_from_slice(b"\x1b[0m");
    }
    out.push(b'\n');
}

/// The terminal's colour of a severity.
fn colour(severity: i64) -> &'static str {
    match severity {
        0..=2 => "\x1b[1;31m",
        3 => "\x1b[31m",
        4 => "\x1b[33m",
        5 => "\x1b[1m",
        6 => "",
        _ => "\x1b[2m",
    }
}
