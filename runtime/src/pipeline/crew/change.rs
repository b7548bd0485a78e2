//! Another stack in the place of the one that works: what stays works on, what changed goes on from where it was.
//!
//! Everything new is tried before anything old is touched. A module that changed is handed the state and the place of its
//! old self; one that does not take them is refused, and the old one goes on. No record is lost on the way: the stream
//! waits for nobody and forgets nothing that a guest has not seen.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::counted::{Counted, Counts};
use super::dividing::{Division, parts};
use super::hand::{Hand, Hired};
use super::hiring::{Names, plan_of};
use super::strange::lost;
use super::{part_name, shape};
use crate::pipeline::engine::{Crew, Engine, ListenerHand, ModuleHands, routing};
use crate::pipeline::listening::view::{Shapes, shapes};
use crate::pipeline::state::put_off::Role;
use crate::pipeline::work::worker::Remains;
use crate::pipeline::{ListenerPlan, ModulePlan, Plan, RunError};

/// What a change came to, a line each.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) done: Vec<String>,
    pub(super) refused: Vec<String>,
    /// Whether a module could not be started, and is what it was.
    is_partial: bool,
}

impl Told {
    /// A module stays as it was, or away.
    pub(super) fn not_started(&mut self, why: String) {
        self.refused.push(why);
        self.is_partial = true;
    }
}

