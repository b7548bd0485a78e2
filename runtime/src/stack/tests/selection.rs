//! Criteria: what they select, and what is said about those that are wrong.

use correlator_frame::value::Value;
use jiff::tz::TimeZone;

use super::{check_with, guests};
use crate::declaration::BoundSchema;
use crate::stack::criteria::Criteria;
use crate::stack::criteria::matching::Subject;

/// A login, severity informational, and a failed login without a port, severity error.
struct Samples {
    schemas: Vec<BoundSchema>,
    text: Vec<u8>,
    login: Vec<u32>,
    failed: Vec<u32>,
}

const START: i64 = 1_676_923_967_000_000_000;

fn samples() -> Samples {
    let bound = |schema| BoundSchema { instance: "sshd".into(), schema };
    let schemas = guests::sshd_events().into_iter().map(bound).collect();
    let mut text = Vec::new();
    let mut cells = |values: &[Value<'_>]| {
        values.iter().flat_map(|value| value.write(&mut text)).collect::<Vec<u32>>()
    };
    let login = cells(&[
        Value::Text(b"admin"),
        Value::Text(b"10.1.2.3"),
        Value::Integer(2222),
        Value::Duration(90_000_000_000),
        Value::Text(b"RSA SHA256:abc"),
        Value::Float(0.75),
        Value::Boolean(true),
        Value::Time(START),
    ]);
    let failed = cells(&[
        Value::Text(b"ro\"ot"),
        Value::Text(b"fe80::1%eth0"),
        Value::Text(b""),
        Value::Integer(-3),
    ]);
    Samples { schemas, text, login, failed }
}

/// Whether the login and the failed login meet the criteria.
fn selects(criteria: &str) -> (bool, bool) {
    let samples = samples();
    let parsed = Criteria::parse(criteria).unwrap_or_else(|error| panic!("{criteria}: {error:?}"));
    let compiled = parsed.compile(&samples.schemas, &TimeZone::UTC);
    let compiled = compiled.unwrap_or_else(|errors| panic!("{criteria}: {errors:?}"));
    let login = Subject {
        schema: 0,
        severity: 6,
        time: START,
        absent: 0,
        cells: &samples.login,
        text: &samples.text,
    };
    let failed = Subject { schema: 1, severity: 3, absent: 0b100, cells: &samples.failed, ..login };
    (compiled.matches(&login), compiled.matches(&failed))
}

#[test]
fn what_criteria_select() {
    let check = |criteria: &str, login: bool, failed: bool| {
        assert_eq!(selects(criteria), (login, failed), "{criteria}");
    };
    check("", true, true);
    check("  ", true, true);
    check("true", true, true);
    check("false", false, false);
    check("event == \"login\"", true, false);
    check("event != 'login'", false, true);
    check("event in [\"login\", \"statistics\"]", true, false);
    check("event not in [\"login\"]", false, true);
    check("event starts_with \"login\"", true, true);
    check("event matches \"*_failed\"", false, true);
    check("module == \"sshd\"", true, true);
    check("module exists", true, true);
    check("severity >= warning", false, true);
    check("severity < error", true, false);
    check("severity <= error", true, true);
    check("severity > error", false, false);
    check("severity == info", true, false);
    check("severity != \"error\"", true, false);
    check("severity in [error, critical]", false, true);
    check("severity not in [error]", true, false);
    check("time > 2023-02-20", true, true);
    check("time > 2023-02-20T20:12:47Z", false, false);
    check("timestamp >= \"2023-02-20 20:12:47\"", true, true);
    check("user == \"admin\"", true, false);
    check("user == \"ro\\\"ot\"", false, true);
    check("user != \"admin\"", false, true);
    check("user in [\"x\", \"admin\", \"b\"]", true, false);
    check("user not in [\"x\", \"admin\", \"b\"]", false, true);
    check("key contains \"SHA256\"", true, false);
    check("key starts_with \"RSA\" and key ends_with \"abc\"", true, false);
    check("key matches \"RSA *:a?c\"", true, false);
    check("addr in 10.0.0.0/8", true, false);
    check("addr in \"10.1.2.3\"", true, false);
    check("addr in [192.168.0.0/16, fe80::/10]", false, true);
    check("addr in [10.1.2.3, \"fe80::1%eth0\"]", true, true);
    check("addr not in 10.0.0.0/8", false, true);
    check("addr in ::ffff:10.1.2.3", true, false);
    check("port > 1024", true, false);
    check("port == 2222", true, false);
    check("port in [22, 2222]", true, false);
    check("port not in [22]", true, false);
    check("failures < 0", false, true);
    check("failures == -3", false, true);
    check("failures >= -9223372036854775808", false, true);
    check("failures < -9223372036854775808", false, false);
    check("duration > 1m", true, false);
    check("duration == 1m30s", true, false);
    check("duration in [90s, 5h]", true, false);
    check("score > 0.5 and score <= 0.75", true, false);
    check("score != 0.75", false, false);
    check("score in [0.1, 0.75]", true, false);
    check("start == 2023-02-20T20:12:47Z", true, false);
    check("root", true, false);
    check("not root", false, true);
    check("root == false", false, false);
    check("root != false", true, false);
}

