//! Effects that wait and that nobody delivers: of a listener that the stack does not have any more, or has without the grant.
//!
//! Who is at work is noted as guests are hired. What waits for nobody is told at the start, after each change of the stack and at
//! the end of a run, and is given up when it has waited as long as others are tried. This room must never know how anything
//! is delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use correlator_store::store::Store;

use crate::clock::nanoseconds;
use crate::limit;
use crate::pipeline::Unserved;
use crate::pipeline::crew::Kept;
use crate::pipeline::engine::{Engine, locked};
use crate::text::clean;

/// What each listener of the stack works with; nothing of one that is off: then that is not known.
#[derive(Default)]
pub(crate) struct Staff(Mutex<BTreeMap<String, Option<BTreeSet<String>>>>);

impl Staff {
    /// A listener works with these capabilities.
    pub(crate) fn works<'a>(&self, listener: &str, with: impl Iterator<Item = &'a &'static str>) {
        let with = with.map(|name| (*name).to_owned()).collect();
        self.held().insert(listener.to_owned(), Some(with));
    }

    /// These are the listeners of the stack, and whether each works.
    fn settle<'a>(&self, all: impl Iterator<Item = (&'a str, bool)>) {
        let mut staff = self.held();
        let mut before = std::mem::take(&mut *staff);
        for (name, works) in all {
            let with = before.remove(name).flatten().filter(|_| works);
            staff.insert(name.to_owned(), with);
        }
    }

    /// Whether somebody delivers what this listener asked this capability for, or will when he is let.
    fn serves(&self, listener: &str, capability: &str) -> bool {
        match self.held().get(listener) {
            None => false,
            Some(None) => true,
            Some(Some(with)) => with.contains(capability),
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Option<BTreeSet<String>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unserved {
    /// What an operator is told of it.
    fn told(&self) -> String {
        let Self { listener, capability, waiting } = self;
        let (listener, capability) = (
            clean(listener, limit::MESSAGE_BYTES_MAX),
            clean(capability, limit::MESSAGE_BYTES_MAX),
        );
        let effects = if *waiting == 1 { "effect waits" } else { "effects wait" };
        format!(
            "{waiting} {effects} for `{capability}` of listener `{listener}`, which the stack does not have: nobody \
             delivers them. `correlator effects list --listener {listener} --state waiting` tells which; put the \
             listener and its grant back, or give them up with `correlator effects drop-all`. What is {} hours old is \
             given up as dead",
            limit::DELIVERY_TIME_MAX.as_secs() / 3_600
        )
    }
}

impl Kept {
    /// What waits for nobody, by listener and capability.
    pub(crate) fn unserved(&self) -> Vec<Unserved> {
        let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (capability, endpoint, waiting) in self.unserved_places() {
            let listener = endpoint.split('/').next().unwrap_or_default().to_owned();
            *found.entry((listener, capability)).or_default() += waiting;
        }
        let unserved =
            |((listener, capability), waiting)| Unserved { listener, capability, waiting };
        found.into_iter().map(unserved).collect()
    }

    /// The capabilities and endpoints where something waits for nobody, and how much.
    fn unserved_places(&self) -> Vec<(String, String, u64)> {
        let waits = self.deliveries().map(|it| it.endpoints).unwrap_or_default();
        let waits = waits.into_iter().filter(|it| it.waiting > 0);
        let waits = waits.filter(|it| {
            let listener = it.endpoint.split('/').next().unwrap_or_default();
            !self.staff.serves(listener, &it.capability)
        });
        waits.map(|it| (it.capability, it.endpoint, it.waiting)).collect()
    }

    /// Gives up what has waited for nobody for as long as others are tried.
    pub(crate) fn give_up_unserved(&self, store: &Store, now: i64) {
        let before = now.saturating_sub(nanoseconds(limit::DELIVERY_TIME_MAX));
        for (capability, endpoint, _) in self.unserved_places() {
            let listener = endpoint.split('/').next().unwrap_or_default();
            let why = format!("the stack has no `{capability}` of listener `{listener}` any more");
            match store.give_up((&capability, &endpoint), before, &why, now) {
                Ok(0) => {}
                Ok(count) => tracing::warn!(
                    "{capability} {endpoint}: {count} given up: {}",
                    clean(&why, limit::MESSAGE_BYTES_MAX)
                ),
                Err(error) => {
                    tracing::warn!("{error}; what waits for nobody is given up later");
                    return;
                }
            }
        }
    }
}

impl Engine {
    /// Notes who is at work now, and tells what waits for nobody. What is told, a line each.
    pub(crate) fn tell_unserved(&self) -> Vec<String> {
        let Some(kept) = &self.floor.kept else { return Vec::new() };
        let crew = locked(&self.crew);
        let all = crew.listeners.iter().map(|it| (it.plan.name.as_str(), it.hand.is_some()));
        kept.staff.settle(all);
        drop(crew);
        // A stack that asks for nothing does not open what an earlier one left.
        kept.store.open_if_there();
        let told: Vec<_> = kept.unserved().iter().map(Unserved::told).collect();
        for told in &told {
            tracing::warn!("{told}");
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::{Staff, Unserved};

    #[test]
    fn who_is_gone_or_has_no_grant_serves_nobody() {
        let staff = Staff::default();
        staff.works("ops", ["mail"].iter());
        staff.works("gone", ["mail"].iter());
        staff.works("off", ["mail"].iter());
        staff.settle([("ops", true), ("off", false)].into_iter());
        let check = |listener, capability, expected| {
            assert_eq!(staff.serves(listener, capability), expected, "{listener} {capability}");
        };
        check("ops", "mail", true);
        check("ops", "sms", false);
        check("gone", "mail", false);
        check("other", "mail", false);
        // It works again some day, and with what is not known.
        check("off", "sms", true);
        staff.works("off", ["mail"].iter());
        check("off", "sms", false);
    }

    #[test]
    fn it_is_told_what_to_do() {
        let unserved = Unserved { listener: "ops".into(), capability: "mail".into(), waiting: 1 };
        let told = unserved.told();
        for expected in ["1 effect waits for `mail` of listener `ops`", "effects drop", "72 hours"]
        {
            assert!(told.contains(expected), "{told}");
        }
    }
}
