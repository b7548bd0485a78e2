//! Credentials in places that are mistyped, harmed or out of reach, and secrets that are none for whoever needs them: what
//! helps is told, and nothing lands elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use correlator_tests::site::{Said, Site};

use super::effects::with_input;

const STACK: &str = "state: kept\n\
    credentials: { order: [file], file: kept-here/file }\n\
    sources: { auth: { file: auth.log } }\n\
    modules: { sshd: { module: sshd } }\n\
    listeners:\n\
    \x20 hook:\n\
    \x20   listener: webhook\n\
    \x20   criteria: event == \"login\"\n\
    \x20   options: { endpoint: ops }\n\
    \x20   grants: { webhook: { endpoints: { ops: { url: 'https://example.org/', credential: hook, auth: bearer } } } }\n";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.put("stack.yaml", STACK);
    site.put("auth.log", "");
    site
}

fn set(site: &Site, name: &str, secret: &str) -> Said {
    with_input(site, &["credential", "set", name, "stack.yaml"], secret)
}

/// What is said to an order, and the code that it ends with.
fn check(said: &Said, code: i32, words: &[&str]) {
    let all = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, Some(code), "{all}");
    for words in words {
        assert!(all.contains(words), "{words} in\n{all}");
    }
}

#[test]
fn a_mistyped_place_is_told_and_nothing_is_put_elsewhere() {
    let site = site("credentials-mistyped");
    for (right, wrong, told) in [
        ("order: [file]", "order: [fil]", "`fil` is none of the choices"),
        ("file: kept-here", "fiel: kept-here", "there is no `fiel` here"),
        ("credentials:", "credential:", "a stack has no `credential`"),
    ] {
        site.put("stack.yaml", STACK.replace(right, wrong));
        check(&set(&site, "smtp", "secret"), 2, &[told, "stack.yaml:2:"]);
        for order in [&["list"][..], &["check", "smtp"], &["remove", "smtp"]] {
            let order = [&["credential"], order, &["stack.yaml"]].concat();
            check(&site.tell(&order), 2, &[told]);
        }
        assert!(!site.folder().join("kept-here").exists(), "{wrong}");
    }
}

#[test]
fn a_place_that_is_harmed_is_told_with_what_helps() {
    let site = site("credentials-harmed");
    check(&set(&site, "hook", "secret"), 0, &[]);
    let file = site.folder().join("kept-here/file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
    for order in [&["run", "stack.yaml"][..], &["credential", "check", "stack.yaml"]] {
        let said = site.tell(order);
        let code = if order[0] == "run" { 2 } else { 1 };
        check(&said, code, &["chmod 600"]);
        assert!(!said.stderr.contains("add it"), "{}", said.stderr);
    }
    let list = ["credential", "list", "stack.yaml"];
    check(&site.tell(&list), 1, &["file does not say what it has, so the list may lack some"]);
    check(
        &site.tell(&[&list[..], &["--json"]].concat()),
        1,
        &["\"unreachable\":[{\"place\":\"file\""],
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    check(&site.tell(&list), 0, &["1 credential"]);
}

#[test]
fn a_secret_that_nobody_takes_is_told_before_it_is_needed() {
    let site = site("credentials-unfit");
    check(&set(&site, "hook", "a\0b"), 2, &["NUL", "nothing was kept"]);
    assert!(!site.folder().join("kept-here").exists());
    check(&set(&site, "hook", "a\nb"), 0, &["no text on one line, which `sms`, `webhook`"]);
    let told = ["no text on one line, which `webhook` needs", "set hook --place file stack.yaml"];
    check(&site.tell(&["credential", "check", "stack.yaml"]), 1, &told);
    check(&site.tell(&["run", "stack.yaml"]), 2, &told);
    check(&set(&site, "hook", "ab\n"), 0, &["`hook` is kept in file\n"]);
    check(&site.tell(&["credential", "check", "stack.yaml"]), 0, &["hook: in file"]);
    check(&site.tell(&["run", "stack.yaml"]), 0, &[]);
}
