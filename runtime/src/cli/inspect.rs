//! `correlator inspect`: what a component is, wants, declares and imports.

use std::fmt::Write;

use correlator_frame::value::Kind;
use serde_json::{Value, json};

use super::load::load_one;
use super::output::Output;
use super::words::bytes;
use super::{Common, EXIT_WELL, Failed, summary};
use crate::declaration::{
    Description, EventSchema, Interest, Literal, OptionSchema, Role, Schedule, Setting, Timer,
};
use crate::sandbox::Guest;
use crate::stack::value::setting_text;

/// Literals of a clause that people see.
const LITERALS_SHOWN: usize = 8;

/// What `inspect` understands.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A component file, or the name of a bundled guest.
    #[arg(value_name = "FILE.wasm")]
    component: String,
}

/// Tells what a component is.
pub(super) fn inspect(
    arguments: &Arguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let (guest, size) = load_one(&arguments.component, common)?;
    if output.json {
        output.value(&machine(&guest, size));
    } else {
        output.result(&people(&guest, size));
    }
    Ok(EXIT_WELL)
}

fn people(guest: &Guest, size: usize) -> String {
    let description = &guest.description;
    let mut text = String::new();
    let role = role(description);
    let _ = writeln!(text, "{} {}, a {role}", description.name, description.version);
    let _ = writeln!(text, "{}\n", description.meaning);
    let _ = writeln!(text, "size       {}", bytes(size as u64));
    let _ = writeln!(text, "digest     {}", guest.digest);
    let _ = writeln!(text, "imports    {}", list(&guest.shape.imports));
    let _ = writeln!(text, "exports    {}", list(&guest.shape.exports));
    let _ = writeln!(text, "state      version {}", description.state_version);
    match &description.role {
        Role::Module { interest, events } => {
            interest_lines(&mut text, interest);
            text.push_str("\nevents\n");
            for event in events {
                event_lines(&mut text, event);
            }
        }
        Role::Listener { criteria, wants, credentials } => {
            let criteria = if criteria.is_empty() { "every event" } else { criteria };
            let _ = writeln!(text, "criteria   {criteria}");
            text.push_str("\nwants\n");
            for want in wants {
                let _ = writeln!(text, "  {}: {}", want.capability, want.reason);
            }
            for credential in credentials {
                let _ = writeln!(text, "  the credential {credential}");
            }
        }
    }
    if !description.options.is_empty() {
        text.push_str("\noptions\n");
        for option in &description.options {
            option_lines(&mut text, option);
        }
    }
    if !description.timers.is_empty() {
        text.push_str("\ntimers\n");
        for timer in &description.timers {
            let _ = writeln!(text, "  {}: {}", timer.name, schedule(timer));
        }
    }
    text
}

fn role(description: &Description) -> &'static str {
    match description.role {
        Role::Module { .. } => "module",
        Role::Listener { .. } => "listener",
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".into() } else { crate::text::clean(&names.join(", "), 4096) }
}

fn interest_lines(text: &mut String, interest: &[Interest]) {
    if interest.is_empty() {
        let _ = writeln!(text, "interest   every record");
    }
    for (place, clause) in interest.iter().enumerate() {
        let mut parts = Vec::new();
        if !clause.programs.is_empty() {
            parts.push(format!("program {}", clause.programs.join(" or ")));
        }
        if !clause.facilities.is_empty() {
            let names = clause
                .facilities
                .iter()
                .filter_map(|&number| {
                    correlator_frame::severity::FACILITIES.get(usize::from(number)).copied()
                })
                .collect::<Vec<_>>();
            parts.push(format!("facility {}", names.join(" or ")));
        }
        if let Some(severity) = clause.severity {
            parts.push(format!("severity {} or worse", severity.name()));
        }
        if !clause.literals.is_empty() {
            parts.push(format!("the message {}", literals(&clause.literals)));
        }
        if !clause.fields.is_empty() {
            parts.push(format!("the fields {}", clause.fields.join(" and ")));
        }
        if parts.is_empty() {
            parts.push("every record".into());
        }
        let label = if place == 0 { "interest " } else { "  or     " };
        let _ = writeln!(text, "{label}  {}", crate::text::clean(&parts.join(", "), 4096));
    }
}

