//! Records at a steady rate for a while, with changes of the stack and a guest that fails on some: what is counted is exact,
//! and memory stays where it was.
//!
//! `CORRELATOR_SOAK_SECONDS` and `CORRELATOR_SOAK_RATE` say for how long and how fast; without them it is short.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use correlator_tests::guests::hostile;
use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use serde_json::Value;

const SECONDS: u64 = 20;
const RATE: u64 = 20_000;
/// Bursts in a second.
const BURSTS: u64 = 100;
/// One of so many records kills a guest.
const POISON: u64 = 100_000;
/// How often the stack is changed.
const CHANGE: Duration = Duration::from_secs(4);
/// When the engine has taken what memory it needs, in hundredths of the run: caches and buffers are as large as they get.
const WARM: u64 = 40;
/// What may come on top of it, in bytes: nothing in an hour at full speed if anything were kept of each record.
const GROWTH_MAX: u64 = 64 << 20;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn stack(port: &Port, limit: usize) -> String {
    format!(
        "state: {{ folder: state, spool_size: 256MB }}\ncontrol: {{ socket: control.sock }}\n\
         sources: {{ net: {{ tcp: \"{}\" }} }}\n\
         modules:\n  report:\n  sshd: {{ options: {{ login_failure_limit: {limit} }} }}\n\
         \x20 mine: {{ module: ./mine.wasm, limits: {{ failures: 1000 }} }}\n\
         listeners:\n  csv: {{ criteria: 'module == \"report\"',\n\
         \x20   grants: {{ table: {{ directory: rows, rotate_bytes: 16MB, keep: 1 }} }} }}\n",
        port.address()
    )
}

/// A burst of records, octet-counted; each with a time, a process and an address of its own.
fn burst(first: u64, count: u64) -> String {
    let mut bytes = String::new();
    for number in first..first + count {
        let (minute, second) = (number / 6_000_000 % 60, number / 100_000 % 60);
        let words = if number % POISON == POISON / 2 {
            "POISON".to_owned()
        } else {
            let [_, a, b, c] = ((number / 3) as u32).to_be_bytes();
            format!("Failed password for root from 10.{}.{b}.{c} port 4711 ssh2", a % 4)
        };
        let record = format!(
            "<38>1 2024-12-10T{:02}:{minute:02}:{second:02}.{:05}Z alpha sshd {number} - - {words}",
            number / 360_000_000,
            number % 100_000
        );
        write!(bytes, "{} {record}", record.len()).expect("a text grows");
    }
    bytes
}

/// Memory of the engine, in bytes.
fn memory(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn counts_are_exact_and_memory_stays() {
    let seconds = setting("CORRELATOR_SOAK_SECONDS", SECONDS);
    let rate = setting("CORRELATOR_SOAK_RATE", RATE);
    let port = Port::new().expect("a port");
    let site = Site::new("soak").with(&["stack.yaml"]);
    site.put("mine.wasm", hostile("fails-on-poison"));
    site.put("stack.yaml", stack(&port, 5));
    let engine = site.start();
    site.until_it_runs();
    let total = seconds * rate;
    let (mut warm, mut most, mut changes) = (0, 0, 0);
    thread::scope(|scope| {
        let address = port.address();
        let sender = scope.spawn(move || {
            let mut stream = TcpStream::connect(address).expect("a connection");
            let (begun, mut sent) = (Instant::now(), 0);
            while sent < total {
                let count = (rate / BURSTS).min(total - sent);
                stream.write_all(burst(sent, count).as_bytes()).expect("it takes records");
                sent += count;
                let due = begun + Duration::from_nanos(sent * 1_000_000_000 / rate);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            stream.shutdown(Shutdown::Write).expect("a socket");
        });
        let mut next = Instant::now() + CHANGE;
        while !sender.is_finished() {
            thread::sleep(Duration::from_millis(200));
            let records = site.status().and_then(|status| status["records"].as_u64());
            if records.is_some_and(|records| records * 100 > total * WARM) {
                let now = memory(engine.id());
                warm = if warm == 0 { now } else { warm };
                most = most.max(now);
            }
            if Instant::now() > next {
                next = Instant::now() + CHANGE;
                changes += 1;
                site.put("stack.yaml", stack(&port, 5 + changes % 2));
                let said = site.ask(&["reload"]);
                assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
            }
        }
    });
    let done =
        |status: &Value| status["listeners"][0]["effects_done"]["table report-notice.csv"].as_u64();
    let status =
        site.until("all is done", |status| (done(status)? >= total).then(|| status.clone()));
    assert_eq!((status["records"].as_u64(), done(&status)), (Some(total), Some(total)));
    let poison = (0..total).filter(|number| number % POISON == POISON / 2).count();
    site.until("poison is set aside", |status| (status["dead_letters"] == poison).then_some(()));
    assert!(matches!(engine.stop(), Some(0 | 1)), "{}", site.said());
    eprintln!(
        "{total} records in {seconds} s, {changes} changes, {poison} set aside; memory {} MB, then {} MB at most",
        warm >> 20,
        most >> 20
    );
    assert!(most <= warm + GROWTH_MAX, "memory grew from {warm} to {most} bytes");
}
