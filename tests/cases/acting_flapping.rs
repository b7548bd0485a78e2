//! An endpoint that takes only some of what it is given: what it takes mostly it gets nearly as fast as one that takes all,
//! what it takes rarely it gets gently and for no less than that, and one that is down rests whatever came before.

use std::time::Duration;

use correlator_store::effect::State;
use correlator_store::entry::{Kind, Verdict};
use correlator_tests::sender::Port;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::failures;
use correlator_tests::world::web::{Mood, Seen, Web};

use super::acting::{curve, few_at_first, hook_with, send, site, tcp, until_taken};

/// How long an endpoint is left alone at first.
const FIRST: Duration = Duration::from_millis(250);

/// How long a server in a mood takes to take nine tenths of what waits for it, or so many; and how often it was asked
/// meanwhile. The last of what it puts off waits long for its own sake.
fn take(name: &str, mood: Mood, waiting: usize, wanted: usize) -> (Duration, usize) {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let retry = format!("first: {}ms", FIRST.as_millis());
    let site = site(name, &tcp(&port), &hook_with(&web, "5s", &retry));
    let engine = site.start();
    site.until_it_runs();
    // It took all, until a moment ago.
    send(&port, &failures(0..1), &site);
    until_taken(&web, 1, &site);
    web.be(mood);
    send(&port, &failures(1..waiting), &site);
    until_taken(&web, wanted, &site);
    let seen = web.seen();
    assert!(web.taken().values().all(|bodies| bodies.len() == 1), "nothing is done twice");
    web.be(Mood::Well);
    engine.stop();
    let taken: Vec<_> = seen.iter().filter(|it| it.taken).map(|it| it.at).collect();
    let time = taken[wanted - 1].duration_since(taken[0]);
    let asked = seen.iter().filter(|it| it.at <= taken[wanted - 1]).count();
    eprintln!("{mood:?}: {wanted} of {waiting} were taken in {time:?}, after {asked} requests");
    (time, asked)
}

fn soon(every: usize) {
    let name = format!("fails-each-{every}");
    let (time, _) = take(&name, Mood::FailsEach(every), 1_000, 900);
    // If it rested after each failure, and got more step by step then, it would be minutes.
    assert!(time < Duration::from_secs(30), "one in {every} fails: {time:?}");
}

#[test]
fn one_that_fails_on_every_tenth_gets_the_others_soon() {
    soon(10);
}

#[test]
fn one_that_fails_on_every_fifth_gets_the_others_soon() {
    soon(5);
}

#[test]
fn one_that_fails_on_every_second_gets_the_others_soon() {
    soon(2);
}

#[test]
fn one_that_takes_a_tenth_of_what_it_is_given_is_asked_gently_and_gets_that() {
    let (time, asked) = take("takes-each-10", Mood::TakesEach(10), 300, 60);
    let most = 8.0 * (time.as_secs_f64() / FIRST.as_secs_f64() + 4.0);
    assert!(u32::try_from(asked).is_ok_and(|asked| f64::from(asked) <= most), "{asked} {time:?}");
    assert!(time < Duration::from_mins(1), "{time:?}");
}

#[test]
fn one_that_failed_now_and_then_rests_when_it_is_down_and_is_not_overrun_when_it_is_back() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let retry = format!("first: {}ms", FIRST.as_millis());
    let site = site("flapping-down", &tcp(&port), &hook_with(&web, "5s", &retry));
    web.be(Mood::FailsEach(10));
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..200), &site);
    until_taken(&web, 200, &site);
    web.be(Mood::Status(503));
    let before = web.seen().len();
    send(&port, &failures(200..500), &site);
    // It is given the benefit of the doubt, gently, and then rests ever longer.
    let rests = |seen: &[Seen]| {
        let last = seen.windows(2).last();
        last.is_some_and(|two| two[1].at - two[0].at > FIRST * 7)
    };
    wait::until("it rests", || rests(&web.seen()).then_some(()));
    let asked = web.seen().len() - before;
    assert!(asked < 160, "asked {asked} times in vain");
    let back = web.seen().len();
    web.be(Mood::Well);
    until_taken(&web, 500, &site);
    let curve = curve(&web, back, FIRST);
    assert!(few_at_first(&curve), "not few at first: {curve:?}");
    wait::until("what was done is written down", || {
        (effects::count(&site, "webhook", State::Done) == 500).then_some(())
    });
    let attempts = effects::entries(&site, Kind::Attempt);
    let done = attempts.iter().filter(|it| it.verdict == Some(Verdict::Done)).count();
    assert_eq!(done, 500);
    eprintln!("asked {asked} times in vain before it rested; then {curve:?}");
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
