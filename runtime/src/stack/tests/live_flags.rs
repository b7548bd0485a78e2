//! Flags of live sources, of what is kept and of how an engine is reached.

use std::time::Duration;

use correlator_source::settings::{Address, Door, SourcePath};
use correlator_spool::settings::{Durability, WhenFull};

use super::{checked, load};
use crate::stack::flags::Flags;
use crate::stack::raw::RawStack;
use crate::stack::{Keeping, PartitionBy, Stack};

fn some(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn usual() -> Flags {
    Flags { modules: some(&["sshd"]), listeners: some(&["log"]), ..Flags::default() }
}

fn stack(flags: &Flags) -> Stack {
    let raw = RawStack::from_flags(flags);
    Stack::check(&raw, &load(&raw)).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

fn check(flags: &Flags, expected: &str) {
    let told = match checked(&RawStack::from_flags(flags)) {
        Ok(stack) => stack.warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems,
    };
    let expected: Vec<_> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told, expected, "\n{}", told.join("\n"));
}

#[test]
fn a_source_for_each_door() {
    let flags = Flags {
        files: some(&["a.log", "b.log"]),
        follow: some(&["auth.log", "x*.log"]),
        tcp: some(&["127.0.0.1:514", ":601"]),
        udp: some(&[":514"]),
        tls: some(&[":6514", ":6515"]),
        unix: some(&["run/log"]),
        unix_datagram: some(&["run/dev-log", "systemd:dev"]),
        certificate: Some("c.pem".into()),
        key: Some("k.pem".into()),
        client_authority: Some("ca.pem".into()),
        client_names: some(&["a", "*.b.c"]),
        framing: Some("octets".into()),
        lateness: Some("5s".into()),
        ..usual()
    };
    let stack = stack(&flags);
    let names: Vec<_> = stack.sources.iter().map(|source| source.name.as_str()).collect();
    let expected = [
        "file",
        "follow",
        "follow-2",
        "tcp",
        "tcp-2",
        "tls",
        "tls-2",
        "udp",
        "unix",
        "unix-datagram",
        "unix-datagram-2",
    ];
    assert_eq!(names, expected);
    let find = |name: &str| {
        stack.sources.iter().find(|source| source.name == name).unwrap_or_else(|| panic!("{name}"))
    };
    let paths = vec![SourcePath::Glob("x*.log".into())];
    assert_eq!(find("follow-2").door, Door::Files { paths, follow: true });
    let Door::Stream { address, tls: None, .. } = &find("tcp-2").door else { panic!("a stream") };
    assert_eq!(*address, Address::Internet("[::]:601".parse().expect("an address")));
    for name in ["tls", "tls-2"] {
        let Door::Stream { tls: Some(tls), .. } = &find(name).door else { panic!("by TLS") };
        assert_eq!((tls.certificate.to_str(), tls.key.to_str()), (Some("c.pem"), Some("k.pem")));
        assert_eq!(tls.client_authority.as_deref().and_then(|path| path.to_str()), Some("ca.pem"));
        assert_eq!(tls.client_names, ["a", "*.b.c"]);
    }
    let Door::Datagram { address, .. } = &find("unix-datagram-2").door else { panic!("datagrams") };
    assert_eq!(*address, Address::Inherited("dev".into()));
    assert!(stack.sources.iter().all(|source| source.lateness == Duration::from_secs(5)));
    // A datagram is a record; there is nothing to frame.
    assert!(find("udp").framing.is_none() && find("unix").framing.is_some());
    assert!(stack.is_live() && !stack.control.watch);
}

#[test]
fn standard_input_only_where_there_is_nothing_else() {
    let doors = |flags: &Flags| stack(flags).sources.len();
    assert_eq!(doors(&usual()), 1);
    assert_eq!(doors(&Flags { udp: some(&[":514"]), ..usual() }), 1);
    let flags = Flags { udp: some(&[":514"]), files: some(&["-"]), ..usual() };
    assert_eq!(doors(&flags), 2);
}

#[test]
fn wrong_sources() {
    check(
        &Flags {
            tcp: some(&["514", ":514"]),
            tls: some(&[":514"]),
            follow: some(&["-"]),
            certificate: Some("c".into()),
            key: Some("k".into()),
            lateness: Some("soon".into()),
            ..usual()
        },
        "--follow -: standard input can't be followed; remove `follow`: what comes by a pipe is read as it comes anyway
         --tcp 514: expected an address such as `0.0.0.0:514`, found `514`; write `:514` for every address of this machine, \
         `127.0.0.1:514` for this machine alone
         --tls :514: source `tcp-2` listens at `[::]:514` already; it is first at --tcp :514; choose another address
         --lateness soon: `lateness`: expected a duration such as `5m`, `48h` or `250ms`, found `soon`",
    );
    check(
        &Flags { tls: some(&[":6514"]), ..usual() },
        "--tls :6514: source `tls` needs `certificate`, the file (PEM) of the certificate that it shows; add `--certificate certificate.pem`
         --tls :6514: source `tls` needs `key`, the file (PEM) of the certificate's private key; add `--key key.pem`",
    );
    check(
        &Flags { udp: some(&[":514"]), key: Some("k".into()), framing: Some("lines".into()), ..usual() },
        "--key k: there is no source that this could be for; add `--tls ADDRESS`
         --framing lines: a datagram is a record, there is nothing to tell apart; remove `--framing`",
    );
}

#[test]
fn what_is_kept() {
    let flags = Flags {
        state: Some("kept".into()),
        durability: Some("batched".into()),
        sync_every: Some("2s".into()),
        spool_size: Some("64MiB".into()),
        when_full: Some("drop".into()),
        checkpoint_every: Some("1m".into()),
        capture: Some("today.cap".into()),
        ..usual()
    };
    let stack = stack(&flags);
    let expected = Keeping {
        folder: "kept".into(),
        durability: Durability::Batched(Duration::from_secs(2)),
        spool_bytes: 64 << 20,
        when_full: WhenFull::Drop,
        checkpoint_every: Duration::from_mins(1),
    };
    assert_eq!(stack.keeping, Some(expected));
    assert_eq!(stack.capture, Some("today.cap".into()));
    assert_eq!(self::stack(&usual()).keeping, None);
    check(
        &Flags { durability: Some("each".into()), when_full: Some("drop".into()), ..usual() },
        "--durability each: this has no effect where nothing is kept; add `--state FOLDER`
         --when-full drop: this has no effect where nothing is kept; add `--state FOLDER`",
    );
    check(
        &Flags { state: Some("x".into()), spool_size: Some("1kB".into()), ..usual() },
        "--spool-size 1kB: `spool_size` must be between 16MiB and 1024TiB, found `1kB`",
    );
}

#[test]
fn how_it_is_reached() {
    let flags =
        Flags { control: Some("c.sock".into()), metrics: Some("127.0.0.1:9600".into()), ..usual() };
    let control = stack(&flags).control;
    assert_eq!(control.socket, Some("c.sock".into()));
    assert_eq!(control.metrics.map(|address| address.port()), Some(9_600));
    let none = stack(&Flags { control: Some("none".into()), ..usual() }).control;
    assert_eq!((none.socket, none.socket_set), (None, true));
    let usual = stack(&usual()).control;
    assert_eq!((usual.socket, usual.socket_set, usual.watch), (None, false, false));
    check(
        &Flags { metrics: Some("localhost".into()), ..self::usual() },
        "--metrics localhost: expected an address such as `0.0.0.0:9600`, found `localhost`",
    );
}

#[test]
fn records_are_shared_out() {
    let shares = |instances: &[&str], by: &[&str]| {
        let modules = some(&["sshd", "quiet"]);
        let (instances, partition_by) = (some(instances), some(by));
        let stack = stack(&Flags { modules, instances, partition_by, ..usual() });
        let modules = stack.modules.into_iter();
        modules.map(|module| (module.instances, module.partition_by)).collect::<Vec<_>>()
    };
    let host = || Some(PartitionBy::Host);
    assert_eq!(shares(&["4"], &["host"]), [(4, host()), (4, host())]);
    assert_eq!(shares(&["sshd=2"], &["sshd=host"]), [(2, host()), (1, None)]);
    assert_eq!(
        shares(&["4", "quiet=8"], &["host", "quiet=meta.addr"]),
        [(4, host()), (8, Some(PartitionBy::Field("meta.addr".into())))]
    );
    check(
        &Flags {
            instances: some(&["shd=2", "log=2", "4"]),
            partition_by: some(&["sshd=a b"]),
            ..usual()
        },
        "--instances shd=2: no module or listener is called `shd`; did you mean `sshd`?
         --instances log=2: `log` is a listener; only modules can be shared out
         --partition-by sshd=a b: `a b` is nothing that a record can have; \
         write `host`, `program`, `process_id`, `message_id`, `FIELD` or `ELEMENT.FIELD`",
    );
    check(
        &Flags { instances: some(&["4"]), ..usual() },
        "--instances 4: several instances need `partition_by`, which says who gets which records; \
         add `partition_by: host`, or whatever the module keeps apart",
    );
}
