//! The engine's own words on standard error: one line each, for a tired operator or, as JSON, for what collects them.

use std::fmt;
use std::io::IsTerminal;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use super::Verbosity;
use crate::{clock, text};

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// `warning: ...`, for people.
    #[default]
    Text,
    /// An object a line, with `time`, `level`, `message` and, if it is a guest's line, `guest`.
    Json,
}

/// What is no complaint and yet told at the usual level: what came of a change that nobody waits for at a terminal.
pub(super) const NEWS: &str = "news";

/// Sends what the engine has to say to standard error.
pub(super) fn begin(verbosity: Verbosity, format: LogFormat) {
    let level = match verbosity {
        Verbosity::Quiet => Level::ERROR,
        Verbosity::Normal => Level::WARN,
        Verbosity::Verbose => Level::DEBUG,
    };
    let usual = if verbosity == Verbosity::Normal { Level::INFO } else { level };
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level.max(usual))
        .with_writer(std::io::stderr)
        .event_format(Lines { colour, format })
        .finish()
        .with(Targets::new().with_default(level).with_target(NEWS, usual));
    // Only a second call could fail, and there is none.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Words that were made for people, as a line of the log in JSON; a report goes with them as it is.
pub(super) fn told(words: &str, report: Option<Value>) -> String {
    let words = words.trim();
    let (level, message) = ["error", "warning"]
        .into_iter()
        .find_map(|level| Some((level, words.strip_prefix(level)?.strip_prefix(": ")?)))
        .unwrap_or(("info", words));
    let words = Words { message: message.to_owned(), guest: None };
    let mut object = words.object(level, clock::now());
    if let Some(report) = report {
        object["report"] = report;
    }
    text::seen(object.to_string()) + "\n"
}

/// `warning: module `x`: ...`, with a guest's own lines marked as such.
struct Lines {
    colour: bool,
    format: LogFormat,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (word, colour) = match *event.metadata().level() {
            Level::ERROR => ("error", "\x1b[1;31m"),
            Level::WARN => ("warning", "\x1b[1;33m"),
            Level::INFO => ("info", "\x1b[1m"),
            Level::DEBUG | Level::TRACE => ("debug", "\x1b[2m"),
        };
        let mut words = Words::default();
        event.record(&mut words);
        if self.format == LogFormat::Json {
            return writeln!(writer, "{}", words.object(word, clock::now()));
        }
        if self.colour {
            write!(writer, "{colour}{word}:\x1b[0m ")?;
        } else {
            write!(writer, "{word}: ")?;
        }
        if let Some(guest) = words.guest {
            write!(writer, "`{guest}` says: ")?;
        }
        writeln!(writer, "{}", words.message)
    }
}

#[derive(Default)]
struct Words {
    message: String,
    guest: Option<String>,
}

impl Words {
    /// The line as an object.
    fn object(self, level: &str, now: i64) -> Value {
        let time = Timestamp::from_nanosecond(now.into()).unwrap_or_default();
        let mut object = Map::new();
        object.insert("time".into(), format!("{time:.6}").into());
        object.insert("level".into(), level.into());
        if let Some(guest) = self.guest {
            object.insert("guest".into(), guest.into());
        }
        object.insert("message".into(), self.message.into());
        Value::Object(object)
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "guest" {
            self.guest = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Words;

    #[test]
    fn a_line_is_an_object() {
        let check = |guest: Option<&str>, expected: Value| {
            let message = "a \"quoted\"\nline".to_owned();
            let words = Words { message, guest: guest.map(String::from) };
            let line = words.object("warning", 1_702_191_346_250_000_000).to_string();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(serde_json::from_str::<Value>(&line).expect("an object"), expected);
        };
        let (time, message) = ("2023-12-10T06:55:46.250000Z", "a \"quoted\"\nline");
        check(None, json!({ "time": time, "level": "warning", "message": message }));
        let all = json!({ "time": time, "level": "warning", "message": message, "guest": "sshd" });
        check(Some("sshd"), all);
    }
}
