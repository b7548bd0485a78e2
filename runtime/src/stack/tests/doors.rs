//! The doors of sources: what they come to, and what is said about wrong ones.

use std::time::Duration;

use correlator_record::framing::Framing;
use correlator_source::settings::{Address, Door, Source, SourcePath, StreamLimits, Tls};

use super::stack;
use crate::stack::address;

const REST: &str = "modules: { quiet: }\nlisteners: { log: { grants: { log: true } } }\n";

/// The problems of one source, which stands at column 15 of line 1.
fn check(source: &str, expected: &str) {
    super::check(&format!("sources: {{ a: {{ {source} }} }}\n{REST}"), expected);
}

/// The problems of several sources, from line 2.
fn check_all(sources: &str, expected: &str) {
    super::check(&format!("sources:\n{sources}\n{REST}"), expected);
}

fn source(text: &str) -> Source {
    let mut stack = stack(&format!("sources: {{ a: {{ {text} }} }}\n{REST}")).expect("it is good");
    stack.sources.remove(0)
}

const LIMITS: StreamLimits = StreamLimits {
    connections: 1_024,
    per_address: 1_008,
    idle: Some(Duration::from_hours(1)),
    bytes_in_flight: 1 << 20,
};

fn internet(text: &str) -> Address {
    Address::Internet(text.parse().expect("an address"))
}

#[test]
fn files() {
    let paths = vec![SourcePath::File("auth.log".into()), SourcePath::Glob("x*".into())];
    let door = Door::Files { paths, follow: true };
    let source = source("file: [auth.log, x*], follow: yes, lateness: 5s, idle_after: 1m");
    assert_eq!(source.door, door);
    assert!(source.door.is_live());
    assert_eq!((source.lateness, source.idle_after.as_secs()), (Duration::from_secs(5), 60));
    assert_eq!(source.typed, ["file", "follow", "lateness", "idle_after"]);
    check(
        "file: [x, '-'], follow: true",
        "stack.yaml:1:23: standard input can't be followed; remove `follow`: what comes by a pipe is read as it comes anyway",
    );
    check(
        "file: x, follow: sometimes",
        "stack.yaml:1:34: expected `true` or `false`, found `sometimes`",
    );
}

#[test]
fn defaults() {
    let source = source("file: x");
    assert_eq!((source.lateness, source.idle_after.as_secs()), (Duration::ZERO, 30));
    assert!(!source.door.is_live());
}

#[test]
fn streams() {
    let check = |text: &str, address: Address, limits: StreamLimits| {
        let door = Door::Stream { address, limits, tls: None };
        assert_eq!(source(text).door, door, "{text}");
    };
    check("tcp: 0.0.0.0:514", internet("0.0.0.0:514"), LIMITS);
    check("tcp: :514", internet("[::]:514"), LIMITS);
    check("tcp: systemd:syslog", Address::Inherited("syslog".into()), LIMITS);
    check(
        "tcp: localhost:0, connections: 5, idle: never, bytes_in_flight: 128KiB",
        internet("127.0.0.1:0"),
        StreamLimits { connections: 5, per_address: 5, idle: None, bytes_in_flight: 128 << 10 },
    );
    check(
        "tcp: localhost:0, connections: 65536, connections_per_address: 8",
        internet("127.0.0.1:0"),
        StreamLimits { connections: 65_536, per_address: 8, ..LIMITS },
    );
    let local = StreamLimits { idle: None, ..LIMITS };
    check("unix: /run/x.sock", Address::Path("/run/x.sock".into(), 0o660), local);
    check("unix: x.sock, mode: \"0600\"", Address::Path("x.sock".into(), 0o600), local);
    check("unix: x.sock, mode: 666, idle: 2m", Address::Path("x.sock".into(), 0o666), {
        StreamLimits { idle: Some(Duration::from_mins(2)), ..local }
    });
    check("unix: systemd:log, connections: 7", Address::Inherited("log".into()), {
        StreamLimits { connections: 7, per_address: 7, ..local }
    });
    assert_eq!(source("tcp: :1, framing: octets").framing, Some(Framing::Octets));
}

