//! Which time it is to be taken for when what is old goes: a clock that leaps ahead must not make all that is kept look old.
//!
//! The machine's clock is believed as long as it says about what is to be expected after the time that was believed last. If it
//! is far ahead, time goes on from there as slowly as it passes, until the clock has said so for a day: an engine that was
//! off for long, and a clock that was wrong before, come right so. This room must never know what is kept.

use std::time::Instant;

use correlator_store::tended::Tended;

use crate::clock::nanoseconds;
use crate::limit;

/// Which time it is to be taken for.
pub(super) struct Calendar {
    /// The time that was believed last, and when that was.
    at: (i64, Instant),
    /// What the clock said when it was looked at last.
    seen: (i64, Instant),
    /// What it said when it was first not believed.
    doubted: Option<i64>,
}

/// What is to be told of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It is so far ahead, in nanoseconds.
    Doubted(i64),
    /// It is believed again, or by now.
    Believed,
}

impl Calendar {
    /// Goes on from what is known of the time when the store was last tended.
    pub(super) fn new(tended: Tended, wall: i64, instant: Instant) -> Self {
        let at = (tended.at.unwrap_or(wall), instant);
        Self { at, seen: (wall, instant), doubted: tended.doubted }
    }

    /// Which time it is to be taken for, and what there is to tell.
    pub(super) fn look(&mut self, wall: i64, instant: Instant) -> (i64, Option<News>) {
        let after = |(at, since): (i64, Instant)| {
            at.saturating_add(nanoseconds(instant.saturating_duration_since(since)))
        };
        let leapt = wall.saturating_sub(after(self.seen)) > limit::CLOCK_LEAP_MAX;
        self.seen = (wall, instant);
        let ahead = wall.saturating_sub(after(self.at));
        if ahead <= limit::CLOCK_LEAP_MAX {
            // One that is set back makes nothing old; where it stood is still remembered.
            if ahead >= -limit::CLOCK_LEAP_MAX {
                self.at = (wall, instant);
            }
            return (wall, self.doubted.take().map(|_| News::Believed));
        }
        match self.doubted {
            Some(since) if !leapt && wall >= since => {
                if wall - since < limit::CLOCK_DOUBTED {
                    return (after(self.at), None);
                }
                (self.at, self.doubted) = ((wall, instant), None);
                (wall, Some(News::Believed))
            }
            _ => {
                self.doubted = Some(wall);
                (after(self.at), Some(News::Doubted(ahead)))
            }
        }
    }

    /// What is to be known of it after the next start.
    pub(super) fn tended(&self) -> Tended {
        Tended { at: Some(self.at.0), doubted: self.doubted }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use correlator_store::tended::Tended;

    use super::{Calendar, News};
    use crate::clock;

    const HOUR: i64 = 3_600 * 1_000_000_000;
    const DAY: i64 = 24 * HOUR;
    const START: i64 = 20_000 * DAY;

    /// Hours that pass, what the clock says then, which time it is taken for, and what is told.
    type Look = (u64, i64, i64, Option<News>);

    fn check(tended: Tended, looks: &[Look]) -> Calendar {
        let begun: Instant = clock::instant();
        let mut calendar = Calendar::new(tended, looks[0].1, begun);
        for (hours, wall, expected, news) in looks {
            let instant = begun + Duration::from_hours(*hours);
            assert_eq!(calendar.look(*wall, instant), (*expected, *news), "after {hours} hours");
        }
        calendar
    }

    #[test]
    fn a_clock_that_goes_on_is_believed() {
        let tended = Tended { at: Some(START - 3 * DAY), doubted: None };
        let later = START + HOUR;
        let calendar = check(tended, &[(0, START, START, None), (1, later, later, None)]);
        assert_eq!(calendar.tended(), Tended { at: Some(later), doubted: None });
        // Nothing is known in a new store.
        check(Tended::default(), &[(0, START, START, None), (1, later, later, None)]);
        // One that is set back makes nothing old, and comes right again.
        let back = START - 900 * DAY;
        check(
            Tended { at: Some(START), doubted: None },
            &[(0, back, back, None), (1, START + HOUR, START + HOUR, None)],
        );
    }

    #[test]
    fn a_leap_is_told_and_makes_nothing_old() {
        let (now, ahead) = (Tended { at: Some(START), doubted: None }, START + 730 * DAY);
        let doubted = Some(News::Doubted(730 * DAY));
        let calendar = check(
            now,
            &[
                (0, START, START, None),
                (1, ahead + HOUR, START + HOUR, doubted),
                (2, ahead + 2 * HOUR, START + 2 * HOUR, None),
                // It was set right.
                (3, START + 3 * HOUR, START + 3 * HOUR, Some(News::Believed)),
                // Once more, and then farther.
                (4, ahead + 4 * HOUR, START + 4 * HOUR, doubted),
                (24, 2 * ahead, START + DAY, Some(News::Doubted(2 * ahead - START - DAY))),
                (30, 2 * ahead + 6 * HOUR, START + 30 * HOUR, None),
            ],
        );
        let expected = Tended { at: Some(START + 3 * HOUR), doubted: Some(2 * ahead) };
        assert_eq!(calendar.tended(), expected);
    }

    #[test]
    fn what_a_clock_says_for_a_day_is_believed_also_by_runs_that_are_short() {
        let (old, long) = (Tended { at: Some(START), doubted: None }, START + 60 * DAY);
        let doubted = Some(News::Doubted(60 * DAY));
        let day = long + DAY;
        check(old, &[(0, long, START, doubted), (24, day, day, Some(News::Believed))]);
        let short = check(old, &[(0, long, START, doubted)]).tended();
        assert_eq!(short, Tended { at: Some(START), doubted: Some(long) });
        let (soon, later) = (long + HOUR, long + 7 * DAY);
        check(short, &[(0, soon, START, None)]);
        check(short, &[(0, later, later, Some(News::Believed))]);
        check(short, &[(0, START + HOUR, START + HOUR, Some(News::Believed))]);
    }
}
