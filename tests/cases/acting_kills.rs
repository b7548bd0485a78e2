//! Acting on the world by engines that are killed at any moment, on a world that is not always well: nothing is lost, and
//! what may have been done twice is told to have been.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use correlator_store::effect::State;
use correlator_tests::seed::{Seed, kills};
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failures};
use correlator_tests::world::web::{Mood, Web};

use super::acting::{about, hook_with, site, tcp, until_taken};

/// Failures by which a sender learns what was taken.
const CHUNK: usize = 5;
const CHUNKS: usize = 100;
const STEP: Duration = Duration::from_millis(5);
const OLD: Duration = Duration::from_millis(400);
/// For how long the world is in one mood.
const MOOD_MIN: Duration = Duration::from_millis(50);
const MOOD_MAX: Duration = Duration::from_millis(500);
/// The world is mostly well: what fails often is tried seldom.
const MOODS: [Mood; 12] = [
    Mood::Well,
    Mood::Well,
    Mood::Well,
    Mood::Well,
    Mood::Well,
    Mood::Well,
    Mood::Away,
    Mood::Status(503),
    Mood::Busy,
    Mood::Silent,
    Mood::HalfRead,
    Mood::HalfSaid,
];

/// Sends all, each chunk until it is acknowledged. How often each chunk may have been taken.
fn send_all(port: &Port, chunks: usize, over: &AtomicBool, taken: &AtomicUsize) -> Vec<usize> {
    let mut tries = vec![0; chunks];
    for (number, tries) in tries.iter_mut().enumerate() {
        let messages = failures(number * CHUNK..(number + 1) * CHUNK);
        while !over.load(Ordering::Relaxed) {
            match sender::send(port.address(), &sender::octets(&messages)) {
                Sent::Refused => wait::pass(STEP),
                Sent::Unknown => *tries += 1,
                Sent::Acknowledged => {
                    *tries += 1;
                    taken.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
        wait::pass(4 * STEP);
    }
    tries
}

/// Changes the world's mood until it is over.
fn sway(web: &Web, mut seed: Seed, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        web.be(*seed.pick(&MOODS));
        wait::pass(seed.time(MOOD_MIN, MOOD_MAX));
    }
}

/// Ends what goes on beside the case, also if that fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills engines at any moment, but lets each begin to work most times.
fn kill(site: &Site, seed: &mut Seed, count: usize) {
    for _ in 0..count {
        let engine = site.start();
        if seed.below(4) > 0 {
            site.until_it_runs();
            wait::pass(seed.time(Duration::ZERO, OLD));
        } else {
            wait::pass(seed.time(Duration::ZERO, 20 * STEP));
        }
        engine.kill();
    }
}

/// Waits until nothing is left to do.
fn until_done(site: &Site) {
    let mut left = Vec::new();
    let done = wait::within(wait::PATIENCE, || {
        left = effects::effects(site);
        left.retain(|effect| effect.state != State::Done);
        left.is_empty().then_some(())
    });
    left.truncate(5);
    assert!(done.is_some(), "still left, among others: {left:#?}\n{}", site.said());
}

/// Each failure is told, as often as it was taken at the most; what came twice is the same, and it was told that it might.
fn check(site: &Site, web: &Web, tries: &[usize]) {
    let doubts = effects::doubts(site);
    let said = fs::read_to_string(site.folder().join("stderr")).expect("what was said");
    // A kill may come between the entry in the audit trail and the line on the terminal, but seldom does.
    let unheard =
        doubts.keys().filter(|key| !said.contains(&format!("{key} was being done"))).count();
    assert!(unheard * 4 <= doubts.len(), "the operator hears of all but {unheard} doubts");
    let mut about_each: BTreeMap<String, usize> = BTreeMap::new();
    let (mut twice, mut total) = (0, 0);
    for (key, bodies) in web.taken() {
        let same: BTreeSet<&String> = bodies.iter().collect();
        assert_eq!(same.len(), 1, "{key} says different things: {same:?}");
        let told = doubts.get(&key).copied().unwrap_or(0);
        assert!(bodies.len() <= 1 + told, "{key}: {} times, {told} doubts", bodies.len());
        twice += usize::from(bodies.len() > 1);
        total += 1;
        *about_each.entry(about(&bodies[0])).or_default() += 1;
    }
    for number in 0..tries.len() * CHUNK {
        let times = about_each.remove(&address(number)).unwrap_or(0);
        let most = tries[number / CHUNK];
        assert!((1..=most).contains(&times), "{number}: told {times} times, sent {most} times");
    }
    assert!(about_each.is_empty(), "nobody sent {about_each:?}");
    let known: BTreeSet<String> =
        effects::effects(site).into_iter().map(|effect| effect.request.id).collect();
    assert_eq!(web.taken().into_keys().collect::<BTreeSet<_>>(), known);
    eprintln!("{total} effects, {} in doubt, {twice} done twice", doubts.len());
}

#[test]
fn kills_lose_no_effect_and_double_none_untold() {
    let mut seed = Seed::of_this_run("acting under kills");
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    // However long a run is, nothing waits long at its end.
    let site = site("kills", &tcp(&port), &hook_with(&web, "5s", "first: 250ms, most: 2s"));
    let (over, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (tell, told) = mpsc::channel();
    let count = kills(30);
    // In a long run there is to be something to do to the end.
    let chunks = CHUNKS.max(count);
    thread::scope(|scope| {
        let _ends = Ends(&over);
        let (web, port, over, taken) = (&web, &port, &over, &taken);
        let swaying = Seed::new(seed.number());
        let world = scope.spawn(move || sway(web, swaying, over));
        scope
            .spawn(move || tell.send(send_all(port, chunks, over, taken)).expect("the test waits"));
        kill(&site, &mut seed, count);
        let engine = site.start();
        let mut tries = None;
        let progress = || taken.load(Ordering::Relaxed);
        wait::while_it_grows("all is acknowledged", progress, || {
            tries = told.try_recv().ok();
            tries.as_ref().map(drop)
        });
        over.store(true, Ordering::Relaxed);
        world.join().expect("no panic");
        web.be(Mood::Well);
        until_taken(web, chunks * CHUNK, &site);
        until_done(&site);
        assert_eq!(engine.stop(), Some(0), "{}", site.said());
        check(&site, web, &tries.expect("told"));
    });
}
