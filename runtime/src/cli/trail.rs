//! Effects and entries of the audit trail, in words and as JSON.

use std::fmt::Write;

use correlator_store::effect::{Cause, Effect, State};
use correlator_store::entry::{By, Entry, Kind, Verdict};
use correlator_world::Cell;
use serde_json::{Map, Value, json};

use super::summary::machine_setting;
use super::table::Tint;
use super::words::moment;
use crate::declaration::Setting;
use crate::limit;
use crate::status::Moment;
use crate::text::clean;

/// Digits of a component's digest that tell it from others, for people.
const DIGEST_SHOWN: usize = 16;

/// A stranger's words, on one line.
pub(super) fn line(text: &str) -> String {
    clean(text, limit::MESSAGE_BYTES_MAX)
}

/// How a state is to be seen.
pub(super) fn tint(state: State) -> Tint {
    match state {
        State::Done => Tint::Good,
        State::Waiting | State::Trying => Tint::Doubtful,
        State::Dead | State::Refused | State::Denied => Tint::Bad,
        State::Dry | State::Undone | State::Dropped => Tint::Faint,
    }
}

/// A component's digest, short.
pub(super) fn digest(component: &str) -> String {
    line(&component.chars().take(DIGEST_SHOWN).collect::<String>())
}

/// What an entry tells of, in words without its time.
pub(super) fn told(entry: &Entry) -> String {
    let mut out = match (entry.kind, entry.attempt) {
        (Kind::Attempt, Some(attempt)) => format!("attempt {attempt}"),
        (kind, _) => kind.name().to_owned(),
    };
    if let Some(verdict) = entry.verdict {
        let _ = write!(out, " {verdict}");
    }
    if let By::User(uid) = entry.by {
        let _ = write!(out, " by user {uid}");
    }
    if !entry.text.is_empty() {
        let _ = write!(out, ": {}", line(&entry.text));
    }
    out
}

/// An entry on one line, with its time.
pub(super) fn dated(entry: &Entry) -> String {
    format!("{}  {}", moment(Moment(entry.time)), told(entry))
}

/// An effect as JSON.
pub(super) fn effect(effect: &Effect) -> Value {
    let cells = effect.request.cells.iter().map(|(name, cell)| (name.clone(), value(cell)));
    json!({
        "id": effect.request.id,
        "number": effect.number,
        "state": effect.state.name(),
        "listener": effect.listener,
        "component": effect.component,
        "capability": effect.capability,
        "target": effect.request.target,
        "endpoint": effect.endpoint,
        "key": effect.key,
        "plan": effect.plan,
        "behind": effect.behind,
        "attempts": effect.attempts,
        "maybe_done": effect.maybe_done,
        "undoing": effect.undoing,
        "since": Moment(effect.since),
        "next_at": effect.next_at.map(Moment),
        "changed_at": Moment(effect.changed_at),
        "said": effect.said,
        "request": cells.collect::<Map<_, _>>(),
    })
}

fn value(cell: &Cell) -> Value {
    let setting = match cell {
        Cell::Absent(_) => return Value::Null,
        Cell::Text(text) => Setting::Text(text.clone()),
        Cell::Integer(number) => Setting::Integer(*number),
        Cell::Float(number) => Setting::Float(*number),
        Cell::Boolean(yes) => Setting::Boolean(*yes),
        Cell::Time(time) => Setting::Time(*time),
        Cell::Duration(span) => Setting::Duration(*span),
    };
    machine_setting(&setting)
}

/// A cell in words; a text of several lines, such as a mail, under what stands before it.
pub(super) fn cell(cell: &Cell) -> String {
    match value(cell) {
        Value::String(text) if text.trim_end().contains('\n') => text
            .trim_end()
            .split('\n')
            .map(|one| format!("\n    {}", line(one.trim_end_matches('\r'))))
            .map(|one| one.trim_end_matches(' ').to_owned())
            .collect(),
        Value::String(text) => line(&text),
        other => other.to_string(),
    }
}

/// An entry as JSON.
pub(super) fn entry(entry: &Entry) -> Value {
    json!({
        "sequence": entry.sequence,
        "time": Moment(entry.time),
        "kind": entry.kind.name(),
        "verdict": entry.verdict.map(Verdict::name),
        "effect": entry.effect,
        "listener": entry.listener,
        "component": entry.component,
        "capability": entry.capability,
        "endpoint": entry.endpoint,
        "attempt": entry.attempt,
        "user": entry.by.uid(),
        "plan": entry.plan,
        "text": entry.text,
        "digest": entry.digest.map(|digest| digest.to_string()),
        "through": entry.through,
        "causes": entry.causes.iter().map(cause).collect::<Vec<_>>(),
        "hash": entry.hash.to_string(),
    })
}

