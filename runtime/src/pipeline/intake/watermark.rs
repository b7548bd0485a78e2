//! Event time: how far time has come, by what the records of all sources say.
//!
//! A source's time is its newest record's, less the lateness that the stack allows it; time as a whole is that of the
//! source that is furthest behind, idle ones left out, and never goes back by itself. A record far ahead of all that is
//! known is not believed until others agree: one wrong clock must not fire the timers of a year. What comes out is kept
//! with the records, so a replay sees the same. This file must never read a clock.

use correlator_frame::record::{Frame, Record};

use crate::limit;
use crate::pipeline::stream::piece::Step;

const SECOND: i64 = 1_000_000_000;

/// What is known of a source's time.
#[derive(Clone, Debug)]
struct SourceTime {
    /// Names the source for good.
    number: u32,
    lateness: i64,
    idle_after: i64,
    /// The newest time that is believed.
    newest: i64,
    /// When its last records came, by the engine's clock.
    came: i64,
    /// Whether an earlier run heard of it and this one has not yet.
    resumed: bool,
    /// How many records in a row are too far ahead, and since when.
    doubts: u32,
    doubted_since: i64,
    /// Records that were older than time as a whole.
    late: u64,
}

/// The time of all sources.
#[derive(Debug, Default)]
pub(super) struct Watermark {
    sources: Vec<SourceTime>,
    now: i64,
    begun: bool,
    /// The newest time of any record that is believed.
    newest: i64,
    /// What an earlier run knew of its sources.
    earlier: Vec<(u32, i64)>,
}

/// What a lot of one source may change.
#[derive(Debug)]
pub(super) struct Before {
    now: i64,
    begun: bool,
    newest: i64,
    source: Option<SourceTime>,
}

impl Watermark {
    /// Goes on from where an earlier run has been.
    pub(super) fn resume(&mut self, now: i64, newest: &[(u32, i64)]) {
        (self.now, self.begun, self.newest) = (now, true, now);
        self.earlier = newest.to_vec();
        for source in &mut self.sources {
            source.newest = earlier_of(&self.earlier, source.number);
            source.resumed = source.newest > i64::MIN;
        }
        for &(_, time) in newest {
            self.newest = self.newest.max(time);
        }
    }

    /// Makes a source known. Its place is what `observe` is told.
    pub(super) fn source(&mut self, place: usize, number: u32, lateness: i64, idle_after: i64) {
        let unknown = SourceTime {
            number,
            lateness,
            idle_after,
            newest: i64::MIN,
            came: i64::MIN,
            resumed: false,
            doubts: 0,
            doubted_since: i64::MIN,
            late: 0,
        };
        while self.sources.len() <= place {
            self.sources.push(unknown.clone());
        }
        let same = self.sources.iter().find(|it| it.number == number && it.newest > i64::MIN);
        let newest = same.map_or_else(|| earlier_of(&self.earlier, number), |it| it.newest);
        self.sources[place] = SourceTime { newest, resumed: newest > i64::MIN, ..unknown };
    }

    /// A source is allowed another lateness, and is waited for otherwise, from its next record on.
    pub(super) fn change(&mut self, place: usize, lateness: i64, idle_after: i64) {
        if let Some(source) = self.sources.get_mut(place) {
            (source.lateness, source.idle_after) = (lateness, idle_after);
        }
    }

    /// Time as a whole.
    pub(super) fn now(&self) -> Option<i64> {
        self.begun.then_some(self.now)
    }

    /// The newest time of any record: the time at the end of the input.
    pub(super) fn newest(&self) -> i64 {
        if self.begun { self.newest.max(self.now) } else { 0 }
    }

    /// The newest times of the sources, for who goes on after a restart.
    pub(super) fn newest_of_sources(&self, into: &mut Vec<(u32, i64)>) {
        let known = self.sources.iter().filter(|source| source.newest > i64::MIN);
        into.extend(known.map(|source| (source.number, source.newest)));
    }

    /// How many records of a source came late.
    pub(super) fn late(&self, place: usize) -> u64 {
        self.sources.get(place).map_or(0, |source| source.late)
    }

