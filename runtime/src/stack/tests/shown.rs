//! All settings of a stack, for people.

use super::load;
use crate::limit::{LIMITS, Limit};
use crate::stack::Stack;
use crate::stack::raw::RawStack;
use crate::stack::show::show;

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
