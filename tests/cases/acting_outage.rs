//! A day on which the world is away, with the engine's clock two thousand times as fast as others: nothing is lost, nothing is
//! done twice, what is in order stays so, and when the world is back it is not overrun.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use correlator_credential::{Place, Settings, Vault};
use correlator_store::effect::State;
use correlator_store::entry::{Kind, Verdict};
use correlator_tests::sender::Port;
use correlator_tests::site::{Engine, Site};
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failures};
use correlator_tests::world::postfix::Postfix;
use correlator_tests::world::postgres::Postgres;
use correlator_tests::world::web::{Mood, Web};
use correlator_world::Secret;

use super::acting::{about, curve, few_at_first, hook, listener, send, site, tcp};

/// Shows a program another clock.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const DAY: f64 = 86_400.0;
/// How much faster than others the engine's clock is while the world is away, and when it is back.
const AWAY: f64 = 2_000.0;
const BACK: f64 = 20.0;
/// How long the clock's file is believed.
const BELIEVED: Duration = Duration::from_millis(1_500);
/// Events in each part of the day.
const CHUNK: usize = 25;
const CHUNKS: usize = 12;
/// From one to the next.
const STEP: f64 = DAY / 12.0;
const MANY: usize = CHUNK * CHUNKS;
/// After which parts the engine is killed.
const KILLS: [usize; 3] = [2, 5, 9];
const PASSWORD: &str = "hush-outage-4d1c";

/// The engine's clock.
struct Clock {
    /// How far it was ahead when the engine that works now was started, in seconds, and when that was.
    ahead: f64,
    since: Instant,
    speed: f64,
}

impl Clock {
    fn new() -> Self {
        Self { ahead: 0.0, since: Instant::now(), speed: AWAY }
    }

    /// How far it is ahead.
    fn now(&self) -> f64 {
        self.ahead + self.since.elapsed().as_secs_f64() * (self.speed - 1.0)
    }

    /// An engine that begins now goes on by it.
    fn start(&mut self, site: &Site) -> Engine {
        (self.ahead, self.since) = (self.now(), Instant::now());
        self.put(site);
        let engine = site.start();
        site.until_it_runs();
        engine
    }

    /// Goes on at another speed. Nobody knows to the second when that is seen, so it jumps forth an hour.
    fn go_on(&mut self, site: &Site, speed: f64) {
        let passed = self.since.elapsed().as_secs_f64();
        self.ahead += passed * (self.speed - speed) + 3_600.0;
        self.speed = speed;
        self.put(site);
        wait::pass(BELIEVED);
    }

    fn put(&self, site: &Site) {
        site.put("clock", format!("+{} x{}\n", self.ahead.round(), self.speed));
    }
}

/// What effects end in, as far as it is here.
struct World {
    plain: Web,
    ordered: Web,
    mail: Option<Postfix>,
    rows: Option<Postgres>,
}

impl World {
    fn start() -> Self {
        let (plain, ordered) = (Web::start(), Web::start());
        Self { plain, ordered, mail: Postfix::start(PASSWORD), rows: Postgres::start() }
    }

    fn goes_away(&mut self) {
        self.plain.be(Mood::Away);
        self.ordered.be(Mood::Away);
        self.mail.iter_mut().for_each(Postfix::down);
        self.rows.iter_mut().for_each(Postgres::down);
    }

    fn is_back(&mut self) {
        self.rows.iter_mut().for_each(Postgres::up);
        self.mail.iter_mut().for_each(Postfix::up);
        self.ordered.be(Mood::Well);
        self.plain.be(Mood::Well);
    }

    fn listeners(&self) -> String {
        let hook = |name: &str, order: &str, web: &Web| {
            let grant = format!(
                "webhook: {{ {order}endpoints: {{ ops: {{ url: '{}', private: true }} }} }}",
                web.url()
            );
            listener(name, "webhook", "endpoint: ops", &grant)
        };
        let mut text = hook("webhook", "", &self.plain);
        text += &hook("ordered", "order_by: module, ", &self.ordered);
        if let Some(postfix) = &self.mail {
            let grant = format!("mail: {{ {} }}", postfix.grant());
            text += &listener("email", "email", "", &grant);
        }
        if let Some(postgres) = &self.rows {
            let grant = format!(
                "database: {{ retry: {{ most: 5s }}, databases: {{ events: {{ kind: postgres, address: '{}', \
                 database: postgres, user: admin, tables: ['*'] }} }} }}",
                postgres.socket().display()
            );
            text += &listener("database", "database", "", &grant);
        }
        text + "credentials: { order: [file], file: credentials }\n"
    }

