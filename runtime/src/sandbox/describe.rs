//! From what a guest says of itself to what the engine believes.
//!
//! A description is a stranger's claim: every name, number and list in it is checked here, once, so that nothing
//! downstream need wonder. The message names the first thing that is wrong, for the guest's author.

use std::collections::HashSet;

use correlator_frame::event::COLUMNS_MAX;
use correlator_frame::severity::{FACILITIES, Severity};
use correlator_frame::value::Kind;

use crate::declaration::{
    Column, Description, EventSchema, Interest, Literal, OptionSchema, Role, Schedule, Setting,
    Timer, Want,
};
use crate::limit;
use crate::text::clean;
use crate::wit::listener::correlator::engine::events;
use crate::wit::module::correlator::engine::{records, types};

/// Names that every event has, whatever its schema says.
const TAKEN: [&str; 7] = ["id", "time", "timestamp", "event", "module", "severity", "summary"];

type Checked<T> = Result<T, String>;

/// The description of a module.
pub(super) fn module(said: records::Description) -> Checked<Description> {
    let role = Role::Module {
        interest: list("interest", said.interest, limit::INTERESTS_MAX, interest)?,
        events: list("events", said.events, limit::SCHEMAS_MAX, event)?,
    };
    if let Role::Module { events, .. } = &role {
        unique("event", events.iter().map(|event| event.name.as_str()))?;
    }
    let face = Face { name: said.name, version: &said.version, meaning: &said.meaning };
    common(face, said.options, said.timers, said.state_version, role)
}

/// The description of a listener.
pub(super) fn listener(said: events::Description) -> Checked<Description> {
    let want = |want: events::Want| {
        Ok(Want {
            capability: name("capability", want.capability)?,
            reason: clean(&want.reason, limit::MEANING_BYTES_MAX),
        })
    };
    let role = Role::Listener {
        criteria: clean(&said.criteria, limit::CRITERIA_BYTES_MAX),
        wants: list("wants", said.wants, limit::WANTS_MAX, want)?,
        credentials: list("credentials", said.credentials, limit::WANTS_MAX, |text| {
            name("credential", text)
        })?,
    };
    let face = Face { name: said.name, version: &said.version, meaning: &said.meaning };
    common(face, said.options, said.timers, said.state_version, role)
}

/// What a guest calls itself.
struct Face<'a> {
    name: String,
    version: &'a str,
    meaning: &'a str,
}

fn common(
    face: Face<'_>,
    options: Vec<types::OptionSchema>,
    timers: Vec<types::Timer>,
    state_version: u32,
    role: Role,
) -> Checked<Description> {
    let options = list("options", options, limit::OPTIONS_MAX, option)?;
    unique("option", options.iter().map(|option| option.name.as_str()))?;
    let timers = list("timers", timers, limit::TIMERS_MAX, timer)?;
    unique("timer", timers.iter().map(|timer| timer.name.as_str()))?;
    Ok(Description {
        name: name("guest", face.name)?,
        version: clean(face.version, limit::NAME_BYTES_MAX),
        meaning: clean(face.meaning, limit::MEANING_BYTES_MAX),
        options,
        timers,
        state_version,
        role,
    })
}

fn interest(said: records::Interest) -> Checked<Interest> {
    let literal = |literal: records::Literal| {
        if literal.text.is_empty() || literal.text.len() > limit::LITERAL_BYTES_MAX {
            return Err(format!(
                "a literal must have 1 to {} bytes, this one has {}",
                limit::LITERAL_BYTES_MAX,
                literal.text.len()
            ));
        }
        Ok(Literal {
            text: literal.text,
            at_start: matches!(literal.anchor, records::Anchor::Start),
        })
    };
    let facility = |facility: u8| {
        if usize::from(facility) < FACILITIES.len() {
            Ok(facility)
        } else {
            Err(format!("{facility} is no facility (0 to 23)"))
        }
    };
    let short = |text: String| {
        if text.is_empty() || text.len() > limit::NAME_BYTES_MAX {
            Err("a program or field of the interest is empty or too long".to_owned())
        } else {
            Ok(text)
        }
    };
    Ok(Interest {
        programs: list("programs", said.programs, limit::INTEREST_NAMES_MAX, short)?,
        facilities: list("facilities", said.facilities, FACILITIES.len(), facility)?,
        severity: said.severity.map(severity),
        literals: list("literals", said.literals, limit::LITERALS_MAX, literal)?,
        fields: list("fields", said.fields, limit::INTEREST_NAMES_MAX, short)?,
    })
}

