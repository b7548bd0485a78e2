//! Real senders: what rsyslog, syslog-ng, logger and loggen send is what the engine takes, by every door, line for line.
//!
//! Each is started if it is there; what is skipped is told.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::Command;
use std::thread;
use std::time::Duration;

use correlator_tests::foreign::{Program, Started};
use correlator_tests::known::{NOTICES, until_done};
use correlator_tests::seed::Seed;
use correlator_tests::site::{Engine, Site};
use correlator_tests::wait;

const GUESTS: [&str; 6] = ["--module", "report", "--listener", "csv", "--output", "rows"];
const LINES: usize = 5_000;
/// How often a followed file is put aside; as often as the variable says in the long run.
const ROTATIONS: usize = 40;
const ROTATIONS_VARIABLE: &str = "CORRELATOR_ROTATIONS";

/// An engine that listens, and where.
struct Listening {
    site: Site,
    engine: Engine,
    place: String,
}

fn listen(name: &str, door: &[&str]) -> Listening {
    let control = ["--control", "control.sock", "--state", "state"];
    listen_in(Site::new(name).with(&GUESTS).with(&control).with(door))
}

fn listen_in(site: Site) -> Listening {
    let engine = site.start();
    let place =
        site.until("listening", |status| Some(status["sources"][0]["place"].as_str()?.to_owned()));
    Listening { site, engine, place }
}

impl Listening {
    fn port(&self) -> &str {
        self.place.rsplit(':').next().unwrap_or_default()
    }

    /// What was sent is what was taken: as many records, and each line of the numbered ones once.
    fn took(self, count: usize, sender: &str) {
        let taken = wait::within(wait::PATIENCE, || {
            let status = self.site.status()?;
            (status["records"].as_u64()? as usize >= count).then_some(())
        });
        let status = self.site.until("asked", |status| Some(status.clone()));
        assert!(taken.is_some(), "{sender}: {count} sent, {:#}", status["sources"]);
        until_done(&self.site, count);
        let status = self.site.until("asked", |status| Some(status.clone()));
        assert_eq!(status["records"], count, "{sender}: {:#}", status["sources"]);
        assert_eq!(status["sources"][0]["unparsed"], 0, "{sender}: {:#}", status["sources"]);
        let rows = self.site.rows(NOTICES);
        assert_eq!(rows.len(), count, "{sender}");
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        for row in &rows {
            *numbers.entry(number(row)).or_default() += 1;
        }
        let wrong: Vec<_> = (0..count).filter(|it| numbers.get(it) != Some(&1)).take(5).collect();
        assert!(
            wrong.is_empty(),
            "{sender}: not there once: {wrong:?}, such as {:?}",
            rows.first()
        );
        assert_eq!(self.engine.stop(), Some(0), "{sender}: {}", self.site.said());
        eprintln!("{sender}: {count} sent, {count} taken");
    }
}

/// What stands behind the last `number ` of a row.
fn number(row: &str) -> usize {
    let text = row.rsplit("number ").next().unwrap_or_default();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(usize::MAX)
}

fn numbered(count: usize) -> String {
    (0..count).map(|it| format!("made up to be counted, number {it} of all\n")).collect()
}

/// Has rsyslog read the numbered lines and send them by this action.
fn rsyslog(listening: &Listening, action: &str) -> Option<Started> {
    let program = Program::find("rsyslogd")?;
    let folder = listening.site.folder();
    let path = |name: &str| folder.join(name).display().to_string();
    listening.site.put("numbered.log", numbered(LINES));
    fs::create_dir_all(folder.join("work")).expect("a folder");
    let configuration = format!(
        "global(workDirectory=\"{work}\" {tls})\n\
         module(load=\"imfile\" mode=\"inotify\")\n\
         input(type=\"imfile\" File=\"{log}\" Tag=\"counted:\" reopenOnTruncate=\"on\")\n\
         {action}\n",
        work = path("work"),
        log = path("numbered.log"),
        tls = if action.contains("gtls") {
            format!(
                "DefaultNetstreamDriverCAFile=\"{}\" DefaultNetstreamDriverCertFile=\"{}\" \
                 DefaultNetstreamDriverKeyFile=\"{}\"",
                path("ca.pem"),
                path("client.pem"),
                path("client.key")
            )
        } else {
            String::new()
        },
    );
    listening.site.put("rsyslog.conf", configuration);
    let (conf, id) = (path("rsyslog.conf"), path("rsyslog.pid"));
    Some(program.start(folder, &["-n", "-f", &conf, "-i", &id]))
}

