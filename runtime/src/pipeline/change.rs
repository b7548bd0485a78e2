//! Another stack in the place of the one that works: what stays works on, what changed goes on from where it was.
//!
//! Everything new is tried before anything old is touched. A module that changed is handed the state and the place of its
//! old self; one that does not take them is refused, and the old one goes on. No record is lost on the way: the stream
//! waits for nobody and forgets nothing that a guest has not seen.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;

use correlator_source::settings::Source;

use super::counted::{Counted, Counts, SourceCounted};
use super::crew::{part_name, shape};
use super::engine::{
    Crew, Engine, ListenerHand, Live, ModuleHands, Running, locked, open_live, routing, shapes,
};
use super::hand::{Hand, Hired};
use super::hiring::{Names, plan_of};
use super::put_off::Role;
use super::view::Shapes;
use super::worker::Remains;
use super::{ListenerPlan, ModulePlan, Plan, RunError, picture};
use crate::clock;
use crate::limit;

/// What a change came to, a line each.
#[derive(Debug, Default)]
struct Told {
    done: Vec<String>,
    refused: Vec<String>,
}

impl Engine {
    /// Takes up another stack. Tells what was done.
    ///
    /// # Errors
    /// Why nothing was done, or what of it was not.
    pub fn change(&self, plan: Plan) -> Result<String, String> {
        try_out(&plan).map_err(|error| format!("{error}; nothing was changed"))?;
        *self.floor.secrets.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::clone(&plan.secrets);
        let mut told = Told::default();
        let names = Names::of(&plan);
        let mut crew = locked(&self.crew);
        let sources = self.change_sources(&plan.sources, &mut told);
        sources.map_err(|error| format!("{error}; nothing was changed"))?;
        let before = shapes(&plans(&crew));
        self.change_modules(&mut crew, plan.modules, &mut told);
        let after = shapes(&plans(&crew));
        self.change_listeners(&mut crew, plan.listeners, before != after, &mut told);
        drop(crew);
        self.forget_gone(&names);
        let done = if told.done.is_empty() {
            "nothing has changed".to_owned()
        } else {
            told.done.join("; ")
        };
        if told.refused.is_empty() {
            return Ok(done);
        }
        Err(format!("{}; {done}", told.refused.join("; ")))
    }

    fn change_modules(&self, crew: &mut Crew, wanted: Vec<ModulePlan>, told: &mut Told) {
        let version = crew.version + 1;
        let mut old: HashMap<String, ModuleHands> = std::mem::take(&mut crew.modules)
            .into_iter()
            .map(|module| (module.plan.name.clone(), module))
            .collect();
        for plan in wanted {
            let name = plan.name.clone();
            match old.remove(&name) {
                Some(module) if same_module(&module.plan, &plan) => crew.modules.push(module),
                Some(module) => {
                    let module = self.replace_module(module, plan, version, crew, told);
                    crew.modules.push(module);
                }
                None => match self.hire_parts(&plan, version, &mut HashMap::new()) {
                    Ok(hands) => {
                        told.done.push(format!("module `{name}` was added"));
                        crew.modules.push(ModuleHands { plan, hands });
                    }
                    Err(error) => told.refused.push(error.to_string()),
                },
            }
        }
        for (name, module) in old {
            let parts: Vec<_> =
                (0..module.plan.instances).map(|part| part_name(&module.plan, part)).collect();
            dismiss(module.hands, &self.floor.counted);
            for part in parts {
                crew.left.remove(&part);
                self.let_go(crew, &part);
                self.floor.forget(&part);
            }
            told.done.push(format!("module `{name}` was removed"));
        }
        crew.version = version;
        self.floor.door.route_by(routing(crew));
    }

    /// Puts a module in the place of its old self, which comes back if the new one does not take its state.
    fn replace_module(
        &self,
        old: ModuleHands,
        plan: ModulePlan,
        version: u64,
        crew: &mut Crew,
        told: &mut Told,
    ) -> ModuleHands {
        let holds: Vec<_> =
            old.hands.iter().map(|it| self.floor.records.hold(it.slot, false)).collect();
        crew.left.extend(dismiss(old.hands, &self.floor.counted));
        let module = self.place_module(old.plan, plan, version, crew, told);
        for hold in holds {
            self.floor.records.leave(hold);
        }
        module
    }

