//! Grants of capabilities that are crates of their own: what is wrong with one, what two must agree on, who is never acted
//! against.

use super::super::Stack;
use super::super::grant::Grant;
use super::super::grant::world::WorldGrant;
use super::super::problem::Problem;
use super::super::raw::RawStack;
use super::{check_with, load, stack};

/// The listener `a` that asks for a capability, with this grant, from line 6 on.
fn asks(capability: &str, grant: &str) -> String {
    format!(
        "state: kept\nlisteners:\n  a: {{ listener: ./asks-{capability}.wasm, grants: {{ {capability}: {grant} }} }}\n"
    )
}

/// The only problem of a grant begins with its place, and says this.
fn check(capability: &str, grant: &str, expected: &str) {
    let text = asks(capability, grant);
    let told = match stack(&format!(
        "sources:\n  auth: {{ file: auth.log }}\nmodules:\n  sshd:\n{text}"
    )) {
        Ok(stack) => stack.warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems,
    };
    match (told.as_slice(), expected) {
        ([], "") => {}
        ([problem], expected) if !expected.is_empty() => assert!(
            problem.starts_with("stack.yaml:7:") && problem.contains(expected),
            "{capability}: {grant}: {problem}"
        ),
        _ => panic!("{capability}: {grant}: {told:?}"),
    }
}

#[test]
fn what_a_grant_lacks_is_told_with_the_way_out() {
    let numbers = "account: AC1, from: '+1', recipients: ['+4917012345']";
    check("sms", &format!("{{ {numbers}, credential: twilio }}"), "");
    check(
        "sms",
        &format!("{{ {numbers} }}"),
        "write `credential: twilio`, and keep the token with `correlator credential set twilio`",
    );
    check("sms", &format!("{{ {numbers}, credential: My Token }}"), "`credential`: ");
    let other = numbers.replace("AC1", "bob, credential: t");
    check("sms", &format!("{{ {other} }}"), "account `bob` is no SID; it begins with `AC`");
    let basic =
        "{ endpoints: { ops: { preset: jira, url: 'https://x.org/', values: { project: X } } } }";
    check("webhook", basic, "kept with `correlator credential set NAME`");
    check("webhook", "{ endpoints: {} }", "`endpoints` names 1 to");
    check(
        "elastic",
        "{ url: 'https://x.org', user: me }",
        "kept with `correlator credential set NAME`",
    );
    let mail = "server: mail.example.org, from: a@example.org";
    check("mail", &format!("{{ {mail} }}"), "to: nobody could get mail");
    check(
        "mail",
        &format!("{{ {mail}, to: b@example.org, username: u }}"),
        "credential: name the one",
    );
    check("firewall", "{ sets: {} }", "sets: there is none");
    check("command", "{ commands: {} }", "commands: name one at least");
    check("database", "{ databases: {} }", "it needs 1 to 64");
    check("syslog", "{ targets: {} }", "targets: name one at least");
}

#[test]
fn secrets_in_a_stack_are_warned_of() {
    let endpoint = |more: &str| format!("{{ endpoints: {{ ops: {{ {more} }} }} }}");
    for (more, expected) in [
        (
            "url: 'https://x.org/', headers: { Authorization: Bearer abc }",
            "this looks like a secret",
        ),
        ("url: 'https://x.org/', headers: { X-Api-Key: abc }", "this looks like a secret"),
        ("url: 'https://x.org/?n=1&token=abc'", "this looks like a secret"),
        ("url: 'https://hooks.slack.com/services/T0/B0/abc'", "this looks like a secret"),
        (
            "url: 'https://x.org/', headers: { X-Kind: abc, X-Token: '{@credential}' }, credential: c",
            "",
        ),
        ("url: 'https://x.org/?token={@credential}', credential: c", ""),
        ("preset: slack, credential: slack-url", ""),
    ] {
        check("webhook", &endpoint(more), expected);
    }
    let mail = "server: mail.example.org, from: a@example.org, to: b@example.org";
    check(
        "mail",
        &format!("{{ {mail}, password: hunter2 }}"),
        "there is no `password` here; a stack has no secrets: keep it with `correlator credential set NAME`, and write \
         `credential: NAME`",
    );
    let database = "{ databases: { d: { kind: postgres, address: 'postgres://u:hunter2@db/x', user: u, tables: [t] } } }";
    check("database", database, "`postgres://u:*******@db/x` is no address");
}

