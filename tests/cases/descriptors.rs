//! Descriptors, of which a process may have so many: the engine takes what it may have, and peers don't take them all.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use correlator_tests::known::{GUESTS, KEPT, NOTICES, args, until_done};
use correlator_tests::log::{Line, Log};
use correlator_tests::sender::{self, Port};
use correlator_tests::site::Site;
use correlator_tests::wait;

fn site(name: &str, port: &Port, files: &str) -> Site {
    let address = port.address().to_string();
    let live = ["--control", "control.sock", "--tcp", &address];
    let mut site = Site::new(name).with(&args(&[&GUESTS, &KEPT, &live]));
    site.by(&["prlimit", files, "--"]);
    site
}

#[test]
fn the_engine_takes_as_many_as_it_may_have() {
    let port = Port::new().expect("a port");
    let site = site("raised", &port, "--nofile=64:4096");
    let engine = site.start();
    site.until_it_runs();
    let limits = fs::read_to_string(format!("/proc/{}/limits", engine.id())).expect("it runs");
    let files = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = files.and_then(|line| line.split_ascii_whitespace().nth(3));
    assert_eq!(soft, Some("4096"), "{limits}");
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn who_connects_without_end_leaves_the_engine_some() {
    let port = Port::new().expect("a port");
    let site = site("crowd", &port, "--nofile=128:128");
    let engine = site.start();
    site.until_it_runs();
    let mut first = TcpStream::connect(port.address()).expect("connected");
    let crowd: Vec<_> = (0..300).map(|_| TcpStream::connect(port.address())).collect();
    let told = || site.said().contains("the few descriptors that are left").then_some(());
    assert!(wait::within(wait::PATIENCE, told).is_some(), "{}", site.said());
    // Spools, checkpoints and tables go on.
    let lines = Log::new(3).lines(2_000);
    let text: Vec<_> = lines.iter().map(Line::text).collect();
    first.write_all(&sender::octets(&text)).expect("sent");
    until_done(&site, 2_000);
    assert_eq!(site.rows(NOTICES).len(), 2_000);
    assert!(!site.said().contains("Too many open files"), "{}", site.said());
    drop(crowd);
    drop(first);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
