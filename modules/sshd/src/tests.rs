//! The module over whole logs: the samples, and what must hold whatever the log.

use correlator_sdk::options::Setting;
use correlator_sdk::prelude::*;
use correlator_sdk::testing;

use crate::Sshd;

#[test]
fn samples() {
    testing::check_samples::<Sshd>(env!("CARGO_MANIFEST_DIR"));
}

/// The events of a log in short, one a line, those of statistics and of beginning sessions left out.
fn events(limit: i64, log: &str) -> Vec<String> {
    let settings = [Setting::new("login_failure_limit", limit)];
    let outcome = testing::run::<Sshd>(log.as_bytes(), &settings)
        .unwrap_or_else(|sentence| panic!("{sentence}"));
    let told =
        |event: &&testing::Emitted| event.name != "statistics" && event.name != "session_started";
    let line = |event: &testing::Emitted| {
        let columns = ["user", "auth", "addr", "port", "failures", "duration"];
        let values = columns.iter().filter_map(|column| event.get(column));
        let values: Vec<String> = values.map(ToString::to_string).collect();
        format!("{} {}", event.name, values.join(" "))
    };
    outcome.events.iter().filter(told).map(line).collect()
}

/// Lines of `SECONDS PROCESS MESSAGE` as a log.
fn log(lines: &[&str]) -> String {
    let line = |line: &&str| {
        let mut parts = line.splitn(3, ' ');
        let seconds: i64 = parts.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        let (process, message) =
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let time = Time::from_seconds(1_700_000_000 + seconds);
        format!("<86>1 {time} box sshd {process} - - {message}\n")
    };
    lines.iter().map(line).collect()
}

#[track_caller]
fn check(limit: i64, lines: &[&str], expected: &[&str]) {
    assert_eq!(events(limit, &log(lines)), expected, "{lines:#?}");
}

const FAILED: &str = "Failed password for kim from 192.0.2.7 port 9 ssh2";
const CLOSED: &str = "Connection closed by authenticating user kim 192.0.2.7 port 9 [preauth]";
const NOTED: &str = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=kim";

