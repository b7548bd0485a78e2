//! Stacks that are made of flags.

use std::path::PathBuf;

use correlator_source::settings::{Door, SourcePath};

use super::{checked, load};
use crate::declaration::Setting;
use crate::stack::flags::Flags;
use crate::stack::grant::Grant;
use crate::stack::grant::table::TableGrant;
use crate::stack::raw::RawStack;
use crate::stack::{Component, Stack};

fn some(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn usual() -> Flags {
    Flags {
        modules: some(&["./lib/sshd.wasm", "sshd"]),
        listeners: some(&["csv.wasm", "log"]),
        files: some(&["a.log", "b*.log"]),
        ..Flags::default()
    }
}

fn check(flags: &Flags, expected: &str) {
    let raw = RawStack::from_flags(flags);
    let told = match checked(&raw) {
        Ok(stack) => stack.warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems,
    };
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told, expected, "\n{}", told.join("\n"));
}

fn stack(flags: &Flags) -> Stack {
    let raw = RawStack::from_flags(flags);
    Stack::check(&raw, &load(&raw)).expect("the flags are good")
}

#[test]
fn the_same_stack_without_a_file() {
    let flags = Flags {
        options: some(&["sshd.login_failure_limit=3", "sshd-2.label=a=b"]),
        criteria: some(&["csv=severity >= error"]),
        limits: some(&["memory=64MiB", "sshd.fuel_per_record=9"]),
        framing: Some("lines".into()),
        time_zone: Some("UTC".into()),
        year: Some("2023".into()),
        ..usual()
    };
    let stack = stack(&flags);
    assert_eq!(stack.zone.iana_name(), Some("UTC"));
    let [file] = &stack.sources[..] else { panic!("one source") };
    let paths = vec![SourcePath::File("a.log".into()), SourcePath::Glob("b*.log".into())];
    assert_eq!(file.door, Door::Files { paths, follow: false });
    assert_eq!((file.name.as_str(), file.year), ("file", Some(2023)));
    let [first, second] = &stack.modules[..] else { panic!("two modules") };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("sshd", "sshd-2"));
    assert_eq!(first.component, Component::File("./lib/sshd.wasm".into()));
    assert_eq!(second.component, Component::Bundled("sshd".into()));
    assert_eq!(first.settings[0].1, Setting::Integer(3));
    assert_eq!(second.settings[7].1, Setting::Text("a=b".into()));
    assert_eq!((first.limits.fuel_per_record, second.limits.fuel_per_record), (9, 1_000_000));
    assert_eq!(second.limits.memory_bytes, 64 << 20);
    let [csv, log] = &stack.listeners[..] else { panic!("two listeners") };
    assert_eq!((csv.criteria.as_str(), log.criteria.as_str()), ("severity >= error", ""));
    // Flags grant what is wanted and no more.
    assert_eq!(csv.grants, [Grant::Table(TableGrant::new(PathBuf::from("csv")))]);
    assert_eq!(log.grants.iter().map(Grant::name).collect::<Vec<_>>(), ["log"]);
}

#[test]
fn defaults() {
    let flags = Flags { modules: some(&["quiet"]), ..Flags::default() };
    let input = Door::Files { paths: vec![SourcePath::Input], follow: false };
    assert_eq!(stack(&flags).sources[0].door, input);
    let flags = Flags { output: Some("elsewhere".into()), ..usual() };
    assert_eq!(
        stack(&flags).listeners[0].grants,
        [Grant::Table(TableGrant::new("elsewhere".into()))]
    );
}

#[test]
fn criteria_for_every_listener() {
    let flags = Flags { criteria: some(&["event == \"login\""]), ..usual() };
    let stack = stack(&flags);
    assert!(stack.listeners.iter().all(|listener| listener.criteria == "event == \"login\""));
}

#[test]
fn names_come_from_files() {
    let names = |components: &[&str]| {
        let raw = RawStack::from_flags(&Flags { modules: some(components), ..Flags::default() });
        raw.components().into_iter().map(|wanted| wanted.instance).collect::<Vec<_>>()
    };
    assert_eq!(
        names(&["a/b/My Guest.wasm", "2fast.wasm", "9.wasm"]),
        ["My-Guest", "fast", "guest"]
    );
    assert_eq!(names(&["sshd", "sshd", "sshd"]), ["sshd", "sshd-2", "sshd-3"]);
}

