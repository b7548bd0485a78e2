//! A whole replay: one reads, as many as wanted send, each over a connection of its own.
//!
//! Whichever connection is free takes the next batch, so a slow one holds up only what it has taken. Batches wait in a
//! bounded queue. When one connection breaks, all end: what is missing on the other side could not be told otherwise.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use correlator_wire::trust::Trust;
use thiserror::Error;

use super::batch::Wire;
use super::feed::{self, Due};
use super::link::{Broke, Closed, Link, Watch};
use super::pace::{Pace, Speed};
use super::reader::{Entry, ReadError, Reader, Settings};
use super::target::Target;
use crate::{clock, limit};

/// What is sent, where to, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The capture.
    pub path: PathBuf,
    /// How it is read. It must be parsed if records are chosen or their times matter.
    pub settings: Settings,
    /// Where to.
    pub target: Target,
    /// How that is secured; for targets that are.
    pub security: Option<Trust>,
    /// What stands around records on the wire.
    pub wire: Wire,
    /// How fast.
    pub speed: Speed,
    /// Gaps in the records' own time that are longer are shortened to this.
    pub gap_max: Duration,
    /// How many times.
    pub repeat: u64,
    /// Over how many connections.
    pub connections: usize,
    /// How long to wait for the peer to close.
    pub close_wait: Duration,
}

/// How a replay went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records that were sent.
    pub records: u64,
    /// Bytes that were sent, framing and all.
    pub bytes: u64,
    /// How long sending took.
    pub took: Duration,
    /// How long it then took until all connections were closed.
    pub closing: Duration,
    /// Gaps that were shortened.
    pub gaps: u64,
    /// By how much they were shortened.
    pub saved: Duration,
    /// By how much records were sent later than they were due, at the most.
    pub behind: Duration,
    /// Whether it was stopped before the end.
    pub stopped: bool,
    /// How each connection ended.
    pub closed: Vec<Closed>,
}

/// Why a replay did not reach its end.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The capture can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It can be read only once.
    #[error(
        "{path} is a pipe; --repeat and --framing lines read a capture twice, so copy it into a file"
    )]
    Pipe {
        /// The capture.
        path: String,
    },
    /// A record would be torn.
    #[error(
        "record {number} of {path} holds a line feed, which would end it early on the wire; send it with --framing octets, or as-is"
    )]
    Torn {
        /// The record.
        number: u64,
        /// The capture.
        path: String,
    },
    /// The peer can't be reached.
    #[error("{target}: {error}; nothing was sent")]
    Connect {
        /// The peer.
        target: String,
        /// What the system said.
        error: io::Error,
    },
    /// It was stopped before anything was sent.
    #[error("stopped; nothing was sent")]
    Stopped,
    /// The peer went away.
    #[error(
        "{target} broke off: {error}; {records} records had been sent, and whether the last of them arrived is not known"
    )]
    Broke {
        /// The peer.
        target: String,
        /// What the system said.
        error: io::Error,
        /// Records that the system had taken.
        records: u64,
    },
}

/// Where batches wait for whichever connection is free. It goes when the last of them does, so that nobody feeds it in
/// vain.
type Queue = Arc<Mutex<Receiver<Due>>>;

/// What all connections share.
struct Shared<'a> {
    watch: Watch<'a>,
    start: Instant,
    records: AtomicU64,
    bytes: AtomicU64,
    behind_nanoseconds: AtomicU64,
}

/// Sends a capture; `chosen` says which records.
///
/// # Errors
/// The capture can't be read, or the peer can't be reached or goes away.
pub fn replay(
    plan: &Plan,
    chosen: &dyn Fn(&Entry) -> bool,
    stop: &AtomicBool,
) -> Result<Outcome, ReplayError> {
    refuse_pipe(plan)?;
    refuse_torn(plan, chosen)?;
    let halt = AtomicBool::new(false);
    let watch = Watch { stop, halt: &halt };
    let links = connect(plan, watch)?;
    let (queue, receiver) = sync_channel(limit::REPLAY_QUEUE);
    let receiver = Arc::new(Mutex::new(receiver));
    let start = clock::instant();
    let shared = Shared {
        watch,
        start,
        records: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        behind_nanoseconds: AtomicU64::new(0),
    };
    let (read, ended) = thread::scope(|scope| {
        let mut workers = Vec::with_capacity(links.len());
        for link in links {
            let (queue, shared) = (Arc::clone(&receiver), &shared);
            workers.push(scope.spawn(move || carry(link, &queue, shared)));
        }
        drop(receiver);
        // When this returns nothing more comes; what waits in the queue is still sent.
        let read = feed::feed(plan, chosen, queue, watch);
        if read.is_err() {
            halt.store(true, Ordering::Relaxed);
        }
        (read, join(workers))
    });
    let sent = clock::instant();
    finish(plan, read, ended, &shared, sent)
}

/// What became of a connection that has nothing more to send.
type Ended = Result<Link, Broke>;

