//! All places in their order.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use correlator_credential::{CredentialError, Place, Settings, Variables, Vault};
use correlator_world::{NoSecret, Secret, Secrets};

use support::{Folder, given, secret, vault};

const QUIET: [Place; 3] = [Place::Systemd, Place::File, Place::Environment];

#[test]
fn the_first_place_that_has_it_wins() {
    let folder = Folder::new();
    let handed = folder.join("handed");
    fs::create_dir(&handed).expect("folder");
    fs::write(handed.join("a"), "systemd\n").expect("file");
    let variables = given([
        ("CREDENTIALS_DIRECTORY", handed.as_path()),
        ("CORRELATOR_CREDENTIAL_A", Path::new("environment")),
        ("CORRELATOR_CREDENTIAL_B", Path::new("environment")),
        ("CORRELATOR_CREDENTIAL_C_D", Path::new("environment")),
        ("CORRELATOR_CREDENTIAL_E", Path::new("")),
    ]);
    vault(&folder, &[Place::File], &variables).set("b", &secret("file"), None).expect("set");

    let check = |order: &[Place], name: &str, expected: Option<(&str, Place)>| {
        let vault = vault(&folder, order, &variables);
        assert_eq!(vault.get(name).ok(), expected.map(|(value, _)| secret(value)), "{name}");
        assert_eq!(vault.place(name), expected.map(|(_, place)| place), "{name}");
    };
    check(&QUIET, "a", Some(("systemd", Place::Systemd)));
    check(&QUIET, "b", Some(("file", Place::File)));
    check(&QUIET, "c-d", Some(("environment", Place::Environment)));
    check(&QUIET, "c.d", Some(("environment", Place::Environment)));
    check(&QUIET, "e", None);
    check(&QUIET, "f", None);
    check(&[Place::Environment, Place::Systemd], "a", Some(("environment", Place::Environment)));
    let all = vault(&folder, &QUIET, &variables);
    assert!(all.replacing("a").is_some_and(|it| it.contains("systemd-creds encrypt --name=a")));
    assert_eq!(all.replacing("b").as_deref(), Some("correlator credential set b --place file"));
    assert_eq!(all.replacing("f"), None);
    check(&[Place::Systemd], "b", None);

    let listing = vault(&folder, &QUIET, &variables).list();
    let listed: Vec<(String, Vec<Place>)> =
        listing.names.into_iter().map(|(name, places)| (name.to_string(), places)).collect();
    assert_eq!(
        listed,
        [
            ("a".into(), vec![Place::Systemd, Place::Environment]),
            ("b".into(), vec![Place::File, Place::Environment]),
            ("c_d".into(), vec![Place::Environment]),
        ]
    );
}

#[test]
fn what_lies_before_is_told_when_something_is_set() {
    let folder = Folder::new();
    let variables = given([("CORRELATOR_CREDENTIAL_A", Path::new("environment"))]);
    let order = [Place::Environment, Place::File];
    let vault = vault(&folder, &order, &variables);
    let stored = vault.set("a", &secret("file"), None).expect("set");
    assert_eq!((stored.place, stored.shadowed_by), (Place::File, Some(Place::Environment)));
    let stored = vault.set("b", &secret("file"), None).expect("set");
    assert_eq!((stored.place, stored.shadowed_by), (Place::File, None));

    let removed = vault.remove("a").expect("a name");
    assert_eq!(removed.from, [Place::File]);
    assert_eq!(removed.remains[0].0, Place::Environment);
    assert!(removed.remains[0].1.contains("unset CORRELATOR_CREDENTIAL_A"));
}

#[test]
fn all_that_is_lacking_is_told_at_once() {
    let folder = Folder::new();
    let variables = given([("CORRELATOR_CREDENTIAL_HAVE", Path::new("x"))]);
    let vault = vault(&folder, &QUIET, &variables);
    vault.check(["have"]).expect("it is there");
    vault.check(Vec::<String>::new()).expect("nothing is needed");

    let lacking = vault.check(["smtp", "have", "twilio", "smtp"]).expect_err("two are not there");
    assert_eq!(
        lacking.to_string(),
        "2 credentials are lacking:\n  \
         smtp: it is nowhere (asked: systemd, file, environment)\n    \
         add it: correlator credential set smtp\n  \
         twilio: it is nowhere (asked: systemd, file, environment)\n    \
         add it: correlator credential set twilio"
    );
    let lacking = vault.check(["../x\n"]).expect_err("no name").to_string();
    assert!(lacking.contains("is no name") && lacking.matches('\n').count() == 1, "{lacking}");

    let command = |order: &[Place]| {
        let lacking = support::vault(&folder, order, &given([])).check(["smtp"]);
        lacking.expect_err("it is not there").wants[0].command.clone().expect("a command")
    };
    assert!(command(&[Place::Systemd]).contains("systemd-creds encrypt --name=smtp"));
    assert!(command(&[Place::Environment]).contains("export CORRELATOR_CREDENTIAL_SMTP"));
    assert_eq!(command(&[Place::Systemd, Place::File]), "correlator credential set smtp");
}

