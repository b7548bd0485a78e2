//! Guests that never were.

use correlator_frame::severity::Severity;
use correlator_frame::value::Kind;

use crate::declaration::{Column, Description, EventSchema, OptionSchema, Role, Setting, Want};

const MINUTE: i64 = 60_000_000_000;

/// What the guest of this name says of itself.
pub(super) fn describe(name: &str) -> Option<Description> {
    let (options, role) = match name {
        "sshd" => (sshd_options(), module(sshd_events())),
        "report" => (vec![required()], module(vec![event("notice", Severity::Notice, vec![])])),
        "quiet" => (vec![], module(vec![])),
        "csv" => (
            vec![],
            listener("severity >= informational", &[("table", "rows are written to files")], &[]),
        ),
        "log" => (vec![], listener("", &[("log", "events are shown")], &[])),
        "mail" => (vec![], listener("", &[("mail", "events are sent")], &["smtp-password"])),
        "silent" => (vec![], listener("", &[], &[])),
        "odd" => (vec![], listener("event == \"never\"", &[], &[])),
        "zoned" => (zoned(), listener("", &[("log", "events are shown")], &[])),
        _ => match name.strip_prefix("asks-") {
            Some(capability) => (vec![], listener("", &[(capability, "it is asked for")], &[])),
            None => return None,
        },
    };
    Some(Description {
        name: name.to_owned(),
        version: "1.0.0".into(),
        meaning: String::new(),
        options,
        timers: vec![],
        state_version: 1,
        role,
    })
}

fn module(events: Vec<EventSchema>) -> Role {
    Role::Module { interest: vec![], events }
}

fn listener(criteria: &str, wants: &[(&str, &str)], credentials: &[&str]) -> Role {
    let want = |&(capability, reason): &(&str, &str)| Want {
        capability: capability.to_owned(),
        reason: reason.to_owned(),
    };
    Role::Listener {
        criteria: criteria.to_owned(),
        wants: wants.iter().map(want).collect(),
        credentials: credentials.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn option(name: &str, kind: Kind, default: Option<Setting>) -> OptionSchema {
    OptionSchema {
        name: name.to_owned(),
        kind,
        meaning: format!("the {name} of it"),
        default,
        at_least: None,
        at_most: None,
        choices: vec![],
    }
}

/// A zone, and what is none though it is called so.
fn zoned() -> Vec<OptionSchema> {
    vec![
        option("time_zone", Kind::Text, Some(Setting::Text(String::new()))),
        option("zone", Kind::Text, Some(Setting::Text(String::new()))),
    ]
}

fn required() -> OptionSchema {
    option("title", Kind::Text, None)
}

fn sshd_options() -> Vec<OptionSchema> {
    let limit = option("login_failure_limit", Kind::Integer, Some(Setting::Integer(5)));
    let window =
        option("login_failure_window", Kind::Duration, Some(Setting::Duration(5 * MINUTE)));
    let style = option("style", Kind::Text, Some(Setting::Text("short".into())));
    vec![
        OptionSchema { at_least: Some(1), at_most: Some(1_000), ..limit },
        OptionSchema { at_least: Some(1_000_000_000), ..window },
        OptionSchema { choices: vec!["short".into(), "long".into()], ..style },
        option("ratio", Kind::Float, Some(Setting::Float(0.5))),
        option("strict", Kind::Boolean, Some(Setting::Boolean(false))),
        option("since", Kind::Time, Some(Setting::Time(0))),
        option("cache_bytes", Kind::Integer, Some(Setting::Integer(1_024))),
        option("label", Kind::Text, Some(Setting::Text(String::new()))),
    ]
}

/// The events of `sshd`; their columns stand in this order in the cells of the tests.
pub(super) fn sshd_events() -> Vec<EventSchema> {
    let column = |name: &str, kind: Kind, optional: bool| Column {
        name: name.to_owned(),
        kind,
        optional,
        meaning: String::new(),
    };
    let login = vec![
        column("user", Kind::Text, false),
        column("addr", Kind::Text, false),
        column("port", Kind::Integer, false),
        column("duration", Kind::Duration, false),
        column("key", Kind::Text, true),
        column("score", Kind::Float, false),
        column("root", Kind::Boolean, false),
        column("start", Kind::Time, false),
    ];
    let failed = vec![
        column("user", Kind::Text, false),
        column("addr", Kind::Text, false),
        column("port", Kind::Text, true),
        column("failures", Kind::Integer, false),
    ];
    vec![
        event("login", Severity::Informational, login),
        event("login_failed", Severity::Error, failed),
        event("statistics", Severity::Informational, vec![column("logins", Kind::Integer, false)]),
    ]
}

fn event(name: &str, severity: Severity, columns: Vec<Column>) -> EventSchema {
    EventSchema {
        name: name.to_owned(),
        severity,
        summary: String::new(),
        meaning: String::new(),
        columns,
    }
}
