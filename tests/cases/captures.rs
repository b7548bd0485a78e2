//! Captures from outside: listed, filtered, and sent to sockets by the real program.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use correlator_tests::engine::{Outcome, Run};
use correlator_tests::site::Site;
use serde_json::Value;

const DEADLINE: Duration = Duration::from_mins(1);

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-captures-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes a file and gives its path.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.0.join(name), bytes).expect("a file");
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.0.join(name)).expect("a file")).expect("text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn capture(arguments: &[&str]) -> Outcome {
    let arguments = [&["capture"], arguments].concat();
    Run::of(DEADLINE, &arguments).and_then(Run::go).expect("the program runs")
}

/// What it prints when all is well.
#[track_caller]
fn well(arguments: &[&str]) -> String {
    let outcome = capture(arguments);
    assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.said());
    outcome.stdout
}

/// It ends with this code and says this.
#[track_caller]
fn fails(arguments: &[&str], code: i32, complaint: &str) {
    let outcome = capture(arguments);
    let said = outcome.stderr.contains(complaint);
    assert!(outcome.code == Some(code) && said, "{arguments:?}: {}", outcome.said());
}

/// A record of a made-up capture: every third is a failure, and two programs take turns.
fn record(number: u32) -> String {
    let (priority, what) = if number.is_multiple_of(3) { (83, "failed") } else { (86, "accepted") };
    let program = if number.is_multiple_of(2) { "cron" } else { "sshd" };
    format!(
        "<{priority}>1 2023-02-20T15:{number:02}:00.500000-05:00 host{} {program} {number} - - {what} number {number}",
        number % 4
    )
}

/// The same behind its count.
fn counted(number: u32) -> String {
    format!("{} {}", record(number).len(), record(number))
}

fn sixteen(trailer: &str) -> String {
    (1..=16).map(|number| record(number) + trailer).collect()
}

#[test]
fn records_are_listed_in_aligned_columns() {
    let folder = Folder::new();
    let cap = folder.file("a.cap", sixteen("\n"));
    let listed = well(&["list", &cap]);
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 16);
    assert_eq!(
        lines[8],
        "     9  2023-02-20 15:09:00.500000-05:00  error          host1  sshd[9]   failed number 9"
    );
    assert_eq!(
        lines[9],
        "    10  2023-02-20 15:10:00.500000-05:00  informational  host2  cron[10]  accepted number 10"
    );
    let cut = well(&["list", "--width", "60", &cap]);
    assert!(cut.lines().all(|line| line.chars().count() == 60 && line.ends_with('…')), "{cut}");
    let two = well(&["list", &cap, &cap]);
    assert_eq!(two.matches(&format!("==> {cap} <==")).count(), 2);
}

#[test]
fn records_are_chosen() {
    let folder = Folder::new();
    let cap = folder.file("a.cap", sixteen("\n"));
    let check = |flags: &[&str], expected: &[u32]| {
        let listed = well(&[&["list", &cap], flags].concat());
        let number = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
        let numbers: Vec<u32> = listed.lines().filter_map(number).collect();
        assert_eq!(numbers, expected, "{flags:?}");
    };
    check(&["--severity", "err"], &[3, 6, 9, 12, 15]);
    check(&["--program", "CRON", "--severity", "error"], &[6, 12]);
    check(&["--host", "host0", "--host", "host1"], &[1, 4, 5, 8, 9, 12, 13, 16]);
    check(&["--contains", "number 1", "--contains", "failed"], &[12, 15]);
    check(&["--from", "2023-02-20T15:14:00-05:00"], &[14, 15, 16]);
    check(&["--until", "2023-02-20 20:02:30", "--time-zone", "UTC"], &[1, 2]);
    check(&["--until", "2023-02-20", "--time-zone", "UTC"], &[]);
    fails(&["list", &cap, "--from", "yesterday"], 2, "--from: expected a time");
    fails(&["list", &cap, "--severity", "bad"], 2, "--severity: expected one of");
    fails(&["list", &cap, "--framing", "octet"], 2, "did you mean `octets`?");
    fails(&["list", &folder.path("none")], 4, "none: No such file");
}

