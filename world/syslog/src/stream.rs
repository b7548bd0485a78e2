//! Messages over a connection that is kept.
//!
//! The system takes what is written long before the other machine has it, so what was written lately is kept: if the
//! connection turns out to be broken, it goes over the next one again. The system gives a connection up after a while
//! without an answer; what was written longer ago than that on one that still stands has reached the other machine. Whether
//! the program there has read it shows at the end: who has read all closes in order, and who has not breaks off. One that
//! always breaks off is not sent the same for ever.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use correlator_wire::address::HostPort;
use correlator_wire::clock;
use correlator_wire::link::Link;
use correlator_wire::trust::Trust;

use crate::limit;

/// The way to one server.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    link: Option<Link>,
    unsure: Unsure,
    /// How many were unsure when a connection broke, and are kept no more.
    lost: usize,
}

/// What was written and may be lost yet, the oldest first.
#[derive(Debug, Default)]
struct Unsure {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// How many there was no room for, and when the last of them was written.
    dropped: Option<(usize, Instant)>,
}

/// A message as it is written.
#[derive(Clone, Debug)]
struct Frame {
    bytes: Vec<u8>,
    /// When it was written first.
    first: Instant,
    /// When it was written last.
    last: Instant,
    /// To how many connections it was written.
    times: usize,
}

/// What came of sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Messages of before that were sent again, because their connection broke.
    pub again: usize,
    /// Those that could not be, because too many had been written since.
    pub lost: usize,
}

impl Stream {
    /// Sends messages, all or, as far as anybody knows, none.
    pub fn send(
        &mut self,
        messages: &[String],
        server: &HostPort,
        trust: Option<&Trust>,
        timeout: Duration,
    ) -> io::Result<Sent> {
        let now = clock::instant();
        let frame = |text: &String| Frame {
            bytes: format!("{} {text}", text.len()).into_bytes(),
            first: now,
            last: now,
            times: 0,
        };
        let frames: Vec<Frame> = messages.iter().map(frame).collect();
        let was_open = self.is_alive();
        if was_open && self.write(&frames, timeout).is_ok() {
            self.keep(frames);
            return Ok(Sent::default());
        }
        // A connection may have ended since, or end at the first word; a new one tells more.
        self.link = None;
        self.open(server, trust, timeout)?;
        self.unsure.forget_tried(now);
        let old: Vec<Frame> = self.unsure.frames.iter().cloned().collect();
        let written = self.write(&old, timeout).and_then(|()| self.write(&frames, timeout));
        if let Err(error) = written {
            self.link = None;
            return Err(error);
        }
        let again = old.len();
        let lost = self.unsure.dropped.map_or(0, |(count, _)| count);
        self.unsure = Unsure::default();
        self.lost += lost;
        self.keep(old);
        self.keep(frames);
        Ok(Sent { again, lost })
    }

    /// Whether there is anything to hear the end of.
    pub fn is_unsure(&self) -> bool {
        self.link.is_some() || self.unsure.count() > 0
    }

    /// Says that nothing more will come. It closes in order only what stands.
    pub fn finish(&mut self) {
        if self.is_alive()
            && let Some(link) = &mut self.link
            && link.finish().is_err()
        {
            self.link = None;
        }
    }

    /// Waits until the other side has closed as well. Who says nothing is taken for one that has read all.
    pub fn hear_out(&mut self, deadline: Instant) -> io::Result<()> {
        let heard = match self.link.take() {
            None if self.unsure.count() == 0 => Ok(()),
            None => Err(io::ErrorKind::NotConnected.into()),
            Some(link) => link.hear_out(deadline),
        };
        match heard {
            // The system says so too, of one who does not answer any more.
            Err(error)
                if error.kind() != io::ErrorKind::TimedOut || error.raw_os_error().is_some() =>
            {
                Err(error)
            }
            _ => {
                self.unsure = Unsure::default();
                Ok(())
            }
        }
    }

    /// How many may not have come to pass.
    pub fn undone(&self) -> usize {
        self.lost + self.unsure.count()
    }

    /// Whether the connection stands; if it does, what was written long ago is safe. If the other side has closed it in
    /// order and has all of it, it has read it, as at the end.
    fn is_alive(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        let Err(error) = link.discard() else {
            self.unsure.forget_before(clock::instant());
            return true;
        };
        if error.kind() == io::ErrorKind::UnexpectedEof && link.is_read_out() {
            self.unsure = Unsure::default();
        }
        self.link = None;
        false
    }