#[test]
fn absent_columns_make_tests_false() {
    let check = |criteria: &str, login: bool, failed: bool| {
        assert_eq!(selects(criteria), (login, failed), "{criteria}");
    };
    check("exists key", true, false);
    check("key exists", true, false);
    check("not exists key", false, true);
    check("key != \"x\"", true, false);
    check("not (key == \"x\")", true, true);
    check("exists port", true, false);
    check("port == \"22\" or port != \"22\"", false, false);
    check("logins > 0", false, false);
}

#[test]
fn how_tightly_words_bind() {
    let check = |criteria: &str, login: bool, failed: bool| {
        assert_eq!(selects(criteria), (login, failed), "{criteria}");
    };
    check("true or false and false", true, true);
    check("(true or false) and false", false, false);
    check("not false and false", false, false);
    check("not not true", true, true);
    check("not (false or event == \"login\")", false, true);
    check("event==\"login\"and port>1", true, false);
    check("((((root))))", true, false);
}

#[test]
fn what_is_certain_is_worked_out_beforehand() {
    let samples = samples();
    let compile = |text: &str| {
        let criteria = Criteria::parse(text).expect("it is an expression");
        criteria.compile(&samples.schemas, &TimeZone::UTC).expect("it fits")
    };
    assert!(compile("").always());
    assert!(compile("module == \"sshd\" or user == \"x\"").always());
    assert!(compile("severity >= debug").always());
    assert!(!compile("event == \"login\"").always());
    assert!(compile("event == \"login\" and event == \"statistics\"").never());
    let login = compile("event == \"login\" and port > 5");
    assert_eq!([0, 1, 2, 3].map(|schema| login.never_for(schema)), [false, true, true, true]);
}

/// Checks what is said about criteria and the character that it is about.
fn check_wrong(criteria: &str, start: u32, expected: &str) {
    let samples = samples();
    let errors = Criteria::parse(criteria)
        .map_err(|error| vec![error])
        .and_then(|parsed| parsed.compile(&samples.schemas, &TimeZone::UTC));
    let errors = errors.expect_err(criteria);
    assert_eq!(
        (errors[0].wrong.to_string().as_str(), errors[0].start),
        (expected, start),
        "{criteria}"
    );
}