    /// A source has ended: nobody waits for it, and it is not known to who goes on after a restart.
    pub(super) fn end(&mut self, place: usize) {
        if let Some(source) = self.sources.get_mut(place) {
            source.newest = i64::MIN;
        }
    }

    /// How things stand before a source's next records are taken in.
    pub(super) fn before(&self, place: usize) -> Before {
        let source = self.sources.get(place).cloned();
        Before { now: self.now, begun: self.begun, newest: self.newest, source }
    }

    /// Forgets records that were taken in and have found no room. Their source has been heard all the same.
    pub(super) fn take_back(&mut self, place: usize, before: Before) {
        (self.now, self.begun, self.newest) = (before.now, before.begun, before.newest);
        if let (Some(source), Some(before)) = (self.sources.get_mut(place), before.source) {
            let (came, resumed) = (source.came, source.resumed);
            *source = SourceTime { came, resumed, ..before };
        }
    }

    /// Takes in records of one source that came at `came` by the engine's clock, and tells where time moves on.
    pub(super) fn observe(
        &mut self,
        place: usize,
        frame: &Frame,
        came: i64,
        steps: &mut Vec<Step>,
    ) {
        if place >= self.sources.len() {
            return;
        }
        (self.sources[place].came, self.sources[place].resumed) = (came, false);
        let others = self.slowest_but(place, came);
        for (number, record) in frame.batch().records().enumerate() {
            let time = record.time();
            let source = &mut self.sources[place];
            // Also the newest of its source may be, if that was not waited for.
            source.late += u64::from(self.begun && time < self.now);
            if time <= source.newest {
                continue;
            }
            if !source.believes(record, came) {
                continue;
            }
            source.newest = time;
            self.newest = self.newest.max(time);
            let now = time.saturating_sub(source.lateness).min(others);
            self.step(now, number as u32, steps);
        }
    }

    /// Time passes without records: idle sources are left behind, and the engine's clock moves time on once all are idle.
    /// Tells where time moves to, if it does.
    pub(super) fn pass(&mut self, clock: i64) -> Option<i64> {
        if !self.begun {
            return None;
        }
        // Who was cut off by a restart has something old to say: he is waited for like anybody else.
        for source in self.sources.iter_mut().filter(|source| source.resumed) {
            (source.came, source.resumed) = (clock, false);
        }
        let lateness = self.sources.iter().map(|source| source.lateness).max().unwrap_or(0);
        let slowest = self.slowest_but(usize::MAX, clock);
        let now = if slowest == i64::MAX { clock.saturating_sub(lateness) } else { slowest };
        let mut steps = Vec::new();
        self.step(now, 0, &mut steps);
        steps.first().map(|step| step.time)
    }

    /// Takes a step back that nobody was told of, unless time has gone on since.
    pub(super) fn go_back(&mut self, from: i64, to: i64) {
        if self.now == from {
            self.now = to;
        }
    }

    /// The time of the source that is furthest behind, this one and idle ones left out.
    fn slowest_but(&self, place: usize, clock: i64) -> i64 {
        let others = self.sources.iter().enumerate().filter(|(other, source)| {
            *other != place
                && source.newest > i64::MIN
                && (source.resumed || clock.saturating_sub(source.came) < source.idle_after)
        });
        others
            .map(|(_, source)| source.newest.saturating_sub(source.lateness))
            .min()
            .unwrap_or(i64::MAX)
    }

    /// Moves time on, and tells it if a new second has begun: nobody's timers are finer.
    fn step(&mut self, now: i64, record: u32, steps: &mut Vec<Step>) {
        if self.begun && now <= self.now {
            return;
        }
        let new_second = !self.begun || now.div_euclid(SECOND) > self.now.div_euclid(SECOND);
        (self.now, self.begun) = (now, true);
        if new_second {
            steps.push(Step { record, time: now });
        }
    }
}

/// The newest time that an earlier run saw of this source.
fn earlier_of(earlier: &[(u32, i64)], number: u32) -> i64 {
    earlier.iter().find(|(known, _)| *known == number).map_or(i64::MIN, |(_, time)| *time)
}

