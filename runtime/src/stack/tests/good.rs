//! What comes out of stacks that are right.

use std::path::PathBuf;
use std::time::Duration;

use correlator_record::framing::Framing;
use correlator_source::settings::{Door, SourcePath};

use super::stack;
use crate::declaration::Setting;
use crate::stack::Component;
use crate::stack::grant::Grant;
use crate::stack::grant::log::LogGrant;
use crate::stack::grant::table::TableGrant;

const FULL: &str = r#"
time_zone: Europe/Berlin
sources:
  auth:
    file: [/var/log/auth.log, "more/*.log"]
    framing: "\r"
    time_zone: UTC
    year: 2023
  rest:
    file: "-"
modules:
  sshd:
    options: { login_failure_limit: 3, login_failure_window: 10m }
    limits: { fuel_per_record: 20000 }
  mine:
    module: ./sshd.wasm
listeners:
  rows:
    listener: csv
    criteria: severity >= warning and event != "statistics"
    grants:
      table: { directory: out, rotate_bytes: 10MB, keep: 3 }
  log:
    grants: { log: {} }
limits:
  memory: 64MiB
  turn_time: 500ms
  fuel_per_record: 7
"#;

#[test]
fn sources() {
    let stack = stack(FULL).expect("it is good");
    assert_eq!(stack.zone.iana_name(), Some("Europe/Berlin"));
    let [auth, rest] = &stack.sources[..] else { panic!("two sources") };
    let file = SourcePath::File(PathBuf::from("/var/log/auth.log"));
    let paths = vec![file, SourcePath::Glob("more/*.log".into())];
    assert_eq!(auth.door, Door::Files { paths, follow: false });
    assert_eq!(auth.framing, Some(Framing::Trailer(b"\r".to_vec())));
    assert_eq!((auth.zone.iana_name(), auth.year), (Some("UTC"), Some(2023)));
    let paths = vec![SourcePath::Input];
    assert_eq!(rest.door, Door::Files { paths, follow: false });
    assert_eq!((rest.framing.clone(), rest.year), (None, None));
    assert_eq!(rest.zone.iana_name(), Some("Europe/Berlin"));
}

#[test]
fn modules() {
    let stack = stack(FULL).expect("it is good");
    let [sshd, mine] = &stack.modules[..] else { panic!("two modules") };
    assert_eq!(sshd.component, Component::Bundled("sshd".into()));
    assert_eq!(mine.component, Component::File("./sshd.wasm".into()));
    let names: Vec<_> = sshd.settings.iter().map(|(name, _)| name.as_str()).collect();
    let schema = [
        "login_failure_limit",
        "login_failure_window",
        "style",
        "ratio",
        "strict",
        "since",
        "cache_bytes",
        "label",
    ];
    assert_eq!(names, schema);
    assert_eq!(sshd.settings[0].1, Setting::Integer(3));
    assert_eq!(sshd.settings[1].1, Setting::Duration(600_000_000_000));
    assert_eq!(sshd.settings[2].1, Setting::Text("short".into()));
    assert_eq!(sshd.typed.options, ["login_failure_limit", "login_failure_window"]);
    // An instance's own limits win over the stack's, which win over the defaults.
    assert_eq!((sshd.limits.fuel_per_record, mine.limits.fuel_per_record), (20_000, 7));
    assert_eq!(
        (sshd.limits.memory_bytes, sshd.limits.turn_time),
        (64 << 20, Duration::from_millis(500))
    );
    assert_eq!(sshd.limits.batch_records, crate::limit::Limits::default().batch_records);
}

#[test]
fn listeners() {
    let stack = stack(FULL).expect("it is good");
    let [rows, log] = &stack.listeners[..] else { panic!("two listeners") };
    let table = TableGrant {
        directory: "out".into(),
        rotate_bytes: Some(10_000_000),
        rotate_daily: false,
        keep: 3,
    };
    assert_eq!(rows.grants, [Grant::Table(table)]);
    assert_eq!(log.grants, [Grant::Log(LogGrant {})]);
    assert_eq!(rows.criteria, "severity >= warning and event != \"statistics\"");
    assert!(log.compiled.always() && !rows.compiled.always());
    let names: Vec<_> = stack
        .schemas
        .iter()
        .map(|schema| format!("{}-{}", schema.instance, schema.schema.name))
        .collect();
    let expected = [
        "sshd-login",
        "sshd-login_failed",
        "sshd-statistics",
        "mine-login",
        "mine-login_failed",
        "mine-statistics",
    ];
    assert_eq!(names, expected);
    assert!(rows.compiled.never_for(2) && !rows.compiled.never_for(1));
}

#[test]
fn options_keep_what_was_typed() {
    let text = "sources: { a: { file: x } }
modules:
  sshd:
    options: { label: 1.10, strict: on, cache_bytes: 2KiB, since: 2023-02-20T21:12:47, ratio: 1e3 }
time_zone: Europe/Berlin
";
    let stack = stack(text).expect("it is good");
    let setting = |name: &str| {
        let found = stack.modules[0].settings.iter().find(|(known, _)| known == name);
        found.map(|(_, setting)| setting.clone())
    };
    assert_eq!(setting("label"), Some(Setting::Text("1.10".into())));
    assert_eq!(setting("strict"), Some(Setting::Boolean(true)));
    assert_eq!(setting("cache_bytes"), Some(Setting::Integer(2_048)));
    assert_eq!(setting("since"), Some(Setting::Time(1_676_923_967_000_000_000)));
    assert_eq!(setting("ratio"), Some(Setting::Float(1_000.0)));
}
