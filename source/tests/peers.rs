//! Real senders: what rsyslog, syslog-ng, loggen, logger and OpenSSL send over every door arrives, all of it.
//!
//! Those that are not installed are skipped, and the test says so.

#[path = "net/authority.rs"]
#[expect(dead_code, reason = "these serve another test too")]
mod authority;
#[path = "net/support.rs"]
#[expect(dead_code, reason = "these serve another test too")]
mod support;

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use correlator_source::clock;
use correlator_source::settings::Address;
use rustix::event::poll;
use rustix::time::Timespec;

use self::authority::Authority;
use self::support::{PATIENCE, Running, datagram, limits, loopback, path, stream};

/// Records that a test sends.
const RECORDS: usize = 5000;
/// The same over UDP, which would lose more.
const DATAGRAMS: usize = 500;

/// A program that is ended with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program of this name, if it is there.
#[expect(clippy::print_stderr, reason = "what is skipped is told")]
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(system).map(|folder| folder.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed (`cargo xtask setup --all` does so)");
    }
    found
}

/// Runs a program to its end, with this on its standard input.
fn run(command: &mut Command, input: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ended");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {told}", output.status);
}

/// Waits for something that another program does.
fn until(what: &str, holds: impl Fn() -> bool) {
    let step = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    let start = clock::instant();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        let _ = poll(&mut [], Some(&step));
    }
}

/// All messages have come, each once, and nothing else that looks like one.
fn all_came(running: &Running, count: usize, what: &str) {
    let message = |text: &str| text.split("message ").nth(1)?.parse::<usize>().ok();
    let state = running.taken.after(what, |state| state.records.len() >= count);
    let mut numbers: Vec<_> = state.texts().iter().filter_map(|text| message(text)).collect();
    numbers.sort_unstable();
    assert!(numbers == (0..count).collect::<Vec<_>>(), "{what}: {} messages", numbers.len());
    assert_eq!((state.counts.unparsed, state.counts.cut), (0, 0), "{what}");
}

fn messages(count: usize) -> String {
    numbered(count, "")
}

fn numbered(count: usize, before: &str) -> String {
    (0..count).fold(String::new(), |text, n| text + &format!("{before}message {n}\n"))
}

/// The sources that take connections and datagrams, and their ports.
fn tcp() -> (Running, String) {
    let running = Running::tcp();
    let port = running.address.expect("an address").port().to_string();
    (running, port)
}

fn udp() -> (Running, String) {
    let running = Running::new(&datagram(loopback(), 4 << 20));
    let port = running.address.expect("an address").port().to_string();
    (running, port)
}

#[test]
fn logger() {
    let Some(logger) = program("logger") else { return };
    for (what, arguments) in [
        ("lines", &["--tcp"][..]),
        ("octet counts", &["--tcp", "--octet-count"]),
        ("lines, RFC 3164", &["--tcp", "--rfc3164"]),
        ("octet counts, RFC 3164", &["--tcp", "--octet-count", "--rfc3164"]),
    ] {
        let (running, port) = tcp();
        let mut command = Command::new(&logger);
        command.args(["--server", "127.0.0.1", "--port", &port]).args(arguments);
        run(&mut command, &messages(RECORDS));
        all_came(&running, RECORDS, what);
    }
    for (what, arguments) in [("datagrams", &["--udp"][..]), ("RFC 3164", &["--udp", "--rfc3164"])]
    {
        let (running, port) = udp();
        let mut command = Command::new(&logger);
        command.args(["--server", "127.0.0.1", "--port", &port]).args(arguments);
        run(&mut command, &messages(DATAGRAMS));
        all_came(&running, DATAGRAMS, what);
    }
    for kind in ["stream", "datagram"] {
        let path = path("logger.sock");
        let address = Address::Path(path.clone(), 0o600);
        let running = Running::new(&match kind {
            "stream" => stream(address, limits(), None),
            _ => datagram(address, 1 << 20),
        });
        let mut command = Command::new(&logger);
        command.arg("--socket").arg(&path);
        run(&mut command, &messages(RECORDS));
        all_came(&running, RECORDS, kind);
    }
}