fn cause(cause: &Cause) -> Value {
    let record = cause.record.as_ref().map(|record| {
        json!({
            "source": record.source,
            "position": record.position,
            "raw": String::from_utf8_lossy(&record.raw),
            "bytes": record.bytes,
        })
    });
    json!({ "event": cause.event, "record": record })
}

#[cfg(test)]
pub(super) mod tests {
    use correlator_store::effect::{Cause, Effect, State};
    use correlator_store::entry::{By, Entry, Kind, Verdict};
    use correlator_world::{Cell, Request};

    use super::{cell, dated, effect, entry};

    /// An effect with words of strangers in it.
    pub fn an_effect() -> Effect {
        Effect {
            number: 3,
            request: Request {
                id: "ops:sshd:1:2:0:webhook.1:0".to_owned(),
                target: "chat".to_owned(),
                cells: vec![
                    ("summary".to_owned(), Cell::Text("\x1b[2J".to_owned())),
                    ("wait".to_owned(), Cell::Duration(60_000_000_000)),
                    ("gone".to_owned(), Cell::Absent(correlator_world::Kind::Text)),
                ],
            },
            listener: "ops".to_owned(),
            component: "00112233445566778899".to_owned(),
            capability: "webhook".to_owned(),
            endpoint: "ops/chat".to_owned(),
            key: None,
            plan: "POST to chat".to_owned(),
            state: State::Waiting,
            behind: false,
            attempts: 2,
            maybe_done: false,
            undoing: false,
            since: 0,
            next_at: Some(5_000_000_000),
            changed_at: 1_000_000_000,
            said: Some("refused\x1b[2J".to_owned()),
        }
    }

    /// An attempt at it.
    pub fn an_entry() -> Entry {
        Entry {
            sequence: 4,
            time: 1_000_000_000,
            kind: Kind::Attempt,
            verdict: Some(Verdict::Later),
            effect: Some("ops:sshd:1:2:0:webhook.1:0".to_owned()),
            listener: Some("ops".to_owned()),
            component: None,
            capability: Some("webhook".to_owned()),
            endpoint: Some("ops/chat".to_owned()),
            attempt: Some(2),
            by: By::Engine,
            plan: None,
            text: "refused\x1b[2J".to_owned(),
            digest: None,
            through: None,
            causes: vec![Cause { event: "sshd:1:2:0".to_owned(), record: None }],
            hash: blake3::hash(b""),
        }
    }

    #[test]
    fn an_entry_is_one_line_and_steers_no_terminal() {
        let expected = "1970-01-01 00:00:01Z  attempt 2 later: refused\\u{1b}[2J";
        assert_eq!(dated(&an_entry()), expected);
        let ordered = Entry {
            kind: Kind::Command,
            verdict: Some(Verdict::Retried),
            attempt: None,
            by: By::User(1000),
            text: String::new(),
            ..an_entry()
        };
        assert_eq!(dated(&ordered), "1970-01-01 00:00:01Z  command retried by user 1000");
    }

    #[test]
    fn lines_of_a_text_are_lines() {
        let check = |text: &str, expected: &str| {
            assert_eq!(cell(&Cell::Text(text.to_owned())), expected, "{text:?}");
        };
        check("one", "one");
        check("one\n", "one\\u{a}");
        check("<p>\r\n\n  a\x1b[2J\n</p>\n", "\n    <p>\n\n      a\\u{1b}[2J\n    </p>");
    }

    #[test]
    fn json_says_all_of_them() {
        let value = effect(&an_effect());
        assert_eq!(value["state"], "waiting");
        assert_eq!(value["next_at"], "1970-01-01T00:00:05Z");
        assert_eq!(value["request"]["wait"], "0:01:00");
        assert_eq!(value["request"]["gone"], serde_json::Value::Null);
        let value = entry(&an_entry());
        assert_eq!((&value["kind"], &value["verdict"]), (&"attempt".into(), &"later".into()));
        assert_eq!(value["causes"][0]["event"], "sshd:1:2:0");
    }
}