#[test]
fn secured() {
    let check = |text: &str, authority: Option<&str>, names: &[&str]| {
        let tls = Tls {
            certificate: "cert.pem".into(),
            key: "/etc/key.pem".into(),
            client_authority: authority.map(Into::into),
            client_names: names.iter().map(|&name| name.to_owned()).collect(),
        };
        let door = Door::Stream { address: internet("[::]:6514"), limits: LIMITS, tls: Some(tls) };
        let files = "certificate: cert.pem, key: /etc/key.pem";
        assert_eq!(source(&format!("tls: \"[::]:6514\", {files}{text}")).door, door, "{text}");
    };
    check("", None, &[]);
    check(", client_authority: ca.pem", Some("ca.pem"), &[]);
    check(", client_authority: ca.pem, client_names: host", Some("ca.pem"), &["host"]);
    let names = ["*.example.org", "a.b"];
    check(
        ", client_authority: ca.pem, client_names: ['*.example.org', a.b]",
        Some("ca.pem"),
        &names,
    );
}

#[test]
fn datagrams() {
    let check = |text: &str, address: Address, buffer_bytes: usize| {
        assert_eq!(source(text).door, Door::Datagram { address, buffer_bytes }, "{text}");
    };
    check("udp: 127.0.0.1:514", internet("127.0.0.1:514"), 16 << 20);
    check("udp: 127.0.0.1:514, buffer: 1MB", internet("127.0.0.1:514"), 1_000_000);
    check("unix_datagram: dev-log", Address::Path("dev-log".into(), 0o660), 16 << 20);
    check("unix_datagram: d, mode: 0o622", Address::Path("d".into(), 0o622), 16 << 20);
    assert_eq!(source("udp: :1, framing: lines").framing, Some(Framing::Lines));
    check("udp: systemd:net", Address::Inherited("net".into()), 16 << 20);
}

#[test]
fn one_door_each() {
    check("tpc: :514", "stack.yaml:1:17: source `a` has no `tpc`; did you mean `tcp`?");
    check(
        "framing: lines",
        "stack.yaml:1:12: source `a` does not say where its records come from; add `file: PATH` (`file: \"-\"` for standard input), \
         or one of `tcp`, `tls`, `udp`, `unix`, `unix_datagram` with an address",
    );
    check(
        "udp: :514, tcp: :514, file: x",
        "stack.yaml:1:28: source `a` has `udp` and `tcp`; a source is one of them; make two sources
         stack.yaml:1:39: source `a` has `udp` and `file`; a source is one of them; make two sources",
    );
    check(
        "unix-datagram: x",
        "stack.yaml:1:17: source `a` has no `unix-datagram`; did you mean `unix_datagram`?",
    );
}

#[test]
fn keys_are_for_certain_doors() {
    check(
        "udp: :514, framing: lines, connections: 5, buffr: 1MB, follow: true",
        "stack.yaml:1:44: source `a` is `udp`, and `connections` is for `tcp`, `tls` and `unix`; remove it
         stack.yaml:1:60: source `a` has no `buffr`; did you mean `buffer`?
         stack.yaml:1:72: source `a` is `udp`, and `follow` is for `file`; remove it",
    );
    check(
        "tcp: :514, certificate: x, mode: \"0660\", buffer: 1MB",
        "stack.yaml:1:28: source `a` is `tcp`, and `certificate` is for `tls`; remove it
         stack.yaml:1:44: source `a` is `tcp`, and `mode` is for `unix` and `unix_datagram`; remove it
         stack.yaml:1:58: source `a` is `tcp`, and `buffer` is for `udp` and `unix_datagram`; remove it",
    );
    check(
        "file: x, zzz: 1",
        "stack.yaml:1:26: source `a` has no `zzz`; there are `file`, `follow`, `framing`, `time_zone`, `year`, `lateness`, `idle_after`",
    );
}