    /// How much has arrived of each.
    fn arrived(&self) -> [usize; 4] {
        let rows = "SELECT count(*) FROM sshd_attempts_exceeded";
        let rows = |it: &Postgres| it.ask(rows).and_then(|text| text.parse().ok()).unwrap_or(0);
        [
            self.plain.taken().len(),
            self.ordered.taken().len(),
            self.mail.as_ref().map_or(MANY, |it| it.arrived().len()),
            self.rows.as_ref().map_or(MANY, rows),
        ]
    }
}

/// A day passes, with events all the time and nobody who takes what comes of them.
fn day(site: &Site, port: &Port, clock: &mut Clock) -> Engine {
    let (mut engine, mut until) = (clock.start(site), 0.0);
    for chunk in 0..CHUNKS {
        send(port, &failures(chunk * CHUNK..(chunk + 1) * CHUNK), site);
        until += STEP;
        wait::until("time passes", || (clock.now() >= until).then_some(()));
        if KILLS.contains(&chunk) {
            assert!(engine.kill(), "it works: {}", site.said());
            engine = clock.start(site);
        }
    }
    engine
}

/// How often an endpoint was asked in vain.
fn in_vain(site: &Site, endpoint: &str) -> usize {
    let entries = effects::entries(site, Kind::Attempt);
    let later = entries.iter().filter(|it| it.verdict == Some(Verdict::Later));
    later.filter(|it| it.endpoint.as_deref() == Some(endpoint)).count()
}

fn keep_password(folder: &Path) {
    let settings = Settings { order: vec![Place::File], ..Settings::default() };
    let settings = Settings { file: Some("credentials".into()), ..settings }.relative_to(folder);
    let vault = Vault::open(&settings).expect("a vault");
    vault.set("smtp", &Secret::new(PASSWORD.into()), Some(Place::File)).expect("room for a secret");
}

