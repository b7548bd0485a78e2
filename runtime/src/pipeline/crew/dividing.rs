//! How a module's records are shared out among its instances, and another division in the place of the one that was.
//!
//! What one instance has left to do is not what another would see, so those of the old division do first all that has come,
//! and stop at one place, while nothing more comes. There those of the new one begin, without state. Where the old ones
//! can't come to that place now, the module stays divided as it was: late is better than never.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, TryLockError};
use std::{fs, io, thread};

use serde::{Deserialize, Serialize};

use super::change::{Told, dismiss};
use super::hand::Hand;
use super::{Floor, part_name};
use crate::clock;
use crate::limit;
use crate::pipeline::engine::{Engine, ModuleHands, locked};
use crate::pipeline::stream::Writer;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::Place;
use crate::pipeline::work::checkpoint::Checkpoint;
use crate::pipeline::work::keeper::Saved;
use crate::pipeline::work::module::ModulePicture;
use crate::pipeline::work::worker::Remains;
use crate::pipeline::{ModulePlan, RunError};
use crate::stack::PartitionBy;

/// How records are shared out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Division {
    instances: usize,
    /// One alone gets all, whatever they have.
    by: Option<PartitionBy>,
}

impl Division {
    pub(super) fn of(plan: &ModulePlan) -> Self {
        let by = plan.partition_by.clone().filter(|_| plan.instances > 1);
        Self { instances: plan.instances, by }
    }

    /// The same module, divided so.
    pub(super) fn of_module(&self, plan: &ModulePlan) -> ModulePlan {
        if *self == Self::of(plan) {
            return plan.clone();
        }
        ModulePlan { instances: self.instances, partition_by: self.by.clone(), ..plan.clone() }
    }

