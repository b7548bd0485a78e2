//! Dead letters that are tried again or forgotten: what a guest failed on comes again in the stream that it reads, for it
//! alone.

mod again;
pub(super) mod aside;
pub(super) mod known;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use correlator_frame::record::Frame;
use correlator_record::framing::Framing;
use correlator_record::parser::{Parser, Settings};

use crate::dead::{Event, Kind, Letter};
use crate::pipeline::commands::NOTHING_KEPT;
use crate::pipeline::crew::Kept;
use crate::pipeline::crew::hiring::plan_of;
use crate::pipeline::engine::{Engine, locked};
use crate::pipeline::intake::share;
use crate::pipeline::stream::Stream;
use crate::pipeline::stream::piece::{EventPiece, Piece, RecordKind, RecordPiece};
use crate::pipeline::work::worker::Signals;
use crate::{clock, limit};

/// Why a letter stays.
const NO_ROOM: &str =
    "there is no room in the spool now; the letter stays, to be tried again later";
/// Bytes that end no record.
const END: &[u8] = b"\0\xff\0\xff\0\xfe\0\xff";

impl Engine {
    pub(super) fn retry(&self, id: &str) -> Result<String, String> {
        let letter = self.letter(id)?;
        let what = match (letter.kind, &letter.event) {
            (Kind::Tick, _) => {
                return Err(format!(
                    "a tick is a moment, and that is over: the time of `{}` has moved on, and its next tick comes by itself; `correlator dead drop {id}` forgets this one",
                    letter.module
                ));
            }
            (Kind::Event, Some(event)) => {
                self.retry_event(&letter, event)?;
                format!("`{}` gets the event", letter.module)
            }
            (Kind::Record, _) if !letter.raw.0.is_empty() => {
                format!("`{}` gets the record", self.retry_record(&letter)?)
            }
            _ => {
                return Err(format!(
                    "this letter does not hold what `{}` failed on, so it can't come again; `correlator dead drop {id}` forgets it",
                    letter.module
                ));
            }
        };
        self.remove(id)?;
        Ok(format!("{what} once more; if it fails again, it is set aside anew"))
    }

    /// Tells which instance of its module gets it.
    fn retry_record(&self, letter: &Letter) -> Result<String, String> {
        let frame = self.record(letter)?;
        let (only, at_work) = self.reader(letter, &frame)?;
        let records = &self.floor.records;
        let piece = RecordPiece {
            kind: RecordKind::Retry,
            frame,
            only: only.clone(),
            ..RecordPiece::default()
        };
        if !pass(records, &at_work, letter.sequence) {
            return Err(not_passed(&only));
        }
        self.floor.door.retry(piece).map_err(|_| NO_ROOM)?;
        self.secure(records)?;
        Ok(only)
    }

    /// Who gets a letter's record now: the instance that failed on it, or, where its module is divided otherwise by now and
    /// has no such instance any more, the one that gets such records.
    fn reader(
        &self,
        letter: &Letter,
        frame: &Frame,
    ) -> Result<(String, (usize, Arc<Signals>)), String> {
        let crew = locked(&self.crew);
        let name = plan_of(&letter.module);
        let Some(module) = crew.modules.iter().find(|it| it.plan.name == name) else {
            return Err(format!(
                "this stack has no module `{name}` any more; `correlator dead drop {}` forgets the letter",
                letter.id
            ));
        };
        let same = module.hands.iter().find(|hand| hand.name == letter.module);
        let hand = same.or_else(|| {
            let record = frame.batch().record(0)?;
            let by = module.plan.partition_by.as_ref();
            let part = by.map_or(0, |by| share::part(by, module.hands.len() as u32, record));
            module.hands.get(part as usize)
        });
        let hand = hand.ok_or_else(|| format!("module `{name}` does not work now"))?;
        Ok((hand.name.clone(), (hand.slot, Arc::clone(&hand.signals))))
    }

    /// The record of a letter, read once more.
    fn record(&self, letter: &Letter) -> Result<Frame, String> {
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
        Ok(frame)
    }

