//! Acting on the firewall, with real packets: who fails is kept out, for as long as was said, whatever happens to the
//! rules meanwhile; who must not be kept out is not.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use correlator_store::effect::{Effect, State};
use correlator_store::entry::{By, Kind};
use correlator_store::settings::Settings;
use correlator_store::store::Store;
use correlator_tests::guests::wishes::Wish;
use correlator_tests::sender::{self, Sent};
use correlator_tests::site::{Engine, Site};
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failure, failure_from};
use correlator_tests::world::network::{AFAR, GATEWAY, HOST, Network};

use super::acting::{listener, site};

/// Where the engine listens in its network.
const DOOR: &str = "127.0.0.1:5514";
/// Where somebody says hello there.
const HELLO: u16 = 8022;
const GRANT: &str = "firewall: { sets: { blocked: {} } }";
const BLOCKS: usize = 200;
/// An address that nobody asks to be blocked.
const HELD: &str = "198.51.100.77";

/// Whom nobody may block, and why not.
pub const NEVER: &[(Wish, &str)] = &[
    (wish("block-world", &[("address", "0.0.0.0/0")]), "too large"),
    (wish("block-world-v6", &[("address", "::/0")]), "too large"),
    (wish("block-loopback", &[("address", "127.0.0.1")]), "loopback"),
    (wish("block-mapped", &[("address", "::ffff:127.0.0.1")]), "loopback"),
    (wish("block-nonsense", &[("address", "1.2.3.4; flush ruleset")]), "neither an address"),
    (wish("block-gateway", &[("address", GATEWAY)]), "gateway"),
    (wish("block-self", &[("address", HOST)]), "of this host"),
    (Wish::new("block-elsewhere", "firewall", "input", &[("address", AFAR)]), "input"),
];

const fn wish(name: &'static str, address: &'static [(&'static str, &'static str)]) -> Wish {
    Wish::new(name, "firewall", "blocked", address)
}

/// A site whose engine works in the network.
pub fn inside(network: &Network, name: &str, listeners: &str) -> (Site, Engine) {
    let mut site = site(name, &format!("tcp: '{DOOR}'"), listeners);
    site.by(&["ip", "netns", "exec", &network.of("host")]);
    let engine = site.start();
    site.until_it_runs();
    (site, engine)
}

pub fn send(network: &Network, messages: &[String], site: &Site) {
    let address = DOOR.parse().expect("an address");
    let sent = network.inside("host", || sender::send(address, &sender::octets(messages)));
    assert_eq!(sent, Sent::Acknowledged, "{}", site.said());
}

#[test]
fn who_fails_is_kept_out_until_the_time_is_over() {
    let Some(network) = Network::new() else { return };
    let listeners = listener("firewall", "firewall", "duration: 15s", GRANT);
    let (site, engine) = inside(&network, "firewall", &listeners);
    network.serve(HELLO);
    wait::until("hello is said", || network.reaches(AFAR, HELLO).then_some(()));
    send(&network, &[failure_from(AFAR, 0)], &site);
    wait::until("the block is done", || {
        (effects::count(&site, "firewall", State::Done) == 1).then_some(())
    });
    assert!(network.rules().contains(AFAR), "{}", network.rules());
    assert!(!network.reaches(AFAR, HELLO), "packets come through: {}", network.rules());
    assert!(network.reaches(GATEWAY, HELLO), "others come in");
    let flushed = network.nft().args(["flush", "ruleset"]).status().expect("nft");
    assert!(flushed.success());
    wait::until("the block is in force again", || network.rules().contains(AFAR).then_some(()));
    assert!(!network.reaches(AFAR, HELLO), "packets come through: {}", network.rules());
    wait::until("the block is over", || network.reaches(AFAR, HELLO).then_some(()));
    assert!(!network.rules().contains(AFAR), "{}", network.rules());
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

/// Tells the lines of what is changed in the kernel, as they come.
fn monitor(network: &Network) -> (Child, mpsc::Receiver<(Instant, String)>) {
    let mut child = network
        .nft()
        .args(["monitor", "new", "elements"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("nft");
    let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if tell.send((Instant::now(), line)).is_err() {
                break;
            }
        }
    });
    (child, told)
}

/// Waits until the kernel has an entry.
fn until_told(told: &mpsc::Receiver<(Instant, String)>, address: &str, site: &Site) -> Instant {
    let word = format!(" {address} ");
    loop {
        match told.recv_timeout(wait::PATIENCE) {
            Ok((time, line)) if line.contains(&word) => return time,
            Ok(_) => {}
            Err(error) => panic!("{address} is not blocked: {error}\n{}", site.said()),
        }
    }
}