impl Engine {
    /// Takes up another stack. Tells what was done.
    ///
    /// # Errors
    /// Why nothing was done, or what of it was not.
    pub fn change(&self, plan: Plan) -> Result<String, String> {
        try_out(&plan).map_err(|error| format!("{error}; nothing was changed"))?;
        let mut told = Told::default();
        let names = Names::of(&plan);
        let crew = self.crew_when_all_is_read(&plan);
        let mut crew = crew.map_err(|error| format!("{error}; nothing was changed"))?;
        // What modules tell that is new must find those who can read it.
        let closed = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let former: Vec<_> = crew.modules.iter().map(|it| it.plan.clone()).collect();
        let before = crew.shapes();
        let mut gone = self.change_modules(&mut crew, plan.modules.clone(), &mut told);
        let after = shapes(&plan.modules);
        let all_read = if told.is_partial {
            // Nobody changes beside a module that stays what it was: listeners could not be told of it, and whoever is to go
            // may be the one that is needed.
            Err(told.refused.join("; "))
        } else {
            self.wait_for_listeners(&crew, &plan.listeners, &lost(&before, &after))
        };
        if let Err(error) = all_read {
            // Those that are new have not begun, and never will.
            let stays = |plan: &ModulePlan| former.iter().any(|it| same_module(it, plan));
            let new = crew.modules.iter().filter(|it| !stays(&it.plan));
            new.flat_map(|it| &it.hands).for_each(Hand::stop);
            drop(closed);
            crew.modules.append(&mut gone);
            let back = self.change_modules(&mut crew, former, &mut Told::default());
            self.dismiss_modules(&mut crew, back, &mut Told::default());
            return Err(format!("{error}; nothing was changed"));
        }
        self.dismiss_modules(&mut crew, gone, &mut told);
        self.floor.secrets.change(&plan.secrets);
        self.change_listeners(&mut crew, plan.listeners, (before != after, &after), &mut told);
        drop(closed);
        drop(crew);
        self.change_sources(&plan.sources, &mut told);
        self.forget_gone(&names);
        told.done.extend(self.tell_unserved());
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

    /// Puts modules in the place of those that are there, and tells which are not wanted any more: they work on.
    pub(super) fn change_modules(
        &self,
        crew: &mut Crew,
        wanted: Vec<ModulePlan>,
        told: &mut Told,
    ) -> Vec<ModuleHands> {
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
                    Err(error) => told.not_started(error.to_string()),
                },
            }
        }
        crew.version = version;
        let gone: Vec<_> = old.into_values().collect();
        // Until they are dismissed, and they may not be, they take what comes.
        self.floor.door.route_by(routing(version, crew.modules.iter().chain(&gone)));
        gone
    }

    /// Has modules leave for good.
    pub(super) fn dismiss_modules(&self, crew: &mut Crew, gone: Vec<ModuleHands>, told: &mut Told) {
        if gone.is_empty() {
            return;
        }
        for module in gone {
            let parts: Vec<_> =
                (0..module.plan.instances).map(|part| part_name(&module.plan, part)).collect();
            dismiss(module.hands, &self.floor.counted);
            for part in parts {
                crew.left.remove(&part);
                self.let_go(crew, &part);
                self.floor.forget(&part);
            }
            told.done.push(format!("module `{}` was removed", module.plan.name));
        }
        crew.version += 1;
        self.floor.door.route_by(routing(crew.version, &crew.modules));
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
        let mut plan = plan;
        if Division::of(&old.plan) != Division::of(&plan) {
            let (name, works) = (plan.name.clone(), !old.hands.is_empty());
            let stays_off = !plan.enabled || self.floor.off.has(Role::Module, &name);
            let has_place =
                |part: String| crew.left.contains_key(&part) || crew.holds.contains_key(&part);
            let refused = match works && !stays_off {
                true => match self.quiet(&old.hands) {
                    Ok(quiet) => return self.divide(old, plan, version, quiet, told),
                    Err(why) => Some(why),
                },
                false if works || parts(&old.plan).any(has_place) => {
                    Some("what it had to do when it was put off comes first".to_owned())
                }
                false => None,
            };
            if let Some(why) = refused {
                told.refused.push(format!(
                    "module `{name}` is not divided otherwise yet: {why}; once that is done, `correlator reload` divides it"
                ));
                plan = Division::of(&old.plan).of_module(&plan);
            }
        }
        let hold = |it: &Hand<_>| (it.name.clone(), self.floor.records.hold(it.slot, false));
        let holds: Vec<_> = old.hands.iter().map(hold).collect();
        crew.left.extend(dismiss(old.hands, &self.floor.counted));
        let module = self.place_module(old.plan, plan, version, crew, told);
        for (name, hold) in holds {
            // Who does not work now goes on from there when he does, as if he had been disabled.
            let off = module.hands.is_empty() && self.floor.kept.is_some();
            if off && crew.left.contains_key(&name) {
                self.floor.records.set_active(hold, false);
                crew.holds.insert(name, (hold, true));
            } else {
                self.floor.records.leave(hold);
            }
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
                told.not_started(format!("{error}; module `{name}` stays as it was"));
                let hands = self.hire_parts(&old, version, &mut remains.clone());
                let hands = hands.unwrap_or_else(|error| {
                    tracing::error!("{error}; it is off until `correlator modules enable {name}`");
                    Vec::new()
                });
                ModuleHands { plan: old, hands }
            }
        }
    }

    /// Starts all parts of a module, each from what it left, and gives them their threads, which begin when all is changed.
    pub(super) fn hire_parts(
        &self,
        plan: &ModulePlan,
        version: u64,
        left: &mut HashMap<String, Remains>,
    ) -> Result<Vec<Hand<crate::pipeline::work::module::ModulePicture>>, RunError> {
        let mut hired = Vec::new();
        for part in 0..if plan.enabled { plan.instances } else { 0 } {
            let left = left.remove(&part_name(plan, part));
            hired.push(self.floor.hire_module(plan, part, version, left)?);
        }
        hired.into_iter().map(|part| part.work_behind(&self.gate)).collect()
    }

    fn change_listeners(
        &self,
        crew: &mut Crew,
        wanted: Vec<ListenerPlan>,
        (all, shapes): (bool, &Shapes),
        told: &mut Told,
    ) {
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
                    self.replace_listener(before, plan, (same, shapes), crew, told)
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

fn same_module(a: &ModulePlan, b: &ModulePlan) -> bool {
    a.component.1 == b.component.1
        && a.settings == b.settings
        && shape(&a.events) == shape(&b.events)
        && Division::of(a) == Division::of(b)
}

fn same_listener(a: &ListenerPlan, b: &ListenerPlan) -> bool {
    a.component.1 == b.component.1 && a.settings == b.settings
}

/// Has guests end now, and takes what they leave.
pub(super) fn dismiss<P: Counts + Clone>(
    hands: Vec<Hand<P>>,
    counted: &Counted,
) -> HashMap<String, Remains> {
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
