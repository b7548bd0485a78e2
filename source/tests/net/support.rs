//! A source that runs, and an intake that remembers what it took.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use correlator_record::framing::Framing;
use correlator_source::capture::Capture;
use correlator_source::counts::Counts;
use correlator_source::intake::{Ended, Intake, Lot};
use correlator_source::net::Net;
use correlator_source::net::gauge::NetGauge;
use correlator_source::net::handle::Handle;
use correlator_source::settings::{Address, Door, Source, StreamLimits, Tls};
use jiff::tz::TimeZone;

/// How long anything may take here.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A record that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub raw: Vec<u8>,
    pub flags: u32,
    pub time: i64,
}

#[derive(Default)]
pub struct State {
    pub records: Vec<Record>,
    pub counts: Counts,
    pub lots: usize,
    /// Nothing is taken while this is set.
    pub closed: bool,
    /// Nothing is taken any more.
    pub ended: bool,
}

impl State {
    /// The records, as text.
    pub fn texts(&self) -> Vec<String> {
        self.records.iter().map(|r| String::from_utf8_lossy(&r.raw).into_owned()).collect()
    }

    /// How many records begin so.
    pub fn beginning(&self, with: &str) -> usize {
        self.records.iter().filter(|record| record.raw.starts_with(with.as_bytes())).count()
    }
}

#[derive(Default)]
pub struct Taken {
    state: Mutex<State>,
    changed: Condvar,
}

impl Taken {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it has this")
    }

    /// Changes something that somebody may wait for.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until this holds.
    pub fn wait(&self, what: &str, holds: impl Fn(&State) -> bool) {
        drop(self.after(what, holds));
    }

    /// What there is when this holds.
    pub fn after(&self, what: &str, holds: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let (state, late) = self
            .changed
            .wait_timeout_while(self.state(), PATIENCE, |state| !holds(state))
            .expect("no test panics while it has this");
        assert!(
            !late.timed_out(),
            "waited too long for {what}: {} records, {:?}",
            state.records.len(),
            state.counts
        );
        state
    }
}

impl Intake for Taken {
    fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
        let mut state = self.after("the intake to open", |state| !state.closed);
        if state.ended {
            return Err(Ended);
        }
        assert_eq!(lot.source, 7, "the source's place");
        state.counts += lot.counts;
        state.lots += 1;
        state.records.extend(lot.frame.batch().records().map(|record| Record {
            raw: record.raw().to_vec(),
            flags: record.flags(),
            time: record.time(),
        }));
        lot.clear();
        drop(state);
        self.changed.notify_all();
        Ok(())
    }
}

/// A source that runs until this is dropped.
pub struct Running {
    pub taken: Arc<Taken>,
    pub gauge: Arc<NetGauge>,
    pub address: Option<SocketAddr>,
    pub handle: Handle,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub fn new(source: &Source) -> Self {
        Self::with_capture(source, None)
    }

    pub fn with_capture(source: &Source, capture: Option<Arc<Capture>>) -> Self {
        Self::of(Net::bind(7, source, capture).expect("bound"))
    }

    pub fn of(net: Net) -> Self {
        let (taken, stop) = (Arc::<Taken>::default(), Arc::<AtomicBool>::default());
        let (gauge, address, handle) = (net.gauge(), net.local_address(), net.handle());
        let (intake, stopped) = (Arc::clone(&taken), Arc::clone(&stop));
        let thread = thread::spawn(move || net.run(&*intake, &stopped));
        Self { taken, gauge, address, handle, stop, thread: Some(thread) }
    }

    /// TCP on a port that the kernel chooses.
    pub fn tcp() -> Self {
        Self::new(&tcp(limits()))
    }

    pub fn connect(&self) -> TcpStream {
        let peer = TcpStream::connect(self.address.expect("an address")).expect("connected");
        peer.set_read_timeout(Some(PATIENCE)).expect("set");
        peer.set_nodelay(true).expect("set");
        peer
    }

    /// Sends all of this over a connection of its own and waits until it is confirmed.
    pub fn send(&self, bytes: &[u8]) {
        let mut peer = self.connect();
        peer.write_all(bytes).expect("sent");
        confirmed(peer);
    }

    /// Stops it and waits for its end.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.join();
    }

    /// Waits for its end.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ended well");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the source panicked");
        }
    }
}

/// Ends this side and waits for the end of the other: all is safe.
pub fn confirmed(mut peer: TcpStream) {
    peer.shutdown(Shutdown::Write).expect("shut down");
    assert_eq!(peer.read(&mut [0; 16]).expect("an orderly end"), 0);
}

/// Waits for the other side to reset.
pub fn is_reset(mut peer: impl Read) {
    let end = peer.read(&mut [0; 16]);
    let kind = end.as_ref().err().map(std::io::Error::kind);
    assert_eq!(kind, Some(ErrorKind::ConnectionReset), "{end:?}");
}

pub fn source(door: Door, framing: Option<Framing>) -> Source {
    Source {
        name: "test".into(),
        door,
        framing,
        framing_text: "auto".into(),
        zone: TimeZone::UTC,
        year: None,
        lateness: Duration::ZERO,
        idle_after: Duration::ZERO,
        typed: Vec::new(),
    }
}

pub fn limits() -> StreamLimits {
    StreamLimits { connections: 2048, per_address: 2048, idle: None, bytes_in_flight: 1 << 20 }
}

pub fn loopback() -> Address {
    Address::Internet("127.0.0.1:0".parse().expect("an address"))
}

pub fn tcp(limits: StreamLimits) -> Source {
    stream(loopback(), limits, None)
}

pub fn stream(address: Address, limits: StreamLimits, tls: Option<Tls>) -> Source {
    source(Door::Stream { address, limits, tls }, None)
}

pub fn datagram(address: Address, buffer_bytes: usize) -> Source {
    source(Door::Datagram { address, buffer_bytes }, None)
}

/// A path that nothing has yet.
pub fn path(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    std::env::temp_dir().join(format!("correlator-net-{process}-{number}-{name}"))
}

/// A record, with a count in front.
pub fn counted(record: &str) -> String {
    format!("{} {record}", record.len())
}

/// Records, each with this behind it.
pub fn ended(records: &[String], trailer: &str) -> String {
    records.iter().fold(String::new(), |text, record| text + record + trailer)
}
