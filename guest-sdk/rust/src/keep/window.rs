//! Moments within a span of time, alone and for each key.

use std::collections::VecDeque;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::expiring::Expiring;
use super::key::Lookup;
use crate::time::{Duration, Time};

/// How many moments a window holds at most unless the module says otherwise.
pub const TIMES_DEFAULT: usize = 1024;

/// Expired windows that a push clears away at most: more than it adds, so that they don't pile up.
const EXPIRED_PER_PUSH: usize = 2;

/// Moments within a sliding span, both ends included.
///
/// A record may lie about its time, so no moment is final: one far ahead of the others neither ends nor empties their
/// window, and what comes behind it is counted with what lies around. With `capacity` moments the oldest makes room, or
/// the newest if it lies more than a span ahead of what comes, and [`Window::evicted`] counts it: the count stays at the
/// capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    capacity: usize,
    evicted: u64,
    /// Sorted.
    times: VecDeque<Time>,
}

impl Default for Window {
    fn default() -> Self {
        Self::with_capacity(TIMES_DEFAULT)
    }
}

impl Window {
    /// Room for so many moments, one at least.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), evicted: 0, times: VecDeque::new() }
    }

    /// Adds a moment, and says how many lie with it within a span that ends at the newest of them. Forgets those that lie
    /// more than `span` before the moment and before what was the newest.
    pub fn push(&mut self, time: Time, span: Duration) -> usize {
        // One moment alone, however new, makes nothing forgotten: the next one has to agree.
        let agreed = self.newest().map_or(time, |newest| newest.min(time));
        self.forget_before(agreed - span);
        if self.newest().is_some_and(|newest| newest > time) {
            let place = self.times.partition_point(|earlier| *earlier <= time);
            self.times.insert(place, time);
        } else {
            self.times.push_back(time);
        }
        let is_ahead = self.newest().is_some_and(|newest| newest > time + span);
        if self.times.len() > self.capacity {
            let gone = if is_ahead { self.times.pop_back() } else { self.times.pop_front() };
            self.evicted += u64::from(gone.is_some_and(|gone| gone >= time - span));
        }
        let mut count = self.times.len();
        if is_ahead {
            count = self.times.partition_point(|it| *it <= time + span);
        }
        let Some(newest) = count.checked_sub(1).map(|last| self.times[last]) else { return 0 };
        if self.oldest().is_some_and(|oldest| oldest >= newest - span) {
            return count;
        }
        count - self.times.partition_point(|it| *it < newest - span)
    }

    /// How many moments lie no more than `span` before `now`, and not after it.
    #[must_use]
    pub fn count(&self, now: Time, span: Duration) -> usize {
        let first = self.times.partition_point(|time| *time < now - span);
        let last = self.times.partition_point(|time| *time <= now);
        last.saturating_sub(first)
    }

    /// The newest moment.
    #[must_use]
    pub fn newest(&self) -> Option<Time> {
        self.times.back().copied()
    }

    /// The oldest moment.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.times.front().copied()
    }

    /// How many moments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Forgets all moments.
    pub fn clear(&mut self) {
        self.times.clear();
    }

    /// How many were pushed out for want of room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn forget_before(&mut self, oldest: Time) {
        while self.oldest().is_some_and(|time| time < oldest) {
            self.times.pop_front();
        }
    }
}

/// A [`Window`] for each key. Keys whose windows are empty by now are forgotten along the way; of too many, the one whose
/// window ends farthest from what comes.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: Deserialize<'de> + Hash + Eq"))]
pub struct Windows<K> {
    times: usize,
    /// The last moment that came.
    last: Time,
    by_key: Expiring<K, Window>,
}

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Self::with_capacity(super::CAPACITY_DEFAULT, TIMES_DEFAULT)
    }
}

impl<K> Windows<K> {
    /// Room for so many keys, and for so many moments in each window.
    #[must_use]
    pub fn with_capacity(keys: usize, times: usize) -> Self {
        Self { times, last: Time::MIN, by_key: Expiring::with_capacity(keys) }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// How many keys were pushed out for want of room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.by_key.evicted()
    }
}

impl<K: Hash + Eq> Windows<K> {
    /// Changes how many keys, and how many moments in each new window, there is room for.
    pub fn set_capacity(&mut self, keys: usize, times: usize) {
        self.by_key.set_capacity(keys);
        self.times = times;
    }

    /// Adds a moment to a key's window and says how many it has: see [`Window::push`].
    pub fn push<Q: Lookup<K> + ?Sized>(&mut self, key: &Q, time: Time, span: Duration) -> usize {
        // One moment alone, however new, makes nothing forgotten: the next one has to agree.
        let agreed = core::mem::replace(&mut self.last, time).min(time);
        for _ in 0..EXPIRED_PER_PUSH {
            if self.by_key.pop_expired(agreed).is_none() {
                break;
            }
        }
        self.by_key.make_room(key, time + span);
        let capacity = self.times;
        let window = self.by_key.entry(key, time + span, || Window::with_capacity(capacity));
        window.push(time, span)
    }

