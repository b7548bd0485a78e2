//! Sockets that systemd hands over. This test's own program is started again with one, as systemd would do it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use correlator_source::intake::{Ended, Intake, Lot};
use correlator_source::net::Net;
use correlator_source::settings::Address;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::support::{counted, datagram, limits, stream};

/// Set for the program that is started again: what it may have open at once.
const FILES_MAX: &str = "CORRELATOR_TEST_FILES_MAX";

/// Prints the records that it takes, and ends when one says so.
struct Printing(Mutex<bool>);

impl Intake for Printing {
    #[expect(clippy::print_stdout, reason = "the other process reads it")]
    fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
        let mut done = self.0.lock().expect("nobody panics");
        // Whoever works beside the source has descriptors left.
        let file = || File::open("/dev/null").expect("connections leave some");
        let _open = [file(), file(), file(), file()];
        for record in lot.frame.batch().records() {
            let text = String::from_utf8_lossy(record.raw());
            println!("\nrecord {text}");
            *done |= text.ends_with("done");
        }
        lot.clear();
        if *done { Err(Ended) } else { Ok(()) }
    }
}

/// What the program that is started again does. It does nothing otherwise.
#[test]
fn started_with_a_socket() {
    let Ok(files) = std::env::var(FILES_MAX) else { return };
    let wrong = stream(Address::Inherited("other".into()), limits(), None);
    println!("\nrecord {}", Net::bind(7, &wrong, None).err().expect("there is no such"));
    let wrong = datagram(Address::Inherited("syslog".into()), 1 << 20);
    println!("\nrecord {}", Net::bind(7, &wrong, None).err().expect("it is of the other kind"));
    let source = stream(Address::Inherited("syslog".into()), limits(), None);
    // What a reload does: it is there once more.
    drop(Net::bind(7, &source, None).expect("bound"));
    let net = Net::bind(7, &source, None).expect("bound");
    let most = files.parse().expect("a number");
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Nofile, limit).expect("limited");
    net.run(&Printing(Mutex::new(false)), &AtomicBool::new(false));
}

/// The program again, with this socket as the only one that is handed over.
fn start(listener: TcpListener, files_max: u64) -> Child {
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=syslog exec \"$0\" --exact handed::started_with_a_socket --nocapture";
    Command::new("/bin/sh")
        .args(["-c", script])
        .arg(std::env::current_exe().expect("this program"))
        .env(FILES_MAX, files_max.to_string())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("started")
}

fn records(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    lines.map_while(Result::ok).filter_map(|line| Some(line.strip_prefix("record ")?.to_owned()))
}

#[test]
fn a_socket_is_taken_over() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    // It connects before anybody is there to accept: nobody is refused.
    let mut early = TcpStream::connect(address).expect("connected");
    early.write_all(b"<13>early\n").expect("sent");
    let mut child = start(listener, 1000);
    let mut records = records(&mut child);
    let mut next = || records.next().unwrap_or_default();
    assert!(next().contains("only these were handed over: syslog"));
    assert!(next().contains("its unit needs `ListenDatagram=`"));
    assert_eq!(next(), "<13>early");
    let mut late = TcpStream::connect(address).expect("connected");
    late.write_all(b"<13>done\n").expect("sent");
    assert_eq!(next(), "<13>done");
    assert!(child.wait().expect("it ended").success());
}

/// When there is no room for another connection, those that are there go on, the others wait, and nothing spins.
#[test]
fn no_room_for_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let mut child = start(listener, 20);
    let process = child.id();
    let mut records = records(&mut child).skip(2);
    let mut peers: Vec<_> =
        (0..60).map(|_| TcpStream::connect(address).expect("connected")).collect();
    for (n, peer) in peers.iter_mut().enumerate() {
        peer.write_all(counted(&format!("<13>peer {n}")).as_bytes()).expect("sent");
    }
    let mut seen = Vec::new();
    while seen.len() < 60 {
        let record = records.next().expect("the records of all peers come in the end");
        let peer: usize = record.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number");
        // Its room is another's.
        peers[peer].shutdown(std::net::Shutdown::Both).expect("shut down");
        seen.push(peer);
    }
    let used = processor_ticks(process);
    peers.push(TcpStream::connect(address).expect("connected"));
    peers[60].write_all(counted("<13>done").as_bytes()).expect("sent");
    assert!(child.wait().expect("it ended").success());
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    assert!(used < 50, "{used} hundredths of a second of processor time");
}

/// How long a process has been running, in hundredths of a second.
fn processor_ticks(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, rest) = text.rsplit_once(')').expect("a name");
    rest.split_ascii_whitespace()
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u64>().expect("a number"))
        .sum()
}

#[test]
fn nothing_was_handed_over() {
    let source = stream(Address::Inherited("syslog".into()), limits(), None);
    let error = Net::bind(7, &source, None).err().map(|error| error.to_string());
    let told = error.as_ref().is_some_and(|error| error.contains("none was handed over"));
    assert!(told, "{error:?}");
}
