//! How long a listener waits for what the world does not take: as long as the run goes on, but not much longer than anything
//! can still come. A run that reads files to their end must come to its own.
//!
//! It must never know what is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::pipeline::stream::Stream;
use crate::pipeline::stream::piece::EventPiece;
use crate::{clock, limit};

/// How long a listener still waits.
pub(crate) struct Patience {
    events: Arc<Stream<EventPiece>>,
    stop: Arc<AtomicBool>,
    /// When it waited and nothing more could come.
    since: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(events: Arc<Stream<EventPiece>>, stop: Arc<AtomicBool>) -> Self {
        Self { events, stop, since: None }
    }

    /// Waits so long. Says no if nobody waits any more.
    pub(crate) fn waits(&mut self, time: Duration) -> bool {
        let until = clock::instant() + time;
        while !self.is_over() {
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return true;
            }
            thread::park_timeout(limit::RETRY_STEP.min(left));
        }
        false
    }

    fn is_over(&mut self) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return true;
        }
        if !self.events.is_over() {
            return false;
        }
        let now = clock::instant();
        now.duration_since(*self.since.get_or_insert(now)) >= limit::DELIVERY_DRAIN
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::Patience;
    use crate::pipeline::stream::Stream;
    use crate::pipeline::stream::marks::EventMarks;
    use crate::{clock, limit};

    #[test]
    fn it_ends_with_the_run_and_a_while_after_the_last_event() {
        let stream = Arc::new(Stream::new(None, EventMarks::default(), false));
        let stop = Arc::new(AtomicBool::new(false));
        let mut patience = Patience::new(Arc::clone(&stream), Arc::clone(&stop));
        assert!(patience.waits(Duration::ZERO));
        stream.end();
        assert!(patience.waits(Duration::from_millis(1)), "a while is left");
        patience.since = clock::instant().checked_sub(limit::DELIVERY_DRAIN);
        assert!(!patience.waits(Duration::from_mins(1)));
        let mut patience = Patience::new(stream, Arc::clone(&stop));
        stop.store(true, Ordering::Relaxed);
        assert!(!patience.waits(Duration::from_mins(1)));
    }
}
