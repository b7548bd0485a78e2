//! A real engine as a service manager sees it: it says when it is ready, is asked and told, confines itself, and ends.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use correlator_tests::engine::binary;
use correlator_tests::wait;
use serde_json::Value;

const DEADLINE: Duration = Duration::from_mins(1);
/// How often it is looked at whether an engine that says nothing still lives.
const LOOK: Duration = Duration::from_millis(100);
/// The service manager's socket, in an engine's folder.
const MANAGER: &str = "notify.sock";

const LINES: &str = "\
Jun 10 07:10:01 host sshd[1]: Failed password for root from 192.0.2.4 port 22 ssh2
Jun 10 07:10:02 host sshd[1]: Failed password for root from 192.0.2.4 port 22 ssh2
";

const STACK: &str = "\
state: state
control: { socket: run/control.sock }
sources:
  auth: { file: logs/auth.log, follow: true }
modules: { sshd: {} }
listeners: { csv: { grants: { table: { directory: csv } } } }
";

/// Hears the engine as a manager does, at once, until the test has no more use for it.
fn manage(manager: &UnixDatagram, tell: &Sender<String>) {
    let mut bytes = [0; 4_096];
    while let Ok(count @ 1..) = manager.recv(&mut bytes) {
        let said = String::from_utf8_lossy(&bytes[..count]).into_owned();
        if said.lines().any(|line| tell.send(line.to_owned()).is_err()) {
            return;
        }
    }
}

/// An engine at work. It is killed if the test fails before it has ended.
struct Service {
    folder: PathBuf,
    /// The lines that the service manager was told.
    told: Receiver<String>,
    child: Child,
}

impl Service {
    fn new(name: &str, stack: &str, arguments: &[&str]) -> Self {
        let name = format!("correlator-service-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("logs")).expect("a folder");
        fs::write(folder.join("stack.yaml"), stack).expect("a stack");
        fs::write(folder.join("logs/auth.log"), LINES).expect("a log");
        let address = folder.join(MANAGER);
        let manager = UnixDatagram::bind(&address).expect("a manager's socket");
        let (tell, told) = mpsc::channel();
        thread::spawn(move || manage(&manager, &tell));
        let child = Command::new(binary().expect("a binary"))
            .args(["run", "stack.yaml"])
            .args(arguments)
            .current_dir(&folder)
            .env("NOTIFY_SOCKET", &address)
            .env("WATCHDOG_USEC", "1000000")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut service = Self { folder, told, child };
        service.wait_for("READY=1");
        service
    }

    /// Waits until the manager is told this.
    fn wait_for(&mut self, word: &str) {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            match self.told.recv_timeout(LOOK) {
                Ok(line) if line == word => return,
                Ok(_) => {}
                Err(_) if matches!(self.child.try_wait(), Ok(Some(_))) => break,
                Err(_) => {}
            }
        }
        let _ = self.child.kill();
        panic!("the manager was not told {word}: {}", self.complaints());
    }