impl SourceTime {
    /// Whether a record's time moves the source's time on. Records of a file need one other that agrees; those that come
    /// live, which anybody may have sent, need many in a row for a while, without one that says otherwise.
    fn believes(&mut self, record: Record<'_>, came: i64) -> bool {
        let time = record.time();
        let live = came > i64::MIN;
        let known = self.newest.max(came);
        let ahead = if live { limit::TIME_AHEAD_MAX } else { limit::FILE_TIME_AHEAD_MAX };
        if known == i64::MIN || time.saturating_sub(known) <= ahead {
            self.doubts = 0;
            return true;
        }
        if self.doubts == 0 {
            self.doubted_since = came;
        }
        self.doubts += 1;
        if live {
            let lasting = came.saturating_sub(self.doubted_since) >= limit::TIME_DOUBT_MIN;
            return lasting && self.doubts > limit::TIME_WITNESSES;
        }
        self.doubts > 1
    }
}

#[cfg(test)]
mod tests {
    use correlator_frame::record::{Frame, Row};

    use super::{SECOND, Watermark};
    use crate::limit;

    const HOUR: i64 = 3_600 * SECOND;

    fn frame(times: &[i64]) -> Frame {
        let mut frame = Frame::default();
        for &time in times {
            frame.push(&Row { time: time * SECOND, ..Row::default() }, 0);
        }
        frame
    }

    /// Seconds at which time moves on, with the records' places.
    fn observe(time: &mut Watermark, place: usize, times: &[i64], came: i64) -> Vec<(u32, i64)> {
        let mut steps = Vec::new();
        time.observe(place, &frame(times), came, &mut steps);
        steps.iter().map(|step| (step.record, step.time / SECOND)).collect()
    }

    fn watermark(sources: &[(i64, i64)]) -> Watermark {
        let mut time = Watermark::default();
        for (place, (lateness, idle)) in sources.iter().enumerate() {
            time.source(place, place as u32, lateness * SECOND, idle * SECOND);
        }
        time
    }

    #[test]
    fn one_source_moves_time_by_seconds() {
        let mut time = watermark(&[(0, 30)]);
        assert_eq!(observe(&mut time, 0, &[5, 5, 6, 4, 9], i64::MIN), [(0, 5), (2, 6), (4, 9)]);
        assert_eq!(time.late(0), 1);
        assert_eq!(time.newest(), 9 * SECOND);
    }

    #[test]
    fn lateness_holds_time_back() {
        let mut time = watermark(&[(10, 30)]);
        assert_eq!(observe(&mut time, 0, &[100, 95, 101], i64::MIN), [(0, 90), (2, 91)]);
        assert_eq!(time.late(0), 0);
        assert_eq!(observe(&mut time, 0, &[90], i64::MIN), []);
        assert_eq!(time.late(0), 1);
    }

    #[test]
    fn another_lateness_holds_from_the_next_record_on() {
        let mut time = watermark(&[(10, 30)]);
        assert_eq!(observe(&mut time, 0, &[100], i64::MIN), [(0, 90)]);
        time.change(0, 4 * SECOND, 30 * SECOND);
        assert_eq!(time.now(), Some(90 * SECOND));
        assert_eq!(observe(&mut time, 0, &[101], i64::MIN), [(0, 97)]);
        // What was told is not taken back.
        time.change(0, 60 * SECOND, 30 * SECOND);
        assert_eq!(observe(&mut time, 0, &[102, 96], i64::MIN), []);
        assert_eq!((time.now(), time.late(0)), (Some(97 * SECOND), 1));
    }

    #[test]
    fn the_slowest_source_counts_until_it_is_idle() {
        let mut time = watermark(&[(0, 30), (0, 30)]);
        assert_eq!(observe(&mut time, 0, &[100], 100 * SECOND), [(0, 100)]);
        assert_eq!(observe(&mut time, 1, &[50], 101 * SECOND), []);
        assert_eq!((time.late(0), time.late(1)), (0, 1));
        assert_eq!(observe(&mut time, 0, &[110], 110 * SECOND), []);
        assert_eq!(observe(&mut time, 1, &[105], 111 * SECOND), [(0, 105)]);
        assert_eq!(observe(&mut time, 0, &[150], 150 * SECOND), [(0, 150)]);
        assert_eq!(time.pass(160 * SECOND), None);
        assert_eq!(time.pass(200 * SECOND), Some(200 * SECOND));
    }

