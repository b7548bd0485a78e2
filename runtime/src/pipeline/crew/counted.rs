//! What was counted of guests and sources that were changed or put off: who takes their place under the same name goes on
//! counting from there. It lasts for one run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use crate::guest::Usage;
use crate::limit;
use crate::pipeline::engine::locked;
use crate::pipeline::intake::SourceGauge;
use crate::pipeline::listening::listener::{ListenerPicture, ListenerReport};
use crate::pipeline::work::keeper::GuestReport;
use crate::pipeline::work::module::{ModulePicture, ModuleReport};

/// What those before counted, by their names.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    modules: Mutex<HashMap<String, ModuleReport>>,
    listeners: Mutex<HashMap<String, ListenerReport>>,
}

impl Counted {
    /// What was counted of a module's instance before the one that works now.
    pub(crate) fn module(&self, name: &str) -> ModuleReport {
        locked(&self.modules).get(name).cloned().unwrap_or_default()
    }

    /// What was counted of a listener before the one that works now.
    pub(crate) fn listener(&self, name: &str) -> ListenerReport {
        locked(&self.listeners).get(name).cloned().unwrap_or_default()
    }

    /// Forgets what is gone for good.
    pub(crate) fn forget(&self, name: &str) {
        locked(&self.modules).remove(name);
        locked(&self.listeners).remove(name);
    }
}

/// A picture whose counts outlive its guest.
pub(crate) trait Counts {
    /// Leaves the counts, those of its forerunners among them, to whoever comes next.
    fn leave(&self, name: &str, to: &Counted);
}

impl Counts for ModulePicture {
    fn leave(&self, name: &str, to: &Counted) {
        locked(&to.modules).insert(name.to_owned(), self.look());
    }
}

impl Counts for ListenerPicture {
    fn leave(&self, name: &str, to: &Counted) {
        locked(&to.listeners).insert(name.to_owned(), self.look());
    }
}

impl ModuleReport {
    /// With what was counted before; what describes the moment is of now.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        self.guest = self.guest.after(&before.guest);
        for (name, count) in &before.events {
            // What the module does not have any more was told all the same.
            let room = self.events.len() < limit::COUNTED_NAMES_MAX;
            let known = self.events.iter().position(|(known, _)| known == name);
            match known.or((!room).then(|| self.events.len() - 1)) {
                Some(place) => self.events[place].1 += count,
                None => self.events.push((name.clone(), *count)),
            }
        }
        self
    }
}

impl ListenerReport {
    /// With what was counted before; what describes the moment is of now.
    pub(crate) fn after(self, before: &Self) -> Self {
        Self {
            guest: self.guest.after(&before.guest),
            done: sum(&before.done, &self.done),
            refused: sum(&before.refused, &self.refused),
            ..self
        }
    }
}

impl GuestReport {
    fn after(self, before: &Self) -> Self {
        let (now, then) = (self.usage, before.usage);
        Self {
            handed: self.handed + before.handed,
            lost: self.lost + before.lost,
            set_aside: self.set_aside + before.set_aside,
            failures: self.failures + before.failures,
            last_failure: self.last_failure.or_else(|| before.last_failure.clone()),
            usage: Usage {
                calls: now.calls + then.calls,
                time: now.time + then.time,
                fuel: now.fuel + then.fuel,
                memory_bytes: now.memory_bytes,
            },
            ..self
        }
    }
}

/// Counts by name, with an end to the number of names, however often those who count are changed.
fn sum(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut all = before.clone();
    for (name, count) in now {
        let room = all.len() < limit::COUNTED_NAMES_MAX || all.contains_key(name);
        let name = if room { name } else { "others" };
        *all.entry(name.to_owned()).or_default() += count;
    }
    all
}

/// What was counted of a source before the one that is read now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SourceCounted {
    pub(crate) gauge: SourceGauge,
    pub(crate) connections: u64,
    pub(crate) connections_failed: u64,
}