#[test]
fn records_are_told_to_machines() {
    let folder = Folder::new();
    let text = "<86>1 2023-02-20T15:12:47.5Z h p 7 ID [a@1 k=\"v\"] m\nno syslog";
    let cap = folder.file("a.cap", text);
    let listed = well(&["list", "--json", &cap]);
    let values: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected = serde_json::json!({
        "file": cap, "number": 1, "offset": 0, "bytes": 52, "time": "2023-02-20T15:12:47.500000Z",
        "zone_seconds": 0, "severity": "informational", "facility": "authpriv", "host": "h",
        "program": "p", "process_id": "7", "message_id": "ID", "message": "m",
        "fields": [{"element": "a@1", "name": "k", "value": "v"}], "assumed": [],
        "understood": true, "whole": true,
    });
    assert_eq!(values[0], expected);
    assert_eq!(values[1]["message"], "no syslog");
    assert_eq!((&values[1]["whole"], &values[1]["understood"]), (&false.into(), &false.into()));
}

#[test]
fn terminals_are_not_steered_by_records() {
    let folder = Folder::new();
    let cap = folder.file("a.cap", format!("{}\x1b[2J\u{202e}\r{}\nb\r", record(1), record(2)));
    let listed = well(&["list", &cap]);
    assert!(listed.contains("number 1\\u{1b}[2J\\u{202e}\n"), "{listed}");
    assert!(listed.ends_with("number 2\\nb\n"), "{listed}");
}

#[test]
fn what_a_list_marks_is_dropped() {
    let folder = Folder::new();
    for (trailer, width) in [("\n", None), ("\r", None), ("\r\n", Some("50")), ("\n", Some("12"))] {
        let cap = folder.file("a.cap", sixteen(trailer));
        let width: Vec<_> = width.into_iter().flat_map(|width| ["--width", width]).collect();
        let listed = well(&[&["list", &cap], &width[..]].concat());
        // One mark stands before the line, one in the place of a space.
        let marked = listed.replacen("     3  ", "#     3  ", 1).replacen("    12 ", "#   12 ", 1);
        let list = folder.file("list", &marked);
        let out = folder.path("out.cap");
        well(&["filter", &cap, "--list", &list, "--out", &out]);
        let kept: String =
            (1..=16).filter(|n| ![3, 12].contains(n)).map(|n| record(n) + trailer).collect();
        assert_eq!(folder.read("out.cap"), kept);
        // Never twice to the same file.
        fails(&["filter", &cap, "--list", &list, "--out", &out], 2, "out.cap exists");
        assert_eq!(folder.read("out.cap"), kept);
        fs::remove_file(out).expect("it is there");
    }
}

#[test]
fn a_list_of_something_else_is_refused() {
    let folder = Folder::new();
    let cap = folder.file("a.cap", sixteen("\n"));
    let listed = well(&["list", &cap]);
    let check = |list: String, complaint: &str| {
        let list = folder.file("list", list);
        let out = folder.path("out.cap");
        fails(&["filter", &cap, "--list", &list, "--out", &out], 2, complaint);
        assert!(!folder.0.join("out.cap").exists(), "half a capture is none");
    };
    let without = |number: &str| {
        let kept = listed.lines().filter(|line| !line.trim().starts_with(number));
        kept.collect::<Vec<_>>().join("\n") + "\n"
    };
    check(without("5 "), "list:5: this line is not the record that comes next");
    check(without("16 "), "list ends at line 15, but the capture goes on with");
    check(
        format!("{listed}#    17  2024-01-01"),
        "list:17: the capture has no record for this line",
    );
    check(listed.replacen("host3", "host4", 1), "list:3: this line");
    check(listed.replacen("number 7", "number 8", 1), "list:7: this line");
    check(String::new(), "list ends at line 0");
    // Blank lines are nobody's.
    let list = folder.file("list", listed.replace('\n', "\n\n"));
    well(&["filter", &cap, "--list", &list, "--out", &folder.path("out.cap")]);
    assert_eq!(folder.read("out.cap"), sixteen("\n"));
}

#[test]
fn flags_choose_what_is_kept() {
    let folder = Folder::new();
    let cap = folder.file("a.cap", (1..=16).map(counted).collect::<String>());
    well(&["filter", &cap, "--program", "sshd", "--out", &folder.path("out.cap")]);
    let kept: String = (1..=16).filter(|n| n % 2 == 1).map(counted).collect();
    assert_eq!(folder.read("out.cap"), kept);
    // The list of the same flags goes with the same flags.
    let list = well(&["list", &cap, "--program", "sshd"]).replacen("     1 ", "#    1 ", 1);
    let list = folder.file("list", list);
    let out = folder.path("less.cap");
    let flags = ["filter", &cap, "--program", "sshd", "--list", &list, "--out", &out];
    well(&flags);
    assert_eq!(folder.read("less.cap"), kept[record(1).len() + 3..]);
}

