//! `correlator dead`: what made guests fail, looked at and dealt with.
//!
//! To look takes no engine: the letters lie in a folder. To retry one takes a running engine; to drop one, too, unless
//! none runs.

use std::fmt::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::output::Output;
use super::place::{Place, there};
use super::table::{self, Cell, Column, Tint};
use super::words::{count, escaped, moment, wrapped};
use super::{EXIT_MACHINE, EXIT_WELL, EXIT_WRONG, Failed};
use crate::control::Command as Engine;
use crate::dead::{self, Dead, DeadError, Kind, Letter};
use crate::limit;
use crate::text::clean;

/// What can be done with dead letters.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the records, events and timers that were set aside because they made a module or listener fail.
    List(Place),
    /// Show one: the record as it came or the event, the failure, and where in the guest it was.
    Show(One),
    /// Hand a record or an event to its guest once more; it is a dead letter again if the guest fails again.
    Retry(One),
    /// Forget one.
    Drop(One),
}

/// One letter.
#[derive(Args)]
pub(super) struct One {
    /// The letter, as `correlator dead list` names it.
    id: String,
    #[command(flatten)]
    place: Place,
}

/// Does what is asked with dead letters.
pub(super) fn dead(command: &Command, output: &mut Output) -> Result<u8, Failed> {
    match command {
        Command::List(place) => list(&open(place)?, output),
        Command::Show(one) => show(&open(&one.place)?.get(&one.id).map_err(unread)?, output),
        Command::Retry(one) => {
            one.place.reach.tell(Engine::DeadRetry { id: one.id.clone() }, output)
        }
        Command::Drop(one) => drop_one(one, output),
    }
}

/// The letters of the folder or stack that is named, or of the engine that runs.
fn open(place: &Place) -> Result<Dead, Failed> {
    of(&place.folder()?)
}

/// Those of a state folder.
fn of(state: &Path) -> Result<Dead, Failed> {
    Dead::open(&there(state)?.join(dead::FOLDER)).map_err(unread)
}

fn unread(error: DeadError) -> Failed {
    let code = if matches!(error, DeadError::Unknown(_)) { EXIT_WRONG } else { EXIT_MACHINE };
    Failed::new(code, error)
}

/// A running engine has to know; where none runs, the folder is ours.
fn drop_one(one: &One, output: &mut Output) -> Result<u8, Failed> {
    let here = |folder: &Path, _: &mut Output| {
        of(folder)?.remove(&one.id).map_err(unread)?;
        Ok(format!("dropped {}", one.id))
    };
    one.place.order(Engine::DeadDrop { id: one.id.clone() }, here, output)
}