#[test]
fn criteria_that_name_what_is_not_there() {
    check_wrong("event = \"login\"", 6, "`=` is not known in criteria; write `==`");
    check_wrong("severity => warning", 9, "`=>` is not known in criteria; write `>=`");
    check_wrong("severity =< warning", 9, "`=<` is not known in criteria; write `<=`");
    check_wrong("root && root", 5, "`&&` is not known in criteria; write `and`");
    check_wrong("root || root", 5, "`||` is not known in criteria; write `or`");
    check_wrong("!root", 0, "`!` is not known in criteria; write `not`");
    check_wrong(
        "root AND root",
        5,
        "expected a comparison such as `==` or `in` after `root`, found `AND`; did you mean `and`?",
    );
    check_wrong(
        "user \"x\"",
        5,
        "expected a comparison such as `==` or `in` after `user`, found the text \"x\"",
    );
    check_wrong("event == login", 9, "a text must be in quotes, found `login`; write \"login\"");
    check_wrong(
        "addr == 10.0.0.0/8",
        8,
        "a text must be in quotes, found `10.0.0.0/8`; write `in 10.0.0.0/8` for a network, or \"10.0.0.0/8\"",
    );
    check_wrong(
        "event == \"login_faild\"",
        9,
        "no module has an event `login_faild`; did you mean `login_failed`?",
    );
    check_wrong(
        "event in [\"login\", \"zzz\"]",
        19,
        "no module has an event `zzz`; there are `login`, `login_failed`, `statistics`",
    );
    check_wrong("module == \"ssh\"", 10, "there is no module `ssh`; did you mean `sshd`?");
    check_wrong("usr == \"x\"", 0, "no event has a field `usr`; did you mean `user`?");
    check_wrong(
        "summary contains \"x\"",
        0,
        "`summary` can't be tested, it is made of the rest of the event; test the event's columns",
    );
}

#[test]
fn criteria_that_compare_what_can_not_be() {
    check_wrong(
        "severity >= loud",
        12,
        "`loud` is no severity; there are `emergency`, `alert`, `critical`, `error`, `warning`, `notice`, `informational`, `debug`",
    );
    check_wrong("severity >= warnin", 12, "`warnin` is no severity; did you mean `warning`?");
    check_wrong(
        "severity",
        0,
        "`severity` is a severity and must be compared with something; write something like `severity >= warning`",
    );
    check_wrong("failures > many", 11, "expected an integer such as `5` or `20_000`, found `many`");
    check_wrong(
        "failures > \"3\"",
        11,
        "expected an integer, found the text \"3\"; remove the quotes",
    );
    check_wrong(
        "failures contains \"3\"",
        0,
        "`failures` is an integer, which `contains` can't compare; write something like `failures >= 5`",
    );
    check_wrong(
        "failures in 3",
        0,
        "`in` needs a list after `failures`; write it in brackets: `in [1, 2]`",
    );
    check_wrong(
        "duration > 300",
        11,
        "expected a duration such as `5m`, `48h` or `250ms`, found `300`; add a unit, such as `300s`",
    );
    check_wrong("start > soon", 8, "expected a time such as `2023-02-20T20:12:47Z`, found `soon`");
    check_wrong(
        "user < \"x\"",
        0,
        "`user` is a text, which `<` can't compare; write something like `user == \"...\"`",
    );
    check_wrong(
        "user",
        0,
        "`user` is a text and must be compared with something; write something like `user == \"...\"`",
    );
    check_wrong(
        "root > true",
        0,
        "`root` is true or false, which `>` can't compare; write something like `root` or `not root`",
    );
    check_wrong(
        "addr in home",
        8,
        "`home` is neither a network nor an address; write a network such as `10.0.0.0/8`, or a list of texts: `[\"home\"]`",
    );
    check_wrong(
        "addr in 10.0.0.0/33",
        8,
        "`10.0.0.0/33` is neither a network nor an address; write a network such as `10.0.0.0/8`, or a list of texts: `[\"10.0.0.0/33\"]`",
    );
}