    #[test]
    fn one_wrong_clock_is_not_believed() {
        let far = 3 * 365 * 24 * HOUR / SECOND;
        let mut time = watermark(&[(0, 30)]);
        assert_eq!(observe(&mut time, 0, &[100, far, 101], i64::MIN), [(0, 100), (2, 101)]);
        assert_eq!(observe(&mut time, 0, &[far, far + 1], i64::MIN), [(1, far + 1)]);
    }

    #[test]
    fn nobody_pushes_live_time_ahead_at_will() {
        let day = 24 * HOUR / SECOND;
        let mut time = watermark(&[(0, 30)]);
        assert_eq!(observe(&mut time, 0, &[100], 100 * SECOND), [(0, 100)]);
        let flood = vec![3 * day; 2 * limit::TIME_WITNESSES as usize];
        assert_eq!(observe(&mut time, 0, &flood, 101 * SECOND), []);
        assert_eq!(observe(&mut time, 0, &flood, 150 * SECOND), []);
        assert_eq!(observe(&mut time, 0, &flood, 161 * SECOND), [(0, 3 * day)]);
    }

    #[test]
    fn a_restart_is_no_silence() {
        let mut time = Watermark::default();
        time.resume(100 * SECOND, &[(0, 100 * SECOND)]);
        time.source(0, 0, 0, 30 * SECOND);
        assert_eq!(time.pass(500 * SECOND), None);
        assert_eq!(time.pass(529 * SECOND), None);
        assert_eq!(observe(&mut time, 0, &[101], 529 * SECOND), [(0, 101)]);
        assert_eq!(time.pass(558 * SECOND), None);
        assert_eq!(time.pass(559 * SECOND), Some(559 * SECOND));
    }

    #[test]
    fn nobody_waits_for_a_source_that_has_ended() {
        let mut time = watermark(&[(0, 3_600), (0, 3_600)]);
        observe(&mut time, 0, &[100], 100 * SECOND);
        observe(&mut time, 1, &[200], 101 * SECOND);
        assert_eq!(observe(&mut time, 1, &[201], 102 * SECOND), []);
        // It was changed: who comes in its place begins where it was, and is waited for instead.
        time.source(2, 0, 0, 3_600 * SECOND);
        time.end(0);
        assert_eq!(time.pass(103 * SECOND), None);
        assert_eq!(observe(&mut time, 2, &[150], 104 * SECOND), [(0, 150)]);
        let mut newest = Vec::new();
        time.newest_of_sources(&mut newest);
        assert_eq!(newest, [(1, 201 * SECOND), (0, 150 * SECOND)]);
        time.end(2);
        assert_eq!(time.pass(105 * SECOND), Some(201 * SECOND));
    }

    #[test]
    fn what_found_no_room_moves_no_time() {
        let mut time = watermark(&[(0, 30)]);
        observe(&mut time, 0, &[100], 100 * SECOND);
        let before = time.before(0);
        assert_eq!(observe(&mut time, 0, &[90, 110], 110 * SECOND), [(1, 110)]);
        time.take_back(0, before);
        assert_eq!((time.now(), time.late(0)), (Some(100 * SECOND), 0));
        assert_eq!(observe(&mut time, 0, &[90, 110], 111 * SECOND), [(1, 110)]);
        assert_eq!(time.late(0), 1);
        // It was heard, so it is not idle.
        let before = time.before(0);
        observe(&mut time, 0, &[111], 139 * SECOND);
        time.take_back(0, before);
        assert_eq!(time.pass(168 * SECOND), None);
    }

    #[test]
    fn time_goes_on_where_it_was() {
        let mut time = watermark(&[(0, 30)]);
        time.resume(77 * SECOND, &[(0, 77 * SECOND)]);
        assert_eq!(observe(&mut time, 0, &[70, 77, 78], i64::MIN), [(2, 78)]);
        assert_eq!(time.now(), Some(78 * SECOND));
    }
}