fn list(dead: &Dead, output: &mut Output) -> Result<u8, Failed> {
    let mut letters = dead.list().map_err(unread)?;
    letters.sort_by_key(|letter| letter.when);
    if output.json {
        let value = serde_json::to_value(&letters);
        output.value(&value.map_err(|error| Failed::new(EXIT_MACHINE, error))?);
        return Ok(EXIT_WELL);
    }
    if letters.is_empty() {
        output.result("no dead letters\n");
        return Ok(EXIT_WELL);
    }
    let columns = [Column::Figures("ID"), Column::Figures("SET ASIDE"), Column::Words("FAILURE")];
    let row = |letter: &Letter| {
        let failure = clean(letter.failure.lines().next().unwrap_or(""), limit::MESSAGE_BYTES_MAX);
        vec![Cell::from(letter.id.as_str()), moment(letter.when).into(), failure.into()]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    output.result(&table::render(&columns, &rows, Output::is_coloured()));
    let all = count(letters.len() as u64, "dead letter");
    output.result(&format!("\n{all}; `correlator dead show ID` tells all of one\n"));
    Ok(EXIT_WELL)
}

fn show(letter: &Letter, output: &mut Output) -> Result<u8, Failed> {
    if output.json {
        let value: Result<Value, _> = serde_json::to_value(letter);
        output.value(&value.map_err(|error| Failed::new(EXIT_MACHINE, error))?);
    } else {
        output.result(&page(letter, Output::is_coloured()));
    }
    Ok(EXIT_WELL)
}

/// All of a letter, for people.
fn page(letter: &Letter, coloured: bool) -> String {
    let line = |text: &str| clean(text, limit::MESSAGE_BYTES_MAX);
    let mut out = Tint::Heading.paint(&letter.id, coloured) + "\n\n";
    let what = match letter.kind {
        Kind::Record => format!("record {} of `{}`", letter.position, line(&letter.source)),
        Kind::Event => {
            let id = letter.event.as_ref().map_or_else(String::new, |event| line(&event.id()));
            format!("event {id}")
        }
        Kind::Tick => "a timer".to_owned(),
    };
    let digest: String = letter.component_digest.chars().take(16).collect();
    let role = if letter.kind == Kind::Event { "listener" } else { "module" };
    let facts = [
        (role, line(&letter.module)),
        ("component", format!("{} ({})", line(&letter.component), line(&digest))),
        ("handed", format!("{what}, {} in its sequence", letter.sequence)),
        ("time", moment(letter.time)),
        ("set aside", moment(letter.when)),
    ];
    for (name, value) in facts {
        let _ = writeln!(out, "{name:<10}  {value}");
    }
    let _ = writeln!(out, "\n{}", Tint::Bad.paint(&line(&letter.failure), coloured));
    for frame in &letter.backtrace {
        let _ = writeln!(out, "  in {}", line(frame));
    }
    if letter.kind == Kind::Record {
        out.push('\n');
        for piece in wrapped(&escaped(&letter.raw.0)) {
            let _ = writeln!(out, "{piece}");
        }
    }
    if let Some(event) = &letter.event {
        let _ = writeln!(out, "\n{}", line(&event.name));
        for (name, value) in &event.columns {
            let value = format!("{}: {}", line(name), said(value));
            for piece in wrapped(&value) {
                let _ = writeln!(out, "  {piece}");
            }
        }
    }
    out
}

/// What stands in a column, for people.
fn said(value: &dead::Value) -> String {
    match value {
        dead::Value::Text(text) => escaped(text.as_bytes()),
        dead::Value::Bytes(raw) => escaped(&raw.0),
        dead::Value::Integer(number) => number.to_string(),
        dead::Value::Float(number) => escaped(number.as_bytes()),
        dead::Value::Boolean(yes) => yes.to_string(),
        dead::Value::Time(time) => moment(*time),
        dead::Value::Duration(nanoseconds) => format!("{nanoseconds} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::page;
    use crate::dead::{self, Kind, Letter, Raw};
    use crate::status::Moment;

    #[test]
    fn a_letter_is_shown_whole_and_steers_no_terminal() {
        let letter = Letter {
            id: "sshd-0000000000000007".to_owned(),
            module: "sshd".to_owned(),
            component: "sshd".to_owned(),
            component_digest: "00112233445566778899".to_owned(),
            kind: Kind::Record,
            sequence: 7,
            source: "auth".to_owned(),
            position: 4_096,
            time: Moment(0),
            raw: Raw(b"sshd[1]: \x1b[2J\xff end".to_vec()),
            event: None,
            failure: "trapped: unreachable".to_owned(),
            backtrace: vec!["sshd::parse\n".to_owned()],
            when: Moment(1_700_000_000_000_000_000),
        };
        let shown = page(&letter, false);
        for expected in [
            "sshd-0000000000000007\n",
            "component   sshd (0011223344556677)\n",
            "handed      record 4096 of `auth`, 7 in its sequence\n",
            "set aside   2023-11-14 22:13:20Z\n",
            "trapped: unreachable\n  in sshd::parse\\u{a}\n",
            "\nsshd[1]: \\u{1b}[2J\\xff end\n",
        ] {
            assert!(shown.contains(expected), "{expected} in\n{shown}");
        }
        let event = dead::Event {
            module: "sshd".to_owned(),
            name: "login".to_owned(),
            severity: 6,
            source: 16,
            position: 4_096,
            count: 0,
            columns: vec![
                ("user".to_owned(), dead::Value::Text("\x1b]0;x".to_owned())),
                ("since".to_owned(), dead::Value::Time(Moment(0))),
            ],
        };
        let (kind, module, raw) = (Kind::Event, "csv".to_owned(), Raw::default());
        let shown =
            page(&Letter { kind, module, raw, event: Some(event), ..letter.clone() }, false);
        for expected in [
            "listener    csv\n",
            "handed      event sshd:10:1000:0, 7 in its sequence\n",
            "\nlogin\n  user: \\u{1b}]0;x\n  since: 1970-01-01 00:00:00Z\n",
        ] {
            assert!(shown.contains(expected), "{expected} in\n{shown}");
        }
        let tick = Letter { kind: Kind::Tick, ..letter };
        assert!(page(&tick, false).contains("handed      a timer, 7 in its sequence\n"));
    }
}