/// A configuration that sends what comes by a local socket over the network.
struct Relay {
    folder: PathBuf,
    socket: PathBuf,
}

impl Relay {
    fn new() -> Self {
        let folder = path("relay");
        fs::create_dir_all(&folder).expect("a folder");
        Self { socket: folder.join("in.sock"), folder }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// Gives it messages, as local programs would.
    fn feed(&self, count: usize) {
        let sender = UnixDatagram::unbound().expect("a socket");
        until("the relay", || sender.connect(&self.socket).is_ok());
        for n in 0..count {
            let text = format!("<86>Dec 10 06:55:46 sshd[24200]: message {n}");
            sender.send(text.as_bytes()).expect("sent");
        }
    }

    fn start(&self, command: &mut Command) -> Peer {
        let told = fs::File::create(self.folder.join("told")).expect("a file");
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(told);
        Peer(command.spawn().expect("started"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn rsyslog(
    program: &Path,
    global: &str,
    action: &str,
    running: &Running,
    count: usize,
    what: &str,
) {
    let relay = Relay::new();
    let port = running.address.expect("an address").port();
    let configuration = relay.file(
        "rsyslog.conf",
        &format!(
            "global(workDirectory=\"{}\" {global})\nmodule(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{}\" RateLimit.Interval=\"0\")\naction(type=\"omfwd\" target=\"127.0.0.1\" port=\"{port}\" {action})\n",
            relay.folder.display(),
            relay.socket.display(),
        ),
    );
    let mut command = Command::new(program);
    command.arg("-n").arg("-f").arg(configuration).arg("-i").arg(relay.folder.join("pid"));
    let _peer = relay.start(&mut command);
    relay.feed(count);
    all_came(running, count, what);
}

#[test]
fn rsyslog_over_plain_doors() {
    let Some(program) = program("rsyslogd") else { return };
    for (what, action) in [
        ("lines", "protocol=\"tcp\""),
        ("octet counts", "protocol=\"tcp\" TCP_Framing=\"octet-counted\""),
        (
            "RFC 5424",
            "protocol=\"tcp\" TCP_Framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\"",
        ),
        ("NUL", "protocol=\"tcp\" TCP_FrameDelimiter=\"0\""),
    ] {
        rsyslog(&program, "", action, &tcp().0, RECORDS, what);
    }
    rsyslog(&program, "", "protocol=\"udp\"", &udp().0, DATAGRAMS, "datagrams");
}

#[test]
fn rsyslog_over_tls() {
    let Some(program) = program("rsyslogd") else { return };
    let authority = Authority::new();
    let drivers = Path::new("/usr/lib/x86_64-linux-gnu/rsyslog");
    let driver = ["gtls", "ossl"]
        .into_iter()
        .find(|driver| drivers.join(format!("lmnsd_{driver}.so")).is_file());
    let Some(driver) = driver else {
        eprintln!("skipped: rsyslog has no driver for TLS (the package rsyslog-gnutls)");
        return;
    };
    let (certificate, key) = authority.sign("client", &["client.example.org"]);
    let global = format!(
        "defaultNetstreamDriver=\"{driver}\" defaultNetstreamDriverCAFile=\"{}\" defaultNetstreamDriverCertFile=\"{}\" defaultNetstreamDriverKeyFile=\"{}\"",
        authority.folder.join("ca.pem").display(),
        authority.write("client.pem", &certificate).display(),
        authority.write("client.key", &key).display(),
    );
    let action = "protocol=\"tcp\" TCP_Framing=\"octet-counted\" StreamDriver=\"DRIVER\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"localhost\"";
    let action = action.replace("DRIVER", driver);
    for clients in [None, Some(&["*.example.org"][..])] {
        let running = authority.serve(clients);
        rsyslog(&program, &global, &action, &running, RECORDS, "TLS");
    }
}

fn syslog_ng(program: &Path, destination: &str, running: &Running, count: usize, what: &str) {
    let relay = Relay::new();
    let port = running.address.expect("an address").port();
    let destination = destination.replace("PORT", &port.to_string());
    let configuration = relay.file(
        "syslog-ng.conf",
        &format!(
            "@version: 3.38\noptions {{ stats-freq(0); }};\nsource in {{ unix-dgram(\"{}\"); }};\ndestination out {{ {destination}; }};\nlog {{ source(in); destination(out); flags(flow-control); }};\n",
            relay.socket.display(),
        ),
    );
    let mut command = Command::new(program);
    command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(configuration);
    for (option, name) in
        [("--persist-file", "persist"), ("--control", "ctl"), ("--pidfile", "pid")]
    {
        command.arg(option).arg(relay.folder.join(name));
    }
    let _peer = relay.start(&mut command);
    relay.feed(count);
    all_came(running, count, what);
}

#[test]
fn syslog_ng_over_all_doors() {
    let Some(program) = program("syslog-ng") else { return };
    for (what, destination) in [
        ("octet counts", "syslog(\"127.0.0.1\" port(PORT) transport(\"tcp\"))"),
        ("lines", "network(\"127.0.0.1\" port(PORT) transport(\"tcp\"))"),
    ] {
        syslog_ng(&program, destination, &tcp().0, RECORDS, what);
    }
    let destination = "network(\"127.0.0.1\" port(PORT) transport(\"udp\"))";
    syslog_ng(&program, destination, &udp().0, DATAGRAMS, "datagrams");
    let authority = Authority::new();
    let (certificate, key) = authority.sign("client", &["client.example.org"]);
    let destination = format!(
        "syslog(\"localhost\" port(PORT) ip-protocol(4) transport(\"tls\") tls(ca-file(\"{}\") cert-file(\"{}\") key-file(\"{}\") peer-verify(required-trusted)))",
        authority.folder.join("ca.pem").display(),
        authority.write("client.pem", &certificate).display(),
        authority.write("client.key", &key).display(),
    );
    for clients in [None, Some(&["client.example.org"][..])] {
        let running = authority.serve(clients);
        syslog_ng(&program, &destination, &running, RECORDS, "TLS");
    }
}

#[test]
fn loggen() {
    let Some(loggen) = program("loggen") else { return };
    let count = |running: &Running, what: &str, arguments: &[&str]| {
        let number = RECORDS.to_string();
        let mut command = Command::new(&loggen);
        command.args(["--rate", "100000", "--interval", "60", "--number", &number]).args(arguments);
        run(&mut command, "");
        let state = running.taken.after(what, |state| state.records.len() >= RECORDS);
        assert_eq!(state.records.len(), RECORDS, "{what}");
        assert_eq!((state.counts.unparsed, state.counts.cut), (0, 0), "{what}");
    };
    let (running, port) = tcp();
    count(&running, "lines", &["--inet", "--stream", "127.0.0.1", &port]);
    let (running, port) = tcp();
    count(&running, "octet counts", &["--syslog-proto", "--inet", "--stream", "127.0.0.1", &port]);
    let authority = Authority::new();
    let running = authority.serve(None);
    let port = running.address.expect("an address").port().to_string();
    count(&running, "TLS", &["--use-ssl", "127.0.0.1", &port]);
    for (kind, option) in [("stream", "--stream"), ("datagram", "--dgram")] {
        let path = path("loggen.sock");
        let address = Address::Path(path.clone(), 0o600);
        let running = Running::new(&match kind {
            "stream" => stream(address, limits(), None),
            _ => datagram(address, 1 << 20),
        });
        count(&running, kind, &["--unix", option, &path.display().to_string()]);
    }
}

#[test]
fn openssl() {
    let Some(openssl) = program("openssl") else { return };
    let authority = Authority::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let running = authority.serve(None);
        let port = running.address.expect("an address").port();
        let mut command = Command::new(&openssl);
        command.args(["s_client", "-quiet", "-no_ign_eof", version, "-verify_return_error"]);
        command.args(["-connect", &format!("127.0.0.1:{port}"), "-servername", "localhost"]);
        command.arg("-CAfile").arg(authority.folder.join("ca.pem"));
        run(&mut command, &numbered(DATAGRAMS, "<13>"));
        all_came(&running, DATAGRAMS, version);
    }
}
