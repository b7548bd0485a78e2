//! What is said about stack files that are wrong.

use super::{check, check_with};

#[test]
fn a_good_stack_has_no_problems() {
    check_with("listeners:\n  log: { grants: { log: true } }\n", "");
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    check_with(
        "listener:\n  log:\n",
        "stack.yaml:5:1: a stack has no `listener`; did you mean `listeners`?",
    );
    check_with(
        "    option: { x: 1 }\nlisteners:\n  log: { grant: { log: true } }\n",
        "stack.yaml:5:5: module `sshd` has no `option`; did you mean `options`?
         stack.yaml:7:3: listener `log` wants `log` (events are shown), which is not granted; add `log: true` to its `grants`
         stack.yaml:7:10: listener `log` has no `grant`; did you mean `grants`?",
    );
    check_with(
        "    options: { login_failure_limt: 3, zzz: 1 }\nlisteners:\n  log: { grants: { log: true } }\n",
        "stack.yaml:5:16: module `sshd` has no option `login_failure_limt`; did you mean `login_failure_limit`?
         stack.yaml:5:39: module `sshd` has no option `zzz`; there are `login_failure_limit`, \
         `login_failure_window`, `style`, `ratio`, `strict`, `since`, `cache_bytes`, `label`",
    );
    check(
        "sources:\n  a: { file: x, framming: lines }\nmodules: { quiet: { options: { x: 1 } } }\nlisteners: { log: { grants: { log: {} } } }",
        "stack.yaml:2:17: source `a` has no `framming`; did you mean `framing`?
         stack.yaml:3:32: module `quiet` has no option `x`; it has none",
    );
}

#[test]
fn guests_that_do_not_exist() {
    check(
        "sources: { a: { file: x } }
modules: { sshdd: , other: { module: ./other.wasm }, s: { module: lib/sshd.wasm }, l: { module: csv } }
listeners: { log: { grants: { log: true } }, r: { listener: report }, zz: { listener: webhook } }",
        "stack.yaml:2:12: there is no bundled module `sshdd`; did you mean `sshd`?
         stack.yaml:2:38: module `./other.wasm` can't be loaded: No such file or directory (os error 2)
         stack.yaml:2:97: `csv` is a listener, not a module; move it to `listeners`
         stack.yaml:3:61: `report` is a module, not a listener; move it to `modules`
         stack.yaml:3:87: there is no bundled listener `webhook`; there are `csv`, `log`, `mail`; \
         write a path such as `./webhook.wasm` for a component of your own",
    );
}

#[test]
fn options_are_read_by_their_kind() {
    let listeners = "listeners: { log: { grants: { log: true } } }\n";
    let check_options = |options: &str, expected: &str| {
        check_with(&format!("    options: {{ {options} }}\n{listeners}"), expected);
    };
    check_options("login_failure_limit: 1_000, login_failure_window: 1h30m, style: long", "");
    check_options("ratio: 3, strict: no, since: 2023-02-20, cache_bytes: 64KiB, label: 1.10", "");
    check_options(
        "login_failure_limit: many",
        "stack.yaml:5:37: option `login_failure_limit`: expected an integer such as `5` or `20_000`, found `many`",
    );
    check_options(
        "login_failure_limit: 0",
        "stack.yaml:5:37: option `login_failure_limit`: 0 is not between 1 and 1000",
    );
    check_options(
        "login_failure_limit: [3]",
        "stack.yaml:5:37: option `login_failure_limit`: expected an integer, found a list",
    );
    check_options(
        "login_failure_limit: ",
        "stack.yaml:5:35: option `login_failure_limit`: expected an integer, found nothing; \
         remove the line for the default, or write `\"\"` for an empty text",
    );
    check_options(
        "login_failure_window: soon",
        "stack.yaml:5:38: option `login_failure_window`: expected a duration such as `5m`, `48h` or `250ms`, found `soon`",
    );
    check_options(
        "login_failure_window: 300",
        "stack.yaml:5:38: option `login_failure_window`: expected a duration such as `5m`, `48h` or `250ms`, \
         found `300`; add a unit, such as `300s`",
    );
    check_options(
        "login_failure_window: 1ms",
        "stack.yaml:5:38: option `login_failure_window`: 1ms is less than 1s, the least allowed",
    );
    check_options(
        "style: shrt",
        "stack.yaml:5:23: option `style`: `shrt` is none of its choices; did you mean `short`?",
    );
    check_options(
        "style: wide",
        "stack.yaml:5:23: option `style`: `wide` is none of its choices; it can be `short`, `long`",
    );
    check_options(
        "ratio: .nan",
        "stack.yaml:5:23: option `ratio`: expected a number such as `0.5`, found `.nan`",
    );
    check_options(
        "strict: maybe",
        "stack.yaml:5:24: option `strict`: expected `true` or `false`, found `maybe`",
    );
    check_options(
        "since: yesterday",
        "stack.yaml:5:23: option `since`: expected a time such as `2023-02-20T20:12:47Z`, found `yesterday`",
    );
    check_options(
        "cache_bytes: 3 parsecs",
        "stack.yaml:5:29: option `cache_bytes`: expected a size such as `64MiB`, `10MB` or `4096`, found `3 parsecs`; \
         the units are B, kB, MB, GB, TB (thousands) and KiB, MiB, GiB, TiB (1024)",
    );
}

