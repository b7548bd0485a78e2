//! Acting on the world where much waits: who has its share of the store waits alone, and has room again when that is given up.

use correlator_store::effect::State;
use correlator_store::limit;
use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects::{self, STATE};
use correlator_tests::world::failures::failures;
use correlator_tests::world::web::{Mood, Web};

use super::acting::{listener, send, site, tcp, until_taken};

fn hook(name: &str, web: &Web) -> String {
    let grant =
        format!("webhook: {{ endpoints: {{ ops: {{ url: '{}', private: true }} }} }}", web.url());
    listener(name, "webhook", "endpoint: ops", &grant)
}

/// Makes it as if so much more waited that this one has its share, and a byte more.
fn fill(site: &Site, name: &str) {
    let share = (limit::BYTES_MAX / limit::SHARE_PART).cast_signed();
    let store = rusqlite::Connection::open(site.folder().join(STATE).join("store/store.db"));
    let full = "UPDATE held SET open_bytes = ?1 WHERE listener = ?2 AND capability = 'webhook'";
    let changed = store.expect("a store").execute(full, rusqlite::params![share + 1, name]);
    assert_eq!(changed, Ok(1));
}

#[test]
fn who_has_its_share_of_the_store_waits_alone_until_it_has_room() {
    let (away, well, port) = (Web::start(), Web::start(), Port::new().expect("a port"));
    away.be(Mood::Status(503));
    let site = site("room", &tcp(&port), &(hook("loud", &away) + &hook("good", &well)));
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..2), &site);
    until_taken(&well, 2, &site);
    let waiting = || effects::count(&site, "loud", State::Waiting);
    wait::until("it waits", || (waiting() == 2).then_some(()));
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    fill(&site, "loud");

    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(2..4), &site);
    until_taken(&well, 4, &site);
    let told = wait::until("it is told", || {
        let said = site.said();
        said.contains("listener `loud` has its share of the store").then_some(said)
    });
    for expected in ["other listeners go on", "drop-all --listener loud`"] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    let asked = || effects::effects(&site).iter().filter(|it| it.listener == "loud").count();
    assert_eq!(asked(), 2, "{}", site.said());

    assert_eq!(site.ask(&["effects", "drop-all"]).code, Some(2));
    let none = site.asks(&["effects", "drop-all", "--listener", "nobody"]);
    assert_eq!(none, "nothing of that waits\n");
    // What is being tried comes back before it can be given up.
    wait::until("it goes on", || {
        let said = site.asks(&["effects", "drop-all", "--endpoint", "loud/ops"]);
        assert!(said.ends_with("given up\n") || said == none, "{said}");
        (asked() == 4).then_some(())
    });
    assert!(effects::count(&site, "loud", State::Dropped) >= 1);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    // Where none runs, it is done all the same.
    let said = site.tell(&["effects", "drop-all", "--capability", "webhook", "--state", STATE]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!((waiting(), effects::count(&site, "loud", State::Dropped)), (0, 4));
    assert_eq!(effects::count(&site, "good", State::Done), 4);
}

/// What was refused since something was wrong with the endpoint is tried again at once when that is mended, by the engine or
/// where none runs.
#[test]
fn all_that_was_refused_is_tried_again() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    web.be(Mood::Status(404));
    let site = site("again", &tcp(&port), &hook("ops", &web));
    let count = |state| effects::count(&site, "ops", state);
    let refused = |expected: usize| {
        wait::until("they are refused", || (count(State::Refused) == expected).then_some(()));
    };
    let engine = site.start();
    site.until_it_runs();
    assert_eq!(site.ask(&["effects", "retry-all"]).code, Some(2));
    send(&port, &failures(0..3), &site);
    refused(3);
    let none = site.asks(&["effects", "retry-all", "--listener", "nobody"]);
    assert_eq!(none, "nothing of these is dead or refused\n");
    web.be(Mood::Well);
    let said = site.asks(&["effects", "retry-all", "--listener", "ops"]);
    assert_eq!(said.matches(" is tried again\n").count(), 3, "{said}");
    wait::until("they are done", || (count(State::Done) == 3).then_some(()));
    web.be(Mood::Status(404));
    send(&port, &failures(3..5), &site);
    refused(2);
    assert_eq!(engine.stop(), Some(1), "{}", site.said());
    let said = site.tell(&["effects", "retry-all", "--capability", "webhook", "--state", STATE]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!((count(State::Refused), count(State::Waiting)), (0, 2));
}