#[test]
fn a_problem_shows_no_secret() {
    let text =
        "listeners:\n  a: { listener: log, grants: { mail: { server: m, password: hunter2 } } }\n";
    let raw = RawStack::parse(text, "stack.yaml").expect("it is YAML");
    let problems = Stack::check(&raw, &load(&raw)).expect_err("it is wrong");
    let told: String = problems.iter().map(Problem::render).collect();
    assert!(told.contains("{ server: m, password: ******* } } }"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn bounds_are_told_where_they_stand() {
    let webhook =
        |more: &str| format!("{{ endpoints: {{ ops: {{ url: 'https://x.org/' }} }}, {more} }}");
    check("webhook", &webhook("rate: 5/1h, total: 500, each: { total: 5 }"), "");
    check("webhook", &webhook("total: 500/1d"), "or `rate: 500/1d` for how many in a span");
    check("webhook", &webhook("each: { rate: 5 }"), "expected a rate such as `100/1h`, found `5`");
    check("webhook", &webhook("totl: 5"), "there is no `totl` here");
}

#[test]
fn two_grants_agree_on_what_a_set_is() {
    let two = |first: &str, second: &str| {
        format!(
            "state: kept\nlisteners:\n  a: {{ listener: ./asks-firewall.wasm, grants: {{ firewall: {first} }} }}\n  \
             b:\n    listener: ./asks-firewall.wasm\n    grants:\n      firewall: {second}\n"
        )
    };
    let ssh = "{ sets: { ssh: { ports: [22] } } }";
    check_with(&two(ssh, ssh), "");
    check_with(
        &two(ssh, "{ sets: { ssh: { ports: 22 }, web: { ports: [80] } }, duration: 5m }"),
        "",
    );
    check_with(&two(ssh, "{ table: other, sets: { ssh: {} } }"), "");
    check_with(&two(ssh, "{ sets: { web: {} } }"), "");
    check_with(
        &two(ssh, "{ sets: { ssh: { ports: [22], verdict: reject, hook: both } } }"),
        "stack.yaml:11:27: set `ssh` of table inet correlator is another one in the grant of listener `a`; it is first at \
         stack.yaml:7:70, and `hook`, `verdict` must be the same; or give this one another name",
    );
    check_with(
        &two("{ table: x, sets: { ssh: {} } }", "{ table: x, sets: { ssh: { priority: 0 } } }"),
        "stack.yaml:11:37: set `ssh` of table inet x is another one in the grant of listener `a`; it is first at \
         stack.yaml:7:80, and `priority` must be the same; or give this one another name",
    );
}

#[test]
fn a_table_file_is_one_listeners_own() {
    let two = |first: &str, second: &str| {
        format!(
            "listeners:\n  a: {{ listener: csv, {first} }}\n  b:\n    listener: csv\n    {}\n",
            second.replace(", ", "\n    ")
        )
    };
    let out = "grants: { table: { directory: out } }";
    let other = "grants: { table: { directory: ./out/ } }";
    let of = |criteria: &str| format!("criteria: '{criteria}', {out}");
    check_with(
        &two(out, other),
        "stack.yaml:9:35: listener `b` writes to the same files in `./out/` as listener `a`; it has that folder at \
         stack.yaml:6:53; give each a folder of its own, or criteria that no event of one has in common with the other",
    );
    check_with(&two(out, "grants: { table: { directory: out2 } }"), "");
    check_with(&two(&of("event == \"login\""), &of("event != \"login\"")), "");
    check_with(
        &two(&of("severity >= error"), &of("severity < error")),
        "stack.yaml:10:35: listener `b` writes to the same files in `out` as listener `a`; it has that folder at \
         stack.yaml:6:84; give each a folder of its own, or criteria that no event of one has in common with the other",
    );
}

#[test]
fn a_folder_of_tables_is_one_components_own() {
    let folder = std::env::temp_dir().join(format!("correlator-tables-of-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("rows")).expect("a folder");
    std::os::unix::fs::symlink(folder.join("rows"), folder.join("link")).expect("a link");
    let check = |first: &str, other: &str, second: &str, expected: &str| {
        let root = folder.display();
        let text = format!(
            "listeners:\n  csv: {{ grants: {{ table: {{ directory: {root}/{first} }} }} }}\n  b:\n    listener: {other}\n    \
             criteria: event == \"login\"\n    grants:\n      table:\n        directory: {root}/{second}\n"
        );
        check_with(&text, &expected.replace("ROOT", &root.to_string()));
    };
    let alien = "./asks-table.wasm";
    let same = |folder: &str| {
        format!(
            "stack.yaml:12:20: listener `b` has the same folder for tables as listener `csv`, `ROOT/{folder}`; it has that \
             folder at stack.yaml:6:40; give each a folder of its own, since different components can spoil each other's files"
        )
    };
    check("rows", alien, "rows", &same("rows"));
    check("rows", alien, "link/", &same("link/"));
    check("link", alien, "rows/../rows", &same("rows/../rows"));
    check("new", alien, "other/../new", &same("other/../new"));
    let within = "stack.yaml:12:20: the folders for tables of the listeners `csv` and `b` lie in each other where one may have \
                  a file; the first one is at stack.yaml:6:40; give each a folder of its own, without `.csv` or `.jsonl` in \
                  its name";
    check("rows", alien, "link/t.csv.1", within);
    check("rows/t.jsonl/x", "csv", "rows", within);
    check("rows", alien, "rows/b", "");
    check("rows/b", alien, "rows", "");
    check("rows", alien, "rows-b", "");
    std::fs::remove_dir_all(folder).expect("clean up");
}

/// The only grant of a stack.
fn granted(head: &str, capability: &str, grant: &str) -> WorldGrant {
    let text = asks(capability, grant);
    let text = format!("{head}sources:\n  auth: {{ file: auth.log }}\nmodules:\n  sshd:\n{text}");
    let stack = stack(&text).expect("a stack");
    match stack.listeners[0].grants.as_slice() {
        [Grant::World(grant)] => (**grant).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_stacks_allow_list_is_for_what_acts_against_somebody() {
    let head = "allow: { users: [backup], networks: [10.0.0.0/8] }\n";
    let firewall = "{ sets: { ssh: {} }, allow: [192.0.2.7] }";
    let plain = granted("", "firewall", firewall);
    assert_eq!(plain.firewall.as_ref().expect("settings").allow, ["192.0.2.7/32"]);
    assert!(plain.notes_users() && plain.allow.users.is_empty());
    let more = granted(head, "firewall", firewall);
    let networks = ["192.0.2.7/32", "10.0.0.0/8"];
    assert_eq!(more.firewall.as_ref().expect("settings").allow, networks);
    assert_eq!(more.allow.users, ["backup"]);
    assert_ne!(plain, more);
    assert!(
        more.told()
            .ends_with("; of the whole stack: allow users: [backup], networks: [10.0.0.0/8]")
    );
    let own = "{ sets: { ssh: {} }, allow: { users: 'ops@*', networks: 192.0.2.7 } }";
    let own = granted(head, "firewall", own);
    assert_eq!(own.firewall.as_ref().expect("settings").allow, networks);
    assert_eq!(own.allow.users, ["ops@*", "backup"]);
    // Mails about them are sent.
    let mail = "{ server: mail.example.org, from: a@example.org, to: b@example.org }";
    assert!(!granted(head, "mail", mail).notes_users());
    let commands = "{ commands: { lock: { program: /bin/true } } }";
    assert_eq!(granted(head, "command", commands).allow.users, ["backup"]);
}

#[test]
fn an_allow_list_is_of_the_whole_stack() {
    check_with(
        "listeners:\n  log: { grants: { log: true } }\nallow: { users: [backup], networks: [10.0.0.0/33] }\n",
        "stack.yaml:7:38: `10.0.0.0/33` is neither an address nor a network; write `192.0.2.7`, `10.0.0.0/8` or \
         `2001:db8::/32`; users stand under `users`",
    );
}
