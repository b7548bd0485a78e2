//! Things that are opened, worked on and closed: sessions, deliveries, jobs.

use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::expiring::Expiring;
use super::key::Lookup;
use crate::time::{Duration, Time};

/// Transactions by key, each with its own state and the moment when it was opened.
///
/// Ones that are older than they may be are handed back by [`Transactions::pop_expired`]. With `capacity` of them the
/// one that would expire first makes room, and [`Transactions::evicted`] counts it.
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, T: Serialize",
    deserialize = "K: Deserialize<'de> + Hash + Eq, T: Deserialize<'de>"
))]
pub struct Transactions<K, T> {
    opened: u64,
    closed: u64,
    expired: u64,
    open: Expiring<K, Transaction<T>>,
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction<T> {
    /// When it was opened.
    pub opened: Time,
    /// What the module knows of it.
    pub state: T,
}

impl<K, T> Default for Transactions<K, T> {
    fn default() -> Self {
        Self::with_capacity(super::CAPACITY_DEFAULT)
    }
}

impl<K, T> Transactions<K, T> {
    /// Room for so many open ones.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { opened: 0, closed: 0, expired: 0, open: Expiring::with_capacity(capacity) }
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many were ever opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// How many were closed.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.closed
    }

    /// How many expired.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// How many were pushed out for want of room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.open.evicted()
    }
}

impl<K: Hash + Eq, T> Transactions<K, T> {
    /// Changes how many may be open. What is too much is pushed out.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.open.set_capacity(capacity);
    }

    /// The open transaction of this key, opened now if there is none. It expires when it is older than `age_max`.
    #[inline]
    pub fn open<Q: Lookup<K> + ?Sized>(
        &mut self,
        key: &Q,
        time: Time,
        age_max: Duration,
        new: impl FnOnce() -> T,
    ) -> &mut T {
        if !self.open.contains(key) {
            self.opened += 1;
        }
        // The deadline follows from the opening, so a transaction that is open keeps the one that it has.
        let until = self.open.until(key).unwrap_or(time + age_max);
        let fresh = || Transaction { opened: time, state: new() };
        &mut self.open.entry(key, until, fresh).state
    }

    /// The open transaction of this key.
    #[inline]
    pub fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Option<&Transaction<T>> {
        self.open.get(key)
    }

    /// The open transaction of this key.
    #[inline]
    pub fn get_mut<Q: Lookup<K> + ?Sized>(&mut self, key: &Q) -> Option<&mut Transaction<T>> {
        self.open.get_mut(key)
    }

    /// Closes the transaction of this key.
    pub fn close<Q: Lookup<K> + ?Sized>(&mut self, key: &Q) -> Option<Transaction<T>> {
        let closed = self.open.remove(key)?;
        self.closed += 1;
        Some(closed)
    }

    /// Takes out one transaction that is too old by now.
    pub fn pop_expired(&mut self, now: Time) -> Option<(K, Transaction<T>)> {
        let expired = self.open.pop_expired(now)?;
        self.expired += 1;
        Some(expired)
    }
}

#[cfg(test)]
mod tests {
    use bstr::BStr;

    use super::super::{Pair, PairRef};
    use super::Transactions;
    use crate::time::{Duration, Time};

    #[test]
    fn opened_worked_on_closed_expired() {
        let mut sessions = Transactions::<Pair, u32>::with_capacity(2);
        let hour = Duration::from_hours(1);
        let key = |pid| PairRef(BStr::new("host"), BStr::new(pid));
        *sessions.open(&key("1"), Time::from_seconds(0), hour, || 0) += 1;
        *sessions.open(&key("1"), Time::from_seconds(3000), hour, || 0) += 1;
        sessions.open(&key("2"), Time::from_seconds(10), hour, || 7);
        assert_eq!(sessions.pop_expired(Time::from_seconds(3600)), None);
        let (old, transaction) =
            sessions.pop_expired(Time::from_seconds(3601)).unwrap_or_else(|| {
                unreachable!("it was opened 3601 seconds ago");
            });
        assert_eq!((old.first(), old.second()), (BStr::new("host"), BStr::new("1")));
        assert_eq!((transaction.opened, transaction.state), (Time::from_seconds(0), 2));
        assert_eq!(sessions.close(&key("2")).map(|closed| closed.state), Some(7));
        assert_eq!(sessions.close(&key("2")), None);
        for pid in ["3", "4", "5"] {
            sessions.open(&key(pid), Time::from_seconds(20), hour, || 0);
        }
        assert!(sessions.get(&key("3")).is_none());
        let counts = (sessions.opened(), sessions.closed(), sessions.expired(), sessions.evicted());
        assert_eq!(counts, (5, 1, 1, 1));
    }

    #[test]
    fn parts_of_a_pair_stay_apart() {
        let mut sessions = Transactions::<Pair, u32>::default();
        let open = |sessions: &mut Transactions<Pair, u32>, first, second| {
            let key = PairRef(BStr::new(first), BStr::new(second));
            *sessions.open(&key, Time::from_seconds(0), Duration::from_hours(1), || 0) += 1;
        };
        open(&mut sessions, "host1", "2");
        open(&mut sessions, "host", "12");
        assert_eq!(sessions.len(), 2);
    }
}
