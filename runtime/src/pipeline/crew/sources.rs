//! Other sources in the place of those that are read.
//!
//! What can be changed while it is read is not ended, so that no peer is cut off. What can be opened beside what is there
//! is opened first, so that there is no gap; the rest once those have ended whose address or files it may need. If anything is wrong, nothing is changed; what had to end for it comes back.

use std::sync::atomic::Ordering;

use correlator_source::net::handle::Change;
use correlator_source::settings::Source;

use super::change::Told;
use super::counted::SourceCounted;
use crate::pipeline::engine::{Engine, Live, Running, locked, open_live};
use crate::pipeline::{RunError, picture};

/// A source that is not read yet.
struct Opened {
    place: usize,
    source: Source,
    door: Live,
    /// What was counted before it was changed.
    before: SourceCounted,
}

/// A source on its way: its place, and its door if it could be opened.
type Door<'a> = (usize, &'a Source, Result<Live, RunError>);

impl Engine {
    pub(super) fn change_sources(&self, wanted: &[Source], told: &mut Told) {
        let mut running = locked(&self.sources);
        let (doors, changes) = self.open_beside(&running, wanted, told);
        if self.is_refused(&doors, told) {
            return;
        }
        self.take_up(&mut running, changes, told);
        let (stay, go) =
            running.drain(..).partition(|it| wanted.iter().any(|source| it.source.same_as(source)));
        *running = stay;
        let mut gone: Vec<_> = go.into_iter().map(|it| self.end_source(it)).collect();
        let (mut opened, mut all_well): (Vec<Opened>, _) = (Vec::new(), true);
        for (place, source, door) in doors {
            let door = match door {
                Ok(Live::Net(door)) => Ok(Live::Net(door)),
                // How far files were read is known once who read them has ended.
                _ => self.open(place, source, wanted),
            };
            let before = gone.iter().position(|(it, _)| it.name == source.name);
            match door {
                Ok(door) => {
                    let done = if before.is_some() { "changed" } else { "added" };
                    told.done.push(format!("source `{}` was {done}", source.name));
                    // What comes by another kind of door is another count.
                    let before = before
                        .map(|place| gone.remove(place))
                        .filter(|(it, _)| picture::kind(it) == picture::kind(source));
                    let before = before.map_or_else(Default::default, |it| it.1);
                    opened.push(Opened { place, source: source.clone(), door, before });
                }
                Err(error) => {
                    self.floor.door.end_source(place);
                    told.refused.push(error.to_string());
                    all_well = false;
                }
            }
        }
        for (source, before) in gone {
            let name = source.name.clone();
            if all_well {
                told.done.push(format!("source `{name}` was removed"));
                continue;
            }
            let place = self.floor.door.free_place();
            self.floor.know(place, &source);
            match self.open(place, &source, wanted) {
                Ok(door) => {
                    opened.push(Opened { place, source, door, before });
                    told.refused.push(format!("source `{name}` stays as it was"));
                }
                Err(error) => {
                    self.floor.door.end_source(place);
                    told.refused.push(format!("{error}; source `{name}` is closed"));
                }
            }
        }
        for Opened { place, source, door, before } in opened {
            match self.read_live(place, source, door) {
                Ok(source) => running.push(Running { before, ..source }),
                Err(error) => told.refused.push(error.to_string()),
            }
        }
    }

    /// Opens what is new, as far as that can be had beside what is there, and finds out what goes on with its socket.
    fn open_beside<'a>(
        &self,
        running: &[Running],
        wanted: &'a [Source],
        told: &mut Told,
    ) -> (Vec<Door<'a>>, Vec<(&'a Source, Change)>) {
        let is_new = |source: &&Source| !running.iter().any(|it| it.source.same_as(source));
        let (mut doors, mut changes) = (Vec::new(), Vec::new());
        for source in wanted.iter().filter(is_new) {
            if !source.door.is_live() {
                told.refused.push(format!(
                    "source `{}` is read once, which takes a run of its own; it is not begun now",
                    source.name
                ));
                continue;
            }
            if let Some(change) = running.iter().find_map(|it| it.change_to(source)) {
                changes.push((source, change));
                continue;
            }
            let place = self.floor.door.free_place();
            self.floor.know(place, source);
            let lent = running.iter().find_map(|it| self.lend(it, place, source, wanted));
            doors.push((place, source, lent.unwrap_or_else(|| self.open(place, source, wanted))));
        }
        (doors, changes)
    }

    /// Whether something is wrong with one of them, whoever else listens.
    fn is_refused(&self, doors: &[Door<'_>], told: &mut Told) -> bool {
        let errors = doors.iter().filter_map(|(.., door)| door.as_ref().err());
        let errors = errors.filter(|it| !it.is_in_use()).map(ToString::to_string);
        let errors: Vec<_> = errors.collect();
        if errors.is_empty() {
            return false;
        }
        for (place, ..) in doors {
            self.floor.door.end_source(*place);
        }
        told.refused.push(format!("{}; no source was changed", errors.join("; ")));
        true
    }

    fn open(&self, place: usize, source: &Source, all: &[Source]) -> Result<Live, RunError> {
        let marks = self.floor.records.ledger().marks();
        open_live(place, (source, all), self.capture.clone(), &marks)
    }

    /// Has sources that are read go on by other settings.
    fn take_up(&self, running: &mut [Running], changes: Vec<(&Source, Change)>, told: &mut Told) {
        for (source, change) in changes {
            let Some(it) = running.iter_mut().find(|it| it.source.name == source.name) else {
                continue;
            };
            self.floor.know_again(it.place, source);
            change.take_up();
            it.source = source.clone();
            told.done.push(format!("source `{}` was changed", source.name));
        }
    }

    /// Opens a source with the socket of one that is not wanted any more.
    fn lend(
        &self,
        from: &Running,
        place: usize,
        to: &Source,
        wanted: &[Source],
    ) -> Option<Result<Live, RunError>> {
        if wanted.iter().any(|it| it.same_as(&from.source)) {
            return None;
        }
        let lent = from.handle.as_ref()?.lend((&from.source, to), place, self.capture.clone());
        let lent = lent.map_err(|error| RunError::Source(error.to_string())).transpose()?;
        Some(lent.map(|net| Live::Net(Box::new(net))))
    }

    /// Ends a source, and tells what it counted.
    fn end_source(&self, mut running: Running) -> (Source, SourceCounted) {
        running.end();
        self.floor.door.end_source(running.place);
        let counted = self.counted(&running);
        (running.source, counted)
    }
}

impl Running {
    /// What it takes to read it as this one, if it goes on under its name with its socket. What is wrong with it is told
    /// by who opens it.
    fn change_to(&self, source: &Source) -> Option<Change> {
        let same = self.source.name == source.name;
        self.handle.as_ref().filter(|_| same)?.change(&self.source, source).ok()?
    }

    /// Ends a source, and waits for that. It does not wait for room any more: that may take longer than the run.
    fn end(&mut self) {
        self.gives_up.store(true, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What a source's thread may say was said.
            let _ = thread.join();
        }
    }
}