    /// The window of a key.
    pub fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Option<&Window> {
        self.by_key.get(key)
    }

    /// Forgets a key.
    pub fn clear<Q: Lookup<K> + ?Sized>(&mut self, key: &Q) -> Option<Window> {
        self.by_key.remove(key)
    }

    /// Forgets all keys whose windows are empty by now, and says how many there were.
    pub fn expire(&mut self, now: Time) -> usize {
        self.by_key.expire(now)
    }
}

#[cfg(test)]
mod tests {
    use super::{Window, Windows};
    use crate::time::{Duration, Time};

    const SPAN: Duration = Duration::from_seconds(300);

    #[test]
    fn counts() {
        let check = |seconds: &[i64], expected: &[usize]| {
            let mut window = Window::with_capacity(4);
            let push = |at: &i64| window.push(Time::from_seconds(*at), SPAN);
            assert_eq!(seconds.iter().map(push).collect::<Vec<_>>(), expected, "{seconds:?}");
        };
        check(&[0, 10, 20], &[1, 2, 3]);
        check(&[0, 300], &[1, 2]);
        check(&[0, 301], &[1, 1]);
        check(&[0, 0, 0], &[1, 2, 3]);
        check(&[100, 50, 360, 59, 60], &[1, 2, 2, 3, 3]);
        check(&[1000, 1, 1], &[1, 1, 2]);
        check(&[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 4, 4]);
        check(&[i64::MIN, i64::MAX, 0], &[1, 1, 1]);
    }

    #[test]
    fn a_false_moment_hides_no_others() {
        let year = 365 * 86_400;
        let check = |seconds: &[i64], expected: &[usize]| {
            let mut window = Window::with_capacity(8);
            let mut push = |at: &i64| window.push(Time::from_seconds(*at), SPAN);
            assert_eq!(seconds.iter().map(&mut push).collect::<Vec<_>>(), expected, "{seconds:?}");
        };
        check(&[60 * year, 1, 2, 3], &[1, 1, 2, 3]);
        check(&[1, 2, 60 * year, 3, 4, 400], &[1, 2, 1, 3, 4, 1]);
        check(&[1, 2, -60 * year, 3, 4], &[1, 2, 1, 3, 4]);
        // When the clock comes near it, it is a moment as others are.
        check(&[1_000, 600, 699, 700, 701, 999, 1_301], &[1, 1, 2, 2, 3, 4, 1]);
        // As many as there is room for.
        let ahead: Vec<_> = (1..=8).map(|day| Time::from_seconds(day * 86_400)).collect();
        let mut window = Window::with_capacity(8);
        for time in ahead {
            window.push(time, Duration::from_days(30));
        }
        let counts = [1, 2, 3].map(|at| window.push(Time::from_seconds(at), SPAN));
        assert_eq!((counts, window.len(), window.evicted()), ([1, 2, 3], 8, 3));
    }

    #[test]
    fn looks_back() {
        let mut window = Window::default();
        for seconds in [10, 20, 30] {
            window.push(Time::from_seconds(seconds), SPAN);
        }
        let check = |now, span, expected| {
            let found = window.count(Time::from_seconds(now), Duration::from_seconds(span));
            assert_eq!(found, expected, "{span} s before {now}");
        };
        check(30, 10, 2);
        check(30, 9, 1);
        check(25, 300, 2);
        check(5, 300, 0);
    }

    #[test]
    fn keys_are_forgotten() {
        let mut windows = Windows::<u64>::with_capacity(1000, 8);
        for key in 0..500 {
            assert_eq!(windows.push(&key, Time::from_seconds(0), SPAN), 1);
        }
        assert_eq!(windows.push(&0, Time::from_seconds(300), SPAN), 2);
        assert_eq!(windows.len(), 500);
        for key in 1000..1400 {
            windows.push(&key, Time::from_seconds(301), SPAN);
        }
        assert!(windows.len() <= 401, "{}", windows.len());
        assert_eq!(windows.get(&0).map(Window::len), Some(2));
        assert_eq!(windows.evicted(), 0);
        windows.clear(&0);
        assert_eq!(windows.push(&0, Time::from_seconds(302), SPAN), 1);
    }
    #[test]
    fn a_false_moment_of_one_hides_no_others() {
        let mut windows = Windows::<i64>::with_capacity(100, 8);
        let mut push = |key: i64, at: i64| windows.push(&key, Time::from_seconds(at), SPAN);
        assert_eq!((push(1, 0), push(2, 0), push(3, 0)), (1, 1, 1));
        assert_eq!(push(1_000, 60 * 365 * 86_400), 1);
        assert_eq!((push(1, 1), push(2, 1), push(3, 1)), (2, 2, 2));
        // Many are nobody's whole room.
        for key in 1_000..2_000 {
            push(key, 86_400 + key);
        }
        for at in 2..9_usize {
            let now = at.cast_signed() as i64;
            assert_eq!([push(1, now), push(2, now), push(3, now)], [at - 1; 3], "at {at}");
        }
        assert_eq!(windows.len(), 100);
    }
}
