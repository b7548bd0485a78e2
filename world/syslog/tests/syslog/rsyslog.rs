//! A real rsyslog: what it understands of what it is sent, over TCP, TLS, UDP and a Unix socket.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use correlator_tests::world::papers::papers;
use correlator_world::{Capability, Cell, Request};

use crate::{deliver, expect, request, skip, syslog, text, until};

/// Messages of each way.
const MESSAGES: usize = 500;
/// The same over UDP, which would lose more.
const DATAGRAMS: usize = 50;

/// A server of the test's own.
struct Rsyslog {
    folder: PathBuf,
    program: PathBuf,
    /// TCP, TLS, UDP.
    ports: [u16; 3],
    running: Option<Child>,
}

impl Rsyslog {
    fn new() -> Option<Self> {
        let found = ["/usr/sbin/rsyslogd", "/usr/local/sbin/rsyslogd"].map(PathBuf::from);
        let Some(program) = found.into_iter().find(|path| path.is_file()) else {
            skip("rsyslogd is not installed (`cargo xtask setup --all` does so)");
            return None;
        };
        let drivers = Path::new("/usr/lib/x86_64-linux-gnu/rsyslog");
        let mut drivers = ["gtls", "ossl"]
            .into_iter()
            .filter(|name| drivers.join(format!("lmnsd_{name}.so")).is_file());
        let Some(driver) = drivers.next() else {
            skip("rsyslog has no driver for TLS (the package rsyslog-gnutls)");
            return None;
        };
        let folder =
            std::env::temp_dir().join(format!("correlator-rsyslog-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        papers(&folder);
        let tcp = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address").port()
        };
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let ports = [tcp(), tcp(), udp.local_addr().expect("an address").port()];
        drop(udp);
        let mut text = CONFIGURATION.replace("FOLDER", &folder.display().to_string());
        for (name, value) in ["PORT0", "PORT1", "PORT2"].iter().zip(ports) {
            text = text.replace(name, &value.to_string());
        }
        fs::write(folder.join("conf"), text.replace("DRIVER", driver)).expect("written");
        let mut server = Self { folder, program, ports, running: None };
        server.start();
        Some(server)
    }

    fn start(&mut self) {
        let told = fs::File::create(self.folder.join("told")).expect("a file");
        let mut command = Command::new(&self.program);
        command.arg("-n").arg("-f").arg(self.folder.join("conf"));
        command.arg("-i").arg(self.folder.join("pid"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(told);
        self.running = Some(command.spawn().expect("started"));
        until("rsyslog", || {
            let ports = self.ports[..2].iter();
            let mut open = ports.map(|port| std::net::TcpStream::connect(("127.0.0.1", *port)));
            open.all(|connected| connected.is_ok()) && self.folder.join("log.sock").exists()
        });
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits for so many lines of what it understood, noise of others apart.
    fn lines(&self, count: usize, what: &str) -> Vec<String> {
        let read = || {
            let text = fs::read_to_string(self.folder.join("out")).unwrap_or_default();
            let lines = text.lines().filter(|line| line.contains("|tester|correlator|"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        until(what, || read().len() >= count);
        read()
    }

    fn forget(&self) {
        fs::write(self.folder.join("out"), "").expect("written");
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const CONFIGURATION: &str = r#"global(workDirectory="FOLDER" defaultNetstreamDriver="DRIVER" defaultNetstreamDriverCAFile="FOLDER/ca.pem" defaultNetstreamDriverCertFile="FOLDER/c.pem" defaultNetstreamDriverKeyFile="FOLDER/k.pem")
module(load="imtcp")
module(load="imudp")
module(load="imuxsock" SysSock.Use="off")
input(type="imtcp" address="127.0.0.1" port="PORT0" StreamDriver.Name="ptcp" StreamDriver.Mode="0")
input(type="imtcp" address="127.0.0.1" port="PORT1" StreamDriver.Name="DRIVER" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
input(type="imudp" address="127.0.0.1" port="PORT2")
input(type="imuxsock" Socket="FOLDER/log.sock" UseSpecialParser="off" UseSysTimeStamp="off" IgnoreTimestamp="off" ParseHostname="on" RateLimit.Interval="0")
template(name="out" type="string" string="%pri%|%timereported:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\n")
action(type="omfile" file="FOLDER/out" template="out" flushOnTXEnd="on")
"#;

/// A message with everything in it.
fn full(n: usize) -> Request {
    request(
        &format!("m:{n}#0"),
        &[
            ("severity", text("warning")),
            ("message", text(&format!("user \"a]\\\" \n failed {n}"))),
            ("event", text("login_failed")),
            ("module", text("sshd")),
            ("time", Cell::Time(1_676_923_967_123_456_789)),
            ("fields", text(r#"{"count":3,"user":"a\"]\\\n"}"#)),
        ],
    )
}

/// What rsyslog should have understood of it.
fn understood(n: usize) -> String {
    let data = format!(
        "[correlator@32473 id=\"m:{n}#0\" event=\"login_failed\" module=\"sshd\" count=\"3\" user=\"a\\\"\\]\\\\\\\\n\"]"
    );
    let text = format!("user \"a]\\\" \\n failed {n}");
    format!("132|2023-02-20T20:12:47.123456Z|tester|correlator|-|login_failed|{data}|{text}")
}

fn check(server: &Rsyslog, target: &str, count: usize, what: &str) {
    server.forget();
    let mut syslog = syslog(target);
    let all: Vec<Request> = (0..count).map(full).collect();
    for some in all.chunks(100) {
        expect(&deliver(&mut syslog, some), "done", "");
    }
    assert_eq!(syslog.close(), [], "{what}");
    let lines = server.lines(count, what);
    let expected: Vec<String> = (0..count).map(understood).collect();
    assert!(lines == expected, "{what}: {:?} and not {:?}", lines.first(), expected.first());
}

#[test]
fn messages_arrive_as_they_are() {
    let Some(mut server) = Rsyslog::new() else { return };
    let [tcp, tls, udp] = server.ports;
    let plain = format!("address: '127.0.0.1:{tcp}', transport: tcp");
    check(&server, &plain, MESSAGES, "TCP");
    let ca = server.folder.join("ca.pem").display().to_string();
    let secured =
        format!("address: '127.0.0.1:{tls}', transport: tls, server_name: localhost, ca: '{ca}'");
    check(&server, &secured, MESSAGES, "TLS");
    check(&server, &format!("address: '127.0.0.1:{udp}', transport: udp"), DATAGRAMS, "UDP");
    let path = server.folder.join("log.sock").display().to_string();
    check(&server, &format!("address: '{path}', transport: unix"), MESSAGES, "a Unix socket");

    server.forget();
    let mut cef = syslog(&format!("{plain}, format: cef, extensions: {{user: suser}}"));
    expect(&deliver(&mut cef, &[full(7)]), "done", "");
    let line = server.lines(1, "CEF").remove(0);
    let head =
        format!("|-|CEF:0|Correlator|Correlator|{}|login_failed|", env!("CARGO_PKG_VERSION"));
    assert!(line.contains(&head), "{line}");
    let extensions =
        "|5|rt=1676923967123 externalId=m:7#0 cat=sshd count=3 suser=a\"]\\\\\\n msg=user";
    assert!(line.contains(extensions), "{line}");

    // Somebody else, and a name that is not its own.
    let other = secured.replace("server_name: localhost", "server_name: other.example");
    expect(&deliver(&mut syslog(&other), &[full(0)]), "later", "certificate");

    // It stops, in order, and comes back: nothing is missing, and nothing comes twice.
    for target in [&plain, &secured] {
        server.forget();
        let mut syslog = syslog(target);
        expect(&deliver(&mut syslog, &[full(1)]), "done", "");
        server.lines(1, target);
        server.stop();
        expect(&deliver(&mut syslog, &[full(2)]), "later", "Connection refused");
        server.start();
        expect(&deliver(&mut syslog, &[full(2)]), "done", "");
        let lines = server.lines(2, "those after the stop");
        assert_eq!(lines, [understood(1), understood(2)]);
    }

    // At last, as rsyslog is slow with others after what it can't understand: TLS where none is spoken.
    let plain_to_tls = secured.replace(&tls.to_string(), &tcp.to_string());
    let outcomes = deliver(&mut syslog(&format!("{plain_to_tls}, timeout: 1s")), &[full(0)]);
    expect(&outcomes, "later", "over TLS");
}
