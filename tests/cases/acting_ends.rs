//! Runs that read files to their end while the world does not take what is done with the turn: they end all the same, say so,
//! and a later run does the rest. And a store that has no room.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use correlator_store::effect::State;
use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failures};
use correlator_tests::world::web::{Mood, Web};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::acting::{hook, listener, send, site, tcp};
use super::disk::Mounted;

const MANY: usize = 50;
const FEW: usize = 8;
/// How often what was not read at the end is sent.
const TRIES: usize = 3;
const LEFT: &str = "the rest is kept and done when the engine runs again";

/// Runs an engine whose world takes nothing.
fn run_in_vain(site: &Site) {
    let code = site.start().wait();
    assert_eq!(code, Some(1), "{}", site.said());
    let said = site.said();
    assert!(said.contains("tried until it is done") && said.contains(LEFT), "{said}");
    assert!(said.contains("the rest is to be written when the engine runs again"), "{said}");
}

#[test]
fn rows_that_no_server_takes_are_sent_by_a_later_run() {
    let port = Port::new().expect("a port");
    let grant = format!(
        "syslog: {{ retry: {{ most: 2s }}, targets: {{ central: {{ address: '{}', transport: tcp }} }} }}",
        port.address()
    );
    let site =
        site("bulk-ends", "file: log", &listener("syslog", "syslog", "target: central", &grant));
    site.put("log", failures(0..MANY).join("\n") + "\n");
    run_in_vain(&site);
    // A second one that is in vain forgets nothing.
    run_in_vain(&site);
    let door = TcpListener::bind(port.address()).expect("the port is ours");
    let heard = thread::spawn(move || {
        let mut heard = String::new();
        let (mut stream, _) = door.accept().expect("a connection");
        stream.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout");
        stream.read_to_string(&mut heard).expect("messages");
        heard
    });
    site.run();
    each_once(&heard.join().expect("no panic"));
    // Nothing is left for a next one.
    site.run();
}

fn each_once(heard: &str) {
    for number in 0..MANY {
        let times = heard.matches(&format!("addr=\"{}\"", address(number))).count();
        assert_eq!(times, 1, "{number}: {heard}");
    }
}

#[test]
fn messages_that_were_not_read_at_the_end_are_told_and_come_once() {
    let door = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = door.local_addr().expect("an address");
    let grant =
        format!("syslog: {{ targets: {{ central: {{ address: '{at}', transport: tcp }} }} }}");
    let site =
        site("unread-ends", "file: log", &listener("syslog", "syslog", "target: central", &grant));
    site.put("log", failures(0..MANY).join("\n") + "\n");
    let heard = thread::spawn(move || {
        for _ in 0..TRIES {
            let (stream, _) = door.accept().expect("a connection");
            // It leaves without a word read, when it was told that nothing more comes.
            let (is_closed, long) = (PollFlags::RDHUP, Timespec { tv_sec: 60, tv_nsec: 0 });
            let ended = poll(&mut [PollFd::new(&stream, is_closed)], Some(&long));
            assert_eq!(ended, Ok(1));
        }
        let (mut stream, _) = door.accept().expect("a connection");
        stream.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).expect("messages");
        heard
    });
    let code = site.start().wait();
    let said = site.said();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("{MANY} rows syslog central: failed: {at} over TCP may not")),
        "{said}"
    );
    assert!(said.contains("the rest is to be written when the engine runs again"), "{said}");
    site.run();
    // Nothing is left for a next one. Who still listens hears that nobody comes.
    site.run();
    drop(TcpStream::connect(at));
    // Where a checkpoint was made just before the end, it was told and counted, and is not sent again.
    let heard = heard.join().expect("no panic");
    if heard.is_empty() {
        eprintln!("a checkpoint was made just before the end: told, and not sent again");
    } else {
        each_once(&heard);
    }
}

#[test]
fn rows_for_which_there_is_no_room_are_written_by_a_later_run() {
    let table = "table: { directory: rows }";
    let site = site("table-ends", "file: log", &listener("csv", "csv", "", table));
    let Some(disk) = Mounted::new(&site.folder().join("rows"), "400k") else { return };
    site.put("log", failures(0..MANY).join("\n") + "\n");
    disk.fill();
    run_in_vain(&site);
    disk.make_room();
    site.run();
    let rows = site.rows("sshd-attempts_exceeded.csv");
    assert_eq!(rows.len(), MANY, "{rows:?}\n{}", site.said());
}

#[test]
fn a_store_without_room_is_told_once_and_nothing_is_done_twice() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let site = site("store-full", &tcp(&port), &hook(&web, "5s"));
    let Some(disk) = Mounted::new(&site.folder().join(effects::STATE), "24m") else { return };
    web.be(Mood::Slow(Duration::from_millis(300)));
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..FEW), &site);
    wait::until("one is being done", || (!web.seen().is_empty()).then_some(()));
    disk.fill();
    let words = ["what was done is written down as soon", "what is to be delivered waits"];
    let times = || words.map(|words| site.said().matches(words).count());
    wait::until("it is told", || times().into_iter().any(|times| times > 0).then_some(()));
    // Long enough to be told of ten times.
    wait::pass(Duration::from_secs(1));
    assert!(times().into_iter().all(|times| times <= 1), "{}", site.said());
    disk.make_room();
    wait::until("all is done", || {
        (effects::count(&site, "webhook", State::Done) == FEW).then_some(())
    });
    for (key, bodies) in web.taken() {
        assert_eq!(bodies.len(), 1, "{key}");
    }
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