#[test]
fn each_listener_but_the_first_has_a_folder_of_its_own_within() {
    let check = |listeners: &[&str], output: Option<&str>, expected: &[&str]| {
        let output = output.map(PathBuf::from);
        let flags = Flags { listeners: some(listeners), output, ..usual() };
        let stack = checked(&RawStack::from_flags(&flags)).expect("a stack");
        let tables = stack.listeners.iter().flat_map(|listener| &listener.grants);
        let folders: Vec<_> = tables
            .filter_map(|grant| match grant {
                Grant::Table(table) => table.directory.to_str(),
                _ => None,
            })
            .collect();
        assert_eq!(folders, expected, "{listeners:?}");
    };
    check(&["csv"], Some("out"), &["out"]);
    check(&["log", "csv", "./asks-table.wasm"], Some("out"), &["out", "out/asks-table"]);
    check(&["./asks-table.wasm", "log", "csv", "csv"], None, &["csv", "csv/csv", "csv/csv-2"]);
}

#[test]
fn wrong_flags_are_told_as_they_were_typed() {
    let flags = Flags {
        options: some(&[
            "sshd.login_failure_limt=3",
            "sshd.login_failure_limit=many",
            "ssh.style=long",
            "style=long",
            "sshd.style=long",
            "sshd.style=short",
        ]),
        criteria: some(&["csv=severity > loud", "cvs=true"]),
        limits: some(&["memori=5", "memory"]),
        ..usual()
    };
    check(
        &flags,
        "--option sshd.login_failure_limt=3: module `sshd` has no option `login_failure_limt`; did you mean `login_failure_limit`?
         --option sshd.login_failure_limit=many: option `login_failure_limit`: expected an integer such as `5` or `20_000`, found `many`
         --option ssh.style=long: no module or listener is called `ssh`; did you mean `sshd`?
         --option style=long: expected `INSTANCE.OPTION=VALUE`; such as `sshd.option=5`
         --option sshd.style=short: the option `style` was given twice; keep one of them
         --criteria csv=severity > loud: character 12 of the criteria: `loud` is no severity; there are `emergency`, \
         `alert`, `critical`, `error`, `warning`, `notice`, `informational`, `debug`
         --criteria cvs=true: no module or listener is called `cvs`; did you mean `csv`?
         --limit memori=5: there is no limit `memori`; did you mean `memory`?
         --limit memory: expected `LIMIT=VALUE` or `INSTANCE.LIMIT=VALUE`",
    );
    check(
        &Flags { criteria: some(&["severity => error"]), ..usual() },
        "--criteria severity => error: character 10 of the criteria: `=>` is not known in criteria; write `>=`",
    );
    check(
        &Flags { criteria: some(&["severity=error"]), ..usual() },
        "--criteria severity=error: character 9 of the criteria: `=` is not known in criteria; write `==`",
    );
    check(
        &Flags { listeners: some(&["sshd", "mail"]), ..Flags::default() },
        "--listener sshd: `sshd` is a module, not a listener; write `--module sshd`
         --listener mail: listener `mail` wants `mail` (events are sent), which is not granted; flags can't say what it \
         may do; write a stack file with `mail: { server: mail.example.org, from: correlator@example.org, \
         to: ops@example.org }` under its `grants`
         command line: there is no module; name a stack file, or add `--module NAME`",
    );
    check(
        &Flags { modules: some(&["log.wasm", "./shd.wasm", "repot"]), listeners: some(&["log"]), ..Flags::default() },
        "--module log.wasm: `log.wasm` is a listener, not a module; write `--listener log.wasm`
         --module ./shd.wasm: module `./shd.wasm` can't be loaded: No such file or directory (os error 2)
         --module repot: there is no bundled module `repot`; did you mean `report`?",
    );
    check(
        &Flags { listeners: vec![], ..usual() },
        "command line: warning: there is no listener, so nothing is done with the events; add `--listener log`",
    );
}
