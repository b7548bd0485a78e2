//! Modules of several instances, and those that do not run.

use super::stack;
use crate::limit;
use crate::stack::PartitionBy;

const REST: &str = "sources: { a: { file: x } }\nlisteners: { log: { grants: { log: true } } }\n";

/// The problems of a module with these settings, which stand at column 23 of line 1.
fn check(settings: &str, expected: &str) {
    super::check(&format!("modules: {{ quiet: {{ {settings} }} }}\n{REST}"), expected);
}

#[test]
fn records_are_shared_out() {
    let check = |settings: &str, instances: usize, by: Option<PartitionBy>, enabled: bool| {
        let stack = stack(&format!("modules: {{ quiet: {{ {settings} }} }}\n{REST}"));
        let module = &stack.expect("it is good").modules[0];
        let found = (module.instances, module.partition_by.clone(), module.enabled);
        assert_eq!(found, (instances, by, enabled), "{settings}");
    };
    let field = |name: &str| Some(PartitionBy::Field(name.into()));
    check("", 1, None, true);
    check("enabled: no", 1, None, false);
    check("instances: 1", 1, None, true);
    check("instances: 4, partition_by: host", 4, Some(PartitionBy::Host), true);
    check("instances: 4, partition_by: program", 4, Some(PartitionBy::Program), true);
    check("instances: 4, partition_by: process_id", 4, Some(PartitionBy::ProcessId), true);
    check("instances: 4, partition_by: message_id", 4, Some(PartitionBy::MessageId), true);
    check("instances: 256, partition_by: addr", 256, field("addr"), true);
    check("instances: 2, partition_by: origin@32473.ip", 2, field("origin@32473.ip"), true);
}

#[test]
fn shared_out_wrongly() {
    check(
        "instances: 2",
        "stack.yaml:1:32: several instances need `partition_by`, which says who gets which records; \
         add `partition_by: host`, or whatever the module keeps apart",
    );
    check(
        "partition_by: host",
        "stack.yaml:1:35: `partition_by` needs `instances`, of which there is one; add `instances: 2`, or more",
    );
    check(
        "instances: 1, partition_by: host",
        "stack.yaml:1:49: warning: `partition_by` has no effect with one instance",
    );
    check(
        "instances: 0, partition_by: ''",
        "stack.yaml:1:32: `instances` must be between 1 and 256, found `0`
         stack.yaml:1:49: `` is nothing that a record can have; write `host`, `program`, `process_id`, `message_id`, `FIELD` or `ELEMENT.FIELD`",
    );
    check(
        "instances: many, partition_by: [host]",
        "stack.yaml:1:32: `instances`: expected an integer such as `5` or `20_000`, found `many`
         stack.yaml:1:52: expected `host`, `program`, `process_id`, `message_id` or a field's name, found a list",
    );
    check(
        "instance: 4, enabled: perhaps",
        "stack.yaml:1:21: module `quiet` has no `instance`; did you mean `instances`?
         stack.yaml:1:43: expected `true` or `false`, found `perhaps`",
    );
    for field in ["'a b'", ".a", "a.", "\"a\\tb\""] {
        let settings = format!("instances: 2, partition_by: {field}");
        let text = format!("modules: {{ quiet: {{ {settings} }} }}\n{REST}");
        assert!(stack(&text).expect_err(field)[0].contains("is nothing that a record can have"));
    }
}

#[test]
fn what_others_call_it_is_told() {
    let warned = |field: &str, near: &str| {
        check(
            &format!("instances: 2, partition_by: {field}"),
            &format!(
                "stack.yaml:1:49: warning: `{field}` is taken for the name of a field; did you mean `{near}`?"
            ),
        );
    };
    warned("hostname", "host");
    warned("Host", "host");
    warned("pid", "process_id");
    warned("proces_id", "process_id");
    warned("appname", "program");
    warned("msgid", "message_id");
}

#[test]
fn instances_of_all_modules_are_bounded() {
    let modules: Vec<_> = (0..5)
        .map(|number| format!("m{number}: {{ module: quiet, instances: 256, partition_by: host }}"))
        .collect();
    super::check(
        &format!("modules: {{ {} }}\n{REST}", modules.join(", ")),
        &format!(
            "stack.yaml:1:1: a stack has at most {} instances of modules, this has 1280",
            limit::INSTANCES_MAX
        ),
    );
}

#[test]
fn listeners_are_not_shared_out() {
    super::check(
        "sources: { a: { file: x } }\nmodules: { quiet: }\nlisteners: { log: { instances: 2, grants: { log: true } } }\n",
        "stack.yaml:3:21: listener `log` has no `instances`; there are `listener`, `criteria`, `options`, `grants`, `limits`",
    );
}
