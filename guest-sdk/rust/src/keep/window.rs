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

/// Moments within a sliding span that ends at the newest of them, both ends included.
///
/// With `capacity` moments the oldest makes room, and [`Window::evicted`] counts it: the count stays at the capacity.
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

    /// Adds a moment, forgets those that lie more than `span` before the newest, and says how many there are. A
    /// moment that comes so late that it lies before the window is not added, and the answer is 0.
    pub fn push(&mut self, time: Time, span: Duration) -> usize {
        let newest = self.newest().map_or(time, |newest| newest.max(time));
        let oldest = newest - span;
        self.forget_before(oldest);
        if time < oldest {
            return 0;
        }
        // Almost always at the end.
        let place = self.times.iter().rposition(|earlier| *earlier <= time).map_or(0, |at| at + 1);
        self.times.insert(place, time);
        if self.times.len() > self.capacity {
            self.times.pop_front();
            self.evicted += 1;
        }
        self.times.len()
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

/// A [`Window`] for each key. Keys whose windows are empty by now are forgotten along the way.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: Deserialize<'de> + Hash + Eq"))]
pub struct Windows<K> {
    times: usize,
    newest: Time,
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
        Self { times, newest: Time::MIN, by_key: Expiring::with_capacity(keys) }
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
        self.newest = self.newest.max(time);
        for _ in 0..EXPIRED_PER_PUSH {
            if self.by_key.pop_expired(self.newest).is_none() {
                break;
            }
        }
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
        check(&[100, 50, 360, 59, 60], &[1, 2, 2, 0, 3]);
        check(&[1000, 1, 1], &[1, 0, 0]);
        check(&[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 4, 4]);
        check(&[i64::MIN, i64::MAX, 0], &[1, 1, 0]);
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
}
