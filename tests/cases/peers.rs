//! What peers notice of a source that is changed: nothing, as long as it listens where it did.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use correlator_tests::known::{NOTICES, until_done};
use correlator_tests::log::{Line, Log};
use correlator_tests::sender::{self, Port};
use correlator_tests::site::Site;
use correlator_tests::wait;

const GUESTS: &str =
    "modules: { report: }\nlisteners: { csv: { grants: { table: { directory: rows } } } }\n";

fn stack(sources: &str) -> String {
    format!(
        "state: state\ncontrol: {{ socket: control.sock, watch: false }}\nsources: {{ {sources} }}\n{GUESTS}"
    )
}

fn reload(site: &Site, sources: &str, told: &str) {
    site.put("stack.yaml", stack(sources));
    let said = site.asks(&["reload"]);
    assert!(said.contains(told), "{said}");
}

fn confirmed(mut peer: TcpStream, site: &Site) {
    peer.shutdown(Shutdown::Write).expect("it stays connected");
    peer.set_read_timeout(Some(wait::PATIENCE)).expect("set");
    assert_eq!(peer.read(&mut [0; 16]).expect("an orderly end"), 0, "{}", site.said());
}

/// A peer that sends without a pause, one that says nothing, and others that come meanwhile.
#[test]
fn a_reload_cuts_nobody_off() {
    let port = Port::new().expect("a port");
    let address = port.address();
    let net = |rest: &str| format!("net: {{ tcp: '{address}', {rest} }}");
    let site = Site::new("peers").with(&["stack.yaml"]);
    site.put("stack.yaml", stack(&net("idle: 10m")));
    let engine = site.start();
    site.until_it_runs();
    let lines = Log::new(9).lines(300_000);
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut silent = TcpStream::connect(address).expect("connected");
    let mut peer = TcpStream::connect(address).expect("connected");
    thread::scope(|scope| {
        scope.spawn(|| {
            for part in lines.chunks(100) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let texts: Vec<String> = part.iter().map(Line::text).collect();
                peer.write_all(&sender::octets(&texts)).expect("it stays connected");
                sent.fetch_add(part.len(), Ordering::Relaxed);
                wait::pass(Duration::from_millis(2));
            }
            over.store(true, Ordering::Relaxed);
        });
        let streaming = || {
            let then = sent.load(Ordering::Relaxed);
            let goes_on = || {
                let more = sent.load(Ordering::Relaxed) > then + 500;
                (more || over.load(Ordering::Relaxed)).then_some(())
            };
            wait::until("records stream", goes_on);
        };
        for (number, rest) in
            ["idle: 11m", "lateness: 7s", "connections: 99", "time_zone: Europe/Berlin", "idle: 9m"]
                .into_iter()
                .enumerate()
        {
            streaming();
            reload(&site, &net(rest), "source `net` was changed");
            drop(TcpStream::connect(address).expect("nobody is refused"));
            let other = format!("{}, other: {{ unix: other-{number}.sock }}", net(rest));
            reload(&site, &other, "source `other` was added");
            reload(&site, &net(rest), "source `other` was removed");
        }
        streaming();
        over.store(true, Ordering::Relaxed);
    });
    confirmed(peer, &site);
    silent.write_all(&sender::octets(&[lines[0].text()])).expect("it stays connected");
    confirmed(silent, &site);
    let sent = sent.into_inner() + 1;
    until_done(&site, sent);
    let mut expected: Vec<String> = lines[..sent - 1].iter().map(Line::row).collect();
    expected.push(lines[0].row());
    assert!(site.rows(NOTICES) == expected, "{} of {sent}", site.rows(NOTICES).len());
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

/// What lies in the kernel's buffer is read by whoever reads the socket next, also under another name.
#[test]
fn datagrams_wait_for_a_source_that_is_changed() {
    let free = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let net = |name: &str, rest: &str| format!("{name}: {{ udp: '{address}', {rest} }}");
    let site = Site::new("datagrams").with(&["stack.yaml"]);
    site.put("stack.yaml", stack(&net("net", "lateness: 1s")));
    let engine = site.start();
    site.until_it_runs();
    let lines = Log::new(10).lines(100_000);
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    peer.connect(address).expect("connected");
    thread::scope(|scope| {
        scope.spawn(|| {
            for line in &lines {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                peer.send(line.text().as_bytes()).expect("somebody listens");
                sent.fetch_add(1, Ordering::Relaxed);
                wait::pass(Duration::from_micros(200));
            }
            over.store(true, Ordering::Relaxed);
        });
        for (name, rest, told) in [
            ("net", "lateness: 2s", "source `net` was changed"),
            ("net", "buffer: 8MiB", "source `net` was changed"),
            ("other", "lateness: 1s", "source `other` was added"),
            ("net", "lateness: 3s", "source `net` was added"),
        ] {
            let then = sent.load(Ordering::Relaxed);
            let goes_on = || {
                let more = sent.load(Ordering::Relaxed) > then + 200;
                (more || over.load(Ordering::Relaxed)).then_some(())
            };
            wait::until("datagrams stream", goes_on);
            reload(&site, &net(name, rest), told);
        }
        over.store(true, Ordering::Relaxed);
    });
    let sent = sent.into_inner();
    until_done(&site, sent);
    let expected: Vec<String> = lines[..sent].iter().map(Line::row).collect();
    assert!(site.rows(NOTICES) == expected, "{} of {sent}", site.rows(NOTICES).len());
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
