//! State for each key until a deadline.
//!
//! A table finds slots by key, a heap finds them by deadline. A deadline that moves on doesn't touch the heap: the old
//! entry there is corrected when it comes up. So a lookup costs a hash, and expiry costs a few steps for each entry
//! once in its life.

use core::cmp::Reverse;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use std::collections::BinaryHeap;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::key::Lookup;
use crate::time::Time;

/// How many keys are kept at most unless the module says otherwise.
pub const CAPACITY_DEFAULT: usize = 100_000;

/// Stale entries of the heap are cleared out when they outnumber the live ones, and are more than this.
const STALE_SLACK: usize = 64;

/// Hashes are the same in every run: a guest must be deterministic. Nothing that is observable depends on them.
const HASHER: FixedState = FixedState::with_seed(0x636f_7272_656c);

/// State for each key until a deadline: at the deadline it is there still, after it it is gone.
///
/// Expired entries stay until [`Expiring::pop_expired`] or [`Expiring::expire`] takes them out, so call one of these
/// now and then (once a record is cheap). With `capacity` keys the one with the nearest deadline makes room for a new
/// one, and [`Expiring::evicted`] counts it.
pub struct Expiring<K, V> {
    capacity: usize,
    evicted: u64,
    slots: Vec<Option<Slot<K, V>>>,
    free: Vec<u32>,
    table: HashTable<u32>,
    deadlines: BinaryHeap<Reverse<Deadline>>,
    /// The latest first; empty until somebody asks, and not always right about a deadline that moved.
    latest: BinaryHeap<Deadline>,
    /// Numbers insertions: what breaks ties between deadlines, and tells a slot's tenants apart.
    next: u64,
}

struct Slot<K, V> {
    key: K,
    value: V,
    until: Time,
    /// The earliest deadline of this tenant in the heap: never later than `until`.
    queued: Time,
    number: u64,
}

/// An entry of the heap, ordered by deadline and then by insertion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Deadline {
    until: Time,
    number: u64,
    slot: u32,
}

impl<K, V> Default for Expiring<K, V> {
    fn default() -> Self {
        Self::with_capacity(CAPACITY_DEFAULT)
    }
}

impl<K, V> Expiring<K, V> {
    /// Room for so many keys, one at least.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            evicted: 0,
            slots: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            deadlines: BinaryHeap::new(),
            latest: BinaryHeap::new(),
            next: 0,
        }
    }

    /// How many keys there are, expired ones that were not taken out yet among them.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no keys.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many were pushed out for want of room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// All of them, in the order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.in_order().into_iter().map(|slot| (&slot.key, &slot.value))
    }

    /// All values, in no order that means anything: what is done to them must not depend on it.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.slots.iter_mut().flatten().map(|slot| &mut slot.value)
    }

    fn in_order(&self) -> Vec<&Slot<K, V>> {
        let mut slots: Vec<_> = self.slots.iter().flatten().collect();
        slots.sort_unstable_by_key(|slot| slot.number);
        slots
    }

    #[inline]
    fn slot(&self, place: u32) -> Option<&Slot<K, V>> {
        self.slots.get(place as usize)?.as_ref()
    }

    #[inline]
    fn slot_mut(&mut self, place: u32) -> Option<&mut Slot<K, V>> {
        self.slots.get_mut(place as usize)?.as_mut()
    }
}

