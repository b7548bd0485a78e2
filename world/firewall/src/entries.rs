//! What is in one set, as far as this process knows: the kernel has the last word.

use std::collections::HashMap;
use std::time::Duration;

use ipnet::IpNet;

/// What has expired here may still be in the kernel for as long: its clock ticks coarsely.
const LINGERING: Duration = Duration::from_secs(1);

/// Networks with the moment at which each expires, by the clock of [`crate::clock`].
#[derive(Debug, Default)]
pub(crate) struct Entries(HashMap<IpNet, Duration>);

impl Entries {
    /// For how long a network is still in.
    pub(crate) fn rest(&self, net: &IpNet, now: Duration) -> Option<Duration> {
        self.0.get(net)?.checked_sub(now).filter(|rest| !rest.is_zero())
    }

    /// Whether the kernel may have it, even if it has expired.
    pub(crate) fn lingers(&self, net: &IpNet) -> bool {
        self.0.contains_key(net)
    }

    /// A network comes in until a moment.
    pub(crate) fn put(&mut self, net: IpNet, until: Duration) {
        self.0.insert(net, until);
    }

    /// A network goes.
    pub(crate) fn take(&mut self, net: &IpNet) {
        self.0.remove(net);
    }

    /// Whether another has all that was in here, but for what may have expired meanwhile.
    pub(crate) fn are_in(&self, other: &Self, now: Duration) -> bool {
        self.all(now.saturating_add(LINGERING)).all(|(net, _)| other.lingers(&net))
    }

    /// Whether a network that is not in any more was in, but for what may have expired meanwhile.
    pub(crate) fn is_missed(&self, net: &IpNet, now: Duration) -> bool {
        self.rest(net, now.saturating_add(LINGERING)).is_some()
    }

    /// Forgets what has expired for good.
    pub(crate) fn purge(&mut self, now: Duration) {
        self.0.retain(|_, until| until.saturating_add(LINGERING) > now);
    }

    /// How many there are, with those that linger.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All that is in, with how long.
    pub(crate) fn all(&self, now: Duration) -> impl Iterator<Item = (IpNet, Duration)> {
        self.0.iter().filter_map(move |(net, until)| {
            until.checked_sub(now).filter(|rest| !rest.is_zero()).map(|rest| (*net, rest))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_before_its_time_is_missed() {
        let nets: [IpNet; 2] = ["192.0.2.0/24", "198.51.100.7/32"].map(|it| it.parse().unwrap());
        let at = |seconds| Duration::from_secs(seconds);
        let (mut before, mut after) = (Entries::default(), Entries::default());
        for net in nets {
            before.put(net, at(10));
        }
        after.put(nets[0], at(10));
        assert!(after.are_in(&before, at(0)) && !before.are_in(&after, at(0)));
        assert!(before.are_in(&after, at(9)), "the other is about to expire");
    }

    #[test]
    fn entries_expire_and_linger() {
        let net: IpNet = "192.0.2.0/24".parse().unwrap();
        let at = |tenths: u64| Duration::from_millis(tenths * 100);
        let mut entries = Entries::default();
        entries.put(net, at(100));
        let mut check = |now, rest: Option<u64>, lingers| {
            entries.purge(at(now));
            assert_eq!(entries.rest(&net, at(now)), rest.map(at), "{now}");
            assert_eq!(entries.all(at(now)).count(), usize::from(rest.is_some()), "{now}");
            assert_eq!(entries.lingers(&net), lingers, "{now}");
        };
        check(90, Some(10), true);
        check(100, None, true);
        check(109, None, true);
        check(110, None, false);
    }
}