/// An action of rsyslog that forwards everything, with these settings more.
fn forward(listening: &Listening, more: &str) -> String {
    format!(
        "action(type=\"omfwd\" Target=\"127.0.0.1\" Port=\"{}\" \
         Template=\"RSYSLOG_SyslogProtocol23Format\" action.resumeRetryCount=\"-1\" {more})",
        listening.port()
    )
}

#[test]
fn rsyslog_by_tcp_with_octet_counts_and_with_lines() {
    for framing in ["octet-counted", "traditional"] {
        let listening = listen("rsyslog-tcp", &["--tcp", "127.0.0.1:0"]);
        let more = format!("Protocol=\"tcp\" TCP_Framing=\"{framing}\"");
        let Some(_sender) = rsyslog(&listening, &forward(&listening, &more)) else { return };
        listening.took(LINES, &format!("rsyslog, tcp, {framing}"));
    }
}

#[test]
fn rsyslog_by_udp() {
    let listening = listen("rsyslog-udp", &["--udp", "127.0.0.1:0"]);
    let Some(_sender) = rsyslog(&listening, &forward(&listening, "Protocol=\"udp\"")) else {
        return;
    };
    listening.took(LINES, "rsyslog, udp");
}

/// Makes an authority, and certificates that it signed for the engine and for a sender.
fn certificates(site: &Site) -> bool {
    let Some(openssl) = Program::find("openssl") else { return false };
    let run = |arguments: &str| {
        openssl.run(site.folder(), &arguments.split(' ').collect::<Vec<_>>());
    };
    run(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.pem -subj /CN=authority",
    );
    for name in ["server", "client"] {
        site.put("names", format!("subjectAltName=DNS:{name}.example.org,IP:127.0.0.1\n"));
        run(&format!(
            "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}.example.org"
        ));
        run(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out {name}.pem"
        ));
    }
    true
}

#[test]
fn rsyslog_by_tls_with_certificates_on_both_sides() {
    if !fs::exists("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so").unwrap_or(false) {
        eprintln!("skipped: rsyslog's TLS is not on this machine (package rsyslog-gnutls)");
        return;
    }
    let site = Site::new("rsyslog-tls").with(&GUESTS).with(&[
        "--control",
        "control.sock",
        "--state",
        "state",
        "--tls",
        "127.0.0.1:0",
        "--certificate",
        "server.pem",
        "--key",
        "server.key",
        "--client-authority",
        "ca.pem",
        "--client-name",
        "client.example.org",
    ]);
    if !certificates(&site) {
        return;
    }
    let listening = listen_in(site);
    let more = "Protocol=\"tcp\" TCP_Framing=\"octet-counted\" StreamDriver=\"gtls\" \
                StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" \
                StreamDriverPermittedPeers=\"server.example.org\"";
    let Some(_sender) = rsyslog(&listening, &forward(&listening, more)) else { return };
    listening.took(LINES, "rsyslog, tls");
}

/// Has logger send the numbered lines.
fn logger(name: &str, door: &[&str], count: usize, arguments: impl Fn(&Listening) -> Vec<String>) {
    let Some(program) = Program::find("logger") else { return };
    let listening = listen(name, door);
    listening.site.put("numbered.log", numbered(count));
    let mut words = vec!["-t".to_owned(), "counted".into(), "-f".into(), "numbered.log".into()];
    words.extend(arguments(&listening));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    program.run(listening.site.folder(), &words);
    listening.took(count, name);
}