#[test]
fn a_block_is_in_the_kernel_soon_after_the_record_is_sent() {
    let Some(network) = Network::new() else { return };
    let listeners = listener("firewall", "firewall", "duration: 1h", GRANT);
    let (site, engine) = inside(&network, "latency", &listeners);
    // What makes the tables is not what is measured, and shows when the monitor listens.
    let (mut child, told) = monitor(&network);
    let mut stream = network.inside("host", || TcpStream::connect(DOOR).expect("a door"));
    stream.set_nodelay(true).expect("a socket");
    let mut say = |message: &str| {
        stream.write_all(format!("{} {message}", message.len()).as_bytes()).expect("a door");
    };
    let mut number = 0;
    wait::until("the kernel's changes are heard", || {
        number += 1;
        say(&failure(number));
        let address = address(number);
        let heard = told.recv_timeout(Duration::from_secs(1)).ok()?;
        heard.1.contains(&format!(" {address} ")).then_some(())
    });
    let mut times: Vec<Duration> = Vec::new();
    for number in number + 1..=number + BLOCKS {
        let sent = Instant::now();
        say(&failure(number));
        let address = address(number);
        times.push(until_told(&told, &address, &site).duration_since(sent));
    }
    child.kill().expect("a child");
    child.wait().expect("a child");
    times.sort_unstable();
    let (half, most) = (times[BLOCKS / 2], times[BLOCKS * 99 / 100]);
    eprintln!("record sent to entry in the kernel, {BLOCKS} blocks: p50 {half:?}, p99 {most:?}");
    // Far from what is wanted of a release build, and less than any look once a second would take.
    assert!(half < Duration::from_millis(500), "{half:?}");
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

/// Whether a line of `ip` worked for the host.
fn ip(network: &Network, line: &str) -> bool {
    let host = network.of("host");
    let words = ["-n", &host].into_iter().chain(line.split(' '));
    Command::new("ip").args(words).status().is_ok_and(|status| status.success())
}

/// How the block of an address fares, and what the trail says last of why it was taken back.
fn fares(site: &Site, address: &str) -> (State, Option<String>) {
    let all = effects::effects(site);
    let of = |it: &&Effect| it.request.text("address") == Some(address);
    let effect = all.iter().find(of).unwrap_or_else(|| panic!("{address} is not in {all:#?}"));
    let id = Some(&effect.request.id);
    let commands = effects::entries(site, Kind::Command);
    let why = commands.into_iter().rfind(|it| it.effect.as_ref() == id && it.by == By::Engine);
    (effect.state, why.map(|it| it.text))
}

/// What all that tells of effects says of a block: the list of effects, of blocks, and the trail.
fn check_told(site: &Site, address: &str, state: State) {
    let (is, why) = fares(site, address);
    assert_eq!(is, state, "{why:?}");
    let told = |arguments: &[&str]| {
        let said = site.tell(&[arguments, &["--state", effects::STATE]].concat());
        assert_eq!(said.code, Some(0), "{arguments:?}: {}{}", said.stdout, said.stderr);
        said.stdout
    };
    let blocks = told(&["blocks", "list"]);
    assert_eq!(blocks.contains(&format!("{address}  ")), state == State::Done, "{blocks}");
    let all = effects::effects(site);
    let effect = all.iter().find(|it| it.request.text("address") == Some(address));
    let id = &effect.expect("an effect").request.id;
    let shown = told(&["why", id]);
    assert!(shown.contains(&format!("effect {id}: {state}")), "{shown}");
    if state == State::Undone {
        let why = why.expect("a reason");
        assert!(why.contains("an address of this host and never blocked"), "{why}");
        assert!(shown.contains(&why), "{why} in {shown}");
        assert!(shown.contains("undo done: "), "{shown}");
    }
    told(&["audit", "verify"]);
}

#[test]
fn what_becomes_an_address_of_the_host_is_undone_and_told_so_everywhere() {
    let Some(network) = Network::new() else { return };
    let listeners = listener("firewall", "firewall", "duration: 1h", GRANT);
    let (site, engine) = inside(&network, "own", &listeners);
    let other = address(1);
    send(&network, &[failure_from(AFAR, 0), failure(1)], &site);
    wait::until("the blocks are done", || {
        (effects::count(&site, "firewall", State::Done) == 2).then_some(())
    });
    assert!(ip(&network, &format!("addr add {AFAR}/32 dev lo")));
    wait::until("the block is undone", || (fares(&site, AFAR).0 == State::Undone).then_some(()));
    let rules = network.rules();
    assert!(!rules.contains(AFAR) && rules.contains(&other), "{rules}");
    check_told(&site, AFAR, State::Undone);
    check_told(&site, &other, State::Done);
    // Whatever asked for them, others that lie there are lifted too, and that is noted.
    let element = format!("add element inet correlator blocked_v4 {{ {HELD} timeout 1h }}");
    assert!(network.nft().args(element.split(' ')).status().expect("nft").success());
    assert!(ip(&network, &format!("addr add {HELD}/32 dev lo")));
    wait::until("it is lifted", || (!network.rules().contains(HELD)).then_some(()));
    wait::until("it is noted", || {
        let commands = effects::entries(&site, Kind::Command);
        commands
            .iter()
            .any(|it| it.text.contains(&format!("{HELD} is blocked no more")))
            .then_some(())
    });
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn a_kill_between_lifting_and_writing_that_down_is_mended_by_the_next_start() {
    let Some(network) = Network::new() else { return };
    let listeners = listener("firewall", "firewall", "duration: 1h", GRANT);
    let (site, engine) = inside(&network, "own-killed", &listeners);
    let others = [address(1), address(2)];
    send(&network, &[failure(1), failure(2)], &site);
    wait::until("the blocks are done", || {
        (effects::count(&site, "firewall", State::Done) == 2).then_some(())
    });
    engine.kill();
    // Both are begun and lifted, and then nobody is there to write it down.
    let (store, _) = Store::open(
        &site.folder().join(effects::STATE).join("store"),
        Settings::default(),
        effects::effects(&site)[0].changed_at,
    )
    .expect("a store");
    for effect in effects::effects(&site) {
        let order = (By::Engine, Some("it must not be"));
        store.undo_begin(&effect.request.id, order, effect.changed_at).expect("begun");
    }
    drop(store);
    for address in &others {
        let element = format!("delete element inet correlator blocked_v4 {{ {address} }}");
        assert!(network.nft().args(element.split(' ')).status().expect("nft").success());
    }
    // One still must not be in force, the other may be again.
    assert!(ip(&network, &format!("addr add {}/32 dev lo", others[0])));
    let engine = site.start();
    site.until_it_runs();
    wait::until("it is lifted for certain", || {
        (fares(&site, &others[0]).0 == State::Undone).then_some(())
    });
    check_told(&site, &others[0], State::Undone);
    wait::until("the other is in force", || network.rules().contains(&others[1]).then_some(()));
    check_told(&site, &others[1], State::Done);
    assert!(!network.rules().contains(&others[0]), "{}", network.rules());
    // What was not checkpointed was asked for again, and denied: that is its exit code's to say.
    engine.stop();
}

#[test]
fn who_must_not_be_kept_out_is_not() {
    let Some(network) = Network::new() else { return };
    let mut listeners = listener("firewall", "firewall", "", GRANT);
    for (wish, _) in NEVER {
        listeners += &listener(wish.name, &format!("./{}.wasm", wish.name), "", GRANT);
    }
    let mut site = site("never", &format!("tcp: '{DOOR}'"), &listeners);
    for (wish, _) in NEVER {
        site.put(&format!("{}.wasm", wish.name), wish.component());
    }
    site.by(&["ip", "netns", "exec", &network.of("host")]);
    let engine = site.start();
    site.until_it_runs();
    network.serve(HELLO);
    send(&network, &[failure(0)], &site);
    wait::until("all was decided", || {
        let all = effects::effects(&site);
        (all.len() == NEVER.len() + 1 && all.iter().all(|it| it.state.is_finished())).then_some(())
    });
    let found: BTreeMap<String, (State, String)> = effects::effects(&site)
        .into_iter()
        .map(|it| (it.listener, (it.state, it.said.unwrap_or_default())))
        .collect();
    for (wish, words) in NEVER {
        let (state, said) = &found[wish.name];
        assert!(*state == State::Denied && said.contains(words), "{}: {state} {said}", wish.name);
    }
    assert_eq!(found["firewall"].0, State::Done, "{found:?}");
    assert!(network.reaches(GATEWAY, HELLO) && network.reaches(AFAR, HELLO), "{}", network.rules());
    engine.stop();
}