#[test]
fn bounds() {
    check(
        "tcp: :514, connections: 0, idle: 1ms, bytes_in_flight: 4KiB, lateness: 2d, idle_after: 10ms",
        "stack.yaml:1:41: `connections` must be between 1 and 65536, found `0`
         stack.yaml:1:50: `idle` must be between 1s and 30d, found `1ms`; or write `never`
         stack.yaml:1:72: `bytes_in_flight` must be between 65KiB and 1GiB, found `4KiB`
         stack.yaml:1:88: `lateness` must be between 0s and 1d, found `2d`
         stack.yaml:1:104: `idle_after` must be between 1s and 30d, found `10ms`",
    );
    check(
        "udp: :514, buffer: 1, lateness: -5s",
        "stack.yaml:1:36: `buffer` must be between 4KiB and 1GiB, found `1`
         stack.yaml:1:49: `lateness` must be between 0s and 1d, found `-5s`",
    );
    check(
        "unix: x, mode: rw, idle: 5",
        "stack.yaml:1:32: expected a mode such as `\"0660\"`, found `rw`; it has three octal digits: for the owner, the group, the others
         stack.yaml:1:42: `idle`: expected a duration such as `5m`, `48h` or `250ms`, found `5`; add a unit, such as `5s`",
    );
    for mode in ["0999", "7777", "66", "00660", "+660", "[]"] {
        let text = format!("sources: {{ a: {{ unix: x, mode: {mode} }} }}\n{REST}");
        assert!(stack(&text).expect_err(mode)[0].contains("expected a mode"), "{mode}");
    }
}

#[test]
fn addresses() {
    let good = |text: &str, expected: &str| {
        let address = address::socket(text, 514).expect(text);
        assert_eq!(address.to_string(), expected, "{text}");
    };
    good("192.0.2.1:514", "192.0.2.1:514");
    good("[2001:db8::1]:6514", "[2001:db8::1]:6514");
    good(":9", "[::]:9");
    good("LocalHost:9", "127.0.0.1:9");
    let wrong = |text: &str, help: Option<&str>| {
        let wrong = address::socket(text, 514).expect_err(text);
        let expected = format!("expected an address such as `0.0.0.0:514`, found `{text}`");
        assert_eq!((wrong.message, wrong.help.as_deref()), (expected, help));
    };
    wrong(
        "514",
        Some(
            "write `:514` for every address of this machine, `127.0.0.1:514` for this machine alone",
        ),
    );
    wrong("0.0.0.0", Some("add a port, such as `0.0.0.0:514`"));
    let brackets = "an IPv6 address stands in brackets, with a port behind it, such as `[::1]:514`";
    wrong("::1", Some(brackets));
    wrong("[::1]", Some(brackets));
    wrong("*:514", Some("write `:514` for every address"));
    let names = "names of hosts are not looked up; write the address in digits";
    wrong("log.example.org:514", Some(names));
    wrong("localhost", None);
    wrong("1.2.3.4:99999", None);
    wrong("1.2.3.4:+5", None);
    wrong("", None);
    wrong(":", None);
    wrong("1.2.3:5", Some(names));
}

#[test]
fn addresses_in_a_stack() {
    check(
        "tcp: 514",
        "stack.yaml:1:22: expected an address such as `0.0.0.0:514`, found `514`; \
         write `:514` for every address of this machine, `127.0.0.1:514` for this machine alone",
    );
    check(
        "tls: 0.0.0.0, certificate: c, key: k",
        "stack.yaml:1:22: expected an address such as `0.0.0.0:6514`, found `0.0.0.0`; add a port, such as `0.0.0.0:6514`",
    );
    check(
        "tcp: [a, b]",
        "stack.yaml:1:22: expected an address such as `0.0.0.0:514`, found a list",
    );
    check(
        "udp: 'systemd:'",
        "stack.yaml:1:22: `` is no name of a socket that systemd hands over; \
         write the `FileDescriptorName=` of the socket's unit behind `systemd:`",
    );
    check(
        "unix: systemd:x, mode: 600",
        "stack.yaml:1:40: the mode of a socket that systemd hands over is its unit's; remove it, and set `SocketMode=` there",
    );
    check(
        "tls: [::]:6514, certificate: c, key: k",
        "stack.yaml:1:26: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'; \
         an address in brackets stands in quotes, as in `\"[::]:514\"`",
    );
    check("unix: ''", "stack.yaml:1:23: expected the path of a socket, found an empty text");
    let long = "x".repeat(108);
    check(
        &format!("unix: {long}"),
        "stack.yaml:1:23: the path of a socket has at most 107 bytes, this 108; choose a shorter one, such as in `/run/correlator`",
    );
}

