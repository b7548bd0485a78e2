//! All settings of a stack, for people.

use super::load;
use crate::limit::{LIMITS, Limit};
use crate::stack::Stack;
use crate::stack::raw::RawStack;
use crate::stack::show::show;

/// The rows of a stack, each as a line.
fn rows(text: &str, part: &str, instance: &str) -> Vec<String> {
    let raw = RawStack::parse(text, "stack.yaml").expect("it is YAML");
    let guests = load(&raw);
    let stack = Stack::check(&raw, &guests).expect("it is good");
    let shown = show(&stack, &guests).into_iter();
    let shown = shown.filter(|row| row.part == part && row.instance == instance);
    let shown = shown.filter(|row| row.group == "settings");
    let line = |row: crate::stack::show::ShownOption| {
        let mark = if row.set { "* " } else { "" };
        let default = row.default.as_deref().unwrap_or("required");
        format!("{mark}{} {}: {} ({default})", row.option, row.kind, row.value)
    };
    shown.map(line).collect()
}

#[test]
fn the_stack_itself() {
    let rest = "sources: { a: { tcp: :514 } }\nmodules: { quiet: }";
    assert_eq!(
        rows(&format!("time_zone: UTC\n{rest}"), "stack", ""),
        [
            "* time_zone time zone: UTC (system)",
            "state.folder path: none (none)",
            "capture path: none (none)",
            "credentials list: keyring, keyutils, systemd, file, environment \
             (keyring, keyutils, systemd, file, environment)",
            "allow list: nobody (nobody)",
            "control.socket path: the usual place (the usual place)",
            "control.metrics address: none (none)",
            "control.watch boolean: true (true)",
            "control.drop_in path: none (none)",
        ]
    );
    let text = format!(
        "time_zone: UTC\nstate: {{ folder: kept, sync_every: 2s, when_full: drop }}\ncapture: x.cap\n\
         control: {{ socket: none, metrics: :9600, watch: no, drop_in: conf.d }}\n{rest}"
    );
    assert_eq!(
        rows(&text, "stack", ""),
        [
            "* time_zone time zone: UTC (system)",
            "* state.folder path: kept (none)",
            "state.durability durability: batched (batched)",
            "* state.sync_every duration: 2s (1s)",
            "state.spool_size size: 1GiB (1GiB)",
            "* state.when_full choice: drop (block)",
            "state.checkpoint_every duration: 10s (10s)",
            "* capture path: x.cap (none)",
            "credentials list: keyring, keyutils, systemd, file, environment \
             (keyring, keyutils, systemd, file, environment)",
            "allow list: nobody (nobody)",
            "* control.socket path: none (the usual place)",
            "* control.metrics address: [::]:9600 (none)",
            "* control.watch boolean: false (true if it is a file and live)",
            "* control.drop_in path: conf.d (none)",
        ]
    );
}

#[test]
fn the_doors_of_sources() {
    let source = |text: &str| {
        let rest = "time_zone: UTC\nmodules: { quiet: }";
        let mut rows = rows(&format!("sources: {{ a: {{ {text} }} }}\n{rest}"), "source", "a");
        // What every source has comes last.
        let every = rows.split_off(rows.len() - 5);
        (rows, every)
    };
    let (file, every) = source("file: [x, y*], follow: true, lateness: 5s");
    assert_eq!(file, ["* file paths: x, y* (required)", "* follow boolean: true (false)",]);
    assert_eq!(
        every,
        [
            "framing framing: auto (auto)",
            "time_zone time zone: UTC (the stack's)",
            "year integer: inferred (inferred)",
            "* lateness duration: 5s (0s)",
            "idle_after duration: 30s (30s)",
        ]
    );
    let (tls, _) = source(
        "tls: systemd:tls, certificate: c, key: k, client_authority: ca, client_names: [a, b], connections: 9",
    );
    assert_eq!(
        tls,
        [
            "* tls address: systemd:tls (required)",
            "* connections integer: 9 (1024)",
            "connections_per_address integer: 9 (9)",
            "idle duration: 1h (1h)",
            "bytes_in_flight size: 1MiB (1MiB)",
            "* certificate path: c (required)",
            "* key path: k (required)",
            "* client_authority path: ca (none)",
            "* client_names names: a, b (any)",
        ]
    );
    let (unix, _) = source("unix: x, mode: 600");
    assert_eq!(
        unix,
        [
            "* unix address: x (required)",
            "* mode mode: 0600 (0660)",
            "connections integer: 1024 (1024)",
            "idle duration: never (never)",
            "bytes_in_flight size: 1MiB (1MiB)",
        ]
    );
    let (udp, _) = source("udp: :514");
    assert_eq!(udp, ["* udp address: [::]:514 (required)", "buffer size: 16MiB (16MiB)"]);
}

