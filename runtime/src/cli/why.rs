//! `correlator why`: from an event or an effect back to its causes, and on to all that was decided and done.
//!
//! The audit trail says which event an effect is for, and the event's id says where its record was: what the trail does
//! not hold of it is looked for in the spool, as long as that goes back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use clap::Args;
use correlator_store::effect::Shown;
use correlator_store::entry::{Entry, Kind};
use correlator_store::error::StoreError;
use serde_json::{Value, json};

use super::output::Output;
use super::place::{self, Place, unread};
use super::table::Tint;
use super::trail;
use super::words::{escaped, moment, wrapped};
use super::{EXIT_MACHINE, EXIT_WELL, EXIT_WRONG, Failed, effects};
use crate::pipeline::state::trace::{self, RecordPlace};
use crate::status::Moment;

/// What is asked about.
#[derive(Args)]
pub(super) struct Arguments {
    /// An event's id, MODULE:SOURCE:POSITION:COUNT, or an effect's, as `correlator effects list` names it.
    #[arg(value_name = "EVENT|EFFECT")]
    about: String,
    #[command(flatten)]
    place: Place,
}

/// What is known of records by their places.
type Records = BTreeMap<RecordPlace, Vec<u8>>;

/// Tells why.
pub(super) fn why(arguments: &Arguments, output: &mut Output) -> Result<u8, Failed> {
    let folder = arguments.place.folder()?;
    let about = arguments.about.as_str();
    let shown = match place::reader(&folder)? {
        Err(StoreError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(unread(error)),
        Ok(reader) => match reader.show(about) {
            Ok(shown) => vec![shown],
            Err(StoreError::Unknown { .. }) => reader.why(about).map_err(unread)?,
            Err(error) => return Err(unread(error)),
        },
    };
    let mut events: BTreeSet<String> = shown.iter().flat_map(causes).collect();
    if shown.is_empty() {
        events.insert(about.to_owned());
    }
    let places = events.iter().filter_map(|event| trace::place(event)).collect();
    let records =
        trace::records(&folder, &places).map_err(|error| Failed::new(EXIT_MACHINE, error))?;
    if shown.is_empty() && records.is_empty() {
        let text = format!(
            "nobody knows of an event or an effect `{}`: nothing was asked for because of it, and its record is not in \
             the spool any more",
            trail::line(about)
        );
        return Err(Failed::new(EXIT_WRONG, text));
    }
    if output.json {
        output.value(&machine(about, &events, &shown, &records));
    } else {
        output.result(&people(about, &events, &shown, &records, Output::is_coloured()));
    }
    Ok(EXIT_WELL)
}

/// The events that an effect is for.
fn causes(shown: &Shown) -> Vec<String> {
    let causes = shown.entries.iter().flat_map(|entry| &entry.causes);
    causes.map(|cause| cause.event.clone()).collect()
}

/// The record of an event: as the trail holds it, or else as the spool does.
fn record(event: &str, shown: &[Shown], records: &Records) -> Option<Vec<u8>> {
    let causes = shown.iter().flat_map(|it| &it.entries).flat_map(|entry| &entry.causes);
    let mut held = causes.filter(|cause| cause.event == event).filter_map(|it| it.record.as_ref());
    let spooled = || trace::place(event).and_then(|place| records.get(&place).cloned());
    held.next().map(|record| record.raw.clone()).or_else(spooled)
}

fn machine(about: &str, events: &BTreeSet<String>, shown: &[Shown], records: &Records) -> Value {
    let event = |event: &String| {
        let place = trace::place(event);
        let raw = record(event, shown, records);
        json!({
            "event": event,
            "source": place.map(|(source, _)| format!("{source:x}")),
            "position": place.map(|(_, position)| position),
            "record": raw.map(|raw| String::from_utf8_lossy(&raw).into_owned()),
        })
    };
    json!({
        "about": about,
        "events": events.iter().map(event).collect::<Vec<_>>(),
        "effects": shown.iter().map(effects::value).collect::<Vec<_>>(),
    })
}

fn people(
    about: &str,
    events: &BTreeSet<String>,
    shown: &[Shown],
    records: &Records,
    coloured: bool,
) -> String {
    let mut out = Tint::Heading.paint(&trail::line(about), coloured) + "\n";
    for event in events {
        let _ = writeln!(out, "\nevent {}", trail::line(event));
        match (record(event, shown, records), trace::place(event)) {
            (Some(raw), _) => {
                out.push_str("because of this record\n");
                for piece in wrapped(&escaped(&raw)) {
                    let _ = writeln!(out, "  {piece}");
                }
            }
            (None, Some((source, position))) => {
                let _ = writeln!(
                    out,
                    "because of the record at {position} of source {source:x}, which the spool does not have any more"
                );
            }
            (None, None) => out.push_str("because of the time that had passed; no record did it\n"),
        }
    }
    if events.is_empty() {
        out.push_str("\nbecause of the time that had passed; no event did it\n");
    }
    if shown.is_empty() {
        out.push_str("\nnobody asked for anything because of it\n");
    }
    for shown in shown {
        effect(shown, coloured, &mut out);
    }
    out
}

/// What was asked for, by whom, what was decided, and what came of it.
fn effect(shown: &Shown, coloured: bool, out: &mut String) {
    let state = shown.effect.as_ref().map(|effect| effect.state);
    let now = state.map_or_else(
        || Tint::Faint.paint("pruned", coloured),
        |state| trail::tint(state).paint(state.name(), coloured),
    );
    let _ = writeln!(out, "\neffect {}: {now}", trail::line(&shown.id));
    for entry in &shown.entries {
        if entry.kind == Kind::Decision {
            asked(entry, out);
        }
        let _ = writeln!(out, "  {}", trail::dated(entry));
    }
}

fn asked(entry: &Entry, out: &mut String) {
    let text = |value: &Option<String>| trail::line(value.as_deref().unwrap_or("?"));
    let _ = writeln!(
        out,
        "  {}  listener {} ({}) asked {} for it",
        moment(Moment(entry.time)),
        text(&entry.listener),
        trail::digest(entry.component.as_deref().unwrap_or("?")),
        text(&entry.capability),
    );
    if let Some(plan) = &entry.plan {
        let _ = writeln!(out, "    {}", trail::line(plan));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use correlator_store::effect::Shown;
    use correlator_store::entry::{Entry, Kind, Verdict};

    use super::super::trail::tests::{an_effect, an_entry};
    use super::{causes, machine, people};

    fn shown() -> Shown {
        let effect = an_effect();
        let decision = Entry {
            kind: Kind::Decision,
            verdict: Some(Verdict::Granted),
            attempt: None,
            component: Some("00112233445566778899".to_owned()),
            plan: Some("POST to chat".to_owned()),
            text: String::new(),
            ..an_entry()
        };
        let entries = vec![decision, Entry { causes: Vec::new(), ..an_entry() }];
        Shown { id: effect.request.id.clone(), effect: Some(effect), entries }
    }

    #[test]
    fn the_way_back_is_told_from_the_record_to_what_was_done() {
        let shown = [shown()];
        let events: BTreeSet<_> = causes(&shown[0]).into_iter().collect();
        let records = BTreeMap::from([((1, 2), b"sshd[1]: \xff failed".to_vec())]);
        let text = people("x", &events, &shown, &records, false);
        for expected in [
            "event sshd:1:2:0\nbecause of this record\n  sshd[1]: \\xff failed\n",
            "effect ops:sshd:1:2:0:webhook.1:0: waiting\n",
            "listener ops (0011223344556677) asked webhook for it\n    POST to chat\n",
            "decision granted\n",
            "attempt 2 later: refused\\u{1b}[2J\n",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        let value = machine("x", &events, &shown, &records);
        assert_eq!(value["events"][0]["position"], 2);
        assert_eq!(value["effects"][0]["effect"]["state"], "waiting");
        let text = people("x", &events, &shown, &BTreeMap::new(), false);
        assert!(text.contains("record at 2 of source 1, which the spool does not have"), "{text}");
    }

    #[test]
    fn what_time_did_has_no_record() {
        let shown = [Shown { entries: Vec::new(), ..shown() }];
        let text = people("x", &BTreeSet::new(), &shown, &BTreeMap::new(), false);
        assert!(text.contains("because of the time that had passed; no event did it"), "{text}");
    }
}