    /// All that an engine complained of that has ended.
    fn complaints(&mut self) -> String {
        let mut complaints = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut complaints).expect("read");
        complaints
    }

    /// What a client of this engine says, and its exit code.
    fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(binary().expect("a binary"))
            .args(arguments)
            .args(["--socket", "run/control.sock"])
            .current_dir(&self.folder)
            .output()
            .expect("it starts");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    fn status(&self) -> Value {
        let (code, said) = self.ask(&["status", "--json"]);
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str(&said).expect("JSON")
    }

    /// What the kernel says of the process.
    fn kernel(&self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives")
    }

    /// Ends the engine by `stop`, and returns what it complained of.
    fn stop(mut self) -> String {
        let (code, said) = self.ask(&["stop"]);
        assert_eq!(code, Some(0), "{said}");
        self.wait_for("STOPPING=1");
        let status = self.child.wait().expect("it ends");
        let complaints = self.complaints();
        assert_eq!(status.code(), Some(0), "{complaints}");
        assert!(!self.folder.join("run/control.sock").exists(), "its socket goes with it");
        complaints
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // One that has ended can't be killed; that is all that can go wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Nothing at all is what ends the manager.
        let end = UnixDatagram::unbound();
        let _ = end.and_then(|end| end.send_to(&[], self.folder.join(MANAGER)));
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_service_is_ready_confined_alive_and_ends_when_told() {
    let mut service = Service::new("whole", STACK, &[]);
    let kernel = service.kernel();
    assert!(kernel.contains("NoNewPrivs:\t1"), "{kernel}");
    if fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").is_ok() {
        assert!(kernel.contains("Seccomp:\t2"), "{kernel}");
    } else {
        eprintln!("skipped: this kernel has no seccomp");
    }
    service.wait_for("WATCHDOG=1");
    service.wait_for("WATCHDOG=1");
    let status = service.status();
    assert_eq!(status["pid"], service.child.id());
    assert_eq!(status["live"], true);
    assert_eq!(status["modules"][0]["name"], "sshd");
    let (code, said) = service.ask(&["modules", "disable", "sshd"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(service.status()["modules"][0]["state"], "disabled");
    assert_eq!(service.ask(&["modules", "enable", "nope"]).0, Some(2));
    let (code, said) = service.ask(&["modules", "enable", "sshd"]);
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(service.status()["modules"][0]["state"], "disabled");
    let (code, said) = service.ask(&["checkpoint"]);
    assert_eq!(code, Some(0), "{said}");
    service.stop();
}

#[test]
fn an_engine_gives_signs_of_life_while_it_takes_up_a_stack() {
    let stack = STACK.replace("{ sshd: {} }", "{ sshd: {}, report: {} }");
    // A log is no folder: rows wait, and so does the module that they come from until it may go.
    let stack = stack.replace("directory: csv", "directory: logs/auth.log");
    let mut service = Service::new("takes", &stack, &[]);
    wait::until("events wait", || {
        (service.status()["listeners"][0]["lag_events"].as_u64()? > 0).then_some(())
    });
    fs::write(service.folder.join("stack.yaml"), stack.replace(", report: {}", ""))
        .expect("a stack");
    service.wait_for("RELOADING=1");
    for _ in 0..3 {
        service.wait_for("WATCHDOG=1");
        assert!(service.status()["listeners"].is_array(), "it answers");
    }
    service.wait_for("READY=1");
}

#[test]
fn a_component_is_compiled_by_a_confined_engine_and_others_files_stay_closed() {
    let service = Service::new("reload", STACK, &["--no-cache"]);
    let outside = std::env::temp_dir().join(format!("correlator-outside-{}", std::process::id()));
    fs::create_dir_all(&outside).expect("a folder");
    fs::write(outside.join("x.log"), LINES).expect("a log");
    // The new module has to be compiled: by a child, which is this program again.
    let added = STACK.replace("{ sshd: {} }", "{ sshd: {}, again: { module: capture } }");
    fs::write(service.folder.join("stack.yaml"), &added).expect("a stack");
    let (code, said) = service.ask(&["reload"]);
    assert_eq!(code, Some(0), "{said}");
    let names: Vec<_> = service.status()["modules"].as_array().expect("modules").clone();
    assert!(names.iter().any(|module| module["name"] == "again"), "{names:?}");
    // What the stack did not name at the start is out of reach, and that is told.
    let source =
        format!("  other: {{ file: {}/x.log, follow: true }}\nmodules:", outside.display());
    let reaching = added.replace("modules:", &source);
    fs::write(service.folder.join("stack.yaml"), reaching).expect("a stack");
    let (_, said) = service.ask(&["reload"]);
    let complaints = service.stop() + &said;
    fs::remove_dir_all(&outside).expect("removed");
    if complaints.contains("the kernel has no Landlock") {
        eprintln!("skipped: this kernel has no Landlock, so nothing is out of reach");
    } else {
        assert!(complaints.contains("Permission denied"), "{complaints}");
    }
}

#[test]
fn metrics_and_health_are_served() {
    // A port that the kernel has just called free.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let metrics = free.local_addr().expect("an address");
    drop(free);
    let door = format!("control.sock, metrics: '{metrics}'");
    let service = Service::new("metrics", &STACK.replace("control.sock", &door), &[]);
    let get = |path: &str| {
        let mut stream = TcpStream::connect(metrics).expect("metrics are served");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an answer");
        said
    };
    let page = get("/metrics");
    assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
    for expected in [
        "# TYPE correlator_records_total counter\ncorrelator_records_total ",
        "correlator_module_state{module=\"sshd\",state=\"suspended\"} 0\n",
        "correlator_source_records_total{source=\"auth\"",
    ] {
        assert!(page.contains(expected), "{expected} in\n{page}");
    }
    assert!(get("/health").ends_with("\r\n\r\nok\n"));
    service.stop();
}