/// Closes all connections and sums up.
fn finish(
    plan: &Plan,
    read: Result<Pace, ReadError>,
    ended: Vec<Ended>,
    shared: &Shared,
    sent: Instant,
) -> Result<Outcome, ReplayError> {
    let pace = read?;
    let records = shared.records.load(Ordering::Relaxed);
    let mut stopped = shared.watch.stop.load(Ordering::Relaxed);
    let mut links = Vec::with_capacity(ended.len());
    for end in ended {
        match end {
            Ok(link) => links.push(link),
            Err(Broke::Stopped) => stopped = true,
            Err(Broke::Failed(error)) => {
                return Err(ReplayError::Broke { target: plan.target.to_string(), error, records });
            }
        }
    }
    Ok(Outcome {
        records,
        bytes: shared.bytes.load(Ordering::Relaxed),
        took: sent.saturating_duration_since(shared.start),
        closed: close(links, plan.close_wait, shared.watch),
        closing: clock::instant().saturating_duration_since(sent),
        gaps: pace.gaps,
        saved: pace.saved,
        behind: Duration::from_nanos(shared.behind_nanoseconds.load(Ordering::Relaxed)),
        stopped,
    })
}

/// Refuses to read twice what can be read once.
fn refuse_pipe(plan: &Plan) -> Result<(), ReplayError> {
    let twice = plan.wire == Wire::Lines || plan.repeat > 1;
    let is_pipe = fs::metadata(&plan.path).is_ok_and(|facts| !facts.is_file() && !facts.is_dir());
    if twice && is_pipe {
        return Err(ReplayError::Pipe { path: plan.path.display().to_string() });
    }
    Ok(())
}

/// Refuses a replay that would tear a record, before anything is sent.
fn refuse_torn(plan: &Plan, chosen: &dyn Fn(&Entry) -> bool) -> Result<(), ReplayError> {
    if plan.wire != Wire::Lines {
        return Ok(());
    }
    let mut reader = Reader::open(&plan.path, &plan.settings)?;
    while let Some(block) = reader.next_block()? {
        for entry in block.entries() {
            if let Some(number) = entry.number
                && plan.wire.tears(entry.body)
                && chosen(&entry)
            {
                let path = plan.path.display().to_string();
                return Err(ReplayError::Torn { number, path });
            }
        }
    }
    Ok(())
}

fn connect(plan: &Plan, watch: Watch) -> Result<Vec<Link>, ReplayError> {
    let open = |_| Link::open(&plan.target, plan.security.as_ref(), watch);
    (0..plan.connections).map(open).collect::<Result<_, _>>().map_err(|broke| match broke {
        Broke::Stopped => ReplayError::Stopped,
        Broke::Failed(error) => ReplayError::Connect { target: plan.target.to_string(), error },
    })
}

/// Closes all connections at once, so that the slowest is all that is waited for.
fn close(links: Vec<Link>, wait: Duration, watch: Watch) -> Vec<Closed> {
    thread::scope(|scope| {
        let close = |link: Link| scope.spawn(move || link.close(wait, watch));
        join(links.into_iter().map(close).collect())
    })
}

/// Waits for all of them.
fn join<T>(threads: Vec<thread::ScopedJoinHandle<T>>) -> Vec<T> {
    let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
    joined.map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
}

/// One connection's work: it takes what is next and sends it when it is due.
fn carry(mut link: Link, queue: &Queue, shared: &Shared) -> Ended {
    loop {
        if shared.watch.halt.load(Ordering::Relaxed) {
            return Err(Broke::Stopped);
        }
        if shared.watch.stop.load(Ordering::Relaxed) {
            return Ok(link);
        }
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        // The end of the queue is the end of the capture.
        let Ok(Due { batch, at }) = next else { return Ok(link) };
        let done = match wait(&mut link, at, shared) {
            // Whoever stops between two records can still close in order.
            Err(Broke::Stopped) => continue,
            Err(broke) => Err((0, broke)),
            Ok(()) => link.send(&batch, shared.watch),
        };
        let records = done.as_ref().map_or_else(|(records, _)| *records, |()| batch.records());
        shared.records.fetch_add(records as u64, Ordering::Relaxed);
        if let Err((_, broke)) = done {
            shared.watch.halt.store(true, Ordering::Relaxed);
            return Err(broke);
        }
        shared.bytes.fetch_add(batch.bytes().len() as u64, Ordering::Relaxed);
    }
}

/// Waits until a batch is due and notes by how much it is late.
fn wait(link: &mut Link, at: Option<Duration>, shared: &Shared) -> Result<(), Broke> {
    let Some(at) = at else { return Ok(()) };
    let due = shared.start + at;
    link.wait(due, shared.watch)?;
    let behind = clock::instant().saturating_duration_since(due);
    let behind = u64::try_from(behind.as_nanos()).unwrap_or(u64::MAX);
    shared.behind_nanoseconds.fetch_max(behind, Ordering::Relaxed);
    Ok(())
}