#[test]
fn logger_by_every_door() {
    let to = |listening: &Listening, more: &[&str]| {
        let mut words = vec!["-n", "127.0.0.1", "-P", listening.port()];
        words.extend(more);
        words.into_iter().map(String::from).collect::<Vec<String>>()
    };
    let tcp = ["--tcp", "127.0.0.1:0"];
    logger("logger-tcp", &tcp, LINES, |it| to(it, &["-T", "--rfc5424"]));
    logger("logger-old", &tcp, LINES, |it| to(it, &["-T", "--rfc3164"]));
    logger("logger-counted", &tcp, LINES, |it| to(it, &["-T", "--octet-count"]));
    // Datagrams may be dropped if many come at once: not of so few.
    logger("logger-udp", &["--udp", "127.0.0.1:0"], 500, |it| to(it, &["-d"]));
    let socket = || ["-u", "log.sock"].map(String::from).to_vec();
    logger("logger-unix-datagram", &["--unix-datagram", "log.sock"], LINES, |_| socket());
    logger("logger-unix", &["--unix", "log.sock"], LINES, |_| socket());
}

#[test]
fn loggen_by_tcp_udp_and_unix() {
    let Some(program) = Program::find("loggen") else { return };
    let count = |site: &Site, count: usize| {
        let records = |status: &serde_json::Value| status["records"].as_u64();
        let all = wait::within(wait::PATIENCE, || {
            (records(&site.status()?)? >= count as u64).then_some(())
        });
        assert!(all.is_some(), "{:?}", site.status());
        until_done(site, count);
        assert_eq!(site.rows(NOTICES).len(), count);
    };
    let check = |door: &[&str], words: &[&str], connections: usize| {
        let listening = listen("loggen", door);
        let mut all: Vec<&str> = words.to_vec();
        let each = "--number=2000";
        let connections_word = format!("--active-connections={connections}");
        all.extend([each, "--rate=100000", "--interval=60", "--quiet", &connections_word]);
        if door[0] == "--unix" {
            all.push("log.sock");
        } else {
            all.extend(["127.0.0.1", listening.port()]);
        }
        program.run(listening.site.folder(), &all);
        let status = listening.site.until("asked", |it| Some(it.clone()));
        eprintln!("loggen {words:?}: {} records so far", status["records"]);
        count(&listening.site, 2_000 * connections);
        assert_eq!(listening.engine.stop(), Some(0), "{}", listening.site.said());
    };
    check(&["--tcp", "127.0.0.1:0"], &["-i", "-S"], 8);
    check(&["--tcp", "127.0.0.1:0"], &["-i", "-S", "-P"], 4);
    check(&["--unix", "log.sock"], &["-x", "-S"], 2);
}

#[test]
fn syslog_ng_by_tcp_udp_and_with_octet_counts() {
    let Some(program) = Program::find("syslog-ng") else { return };
    let ways = [
        ("network(\"127.0.0.1\" port(PORT) transport(tcp))", "--tcp", LINES),
        ("syslog(\"127.0.0.1\" port(PORT) transport(tcp))", "--tcp", LINES),
        ("network(\"127.0.0.1\" port(PORT) transport(udp))", "--udp", 500),
    ];
    for (destination, door, count) in ways {
        let listening = listen("syslog-ng", &[door, "127.0.0.1:0"]);
        let folder = listening.site.folder();
        listening.site.put("numbered.log", numbered(count));
        let destination = destination.replace("PORT", listening.port());
        let configuration = format!(
            "@version: 3.35\noptions {{ keep-hostname(yes); use-dns(no); stats-freq(0); }};\n\
             source s {{ file(\"{}\" flags(no-parse) follow-freq(0.1) program-override(\"counted\")); }};\n\
             destination d {{ {destination}; }};\nlog {{ source(s); destination(d); flags(flow-control); }};\n",
            folder.join("numbered.log").display()
        );
        listening.site.put("ng.conf", configuration);
        let modules = program.root.join("usr/lib/syslog-ng/3.38");
        let modules = format!("--module-path={}", modules.display());
        let mut words = vec![
            "-F",
            "--no-caps",
            "-f",
            "ng.conf",
            "-R",
            "ng.persist",
            "-c",
            "ng.ctl",
            "-p",
            "ng.pid",
        ];
        if program.root.as_os_str() != "/" {
            words.push(&modules);
        }
        let sender = program.start(folder, &words);
        let name = format!("syslog-ng, {destination}");
        wait::within(Duration::from_secs(20), || {
            (listening.site.status()?["records"] != 0).then_some(())
        })
        .unwrap_or_else(|| panic!("{name} sends nothing: {}", sender.said()));
        listening.took(count, &name);
    }
}