impl<K: Hash + Eq, V> Expiring<K, V> {
    /// Changes the capacity. What is too much is pushed out.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
        while self.len() > self.capacity {
            self.evict();
        }
    }

    /// The value of a key, expired or not.
    #[inline]
    pub fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.slot(self.find(key)?).map(|slot| &slot.value)
    }

    /// The value of a key, expired or not.
    #[inline]
    pub fn get_mut<Q: Lookup<K> + ?Sized>(&mut self, key: &Q) -> Option<&mut V> {
        let place = self.find(key)?;
        self.slot_mut(place).map(|slot| &mut slot.value)
    }

    /// Whether there is this key.
    #[inline]
    pub fn contains<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> bool {
        self.find(key).is_some()
    }

    /// The deadline of a key.
    pub fn until<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Option<Time> {
        self.slot(self.find(key)?).map(|slot| slot.until)
    }

    /// The value of a key, made if there was none. Its deadline becomes `until`, unless it was later already.
    #[inline]
    pub fn entry<Q: Lookup<K> + ?Sized>(
        &mut self,
        key: &Q,
        until: Time,
        new: impl FnOnce() -> V,
    ) -> &mut V {
        let hash = HASHER.hash_one(key);
        let place = match self.find_hashed(hash, key) {
            Some(place) => {
                if let Some(slot) = self.slot_mut(place) {
                    slot.until = slot.until.max(until);
                }
                place
            }
            None => self.add(hash, key.to_key(), until, new()),
        };
        self.value_at(place)
    }

    /// Puts a value in, and gives back the one that was there. The deadline becomes `until`.
    pub fn insert<Q: Lookup<K> + ?Sized>(&mut self, key: &Q, until: Time, value: V) -> Option<V> {
        let hash = HASHER.hash_one(key);
        if let Some(place) = self.find_hashed(hash, key) {
            self.set_deadline(place, until);
            return Some(core::mem::replace(self.value_at(place), value));
        }
        self.add(hash, key.to_key(), until, value);
        None
    }

    /// Moves a key's deadline. Says whether there is the key.
    pub fn set_until<Q: Lookup<K> + ?Sized>(&mut self, key: &Q, until: Time) -> bool {
        let place = self.find(key);
        if let Some(place) = place {
            self.set_deadline(place, until);
        }
        place.is_some()
    }

    /// Takes a key out.
    pub fn remove<Q: Lookup<K> + ?Sized>(&mut self, key: &Q) -> Option<V> {
        let place = self.find(key)?;
        self.take(place).map(|(_, value)| value)
    }

    /// Takes out one entry whose deadline is over: the earliest first, then the one that was inserted first.
    pub fn pop_expired(&mut self, now: Time) -> Option<(K, V)> {
        let place = self.first_due(|until| until < now)?;
        self.take(place)
    }

    /// Takes out all entries whose deadlines are over, and says how many there were.
    pub fn expire(&mut self, now: Time) -> usize {
        core::iter::from_fn(|| self.pop_expired(now)).count()
    }

    /// Takes out the entry with the nearest deadline, over or not; of equals the one that was inserted first.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let place = self.first_due(|_| true)?;
        self.take(place)
    }

    /// Takes out the entry whose deadline is farthest from this one, before or behind it; of equals the earlier one. What
    /// has a false deadline far ahead goes so before what has the right one.
    pub fn pop_farthest(&mut self, until: Time) -> Option<(K, V)> {
        let last = self.last()?;
        let first = self.first_due(|_| true)?;
        let slot = self.slot(first)?;
        let (first_until, number) = (slot.until, slot.number);
        if last.until - until <= until - first_until {
            return self.take(first);
        }
        self.queue(first, first_until, number);
        self.take(last.slot)
    }

    /// Makes room for a key with this deadline, unless it is there: what is farthest from it goes.
    pub(super) fn make_room<Q: Lookup<K> + ?Sized>(&mut self, key: &Q, until: Time) {
        while self.len() >= self.capacity && !self.contains(key) {
            if self.pop_farthest(until).is_some() {
                self.evicted += 1;
            }
        }
    }

    #[inline]
    fn find<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        self.find_hashed(HASHER.hash_one(key), key)
    }

    #[inline]
    fn find_hashed<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<u32> {
        let same = |place: &u32| self.slot(*place).is_some_and(|slot| key.is(&slot.key));
        self.table.find(hash, same).copied()
    }

    fn add(&mut self, hash: u64, key: K, until: Time, value: V) -> u32 {
        while self.len() >= self.capacity {
            self.evict();
        }
        let number = self.next;
        self.next += 1;
        let slot = Slot { key, value, until, queued: until, number };
        let place = if let Some(place) = self.free.pop() {
            self.slots[place as usize] = Some(slot);
            place
        } else {
            self.slots.push(Some(slot));
            correlator_frame::words::word(self.slots.len() - 1)
        };
        let slots = &self.slots;
        self.table.insert_unique(hash, place, |place| {
            slots[*place as usize].as_ref().map_or(0, |slot| HASHER.hash_one(&slot.key))
        });
        self.queue(place, until, number);
        place
    }

    fn queue(&mut self, slot: u32, until: Time, number: u64) {
        let deadline = Deadline { until, number, slot };
        self.deadlines.push(Reverse(deadline));
        if self.latest.len() > 2 * self.table.len() + STALE_SLACK {
            self.latest.clear();
        } else if !self.latest.is_empty() {
            self.latest.push(deadline);
        }
        if self.deadlines.len() > 2 * self.table.len() + STALE_SLACK {
            self.rebuild_deadlines();
        }
    }

    /// Removals and deadlines that move forward leave stale entries behind; this drops them all at once.
    fn rebuild_deadlines(&mut self) {
        let mut fresh = Vec::with_capacity(self.table.len());
        for (place, slot) in (0..).zip(&mut self.slots) {
            if let Some(slot) = slot {
                slot.queued = slot.until;
                fresh.push(Reverse(Deadline {
                    until: slot.until,
                    number: slot.number,
                    slot: place,
                }));
            }
        }
        self.deadlines = BinaryHeap::from(fresh);
    }

    fn set_deadline(&mut self, place: u32, until: Time) {
        let Some(slot) = self.slot_mut(place) else { return };
        slot.until = until;
        if until < slot.queued {
            slot.queued = until;
            let number = slot.number;
            self.queue(place, until, number);
        }
    }

    /// The slot with the nearest deadline, if it is due. What is stale in the heap is put right on the way.
    fn first_due(&mut self, due: impl Fn(Time) -> bool) -> Option<u32> {
        loop {
            let Reverse(first) = *self.deadlines.peek()?;
            if !due(first.until) {
                return None;
            }
            self.deadlines.pop();
            let Some(slot) = self.slot_mut(first.slot) else { continue };
            if slot.number != first.number || slot.queued != first.until {
                continue;
            }
            if slot.until == first.until {
                return Some(first.slot);
            }
            slot.queued = slot.until;
            let until = slot.until;
            self.queue(first.slot, until, first.number);
        }
    }

    /// The latest deadline.
    fn last(&mut self) -> Option<Deadline> {
        let now = |place: u32, slot: &Option<Slot<K, V>>| {
            slot.as_ref().map(|it| Deadline { until: it.until, number: it.number, slot: place })
        };
        if self.latest.is_empty() {
            self.latest = (0..).zip(&self.slots).filter_map(|(at, slot)| now(at, slot)).collect();
        }
        loop {
            let last = *self.latest.peek()?;
            let known = self.slots.get(last.slot as usize).and_then(|slot| now(last.slot, slot));
            if known == Some(last) {
                return known;
            }
            self.latest.pop();
            self.latest.extend(known.filter(|known| known.number == last.number));
        }
    }

    fn evict(&mut self) {
        if self.pop_first().is_some() {
            self.evicted += 1;
        }
    }

    fn take(&mut self, place: u32) -> Option<(K, V)> {
        let slot = self.slots.get_mut(place as usize)?.take()?;
        let hash = HASHER.hash_one(&slot.key);
        if let Ok(found) = self.table.find_entry(hash, |other| *other == place) {
            found.remove();
        }
        self.free.push(place);
        Some((slot.key, slot.value))
    }

    #[inline]
    fn value_at(&mut self, place: u32) -> &mut V {
        match &mut self.slots[place as usize] {
            Some(slot) => &mut slot.value,
            None => unreachable!("a place that was just found or added"),
        }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Expiring<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Serialize, V: Serialize> Serialize for Expiring<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slots = self.in_order();
        let entries: Vec<_> =
            slots.iter().map(|slot| (&slot.key, slot.until, &slot.value)).collect();
        (self.capacity, self.evicted, entries).serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Expiring<K, V>
where
    K: Deserialize<'de> + Hash + Eq,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (capacity, evicted, entries) =
            <(usize, u64, Vec<(K, Time, V)>)>::deserialize(deserializer)?;
        let mut all = Self::with_capacity(capacity);
        for (key, until, value) in entries {
            let hash = HASHER.hash_one(&key);
            all.add(hash, key, until, value);
        }
        all.evicted = evicted;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use bstr::{BStr, BString};

    use super::Expiring;
    use crate::time::Time;

    const fn at(seconds: i64) -> Time {
        Time::from_seconds(seconds)
    }

    fn all(entries: &Expiring<BString, u32>) -> String {
        let shown: Vec<String> =
            entries.iter().map(|(key, value)| format!("{key}={value}")).collect();
        shown.join(" ")
    }

    #[test]
    fn deadlines_are_inclusive_and_move() {
        let mut entries = Expiring::<BString, u32>::default();
        entries.insert(BStr::new("a"), at(10), 1);
        entries.insert(BStr::new("b"), at(20), 2);
        assert_eq!(entries.expire(at(10)), 0);
        *entries.entry(BStr::new("a"), at(30), || 0) += 5;
        assert_eq!(entries.expire(at(15)), 0);
        assert_eq!(entries.pop_expired(at(25)).map(|(key, _)| key), Some("b".into()));
        assert_eq!(entries.pop_expired(at(25)), None);
        assert_eq!(all(&entries), "a=6");
        assert!(entries.set_until(BStr::new("a"), at(1)));
        assert_eq!(entries.expire(at(2)), 1);
        assert!(entries.is_empty());
    }

    #[test]
    fn the_first_can_be_taken_and_all_be_changed() {
        let mut entries = Expiring::<BString, u32>::default();
        assert_eq!(entries.pop_first(), None);
        entries.insert(BStr::new("a"), at(10), 1);
        entries.insert(BStr::new("b"), at(5), 2);
        entries.values_mut().for_each(|value| *value *= 10);
        assert_eq!(entries.pop_first(), Some(("b".into(), 20)));
        assert_eq!((all(&entries).as_str(), entries.evicted()), ("a=10", 0));
    }

    #[test]
    fn what_is_farthest_goes() {
        let mut entries = Expiring::<BString, u32>::default();
        assert_eq!(entries.pop_farthest(at(0)), None);
        for (key, until) in [("a", 10), ("b", 20), ("c", 30), ("d", 90)] {
            entries.insert(BStr::new(key), at(until), 0);
        }
        let pop = |entries: &mut Expiring<BString, u32>, until| {
            entries.pop_farthest(at(until)).map(|(key, _)| key.to_string()).unwrap_or_default()
        };
        assert_eq!(pop(&mut entries, 40), "d");
        assert_eq!(pop(&mut entries, 20), "a");
        // What comes in meanwhile, moves, or goes.
        entries.insert(BStr::new("e"), at(500), 0);
        entries.insert(BStr::new("f"), at(600), 0);
        entries.entry(BStr::new("b"), at(22), || 0);
        entries.set_until(BStr::new("e"), at(25));
        entries.remove(BStr::new("f"));
        assert_eq!(all(&entries), "b=0 c=0 e=0");
        assert_eq!([(); 4].map(|()| pop(&mut entries, 26)), ["b", "c", "e", ""]);
        assert_eq!(entries.expire(at(1_000)), 0);
    }

    #[test]
    fn an_entry_that_was_shortened_and_extended_expires_once() {
        let mut entries = Expiring::<u32, u32>::default();
        for round in 0..1000 {
            entries.insert(&7, at(1000 - round), 1);
            entries.insert(&7, at(5000), 2);
        }
        assert!(entries.deadlines.len() < 200, "{} entries in the heap", entries.deadlines.len());
        assert_eq!(entries.expire(at(4999)), 0);
        assert_eq!(entries.expire(at(5001)), 1);
        assert_eq!(entries.expire(at(6001)), 0);
    }

    #[test]
    fn the_nearest_deadline_makes_room() {
        let mut entries = Expiring::<BString, u32>::with_capacity(2);
        entries.insert(BStr::new("a"), at(30), 1);
        entries.insert(BStr::new("b"), at(20), 2);
        entries.insert(BStr::new("c"), at(25), 3);
        assert_eq!((all(&entries).as_str(), entries.evicted()), ("a=1 c=3", 1));
        entries.set_capacity(1);
        assert_eq!((all(&entries).as_str(), entries.evicted()), ("a=1", 2));
        assert_eq!(entries.insert(BStr::new("a"), at(1), 9), Some(1));
        assert_eq!(entries.remove(BStr::new("a")), Some(9));
        assert_eq!(entries.remove(BStr::new("a")), None);
    }

    /// Whatever is done to it, a restored copy must go on alike, to the byte.
    #[test]
    fn restored_goes_on_alike() -> Result<(), postcard::Error> {
        let mut random: u64 = 0x2545_f491;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut entries = Expiring::<u64, u64>::with_capacity(40);
        for step in 0..20_000 {
            let (key, until) = (next(100), at(next(50).cast_signed() + step / 100));
            match next(6) {
                0 => drop(entries.remove(&key)),
                1 => drop(entries.insert(&key, until, key)),
                2 => drop(entries.set_until(&key, until)),
                3 => drop(entries.pop_expired(at(step / 100))),
                _ => *entries.entry(&key, until, || 0) += 1,
            }
            if next(50) == 0 {
                let bytes = postcard::to_allocvec(&entries)?;
                let again: Expiring<u64, u64> = postcard::from_bytes(&bytes)?;
                assert_eq!(postcard::to_allocvec(&again)?, bytes);
                let mut old = core::mem::replace(&mut entries, again);
                let mut copy: Expiring<u64, u64> = postcard::from_bytes(&bytes)?;
                while let Some(popped) = old.pop_expired(Time::MAX) {
                    assert_eq!(copy.pop_expired(Time::MAX), Some(popped));
                }
                assert!(copy.is_empty());
            }
        }
        assert!(entries.evicted() > 0);
        Ok(())
    }
}