impl SourceCounted {
    /// With what was counted before.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        self.gauge.counts += before.gauge.counts;
        self.gauge.last = self.gauge.last.or(before.gauge.last);
        self.gauge.late += before.gauge.late;
        self.connections += before.connections;
        self.connections_failed += before.connections_failed;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BTreeMap, GuestReport, ListenerReport, ModuleReport, SourceCounted, Usage, sum};
    use crate::guest::Failure;
    use crate::limit;

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn who_takes_anothers_place_goes_on_counting() {
        let usage = |calls| Usage {
            calls,
            time: Duration::from_secs(calls),
            fuel: 10 * calls,
            memory_bytes: 100 * calls as usize,
        };
        let failure = Failure::Refused { call: "process", message: "no".to_owned() };
        let guest = |handed, position| GuestReport {
            handed,
            position,
            lost: 1,
            set_aside: 2,
            failures: 3,
            usage: usage(handed),
            state_bytes: position,
            ..GuestReport::default()
        };
        let before =
            GuestReport { suspended: true, last_failure: Some(failure.clone()), ..guest(5, 50) };
        let events =
            |events: &[(&str, u64)]| events.iter().map(|it| (it.0.to_owned(), it.1)).collect();
        let before = ModuleReport { guest: before, events: events(&[("a", 1), ("gone", 2)]) };
        let now = ModuleReport { guest: guest(7, 70), events: events(&[("b", 3), ("a", 4)]) };
        let all = now.after(&before);
        let it = &all.guest;
        assert_eq!((it.handed, it.lost, it.set_aside, it.failures), (12, 2, 4, 6));
        assert_eq!((it.usage.calls, it.usage.fuel, it.usage.time.as_secs()), (12, 120, 12));
        // What describes the moment is not counted together.
        assert_eq!((it.usage.memory_bytes, it.position, it.state_bytes), (700, 70, 70));
        assert_eq!((it.suspended, &it.last_failure), (false, &Some(failure)));
        let expected: Vec<(String, u64)> = events(&[("b", 3), ("a", 5), ("gone", 2)]);
        assert_eq!(all.events, expected);
        let report = |done, refused, unfinished| ListenerReport {
            done: counts(done),
            refused: counts(refused),
            unfinished,
            ..ListenerReport::default()
        };
        let before = report(&[("x", 3), ("y", 4)], &[], true);
        let all = report(&[("x", 1)], &[("r", 2)], false).after(&before);
        assert_eq!((all.done, all.refused), (counts(&[("x", 4), ("y", 4)]), counts(&[("r", 2)])));
        assert!(!all.unfinished);
    }

    #[test]
    fn names_have_an_end() {
        let many = |from: usize| -> BTreeMap<String, u64> {
            (from..from + limit::COUNTED_NAMES_MAX).map(|it| (it.to_string(), 1)).collect()
        };
        let (mut all, rounds) = (BTreeMap::new(), 5);
        for round in 0..rounds {
            all = sum(&all, &many(round * limit::COUNTED_NAMES_MAX));
        }
        assert_eq!(all.len(), limit::COUNTED_NAMES_MAX + 1);
        let total = (rounds * limit::COUNTED_NAMES_MAX) as u64;
        assert_eq!(all.values().sum::<u64>(), total, "none is lost");
    }

    #[test]
    fn a_source_goes_on_counting() {
        let mut before = SourceCounted { connections: 2, ..SourceCounted::default() };
        before.gauge.counts.records = 10;
        (before.gauge.late, before.gauge.last) = (1, Some(5));
        let mut now = SourceCounted { connections_failed: 4, ..SourceCounted::default() };
        (now.gauge.counts.records, now.gauge.late) = (20, 3);
        let all = now.after(&before);
        assert_eq!((all.gauge.late, all.connections, all.connections_failed), (4, 2, 4));
        assert_eq!((all.gauge.counts.records, all.gauge.last), (30, Some(5)));
    }
}
