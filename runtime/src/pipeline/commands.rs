//! What a running engine can be told to do, but for taking up another stack.

use std::sync::atomic::Ordering;

use correlator_store::command::Of;
use serde_json::{Value, json};

use super::engine::{Crew, Engine, locked, routing};
use crate::control::Command;
use crate::pipeline::crew::hand::{Hand, Hired};
use crate::pipeline::crew::part_name;
use crate::pipeline::state::put_off::Role;

impl Engine {
    /// Does what the user of this id tells it.
    ///
    /// # Errors
    /// Why it was not done, in words for the operator.
    pub fn command(&self, command: &Command, by: u32) -> Result<Value, String> {
        let said = match command {
            Command::Reload => return Err("this engine does not know where its stack is".into()),
            Command::Enable { name } => self.enable(name)?,
            Command::Disable { name } => self.disable(name)?,
            Command::Release { name } => self.release(name)?,
            Command::Checkpoint => self.checkpoint(),
            Command::Stop => {
                self.stop.store(true, Ordering::Relaxed);
                "the engine ends".to_owned()
            }
            Command::DeadRetry { id } => self.retry(id)?,
            Command::DeadDrop { id } => self.forget(id)?,
            Command::EffectRetry { id } => self.retry_effect(id, by)?,
            Command::EffectDrop { id } => self.drop_effect(id, by)?,
            Command::EffectDropAll { listener, capability, endpoint } => {
                let (listener, capability) = (listener.clone(), capability.clone());
                self.drop_effects(&Of { listener, capability, endpoint: endpoint.clone() }, by)?
            }
            Command::EffectUndo { id } => self.undo_effect(id, by)?,
        };
        Ok(json!({ "message": said }))
    }

    fn enable(&self, name: &str) -> Result<String, String> {
        let mut crew = locked(&self.crew);
        let version = crew.version + 1;
        if let Some(place) = crew.modules.iter().position(|it| it.plan.name == name) {
            if !crew.modules[place].hands.is_empty() {
                return Err(format!("module `{name}` works already"));
            }
            let plan = crew.modules[place].plan.clone();
            let mut hired = Vec::new();
            for part in 0..plan.instances {
                let left = crew.left.get(&part_name(&plan, part)).cloned();
                let part = self.floor.hire_module(&plan, part, version, left);
                hired.push(part.map_err(|error| error.to_string())?);
            }
            let hands = hired.into_iter().map(Hired::work).collect::<Result<_, _>>();
            crew.modules[place].hands = hands.map_err(|error| error.to_string())?;
            for part in 0..plan.instances {
                self.works(&mut crew, &part_name(&plan, part));
            }
            crew.version = version;
            self.floor.door.route_by(routing(crew.version, &crew.modules));
            let until = self.until_when(Role::Module, name, plan.enabled);
            return Ok(format!("module `{name}` works{until}"));
        }
        let Some(place) = crew.listeners.iter().position(|it| it.plan.name == name) else {
            return Err(unknown(name, &crew));
        };
        if crew.listeners[place].hand.is_some() {
            return Err(format!("listener `{name}` works already"));
        }
        let left = crew.left.get(name).cloned();
        let hired = self.floor.hire_listener(&crew.listeners[place].plan, crew.shapes(), left);
        let hand = hired.and_then(Hired::work).map_err(|error| error.to_string())?;
        crew.listeners[place].hand = Some(hand);
        self.works(&mut crew, name);
        let until = self.until_when(Role::Listener, name, true);
        Ok(format!("listener `{name}` works{until}"))
    }

    /// Notes that a guest works as the operator wants, and tells if that does not outlive the engine.
    fn until_when(&self, role: Role, name: &str, enabled: bool) -> String {
        match self.floor.off.note(role, name, false) {
            Err(error) => format!(", but is off when the engine is started anew: {error}"),
            Ok(()) if !enabled => {
                "; the stack says `enabled: false`, so it is off when the engine is started anew"
                    .to_owned()
            }
            Ok(()) => String::new(),
        }
    }

    /// Forgets what was kept for an instance while it did not work.
    pub(super) fn works(&self, crew: &mut Crew, instance: &str) {
        crew.left.remove(instance);
        self.let_go(crew, instance);
        self.floor.off.note_suspended(instance, false);
    }