fn event(said: types::EventSchema) -> Checked<EventSchema> {
    let name = name("event", said.name)?;
    let columns = list("columns", said.columns, COLUMNS_MAX, column)
        .map_err(|problem| format!("event `{name}`: {problem}"))?;
    unique("column", columns.iter().map(|column| column.name.as_str()))
        .map_err(|problem| format!("event `{name}`: {problem}"))?;
    if let Some(column) = columns.iter().find(|column| TAKEN.contains(&column.name.as_str())) {
        return Err(format!(
            "event `{name}`: the column name `{}` is taken: every event has {}",
            column.name,
            TAKEN.join(", ")
        ));
    }
    if said.summary.len() > limit::MEANING_BYTES_MAX {
        return Err(format!("event `{name}`: its summary is too long"));
    }
    let summary = clean(&said.summary, limit::MEANING_BYTES_MAX);
    placeholders(&summary, &columns).map_err(|problem| format!("event `{name}`: {problem}"))?;
    Ok(EventSchema {
        name,
        severity: severity(said.severity),
        summary,
        meaning: clean(&said.meaning, limit::MEANING_BYTES_MAX),
        columns,
    })
}

/// Checks that every `{name}` of a summary names a column.
fn placeholders(summary: &str, columns: &[Column]) -> Checked<()> {
    let mut rest = summary;
    while let Some(open) = rest.find('{') {
        rest = &rest[open + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            rest = after;
            continue;
        }
        let Some(close) = rest.find('}') else {
            return Err("its summary has a `{` without a `}`".into());
        };
        let wanted = &rest[..close];
        if !columns.iter().any(|column| column.name == wanted) {
            return Err(format!("its summary names the unknown column `{wanted}`"));
        }
        rest = &rest[close + 1..];
    }
    Ok(())
}

/// A column of an event or of an effect.
pub(super) fn column(said: types::Column) -> Checked<Column> {
    Ok(Column {
        name: name("column", said.name)?,
        kind: kind(said.kind),
        optional: said.optional,
        meaning: clean(&said.meaning, limit::MEANING_BYTES_MAX),
    })
}

fn option(said: types::OptionSchema) -> Checked<OptionSchema> {
    let name = name("option", said.name)?;
    let kind = kind(said.kind);
    let default = said.default.map(setting);
    if let Some(default) = &default
        && default.kind() != kind
    {
        return Err(format!("option `{name}`: its default is {}, not {kind}", default.kind()));
    }
    let choices = list("choices", said.choices, limit::CHOICES_MAX, |choice| {
        Ok(clean(&choice, limit::NAME_BYTES_MAX))
    })?;
    let option = OptionSchema {
        name,
        kind,
        meaning: clean(&said.meaning, limit::MEANING_BYTES_MAX),
        default,
        at_least: said.at_least,
        at_most: said.at_most,
        choices,
    };
    if let Some(Setting::Integer(number) | Setting::Duration(number)) = option.default {
        let low = option.at_least.is_some_and(|least| number < least);
        let high = option.at_most.is_some_and(|most| number > most);
        if low || high {
            return Err(format!("option `{}`: its default is out of its own bounds", option.name));
        }
    }
    if let Some(Setting::Text(text)) = &option.default
        && !option.choices.is_empty()
        && !option.choices.contains(text)
    {
        return Err(format!("option `{}`: its default is none of its choices", option.name));
    }
    Ok(option)
}

fn timer(said: types::Timer) -> Checked<Timer> {
    let name = name("timer", said.name)?;
    let schedule = match said.schedule {
        types::Schedule::Every(0) => {
            return Err(format!("timer `{name}` fires every 0 seconds; at least 1 is allowed"));
        }
        types::Schedule::Every(seconds) => Schedule::EverySeconds(seconds),
        types::Schedule::Daily(minute) if minute >= 24 * 60 => {
            return Err(format!(
                "timer `{name}` fires at minute {minute} of the day; the last is 1439"
            ));
        }
        types::Schedule::Daily(minute) => Schedule::DailyMinute(minute),
    };
    Ok(Timer { name, schedule })
}