    /// Events are read by the columns that their module has now: it may have been changed since, as the listener was.
    fn retry_event(&self, letter: &Letter, event: &Event) -> Result<(), String> {
        let crew = locked(&self.crew);
        let hand = crew.listeners.iter().find(|it| it.plan.name == letter.module);
        let hand = hand.and_then(|it| it.hand.as_ref());
        let at_work = hand.map(|hand| (hand.slot, Arc::clone(&hand.signals)));
        let shapes = crew.shapes();
        drop(crew);
        let Some(at_work) = at_work else {
            return Err(format!("listener `{}` does not work now", letter.module));
        };
        let known = |name: &&String| plan_of(name) == plan_of(&event.module);
        // It may be divided otherwise by now: any part tells what the events look like.
        let mut modules: Vec<_> = shapes.keys().map(|(name, _)| name).filter(known).collect();
        modules.sort_unstable_by_key(|name| (**name != event.module, *name));
        let module = modules.first().copied();
        let found = module.and_then(|name| Some((name, self.floor.known.events(name)?)));
        let Some((module, events)) = found else {
            return Err(format!(
                "this stack has no module `{}` any more, so nobody can read its events",
                event.module
            ));
        };
        let piece = again::piece(event, letter.time.0, module, &events, &letter.module)?;
        let events = &self.floor.events;
        if !pass(events, &at_work, letter.sequence) {
            return Err(not_passed(&letter.module));
        }
        let publish = |first| EventPiece { first, ..piece };
        // Whoever waits for room here keeps others from the control socket.
        events.publish(publish, &AtomicBool::new(true)).map_err(|_| NO_ROOM)?;
        self.secure(events)
    }

    /// Sees to it that what was published is as safe as the letter was.
    fn secure<P: Piece>(&self, stream: &Stream<P>) -> Result<(), String> {
        let through = self.floor.kept.as_ref().is_some_and(|kept| kept.rooms.through);
        let Some(syncer) = stream.syncer().filter(|_| through) else { return Ok(()) };
        syncer.sync().map(drop).map_err(|error| {
            format!(
                "it comes once more, but the letter stays, since that can't be made safe: {error}"
            )
        })
    }

    pub(super) fn forget(&self, id: &str) -> Result<String, String> {
        let letter = self.letter(id)?;
        if letter.kind != Kind::Tick {
            self.pass_it(&letter);
        }
        self.remove(id)?;
        Ok(format!("{id} is forgotten"))
    }

    fn remove(&self, id: &str) -> Result<(), String> {
        self.kept()?.dead.remove(id).map_err(|error| error.to_string())
    }

    /// Has whoever failed on it come past it for good, if it works.
    fn pass_it(&self, letter: &Letter) {
        let crew = locked(&self.crew);
        let (guest, item) = (&letter.module, letter.sequence);
        let module = crew.modules.iter().flat_map(|it| &it.hands).find(|it| it.name == *guest);
        let listener = crew.listeners.iter().find(|it| it.plan.name == *guest);
        let listener = listener.and_then(|it| it.hand.as_ref());
        let module = module.filter(|hand| !hand.picture.look().guest.suspended);
        let listener = listener.filter(|hand| !hand.picture.look().guest.suspended);
        let module = module.map(|hand| (hand.slot, Arc::clone(&hand.signals)));
        let listener = listener.map(|hand| (hand.slot, Arc::clone(&hand.signals)));
        drop(crew);
        if let Some(at_work) = module {
            pass(&self.floor.records, &at_work, item);
        } else if let Some(at_work) = listener {
            pass(&self.floor.events, &at_work, item);
        }
    }

    fn letter(&self, id: &str) -> Result<Letter, String> {
        self.kept()?.dead.get(id).map_err(|error| error.to_string())
    }

    fn kept(&self) -> Result<&Kept, String> {
        self.floor.kept.as_ref().ok_or_else(|| NOTHING_KEPT.to_owned())
    }
}

/// Has a guest make checkpoints until they are behind what it failed on, but does not wait for long: a crash would have
/// that handed over from where the last ones stand, since its letter is gone, and what comes again besides. Tells whether
/// they are.
fn pass<P: Piece>(stream: &Stream<P>, (slot, signals): &(usize, Arc<Signals>), item: u64) -> bool {
    let until = clock::instant() + limit::LETTER_PASSED_TIME;
    while stream.kept(*slot) <= item && clock::instant() < until {
        signals.checkpoint.store(true, Ordering::Relaxed);
        thread::park_timeout(limit::RETRY_STEP);
    }
    stream.kept(*slot) > item
}

fn not_passed(guest: &str) -> String {
    format!(
        "`{guest}` has not saved its state behind that yet, so it would get it twice after a crash; the letter stays, to be tried again once the guest has gone on (`correlator status` tells where it is and whether it is suspended)"
    )
}