fn event_lines(text: &mut String, event: &EventSchema) {
    let _ = writeln!(text, "  {} ({}): {}", event.name, event.severity.name(), event.meaning);
    let _ = writeln!(text, "    \"{}\"", event.summary);
    let width = event.columns.iter().map(|column| column.name.len()).max().unwrap_or(0);
    for column in &event.columns {
        let optional = if column.optional { "?" } else { " " };
        let _ = writeln!(
            text,
            "    {:width$} {:8}{optional} {}",
            column.name,
            column.kind.name(),
            column.meaning
        );
    }
}

/// The first few literals of a clause; `--json` has them all.
fn literals(literals: &[Literal]) -> String {
    let shown = literals.iter().take(LITERALS_SHOWN).map(|literal| {
        let how = if literal.at_start { "starts with" } else { "contains" };
        format!("{how} {:?}", literal.text)
    });
    let mut text = shown.collect::<Vec<_>>().join(" or ");
    if literals.len() > LITERALS_SHOWN {
        let _ = write!(text, " or one of {} more", literals.len() - LITERALS_SHOWN);
    }
    text
}

fn option_lines(text: &mut String, option: &OptionSchema) {
    let mut facts = vec![option.kind.name().to_owned()];
    let number = |number: i64| match option.kind {
        Kind::Duration => setting_text(&Setting::Duration(number)),
        _ => number.to_string(),
    };
    facts.extend(option.at_least.map(|least| format!("at least {}", number(least))));
    facts.extend(option.at_most.map(|most| format!("at most {}", number(most))));
    if !option.choices.is_empty() {
        facts.push(option.choices.join(" or "));
    }
    facts.push(match &option.default {
        Some(default) => format!("default {}", setting_text(default)),
        None => "must be set".into(),
    });
    let _ = writeln!(text, "  {} ({}): {}", option.name, facts.join(", "), option.meaning);
}

fn schedule(timer: &Timer) -> String {
    match timer.schedule {
        Schedule::EverySeconds(seconds) => format!("every {seconds} s"),
        Schedule::DailyMinute(minute) => format!("daily at {}:{:02}", minute / 60, minute % 60),
    }
}

fn machine(guest: &Guest, size: usize) -> Value {
    let description = &guest.description;
    let options = description.options.iter().map(|option| {
        json!({
            "name": option.name,
            "kind": option.kind.name(),
            "meaning": option.meaning,
            "default": option.default.as_ref().map(summary::machine_setting),
            "at_least": option.at_least,
            "at_most": option.at_most,
            "choices": option.choices,
        })
    });
    let mut value = json!({
        "name": description.name,
        "version": description.version,
        "role": role(description),
        "meaning": description.meaning,
        "bytes": size,
        "digest": guest.digest,
        "imports": guest.shape.imports,
        "exports": guest.shape.exports,
        "state_version": description.state_version,
        "options": options.collect::<Vec<_>>(),
        "timers": description.timers.iter().map(|timer| {
            json!({ "name": timer.name, "schedule": schedule(timer) })
        }).collect::<Vec<_>>(),
    });
    match &description.role {
        Role::Module { interest, events } => {
            value["interest"] = interest.iter().map(machine_interest).collect();
            value["events"] = events.iter().map(machine_event).collect();
        }
        Role::Listener { criteria, wants, credentials } => {
            value["criteria"] = criteria.clone().into();
            value["credentials"] = credentials.clone().into();
            value["wants"] = wants
                .iter()
                .map(|want| json!({ "capability": want.capability, "reason": want.reason }))
                .collect();
        }
    }
    value
}

fn machine_interest(interest: &Interest) -> Value {
    json!({
        "programs": interest.programs,
        "facilities": interest.facilities,
        "severity": interest.severity.map(correlator_frame::severity::Severity::name),
        "literals": interest.literals.iter().map(|literal| {
            json!({ "text": literal.text, "at_start": literal.at_start })
        }).collect::<Vec<_>>(),
        "fields": interest.fields,
    })
}

fn machine_event(event: &EventSchema) -> Value {
    json!({
        "name": event.name,
        "severity": event.severity.name(),
        "summary": event.summary,
        "meaning": event.meaning,
        "columns": event.columns.iter().map(|column| {
            json!({
                "name": column.name,
                "kind": column.kind.name(),
                "optional": column.optional,
                "meaning": column.meaning,
            })
        }).collect::<Vec<_>>(),
    })
}
