//! YAML's own ways to go wrong.

use std::fmt::Write;
use std::fs;

use super::{check, check_with, stack};
use crate::limit;
use crate::stack::raw::{RawStack, StackError};

#[test]
fn nothing_at_all() {
    let empty =
        "stack.yaml:1:1: this stack is empty; a stack has `sources`, `modules` and `listeners`";
    for text in ["", "\n\n", "# only a comment\n", "~\n", "\u{feff}"] {
        check(text, empty);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    check(
        "\u{feff}sources: { a: { file: x } }\nmodules: { quiet: }\nlisteners: { log: { grants: { log: true } } }",
        "",
    );
}

#[test]
fn names_given_twice() {
    check_with(
        "  sshd:\n    options: { style: long, style: short }\nlisteners: { log: { grants: { log: true } } }\n",
        "stack.yaml:5:3: `sshd` is here twice; it was first at stack.yaml:4:3; keep one of them
         stack.yaml:6:29: `style` is here twice; it was first at stack.yaml:6:16; keep one of them",
    );
}

#[test]
fn syntax() {
    check(
        "sources:\n\tauth: x\n",
        "stack.yaml:2:2: this is not YAML: tabs disallowed within this context (block indentation); \
         this line is indented with a tab; use spaces",
    );
    check(
        "sources: [a\nmodules: }\n",
        "stack.yaml:2:8: this is not YAML: illegal placement of ':' indicator",
    );
    check(
        "sources: { a: { file: x } }\n---\nmodules: { quiet: }\n",
        "stack.yaml:2:1: a stack is one YAML document, a second one begins here; \
         put it in a file of its own, or remove the `---`",
    );
    check(
        "a: *nobody\n",
        "stack.yaml:1:4: this is not YAML: while parsing node, found unknown anchor",
    );
    check("a: &a [*a]\n", "stack.yaml:1:8: this alias is part of what it repeats");
}

#[test]
fn keys_that_are_no_names() {
    check(
        "? [a]\n: 1\nsources: { a: { file: x } }\nmodules: { quiet: }\nlisteners: { log: { grants: { log: true } } }\n",
        "stack.yaml:1:3: expected a name before the colon, found a list",
    );
}

#[test]
fn tags() {
    check_with(
        "    options: { login_failure_limit: !five 5, label: !!str 7 }\nlisteners: { log: { grants: { log: true } } }\n",
        "stack.yaml:5:43: the YAML tag `!five` means nothing here; remove it",
    );
}

#[test]
fn anchors_and_merges() {
    let text = "sources: { a: { file: x } }
modules:
  sshd: &sshd
    options: &options { login_failure_limit: 3 }
  other: { <<: *sshd, module: sshd }
  third: { module: sshd, options: { <<: *options, style: long, login_failure_limit: 4 } }
listeners: { log: { grants: { log: true } } }
";
    check(text, "");
    let stack = stack(text).expect("it is good");
    let limits = stack.modules.iter().map(|module| format!("{:?}", module.settings[0].1));
    assert_eq!(limits.collect::<Vec<_>>(), ["Integer(3)", "Integer(3)", "Integer(4)"]);
    check_with(
        "    options: { <<: 5 }\nlisteners: { log: { grants: { log: true } } }\n",
        "stack.yaml:5:20: `<<` merges mappings, this is `5`",
    );
}

#[test]
fn aliases_can_not_explode() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        let ten = [below.as_str(); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{ten}]");
    }
    let problems = stack(&text).expect_err("it is a bomb");
    assert_eq!(
        problems,
        [
            "stack.yaml:5:45: a stack has at most 100000 values, those that aliases repeat among them"
        ]
    );
    // A chain of merges doubles as well.
    let mut text = "b0: &b0 { k: v }\n".to_owned();
    for level in 1..2_000 {
        let below = level - 1;
        let _ = writeln!(text, "b{level}: &b{level} {{ k{level}: v, <<: *b{below} }}");
    }
    assert!(stack(&text).expect_err("it is a bomb")[0].contains("at most 100000 values"));
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(
        stack(&deep).expect_err("it is too deep"),
        ["stack.yaml:1:36: values nest deeper than 32"]
    );
    let long = "#".repeat(limit::STACK_BYTES_MAX + 1);
    assert_eq!(
        stack(&long).expect_err("it is too long"),
        ["stack.yaml:1:1: a stack has at most 1048576 bytes, this has more"]
    );
}

