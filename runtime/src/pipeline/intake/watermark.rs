//! Event time: how far time has come, by what the records of all sources say.
//!
//! A source's time is its newest record's, less the lateness that the stack allows it; time as a whole is that of the
//! source that is furthest behind, idle ones left out, and never goes back by itself. Files that are read once come as one,
//! in order of time: none of them is behind the others, so what counts is the greatest lateness of them all. A record far
//! ahead of all that is known is not believed until others agree, nor is the first of files before the next has come: one
//! wrong clock must not fire the timers of a year. What comes out is kept with the records, so a replay sees the same. This
//! file must never read a clock.

use correlator_frame::record::{Frame, Record};

use crate::limit;
use crate::pipeline::stream::piece::Step;

const SECOND: i64 = 1_000_000_000;

/// What is known of a source's time.
#[derive(Clone, Debug)]
struct SourceTime {
    /// Names the source for good.
    number: u32,
    /// Whether its records come as they happen.
    live: bool,
    lateness: i64,
    idle_after: i64,
    /// The first time of files, which is believed unless the next says otherwise.
    first: Option<i64>,
    /// The newest time that is believed.
    newest: i64,
    /// When its last records came, by the engine's clock.
    came: i64,
    /// Whether an earlier run heard of it and this one has not yet.
    resumed: bool,
    /// How many records in a row are too far ahead, and since when.
    doubts: u32,
    doubted_since: i64,
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
    /// Goes on from where an earlier run has been, before any source is known. Without a time there was one record, which
    /// nobody knows yet whether to believe.
    pub(super) fn resume(&mut self, now: Option<i64>, newest: &[(u32, i64)]) {
        self.earlier = newest.to_vec();
        let Some(now) = now else { return };
        let times = newest.iter().map(|(_, time)| *time);
        (self.now, self.begun, self.newest) = (now, true, times.fold(now, i64::max));
    }

    /// Makes a source known. Its place is what `observe` is told.
    pub(super) fn source(
        &mut self,
        place: usize,
        number: u32,
        live: bool,
        (lateness, idle_after): (i64, i64),
    ) {
        let unknown = SourceTime {
            number,
            live,
            lateness,
            idle_after,
            first: None,
            newest: i64::MIN,
            came: i64::MIN,
            resumed: false,
            doubts: 0,
            doubted_since: i64::MIN,
        };
        while self.sources.len() <= place {
            self.sources.push(unknown.clone());
        }
        let same = self.sources.iter().find(|it| it.number == number && it.newest > i64::MIN);
        let earlier = self.earlier.iter().find(|(known, _)| *known == number).map(|it| it.1);
        let newest = same.map(|it| it.newest).or(earlier);
        self.sources[place] = match newest {
            Some(newest) if self.begun => SourceTime { newest, resumed: true, ..unknown },
            first => SourceTime { first, ..unknown },
        };
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
        if self.begun {
            return self.newest.max(self.now);
        }
        // One record may be all that came.
        self.sources.iter().find_map(|source| source.first).unwrap_or(0)
    }

    /// The newest times of the sources, for who goes on after a restart.
    pub(super) fn newest_of_sources(&self, into: &mut Vec<(u32, i64)>) {
        let times = self.sources.iter().map(|it| (it.number, it.first.unwrap_or(it.newest)));
        into.extend(times.filter(|(_, time)| *time > i64::MIN));
    }

