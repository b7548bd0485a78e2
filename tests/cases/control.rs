//! The commands that ask a running engine, against an engine that is played here, to the letter of the protocol.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use correlator_tests::engine::{Outcome, Run, binary};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(30);

/// An engine that answers as it is told, and remembers what it was asked.
struct Played {
    socket: PathBuf,
    asked: Receiver<Value>,
    playing: Option<JoinHandle<()>>,
}

impl Played {
    /// Answers as many connections, each with any number of requests.
    fn new(
        name: &str,
        connections: usize,
        answer: impl Fn(&Value) -> Value + Send + 'static,
    ) -> Self {
        let name = format!("correlator-played-{name}-{}.sock", std::process::id());
        let socket = std::env::temp_dir().join(name);
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (tell, asked) = mpsc::channel();
        let path = socket.clone();
        let playing = thread::spawn(move || {
            for _ in 0..connections {
                let (stream, _) = listener.accept().expect("a client");
                serve(&stream, &answer, |request| tell.send(request).expect("the test waits"));
            }
            drop(listener);
            let _ = fs::remove_file(path);
        });
        Self { socket, asked, playing: Some(playing) }
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let socket = self.socket.to_str().expect("a name");
        let run = Run::of(DEADLINE, arguments).expect("a folder").with(&["--socket", socket]);
        run.go().expect("it runs")
    }

    /// What was asked, in order, when all that was played is over.
    fn asked(mut self) -> Vec<Value> {
        self.playing.take().expect("once").join().expect("no panic");
        self.asked.try_iter().collect()
    }
}

fn serve(stream: &UnixStream, answer: &impl Fn(&Value) -> Value, tell: impl Fn(Value)) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        let request: Value = serde_json::from_str(&line).expect("a line of JSON");
        let said = answer(&request);
        tell(request);
        writeln!(&*stream, "{said}").expect("the client listens");
        if said.get("bye").is_some() {
            return;
        }
    }
}

fn result(result: &Value) -> Value {
    json!({ "version": 1, "result": result })
}

fn status() -> Value {
    let guest = json!({
        "name": "sshd", "component": "sshd", "version": "0.1.0", "state": "suspended",
        "position": 900, "lag_seconds": 2.5, "handed": 900, "failures": 5, "set_aside": 1,
        "last_failure": "trapped: unreachable", "fuel": 1_000_000, "memory_bytes": 1_048_576,
        "turns": 12, "turn_seconds": 0.1, "last_checkpoint_seconds": 4.0, "state_bytes": 64,
        "lag_records": 1_234, "events": 30,
    });
    let source = json!({
        "name": "net", "kind": "tcp", "place": "127.0.0.1:514", "state": "open",
        "records": 2_134, "bytes": 200_000, "unparsed": 0, "cut": 2, "invalid_utf8": 0, "late": 0,
        "connections_open": 3, "connections": 4, "connections_failed": 0, "dropped_by_kernel": 0,
        "last_record": null, "error": null,
    });
    json!({
        "version": "0.1.0", "pid": 1, "stack": "stack.yaml", "state": null,
        "started": "2026-01-01T00:00:00Z", "uptime_seconds": 7_300.0, "live": true,
        "time": "2026-01-01T02:00:00Z", "records": 2_134, "bytes": 200_000,
        "record_spool": null, "event_spool": null, "sources": [source], "modules": [guest],
        "listeners": [], "dead_letters": 1, "dropped": 0,
    })
}

#[test]
fn the_status_is_a_page_for_people_and_json_for_programs() {
    let played = Played::new("status", 2, |_| result(&status()));
    let outcome = played.run(&["status"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for expected in
        ["correlator 0.1.0", "up 2 h", "suspended", "1,234", "! net: 2 cut", "unreachable"]
    {
        assert!(outcome.stdout.contains(expected), "{expected} in\n{}", outcome.stdout);
    }
    assert!(outcome.stdout.lines().all(|line| line.chars().count() <= 100), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains('\x1b'), "no colours where nobody sees them");
    let outcome = played.run(&["status", "--json"]);
    let said: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(said, status());
    let request = json!({ "version": 1, "command": "status" });
    assert_eq!(played.asked(), [request.clone(), request]);
}

#[test]
fn a_watch_ends_with_whoever_looks_at_it() {
    let engine = Played::new("watched", 1, |_| result(&status()));
    let mut watch = Command::new(binary().expect("a binary"))
        .args(["status", "--watch", "--socket"])
        .arg(&engine.socket)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let mut page = BufReader::new(watch.stdout.take().expect("a pipe"));
    page.read_line(&mut line).expect("a page");
    assert!(line.contains("correlator"), "{line}");
    drop(page);
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(watch.wait().expect("it was started").code()));
    assert_eq!(ended.recv_timeout(DEADLINE), Ok(Some(0)));
    drop(engine.asked());
}

#[test]
fn what_can_not_be_written_is_no_success() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    for arguments in [&["modules"][..], &["modules", "--json"], &["--help"]] {
        let mut command = Command::new(binary().expect("a binary"));
        let status = command.args(arguments).stdout(full()).stderr(Stdio::null()).status();
        let status = status.expect("it runs");
        assert_eq!(status.code(), Some(4), "{arguments:?}");
    }
}