#[test]
fn openssl_by_tls_without_a_certificate_of_its_own() {
    let site = Site::new("openssl").with(&GUESTS).with(&[
        "--control",
        "control.sock",
        "--tls",
        "127.0.0.1:0",
        "--certificate",
        "server.pem",
        "--key",
        "server.key",
    ]);
    if !certificates(&site) {
        return;
    }
    let listening = listen_in(site);
    let lines: String = (0..LINES)
        .map(|it| format!("<38>1 2024-12-10T06:00:00Z a app - - - number {it}\n"))
        .collect();
    listening.site.put("lines", lines);
    let input = fs::File::open(listening.site.folder().join("lines")).expect("a file");
    let connect = format!("127.0.0.1:{}", listening.port());
    let mut child = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &connect,
            "-CAfile",
            "ca.pem",
            "-verify_return_error",
            "-quiet",
            "-no_ign_eof",
        ])
        .current_dir(listening.site.folder())
        .stdin(input)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("openssl");
    child.wait().expect("a child");
    listening.took(LINES, "openssl s_client");
}

/// Writes numbered lines as fast as it goes, and puts the file aside again and again by renaming it.
fn write_and_rotate(site: &Site, rotations: usize) -> usize {
    let folder = site.folder();
    let mut written = 0;
    for rotation in 0..rotations {
        let mut file = fs::File::create(folder.join("app.log")).expect("a file");
        for _ in 0..100 {
            let block: String = (written..written + 20)
                .map(|it| format!("<38>1 2024-12-10T06:00:00Z a app - - - number {it}\n"))
                .collect();
            file.write_all(block.as_bytes()).expect("a file");
            written += 20;
        }
        fs::rename(folder.join("app.log"), folder.join(format!("app.log.{rotation}")))
            .expect("a file");
        // Who still has it open goes on writing for a moment, as programs do until they are told.
        let late = format!("<38>1 2024-12-10T06:00:00Z a app - - - number {written}\n");
        file.write_all(late.as_bytes()).expect("a file");
        written += 1;
        wait::pass(Duration::from_millis(50));
    }
    fs::File::create(folder.join("app.log")).expect("a file");
    written
}

#[test]
fn a_followed_file_is_rotated_at_full_speed_while_engines_are_killed() {
    let mut seed = Seed::of_this_run("rotation");
    let named = std::env::var(ROTATIONS_VARIABLE).ok().and_then(|it| it.parse().ok());
    let rotations = named.unwrap_or(ROTATIONS);
    let control = ["--control", "control.sock", "--state", "state", "--checkpoint-every", "100ms"];
    let site = Site::new("rotation").with(&GUESTS).with(&control).with(&["--follow", "app.log"]);
    fs::File::create(site.folder().join("app.log")).expect("a file");
    // An engine was there once: before that, what is put aside is nobody's.
    let engine = site.start();
    site.until_it_runs();
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    let written = thread::scope(|scope| {
        let site = &site;
        let writing = scope.spawn(move || write_and_rotate(site, rotations));
        while !writing.is_finished() {
            let engine = site.start();
            site.until_it_runs();
            wait::pass(seed.time(Duration::from_millis(20), Duration::from_millis(500)));
            if seed.below(3) == 0 {
                assert_eq!(engine.stop().unwrap_or(0), 0, "{}", site.said());
            } else {
                engine.kill();
            }
        }
        writing.join().expect("no panic")
    });
    let engine = site.start();
    site.until_it_runs();
    until_done(&site, written);
    let rows = site.rows(NOTICES);
    let mut numbers: Vec<usize> = rows.iter().map(|row| number(row)).collect();
    numbers.sort_unstable();
    let wrong = (0..written).find(|it| numbers.get(*it) != Some(it));
    assert_eq!((numbers.len(), wrong), (written, None), "{}", site.said());
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