/// All is there once, and in order where that is wanted.
fn check_all(world: &World, site: &Site) {
    for web in [&world.plain, &world.ordered] {
        let taken = web.taken();
        let twice: Vec<_> = taken.iter().filter(|(_, bodies)| bodies.len() > 1).collect();
        assert!(twice.is_empty(), "taken twice: {twice:?}");
        let addresses: BTreeSet<String> = taken.values().map(|bodies| about(&bodies[0])).collect();
        assert_eq!(addresses, (0..MANY).map(address).collect());
    }
    let order = world.ordered.seen().into_iter().filter(|seen| seen.taken);
    let order: Vec<String> = order.map(|seen| about(&seen.body)).collect();
    assert_eq!(order, (0..MANY).map(address).collect::<Vec<_>>(), "in order");
    if let Some(postfix) = &world.mail {
        let id = |mail: &String| {
            mail.lines().find(|line| line.starts_with("Message-ID:")).map(str::to_owned)
        };
        let arrived = postfix.arrived();
        let ids: BTreeSet<String> = arrived.iter().filter_map(id).collect();
        assert_eq!((arrived.len(), ids.len()), (MANY, MANY), "mails");
    }
    if let Some(postgres) = &world.rows {
        let counts = "SELECT count(*) || ' ' || count(DISTINCT addr) FROM sshd_attempts_exceeded";
        assert_eq!(postgres.ask(counts), Some(format!("{MANY} {MANY}")), "rows");
    }
    let others: Vec<_> =
        effects::effects(site).into_iter().filter(|it| it.state != State::Done).collect();
    assert!(others.is_empty(), "{others:#?}");
    let verified = site.tell(&["audit", "verify", "--state", effects::STATE]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[test]
fn a_day_without_the_world_loses_nothing_and_doubles_nothing() {
    if !Path::new(FAKETIME).exists() {
        eprintln!("skipped: no {FAKETIME} here, which sets a program's clock (package faketime)");
        return;
    }
    let (mut world, port) = (World::start(), Port::new().expect("a port"));
    // The engine reads the file of its clock: it may not, once it is confined.
    let mut site = site("outage", &tcp(&port), &world.listeners()).with(&["--no-confine"]);
    keep_password(site.folder());
    let file = format!("FAKETIME_TIMESTAMP_FILE={}", site.folder().join("clock").display());
    let preload = format!("LD_PRELOAD={FAKETIME}");
    // Waits are by the clock that never jumps, which is left alone.
    let real = "FAKETIME_DONT_FAKE_MONOTONIC=1";
    site.by(&["env", &preload, &file, "FAKETIME_CACHE_DURATION=1", real]);
    world.goes_away();
    let mut clock = Clock::new();
    let engine = day(&site, &port, &mut clock);
    assert_eq!(world.plain.seen().len(), 0, "nobody was there");
    let asked = in_vain(&site, "webhook/ops");
    assert!((10..200).contains(&asked), "asked {asked} times in a day\n{}", site.said());
    clock.go_on(&site, BACK);
    let back = Instant::now();
    world.is_back();
    let mut arrived = [0; 4];
    let all = wait::within(wait::PATIENCE, || {
        arrived = world.arrived();
        arrived.iter().all(|count| *count >= MANY).then_some(())
    });
    assert!(all.is_some(), "{arrived:?} arrived, not {MANY}\n{}", site.said());
    let took = back.elapsed().as_secs_f64() * BACK;
    wait::until("all is written down", || {
        effects::effects(&site).iter().all(|it| it.state == State::Done).then_some(())
    });
    // Waits are by the clock that nobody changes.
    let curves = [&world.plain, &world.ordered].map(|web| curve(web, 0, Duration::from_secs(1)));
    assert!(curves.iter().all(|curve| few_at_first(curve)), "not few at first: {curves:?}");
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    check_all(&world, &site);
    eprintln!(
        "asked {asked} times in vain in a day; all {MANY} of each there {took:.0} s of its clock after it was back; of those there \
         within 1 to 6 s: {:?}, in order: {:?}",
        curves[0], curves[1]
    );
}

#[test]
fn what_was_asked_for_by_a_clock_that_was_set_back_since_does_not_wait_for_it() {
    if !Path::new(FAKETIME).exists() {
        eprintln!("skipped: no {FAKETIME} here, which sets a program's clock (package faketime)");
        return;
    }
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let mut site = site("set-back", &tcp(&port), &hook(&web, "5s"));
    web.be(Mood::Away);
    site.by(&["env", &format!("LD_PRELOAD={FAKETIME}"), "FAKETIME=+1y"]);
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..CHUNK), &site);
    wait::until("it was tried", || (in_vain(&site, "webhook/ops") > 0).then_some(()));
    engine.kill();
    web.be(Mood::Well);
    site.by(&["env"]);
    let engine = site.start();
    wait::until("all is told", || (web.taken().len() == CHUNK).then_some(()));
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    if !Path::new(FAKETIME).exists() {
        eprintln!("skipped: no {FAKETIME} here, which sets a program's clock (package faketime)");
        return;
    }
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let mut site = site("set-back-live", &tcp(&port), &hook(&web, "5s")).with(&["--no-confine"]);
    let file = format!("FAKETIME_TIMESTAMP_FILE={}", site.folder().join("clock").display());
    let preload = format!("LD_PRELOAD={FAKETIME}");
    let real = "FAKETIME_DONT_FAKE_MONOTONIC=1";
    site.by(&["env", &preload, &file, "FAKETIME_CACHE_DURATION=1", real]);
    site.put("clock", "+0\n");
    web.be(Mood::Away);
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..CHUNK), &site);
    wait::until("it was tried", || (in_vain(&site, "webhook/ops") > 2).then_some(()));
    site.put("clock", "-7200\n");
    wait::pass(BELIEVED);
    web.be(Mood::Well);
    wait::until("all is told", || (web.taken().len() == CHUNK).then_some(()));
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
