//! Sockets that systemd hands over, to an engine that may make no other system calls than its unit allows.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use correlator_tests::engine::binary;
use correlator_tests::known::{NOTICES, until_done};
use correlator_tests::log::{Line, Log};
use correlator_tests::sender::{self, Sent};
use correlator_tests::site::Site;
use correlator_tests::wait;
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Set for this program when it is started again: the numbers of the calls that are allowed.
const CALLS: &str = "CORRELATOR_TEST_CALLS";
/// Where the kernel's headers have the numbers of its calls on this kind of machine.
const NUMBERS: &str = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
/// As systemd starts it: its input is the first socket that is handed over.
const HAND_OVER: &str = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=syslog exec \"$0\" run stack.yaml --no-cache";

/// What the program that is started again does: it gives up all other calls, and becomes an engine. It does nothing
/// otherwise.
#[test]
fn behind_a_filter() {
    let Ok(calls) = env::var(CALLS) else { return };
    let rules: BTreeMap<i64, _> =
        calls.split(' ').map(|it| (it.parse().expect("a number"), Vec::new())).collect();
    if !rules.is_empty() {
        let refuse = SeccompAction::Errno(Errno::PERM.raw_os_error().unsigned_abs());
        let machine = TargetArch::try_from(env::consts::ARCH).expect("a known machine");
        let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, machine);
        let program: BpfProgram = filter.and_then(TryInto::try_into).expect("a filter");
        seccompiler::apply_filter(&program).expect("it is in force");
    }
    let error = Command::new("/bin/sh").args(["-c", HAND_OVER]).arg(binary().expect("it")).exec();
    panic!("{error}");
}

/// The numbers of the calls that the unit allows; nothing if this machine can't tell.
fn allowed() -> Option<BTreeSet<String>> {
    let header = fs::read_to_string(NUMBERS).ok()?;
    let number = |name: &str| {
        let mut lines = header.lines().filter_map(|line| line.strip_prefix("#define __NR_"));
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.map(|number| number.trim().to_owned())
    };
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/correlator.service");
    let unit = fs::read_to_string(unit).expect("a file of the project");
    let mut calls = BTreeSet::new();
    for words in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let refused = words.strip_prefix('~');
        for word in refused.unwrap_or(words).split(' ') {
            for name in names(word)? {
                let Some(number) = number(&name) else { continue };
                if refused.is_some() {
                    calls.remove(&number)
                } else {
                    calls.insert(number)
                };
            }
        }
    }
    assert!(calls.len() > 200, "{calls:?}");
    assert!(!calls.contains(&number("pidfd_getfd")?), "a set without what debuggers need");
    Some(calls)
}

/// The names of the calls that a word of a unit stands for.
fn names(word: &str) -> Option<Vec<String>> {
    if !word.starts_with('@') {
        return Some(vec![word.to_owned()]);
    }
    let told = Command::new("systemd-analyze").args(["syscall-filter", word]).output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let words = told.lines().skip(1).map(str::trim).filter(|line| !line.starts_with('#'));
    let mut all = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        all.extend(names(word)?);
    }
    Some(all)
}

/// An engine with a socket that was handed over. It does not outlive the test.
struct Engine(Child);

impl Engine {
    fn start(site: &Site, listener: TcpListener, calls: &str) -> Self {
        let log = |name| fs::File::create(site.folder().join(name)).expect("a file");
        let child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "handed::behind_a_filter", "--nocapture"])
            .env(CALLS, calls)
            .env("TZ", "UTC")
            .current_dir(site.folder())
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(log("stdout"))
            .stderr(log("stderr"))
            .spawn();
        Self(child.expect("it starts"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It has ended already if all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const GUESTS: &str =
    "modules: { report: }\nlisteners: { csv: { grants: { table: { directory: rows } } } }\n";

fn stack(sources: &str) -> String {
    format!(
        "state: state\ncontrol: {{ socket: control.sock, watch: false }}\nsources: {{ {sources} }}\n{GUESTS}"
    )
}

/// The socket is there from the start to the end, whatever becomes of the source that reads it, and although the engine has
/// given up what the unit and itself take from it.
#[test]
fn a_socket_outlives_its_source_in_a_confined_engine() {
    let calls = allowed().unwrap_or_else(|| {
        eprintln!("skipped in part: systemd-analyze or the kernel's headers are not installed, so the engine is not under its unit's filter");
        (0..600).map(|number| number.to_string()).collect()
    });
    let calls: Vec<String> = calls.into_iter().collect();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let site = Site::new("handed");
    site.put("stack.yaml", stack("net: { tcp: 'systemd:syslog', idle: 5m }"));
    let mut engine = Engine::start(&site, listener, &calls.join(" "));
    let lines = Log::new(5).lines(500);
    let mut parts = lines.chunks(100);
    let mut sent = 0;
    let mut send = || {
        let texts: Vec<String> = parts.next().expect("more").iter().map(Line::text).collect();
        let told = sender::send(address, &sender::octets(&texts));
        assert_eq!(told, Sent::Acknowledged, "{}", site.said());
        sent += texts.len();
        until_done(&site, sent);
    };
    let reload = |sources: &str, told: &str| {
        site.put("stack.yaml", stack(sources));
        let said = site.asks(&["reload"]);
        assert!(said.contains(told), "{said}");
    };
    site.until_it_runs();
    send();
    reload("net: { tcp: 'systemd:syslog', idle: 6m }", "source `net` was changed");
    send();
    reload("other: { tcp: 'systemd:syslog' }", "source `other` was added");
    send();
    let elsewhere = "there: { unix: there.sock }";
    reload(elsewhere, "source `other` was removed");
    reload(&format!("{elsewhere}, net: {{ tcp: 'systemd:syslog' }}"), "source `net` was added");
    send();
    assert_eq!(site.rows(NOTICES).len(), sent);
    assert_eq!(site.ask(&["stop"]).code, Some(0), "{}", site.said());
    let ended = wait::within(wait::PATIENCE, || engine.0.try_wait().expect("a child"));
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "{}", site.said());
    for word in ["not permitted", "without"] {
        assert!(!site.said().contains(word), "{}", site.said());
    }
}
