//! What a reload compares: an instance of one stack with that of the next.

use super::stack;
use crate::stack::Stack;

fn with(source: &str, module: &str, listener: &str) -> Stack {
    let text = format!(
        "time_zone: UTC\nsources: {{ a: {{ {source} }} }}\nmodules: {{ m: {{ module: sshd, {module} }} }}\n\
         listeners: {{ l: {{ listener: log, grants: {{ log: true }}, {listener} }} }}\n"
    );
    stack(&text).unwrap_or_else(|problems| panic!("{}", problems.join("\n")))
}

#[test]
fn sources() {
    let check = |one: &str, other: &str, expected: bool| {
        let (one, other) = (with(one, "", ""), with(other, "", ""));
        assert_eq!(one.sources[0].same_as(&other.sources[0]), expected);
        assert_eq!(other.sources[0].same_as(&one.sources[0]), expected);
    };
    check("tcp: :514", "tcp: :514", true);
    // Whoever writes a default down changes nothing.
    check("tcp: :514", "tcp: '[::]:514', idle: 1h, framing: auto, time_zone: UTC", true);
    check("tcp: :514", "tcp: :515", false);
    check("tcp: :514", "tcp: :514, idle: 2h", false);
    check("tcp: :514", "udp: :514", false);
    check("tcp: :514", "tcp: :514, lateness: 1s", false);
    check("tcp: :514", "tcp: :514, idle_after: 1s", false);
    check("tcp: :514", "tcp: :514, time_zone: Europe/Berlin", false);
    check("tcp: :514, time_zone: +01:00", "tcp: :514, time_zone: '+0100'", true);
    check("tcp: :514, time_zone: +01:00", "tcp: :514, time_zone: +02:00", false);
    check("file: x", "file: x, follow: true", false);
    check("file: x, framing: lines", "file: x", false);
    check("file: x, year: 2023", "file: x", false);
}

#[test]
fn modules() {
    let check = |one: &str, other: &str, expected: bool| {
        let (one, other) = (with("file: x", one, ""), with("file: x", other, ""));
        assert_eq!(one.modules[0].same_as(&other.modules[0]), expected);
    };
    check("", "options: { login_failure_limit: 5 }, instances: 1, enabled: true", true);
    check("", "options: { login_failure_limit: 6 }", false);
    check("", "limits: { memory: 64MiB }", false);
    check("", "enabled: false", false);
    check("", "instances: 2, partition_by: host", false);
    check("instances: 2, partition_by: addr", "instances: 2, partition_by: host", false);
}

#[test]
fn listeners() {
    let check = |one: &str, other: &str, expected: bool| {
        let (one, other) = (with("file: x", "", one), with("file: x", "", other));
        assert_eq!(one.listeners[0].same_as(&other.listeners[0]), expected);
    };
    check("", "criteria: ''", true);
    check("", "criteria: severity >= error", false);
    check("", "limits: { failures: 1 }", false);
}

#[test]
fn the_rest() {
    let text = |first: &str| {
        let rest = "sources: { a: { file: x } }\nmodules: { quiet: }\n";
        stack(&format!("{first}\n{rest}")).expect("it is good")
    };
    assert_eq!(text("state: a").keeping, text("state: { folder: a, when_full: block }").keeping);
    assert_ne!(text("state: a").keeping, text("state: b").keeping);
    assert_eq!(text("control: {}").control, text("").control);
    assert_ne!(text("control: { socket: none }").control, text("").control);
}