    /// A source has ended: nobody waits for it, and it is not known to who goes on after a restart.
    pub(super) fn end(&mut self, place: usize) {
        if let Some(source) = self.sources.get_mut(place) {
            (source.first, source.newest) = (None, i64::MIN);
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

    /// Takes in records of one source, or of files under the place of the first one's, that came at `came` by the engine's
    /// clock. Tells where time moves on, and which of them came late.
    pub(super) fn observe(
        &mut self,
        place: usize,
        frame: &Frame,
        came: i64,
        steps: &mut Vec<Step>,
        late: &mut Vec<u32>,
    ) {
        if place >= self.sources.len() {
            return;
        }
        (self.sources[place].came, self.sources[place].resumed) = (came, false);
        let (others, lateness) = (self.slowest_but(place, came), self.lateness(place));
        let mut begins = came == i64::MIN && self.sources[place].newest == i64::MIN;
        for (number, record) in frame.batch().records().enumerate() {
            let (number, time) = (number as u32, record.time());
            if begins && self.begin(place, time) {
                begins = false;
                let first = self.sources[place].newest;
                self.step(first.saturating_sub(lateness).min(others), number, steps);
            }
            // Also the newest of its source may be, if that was not waited for.
            if self.begun && time < self.now {
                late.push(number);
            }
            let source = &mut self.sources[place];
            let is_news = time > source.newest;
            // Where some are in doubt, also what is no news says otherwise.
            let counts = is_news || source.doubts > 0;
            if counts && source.believes(record, came) && is_news {
                source.newest = time;
                self.newest = self.newest.max(time);
                self.step(time.saturating_sub(lateness).min(others), number, steps);
            }
        }
    }

    /// Whether files have a time, which they get by their second record: one that is far behind the first belies that.
    fn begin(&mut self, place: usize, time: i64) -> bool {
        // Where time has begun without them, that stands for the first.
        let known = self.begun.then_some(self.now.min(time));
        let source = &mut self.sources[place];
        let Some(first) = source.first.take().or(known) else {
            source.first = Some(time);
            return false;
        };
        let belied = first.saturating_sub(time) > limit::FILE_TIME_AHEAD_MAX;
        source.newest = if belied { time } else { first };
        self.newest = self.newest.max(source.newest);
        true
    }

    /// How far behind its newest record a source's time is.
    fn lateness(&self, place: usize) -> i64 {
        let own = &self.sources[place];
        let files = self.sources.iter().filter(|source| !own.live && !source.live);
        files.map(|source| source.lateness).fold(own.lateness, i64::max)
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

impl SourceTime {
    /// Whether a record's time moves the source's time on. Records of a file need one other that agrees; those that come
    /// live, which anybody may have sent, need many in a row for a while, without one that says otherwise, and are measured
    /// by the clock alone: by one another each would be believed a little further.
    fn believes(&mut self, record: Record<'_>, came: i64) -> bool {
        let time = record.time();
        let live = came > i64::MIN;
        let (known, ahead) = if live {
            (came, limit::TIME_AHEAD_MAX)
        } else {
            (self.newest, limit::FILE_TIME_AHEAD_MAX)
        };
        if known == i64::MIN {
            return false;
        }
        if time.saturating_sub(known) <= ahead {
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

    /// Seconds at which time moves on, with the records' places, and which records come late.
    fn heard(
        time: &mut Watermark,
        place: usize,
        times: &[i64],
        came: i64,
    ) -> (Vec<(u32, i64)>, Vec<u32>) {
        let (mut steps, mut late) = (Vec::new(), Vec::new());
        time.observe(place, &frame(times), came, &mut steps, &mut late);
        (steps.iter().map(|step| (step.record, step.time / SECOND)).collect(), late)
    }

    fn observe(time: &mut Watermark, place: usize, times: &[i64], came: i64) -> Vec<(u32, i64)> {
        heard(time, place, times, came).0
    }

    /// Of files, which came all at once, or record by record.
    fn check_files(
        lateness: &[i64],
        times: &[i64],
        (expected, late): (&[(u32, i64)], &[u32]),
        newest: i64,
    ) {
        for lot in [1, 2, times.len()] {
            for restarts in [false, true] {
                let mut time = files(lateness);
                let (mut steps, mut came_late) = (Vec::new(), Vec::new());
                for (number, times) in times.chunks(lot).enumerate() {
                    if restarts {
                        let (now, mut newest) = (time.now(), Vec::new());
                        time.newest_of_sources(&mut newest);
                        time = resumed(now, &newest, lateness);
                    }
                    let from = (number * lot) as u32;
                    let (step, late) = heard(&mut time, 0, times, i64::MIN);
                    steps.extend(step.iter().map(|(record, time)| (record + from, *time)));
                    came_late.extend(late.iter().map(|record| record + from));
                }
                let it = format!("{times:?} of {lateness:?} by {lot}, restarts: {restarts}");
                assert_eq!((steps.as_slice(), came_late.as_slice()), (expected, late), "{it}");
                assert_eq!(time.newest() / SECOND, newest, "{it}");
            }
        }
    }

    fn files(lateness: &[i64]) -> Watermark {
        resumed(None, &[], lateness)
    }

    fn resumed(now: Option<i64>, newest: &[(u32, i64)], lateness: &[i64]) -> Watermark {
        let mut time = Watermark::default();
        time.resume(now, newest);
        for (place, lateness) in lateness.iter().enumerate() {
            time.source(place, place as u32, false, (lateness * SECOND, 30 * SECOND));
        }
        time
    }

    fn watermark(sources: &[(i64, i64)]) -> Watermark {
        let mut time = Watermark::default();
        for (place, (lateness, idle)) in sources.iter().enumerate() {
            time.source(place, place as u32, true, (lateness * SECOND, idle * SECOND));
        }
        time
    }

    #[test]
    fn files_move_time_by_seconds() {
        check_files(&[0], &[5, 5, 6, 4, 9], (&[(1, 5), (2, 6), (4, 9)], &[3]), 9);
        check_files(&[0], &[5, 9], (&[(1, 5), (1, 9)], &[]), 9);
        check_files(&[0], &[9, 5], (&[(1, 9)], &[1]), 9);
        check_files(&[0], &[5], (&[], &[]), 5);
    }

    #[test]
    fn lateness_holds_time_back() {
        check_files(&[10], &[100, 95, 101, 90], (&[(1, 90), (2, 91)], &[3]), 101);
    }

    #[test]
    fn of_files_the_greatest_lateness_counts() {
        let times = [100, 50, 120, 59];
        for lateness in [&[60][..], &[0, 60], &[60, 0], &[10, 60, 20]] {
            check_files(lateness, &times, (&[(1, 40), (2, 60)], &[3]), 120);
        }
        // Whoever comes live has his own.
        let mut time = files(&[60]);
        time.source(1, 1, true, (5 * SECOND, 30 * SECOND));
        assert_eq!(observe(&mut time, 1, &[100], 100 * SECOND), [(0, 95)]);
    }

    #[test]
    fn the_first_of_files_needs_another_that_agrees() {
        let far = 75 * 365 * 24 * HOUR / SECOND;
        check_files(&[0], &[far, 100, 101], (&[(1, 100), (2, 101)], &[]), 101);
        check_files(&[0], &[far, 100, far, 101], (&[(1, 100), (3, 101)], &[]), 101);
        check_files(&[0], &[far, far, 100], (&[(1, far)], &[2]), far);
        check_files(&[0], &[100, far, 101], (&[(1, 100), (2, 101)], &[]), 101);
        // Where an earlier run has told the time, the first of other files is compared with that.
        let mut time = resumed(Some(100 * SECOND), &[(7, 100 * SECOND)], &[0]);
        assert_eq!(observe(&mut time, 0, &[far, 101], i64::MIN), [(1, 101)]);
    }

    #[test]
    fn another_lateness_holds_from_the_next_record_on() {
        let mut time = watermark(&[(10, 30)]);
        assert_eq!(observe(&mut time, 0, &[100], 100 * SECOND), [(0, 90)]);
        time.change(0, 4 * SECOND, 30 * SECOND);
        assert_eq!(time.now(), Some(90 * SECOND));
        assert_eq!(observe(&mut time, 0, &[101], 101 * SECOND), [(0, 97)]);
        // What was told is not taken back.
        time.change(0, 60 * SECOND, 30 * SECOND);
        assert_eq!(heard(&mut time, 0, &[102, 96], 102 * SECOND), (vec![], vec![1]));
        assert_eq!(time.now(), Some(97 * SECOND));
    }

    #[test]
    fn the_slowest_source_counts_until_it_is_idle() {
        let mut time = watermark(&[(0, 30), (0, 30)]);
        assert_eq!(observe(&mut time, 0, &[100], 100 * SECOND), [(0, 100)]);
        assert_eq!(heard(&mut time, 1, &[50], 101 * SECOND), (vec![], vec![0]));
        assert_eq!(observe(&mut time, 0, &[110], 110 * SECOND), []);
        assert_eq!(observe(&mut time, 1, &[105], 111 * SECOND), [(0, 105)]);
        assert_eq!(observe(&mut time, 0, &[150], 150 * SECOND), [(0, 150)]);
        assert_eq!(time.pass(160 * SECOND), None);
        assert_eq!(time.pass(200 * SECOND), Some(200 * SECOND));
    }

    #[test]
    fn two_of_a_file_that_agree_are_believed() {
        let far = 3 * 365 * 24 * HOUR / SECOND;
        let mut time = files(&[0]);
        assert_eq!(observe(&mut time, 0, &[100, far, 101], i64::MIN), [(1, 100), (2, 101)]);
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
        // One that says otherwise, though it is no news, is enough.
        assert_eq!(observe(&mut time, 0, &[99], 155 * SECOND), []);
        assert_eq!(observe(&mut time, 0, &flood, 161 * SECOND), []);
        assert_eq!(observe(&mut time, 0, &flood, 221 * SECOND), [(0, 3 * day)]);
    }

    #[test]
    fn nobody_pushes_live_time_ahead_step_by_step() {
        let most = limit::TIME_AHEAD_MAX / SECOND;
        let mut time = watermark(&[(0, 30)]);
        assert_eq!(observe(&mut time, 0, &[100, 100 + most], 100 * SECOND), [(0, 100), (1, 700)]);
        let steps: Vec<_> = (2..50).map(|step| 100 + step * most).collect();
        assert_eq!(observe(&mut time, 0, &steps, 100 * SECOND), []);
        // A sender in another zone is not believed over the others, however long he goes on.
        for clock in 101..1_000 {
            let now = heard(&mut time, 0, &[clock, clock + 3_600], clock * SECOND).0;
            assert!(now.iter().all(|(_, time)| *time <= clock.max(100 + most)), "{now:?}");
        }
        // One who is alone is.
        for clock in 1_000..1_059 {
            assert_eq!(observe(&mut time, 0, &[clock + 3_600], clock * SECOND), []);
        }
        assert_eq!(observe(&mut time, 0, &[4_659], 1_059 * SECOND), [(0, 4_659)]);
        assert_eq!(observe(&mut time, 0, &[4_660], 1_060 * SECOND), [(0, 4_660)]);
    }

    #[test]
    fn a_restart_is_no_silence() {
        let mut time = Watermark::default();
        time.resume(Some(100 * SECOND), &[(0, 100 * SECOND)]);
        time.source(0, 0, true, (0, 30 * SECOND));
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
        time.source(2, 0, true, (0, 3_600 * SECOND));
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
        assert_eq!(time.now(), Some(100 * SECOND));
        assert_eq!(heard(&mut time, 0, &[90, 110], 111 * SECOND), (vec![(1, 110)], vec![0]));
        // It was heard, so it is not idle.
        let before = time.before(0);
        observe(&mut time, 0, &[111], 139 * SECOND);
        time.take_back(0, before);
        assert_eq!(time.pass(168 * SECOND), None);
    }

    #[test]
    fn time_goes_on_where_it_was() {
        let mut time = resumed(Some(77 * SECOND), &[(0, 77 * SECOND)], &[0]);
        assert_eq!(observe(&mut time, 0, &[70, 77, 78], i64::MIN), [(2, 78)]);
        assert_eq!(time.now(), Some(78 * SECOND));
    }
}