#[test]
fn what_must_be_there() {
    check(
        "sources:\nmodules:\nlisteners:\n",
        "stack.yaml:1:1: there is no module; add one under `modules`, such as `sshd:`
         stack.yaml:1:1: there is no source; add one under `sources`, such as `auth: { file: /var/log/auth.log }`
         stack.yaml:1:1: warning: there is no listener, so nothing is done with the events; \
         add one under `listeners`, such as `log: { grants: { log: true } }`",
    );
    check(
        "sources: { a: {} }\nmodules: { report: }\nlisteners: { log: { grants: { log: true } } }",
        "stack.yaml:1:12: source `a` does not say where its records come from; add `file: PATH` (`file: \"-\"` for standard input), or one of \
         `tcp`, `tls`, `udp`, `unix`, `unix_datagram` with an address
         stack.yaml:2:12: module `report` needs the option `title`, which has no default; \
         add `title: ...` to its options, a text: the title of it",
    );
}

#[test]
fn names_of_instances() {
    check(
        "sources: { 1a: { file: x } }
modules: { sshd: , a b: { module: sshd }, é: { module: sshd } }
listeners: { sshd: { listener: log, grants: { log: true } }, on: { listener: log, grants: { log: true } }, no: { listener: log, grants: { log: true } } }",
        "stack.yaml:1:12: `1a` is no name for a source; a name has letters, digits, `_` and `-`, a letter first, 64 at most
         stack.yaml:2:20: `a b` is no name for a module; a name has letters, digits, `_` and `-`, a letter first, 64 at most
         stack.yaml:2:43: `é` is no name for a module; a name has letters, digits, `_` and `-`, a letter first, 64 at most
         stack.yaml:3:14: the name `sshd` is taken; it is first at stack.yaml:2:12; modules and listeners need different names; \
         rename this one and keep what it is with `listener: sshd`",
    );
}

#[test]
fn wrong_shapes() {
    check(
        "- a\n- b\n",
        "stack.yaml:1:1: expected a mapping with `sources`, `modules` and `listeners`, found a list",
    );
    check(
        "sources: auth.log\nmodules: [sshd]\nlisteners: { log: log }\n",
        "stack.yaml:1:10: expected sources by name, found `auth.log`
         stack.yaml:2:10: expected modules by name, found a list
         stack.yaml:3:14: listener `log` wants `log` (events are shown), which is not granted; add `log: true` to its `grants`
         stack.yaml:3:19: expected the settings of listener `log`, found `log`; write `listener: log`",
    );
    check(
        "sources: { a: x.log, b: { file: { c: d } } }\nmodules: { sshd: { options: 5, module: [] } }\nlisteners: { log: { grants: { log: } } }\n",
        "stack.yaml:1:15: expected the settings of source `a`, found `x.log`; write `file: x.log`
         stack.yaml:1:33: expected a path, a glob or `\"-\"` for standard input, found a mapping
         stack.yaml:2:29: expected options by name, found `5`
         stack.yaml:2:40: expected a bundled guest's name or a component's path, found a list
         stack.yaml:3:34: grant `log`: expected a mapping or `true`, found nothing; write `log: true`",
    );
}