#[test]
fn commands_are_handed_on_and_their_answers_are_told() {
    let check = |arguments: &[&str], request: Value| {
        let played = Played::new("told", 1, |_| result(&json!({ "message": "it is done" })));
        let outcome = played.run(arguments);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "it is done\n");
        assert_eq!(played.asked(), [request]);
    };
    check(&["reload"], json!({ "version": 1, "command": "reload" }));
    check(&["checkpoint"], json!({ "version": 1, "command": "checkpoint" }));
    let named = |command: &str| json!({ "version": 1, "command": command, "name": "sshd" });
    check(&["modules", "enable", "sshd"], named("enable"));
    check(&["modules", "disable", "sshd"], named("disable"));
    check(&["modules", "release", "sshd"], named("release"));
    let letter = |command: &str| json!({ "version": 1, "command": command, "id": "sshd-00" });
    check(&["dead", "retry", "sshd-00"], letter("dead-retry"));
    check(&["dead", "drop", "sshd-00"], letter("dead-drop"));
}

#[test]
fn what_an_engine_refuses_is_told_with_its_own_exit_code() {
    let refusal = json!({ "version": 1, "error": "there is no module `nope`" });
    let played = Played::new("refused", 1, move |_| refusal.clone());
    let outcome = played.run(&["modules", "enable", "nope"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert_eq!(outcome.stderr, "error: there is no module `nope`\n");
    played.asked();
}

#[test]
fn stop_waits_until_the_engine_is_gone() {
    let played = Played::new(
        "stop",
        1,
        |_| json!({ "version": 1, "result": { "message": "stopped" }, "bye": true }),
    );
    let outcome = played.run(&["stop"]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(0), "stopped\n"),
        "{}",
        outcome.stderr
    );
    played.asked();
}

#[test]
fn where_no_engine_runs_that_is_said() {
    let nobody = "/proc/none/control.sock";
    for arguments in [&["status"][..], &["reload"], &["stop"], &["modules", "enable", "sshd"]] {
        let run = Run::of(DEADLINE, arguments).expect("a folder").with(&["--socket", nobody]);
        let outcome = run.go().expect("it runs");
        assert_eq!(outcome.code, Some(4), "{arguments:?}");
        assert!(
            outcome.stderr.contains("no engine runs at /proc/none/control.sock"),
            "{}",
            outcome.stderr
        );
    }
}

/// A letter as the engine keeps it.
fn letter(folder: &Path) -> String {
    let id = "sshd-00000000000000ff";
    let letter = json!({
        "id": id, "module": "sshd", "component": "sshd", "component_digest": "00ff",
        "kind": "record", "sequence": 255, "source": "auth", "position": 4_096,
        "time": "2026-01-01T00:00:00Z", "raw": { "hex": "73ff1b5b326a" },
        "failure": "trapped: unreachable", "backtrace": ["sshd::parse"],
        "when": "2026-01-01T00:00:01Z",
    });
    fs::create_dir_all(folder.join("dead")).expect("a folder");
    let path = folder.join("dead").join(format!("{id}.json"));
    fs::write(path, letter.to_string()).expect("a letter");
    id.to_owned()
}

#[test]
fn dead_letters_are_looked_at_and_dropped_without_an_engine() {
    let folder = std::env::temp_dir().join(format!("correlator-letters-{}", std::process::id()));
    let id = letter(&folder);
    let state = folder.to_str().expect("a name");
    let run = |arguments: &[&str]| {
        let run = Run::of(DEADLINE, arguments).expect("a folder").with(&["--state", state]);
        run.go().expect("it runs")
    };
    let listed = run(&["dead", "list"]);
    assert!(
        listed.stdout.contains(&id) && listed.stdout.contains("1 dead letter;"),
        "{}",
        listed.stdout
    );
    let shown = run(&["dead", "show", &id]);
    for expected in ["trapped: unreachable", "in sshd::parse", "s\\xff\\u{1b}[2j"] {
        assert!(shown.stdout.contains(expected), "{expected} in\n{}", shown.stdout);
    }
    let shown = run(&["dead", "show", &id, "--json"]);
    let value: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(value["raw"]["hex"], "73ff1b5b326a");
    assert_eq!(run(&["dead", "show", "../x"]).code, Some(2));
    let dropped = run(&["dead", "drop", &id]);
    assert_eq!(dropped.stdout, format!("dropped {id}\n"), "{}", dropped.stderr);
    assert_eq!(run(&["dead", "drop", &id]).code, Some(2));
    assert_eq!(run(&["dead", "list"]).stdout, "no dead letters\n");
    fs::remove_dir_all(&folder).expect("removed");
    let mistyped = run(&["dead", "list"]);
    assert_eq!((mistyped.code, mistyped.stdout.as_str()), (Some(2), ""), "{}", mistyped.stderr);
}
