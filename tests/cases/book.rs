//! What the book shows can be typed: its stacks are sound, and so are the grants of every capability.

use std::fs;
use std::path::Path;
use std::time::Duration;

use correlator_tests::engine::Run;

const DEADLINE: Duration = Duration::from_mins(1);

/// The listener that asks for each capability, with an option that the grant of the page has room for.
const LISTENERS: [(&str, &str, &str); 7] = [
    ("mail", "email", "to: alice@example.org"),
    ("sms", "sms", "to: '+4917012345'"),
    ("webhook", "webhook", "endpoint: own"),
    ("firewall", "firewall", "set: ssh"),
    ("database", "database", "database: central"),
    ("elastic", "elastic", ""),
    ("syslog", "syslog", "target: siem"),
];

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(path).expect("a file of the project")
}

/// The blocks of YAML of a page.
fn blocks(page: &str) -> Vec<&str> {
    let starts = page.split("```yaml\n").skip(1);
    starts.filter_map(|rest| rest.split_once("```").map(|(block, _)| block)).collect()
}

fn check(stack: &str) {
    let run = Run::of(DEADLINE, &["check"]).expect("a folder");
    let run = run.with_file("--quiet", "stack.yaml", stack.as_bytes()).expect("a file");
    let outcome = run.go().expect("the engine runs");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{stack}");
}

#[test]
fn the_stack_that_acts_is_sound() {
    let (shown, shipped) = (page("docs/acting.md"), page("dist/acting.yaml"));
    let shown = blocks(&shown)[0];
    let end = |text: &str| text[text.find("state: ").expect("a state")..].to_owned();
    assert_eq!(end(shown), end(&shipped), "the page shows what is shipped");
    check(shown);
}

#[test]
fn the_grants_of_every_capability_are_sound() {
    let page = page("docs/acting.md");
    for (capability, listener, options) in LISTENERS {
        let opening = format!("grants:\n  {capability}:\n");
        let of = |block: &&&str| block.starts_with(&opening);
        let block = *blocks(&page).iter().find(of).expect("an example of each capability");
        let grants: String = block.lines().map(|line| format!("    {line}\n")).collect();
        check(&format!(
            "state: state\nsources: {{ auth: {{ file: auth.log }} }}\nmodules: {{ sshd: }}\nlisteners:\n  x:\n    \
             listener: {listener}\n    options: {{ {options} }}\n{grants}"
        ));
    }
}

#[test]
fn the_allow_list_is_sound() {
    let page = page("docs/acting.md");
    let blocks = blocks(&page);
    let block = blocks.iter().find(|block| block.starts_with("allow:")).expect("an example");
    check(&format!(
        "{block}sources: {{ auth: {{ file: auth.log }} }}\nmodules: {{ sshd: }}\n\
         listeners: {{ log: {{ grants: {{ log: true }} }} }}\n"
    ));
}
