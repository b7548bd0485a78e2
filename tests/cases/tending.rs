//! A store that is seen to: what is old goes even in runs that are short, what waits for nobody is told and given up, and a trail
//! that was torn never counts as whole again.

use std::fs;
use std::path::PathBuf;

use correlator_store::effect::{Decision, Finished, NewEffect, State};
use correlator_store::settings::Settings;
use correlator_store::store::{Safety, Store};
use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::failures;
use correlator_tests::world::web::{Mood, Web};
use correlator_world::{Outcome, Request};
use serde_json::{Value, json};

use super::acting::{hook, send, site, tcp};

const HOUR: i64 = 3_600 * 1_000_000_000;
const FEW: usize = 4;
const TOLD: &str = "which the stack does not have";

fn folder(site: &Site) -> PathBuf {
    site.folder().join(effects::STATE).join("store")
}

fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("a time")
}

/// The store of a site, while no engine runs there.
fn store(site: &Site) -> Store {
    Store::open(&folder(site), Settings::default(), now()).expect("a store").0
}

/// An effect that waits since then.
fn waiting(listener: &str, capability: &str, time: i64) -> NewEffect {
    NewEffect {
        request: Request { id: format!("{listener}:{time}:{capability}"), ..Request::default() },
        listener: listener.to_owned(),
        component: String::new(),
        capability: capability.to_owned(),
        endpoint: format!("{listener}/ops"),
        key: None,
        causes: Vec::new(),
        time,
        decision: Decision::Granted,
        plan: "something of long ago".to_owned(),
    }
}

/// A site with a log of which all was told to the world.
fn done(name: &str, web: &Web) -> Site {
    let site = site(name, "file: log", &hook(web, "5s"));
    site.put("log", failures(0..FEW).join("\n") + "\n");
    site.run();
    assert_eq!(effects::count(&site, "webhook", State::Done), FEW, "{}", site.said());
    site
}

#[test]
fn what_waits_for_nobody_is_told_counted_and_given_up_in_the_end() {
    let web = Web::start();
    let site = done("unserved", &web);
    let time = now();
    let (old, new) =
        (waiting("gone", "webhook", time - 80 * HOUR), waiting("gone", "webhook", time));
    let store = store(&site);
    // The second has lost its grant, the third is served as ever.
    let lost = waiting("webhook", "mail", time);
    store.accept(&[old, new, lost], Safety::Machine).expect("accepted");
    drop(store);
    assert_eq!(site.start().wait(), Some(1), "{}", site.said());
    let said = site.said();
    for expected in
        ["webhook` of listener `gone`", "`mail` of listener `webhook`", TOLD, "effects drop"]
    {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let dead: Vec<_> =
        effects::effects(&site).into_iter().filter(|it| it.state == State::Dead).collect();
    assert_eq!(dead.len(), 1, "{}", site.said());
    assert_eq!(dead[0].since, time - 80 * HOUR);
    assert!(dead[0].said.as_deref().is_some_and(|said| said.contains("`gone` any more")));
    let said = site.tell(&["run", "stack.yaml", "--json"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let left = |listener: &str, capability: &str| json!({ "listener": listener, "capability": capability, "waiting": 1 });
    assert_eq!(report["unserved"], json!([left("gone", "webhook"), left("webhook", "mail")]));
    // Given up by hand, they are nobody's concern any more.
    for effect in effects::effects(&site).iter().filter(|it| it.state == State::Waiting) {
        let dropped =
            site.tell(&["effects", "drop", &effect.request.id, "--state", effects::STATE]);
        assert_eq!(dropped.code, Some(0), "{}", dropped.stderr);
    }
    site.forget_said();
    site.run();
    assert!(!site.said().contains(TOLD), "{}", site.said());
}

#[test]
fn a_listener_that_is_renamed_leaves_what_waits_and_a_reload_says_so() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let site = site("renamed", &tcp(&port), &hook(&web, "5s"));
    web.be(Mood::Away);
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..FEW), &site);
    wait::until("all waits", || {
        let open = [State::Waiting, State::Trying];
        let count: usize = open.map(|state| effects::count(&site, "webhook", state)).iter().sum();
        (count == FEW).then_some(())
    });
    let stack = fs::read_to_string(site.folder().join("stack.yaml")).expect("the stack");
    site.put("stack.yaml", stack.replace("  webhook:\n", "  renamed:\n"));
    let said = site.ask(&["reload"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let expected = format!("{FEW} effects wait for `webhook` of listener `webhook`, {TOLD}");
    assert!(said.stdout.contains(&expected), "{}", said.stdout);
    // Under its old name it goes on with them.
    site.put("stack.yaml", stack);
    web.be(Mood::Well);
    let said = site.ask(&["reload"]);
    assert!(!said.stdout.contains(TOLD), "{}", said.stdout);
    wait::until("all is done", || {
        (effects::count(&site, "webhook", State::Done) == FEW).then_some(())
    });
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn a_run_that_is_short_lets_go_what_is_old() {
    let web = Web::start();
    let site = done("short", &web);
    let store = store(&site);
    let time = now() - 40 * 24 * HOUR;
    let old = waiting("webhook", "webhook", time);
    let id = old.request.id.clone();
    store.accept(&[old], Safety::Machine).expect("accepted");
    store.begin(&[&id], time).expect("begun");
    let outcome = Outcome::Done(String::new());
    let finished = Finished { id: id.clone(), outcome, next_at: None };
    store.finish(&[finished], time).expect("finished");
    drop(store);
    assert_eq!(effects::count(&site, "webhook", State::Done), FEW + 1);
    site.run();
    assert_eq!(effects::count(&site, "webhook", State::Done), FEW, "{}", site.said());
    assert!(effects::effects(&site).iter().all(|effect| effect.request.id != id));
}

#[test]
fn a_trail_that_was_torn_never_counts_as_whole_again() {
    let web = Web::start();
    let site = done("torn", &web);
    let verify = || site.tell(&["audit", "verify", "--state", effects::STATE, "--json"]);
    assert_eq!(verify().code, Some(0));
    // Its end is cut off, by somebody who has the file.
    let database =
        rusqlite::Connection::open(folder(&site).join("store.db")).expect("the database");
    database
        .execute_batch(
            "DROP TRIGGER audit_keeps; DELETE FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)",
        )
        .expect("cut");
    drop(database);
    assert_eq!(verify().code, Some(1));
    for _ in 0..2 {
        site.run();
        let said = verify();
        assert_eq!(said.code, Some(1), "{}", said.stdout);
        let verified: Value = serde_json::from_str(&said.stdout).expect("JSON");
        assert_eq!(verified["whole"], false, "{verified}");
        assert_eq!(verified["tears"].as_array().map(Vec::len), Some(1), "{verified}");
    }
    let page = site.tell(&["audit", "verify", "--state", effects::STATE]);
    assert!(page.stdout.starts_with("the audit trail is torn"), "{}", page.stdout);
}
