//! The start of the guests: all of a stack but those that the operator put off, and those that rest until they are released.

use std::collections::BTreeSet;

use super::hand::Hired;
use super::part_name;
use crate::limit::Limits;
use crate::pipeline::engine::{Crew, Engine, ListenerHand, ModuleHands, locked, routing};
use crate::pipeline::listening::view::shapes;
use crate::pipeline::state::put_off::Role;
use crate::pipeline::{ListenerPlan, ModulePlan, Plan, RunError};

/// What the guests of a stack are called.
pub(crate) struct Names {
    modules: BTreeSet<String>,
    listeners: BTreeSet<String>,
}

impl Names {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            modules: plan.modules.iter().map(|it| it.name.clone()).collect(),
            listeners: plan.listeners.iter().map(|it| it.name.clone()).collect(),
        }
    }
}

/// What the stack calls what this is an instance of.
pub(crate) fn plan_of(instance: &str) -> &str {
    instance.split('#').next().unwrap_or_default()
}

impl Engine {
    /// Forgets who was put off that the stack does not have any more.
    pub(crate) fn forget_gone(&self, names: &Names) {
        let Names { modules, listeners } = names;
        self.floor.off.retain(|role, name| match role {
            Some(Role::Module) => modules.contains(name),
            Some(Role::Listener) => listeners.contains(name),
            None => modules.contains(plan_of(name)) || listeners.contains(name),
        });
    }

    /// Starts all guests but those that do not work, then their threads.
    pub(crate) fn hire(
        &self,
        modules: Vec<ModulePlan>,
        listeners: Vec<ListenerPlan>,
    ) -> Result<(), RunError> {
        let mut crew = locked(&self.crew);
        crew.version = 1;
        // Who listens reads what they tell by what they are.
        for plan in &modules {
            self.floor.known.module(plan);
        }
        let shapes = shapes(&modules);
        let mut hired = Vec::new();
        for plan in listeners {
            let one = if self.stays_off(&mut crew, Role::Listener, &plan.name, &[&plan.name]) {
                self.floor.known.listener(&plan);
                None
            } else {
                let one = self.floor.hire_listener(&plan, shapes.clone(), None)?;
                let rests = self.rests(Role::Listener, &plan.name, &plan.limits);
                Some(if rests { one.suspended() } else { one })
            };
            hired.push((one, plan));
        }
        let mut parts = Vec::new();
        for plan in modules {
            let plan = self.floor.as_left(&plan)?;
            let names: Vec<_> = (0..plan.instances).map(|part| part_name(&plan, part)).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let off = self.stays_off(&mut crew, Role::Module, &plan.name, &names);
            if !off && !plan.enabled {
                self.hold_places(&mut crew, Role::Module, &names);
            }
            let off = off || !plan.enabled;
            let mut hands = Vec::new();
            for (part, name) in names.into_iter().enumerate().filter(|_| !off) {
                let one = self.floor.hire_module(&plan, part, 1, None)?;
                let rests = self.rests(Role::Module, name, &plan.limits);
                hands.push(if rests { one.suspended() } else { one });
            }
            parts.push((plan, hands));
        }
        for (plan, hired) in parts {
            let hands = hired.into_iter().map(Hired::work);
            crew.modules.push(ModuleHands { plan, hands: hands.collect::<Result<_, _>>()? });
        }
        for (hired, plan) in hired {
            let hand = hired.map(Hired::work).transpose()?;
            crew.listeners.push(ListenerHand { plan, hand });
        }
        self.floor.door.route_by(routing(crew.version, &crew.modules));
        Ok(())
    }

    /// Whether the operator put a guest off before the engine was started. What its instances would need is held.
    fn stays_off(&self, crew: &mut Crew, role: Role, name: &str, instances: &[&str]) -> bool {
        if !self.floor.off.has(role, name) {
            return false;
        }
        self.hold_places(crew, role, instances);
        tracing::warn!(
            "{} `{name}` stays disabled; `correlator modules enable {name}` lets it work",
            role.name()
        );
        true
    }

    /// Holds what instances would need that do not work.
    fn hold_places(&self, crew: &mut Crew, role: Role, instances: &[&str]) {
        for instance in instances {
            let hold = self.floor.hold(instance, role == Role::Module);
            crew.holds.extend(hold.map(|hold| ((*instance).to_owned(), hold)));
        }
    }

    /// Whether an instance was suspended when the engine ended, and waits to be released by hand. A run that ends with its
    /// input can't wait for that.
    fn rests(&self, role: Role, instance: &str, limits: &Limits) -> bool {
        let suspended = self.floor.off.is_suspended(instance);
        if suspended && self.live && limits.release_after.is_zero() {
            let name = plan_of(instance);
            tracing::warn!(
                "{} `{instance}` stays suspended, since `release_after` is 0; `correlator modules release {name}` lets it go on",
                role.name()
            );
            return true;
        }
        self.floor.off.note_suspended(instance, false);
        false
    }
}