/// A value that is not on the hot path, with its text made fit for people.
pub(super) fn setting(said: types::Value) -> Setting {
    match said {
        types::Value::Text(text) => Setting::Text(clean(&text, limit::MESSAGE_BYTES_MAX)),
        types::Value::Integer(number) => Setting::Integer(number),
        types::Value::Float(number) => Setting::Float(number),
        types::Value::Boolean(yes) => Setting::Boolean(yes),
        types::Value::Time(time) => Setting::Time(time),
        types::Value::Duration(span) => Setting::Duration(span),
    }
}

/// A value on its way to a guest.
pub(super) fn value(setting: &Setting) -> types::Value {
    match setting {
        Setting::Text(text) => types::Value::Text(text.clone()),
        Setting::Integer(number) => types::Value::Integer(*number),
        Setting::Float(number) => types::Value::Float(*number),
        Setting::Boolean(yes) => types::Value::Boolean(*yes),
        Setting::Time(time) => types::Value::Time(*time),
        Setting::Duration(span) => types::Value::Duration(*span),
    }
}

/// A bound schema on its way to a listener.
pub(super) fn schema(schema: &EventSchema) -> types::EventSchema {
    let column = |column: &Column| types::Column {
        name: column.name.clone(),
        kind: wit_kind(column.kind),
        optional: column.optional,
        meaning: column.meaning.clone(),
    };
    types::EventSchema {
        name: schema.name.clone(),
        severity: wit_severity(schema.severity),
        summary: schema.summary.clone(),
        meaning: schema.meaning.clone(),
        columns: schema.columns.iter().map(column).collect(),
    }
}

/// A severity as the engine has it.
pub(super) fn severity(said: types::Severity) -> Severity {
    Severity::from_number(u32::from(said as u8)).unwrap_or(Severity::Debug)
}

fn wit_severity(severity: Severity) -> types::Severity {
    match severity {
        Severity::Emergency => types::Severity::Emergency,
        Severity::Alert => types::Severity::Alert,
        Severity::Critical => types::Severity::Critical,
        Severity::Error => types::Severity::Error,
        Severity::Warning => types::Severity::Warning,
        Severity::Notice => types::Severity::Notice,
        Severity::Informational => types::Severity::Informational,
        Severity::Debug => types::Severity::Debug,
    }
}

fn kind(said: types::Kind) -> Kind {
    match said {
        types::Kind::Text => Kind::Text,
        types::Kind::Integer => Kind::Integer,
        types::Kind::Float => Kind::Float,
        types::Kind::Boolean => Kind::Boolean,
        types::Kind::Time => Kind::Time,
        types::Kind::Duration => Kind::Duration,
    }
}

fn wit_kind(kind: Kind) -> types::Kind {
    match kind {
        Kind::Text => types::Kind::Text,
        Kind::Integer => types::Kind::Integer,
        Kind::Float => types::Kind::Float,
        Kind::Boolean => types::Kind::Boolean,
        Kind::Time => types::Kind::Time,
        Kind::Duration => types::Kind::Duration,
    }
}

/// A name that may stand in file names, expressions and messages.
fn name(what: &str, said: String) -> Checked<String> {
    let fits = said.len() <= limit::NAME_BYTES_MAX
        && said.starts_with(|first: char| first.is_ascii_lowercase())
        && said
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if fits {
        Ok(said)
    } else {
        Err(format!(
            "`{}` is no {what} name: lower-case letters, digits, `_` and `-`, first a letter, at most {} bytes",
            clean(&said, limit::NAME_BYTES_MAX),
            limit::NAME_BYTES_MAX
        ))
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Checked<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("the {what} `{name}` is declared twice"));
        }
    }
    Ok(())
}

fn list<S, T>(
    what: &str,
    said: Vec<S>,
    most: usize,
    check: impl FnMut(S) -> Checked<T>,
) -> Checked<Vec<T>> {
    if said.len() > most {
        return Err(format!("it declares {} of `{what}`; at most {most} are allowed", said.len()));
    }
    said.into_iter().map(check).collect()
}
