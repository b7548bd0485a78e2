//! Where the machine was started anew, records and events are numbered from further on, and nobody takes that for a loss.

use std::fs;

use correlator_tests::known::{GUESTS, KEPT, NOTICES, args, until_done};
use correlator_tests::log::{Line, Log};
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::Site;

/// What is left out at least.
const GAP: u64 = 1 << 32;

#[test]
fn numbers_that_are_left_out_are_no_loss() {
    let port = Port::new().expect("a port");
    let address = port.address().to_string();
    let site = Site::new("numbers").with(&args(&[
        &GUESTS,
        &KEPT,
        &["--control", "control.sock", "--tcp", &address],
    ]));
    let lines = Log::new(11).lines(1_500);
    for (round, lines) in lines.chunks(500).enumerate() {
        let engine = site.start();
        site.until_it_runs();
        let text: Vec<_> = lines.iter().map(Line::text).collect();
        let sent = sender::send(port.address(), &sender::octets(&text));
        assert_eq!(sent, Sent::Acknowledged, "{}", site.said());
        until_done(&site, 500 * (round + 1));
        let place = site.until("told", |status| status["modules"][0]["position"].as_u64());
        // At first, after a start that is one of the machine for all that the engine knows, and after one that is not.
        let gaps = [0, 1, 1][round];
        assert!((gaps * GAP..gaps * GAP + 10_000).contains(&place), "{place} in round {round}");
        if round == 0 {
            engine.kill();
            fs::remove_file(site.folder().join("state/numbers")).expect("it was remembered");
        } else {
            assert_eq!(engine.stop(), Some(0), "nothing is lost: {}", site.said());
        }
    }
    assert_eq!(site.rows(NOTICES).len(), 1_500);
    assert!(!site.said().contains("lost"), "{}", site.said());
}
