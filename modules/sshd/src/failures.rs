//! Failures of each address within the window, by event time.
//!
//! Records come out of order, and hosts disagree about the time: a failure counts with those of its address that lie
//! around it, and nothing is forgotten or passed over because another clock runs ahead, nor because of a record that lies.
//! An attacker decides how many addresses and failures there are, so both are bounded.

use core::hash::{Hash, Hasher};

use correlator_sdk::keep::{Expiring, Lookup, Window};
use correlator_sdk::prelude::*;

use crate::bytes::same;

/// How many addresses are kept; the one whose failures lie farthest from what comes goes first.
pub const ADDRESSES_MAX: usize = 32_768;

/// How many failures of one address are kept; the count stops there.
pub const FAILURES_MAX: usize = 1024;

/// How many failures are kept in all, some 4 MiB. Whole addresses go, in the same order.
pub const FAILURES_TOTAL_MAX: usize = 524_288;

/// How far the clocks of hosts may lie apart: so much longer an address is kept.
const CLOCK_SLACK: Duration = Duration::from_hours(1);

/// An address as a key: hashed and compared in words, because every failure is looked up by it.
#[derive(Debug, Serialize, Deserialize)]
struct Address(BString);

/// An [`Address`], borrowed.
struct AddressRef<'a>(&'a [u8]);

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        AddressRef(&self.0).hash(state);
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for Address {}

impl Hash for AddressRef<'_> {
    // It is the only part of its key, so nothing needs to tell where it ends.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

impl Lookup<Address> for AddressRef<'_> {
    #[inline]
    fn is(&self, key: &Address) -> bool {
        same(self.0, &key.0)
    }

    fn to_key(&self) -> Address {
        Address(self.0.into())
    }
}

/// Failures by address.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failures {
    windows: Expiring<Address, Window>,
    total: usize,
    evicted: u64,
}

impl Default for Failures {
    fn default() -> Self {
        Self { windows: Expiring::with_capacity(ADDRESSES_MAX), total: 0, evicted: 0 }
    }
}

impl Failures {
    /// Adds failures of an address, and gives how many it has within the window.
    #[inline]
    pub fn add(&mut self, addr: &BStr, time: Time, count: u32, span: Duration) -> u32 {
        let until = time + span + CLOCK_SLACK;
        if self.total >= FAILURES_TOTAL_MAX || self.windows.len() >= ADDRESSES_MAX {
            self.make_room(addr, until);
        }
        let window =
            self.windows.entry(&AddressRef(addr), until, || Window::with_capacity(FAILURES_MAX));
        let before = window.len();
        let mut failures = 0;
        for _ in 0..count.min(FAILURES_MAX as u32) {
            failures = window.push(time, span);
        }
        self.total = self.total + window.len() - before;
        u32::try_from(failures).unwrap_or(u32::MAX)
    }

    /// Forgets the failures of an address.
    pub fn clear(&mut self, addr: &BStr) {
        if let Some(window) = self.windows.remove(&AddressRef(addr)) {
            self.total -= window.len();
        }
    }

    /// Forgets addresses that have been quiet for longer than the window.
    pub fn expire(&mut self, now: Time) {
        while let Some((_, window)) = self.windows.pop_expired(now) {
            self.total -= window.len();
        }
    }

    /// How many addresses were given up because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn make_room(&mut self, addr: &BStr, until: Time) {
        let mut crowded =
            self.windows.len() >= ADDRESSES_MAX && !self.windows.contains(&AddressRef(addr));
        while crowded || self.total >= FAILURES_TOTAL_MAX {
            let Some((_, window)) = self.windows.pop_farthest(until) else { return };
            self.total -= window.len();
            self.evicted += 1;
            crowded = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_seconds(300);

    #[track_caller]
    fn check(failures: &[(&str, i64, u32, u32)]) {
        let mut all = Failures::default();
        for &(addr, seconds, count, expected) in failures {
            let found = all.add(BStr::new(addr), Time::from_seconds(seconds), count, SPAN);
            assert_eq!(found, expected, "{addr} at {seconds}");
        }
    }

    #[test]
    fn counts_by_event_time() {
        check(&[("a", 0, 1, 1), ("a", 300, 1, 2), ("a", 601, 1, 1)]);
        check(&[("a", 0, 1, 1), ("b", 1, 1, 1), ("a", 2, 5, 6)]);
        // Late, but within the window; then with what lies around it.
        check(&[("a", 1000, 1, 1), ("a", 900, 1, 2), ("a", 600, 1, 2), ("a", 1000, 1, 3)]);
        // Another host's clock runs a day ahead.
        check(&[("a", 0, 1, 1), ("b", 86_400, 1, 1), ("a", 1, 1, 2)]);
        // One record lies about its time.
        check(&[
            ("a", 60 * 365 * 86_400, 1, 1),
            ("a", 0, 4, 4),
            ("a", 301, 1, 1),
            ("a", 302, 1, 2),
        ]);
        check(&[("a", 0, 4, 4), ("a", 60 * 365 * 86_400, 1, 1), ("a", 1, 1, 5)]);
    }

    #[test]
    fn what_lies_far_ahead_takes_no_room_for_good() {
        let mut all = Failures::default();
        for number in 0..ADDRESSES_MAX + 10 {
            let addr = BString::from(number.to_string());
            all.add(addr.as_bstr(), Time::from_seconds(86_400), 1, SPAN);
        }
        for seconds in 0..5 {
            for addr in ["a", "b", "c"] {
                let found = all.add(BStr::new(addr), Time::from_seconds(seconds), 1, SPAN);
                assert_eq!(i64::from(found), seconds + 1, "{addr}");
            }
        }
    }

    #[test]
    fn is_bounded() {
        let mut all = Failures::default();
        for (number, seconds) in (0..ADDRESSES_MAX + 10).zip(0..) {
            let addr = BString::from(number.to_string());
            all.add(addr.as_bstr(), Time::from_seconds(seconds / 100), 1, SPAN);
        }
        assert_eq!(
            (all.windows.len(), all.total, all.evicted()),
            (ADDRESSES_MAX, ADDRESSES_MAX, 10)
        );
        for number in 10..1000 {
            let addr = BString::from(number.to_string());
            all.add(addr.as_bstr(), Time::from_seconds(400), 5000, SPAN);
        }
        assert!(all.total <= FAILURES_TOTAL_MAX + FAILURES_MAX);
        all.expire(Time::from_seconds(1_000_000));
        assert_eq!((all.windows.len(), all.total), (0, 0));
    }
}
