//! The Secret Service, as GNOME's keyring offers it.

mod support;

use std::path::Path;

use correlator_credential::{Place, Vault};
use correlator_world::{NoSecret, Secret, Secrets};

use support::{Folder, Session, given, secret, vault};

fn keyring(session: &Session, folder: &Folder) -> Vault {
    vault(folder, &[Place::Keyring], &session.variables())
}

#[test]
fn the_keyring_keeps_what_it_is_given() {
    let Some(session) = Session::unlocked() else { return };
    let folder = Folder::new();
    let vault = keyring(&session, &folder);
    assert_eq!(vault.get("smtp"), Err(NoSecret::Unknown("smtp".into())));
    assert!(vault.list().names.is_empty() && vault.list().unreachable.is_empty());

    let stored = vault.set("smtp", &secret("one"), None).expect("set");
    assert_eq!((stored.place, stored.shadowed_by), (Place::Keyring, None));
    assert_eq!(vault.get("smtp"), Ok(secret("one")));
    vault.set("smtp", &secret("two"), Some(Place::Keyring)).expect("set");
    assert_eq!(vault.get("smtp"), Ok(secret("two")));
    assert_eq!(session.run("secret-tool lookup service correlator username smtp"), "two");

    // Any bytes but the one that nobody takes, and as many as there may be.
    let big = Secret::new((0..32_767u32).map(|at| (at * 7 % 255 + 1) as u8).collect());
    vault.set("big", &big, None).expect("set");
    assert_eq!(vault.get("big"), Ok(big));

    let names: Vec<String> = vault.list().names.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["big", "smtp"]);
    assert_eq!(vault.remove("smtp").expect("remove").from, [Place::Keyring]);
    assert_eq!(vault.remove("smtp").expect("remove").from, []);
    assert_eq!(vault.get("smtp"), Err(NoSecret::Unknown("smtp".into())));
}

#[test]
fn what_other_programs_put_there_is_found_and_replaced() {
    let Some(session) = Session::unlocked() else { return };
    let folder = Folder::new();
    let vault = keyring(&session, &folder);
    session.run(
        "printf old | secret-tool store --label=x service correlator username smtp application other
         printf no | secret-tool store --label=y service somebody username smtp",
    );
    assert_eq!(vault.get("smtp"), Ok(secret("old")));
    vault.set("smtp", &secret("new"), None).expect("set");
    assert_eq!(vault.get("smtp"), Ok(secret("new")));
    assert_eq!(session.run("secret-tool lookup service somebody username smtp"), "no");
    vault.remove("smtp").expect("remove");
    assert_eq!(vault.get("smtp"), Err(NoSecret::Unknown("smtp".into())));
    assert_eq!(session.run("secret-tool lookup service somebody username smtp"), "no");
}

#[test]
fn a_locked_keyring_is_told_as_locked() {
    let Some(session) = Session::unlocked() else { return };
    let folder = Folder::new();
    let vault = keyring(&session, &folder);
    vault.set("smtp", &secret("one"), None).expect("set");
    session.run("secret-tool lock");

    let told = vault.get("smtp").expect_err("it is locked").to_string();
    assert!(told.starts_with("credential `smtp`: keyring: it is locked; unlock it"), "{told}");
    let set = vault.set("other", &secret("two"), None).expect_err("it is locked").to_string();
    assert!(set.contains("keyring: it is locked"), "{set}");
    let removed = vault.remove("smtp").expect("a name");
    assert!(removed.from.is_empty() && removed.remains[0].1.contains("locked"), "{removed:?}");
    assert!(vault.list().unreachable[0].1.contains("locked"));
    let lacking = vault.check(["smtp"]).expect_err("it is locked");
    assert!(lacking.wants[0].unreachable, "{lacking}");

    // Somebody else may have it meanwhile.
    let both = [Place::Keyring, Place::File];
    let vault = support::vault(&folder, &both, &session.variables());
    let stored = vault.set("smtp", &secret("spare"), Some(Place::File)).expect("set");
    assert_eq!(stored.place, Place::File);
    assert_eq!(vault.get("smtp"), Ok(secret("spare")));
}

#[test]
fn without_a_bus_the_keyring_counts_as_empty() {
    let folder = Folder::new();
    let none = vault(&folder, &[Place::Keyring], &given([]));
    assert_eq!(none.get("smtp"), Err(NoSecret::Unknown("smtp".into())));
    let told = none.set("smtp", &secret("x"), None).expect_err("there is no bus").to_string();
    assert!(told.contains("no bus of a session"), "{told}");

    // A bus that should be there is another thing.
    let gone = format!("unix:path={}", folder.join("gone").display());
    let gone = given([("DBUS_SESSION_BUS_ADDRESS", Path::new(&gone))]);
    let told = vault(&folder, &[Place::Keyring], &gone).get("smtp").expect_err("it is gone");
    assert!(told.to_string().contains("No such file"), "{told}");

    // Passed over, and the secret goes to where it lasts.
    let both = vault(&folder, &[Place::Keyring, Place::Keyutils, Place::File], &given([]));
    assert_eq!(both.set("smtp", &secret("x"), None).expect("set").place, Place::File);
}

#[test]
fn a_session_without_the_service_counts_as_empty() {
    let Some(session) = Session::bare() else { return };
    let folder = Folder::new();
    let vault = keyring(&session, &folder);
    assert_eq!(vault.get("smtp"), Err(NoSecret::Unknown("smtp".into())));
    let told = vault.set("smtp", &secret("x"), None).expect_err("nobody is there").to_string();
    assert!(told.contains("no program of the session offers"), "{told}");
}

#[test]
fn a_keyring_that_nobody_has_set_up_is_told() {
    let Some(session) = Session::fresh() else { return };
    let folder = Folder::new();
    let vault = keyring(&session, &folder);
    assert_eq!(vault.get("smtp"), Err(NoSecret::Unknown("smtp".into())));
    let told = vault.set("smtp", &secret("x"), None).expect_err("nothing is there").to_string();
    assert!(told.contains("it has no default collection; sign in"), "{told}");
}

#[test]
fn a_keyring_that_hangs_is_not_waited_for_long() {
    let Some(session) = Session::unlocked() else { return };
    let folder = Folder::new();
    let vault = keyring(&session, &folder);
    vault.set("smtp", &secret("one"), None).expect("set");
    session.run(&format!("kill -STOP {}", session.keyring));
    let told = vault.get("smtp").expect_err("it is stopped").to_string();
    assert!(told.contains("keyring: the Secret Service: it does not answer in time"), "{told}");
    session.run(&format!("kill -CONT {}", session.keyring));
    assert_eq!(vault.get("smtp"), Ok(secret("one")));
}

#[test]
fn a_session_that_ends_is_noticed() {
    let Some(session) = Session::unlocked() else { return };
    let folder = Folder::new();
    let vault = keyring(&session, &folder);
    vault.set("smtp", &secret("one"), None).expect("set");
    drop(session);
    assert!(matches!(vault.get("smtp"), Err(NoSecret::Unreachable(..))));
}
