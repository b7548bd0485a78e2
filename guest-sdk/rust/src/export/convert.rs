//! Between the SDK's plain values and the generated types of the contract.

use correlator_frame::severity::Severity;
use correlator_frame::value::Kind;

use crate::bindings::module::correlator::engine::types;
use crate::description::{Schedule, Statistic, Timer};
use crate::options::{OptionSchema, Setting};
use crate::schema::EventSchema;
use crate::state::State;
use crate::time::{Duration, Time};
use crate::value::OwnedValue;

#[must_use]
pub fn severity(severity: Severity) -> types::Severity {
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

pub fn severity_back(severity: types::Severity) -> Severity {
    match severity {
        types::Severity::Emergency => Severity::Emergency,
        types::Severity::Alert => Severity::Alert,
        types::Severity::Critical => Severity::Critical,
        types::Severity::Error => Severity::Error,
        types::Severity::Warning => Severity::Warning,
        types::Severity::Notice => Severity::Notice,
        types::Severity::Informational => Severity::Informational,
        types::Severity::Debug => Severity::Debug,
    }
}

pub fn kind(kind: Kind) -> types::Kind {
    match kind {
        Kind::Text => types::Kind::Text,
        Kind::Integer => types::Kind::Integer,
        Kind::Float => types::Kind::Float,
        Kind::Boolean => types::Kind::Boolean,
        Kind::Time => types::Kind::Time,
        Kind::Duration => types::Kind::Duration,
    }
}

pub fn kind_back(kind: types::Kind) -> Kind {
    match kind {
        types::Kind::Text => Kind::Text,
        types::Kind::Integer => Kind::Integer,
        types::Kind::Float => Kind::Float,
        types::Kind::Boolean => Kind::Boolean,
        types::Kind::Time => Kind::Time,
        types::Kind::Duration => Kind::Duration,
    }
}

pub fn value(value: OwnedValue) -> types::Value {
    match value {
        OwnedValue::Text(text) => types::Value::Text(text),
        OwnedValue::Integer(number) => types::Value::Integer(number),
        OwnedValue::Float(number) => types::Value::Float(number),
        OwnedValue::Boolean(yes) => types::Value::Boolean(yes),
        OwnedValue::Time(time) => types::Value::Time(time.nanoseconds()),
        OwnedValue::Duration(span) => types::Value::Duration(span.nanoseconds()),
    }
}

fn value_back(value: types::Value) -> OwnedValue {
    match value {
        types::Value::Text(text) => OwnedValue::Text(text),
        types::Value::Integer(number) => OwnedValue::Integer(number),
        types::Value::Float(number) => OwnedValue::Float(number),
        types::Value::Boolean(yes) => OwnedValue::Boolean(yes),
        types::Value::Time(time) => OwnedValue::Time(Time::from_nanoseconds(time)),
        types::Value::Duration(span) => OwnedValue::Duration(Duration::from_nanoseconds(span)),
    }
}

pub fn settings(settings: Vec<types::Setting>) -> Vec<Setting> {
    let back =
        |setting: types::Setting| Setting { name: setting.name, value: value_back(setting.value) };
    settings.into_iter().map(back).collect()
}

pub fn options(schemas: Vec<OptionSchema>) -> Vec<types::OptionSchema> {
    let one = |schema: OptionSchema| types::OptionSchema {
        name: schema.name.to_owned(),
        kind: kind(schema.kind),
        meaning: schema.meaning.to_owned(),
        default: schema.default.map(value),
        at_least: schema.at_least,
        at_most: schema.at_most,
        choices: schema.choices.iter().map(|choice| (*choice).to_owned()).collect(),
    };
    schemas.into_iter().map(one).collect()
}

pub fn event(schema: &EventSchema) -> types::EventSchema {
    let column = |column: &crate::schema::Column| types::Column {
        name: column.name.to_owned(),
        kind: kind(column.kind),
        optional: column.optional,
        meaning: column.meaning.to_owned(),
    };
    types::EventSchema {
        name: schema.name.to_owned(),
        severity: severity(schema.severity),
        summary: schema.summary.to_owned(),
        meaning: schema.meaning.to_owned(),
        columns: schema.columns.iter().map(column).collect(),
    }
}

pub fn timers(timers: &[Timer]) -> Vec<types::Timer> {
    let one = |timer: &Timer| types::Timer {
        name: timer.name.to_owned(),
        schedule: match timer.schedule {
            Schedule::EverySeconds(seconds) => types::Schedule::Every(seconds),
            Schedule::DailyMinute(minute) => types::Schedule::Daily(minute),
        },
    };
    timers.iter().map(one).collect()
}

/// The place of a timer, or nothing at the end.
pub fn cause(cause: types::TickCause) -> Option<u32> {
    match cause {
        types::TickCause::Timer(place) => Some(place),
        types::TickCause::End => None,
    }
}

pub fn statistics(statistics: Vec<Statistic>) -> Vec<types::Statistic> {
    let one = |statistic: Statistic| types::Statistic {
        name: statistic.name,
        value: value(statistic.value),
    };
    statistics.into_iter().map(one).collect()
}

pub fn state(state: State) -> types::State {
    types::State { version: state.version, bytes: state.bytes }
}
