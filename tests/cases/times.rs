//! The time that records tell: of files of several sources the greatest lateness counts, one wrong date moves nothing, and
//! what comes late is told.

use std::fs;

use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use correlator_tests::world::web::Web;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::acting::{listener, send, site, tcp, until_taken};

/// A line that the module counts, by whose time its day ends.
fn closed(time: &str) -> String {
    let process = time.replace(|it: char| !it.is_ascii_digit(), "");
    let rest = "pam_unix(sshd:session): session closed for user root";
    format!("<86>1 2024-12-{time}Z gate sshd {process} - - {rest}\n")
}

/// Reads `a.log` and `b.log`, each with its lateness: what the days are told to be, and how many records came late.
fn run(site: &Site, [a, b]: [&str; 2]) -> (String, u64) {
    let table = site.folder().join("rows");
    if table.exists() {
        fs::remove_dir_all(&table).expect("a folder");
    }
    let sources = format!(
        "sources:\n  a: {{ file: a.log, lateness: {a} }}\n  b: {{ file: b.log, lateness: {b} }}\n"
    );
    let guests =
        "modules:\n  sshd:\nlisteners:\n  csv: { grants: { table: { directory: rows } } }\n";
    site.put("stack.yaml", ["time_zone: UTC\n", &sources, guests].concat());
    let said = site.tell(&["run", "stack.yaml", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let told: Value = serde_json::from_str(&said.stdout).expect("a summary");
    let days = fs::read_to_string(table.join("sshd-statistics.csv")).expect("a table");
    (days, told["late"].as_u64().expect("a count"))
}

#[test]
fn of_files_the_greatest_lateness_counts_and_what_is_late_is_told() {
    let site = Site::new("times-lateness");
    site.put("a.log", closed("10T23:59:00"));
    site.put("b.log", [closed("11T00:00:05"), closed("10T23:59:30")].concat());
    let (days, late) = run(&site, ["60s", "60s"]);
    assert_eq!(late, 0, "{days}");
    assert_eq!(run(&site, ["0s", "60s"]), (days.clone(), 0));
    assert_eq!(run(&site, ["60s", "0s"]), (days.clone(), 0));
    let (other, late) = run(&site, ["0s", "0s"]);
    assert_eq!(late, 1, "{other}");
    assert_ne!(other, days, "the last of the first day came after its end");
    let said = site.tell(&["run", "stack.yaml"]).stderr;
    assert!(said.contains("     1 late: "), "{said}");
}

#[test]
fn a_first_record_from_the_far_future_moves_no_time() {
    let site = Site::new("times-first");
    site.put("a.log", [closed("10T23:59:00"), closed("11T00:00:05")].concat());
    site.put("b.log", "");
    let (days, _) = run(&site, ["0s", "0s"]);
    let wrong = "<86>1 2099-01-01T00:00:00Z gate cron 7 - - a clock that nobody has set\n";
    let right = fs::read_to_string(site.folder().join("a.log")).expect("a file");
    site.put("a.log", [wrong, &right].concat());
    assert_eq!(run(&site, ["0s", "0s"]), (days, 0));
}

#[test]
fn a_first_record_from_the_far_future_freezes_no_rate() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let endpoints = format!("endpoints: {{ ops: {{ url: '{}', private: true }} }}", web.url());
    let grant = format!("webhook: {{ rate: 1/1s, {endpoints} }}");
    let hook = listener("webhook", "webhook", "endpoint: ops", &grant);
    let site = site("times-rate", &tcp(&port), &hook);
    let engine = site.start();
    site.until_it_runs();
    let attack = |number: usize, time: Timestamp| {
        let rest = format!("Failed password for root from 192.0.2.{number} port 1 ssh2");
        let attack = format!("<38>1 {time:.0} gate sshd {} - - {rest}", 100 + number);
        send(&port, &[attack], &site);
        until_taken(&web, number + 1, &site);
    };
    let now = Timestamp::now();
    attack(0, now + (24 * 365 * 70).hours());
    for number in 1..4_u8 {
        attack(usize::from(number), now + (2 * i64::from(number)).seconds());
    }
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