#[test]
fn criteria_that_are_no_expression() {
    check_wrong("(root", 0, "this `(` is not closed; add a `)`");
    check_wrong("root)", 4, "this `)` closes nothing");
    check_wrong("root and", 8, "expected the name of a field, found the end");
    check_wrong("user in []", 9, "this list is empty, so nothing can be in it");
    check_wrong("user in [\"a\" \"b\"]", 13, "expected `,` or `]`, found the text \"b\"");
    check_wrong("user not \"a\"", 9, "expected `in` after `not`, found the text \"a\"");
    check_wrong("user == \"a", 8, "this text does not end; add a closing \"");
    check_wrong(
        "user == \"\\x\"",
        9,
        "this escape is not known; the escapes are `\\n`, `\\r`, `\\t`, `\\\"`, `\\'` and `\\\\`",
    );
    check_wrong("user == $x", 8, "`$` means nothing here");
    check_wrong("\"user\" == 5", 0, "expected the name of a field, found the text \"user\"");
    check_wrong(
        "root root",
        5,
        "expected a comparison such as `==` or `in` after `root`, found `root`",
    );
    check_wrong("exists user root", 12, "expected `and`, `or` or the end, found `root`");
}

#[test]
fn criteria_are_bounded() {
    let wrong = |text: &str| Criteria::parse(text).expect_err("it is too much").wrong.message;
    let deep = format!("{}root{}", "(".repeat(40), ")".repeat(40));
    assert_eq!(wrong(&deep), "parentheses nest deeper than 32");
    assert_eq!(wrong(&"root or ".repeat(4_000)), "criteria have at most 16384 bytes");
    // Many words on one level are fine, and so are many `not`.
    let wide = vec!["root"; 2_000].join(" or ");
    assert!(Criteria::parse(&wide).is_ok());
    assert!(Criteria::parse(&format!("{}root", "not ".repeat(3_000))).is_ok());
}

#[test]
fn any_text_is_read_or_refused() {
    let words = [
        "(", ")", "not", "and", "user", "==", "\"a\"", "[", "]", ",", "in", "\\", "'", "é",
        "exists", "5m", " ",
    ];
    let mut state = 7_usize;
    for length in 0..2_000 {
        let mut text = String::new();
        for _ in 0..length % 24 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(words[(state >> 33) % words.len()]);
            text.push(' ');
        }
        if let Err(error) = Criteria::parse(&text) {
            assert!(error.start as usize <= text.chars().count(), "{text}");
        }
    }
}

#[test]
fn criteria_are_pointed_at_in_the_file() {
    let check_criteria = |criteria: &str, expected: &str| {
        check_with(
            &format!("listeners:\n  log:\n    grants: {{ log: true }}\n    criteria: {criteria}\n"),
            expected,
        );
    };
    check_criteria("severity >= warning and event != \"statistics\"", "");
    check_criteria(
        "severity >= loud",
        "stack.yaml:8:27: `loud` is no severity; \
         there are `emergency`, `alert`, `critical`, `error`, `warning`, `notice`, `informational`, `debug`",
    );
    check_criteria(
        "'event = \"login\"'",
        "stack.yaml:8:22: `=` is not known in criteria; write `==`",
    );
    check_criteria(
        "usr == \"a\" or event == \"logn\"",
        "stack.yaml:8:15: no event has a field `usr`; did you mean `user`?
         stack.yaml:8:38: no module has an event `logn`; did you mean `login`?",
    );
    check_criteria(
        "|\n      severity >= warning and\n      usr == \"a\"",
        "stack.yaml:10:7: no event has a field `usr`; did you mean `user`?",
    );
    check_criteria(
        "severity >= warning and\n      usr == \"a\"",
        "stack.yaml:8:15: character 25 of the criteria: no event has a field `usr`; did you mean `user`?",
    );
    check_criteria(
        "\"usr == \\\"a\\\"\"",
        "stack.yaml:8:15: character 1 of the criteria: no event has a field `usr`; did you mean `user`?",
    );
    check_criteria(
        "[a]",
        "stack.yaml:8:15: expected an expression such as `severity >= warning`, found a list",
    );
    check_criteria(
        "event == \"login\" and event == \"statistics\"",
        "stack.yaml:8:15: warning: no event can meet the criteria of listener `log`",
    );
    check_criteria("true", "");
    check_with(
        "listeners: { odd: { listener: ./odd.wasm } }\n",
        "stack.yaml:5:14: listener `odd` has criteria of its own, `event == \"never\"`: \
         no module has an event `never`; give it `criteria` that fit this stack",
    );
}
