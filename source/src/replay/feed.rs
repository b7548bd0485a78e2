//! From a capture to batches that wait to be sent, as often as wanted.
//!
//! A capture that is sent more than once is made into batches once, if it is not too large to be kept. It must never
//! know who sends a batch.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use correlator_frame::record::Record;
use correlator_record::framing::Framing;

use super::batch::Batch;
use super::link::Watch;
use super::pace::{Pace, Speed};
use super::play::Plan;
use super::reader::{Entry, ReadError, Reader};
use crate::limit;

/// Batches for each connection at the least, if there are records enough.
const BATCHES_PER_CONNECTION: u64 = 4;

/// A batch and when it is due: so long after the start, or at once.
pub(super) struct Due {
    pub batch: Arc<Batch>,
    pub at: Option<Duration>,
}

/// Reads a capture and hands on what is chosen of it. It ends early if nobody takes it any more: whoever stopped has a
/// reason that is told elsewhere. Gives the pace with what it counted.
pub(super) fn feed(
    plan: &Plan,
    chosen: &dyn Fn(&Entry) -> bool,
    queue: SyncSender<Due>,
    watch: Watch,
) -> Result<Pace, ReadError> {
    // What is due at some time is due at another in the next round.
    let keeps = plan.repeat > 1 && plan.speed == Speed::Fastest;
    let mut feed = Feed {
        plan,
        chosen,
        queue,
        watch,
        bytes_full: bytes_full(plan),
        batch: Batch::default(),
        due: None,
        pace: Pace::new(plan.speed, plan.gap_max),
        kept: keeps.then(Vec::new),
        kept_bytes: 0,
    };
    for round in 0..plan.repeat {
        let goes_on = match &feed.kept {
            Some(kept) if round > 0 => {
                kept.iter().all(|batch| feed.offer(Due { batch: Arc::clone(batch), at: None }))
            }
            _ => feed.read()?,
        };
        if !goes_on {
            break;
        }
        feed.pace.again();
    }
    Ok(feed.pace)
}

/// How large a batch may get: small enough that every connection has something to do.
fn bytes_full(plan: &Plan) -> usize {
    // What has no length is a pipe, and may have any.
    let bytes = fs::metadata(&plan.path).map_or(0, |facts| facts.len());
    let bytes = if bytes == 0 { u64::MAX } else { bytes };
    let shares = BATCHES_PER_CONNECTION * plan.connections.max(1) as u64;
    let share = bytes.saturating_mul(plan.repeat) / shares;
    usize::try_from(share).unwrap_or(usize::MAX).clamp(1, limit::REPLAY_BATCH_BYTES)
}

struct Feed<'a> {
    plan: &'a Plan,
    chosen: &'a dyn Fn(&Entry) -> bool,
    queue: SyncSender<Due>,
    watch: Watch<'a>,
    bytes_full: usize,
    /// What is being put together.
    batch: Batch,
    /// When its first record is due.
    due: Option<Duration>,
    pace: Pace,
    /// All batches of a round, if they are to be sent again.
    kept: Option<Vec<Arc<Batch>>>,
    kept_bytes: usize,
}

impl Feed<'_> {
    /// Reads the capture once; whether anybody takes more.
    fn read(&mut self) -> Result<bool, ReadError> {
        let mut reader = Reader::open(&self.plan.path, &self.plan.settings)?;
        let mut taken = true;
        while let Some(block) = reader.next_block()? {
            for entry in block.entries() {
                // What is empty shares the fate of the record before it.
                taken = if entry.number.is_some() { (self.chosen)(&entry) } else { taken };
                if taken && !self.take(&entry, block.framing()) {
                    return Ok(false);
                }
            }
        }
        Ok(self.hand_on())
    }

    /// Takes a record; whether anybody takes more.
    fn take(&mut self, entry: &Entry, framing: &Framing) -> bool {
        let at = match entry.number {
            Some(_) => self.pace.due(entry.record.map(Record::time)),
            None => self.due,
        };
        let apart = at.zip(self.due).is_some_and(|(at, due)| at > due + limit::REPLAY_STEP);
        if (apart || self.batch.bytes().len() >= self.bytes_full) && !self.hand_on() {
            return false;
        }
        self.due = self.due.or(at);
        // Nothing is ever sent behind the last record of a capture that is sent once.
        self.batch.push(entry, self.plan.wire, framing, self.plan.repeat == 1);
        true
    }

    /// Hands on what was put together; whether anybody takes more.
    fn hand_on(&mut self) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        let room = if self.due.is_some() { 0 } else { self.batch.bytes().len() };
        let batch = Arc::new(std::mem::replace(&mut self.batch, Batch::with_capacity(room)));
        self.kept_bytes += batch.bytes().len();
        if self.kept_bytes > limit::REPLAY_KEPT_BYTES {
            self.kept = None;
        }
        if let Some(kept) = &mut self.kept {
            kept.push(Arc::clone(&batch));
        }
        let at = self.due.take();
        self.offer(Due { batch, at })
    }

    /// Puts a batch where connections find it; whether anybody takes more.
    fn offer(&self, due: Due) -> bool {
        let ends = [self.watch.stop, self.watch.halt].map(|flag| flag.load(Ordering::Relaxed));
        !ends.contains(&true) && self.queue.send(due).is_ok()
    }
}