#[test]
fn the_last_record_needs_no_trailer() {
    let folder = Folder::new();
    for text in [
        format!("{}\r{}\nand more", record(1), record(2)),
        format!("{}\n{}", record(1), record(2)),
        format!("{} {}999 {}", record(1).len(), record(1), record(2)),
    ] {
        let cap = folder.file("a.cap", &text);
        assert_eq!(well(&["list", &cap]).lines().count(), 2);
        let out = folder.path("out.cap");
        well(&["filter", &cap, "--out", &out]);
        assert_eq!(folder.read("out.cap"), text);
        fs::remove_file(out).expect("it is there");
    }
}

/// A peer that reads one connection to its end and closes.
fn sink() -> (String, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = format!("tcp://{}", listener.local_addr().expect("an address"));
    let sink = thread::spawn(move || {
        let mut bytes = Vec::new();
        listener.accept().expect("a connection").0.read_to_end(&mut bytes).expect("all of it");
        bytes
    });
    (target, sink)
}

#[test]
fn a_replay_arrives_byte_by_byte() {
    let folder = Folder::new();
    for text in [sixteen("\n"), sixteen("\r\n"), sixteen("\r") + &record(17)] {
        let cap = folder.file("a.cap", &text);
        let (target, sink) = sink();
        let outcome = capture(&["replay", &cap, "--to", &target, "--speed", "max"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.said());
        assert!(outcome.stderr.contains("the peer confirmed"), "{}", outcome.said());
        assert_eq!(sink.join().expect("a sink"), text.as_bytes());
    }
    let cap = folder.file("a.cap", sixteen("\r"));
    let (target, sink) = sink();
    let flags = ["--speed", "max", "--framing", "octets", "--program", "sshd", "--json"];
    let told = well(&[&["replay", &cap, "--to", &target], &flags[..]].concat());
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["records"], &told["confirmed"]), (&8.into(), &true.into()));
    let expected: String = (1..=16).filter(|n| n % 2 == 1).map(counted).collect();
    assert_eq!(String::from_utf8_lossy(&sink.join().expect("a sink")), expected);
}

#[test]
fn a_replay_takes_its_time() {
    let folder = Folder::new();
    // Fifteen minutes between the first and the last.
    let cap = folder.file("a.cap", sixteen("\n"));
    let check = |flags: &[&str], least: f64, most: f64, gaps: u64| {
        let (target, sink) = sink();
        let told = well(&[&["replay", &cap, "--to", &target, "--json"], flags].concat());
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let seconds = told["seconds"].as_f64().expect("a number");
        assert!((least..most).contains(&seconds), "{flags:?}: {told}");
        assert_eq!(told["gaps_shortened"], gaps);
        assert_eq!(sink.join().expect("a sink"), sixteen("\n").as_bytes());
    };
    check(&["--speed", "900", "--gap-max", "1h"], 0.99, 20.0, 0);
    check(&["--gap-max", "20ms"], 0.29, 20.0, 15);
    check(&["--rate", "50"], 0.29, 20.0, 0);
    check(&["--speed", "max"], 0.0, 20.0, 0);
}

#[test]
fn a_replay_goes_over_datagrams() {
    let folder = Folder::new();
    let cap = folder.file("a.cap", sixteen("\n"));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let target = format!("udp://{}", socket.local_addr().expect("an address"));
    let outcome = capture(&["replay", &cap, "--to", &target, "--speed", "max"]);
    assert!(outcome.stderr.contains("nobody confirms"), "{}", outcome.said());
    for number in 1..=16 {
        let mut bytes = [0; 500];
        let length = socket.recv(&mut bytes).expect("a datagram");
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), record(number));
    }
}

#[test]
fn a_replay_that_fails_says_why() {
    let folder = Folder::new();
    let cap = folder.file("a.cap", sixteen("\n"));
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let (gone, secure) = (format!("tcp://{gone}"), format!("tls://{gone}"));
    fails(&["replay", &cap, "--to", &gone], 4, "refused");
    fails(&["replay", &cap, "--to", "localhost:514"], 2, "expected `tcp://HOST:PORT`");
    fails(&["replay", &cap, "--to", &secure], 2, "needs --authority FILE");
    fails(&["replay", &cap, "--to", &gone, "--authority", &cap], 2, "is not secured");
    fails(&["replay", &cap, "--to", &gone, "--speed", "0"], 2, "a number above 0");
    fails(&["replay", &cap, "--to", "udp://127.0.0.1:9", "--framing", "lines"], 2, "no framing");
    let torn = folder.file("torn.cap", format!("{}\nmore\r{}\r", record(1), record(2)));
    fails(&["replay", &torn, "--to", &gone, "--framing", "lines"], 2, "record 1 of");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = format!("tcp://{}", listener.local_addr().expect("an address"));
    let large = folder.file("large.cap", sixteen("\n").repeat(20_000));
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        // What is not read makes its end a reset.
        stream.read_exact(&mut [0; 1000]).expect("some of it");
    });
    fails(&["replay", &large, "--to", &target, "--speed", "max"], 1, "records had been sent");
    peer.join().expect("a peer");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = format!("tcp://{}", listener.local_addr().expect("an address"));
    let flags = ["--speed", "max", "--close-wait", "100ms"];
    let arguments = [&["replay", &cap, "--to", &target], &flags[..]].concat();
    fails(&arguments, 1, "did not close within 100ms");
    drop(listener);
}