#[test]
fn what_tls_needs() {
    check(
        "tls: :6514",
        "stack.yaml:1:12: source `a` needs `certificate`, the file (PEM) of the certificate that it shows; add `certificate: certificate.pem`
         stack.yaml:1:12: source `a` needs `key`, the file (PEM) of the certificate's private key; add `key: key.pem`",
    );
    check(
        "tls: :6514, certificate: c, key: '', client_names: [a, '*', 'x.*.y', 'a b']",
        "stack.yaml:1:50: expected the path of a private key, found an empty text
         stack.yaml:1:68: `client_names` needs `client_authority`, which says whose names are believed; add `client_authority: ca.pem`
         stack.yaml:1:72: expected a name such as `host.example.org`, found `*`; `*` stands for the first part of a name, as in `*.example.org`
         stack.yaml:1:77: expected a name such as `host.example.org`, found `x.*.y`; `*` stands for the first part of a name, as in `*.example.org`
         stack.yaml:1:86: expected a name such as `host.example.org`, found `a b`; `*` stands for the first part of a name, as in `*.example.org`",
    );
    check(
        "tls: :6514, certificate: c, key: k, client_authority: ca, client_names: []",
        "stack.yaml:1:89: expected 1 to 1024 names, found 0; remove the line if any name will do",
    );
}

#[test]
fn nobody_listens_where_another_does() {
    check_all(
        "  a: { tcp: 127.0.0.1:514 }\n  b: { udp: 127.0.0.1:514 }\n  c: { tcp: 127.0.0.2:514 }\n  d: { tcp: '[::1]:514' }\n  \
         e: { tcp: :0 }\n  f: { tcp: :0 }\n  g: { unix: x }\n  h: { unix: y }\n  i: { tcp: systemd:x }\n  j: { udp: systemd:y }",
        "",
    );
    check_all(
        "  a: { tcp: 127.0.0.1:514 }\n  b: { tls: 127.0.0.1:514, certificate: c, key: k }",
        "stack.yaml:3:13: source `a` listens at `127.0.0.1:514` already; it is first at stack.yaml:2:13; choose another address",
    );
    check_all(
        "  a: { udp: 127.0.0.1:514 }\n  b: { udp: 0.0.0.0:514 }\n  c: { udp: '[::1]:514' }\n  d: { udp: :514 }",
        "stack.yaml:3:13: source `a` listens at `0.0.0.0:514` already; it is first at stack.yaml:2:13; choose another address
         stack.yaml:5:13: source `a` listens at `[::]:514` already; it is first at stack.yaml:2:13; choose another address",
    );
    check_all(
        "  a: { unix: x }\n  b: { unix_datagram: x }\n  c: { tcp: systemd:s }\n  d: { udp: systemd:s }",
        "stack.yaml:3:23: source `a` listens at `x` already; it is first at stack.yaml:2:14; choose another address
         stack.yaml:5:13: source `c` listens at `systemd:s` already; it is first at stack.yaml:4:13; choose another address",
    );
    super::check(
        &format!(
            "sources: {{ a: {{ tcp: 127.0.0.1:9600 }}, b: {{ unix: s }} }}\ncontrol: {{ metrics: :9600, socket: s }}\n{REST}"
        ),
        "stack.yaml:2:10: source `b` listens at `s` already; choose another address
         stack.yaml:2:10: source `a` listens at `[::]:9600` already; choose another address",
    );
}
