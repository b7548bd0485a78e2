//! Addresses that more than one effect keeps out: told right, kept out as long as one of them says, and let in as one.

use correlator_store::effect::State;
use correlator_tests::site::{Engine, Said, Site};
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{failure_from, later};
use correlator_tests::world::network::{AFAR, Network};
use serde_json::Value;

use super::acting::listener;
use super::acting_firewall::{inside, send};

const GRANT: &str = "firewall: { sets: { blocked: {} } }";

/// One that blocks for ten minutes and again soon, and one that blocks for twenty in the same set.
fn two() -> String {
    listener("one", "firewall", "duration: 10m, again_after: 1s", GRANT)
        + &listener("two", "firewall", "duration: 20m", GRANT)
}

/// A site at which both have blocked somebody, the first of them twice.
fn blocked(network: &Network, name: &str) -> (Site, Engine) {
    let (site, engine) = inside(network, name, &two());
    send(network, &[failure_from(AFAR, 0)], &site);
    until_done(&site, 1);
    // It is asked for again only if it was long ago by the records' own time.
    send(network, &[later(5), failure_from(AFAR, 600)], &site);
    until_done(&site, 2);
    (site, engine)
}

fn until_done(site: &Site, of_one: usize) {
    wait::until("all is done", || {
        let count = |listener| effects::count(site, listener, State::Done);
        ((count("one"), count("two")) == (of_one, 1)).then_some(())
    });
}

/// The ids of a listener's effects.
fn ids(site: &Site, listener: &str) -> Vec<String> {
    let all = effects::effects(site).into_iter().filter(|it| it.listener == listener);
    all.map(|it| it.request.id).collect()
}

/// A command that may ask the kernel.
fn tell(network: &Network, site: &Site, arguments: &[&str]) -> Said {
    network.inside("host", || site.tell(arguments))
}

/// Who is kept out: by whom, and for how many minutes still, begun ones counted; none if it is not in force.
fn listed(network: &Network, site: &Site) -> Vec<(String, Option<i64>)> {
    let said = tell(network, site, &["blocks", "list", "stack.yaml", "--json"]);
    let all: Value = serde_json::from_str(&said.stdout).expect(&said.stderr);
    let one = |it: &Value| {
        let listener = it["listener"].as_str().unwrap_or_default().to_owned();
        let seconds = it["remaining_seconds"].as_i64().expect("a time");
        (listener, (it["in_kernel"] == true).then_some(seconds / 60 + 1))
    };
    all.as_array().expect("a list").iter().map(one).collect()
}

fn check_all_undone(network: &Network, site: &Site) {
    let all = effects::effects(site);
    assert!(all.len() == 3 && all.iter().all(|it| it.state == State::Undone), "{all:#?}");
    assert!(!network.rules().contains(AFAR), "{}", network.rules());
    assert!(listed(network, site).is_empty());
}

fn check_lifted(said: &Said) {
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{}", said.stdout);
    assert!(said.stdout.contains(&format!("{AFAR} is blocked no more")), "{}", said.stdout);
}

#[test]
fn an_address_stays_kept_out_as_long_as_somebody_says_so() {
    let Some(network) = Network::new() else { return };
    let (site, engine) = blocked(&network, "shared");
    let mut all = listed(&network, &site);
    all.sort();
    let expected = [("one", 10), ("one", 10), ("two", 20)];
    assert_eq!(all, expected.map(|(name, minutes)| (name.to_owned(), Some(minutes))));
    let undone = site.asks(&["undo", &ids(&site, "one")[1]]);
    assert!(undone.contains(&format!("{AFAR} stays blocked for 19m")), "{undone}");
    assert!(network.rules().contains(AFAR), "{}", network.rules());
    assert_eq!(effects::count(&site, "one", State::Undone), 2);
    assert_eq!(listed(&network, &site), [("two".to_owned(), Some(20))]);
    let undone = site.asks(&["undo", &ids(&site, "two")[0]]);
    assert!(undone.contains(&format!("{AFAR} is blocked no more")), "{undone}");
    check_all_undone(&network, &site);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn what_is_taken_back_leaves_what_others_say_and_no_more() {
    let Some(network) = Network::new() else { return };
    let (site, engine) = blocked(&network, "shared-less");
    let undone = site.asks(&["undo", &ids(&site, "two")[0]]);
    assert!(undone.contains(&format!("{AFAR} stays blocked for 9m")), "{undone}");
    let expected = ("one".to_owned(), Some(10));
    assert_eq!(listed(&network, &site), [expected.clone(), expected]);
    let rules = network.rules();
    assert!(rules.contains(AFAR) && rules.contains("expires 9m"), "{rules}");
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    // Without an engine it is the same, with the stack beside the state.
    let undone =
        tell(&network, &site, &["undo", &ids(&site, "one")[0], "stack.yaml", "--state", "state"]);
    check_lifted(&undone);
    check_all_undone(&network, &site);
}

#[test]
fn whoever_is_let_in_is_let_in_for_all() {
    let Some(network) = Network::new() else { return };
    let (site, engine) = blocked(&network, "shared-remove");
    check_lifted(&site.ask(&["blocks", "remove", AFAR]));
    check_all_undone(&network, &site);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn what_a_listener_that_is_gone_blocked_can_be_lifted() {
    let Some(network) = Network::new() else { return };
    let (site, engine) = blocked(&network, "shared-gone");
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    let stack = std::fs::read_to_string(site.folder().join("stack.yaml")).expect("a stack");
    site.put("stack.yaml", stack.replace("  two:", "  three:"));
    let engine = site.start();
    site.until_it_runs();
    check_lifted(&site.ask(&["blocks", "remove", AFAR]));
    check_all_undone(&network, &site);
    engine.stop();
}
