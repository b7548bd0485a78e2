//! Several inputs as one stream, in order of time.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use correlator_frame::record::{Frame, Record, STRIDE};

use super::Progress;
use super::route::Router;
use super::turn::Place;
use correlator_source::counts::Counts;
use correlator_source::file::Input;

/// An input with the frame that is being routed.
struct Head {
    input: Input,
    frame: Frame,
    next: usize,
    told: Counts,
}

impl Head {
    /// The time of the next record.
    fn time(&self) -> i64 {
        self.frame.batch().record(self.next).map_or(i64::MIN, Record::time)
    }

    /// Reads the next frame when this one is done; says whether there is another record.
    fn advance(&mut self, progress: &Progress, stop: &AtomicBool) -> io::Result<bool> {
        if self.next < self.frame.len() {
            return Ok(true);
        }
        self.next = 0;
        let more = self.input.read(&mut self.frame, stop)?;
        progress.add(self.input.counts.bytes - self.told.bytes, self.frame.len() as u64);
        self.told = self.input.counts;
        Ok(more)
    }
}

/// What became of an input.
#[derive(Clone, Debug, Default)]
pub struct SourceReport {
    /// Its path.
    pub path: String,
    /// What was read.
    pub counts: Counts,
    /// Why reading ended early, if it did.
    pub error: Option<String>,
}

/// Routes all records of all inputs, until there are no more or `stop` is set.
pub(super) fn merge(
    inputs: Vec<Input>,
    router: &mut Router,
    progress: &Progress,
    stop: &AtomicBool,
) -> Vec<SourceReport> {
    let mut reports: Vec<_> = inputs
        .iter()
        .map(|input| SourceReport { path: input.path.clone(), ..SourceReport::default() })
        .collect();
    let mut heads: Vec<(usize, Head)> = inputs
        .into_iter()
        .map(|input| Head { input, frame: Frame::default(), next: 0, told: Counts::default() })
        .enumerate()
        .collect();
    heads.retain_mut(|(place, head)| goes_on(head, &mut reports[*place], progress, stop));
    while !heads.is_empty() && !stop.load(Ordering::Relaxed) {
        let (first, until) = earliest(&heads);
        let (place, head) = &mut heads[first];
        run(head, until, router);
        if head.input.live && head.next >= head.frame.len() {
            router.flush();
        }
        if !goes_on(head, &mut reports[*place], progress, stop) {
            heads.remove(first);
        }
    }
    for (place, head) in heads {
        reports[place].counts = head.input.counts;
    }
    reports
}

/// Advances a head, and reports when it has ended.
fn goes_on(
    head: &mut Head,
    report: &mut SourceReport,
    progress: &Progress,
    stop: &AtomicBool,
) -> bool {
    let ended = match head.advance(progress, stop) {
        Ok(true) => return true,
        Ok(false) => None,
        Err(error) => {
            tracing::error!("{}: {error}; what was read before is processed", head.input.path);
            Some(error.to_string())
        }
    };
    report.counts = head.input.counts;
    report.error = ended;
    false
}

/// The head whose next record is the earliest, and the time up to which it may go on alone.
fn earliest(heads: &[(usize, Head)]) -> (usize, i64) {
    let mut best = (0, i64::MAX);
    let mut until = i64::MAX;
    for (place, (_, head)) in heads.iter().enumerate() {
        let time = head.time();
        if place == 0 || time < best.1 {
            // Ties go to the head that stands first, so an earlier one may go on while it is not later.
            until = if place == 0 { i64::MAX } else { until.min(best.1.saturating_sub(1)) };
            best = (place, time);
        } else {
            until = until.min(time);
        }
    }
    (best.0, until)
}

/// Routes the records of one head up to a time.
fn run(head: &mut Head, until: i64, router: &mut Router) {
    let end = head.frame.len();
    let mut first = true;
    while head.next < end {
        if !first && head.time() > until {
            return;
        }
        first = false;
        let raw = head.frame.index[head.next * STRIDE] as usize;
        let position = head.input.position(raw);
        let place = Place { source: head.input.id, position, time: head.time() };
        router.route(&head.frame, head.next, place);
        head.next += 1;
    }
}
