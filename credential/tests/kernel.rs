//! The kernel's keyring, in sessions of the tests' own.

mod support;

use std::env;
use std::process::{Command, Stdio};

use correlator_credential::{Place, Vault};
use correlator_world::{NoSecret, Secrets};

use support::{Folder, given, installed, secret, vault};

/// Said to a test that runs again, inside of what it has asked for.
const INSIDE: &str = "CORRELATOR_TEST_INSIDE";

/// Runs a test once more in a session of its own, and tells whether this is that run.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn inside(test: &str, command: &[&str]) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    if !installed(&["keyctl"], "keyutils") {
        return false;
    }
    let probe = Command::new("keyctl").args(["show", "@u"]).output().expect("keyctl");
    if !probe.status.success() {
        eprintln!(
            "skipped: no keyring of the kernel here: {}",
            String::from_utf8_lossy(&probe.stderr)
        );
        return false;
    }
    let output = Command::new(command[0])
        .args(&command[1..])
        .arg(env::current_exe().expect("this test"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("session");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

fn kernel(folder: &Folder) -> Vault {
    vault(folder, &[Place::Keyutils], &given([]))
}

/// A name that no other run has: the user's keyring is one for all.
fn unique(name: &str) -> String {
    format!("test-{name}-{}", std::process::id())
}

fn all(test: &str) {
    let folder = Folder::new();
    let vault = kernel(&folder);
    let name = unique(test);
    assert_eq!(vault.get(&name), Err(NoSecret::Unknown(name.clone())));
    vault.set(&name, &secret("one"), Some(Place::Keyutils)).expect("set");
    assert_eq!(vault.get(&name), Ok(secret("one")));
    vault.set(&name, &secret("two"), None).expect("set");
    assert_eq!(vault.get(&name), Ok(secret("two")));
    let listed = vault.list();
    assert!(listed.names.keys().any(|other| other.as_str() == name), "{listed:?}");
    // Another thread has another keyring of its own.
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(kernel(&folder).get(&name), Ok(secret("two"))));
    });
    assert_eq!(vault.remove(&name).expect("remove").from, [Place::Keyutils]);
    assert_eq!(vault.remove(&name).expect("remove").from, []);
    assert_eq!(vault.get(&name), Err(NoSecret::Unknown(name.clone())));
    assert!(vault.list().names.keys().all(|other| other.as_str() != name));
}

#[test]
fn a_session_that_leads_to_the_user() {
    let command = ["keyctl", "session", "-", "sh", "-c", "keyctl link @u @s && exec \"$@\"", "sh"];
    if inside("a_session_that_leads_to_the_user", &command) {
        all("linked");
    }
}

#[test]
fn a_session_that_leads_nowhere() {
    if inside("a_session_that_leads_nowhere", &["keyctl", "session", "-"]) {
        all("bare");
    }
}

#[test]
fn what_goes_out_of_date_is_gone() {
    if !inside("what_goes_out_of_date_is_gone", &["keyctl", "session", "-"]) {
        return;
    }
    let folder = Folder::new();
    let vault = kernel(&folder);
    let name = unique("old");
    vault.set(&name, &secret("one"), None).expect("set");
    let revoke = format!(
        "key=$(keyctl search @u user correlator:{name}) && keyctl revoke $key && echo $key"
    );
    let key = elsewhere(&revoke);
    assert_eq!(vault.get(&name), Err(NoSecret::Unknown(name.clone())));
    elsewhere(&format!("keyctl unlink {key} @u"));
}

/// Runs a command in a session that leads to the user's keyring, and tells what it said last.
fn elsewhere(command: &str) -> String {
    let command = format!("keyctl link @u @s && {command}");
    let output = Command::new("keyctl").args(["session", "-", "sh", "-c", &command]).output();
    let output = output.expect("keyctl");
    assert!(output.status.success(), "{command}: {output:?}");
    let told = String::from_utf8(output.stdout).expect("text");
    told.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_is_for_another_session_is_told() {
    if !inside("what_is_for_another_session_is_told", &["keyctl", "session", "-"]) {
        return;
    }
    let folder = Folder::new();
    let vault = kernel(&folder);
    let name = unique("foreign");
    // By default only a session that leads to the user's keyring may read the key.
    elsewhere(&format!("keyctl add user correlator:{name} theirs @u"));
    let told = vault.get(&name);
    elsewhere(&format!("keyctl unlink $(keyctl search @u user correlator:{name}) @u"));
    let told = told.expect_err("it is not for this session").to_string();
    assert!(told.contains("keyutils: the key is not for this session"), "{told}");
    assert_eq!(vault.get(&name), Err(NoSecret::Unknown(name.clone())));
}