    /// The old one has left what it leaves.
    fn place_module(
        &self,
        old: ModulePlan,
        plan: ModulePlan,
        version: u64,
        crew: &mut Crew,
        told: &mut Told,
    ) -> ModuleHands {
        let name = &plan.name;
        let divided = plan.instances != old.instances || plan.partition_by != old.partition_by;
        if divided {
            // What one part remembers is not what another will see.
            for part in 0..old.instances {
                let part = part_name(&old, part);
                self.works(crew, &part);
                self.floor.forget(&part);
            }
            told.done.push(format!("module `{name}` begins anew, since it is divided otherwise"));
        }
        if self.floor.off.has(Role::Module, name) {
            self.floor.known.module(&plan);
            told.done.push(format!("module `{name}` was changed, and stays disabled"));
            return ModuleHands { plan, hands: Vec::new() };
        }
        if !plan.enabled {
            told.done.push(format!("module `{name}` was put off"));
            return ModuleHands { plan, hands: Vec::new() };
        }
        let mine = crew.left.iter().filter(|(part, _)| plan_of(part) == name);
        let remains: HashMap<_, _> =
            mine.map(|(part, left)| (part.clone(), left.clone())).collect();
        match self.hire_parts(&plan, version, &mut remains.clone()) {
            Ok(hands) => {
                told.done.push(format!("module `{name}` was changed"));
                for part in 0..plan.instances {
                    self.works(crew, &part_name(&plan, part));
                }
                ModuleHands { plan, hands }
            }
            Err(error) => {
                told.refused.push(format!("{error}; module `{name}` stays as it was"));
                let hands = self.hire_parts(&old, version, &mut remains.clone());
                let hands = hands.unwrap_or_else(|error| {
                    tracing::error!("{error}; it is off until `correlator modules enable {name}`");
                    Vec::new()
                });
                ModuleHands { plan: old, hands }
            }
        }
    }

    /// Starts all parts of a module, each from what it left, and gives them their threads.
    fn hire_parts(
        &self,
        plan: &ModulePlan,
        version: u64,
        left: &mut HashMap<String, Remains>,
    ) -> Result<Vec<Hand<super::module::ModulePicture>>, RunError> {
        let mut hired = Vec::new();
        for part in 0..if plan.enabled { plan.instances } else { 0 } {
            let left = left.remove(&part_name(plan, part));
            hired.push(self.floor.hire_module(plan, part, version, left)?);
        }
        hired.into_iter().map(Hired::work).collect()
    }

    fn change_listeners(
        &self,
        crew: &mut Crew,
        wanted: Vec<ListenerPlan>,
        all: bool,
        told: &mut Told,
    ) {
        if all {
            self.wait_for_listeners(crew);
        }
        let shapes = shapes(&plans(crew));
        let mut old: HashMap<String, ListenerHand> = std::mem::take(&mut crew.listeners)
            .into_iter()
            .map(|listener| (listener.plan.name.clone(), listener))
            .collect();
        for plan in wanted {
            let name = plan.name.clone();
            if let Some(before) = old.remove(&name) {
                let same = same_listener(&before.plan, &plan);
                let listener = if same && !all {
                    before
                } else {
                    self.replace_listener(before, plan, (same, &shapes), crew, told)
                };
                crew.listeners.push(listener);
                continue;
            }
            match self.floor.hire_listener(&plan, shapes.clone(), None).and_then(Hired::work) {
                Ok(hand) => {
                    told.done.push(format!("listener `{name}` was added"));
                    crew.listeners.push(ListenerHand { plan, hand: Some(hand) });
                }
                Err(error) => told.refused.push(error.to_string()),
            }
        }
        for (name, listener) in old {
            dismiss(listener.hand.into_iter().collect(), &self.floor.counted);
            crew.left.remove(&name);
            self.let_go(crew, &name);
            self.floor.forget(&name);
            told.done.push(format!("listener `{name}` was removed"));
        }
    }

    /// Puts a listener in the place of its old self, which comes back if the new one can't be started. It may be the same,
    /// and only others than before are to be listened to.
    fn replace_listener(
        &self,
        old: ListenerHand,
        plan: ListenerPlan,
        (same, shapes): (bool, &Shapes),
        crew: &mut Crew,
        told: &mut Told,
    ) -> ListenerHand {
        let name = plan.name.clone();
        if self.floor.off.has(Role::Listener, &name) {
            if !same {
                self.floor.known.listener(&plan);
                told.done.push(format!("listener `{name}` was changed, and stays disabled"));
            }
            return ListenerHand { plan, hand: None };
        }
        let hold = old.hand.as_ref().map(|hand| self.floor.events.hold(hand.slot, false));
        let mut left = dismiss(old.hand.into_iter().collect(), &self.floor.counted);
        let remains = left.remove(&name).or_else(|| crew.left.remove(&name));
        let hired = self.floor.hire_listener(&plan, shapes.clone(), remains.clone());
        let listener = match hired.and_then(Hired::work) {
            Ok(hand) => {
                if !same {
                    told.done.push(format!("listener `{name}` was changed"));
                }
                self.works(crew, &name);
                ListenerHand { plan, hand: Some(hand) }
            }
            Err(error) => {
                told.refused.push(format!("{error}; listener `{name}` stays as it was"));
                let again = self.floor.hire_listener(&old.plan, shapes.clone(), remains.clone());
                let hand = again.and_then(Hired::work);
                if let Err(error) = &hand {
                    tracing::error!("{error}; listener `{name}` is off");
                    crew.left.extend(remains.map(|remains| (name, remains)));
                }
                ListenerHand { plan: old.plan, hand: hand.ok() }
            }
        };
        if let Some(hold) = hold {
            self.floor.events.leave(hold);
        }
        listener
    }