#[test]
fn the_shares_of_modules() {
    let module = |settings: &str| {
        rows(
            &format!("sources: {{ a: {{ file: x }} }}\nmodules: {{ quiet: {{ {settings} }} }}"),
            "module",
            "quiet",
        )
    };
    assert_eq!(
        module(""),
        [
            "module component: quiet (quiet)",
            "instances integer: 1 (1)",
            "partition_by field: nothing (nothing)",
            "enabled boolean: true (true)",
        ]
    );
    assert_eq!(
        module("instances: 3, partition_by: a.b, enabled: false")[1..],
        [
            "* instances integer: 3 (1)",
            "* partition_by field: a.b (nothing)",
            "* enabled boolean: false (true)",
        ]
    );
}

#[test]
fn everything_is_shown() {
    let text = "sources: { a: { file: x.log, framing: \"\\r\" } }
modules: { sshd: { options: { login_failure_window: 90s }, limits: { memory: 64MiB } } }
listeners: { rows: { listener: csv, grants: { table: { directory: out } } } }
limits: { failures: 3 }
";
    let raw = RawStack::parse(text, "stack.yaml").expect("it is YAML");
    let guests = load(&raw);
    let stack = Stack::check(&raw, &guests).expect("it is good");
    let shown = show(&stack, &guests);
    let find = |instance: &str, option: &str| {
        let row = shown.iter().find(|row| row.instance == instance && row.option == option);
        let row = row.unwrap_or_else(|| panic!("{instance} {option}"));
        let default = row.default.as_deref().unwrap_or("required");
        format!("{} {} {}: {} ({default}) {}", row.part, row.group, row.kind, row.value, row.set)
    };
    assert_eq!(find("a", "framing"), "source settings framing: \\r (auto) true");
    assert_eq!(find("sshd", "module"), "module settings component: sshd (sshd) false");
    assert_eq!(
        find("sshd", "login_failure_window"),
        "module options duration from 1s: 1m30s (5m) true"
    );
    assert_eq!(
        find("sshd", "login_failure_limit"),
        "module options integer from 1 to 1000: 5 (5) false"
    );
    assert_eq!(find("sshd", "style"), "module options text: short, long: short (short) false");
    assert_eq!(find("sshd", "memory"), "module limits size: 64MiB (256MiB) true");
    let failures = Limit::find("failures").map(|limit| limit.default).unwrap_or_default();
    let expected = format!("module limits integer: 3 ({failures}) true");
    assert_eq!(find("sshd", "failures"), expected);
    assert_eq!(find("sshd", "turn_time"), "module limits duration: 2s (2s) false");
    assert_eq!(find("rows", "listener"), "listener settings component: csv (rows) true");
    assert_eq!(
        find("rows", "criteria"),
        "listener settings criteria: severity >= informational (severity >= informational) false"
    );
    assert_eq!(find("rows", "table.directory"), "listener grants path: out (required) true");
    assert_eq!(find("rows", "table.rotate_bytes"), "listener grants size: never (never) false");
    assert_eq!(shown.iter().filter(|row| row.group == "limits").count(), 2 * LIMITS.len());
    assert!(shown.iter().all(|row| !row.meaning.is_empty()));
}
