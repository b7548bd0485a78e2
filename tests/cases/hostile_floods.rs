//! As many requests in one turn as a listener may return: they are kept, by an engine that may write nowhere but to its own
//! folders.

use correlator_store::effect::State;
use correlator_store::reader::Reader;
use correlator_tests::guests::wishes::Wish;
use correlator_tests::sender::Port;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::failures;

use super::acting::{listener, send, site, tcp};

/// More than a database does without room besides, and less than the limit of a turn.
const MANY: usize = 50_000;

#[test]
fn a_turn_full_of_requests_is_kept_by_a_confined_engine() {
    let cells = &[("subject", "a flood"), ("text", "of mails")];
    let wish = Wish { rows: MANY, ..Wish::new("mail-many", "mail", "default", cells) };
    let grant = "mail: { server: '127.0.0.1:9', security: none, from: c@example.org, to: ops@example.org, \
                 dry_run: true }";
    let port = Port::new().expect("a port");
    let site = site("floods", &tcp(&port), &listener(wish.name, "./mail-many.wasm", "", grant));
    site.put("mail-many.wasm", wish.component());
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..1), &site);
    let all = wait::within(wait::PATIENCE, || {
        let store = Reader::open(&site.folder().join(effects::STATE).join("store")).ok()?;
        let states = store.status().expect("a status").states;
        (states == [(State::Dry, MANY as u64)]).then_some(())
    });
    assert!(all.is_some(), "{}", site.said());
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