    fn open(
        &mut self,
        server: &HostPort,
        trust: Option<&Trust>,
        timeout: Duration,
    ) -> io::Result<()> {
        let mut link = Link::connect(server, clock::instant() + timeout)?;
        link.set_unanswered_max(limit::UNANSWERED_MAX)?;
        if let Some(trust) = trust {
            link = link.secure(trust)?;
        }
        self.link = Some(link);
        Ok(())
    }

    fn write(&mut self, frames: &[Frame], timeout: Duration) -> io::Result<()> {
        let link = self.link.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let mut piece = Vec::with_capacity(limit::WRITE_BYTES);
        for (number, frame) in frames.iter().enumerate() {
            piece.extend_from_slice(&frame.bytes);
            if piece.len() >= limit::WRITE_BYTES || number + 1 == frames.len() {
                link.set_deadline(clock::instant() + timeout);
                link.write_all(&piece)?;
                link.flush()?;
                piece.clear();
            }
        }
        // A peer that has gone away meanwhile has not read all of it.
        link.discard()
    }

    fn keep(&mut self, frames: Vec<Frame>) {
        let now = clock::instant();
        for frame in frames {
            self.unsure.add(Frame { last: now, times: frame.times + 1, ..frame });
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.close();
        }
    }
}

impl Unsure {
    fn count(&self) -> usize {
        self.frames.len() + self.dropped.map_or(0, |(count, _)| count)
    }

    fn add(&mut self, frame: Frame) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        while self.bytes > limit::UNSURE_BYTES_MAX {
            let Some(frame) = self.frames.pop_front() else { return };
            self.bytes -= frame.bytes.len();
            let before = self.dropped.map_or(0, |(count, _)| count);
            self.dropped = Some((before + 1, frame.last));
        }
    }

    /// What was written long ago to a connection that stands.
    fn forget_before(&mut self, now: Instant) {
        self.forget(|frame| is_long_ago(frame.last, now));
        self.dropped = self.dropped.filter(|(_, written)| !is_long_ago(*written, now));
    }

    /// What was written often enough, to connections that all broke.
    fn forget_tried(&mut self, now: Instant) {
        let enough = |frame: &Frame| frame.times >= limit::WRITTEN_MAX;
        self.forget(|frame| enough(frame) && is_long_ago(frame.first, now));
    }

    /// The oldest for which this holds; it holds for none behind one for which it does not.
    fn forget(&mut self, holds: impl Fn(&Frame) -> bool) {
        while let Some(frame) = self.frames.front()
            && holds(frame)
        {
            self.bytes -= frame.bytes.len();
            self.frames.pop_front();
        }
    }
}

fn is_long_ago(written: Instant, now: Instant) -> bool {
    now.saturating_duration_since(written) > limit::UNSURE_MAX
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use correlator_wire::clock;

    use super::{Frame, Unsure};
    use crate::limit;

    #[test]
    fn what_is_unsure_has_a_bound_and_an_age() {
        let (mut unsure, start) = (Unsure::default(), clock::instant());
        let written = |at, size| Frame { bytes: vec![0; size], first: start, last: at, times: 1 };
        for _ in 0..10 {
            unsure.add(written(start, limit::UNSURE_BYTES_MAX / 4));
        }
        assert_eq!((unsure.frames.len(), unsure.dropped), (4, Some((6, start))));
        let late = start + limit::UNSURE_MAX + Duration::from_secs(1);
        unsure.add(written(late, 10));
        unsure.forget_before(late);
        assert_eq!((unsure.frames.len(), unsure.bytes), (1, 10));
        unsure.forget_before(late + limit::UNSURE_MAX * 2);
        assert_eq!((unsure.frames.len(), unsure.bytes, unsure.dropped), (0, 0, None));
    }

    #[test]
    fn what_all_connections_break_under_is_not_written_for_ever() {
        let start = clock::instant();
        let late = start + limit::UNSURE_MAX + Duration::from_secs(1);
        let check = |times, now, expected| {
            let mut unsure = Unsure::default();
            unsure.add(Frame { bytes: vec![0; 10], first: start, last: now, times });
            unsure.forget_tried(now);
            assert_eq!(unsure.frames.len(), expected, "{times}");
        };
        check(1, late, 1);
        check(limit::WRITTEN_MAX - 1, late, 1);
        check(limit::WRITTEN_MAX, late, 0);
        check(50, start + limit::UNSURE_MAX, 1);
    }
}