#[test]
fn grants() {
    let check_grants = |listener: &str, expected: &str| {
        check_with(&format!("listeners:\n  rows: {listener}\n"), expected);
    };
    check_grants(
        "{ listener: csv, grants: { table: { directory: out, rotate_bytes: 10MB, keep: 3 } } }",
        "",
    );
    check_grants(
        "{ listener: csv }",
        "stack.yaml:6:3: listener `rows` wants `table` (rows are written to files), which is not granted; \
         add `table: { directory: out }` to its `grants`",
    );
    check_grants(
        "{ listener: log, grants: { log: false } }",
        "stack.yaml:6:3: listener `rows` wants `log` (events are shown), which is not granted; add `log: true` to its `grants`",
    );
    check_grants(
        "{ listener: csv, grants: { tabel: { directory: out } } }",
        "stack.yaml:6:3: listener `rows` wants `table` (rows are written to files), which is not granted; \
         add `table: { directory: out }` to its `grants`
         stack.yaml:6:36: there is no capability `tabel` to grant; did you mean `table`?",
    );
    check_grants(
        "{ listener: csv, grants: { table: true } }",
        "stack.yaml:6:36: the grant `table` needs `directory`, the folder to write in; write `table: { directory: out }`",
    );
    check_grants(
        "{ listener: csv, grants: { table: { directory: out, rotate: 1MB, rotate_bytes: 5, keep: 0 } } }",
        "stack.yaml:6:61: the grant `table` has no `rotate`; there are `directory`, `rotate_bytes`, `rotate_daily`, `keep`
         stack.yaml:6:88: `rotate_bytes` must be at least 1kB
         stack.yaml:6:97: `keep` must be between 1 and 10000",
    );
    check_grants(
        "{ listener: csv, grants: { table: { directory: out, keep: 5 }, log: true } }",
        "stack.yaml:6:67: warning: `keep` has no effect without `rotate_bytes`; add `rotate_bytes: 10MB`
         stack.yaml:6:72: warning: listener `rows` never asks for `log`; remove the grant",
    );
    check_grants(
        "{ listener: mail }",
        "stack.yaml:6:3: listener `rows` wants `mail` (events are sent), which is not granted; add \
         `mail: { server: mail.example.org, from: correlator@example.org, to: ops@example.org }` to its `grants`",
    );
    // What a capability's crate wants to know is told where it stands.
    check_grants(
        "{ listener: mail, grants: { mail: { server: mail.example.org, form: a@example.org } } }",
        "stack.yaml:6:71: there is no `form` here; did you mean `from`?",
    );
    check_grants(
        "{ listener: mail, grants: { mail: { server: mail.example.org, from: a@example.org, to: b@example.org, timeout: soon } } }",
        "stack.yaml:6:120: `soon` is no duration; write a number with its unit, such as `500ms`, `10s`, `1m30s`",
    );
    check_grants(
        "{ listener: mail, grants: { mail: { server: mail.example.org, from: a@example.org, to: b@example.org, rate: many } } }",
        "stack.yaml:6:3: listener `rows` asks for `mail`, and nothing is kept until it is done; add `state: FOLDER` to the stack
         stack.yaml:6:117: expected a rate such as `100/1h`, found `many`",
    );
    check_grants(
        "{ listener: mail, grants: { mail: { server: mail.example.org, from: a@example.org, to: b@example.org } } }",
        "stack.yaml:6:3: listener `rows` asks for `mail`, and nothing is kept until it is done; add `state: FOLDER` to the stack",
    );
}

#[test]
fn limits() {
    let listeners = "listeners: { log: { grants: { log: true } } }\n";
    check_with(
        &format!(
            "    limits: {{ memory: 64MiB, fuel_per_record: 20_000, turn_time: 250ms }}\n{listeners}limits: {{ failures: 3 }}\n"
        ),
        "",
    );
    check_with(
        &format!("    limits: {{ memori: 1, memory: lots, turn_time: 2, failures: -1 }}\n{listeners}limits: {{ memory: 8TiB, fuel_per_turn: [] }}\n"),
        "stack.yaml:5:15: there is no limit `memori`; did you mean `memory`?
         stack.yaml:5:34: limit `memory`: expected a size such as `64MiB`, `10MB` or `4096`, found `lots`
         stack.yaml:5:51: limit `turn_time`: expected a duration such as `5m`, `48h` or `250ms`, found `2`; add a unit, such as `2s`
         stack.yaml:5:64: limit `failures` must be between 1 and 1000000, found `-1`
         stack.yaml:7:19: limit `memory` must be between 64KiB and 4GiB, found `8TiB`
         stack.yaml:7:40: limit `fuel_per_turn`: expected a number, found a list",
    );
}

#[test]
fn sources() {
    let check_source = |source: &str, expected: &str| {
        let rest = "modules: { quiet: }\nlisteners: { log: { grants: { log: true } } }\n";
        check(&format!("sources: {{ a: {{ file: x, {source} }} }}\n{rest}"), expected);
    };
    check_source("framing: octets, time_zone: +02:00, year: 2023", "");
    check_source("framing: \"\\r\"", "");
    check_source("framing: '\\r\\n'", "");
    check_source(
        "framing: line",
        "stack.yaml:1:35: expected `auto`, `lines`, `octets` or a trailer such as \"\\r\", found `line`; did you mean `lines`?",
    );
    check_source(
        "framing: ''",
        "stack.yaml:1:35: expected `auto`, `lines`, `octets` or a trailer such as \"\\r\", found ``",
    );
    check_source(
        "time_zone: Europe/Berln",
        "stack.yaml:1:37: unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?",
    );
    check_source("year: 99", "stack.yaml:1:32: expected a year from 1970 to 2261, found `99`");
    check(
        "sources: { a: { file: [\"-\", \"-\"] }, b: { file: '' }, c: { file: 'x[' }, d: { file: [] } }\nmodules: { quiet: }\nlisteners: { log: { grants: { log: true } } }\n",
        "stack.yaml:1:12: standard input can be read only once; remove one of the `-`
         stack.yaml:1:48: expected a path, found an empty text
         stack.yaml:1:65: `x[` is no glob: invalid range pattern; write `[*]`, `[?]` or `[[]` for the character itself
         stack.yaml:1:84: expected 1 to 1024 paths, found 0",
    );
}

#[test]
fn problems_are_told_up_to_a_limit() {
    let options: Vec<_> = (0..150)
        .map(|number| {
            format!(
                "      x{number}: 1
"
            )
        })
        .collect();
    let options = options.concat();
    let text =
        format!("sources: {{ a: {{ file: x }} }}\nmodules:\n  quiet:\n    options:\n{options}");
    let problems = super::stack(&text).expect_err("none of the options exists");
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100], "stack.yaml:104:7: 51 more problems are not shown");
}