/// A running rsyslog that writes what comes over TCP to a file.
struct Rsyslog {
    child: Child,
    target: String,
}

impl Rsyslog {
    /// Starts it; nothing if it is not installed.
    fn start(folder: &Folder) -> Option<Self> {
        let program = ["/usr/sbin/rsyslogd", "/usr/bin/rsyslogd"]
            .into_iter()
            .find(|it| Path::new(it).exists())?;
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let config = folder.file(
            "rsyslog.conf",
            format!(
                "global(workDirectory=\"{}\")\nmodule(load=\"imtcp\")\n\
                 input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{}\")\n\
                 template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
                 action(type=\"omfile\" file=\"{}\" template=\"raw\")\n",
                folder.0.display(),
                address.port(),
                folder.path("received"),
            ),
        );
        let mut child = Command::new(program)
            .args(["-n", "-f", &config, "-i", &folder.path("pid")])
            .stderr(Stdio::null())
            .spawn()
            .expect("rsyslog starts");
        // Nobody sends on this channel: it is only waited on between two tries.
        let (_nobody, tries) = mpsc::channel::<()>();
        while TcpStream::connect(address).is_err() {
            assert!(child.try_wait().expect("a child").is_none(), "rsyslog ended");
            let _ = tries.recv_timeout(Duration::from_millis(20));
        }
        Some(Self { child, target: format!("tcp://{address}") })
    }

    /// Ends it in order, so that it writes what it still has.
    fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        self.child.wait().expect("it ends");
    }
}

#[test]
fn rsyslog_takes_a_replay_in_either_framing() {
    let folder = Folder::new();
    let Some(rsyslog) = Rsyslog::start(&folder) else {
        eprintln!("skipped: rsyslogd is not installed (cargo xtask setup --all)");
        return;
    };
    let cap = folder.file("a.cap", sixteen("\n").repeat(100));
    for framing in ["as-is", "octets"] {
        let flags = ["--speed", "max", "--framing", framing];
        let arguments = [&["replay", &cap, "--to", &rsyslog.target], &flags[..]].concat();
        let outcome = capture(&arguments);
        assert!(outcome.stderr.contains("the peer confirmed"), "{}", outcome.said());
    }
    rsyslog.end();
    assert_eq!(folder.read("received"), sixteen("\n").repeat(200));
}

/// Whatever the door, and whether the last record has an end or not.
#[test]
fn what_comes_by_files_is_captured_too() {
    let guests = ["--module", "report", "--listener", "csv", "--output", "rows"];
    let lines =
        "<38>1 2024-12-10T06:00:00Z a app - - - one\n<38>1 2024-12-10T06:00:01Z a app - - - two";
    let site = Site::new("captured-file").with(&guests).with(&["--file", "log", "--capture", "c"]);
    site.put("log", lines);
    site.run();
    assert_eq!(fs::read_to_string(site.folder().join("c")).expect("a capture"), lines);
    let site = Site::new("captured-follow").with(&guests).with(&[
        "--follow",
        "log",
        "--control",
        "control.sock",
        "--capture",
        "c",
    ]);
    site.put("log", format!("{lines}\n"));
    let engine = site.start();
    site.until_rows("report-notice.csv", 2);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    let captured = fs::read_to_string(site.folder().join("c")).expect("a capture");
    assert_eq!(captured, format!("{lines}\n"));
}

/// Otherwise the next try would be refused because of the file that this one left.
#[test]
fn a_run_that_can_not_begin_leaves_no_capture() {
    let folder = Folder::new();
    let (to, none) = (folder.path("c"), folder.path("none.log"));
    let arguments = ["run", "--module", "report", "--file", &none, "--capture", &to];
    let outcome = Run::of(DEADLINE, &arguments).and_then(Run::go).expect("the program runs");
    assert_eq!(outcome.code, Some(4), "{}", outcome.said());
    assert!(!Path::new(&to).exists(), "{to}");
}
