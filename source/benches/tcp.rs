//! Records over TCP on the loopback: sixteen connections with octet counts, to an intake that only counts.
//!
//! What it costs to receive and parse a record is the processor time of the source's thread; what is left of the wall's
//! time is the senders'. Datagrams too, which nothing slows down: what is not read in time is lost, and counted.

use std::fmt::Write as _;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use correlator_source::clock;
use correlator_source::intake::{Ended, Intake, Lot};
use correlator_source::net::Net;
use correlator_source::settings::{Address, Door, Source, StreamLimits};
use jiff::tz::TimeZone;
use rustix::time::{ClockId, clock_gettime};

const CONNECTIONS: usize = 16;
/// Records of a connection's block, which it sends again and again.
const BLOCK_RECORDS: usize = 2000;
const BLOCKS: usize = 100;
const ROUNDS: usize = 5;
const DATAGRAMS: u64 = 1_000_000;

/// Counts what it takes.
#[derive(Default)]
struct Counting {
    records: AtomicU64,
    lots: AtomicU64,
    dropped: AtomicU64,
}

impl Intake for Counting {
    fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
        self.records.fetch_add(lot.frame.len() as u64, Ordering::Relaxed);
        self.lots.fetch_add(1, Ordering::Relaxed);
        self.dropped.fetch_add(lot.counts.dropped_by_kernel, Ordering::Relaxed);
        lot.clear();
        Ok(())
    }
}

fn main() {
    for round in 0..ROUNDS {
        connections(round);
    }
    for round in 0..ROUNDS {
        datagrams(round);
    }
}

/// A record of about 140 bytes, as sshd's are.
fn record(n: usize) -> String {
    format!(
        "<86>1 2023-12-10T06:{:02}:{:02}.{:03}Z server-07 sshd {} - - Failed password for invalid user admin from 173.234.{}.{} port {} ssh2",
        n / 60 % 60,
        n % 60,
        n % 1000,
        20_000 + n % 10_000,
        n % 256,
        n * 7 % 256,
        1024 + n * 13 % 60_000
    )
}

fn source(door: Door) -> Source {
    Source {
        name: "bench".into(),
        door,
        framing: None,
        framing_text: "auto".into(),
        zone: TimeZone::UTC,
        year: None,
        lateness: Duration::ZERO,
        idle_after: Duration::ZERO,
        typed: Vec::new(),
    }
}

/// Runs a source in a thread while these peers send. Wall and processor seconds.
fn run(source: &Source, intake: &Counting, peers: impl FnOnce(SocketAddr)) -> (f64, f64) {
    let net = Net::bind(0, source, None).expect("bound");
    let address = net.local_address().expect("an address");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let start = clock::instant();
        let source = scope.spawn(|| {
            net.run(intake, &stop);
            let used = clock_gettime(ClockId::ThreadCPUTime);
            Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.unsigned_abs() as u32)
                .as_secs_f64()
        });
        peers(address);
        let wall = start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        (wall, source.join().expect("it ended well"))
    })
}

#[expect(clippy::print_stdout, reason = "a bench is there to print")]
#[expect(clippy::cast_precision_loss, reason = "rates are rounded")]
fn connections(round: usize) {
    let (connections, per_address) = (CONNECTIONS, CONNECTIONS);
    let limits = StreamLimits { connections, per_address, idle: None, bytes_in_flight: 1 << 20 };
    let address = Address::Internet(([127, 0, 0, 1], 0).into());
    let source = source(Door::Stream { address, limits, tls: None });
    let mut block = String::new();
    for n in 0..BLOCK_RECORDS {
        let record = record(n);
        let _ = write!(block, "{} {record}", record.len());
    }
    let block: Arc<str> = block.into();
    let intake = Counting::default();
    let (wall, processor) = run(&source, &intake, |address| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let block = Arc::clone(&block);
                thread::spawn(move || send(address, &block))
            })
            .collect();
        for sender in senders {
            sender.join().expect("all was confirmed");
        }
    });
    let records = intake.records.load(Ordering::Relaxed);
    assert_eq!(records, (CONNECTIONS * BLOCK_RECORDS * BLOCKS) as u64, "none is lost");
    let bytes = block.len() / BLOCK_RECORDS;
    println!(
        "tcp {round}: {CONNECTIONS} connections, {bytes} bytes a record: {:.2} M records/s; receiving and parsing {:.0} ns of processor time a record ({:.2} M records/s of one core); {} records a lot",
        records as f64 / wall / 1e6,
        processor / records as f64 * 1e9,
        records as f64 / processor / 1e6,
        records / intake.lots.load(Ordering::Relaxed).max(1),
    );
}

/// Sends everything and waits until it is confirmed.
fn send(address: SocketAddr, block: &str) {
    let mut peer = TcpStream::connect(address).expect("connected");
    for _ in 0..BLOCKS {
        peer.write_all(block.as_bytes()).expect("sent");
    }
    peer.shutdown(std::net::Shutdown::Write).expect("shut down");
    assert_eq!(std::io::Read::read(&mut peer, &mut [0; 1]).expect("an orderly end"), 0);
}

#[expect(clippy::print_stdout, reason = "a bench is there to print")]
#[expect(clippy::cast_precision_loss, reason = "rates are rounded")]
fn datagrams(round: usize) {
    let address = Address::Internet(([127, 0, 0, 1], 0).into());
    let source = source(Door::Datagram { address, buffer_bytes: 16 << 20 });
    let records: Vec<_> = (0..BLOCK_RECORDS).map(record).collect();
    let intake = Counting::default();
    let accounted =
        || intake.records.load(Ordering::Relaxed) + intake.dropped.load(Ordering::Relaxed);
    let mut sending = 0.0;
    let (_, processor) = run(&source, &intake, |address| {
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        peer.connect(address).expect("connected");
        let start = clock::instant();
        for record in records.iter().cycle().take(DATAGRAMS as usize) {
            peer.send(record.as_bytes()).expect("sent");
        }
        sending = start.elapsed().as_secs_f64();
    });
    assert_eq!(accounted(), DATAGRAMS, "each was taken or counted as dropped");
    let taken = intake.records.load(Ordering::Relaxed);
    println!(
        "udp {round}: {:.2} M datagrams/s sent, {:.1} % of them dropped by the kernel and counted; receiving and parsing {:.0} ns of processor time a record; {} records a lot",
        DATAGRAMS as f64 / sending / 1e6,
        intake.dropped.load(Ordering::Relaxed) as f64 / DATAGRAMS as f64 * 100.0,
        processor / taken as f64 * 1e9,
        taken / intake.lots.load(Ordering::Relaxed).max(1),
    );
}