    /// Lets listeners work off the events that are there: new schemas would make them strangers.
    fn wait_for_listeners(&self, crew: &Crew) {
        let (since, next) = (clock::instant(), self.floor.events.next());
        let hands = || crew.listeners.iter().filter_map(|it| it.hand.as_ref());
        let behind = |hand: &Hand<super::listener::ListenerPicture>| {
            !hand.picture.guest.lock().suspended && self.floor.events.passed(hand.slot) < next
        };
        while hands().any(behind) && clock::instant().duration_since(since) < limit::DRAIN_TIME {
            hands().for_each(Hand::wake);
            thread::park_timeout(limit::JOIN_STEP);
        }
    }

    fn change_sources(&self, wanted: &[Source], told: &mut Told) -> Result<(), RunError> {
        let mut running = locked(&self.sources);
        let stays = |source: &Source| wanted.iter().any(|it| it.same_as(source));
        let is_new = |source: &&Source| !running.iter().any(|it| it.source.same_as(source));
        let new: Vec<Source> = wanted.iter().filter(is_new).cloned().collect();
        let (marks, mut opened) = (self.floor.records.ledger(), Vec::new());
        for source in &new {
            let name = &source.name;
            if !source.door.is_live() {
                told.refused.push(format!(
                    "source `{name}` is read once, which takes a run of its own; it is not begun now"
                ));
                continue;
            }
            let place = self.floor.door.free_place();
            self.floor.know(place, source);
            let open = || open_live(place, source, self.capture.clone(), &marks.marks());
            let old = running.iter().position(|it| it.source.name == *name);
            let mut before = None;
            let door = match (open(), old) {
                (Ok(door), _) => Ok(door),
                (Err(error), None) => Err(error),
                // It may need what its old self has, the address for one.
                (Err(_), Some(old)) => {
                    before = Some(self.end_source(running.remove(old)));
                    open()
                }
            };
            match door {
                Ok(door) => {
                    if let Some(old) = running.iter().position(|it| it.source.name == *name) {
                        before = Some(self.end_source(running.remove(old)));
                    }
                    let done = if old.is_some() { "changed" } else { "added" };
                    told.done.push(format!("source `{name}` was {done}"));
                    // What comes by another kind of door is another count.
                    let same = |it: &(Source, _)| picture::kind(&it.0) == picture::kind(source);
                    let counted = before.filter(same).map_or_else(Default::default, |it| it.1);
                    opened.push((place, source.clone(), door, counted));
                }
                Err(error) => {
                    told.refused.push(error.to_string());
                    if let Some((before, counted)) = before {
                        self.floor.know(place, &before);
                        let capture = self.capture.clone();
                        let door = open_live(place, &before, capture, &marks.marks())?;
                        opened.push((place, before, door, counted));
                        told.refused.push(format!("source `{name}` stays as it was"));
                    }
                }
            }
        }
        let mut place = 0;
        while place < running.len() {
            let source = &running[place].source;
            if stays(source) || new.iter().any(|it| it.name == source.name) {
                place += 1;
                continue;
            }
            told.done.push(format!("source `{}` was removed", source.name));
            drop(self.end_source(running.remove(place)));
        }
        for (place, source, door, counted) in opened {
            let door: Live = door;
            let source = self.read_live(place, source, door)?;
            running.push(Running { before: counted, ..source });
        }
        Ok(())
    }

    /// Ends a source, and tells what it counted.
    fn end_source(&self, mut running: Running) -> (Source, SourceCounted) {
        running.end();
        let counted = self.counted(&running);
        (running.source, counted)
    }
}

/// Starts every guest once, and throws it away: what can't start must not take the place of what works.
fn try_out(plan: &Plan) -> Result<(), RunError> {
    for module in plan.modules.iter().filter(|it| it.enabled) {
        (module.start)().map_err(|failure| RunError::Start {
            role: "module",
            name: module.name.clone(),
            failure,
        })?;
    }
    for listener in &plan.listeners {
        (listener.start)().map_err(|failure| RunError::Start {
            role: "listener",
            name: listener.name.clone(),
            failure,
        })?;
    }
    Ok(())
}

fn plans(crew: &Crew) -> Vec<ModulePlan> {
    crew.modules.iter().map(|it| it.plan.clone()).collect()
}

fn same_module(a: &ModulePlan, b: &ModulePlan) -> bool {
    a.component.1 == b.component.1
        && a.settings == b.settings
        && shape(&a.events) == shape(&b.events)
}

fn same_listener(a: &ListenerPlan, b: &ListenerPlan) -> bool {
    a.component.1 == b.component.1 && a.settings == b.settings
}

/// Has guests end now, and takes what they leave.
fn dismiss<P: Counts + Clone>(hands: Vec<Hand<P>>, counted: &Counted) -> HashMap<String, Remains> {
    hands.iter().for_each(Hand::stop);
    let mut left = HashMap::new();
    for hand in hands {
        let name = hand.name.clone();
        match hand.leave(counted) {
            Ok(remains) => drop(left.insert(name, remains)),
            Err(error) => tracing::error!("{error}; it begins from its last checkpoint"),
        }
    }
    left
}

impl Running {
    /// Ends a source, and waits for that.
    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What a source's thread may say was said.
            let _ = thread.join();
        }
    }
}
