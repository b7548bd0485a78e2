//! What is kept for each process: bounded in number and in age, whatever a log pretends.
//!
//! Entries stand in the order in which they came, so that the oldest can be found without a search. It must never
//! know what it keeps.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use correlator_sdk::prelude::*;

use crate::key::Key;

/// How many stale places the order may hold before it is tidied up.
const STALE_MAX: usize = 1024;

/// Keys are spread already, so they are their own hash.
#[derive(Clone, Copy, Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// An entry with when it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry<T> {
    since: Time,
    serial: u64,
    value: T,
}

/// Values by key, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table<T> {
    entries: HashMap<Key, Entry<T>, BuildHasherDefault<Spread>>,
    order: VecDeque<(Key, u64)>,
    serial: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: HashMap::default(), order: VecDeque::new(), serial: 0 }
    }
}

impl<T> Table<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// One of them.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        self.entries.get(&key).map(|entry| &entry.value)
    }

    /// One of them.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries.get_mut(&key).map(|entry| &mut entry.value)
    }

    /// Takes one up in place of what has its key, and gives the oldest that must go for it, if there are too many.
    pub fn insert(&mut self, key: Key, since: Time, value: T, most: usize) -> Option<(Key, T)> {
        self.serial += 1;
        self.entries.insert(key, Entry { since, serial: self.serial, value });
        self.order.push_back((key, self.serial));
        self.tidy();
        if self.entries.len() > most { self.take_older(Time::MAX) } else { None }
    }

    /// Takes one away.
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.entries.remove(&key).map(|entry| entry.value)
    }

    /// Takes the oldest away if it came before `before`.
    pub fn take_older(&mut self, before: Time) -> Option<(Key, T)> {
        while let Some(&(key, serial)) = self.order.front() {
            match self.entries.get(&key) {
                Some(entry) if entry.serial == serial && entry.since >= before => return None,
                Some(entry) if entry.serial == serial => {
                    self.order.pop_front();
                    return self.remove(key).map(|value| (key, value));
                }
                _ => {
                    self.order.pop_front();
                }
            }
        }
        None
    }

    /// Forgets places whose entries are gone: at most as often as entries came, so it costs little for each.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.entries.len() + STALE_MAX {
            let entries = &self.entries;
            self.order.retain(|(key, serial)| {
                entries.get(key).is_some_and(|entry| entry.serial == *serial)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut table = Table::default();
        let at = Time::from_seconds;
        assert!(table.insert(1, at(1), 'a', 2).is_none());
        assert!(table.insert(2, at(2), 'b', 2).is_none());
        assert!(table.insert(1, at(3), 'c', 2).is_none());
        assert_eq!(table.insert(3, at(4), 'd', 2), Some((2, 'b')));
        assert_eq!(table.take_older(at(3)), None);
        assert_eq!(table.take_older(at(4)), Some((1, 'c')));
        assert_eq!((table.len(), table.get(3)), (1, Some(&'d')));
    }

    #[test]
    fn the_order_is_tidied() {
        let mut table = Table::default();
        for key in 0..10 * STALE_MAX as u64 {
            table.insert(key, Time::MIN, (), 2);
            table.remove(key);
        }
        assert!(table.order.len() <= STALE_MAX + 1);
    }
}
