//! What a stack says of itself: what is kept, what is captured, how it is reached.

use std::time::Duration;

use correlator_spool::settings::{Durability, WhenFull};

use super::stack;
use crate::stack::{Control, Keeping, Stack};

const REST: &str = "sources: { a: { file: x } }\nmodules: { quiet: }\nlisteners: { log: { grants: { log: true } } }\n";

/// The problems of a stack with this as its first line.
fn check(line: &str, expected: &str) {
    super::check(&format!("{line}\n{REST}"), expected);
}

fn with(line: &str) -> Stack {
    stack(&format!("{line}\n{REST}")).expect("it is good")
}

fn usual() -> Keeping {
    Keeping {
        folder: "kept".into(),
        durability: Durability::Batched(Duration::from_secs(1)),
        spool_bytes: 1 << 30,
        when_full: WhenFull::Block,
        checkpoint_every: Duration::from_secs(10),
    }
}

#[test]
fn what_is_kept() {
    let check = |line: &str, expected: Option<Keeping>| {
        assert_eq!(with(line).keeping, expected, "{line}");
    };
    check("time_zone: UTC", None);
    check("state: kept", Some(usual()));
    check("state: { folder: kept }", Some(usual()));
    let batched = Durability::Batched(Duration::from_millis(250));
    check(
        "state: { folder: kept, durability: batched, sync_every: 250ms }",
        Some(Keeping { durability: batched, ..usual() }),
    );
    check(
        "state: { folder: kept, sync_every: 250ms }",
        Some(Keeping { durability: batched, ..usual() }),
    );
    check(
        "state: { folder: kept, durability: each, spool_size: 2GB, when_full: drop, checkpoint_every: 1m }",
        Some(Keeping {
            durability: Durability::Each,
            spool_bytes: 2_000_000_000,
            when_full: WhenFull::Drop,
            checkpoint_every: Duration::from_mins(1),
            ..usual()
        }),
    );
    check(
        "state: { folder: kept, durability: none }",
        Some(Keeping { durability: Durability::None, ..usual() }),
    );
    assert_eq!(
        with("state: { folder: kept, when_full: drop }").typed,
        ["state.folder", "state.when_full"]
    );
}

#[test]
fn what_is_kept_wrongly() {
    check("state: ''", "stack.yaml:1:8: expected the path of a folder, found an empty text");
    check(
        "state: []",
        "stack.yaml:1:8: expected a folder, or a mapping with `folder`, found a list",
    );
    check(
        "state: { durability: safe, size: 1GB }",
        "stack.yaml:1:8: `state` needs `folder`, in which everything is kept; add `folder: /var/lib/correlator`
         stack.yaml:1:22: expected one of `none`, `batched`, `each`, found `safe`
         stack.yaml:1:28: `state` has no `size`; there are `folder`, `durability`, `sync_every`, `spool_size`, `when_full`, `checkpoint_every`",
    );
    check(
        "state: { folder: x, durability: bached, when_full: dorp, spool_size: 1MB, checkpoint_every: 0s, sync_every: 2h }",
        "stack.yaml:1:33: expected one of `none`, `batched`, `each`, found `bached`; did you mean `batched`?
         stack.yaml:1:52: expected one of `block`, `drop`, found `dorp`; did you mean `drop`?
         stack.yaml:1:70: `spool_size` must be between 16MiB and 1024TiB, found `1MB`
         stack.yaml:1:93: `checkpoint_every` must be between 100ms and 1d, found `0s`
         stack.yaml:1:109: `sync_every` must be between 10ms and 1h, found `2h`",
    );
    check(
        "state: { folder: x, durability: each, sync_every: 5s }",
        "stack.yaml:1:51: warning: `sync_every` has an effect with `durability: batched` alone; remove it",
    );
    check("stat: kept", "stack.yaml:1:1: a stack has no `stat`; did you mean `state`?");
}

#[test]
fn how_it_is_reached() {
    let check = |line: &str, expected: Control| assert_eq!(with(line).control, expected, "{line}");
    check("time_zone: UTC", Control::default());
    check("control: { socket: none }", Control { socket_set: true, ..Control::default() });
    check(
        "control: { socket: run/c.sock, metrics: 127.0.0.1:9600, watch: true, drop_in: conf.d }",
        Control {
            socket: Some("run/c.sock".into()),
            socket_set: true,
            metrics: Some("127.0.0.1:9600".parse().expect("an address")),
            watch: true,
            drop_in: Some("conf.d".into()),
        },
    );
}

#[test]
fn changes_are_watched_where_the_stack_is_live() {
    let check = |source: &str, control: &str, expected: bool| {
        let rest = "modules: { quiet: }";
        let stack = stack(&format!("sources: {{ a: {{ {source} }} }}\n{rest}\ncontrol: {control}"));
        let stack = stack.expect("it is good");
        assert_eq!(stack.control.watch, expected, "{source} {control}");
    };
    check("file: x", "", false);
    check("file: x, follow: true", "", true);
    check("udp: :514", "{ metrics: :9600 }", true);
    check("udp: :514", "{ watch: false }", false);
    check("file: x", "{ watch: true }", true);
}

#[test]
fn reached_wrongly() {
    check(
        "control: { socket: '', metrics: 9600, watch: maybe, drop-in: x }",
        "stack.yaml:1:20: expected the path of a socket, found an empty text
         stack.yaml:1:33: expected an address such as `0.0.0.0:9600`, found `9600`; \
         write `:9600` for every address of this machine, `127.0.0.1:9600` for this machine alone
         stack.yaml:1:46: expected `true` or `false`, found `maybe`
         stack.yaml:1:53: `control` has no `drop-in`; did you mean `drop_in`?",
    );
    check(
        "control: none",
        "stack.yaml:1:10: expected a mapping such as `{ socket: none }`, found `none`",
    );
}

#[test]
fn captures() {
    assert_eq!(with("time_zone: UTC").capture, None);
    let stack = with("capture: today.cap");
    assert_eq!(stack.capture, Some("today.cap".into()));
    assert_eq!(stack.typed, ["capture"]);
    assert_eq!(with("capture: all-%Y.cap").capture, Some("all-%Y.cap".into()));
    check(
        "capture: 5%.cap",
        "stack.yaml:1:10: the capture 5%.cap: a percent sign in its name stands for nothing; \
         %Y, %m, %d, %H, %M and %S stand for the time, %% for a percent sign",
    );
    check("capture: {}", "stack.yaml:1:10: expected the path of a file, found a mapping");
}