#[test]
fn what_does_not_answer_is_told_as_such() {
    let folder = Folder::new();
    let vault = vault(&folder, &[Place::File, Place::Environment], &given([]));
    vault.set("smtp", &secret("one"), None).expect("set");
    fs::write(folder.join("kept/credentials"), "not it").expect("write");
    let told = vault.get("smtp").expect_err("it is damaged");
    assert!(matches!(&told, NoSecret::Unreachable(_, why) if why.starts_with("file: ")), "{told}");
    let lacking = vault.check(["smtp", "other"]).expect_err("it is damaged");
    assert!(lacking.wants.iter().all(|want| want.unreachable), "{lacking}");
    assert_eq!(vault.list().unreachable.len(), 1);
}

type Harm = fn(&Path);

/// What is told of a credential that is lacking, once something was done to the folder of a file that has another one: a
/// way, and a command that adds it. What is told to help does, and what is not told would not.
fn told(order: &[Place], variables: &Variables, harm: Harm, way: &str, command: Option<&str>) {
    let folder = Folder::new();
    vault(&folder, &[Place::File], &given([])).set("other", &secret("x"), None).expect("set");
    harm(&folder.join("kept"));
    let vault = vault(&folder, order, variables);
    let lacking = vault.check(["smtp"]).expect_err("it is nowhere");
    let want = &lacking.wants[0];
    assert!(want.why.contains(way), "{lacking}");
    assert_eq!(want.command.as_deref(), command, "{lacking}");
    assert_eq!(lacking.to_string().contains("add it"), command.is_some(), "{lacking}");
    let Some(command) = command else {
        vault.set("smtp", &secret("x"), None).expect_err(way);
        return;
    };
    let place = command.ends_with("--place file").then_some(Place::File);
    vault.set("smtp", &secret("x"), place).expect(way);
    vault.check(["smtp"]).expect(way);
}

#[test]
fn what_would_fail_as_well_is_not_told_as_what_adds_it() {
    let check = |harm: Harm, way: &str| told(&QUIET, &given([]), harm, way, None);
    check(|kept| fs::write(kept.join("credentials"), "?").expect("write"), "take it away");
    check(|kept| fs::remove_file(kept.join("credentials.key")).expect("remove"), "put that back");
    check(
        |kept| {
            let open = fs::Permissions::from_mode(0o644);
            fs::set_permissions(kept.join("credentials"), open).expect("mode");
        },
        "chmod 600",
    );
    check(
        |kept| {
            fs::rename(kept.join("credentials"), kept.join("real")).expect("rename");
            symlink("real", kept.join("credentials")).expect("link");
        },
        "name what it leads to",
    );
    check(
        |kept| {
            let (order, file) = (vec![Place::File], Some(kept.with_file_name("sealed")));
            let settings = Settings { order, file: file.clone(), ..Settings::default() };
            let sealed = Vault::open_in(&settings, &given([])).expect("vault");
            sealed.unlock(&secret("battery staple")).expect("a passphrase");
            sealed.set("other", &secret("x"), None).expect("set");
            fs::rename(file.expect("a path"), kept.join("credentials")).expect("rename");
        },
        "at a terminal it is asked for",
    );
}

#[test]
fn another_place_is_told_where_the_first_one_does_not_answer() {
    let stale = given([("DBUS_SESSION_BUS_ADDRESS", Path::new("unix:path=/nowhere/bus"))]);
    let well: Harm = |_| {};
    let set = "correlator credential set smtp --place file";
    let way = "unset DBUS_SESSION_BUS_ADDRESS";
    told(&[Place::Keyring, Place::File], &stale, well, way, Some(set));
    told(&[Place::Keyring], &stale, well, "leave `keyring` out", None);
    // A place that somebody else fills does not keep ours from being filled.
    let broken = Folder::new();
    fs::create_dir(broken.join("smtp")).expect("folder");
    let handed = given([("CREDENTIALS_DIRECTORY", broken.0.as_path())]);
    told(&QUIET, &handed, well, "it is no file", Some("correlator credential set smtp"));
}

