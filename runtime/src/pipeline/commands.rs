//! What a running engine can be told to do, but for taking up another stack.

use std::sync::atomic::Ordering;

use correlator_frame::record::Frame;
use correlator_record::framing::Framing;
use correlator_record::parser::{Parser, Settings};
use serde_json::{Value, json};

use super::crew::{Hand, Hired};
use super::engine::{Crew, Engine, locked, routing, shapes};
use super::piece::{RecordKind, RecordPiece};
use crate::control::Command;
use crate::dead::{Kind, Letter};

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
                let left = crew.left.get(&super::crew::part_name(&plan, part)).cloned();
                let part = self.floor.hire_module(&plan, part, version, left);
                hired.push(part.map_err(|error| error.to_string())?);
            }
            let hands = hired.into_iter().map(Hired::work).collect::<Result<_, _>>();
            crew.modules[place].hands = hands.map_err(|error| error.to_string())?;
            for part in 0..plan.instances {
                let part = super::crew::part_name(&plan, part);
                crew.left.remove(&part);
                self.let_go(&mut crew, &part);
            }
            crew.version = version;
            self.floor.door.route_by(routing(&crew));
            return Ok(format!("module `{name}` works"));
        }
        let Some(place) = crew.listeners.iter().position(|it| it.plan.name == name) else {
            return Err(unknown(name, &crew));
        };
        if crew.listeners[place].hand.is_some() {
            return Err(format!("listener `{name}` works already"));
        }
        let left = crew.left.get(name).cloned();
        let plans: Vec<_> = crew.modules.iter().map(|it| it.plan.clone()).collect();
        let hired = self.floor.hire_listener(&crew.listeners[place].plan, shapes(&plans), left);
        let hand = hired.and_then(Hired::work).map_err(|error| error.to_string())?;
        crew.listeners[place].hand = Some(hand);
        crew.left.remove(name);
        self.let_go(&mut crew, name);
        Ok(format!("listener `{name}` works"))
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
                let (left, _) = hand.join().map_err(|error| error.to_string())?;
                crew.left.insert(part, left);
            }
            // Only now: a guest that still works would take records that are not routed to it as none of its own.
            crew.version += 1;
            self.floor.door.route_by(routing(&crew));
            return Ok(format!("module `{name}` is off; {}", self.what_stays()));
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
        let (left, _) = hand.join().map_err(|error| error.to_string())?;
        crew.left.insert(name.to_owned(), left);
        Ok(format!("listener `{name}` is off; {}", self.what_stays()))
    }

    /// Lets go of the place of a guest that was put off.
    pub(super) fn let_go(&self, crew: &mut Crew, name: &str) {
        match crew.holds.remove(name) {
            Some((hold, true)) => self.floor.records.leave(hold),
            Some((hold, false)) => self.floor.events.leave(hold),
            None => {}
        }
    }

    /// What a guest has when it is put off.
    fn what_stays(&self) -> &'static str {
        if self.floor.kept.is_some() {
            "it keeps its state, and its place for as long as the spool has room"
        } else {
            "it keeps its state; what comes meanwhile passes by, since the stack has no `state`"
        }
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

    fn retry(&self, id: &str) -> Result<String, String> {
        let letter = self.letter(id)?;
        if letter.kind == Kind::Tick {
            return Err(
                "a tick is over and can't come again; `correlator dead drop` forgets it".into()
            );
        }
        if letter.raw.0.is_empty() {
            return Err(
                "this letter holds no record; events come again when their module does".into()
            );
        }
        let crew = locked(&self.crew);
        let mut hands = crew.modules.iter().flat_map(|it| &it.hands);
        if !hands.any(|hand| hand.name == letter.module) {
            return Err(format!("module `{}` does not work now", letter.module));
        }
        drop(crew);
        let source = locked(&self.sources)
            .iter()
            .find(|it| it.source.name == letter.source)
            .map(|it| (it.source.number(), it.source.zone.clone()));
        let (number, zone) = source.unwrap_or((0, self.floor.zone.clone()));
        let mut frame = Frame { text: letter.raw.0.clone(), ..Frame::default() };
        let settings = Settings { zone, reference: letter.time.0, ..Settings::default() };
        // The record is all that there is, whatever stands in it.
        let framing = Framing::Trailer(END.to_vec());
        Parser::new(settings).parse(&mut frame, 0, &framing, true, 1);
        if frame.is_empty() {
            return Err("the record of this letter can't be read any more".into());
        }
        frame.set_place(0, number, letter.position);
        let only = letter.module.clone();
        let piece = RecordPiece { kind: RecordKind::Retry, frame, only, ..RecordPiece::default() };
        self.floor.door.retry(piece).map_err(|_| "the engine ends")?;
        self.forget(id)?;
        Ok(format!(
            "`{}` gets the record once more; if it fails again, it is set aside anew",
            letter.module
        ))
    }

    fn forget(&self, id: &str) -> Result<String, String> {
        self.letter(id)?;
        let Some(kept) = &self.floor.kept else { return Err(NOTHING_KEPT.into()) };
        kept.dead.remove(id).map_err(|error| error.to_string())?;
        Ok(format!("{id} is forgotten"))
    }

    fn letter(&self, id: &str) -> Result<Letter, String> {
        let Some(kept) = &self.floor.kept else { return Err(NOTHING_KEPT.into()) };
        kept.dead.get(id).map_err(|error| error.to_string())
    }
}

pub(super) const NOTHING_KEPT: &str = "nothing is kept: the stack has no `state`";
/// Bytes that end no record.
const END: &[u8] = b"\0\xff\0\xff\0\xfe\0\xff";

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