    /// What a checkpoint has of it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// What a checkpoint tells; those of earlier versions tell nothing.
    fn read(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

/// The names of a module's parts.
pub(super) fn parts(plan: &ModulePlan) -> impl Iterator<Item = String> {
    (0..plan.instances).map(|part| part_name(plan, part))
}

impl Floor {
    /// The module, divided as those were that left their checkpoints here. What else lies there of it is forgotten.
    pub(super) fn as_left(&self, plan: &ModulePlan) -> Result<ModulePlan, RunError> {
        let Some(kept) = &self.kept else { return Ok(plan.clone()) };
        let folder = &kept.rooms.checkpoints;
        let names = parts_left(folder, &plan.name)
            .map_err(|error| RunError::State(format!("{}: {error}", folder.display())))?;
        let (mut left, mut least) = (BTreeMap::new(), None::<u64>);
        for name in names {
            let Some(shelf) = self.shelf(&name, "") else { continue };
            let found = shelf.readable()?;
            let newest = found.checkpoints.first();
            left.insert(name, newest.and_then(|newest| Division::read(&newest.outside)));
            least = least.into_iter().chain(found.first()).min();
        }
        let Some(least) = least else { return Ok(plan.clone()) };
        let names = |division: &Division| parts(&division.of_module(plan)).collect();
        let found = whole(&Division::of(plan), plan.partition_by.as_ref(), &left, names);
        let divided = found.as_ref().map_or_else(|| plan.clone(), |found| found.of_module(plan));
        if found.is_none() {
            let oldest = self.records.on_disk().map_or(least, |(first, _)| first);
            let place = Place { cursor: Cursor::before(least.max(oldest)), now: None };
            tracing::error!(
                "module `{}`: how its records were shared out can't be told any more; it begins anew with the oldest that any part had left to do (item {}), so events may be told twice",
                plan.name,
                place.cursor.item
            );
            self.begin_at(&divided, &Saved { place, ..Saved::default() })?;
        }
        for name in left.keys().filter(|name| !parts(&divided).any(|part| part == **name)) {
            self.forget(name);
        }
        Ok(divided)
    }

    /// Has all parts of a module begin at a place, whatever happens before their first checkpoint.
    fn begin_at(&self, plan: &ModulePlan, saved: &Saved) -> Result<(), RunError> {
        parts(plan).try_for_each(|part| self.leave_at(plan, &part, saved))
    }

    /// Writes down what a part goes on from.
    fn leave_at(&self, plan: &ModulePlan, part: &str, saved: &Saved) -> Result<(), RunError> {
        let Some(shelf) = self.shelf(part, &plan.component.1) else { return Ok(()) };
        let checkpoint = Checkpoint {
            place: saved.place,
            rate: saved.rate,
            state: saved.state.clone(),
            outside: Division::of(plan).bytes(),
        };
        // What it would fall back to may be of another division.
        shelf.clear();
        shelf.store(&checkpoint).map_err(|error| {
            RunError::State(format!("the first checkpoint of `{part}` can't be written: {error}"))
        })
    }
}

impl Engine {
    /// Divides modules as the stack says that work as an earlier run left them, before anything comes.
    pub(crate) fn share_out(&self, wanted: Vec<ModulePlan>) {
        let mut crew = locked(&self.crew);
        let divided = |plan: &ModulePlan| {
            let now = crew.modules.iter().find(|it| it.plan.name == plan.name);
            now.is_none_or(|now| Division::of(&now.plan) == Division::of(plan))
        };
        if wanted.iter().all(divided) {
            return;
        }
        let mut told = Told::default();
        let gone = self.change_modules(&mut crew, wanted, &mut told);
        self.dismiss_modules(&mut crew, gone, &mut told);
        told.done.iter().for_each(|done| tracing::info!("{done}"));
        told.refused.iter().for_each(|refused| tracing::warn!("{refused}"));
    }

    /// Divides a module otherwise, whose parts have done what there is. The old ones come back if the new can't be started.
    pub(super) fn divide(
        &self,
        old: ModuleHands,
        plan: ModulePlan,
        version: u64,
        quiet: MutexGuard<'_, Writer>,
        told: &mut Told,
    ) -> ModuleHands {
        // Until the new ones are there the old ones' places are held.
        let holds: Vec<_> =
            old.hands.iter().map(|it| self.floor.records.hold(it.slot, false)).collect();
        let cursor = Cursor::before(self.floor.records.next());
        let place = Place { cursor, now: self.floor.records.ledger().now };
        let left = dismiss(old.hands, &self.floor.counted);
        drop(quiet);
        let saved = Saved { place, ..Saved::default() };
        let anew = |part| (part, Remains { saved: saved.clone(), done: Cursor::default() });
        let hired = self.floor.begin_at(&plan, &saved);
        let hired = hired
            .and_then(|()| self.hire_parts(&plan, version, &mut parts(&plan).map(anew).collect()));
        let name = &plan.name;
        let module = match hired {
            Ok(hands) => {
                told.done.push(format!(
                    "module `{name}` was changed, and begins anew, since it is divided otherwise"
                ));
                self.forget_parts(&old.plan, &plan);
                ModuleHands { plan, hands }
            }
            Err(error) => {
                told.not_started(format!("{error}; module `{name}` stays as it was"));
                let hands = self.as_before(&old.plan, version, left);
                self.forget_parts(&plan, &old.plan);
                ModuleHands { plan: old.plan, hands }
            }
        };
        for hold in holds {
            self.floor.records.leave(hold);
        }
        module
    }

    /// Hires those again that had been dismissed, each with what it left.
    fn as_before(
        &self,
        plan: &ModulePlan,
        version: u64,
        mut left: HashMap<String, Remains>,
    ) -> Vec<Hand<ModulePicture>> {
        let put_down =
            left.iter().try_for_each(|(part, left)| self.floor.leave_at(plan, part, &left.saved));
        let hired = put_down.and_then(|()| self.hire_parts(plan, version, &mut left));
        hired.unwrap_or_else(|error| {
            let name = &plan.name;
            tracing::error!("{error}; it is off until `correlator modules enable {name}`");
            Vec::new()
        })
    }

    /// Forgets the parts that another division does not have.
    fn forget_parts(&self, gone: &ModulePlan, stays: &ModulePlan) {
        for name in parts(gone).filter(|name| !parts(stays).any(|part| part == *name)) {
            self.floor.off.note_suspended(&name, false);
            self.floor.forget(&name);
        }
    }

    /// Waits until all of these have done what there is. Nothing more comes as long as what this gives is held.
    pub(super) fn quiet(
        &self,
        hands: &[Hand<ModulePicture>],
    ) -> Result<MutexGuard<'_, Writer>, String> {
        // First without those that bring records: they need not wait for all that is left to do.
        self.wait_for_parts(hands, self.floor.records.next())?;
        let since = clock::instant();
        let writer = loop {
            match self.floor.records.writer.try_lock() {
                Ok(writer) => break writer,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
            if clock::instant().duration_since(since) >= limit::DRAIN_TIME {
                return Err("the records can't be held up".to_owned());
            }
            thread::park_timeout(limit::JOIN_STEP);
        };
        self.wait_for_parts(hands, self.floor.records.next())?;
        Ok(writer)
    }

    fn wait_for_parts(&self, hands: &[Hand<ModulePicture>], next: u64) -> Result<(), String> {
        let since = clock::instant();
        loop {
            let behind = |hand: &&Hand<_>| self.floor.records.passed(hand.slot) < next;
            let Some(last) = hands.iter().find(behind) else { return Ok(()) };
            if last.picture.guest.lock().suspended {
                return Err(format!("`{}` is suspended, and has records to do", last.name));
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err("the engine ends".to_owned());
            }
            if clock::instant().duration_since(since) >= limit::DRAIN_TIME {
                let left = next - self.floor.records.passed(last.slot);
                return Err(format!("`{}` has {left} records to do first", last.name));
            }
            hands.iter().for_each(Hand::wake);
            thread::park_timeout(limit::JOIN_STEP);
        }
    }
}

/// The division all of whose parts left something: the one that is wanted, before any other. What is damaged, or of a version
/// that did not tell, may be of any.
fn whole(
    wanted: &Division,
    by: Option<&PartitionBy>,
    left: &BTreeMap<String, Option<Division>>,
    parts: impl Fn(&Division) -> Vec<String>,
) -> Option<Division> {
    // Without a key nobody knows who got what.
    let instances = if by.is_none() { 1 } else { left.len() };
    let like_this = Division { instances, by: by.filter(|_| instances > 1).cloned() };
    let others = left.values().flatten().cloned().chain([like_this]);
    let is_whole = |division: &Division| {
        let parts = parts(division);
        let is_of = |part: &String| {
            left.get(part).is_some_and(|of| of.as_ref().is_none_or(|of| of == division))
        };
        parts.iter().all(is_of)
    };
    std::iter::once(wanted.clone()).chain(others).find(is_whole)
}

/// The parts of a module that left anything in a folder.
pub(super) fn parts_left(folder: &Path, module: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    if !folder.try_exists()? {
        return Ok(names);
    }
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name();
        let Some((name, ending)) = file.to_str().and_then(|name| name.rsplit_once('.')) else {
            continue;
        };
        let part = name.strip_prefix(module).and_then(|rest| rest.strip_prefix('#'));
        let is_part = name == module || part.is_some_and(|part| part.parse::<usize>().is_ok());
        let is_kept = ["checkpoint", "before", "old"].contains(&ending);
        if is_kept && is_part && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Division, parts_left, whole};
    use crate::stack::PartitionBy;

    fn division(instances: usize) -> Division {
        let by = (instances > 1).then_some(PartitionBy::Host);
        Division { instances, by }
    }

    #[test]
    fn a_module_goes_on_as_it_was_divided() {
        let by_program = Division { instances: 2, by: Some(PartitionBy::Program) };
        let names = |division: &Division| match division.instances {
            1 => vec!["m".to_owned()],
            count => (0..count).map(|part| format!("m#{part}")).collect(),
        };
        let check = |wanted: &Division, left: &[(&str, Option<&Division>)], expected| {
            let left = left.iter().map(|(part, of)| ((*part).to_owned(), of.cloned()));
            let found = whole(wanted, wanted.by.as_ref(), &left.collect(), names);
            assert_eq!(found.as_ref(), expected, "{wanted:?}");
        };
        let (one, two, three) = (&division(1), &division(2), &division(3));
        let both = |of| [("m#0", of), ("m#1", of)];
        check(two, &both(Some(two)), Some(two));
        check(one, &both(Some(two)), Some(two));
        check(three, &both(Some(two)), Some(two));
        check(two, &both(Some(&by_program)), Some(&by_program));
        check(two, &[("m", Some(one))], Some(one));
        // Of an earlier version, or damaged.
        check(two, &both(None), Some(two));
        check(three, &both(None), Some(two));
        check(two, &[("m", None)], Some(one));
        check(one, &both(None), None);
        check(two, &[("m#0", None), ("m#1", Some(two))], Some(two));
        // The engine was killed while it divided: before the old were forgotten, or before the new were whole.
        check(two, &[("m", Some(one)), ("m#0", Some(two)), ("m#1", Some(two))], Some(two));
        check(two, &[("m", Some(one)), ("m#0", Some(two))], Some(one));
        check(three, &[("m#0", Some(three)), ("m#1", Some(two))], None);
    }

    #[test]
    fn what_a_checkpoint_tells_is_read() {
        for of in [division(1), division(256)] {
            assert_eq!(Division::read(&of.bytes()), Some(of));
        }
        assert_eq!(Division::read(&[]), None);
    }

    #[test]
    fn parts_are_told_from_others() {
        let folder = std::env::temp_dir().join(format!("correlator-parts-{}", std::process::id()));
        assert_eq!(parts_left(&folder, "m").expect("no folder"), Vec::<String>::new());
        fs::create_dir_all(&folder).expect("a folder");
        for name in [
            "m.checkpoint",
            "m.before",
            "m#0.old",
            "m#11.checkpoint",
            "m#2.new",
            "m.tables",
            "m2.checkpoint",
            "m#.checkpoint",
            "m#x.checkpoint",
            "n#0.checkpoint",
        ] {
            fs::write(folder.join(name), "").expect("a file");
        }
        let mut found = parts_left(&folder, "m").expect("a folder");
        found.sort();
        assert_eq!(found, ["m", "m#0", "m#11"]);
        fs::remove_dir_all(folder).expect("clean up");
    }
}