#[test]
fn what_ends_in_the_middle_is_not_taken() {
    let folder = Folder::new();
    let variables = given([("CREDENTIALS_DIRECTORY", folder.0.as_path())]);
    let vault = vault(&folder, &[Place::Systemd, Place::File], &variables);
    let set = vault.set("smtp", &secret("a\0b"), None);
    assert_eq!(set, Err(CredentialError::Nul));
    assert!(!folder.join("kept").exists(), "nothing was touched");
    // Who starts an engine with it is told, not who waits for a mail.
    fs::write(folder.join("smtp"), b"a\0b").expect("file");
    let lacking = vault.check(["smtp"]).expect_err("a byte that nobody takes");
    assert!(lacking.wants[0].why.contains("in systemd it has a NUL byte"), "{lacking}");
    let command = lacking.wants[0].command.as_deref();
    assert!(
        command.is_some_and(|it| it.contains("systemd-creds encrypt --name=smtp")),
        "{lacking}"
    );
}

#[test]
fn what_systemd_hands_over_is_read_as_it_is() {
    let folder = Folder::new();
    let check = |content: &[u8], expected: Option<&[u8]>| {
        fs::write(folder.join("smtp"), content).expect("file");
        let variables = given([("CREDENTIALS_DIRECTORY", folder.0.as_path())]);
        let found = vault(&folder, &[Place::Systemd], &variables).get("smtp");
        assert_eq!(found.ok(), expected.map(|bytes| Secret::new(bytes.to_vec())));
    };
    check(b"word\n", Some(b"word"));
    check(b"\0\xff\n", Some(b"\0\xff\n"));
    let long = vec![b'x'; 32_768];
    check(&long[1..], Some(&long[1..]));
    check(&long, None);

    // Not a file, or not there at all.
    fs::remove_file(folder.join("smtp")).expect("remove");
    let variables = given([("CREDENTIALS_DIRECTORY", folder.0.as_path())]);
    let vault = vault(&folder, &[Place::Systemd], &variables);
    assert_eq!(vault.get("smtp"), Err(NoSecret::Unknown("smtp".into())));
    symlink("/dev/zero", folder.join("smtp")).expect("link");
    assert!(matches!(vault.get("smtp"), Err(NoSecret::Unreachable(..))));
    let told = vault.set("smtp", &secret("x"), None).expect_err("it is systemd's").to_string();
    assert!(told.contains("systemd-creds encrypt"), "{told}");
    assert!(vault.remove("smtp").expect("a name").remains[0].1.contains("LoadCredentialEncrypted"));
}

#[test]
fn orders_and_secrets_have_to_make_sense() {
    let open = |order: &[Place]| {
        let settings = Settings { order: order.to_vec(), ..Settings::default() };
        Vault::open_in(&settings, &Variables::Given(BTreeMap::new())).err()
    };
    assert_eq!(open(&[]), Some(CredentialError::NoOrder));
    let twice = open(&[Place::File, Place::Systemd, Place::File]);
    assert_eq!(twice, Some(CredentialError::Twice(Place::File)));
    assert_eq!(open(&Place::ALL), None);

    let folder = Folder::new();
    let vault = vault(&folder, &[Place::File], &given([]));
    assert_eq!(vault.set("a", &Secret::default(), None), Err(CredentialError::Length(0)));
    let long = Secret::new(vec![0; 32_768]);
    assert_eq!(vault.set("a", &long, None), Err(CredentialError::Length(32_768)));
    assert!(matches!(vault.set("A", &secret("x"), None), Err(CredentialError::Name(_))));
    let elsewhere = vault.set("a", &secret("x"), Some(Place::Keyring));
    let told = elsewhere.expect_err("it would not be found").to_string();
    assert_eq!(told, "`keyring` is not in the order of credentials, which is file");
    assert!(!folder.join("kept").exists(), "nothing was touched");
}

#[test]
fn whoever_confines_the_process_learns_what_it_needs() {
    let folder = Folder::new();
    let handed = Folder::new();
    let variables = given([("CREDENTIALS_DIRECTORY", handed.0.as_path())]);
    let open = |order: &[Place]| vault(&folder, order, &variables);
    let none: [&Path; 0] = [];
    assert_eq!(open(&[Place::Environment, Place::Keyring]).folders(), none);
    assert_eq!(open(&[Place::Systemd]).folders(), [handed.0.as_path()]);
    assert_eq!(open(&[Place::File]).folders(), none);
    open(&[Place::File]).set("smtp", &secret("x"), None).expect("set");
    assert_eq!(open(&[Place::File]).folders(), [folder.join("kept")]);
    assert!(open(&[Place::Keyutils]).asks_the_kernel());
    assert!(!open(&[Place::File]).asks_the_kernel());
}