#[test]
fn files() {
    let folder = std::env::temp_dir().join(format!("correlator-stack-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the test");
    let path = folder.join("stack.yaml");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("a file for the test");
        RawStack::read(&path)
    };
    let told = |result: Result<RawStack, StackError>| {
        result
            .expect_err("it is wrong")
            .to_string()
            .replace(&path.display().to_string(), "stack.yaml")
    };
    assert_eq!(
        told(read(b"sources: { a: { file: x } }\nmodules: { \xff")),
        "stack.yaml:2:12: this is not UTF-8 text; save the file as UTF-8"
    );
    assert!(told(read(&vec![b' '; limit::STACK_BYTES_MAX + 9])).contains("at most 1048576 bytes"));
    let good = read(b"sources: { a: { file: in/*.log } }\nmodules: { m: { module: ./sshd.wasm } }")
        .expect("good");
    assert_eq!(
        good.components()[0].component.to_string(),
        folder.join("./sshd.wasm").display().to_string()
    );
    fs::remove_dir_all(&folder).expect("the test's own folder");
    assert!(
        told(RawStack::read(&path))
            .starts_with("stack.yaml: the stack can't be read: No such file")
    );
}

#[test]
fn any_text_is_a_stack_or_has_problems() {
    let good = "time_zone: UTC\nsources:\n  a: { file: [x, \"y*\"], framing: '\\r' }\n  t: { tls: :2, certificate: c, key: k }\n  \
                u: { unix_datagram: d, mode: 600, lateness: 5s }\nmodules:\n  sshd: &m\n    \
                options: { login_failure_limit: 3 }\n  b: { <<: *m, module: ./sshd.wasm }\nlisteners:\n  log:\n    \
                criteria: |\n      user == \"é\" or\n      port > 5\n    grants: { log: {} }\nlimits: { memory: 1GiB }\n\
                state: { folder: kept, durability: each }\ncontrol: { socket: none, metrics: :1, watch: no }\ncapture: c\n";
    assert!(stack(good).is_ok());
    let pieces = [
        "\t", "\n", ":", "- ", "{", "]", "\"", "'", "&a ", "*m", "<<: ", "é", "\u{feff}", "---\n",
        "| ", "#", "!x ",
    ];
    let mut state = 11_usize;
    let mut next = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..4_000 {
        let mut text: Vec<char> = good.chars().collect();
        for _ in 0..=next(3) {
            let place = next(text.len());
            let end = (place + next(4)).min(text.len());
            text.splice(place..end, pieces[next(pieces.len())].chars());
        }
        let text: String = text.into_iter().collect();
        let Ok(raw) = RawStack::parse(&text, "stack.yaml") else { continue };
        if let Err(problems) = crate::stack::Stack::check(&raw, &super::load(&raw)) {
            assert!(!problems.is_empty(), "{text}");
            assert!(problems.iter().all(|problem| problem.render().contains(" --> ")), "{text}");
        }
    }
}

#[test]
fn a_problem_points_at_its_line() {
    let text = "sources: { a: { file: x } }\nmodules:\n  sshd:\n    options: { login_failure_limt: 3 } # \u{202e}\tx\n";
    let raw = RawStack::parse(text, "stack.yaml").expect("it is YAML");
    let problems = crate::stack::Stack::check(&raw, &super::load(&raw)).expect_err("it is wrong");
    let wrong =
        problems.iter().find(|problem| problem.to_string().contains("4:16")).expect("it is there");
    let expected = "\
error: module `sshd` has no option `login_failure_limt`
 --> stack.yaml:4:16
  |
4 |     options: { login_failure_limt: 3 } #   x
  |                ^^^^^^^^^^^^^^^^^^
help: did you mean `login_failure_limit`?
";
    assert_eq!(wrong.render(), expected);
}