#[test]
fn the_limit_is_reached_by_event_time() {
    let at = |seconds: &[i64]| {
        let lines: Vec<String> =
            seconds.iter().map(|second| format!("{second} 1 {FAILED}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        events(2, &log(&lines)).len()
    };
    assert_eq!(at(&[0, 1, 2]), 2);
    assert_eq!(at(&[0, 300]), 1);
    assert_eq!(at(&[0, 301, 602]), 0);
    assert_eq!(at(&[100, 50, 0]), 2);
}

#[test]
fn an_accepted_login_clears_the_address() {
    let accepted = "2 1 Accepted password for kim from 192.0.2.7 port 9 ssh2";
    let failed = |second: i64| format!("{second} 1 {FAILED}");
    let before = [failed(0), failed(0), failed(1), failed(1)];
    let after = failed(3);
    let mut lines: Vec<&str> = before.iter().map(String::as_str).collect();
    lines.extend([accepted, after.as_str()]);
    check(5, &lines, &[]);
}

#[test]
fn one_failure_is_counted_once() {
    let once = ["login_failed kim 192.0.2.7 9 1"];
    check(5, &[&format!("0 1 {NOTED}"), &format!("1 1 {FAILED}"), &format!("2 1 {CLOSED}")], &once);
    check(5, &[&format!("0 1 {NOTED}"), &format!("2 1 {CLOSED}")], &once);
    // So late that the note was counted before the word that confirms it.
    let other = "100 2 pam_unix(sshd:auth): authentication failure; rhost=192.0.2.8 user=x";
    let late =
        [&format!("0 1 {NOTED}"), other, &format!("101 1 {FAILED}"), &format!("102 1 {CLOSED}")];
    check(5, &late, &["login_failed kim 192.0.2.7 9 1", "attempt"][..1]);
    // What one PAM module refuses and the next one accepts is no failure.
    let accepted = "1 1 Accepted password for kim from 192.0.2.7 port 9 ssh2";
    let closed = "5 1 Connection closed by 192.0.2.7 port 9";
    check(
        1,
        &[&format!("0 1 {NOTED}"), accepted, closed],
        &["login kim password 192.0.2.7 9 0 0:00:04"],
    );
}

#[test]
fn ends_begin_nothing() {
    let lines = [
        &format!("0 1 {FAILED}"),
        "1 1 Received disconnect from 192.0.2.7 port 9:11: Bye Bye [preauth]",
        "1 1 Disconnected from invalid user kim 192.0.2.7 port 9 [preauth]",
        "4 1 PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7",
        "5 1 Connection closed by invalid user kim 192.0.2.7 port 9 [preauth]",
    ];
    check(5, &lines, &["login_failed kim 192.0.2.7 9 1"]);
    check(5, &["0 1 Connection closed by 192.0.2.7 port 9 [preauth]"], &[]);
    check(5, &[&format!("0 1 {CLOSED}")], &[]);
    check(
        5,
        &["0 1 Connection closed by invalid user kim 192.0.2.7 port 9 [preauth]"],
        &["login_failed kim 192.0.2.7 9 1"],
    );
}

#[test]
fn an_accepted_login_proves_one_account() {
    let of = |user: &str| NOTED.replace("user=kim", &format!("user={user}"));
    let accepted = "2 1 Accepted password for kim from 192.0.2.7 port 9 ssh2";
    let closed = "3 1 Connection closed by 192.0.2.7 port 9";
    let login = "login kim password 192.0.2.7 9 0 0:00:01";
    let lee = of("lee");
    let lines = [&format!("0 1 {lee}"), &format!("1 1 {lee}"), accepted, closed];
    check(5, &lines, &["login_failed lee 192.0.2.7 2", login]);
    // sshd escapes what PAM writes as it is: these are the same account.
    let domain = of(r"CORP\kim");
    let accepted = r"2 1 Accepted password for CORP\\kim from 192.0.2.7 port 9 ssh2";
    let login = r"login CORP\\kim password 192.0.2.7 9 0 0:00:01";
    check(5, &[&format!("0 1 {domain}"), accepted, closed], &[login]);
}

#[test]
fn names_and_addresses_of_pam_tell_connections_apart() {
    let error = |second: u8, addr: &str| {
        format!("{second} 1 error: PAM: Authentication failure for kim from {addr}")
    };
    let both = |one: &str, other: &str| {
        let lines = [error(0, one), error(1, other), String::from("2 1 fatal: Write failed: x")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        events(5, &log(&lines)).len()
    };
    assert_eq!(both("192.0.2.7", "192.0.2.7"), 1);
    assert_eq!(both("192.0.2.7", "192.0.2.8"), 2);
    assert_eq!(both("host.example.net", "2001:db8::7"), 2);
    // Once sshd has told the address, a name of PAM's may be the same host.
    let told = ["0 1 Failed password for kim from 192.0.2.7 port 9 ssh2"];
    let end = format!("9 1 {CLOSED}");
    let name = error(1, "host.example.net");
    check(5, &[told[0], &name, &end], &["login_failed kim 192.0.2.7 9 2"]);
    let other = error(1, "192.0.2.8");
    let end = "9 1 fatal: Write failed: x";
    let two = ["login_failed kim 192.0.2.7 9 1", "login_failed kim 192.0.2.8 1"];
    check(5, &[told[0], &other, end], &two);
    check(5, &[&other, &told[0].replace("0 1", "2 1"), end], &[two[1], two[0]]);
}

#[test]
fn who_gives_up_without_an_address_waits_for_one() {
    let gave_up = "0 1 Disconnecting: Too many authentication failures for kim [preauth]";
    let closed = "1 1 Connection closed by 192.0.2.7 [preauth]";
    check(5, &[gave_up, closed], &["login_failed kim 192.0.2.7 1"]);
    check(5, &[gave_up, "1 2 Connection closed by 192.0.2.7 [preauth]"], &[]);
    let locked = "0 1 User kim not allowed because account is locked";
    check(5, &[locked, gave_up, closed], &["login_failed kim 192.0.2.7 1"]);
}

#[test]
fn a_session_is_found_by_its_peer() {
    let lines = [
        "0 1 Accepted password for kim from 192.0.2.7 port 9 ssh2",
        "0 2 Accepted password for lee from 192.0.2.7 port 10 ssh2",
        "5 4 Received disconnect from 192.0.2.7: 11: disconnected by user",
        "6 3 Disconnected from user lee 192.0.2.7 port 10",
        "7 4 Received disconnect from 192.0.2.7: 11: disconnected by user",
        "8 4 Disconnected from 192.0.2.7",
    ];
    let expected =
        ["login lee password 192.0.2.7 10 0 0:00:06", "login kim password 192.0.2.7 9 0 0:00:07"];
    check(5, &lines, &expected);
}

#[test]
fn a_preauth_end_is_not_a_sessions() {
    let lines = [
        "0 1 Accepted password for kim from 192.0.2.7 port 9 ssh2",
        "5 4 Connection closed by 192.0.2.7 port 9 [preauth]",
        "9 5 Connection closed by 192.0.2.7",
    ];
    check(5, &lines, &[]);
}

#[test]
fn memory_is_bounded() {
    let line = |number: i64| {
        let addr = format!("2001:db8::{:x}:{:x}", number >> 16, number & 0xffff);
        let message = format!("Failed password for x from {addr} port 1 ssh2");
        format!("{} {number} {message}", number / 1000)
    };
    let lines: Vec<String> = (0..20_000).map(line).collect();
    let lines = log(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let outcome =
        testing::run::<Sshd>(lines.as_bytes(), &[]).unwrap_or_else(|sentence| panic!("{sentence}"));
    let evicted = outcome.statistics.iter().find(|statistic| statistic.name == "evicted");
    let expected = 20_000 - crate::machine::ATTEMPTS_MAX;
    assert_eq!(evicted, Some(&Statistic::new("evicted", expected)));
}