    fn disable(&self, name: &str) -> Result<String, String> {
        let mut crew = locked(&self.crew);
        if let Some(place) = crew.modules.iter().position(|it| it.plan.name == name) {
            let hands = std::mem::take(&mut crew.modules[place].hands);
            if hands.is_empty() {
                return Err(format!("module `{name}` is off already"));
            }
            if self.floor.kept.is_some() {
                for hand in &hands {
                    let hold = self.floor.records.hold(hand.slot, true);
                    crew.holds.insert(hand.name.clone(), (hold, true));
                }
            }
            hands.iter().for_each(Hand::stop);
            for hand in hands {
                let part = hand.name.clone();
                let left = hand.leave(&self.floor.counted).map_err(|error| error.to_string())?;
                crew.left.insert(part, left);
            }
            // Only now: a guest that still works would take records that are not routed to it as none of its own.
            crew.version += 1;
            self.floor.door.route_by(routing(crew.version, &crew.modules));
            return Ok(self.what_stays(Role::Module, name));
        }
        let Some(place) = crew.listeners.iter().position(|it| it.plan.name == name) else {
            return Err(unknown(name, &crew));
        };
        let Some(hand) = crew.listeners[place].hand.take() else {
            return Err(format!("listener `{name}` is off already"));
        };
        if self.floor.kept.is_some() {
            let hold = self.floor.events.hold(hand.slot, true);
            crew.holds.insert(name.to_owned(), (hold, false));
        }
        hand.stop();
        let left = hand.leave(&self.floor.counted).map_err(|error| error.to_string())?;
        crew.left.insert(name.to_owned(), left);
        Ok(self.what_stays(Role::Listener, name))
    }

    /// Lets go of the place of a guest that was put off.
    pub(super) fn let_go(&self, crew: &mut Crew, name: &str) {
        match crew.holds.remove(name) {
            Some((hold, true)) => self.floor.records.leave(hold),
            Some((hold, false)) => self.floor.events.leave(hold),
            None => {}
        }
    }

    /// Notes that a guest is put off, and tells for how long and what it has meanwhile.
    fn what_stays(&self, role: Role, name: &str) -> String {
        let what = format!("{} `{name}` is off", role.name());
        let noted = self.floor.off.note(role, name, true);
        if self.floor.kept.is_none() {
            return format!(
                "{what} until the engine ends; it keeps its state; what comes meanwhile passes by, since the stack has no `state`"
            );
        }
        let until = match noted {
            Ok(()) => format!(
                ", also when the engine is started anew, until `correlator modules enable {name}`"
            ),
            Err(error) => format!(", but works when the engine is started anew: {error}"),
        };
        format!(
            "{what}{until}; it keeps its state, and its place for as long as the spool has room"
        )
    }

    fn release(&self, name: &str) -> Result<String, String> {
        let crew = locked(&self.crew);
        let mut found = false;
        let mut released = 0;
        for it in crew.modules.iter().filter(|it| it.plan.name == name) {
            found = true;
            for hand in &it.hands {
                released += usize::from(free(hand, hand.picture.look().guest.suspended));
            }
        }
        for it in crew.listeners.iter().filter(|it| it.plan.name == name) {
            found = true;
            let Some(hand) = &it.hand else { continue };
            released += usize::from(free(hand, hand.picture.look().guest.suspended));
        }
        match (found, released) {
            (false, _) => Err(unknown(name, &crew)),
            (true, 0) => Err(format!("`{name}` is not suspended")),
            (true, _) => Ok(format!("`{name}` is tried again")),
        }
    }

    fn checkpoint(&self) -> String {
        let crew = locked(&self.crew);
        let mut asked = 0;
        for hand in crew.modules.iter().flat_map(|it| &it.hands) {
            hand.signals.checkpoint.store(true, Ordering::Relaxed);
            hand.wake();
            asked += 1;
        }
        for hand in crew.listeners.iter().filter_map(|it| it.hand.as_ref()) {
            hand.signals.checkpoint.store(true, Ordering::Relaxed);
            hand.wake();
            asked += 1;
        }
        if self.floor.kept.is_none() {
            return "nothing is kept: the stack has no `state`".to_owned();
        }
        format!("{asked} guests make a checkpoint")
    }
}

pub(super) const NOTHING_KEPT: &str = "nothing is kept: the stack has no `state`";

/// Has a suspended guest tried again.
fn free<P>(hand: &Hand<P>, suspended: bool) -> bool {
    if suspended {
        hand.signals.release.store(true, Ordering::Relaxed);
        hand.wake();
    }
    suspended
}

fn unknown(name: &str, crew: &Crew) -> String {
    let modules = crew.modules.iter().map(|it| it.plan.name.as_str());
    let names: Vec<_> =
        modules.chain(crew.listeners.iter().map(|it| it.plan.name.as_str())).collect();
    let name = crate::text::clean(name, crate::limit::NAME_BYTES_MAX);
    format!("there is no module or listener `{name}`; there are {}", names.join(", "))
}
