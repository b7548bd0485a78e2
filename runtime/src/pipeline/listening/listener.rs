//! A listener's side of a worker: batches of the events that it asked for in, its effects out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use correlator_frame::event::BatchHeader;

use super::asking::{About, Asking};
use super::outside::Outside;
use super::view::{EventBatch, EventView};
use crate::capability::{Bounded, Capabilities, Refusal, TableFiles, TableMarks};
use crate::guest::{Effect, Failure, Listener, Tick};
use crate::limit::{self, Limits};
use crate::pipeline::crew::News;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::{Bounds, Feed, Next};
use crate::pipeline::work::keeper::{GuestReport, Shared};
use crate::pipeline::work::module::{Aside, TicksAside, is_aside};
use crate::pipeline::work::worker::Side;
use crate::text::clean;

const MINUTE: i64 = 60_000_000_000;
/// What is counted under no name of its own.
const OTHERS: &str = "others";

/// What became of a listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerReport {
    /// What became of it as a guest.
    pub guest: GuestReport,
    /// Rows carried out, by capability and target.
    pub done: BTreeMap<String, u64>,
    /// Rows denied or failed, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Single effects that are still to be delivered, by capability and endpoint.
    pub waiting: BTreeMap<String, u64>,
    /// Whether it was given up to wait for what did not take its rows: they are written when the engine runs again.
    pub unfinished: bool,
}

/// Rows by what became of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes {
    done: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    unfinished: bool,
}

/// What others see of a listener while it works.
#[derive(Clone, Debug)]
pub(crate) struct ListenerPicture {
    /// What was counted before it worked.
    pub(crate) before: ListenerReport,
    pub(crate) guest: Shared,
    pub(crate) outcomes: Arc<Mutex<Outcomes>>,
    /// Its grants with bounds.
    pub(crate) bounded: Arc<[Bounded]>,
    /// What it is granted as a dry run.
    pub(crate) planned: Arc<[&'static str]>,
}

impl ListenerPicture {
    pub(crate) fn look(&self) -> ListenerReport {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Outcomes { done, refused, unfinished } = outcomes;
        let guest = self.guest.look();
        ListenerReport { guest, done, refused, waiting: BTreeMap::new(), unfinished }
            .after(&self.before)
    }
}

/// A listener in the pipeline.
pub(crate) struct ListenerSide {
    pub(crate) name: String,
    pub(crate) feed: Feed<EventView>,
    pub(crate) batch: EventBatch,
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: Limits,
    pub(crate) rate: (i64, u64),
    pub(crate) outcomes: Arc<Mutex<Outcomes>>,
    /// Whether effects that the world does not take now are tried again.
    pub(crate) retries: bool,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) ticks_aside: TicksAside,
    pub(crate) tell: Arc<dyn Fn(News) + Send + Sync>,
    pub(crate) asking: Asking,
}

impl ListenerSide {
    /// Carries an effect out. Where anything is kept, one that the world does not take now is tried until it does, since
    /// nobody else waits for it; the run ends if nothing comes of it.
    fn carry_out(&mut self, effect: &Effect) -> Option<Result<(), Refusal>> {
        if let Err(refusal) = self.allowed(effect) {
            return Some(Err(refusal));
        }
        let (mut told, mut patience) = (false, self.asking.patience());
        loop {
            let refusal = match self.capabilities.execute(effect) {
                Ok(count) => {
                    let name = format!("{} {}", effect.capability, effect.target);
                    let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                    count_up(&mut outcomes.done, &name, count as u64);
                    return Some(Ok(()));
                }
                Err(refusal) => refusal,
            };
            let again = self.retries && matches!(refusal, Refusal::NotNow(_));
            if !again {
                return Some(Err(refusal));
            }
            if !told {
                told = true;
                tracing::error!(
                    "listener `{}`: {refusal}; it is tried until it is done",
                    self.name
                );
            }
            if !patience.waits(limit::RETRY_STEP) {
                return None;
            }
        }
    }

    /// Carries out what a turn asked for. The run ends if this says no.
    fn carry_out_all(&mut self, effects: Vec<Effect>, upto: Cursor) -> bool {
        let (mut asked, own): (Vec<_>, Vec<_>) =
            effects.into_iter().partition(|effect| self.asking.takes(effect));
        self.asking.address(&mut asked);
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for effect in &own {
            match self.carry_out(effect) {
                Some(Ok(())) => {}
                Some(Err(refusal)) => denied.extend(self.refused(effect, &refusal)),
                None => return false,
            }
        }
        for effect in &asked {
            match self.allowed(effect) {
                Ok(()) => allowed.push(effect),
                Err(refusal) => denied.extend(self.refused(effect, &refusal)),
            }
        }
        let now = self.feed.place().now.unwrap_or(0);
        self.asking.turn(&allowed, &denied, &About::new(&self.batch.rows, upto, now))
    }

    /// Counts what was not done. Says why, if it was denied.
    fn refused<'a>(&self, effect: &'a Effect, refusal: &Refusal) -> Option<(&'a Effect, String)> {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        refuse(&self.name, &mut outcomes.refused, refusal, effect.requests().max(1));
        refusal.denial().map(|reason| (effect, reason))
    }

    fn allowed(&mut self, effect: &Effect) -> Result<(), Refusal> {
        let rows = effect.requests();
        if rows > self.limits.effects_per_turn {
            return Err(Refusal::Denied(format!(
                "more effects in one turn than `effects_per_turn` allows ({})",
                self.limits.effects_per_turn
            )));
        }
        let now = self.feed.place().now.unwrap_or(0);
        let minute = now.div_euclid(MINUTE);
        if minute != self.rate.0 {
            self.rate = (minute, 0);
        }
        self.rate.1 += rows as u64;
        if self.rate.1 > self.limits.effects_per_minute {
            return Err(Refusal::Denied(format!(
                "more effects in a minute than `effects_per_minute` allows ({})",
                self.limits.effects_per_minute
            )));
        }
        Ok(())
    }
}

/// Counts what became of a request, and tells of each reason once.
pub(crate) fn note(
    listener: &str,
    outcomes: &Mutex<Outcomes>,
    what: &str,
    result: Result<(), &str>,
) {
    let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    match result {
        Ok(()) => count_up(&mut outcomes.done, what, 1),
        Err(reason) => {
            let reason = clean(&format!("{what}: {reason}"), limit::MESSAGE_BYTES_MAX);
            if is_new(&outcomes.refused, &reason) {
                tracing::warn!("listener `{listener}`: {reason} (told once; the summary counts)");
            }
            count_up(&mut outcomes.refused, &reason, 1);
        }
    }
}

/// Counts what was not done, and tells of each reason once.
fn refuse(listener: &str, refused: &mut BTreeMap<String, u64>, refusal: &Refusal, rows: usize) {
    let reason = clean(&refusal.to_string(), limit::MESSAGE_BYTES_MAX);
    if is_new(refused, &reason) {
        tracing::warn!("listener `{listener}`: {reason} (told once; the summary counts)");
    }
    count_up(refused, &reason, rows as u64);
}

/// Whether something is to be told because it was not told before: who thinks of ever new names fills no log.
fn is_new(counts: &BTreeMap<String, u64>, name: &str) -> bool {
    !counts.contains_key(name)
        && (counts.len() < limit::COUNTED_NAMES_MAX || !counts.contains_key(OTHERS))
}

/// Counts by name, with an end to the number of names: names are a stranger's, and made harmless once, when they are new.
fn count_up(counts: &mut BTreeMap<String, u64>, name: &str, by: u64) {
    if let Some(count) = counts.get_mut(name) {
        *count += by;
        return;
    }
    let mut name = clean(name, limit::MESSAGE_BYTES_MAX);
    if counts.len() >= limit::COUNTED_NAMES_MAX && !counts.contains_key(&name) {
        OTHERS.clone_into(&mut name);
    }
    *counts.entry(name).or_default() += by;
}

impl Side for ListenerSide {
    type Guest = dyn Listener + Send;
    type View = EventView;
    type Turn = Vec<Effect>;

    fn feed(&self) -> &Feed<EventView> {
        &self.feed
    }

    fn feed_mut(&mut self) -> &mut Feed<EventView> {
        &mut self.feed
    }

    fn next(&mut self, bounds: Bounds) -> Next {
        loop {
            let next = self.feed.next(&mut self.batch, bounds);
            if let Next::Tick(tick) = next
                && is_aside(&self.ticks_aside, self.feed.place().cursor.item, tick)
            {
                continue;
            }
            return next;
        }
    }

    fn items(&self) -> (usize, u64) {
        (self.batch.items.len(), self.batch.items.first().copied().unwrap_or(0))
    }

    fn process(&mut self, guest: &mut Self::Guest) -> Result<Vec<Effect>, Failure> {
        guest.handle(&mut self.batch.rows)
    }

    fn tick(&mut self, guest: &mut Self::Guest, tick: Tick) -> Result<Vec<Effect>, Failure> {
        guest.tick(tick)
    }

    fn commit(&mut self, effects: Vec<Effect>, upto: Cursor) -> bool {
        let done = self.carry_out_all(effects, upto);
        if !done && !self.stop.load(Ordering::Relaxed) {
            tracing::error!(
                "listener `{}`: nothing more comes, and what it asks for could not be done for {} s; the rest is kept and done when the engine runs again",
                self.name,
                limit::DELIVERY_DRAIN.as_secs()
            );
            self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).unfinished = true;
        }
        done
    }

    fn finish(&mut self, now: bool) -> bool {
        if now {
            // Whoever takes its place goes on behind what was done.
            self.asking.close();
            return true;
        }
        let stands = self.asking.drain();
        if !stands && self.retries {
            self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).unfinished = true;
        }
        stands
    }

    fn set_aside(&mut self, tick: Option<Tick>, failure: &Failure) {
        let mut aside = Aside {
            guest: self.name.clone(),
            item: self.feed.place().cursor.item,
            tick,
            source: 0,
            position: 0,
            time: tick.map_or(0, |tick| tick.time),
            raw: Vec::new(),
            event: None,
            failure: failure.clone(),
        };
        if let Some(tick) = tick {
            self.ticks_aside.insert((aside.item, tick.time, Some(tick.cause.number())));
        } else if let Some(&item) = self.batch.items.first() {
            self.feed.view.aside.insert(item);
            let header = BatchHeader::read(&self.batch.rows.index);
            aside.item = item;
            aside.source = header.id.source;
            aside.position = header.id.position;
            aside.time = header.time;
            aside.event = self.feed.view.first(&self.batch.rows);
        }
        (self.tell)(News::Aside(aside));
    }

    fn rate(&self) -> (i64, u64) {
        self.rate
    }

    fn set_rate(&mut self, rate: (i64, u64)) {
        self.rate = rate;
    }

    fn wait(&mut self) {
        self.asking.sum_up();
        self.feed.wait();
    }

    fn lag(&self) -> (u64, u64) {
        (self.feed.lag(), self.feed.missed + self.feed.view.strange)
    }

    fn tell(&self, news: News) {
        (self.tell)(news);
    }

    fn settle(&mut self) -> Option<Vec<u8>> {
        let marks = self
            .capabilities
            .table
            .as_mut()
            .map_or_else(|| Ok(TableMarks::default()), TableFiles::marks);
        match marks {
            Ok(tables) => Outside::of(tables, self.asking.tallies()).bytes(),
            Err(error) => {
                tracing::error!(
                    "listener `{}`: its tables can't be written through: {error}; no checkpoint is made until they can",
                    self.name
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use correlator_world::text::hides;

    use super::{BTreeMap, Outcomes, count_up, is_new, note, refuse};
    use crate::capability::Refusal;
    use crate::limit;

    #[test]
    fn what_a_guest_names_steers_no_terminal() {
        let outcomes = Mutex::new(Outcomes::default());
        let target = "mail \x1b[31mx\u{9b}\u{202e}";
        note("l", &outcomes, target, Err("denied: \x1b]0;y\x07"));
        note("l", &outcomes, target, Ok(()));
        let mut outcomes = outcomes.into_inner().expect("whole");
        refuse("l", &mut outcomes.refused, &Refusal::Denied(target.to_owned()), 1);
        assert_eq!((outcomes.done.len(), outcomes.refused.len()), (1, 2));
        for name in outcomes.done.keys().chain(outcomes.refused.keys()) {
            assert!(!name.chars().any(hides) && name.contains("\\u{1b}[31m"), "{name:?}");
        }
    }

    #[test]
    fn who_thinks_of_ever_new_names_fills_no_log() {
        let (mut counts, mut told) = (BTreeMap::new(), 0);
        for name in 0..3 * limit::COUNTED_NAMES_MAX {
            let name = name.to_string();
            told += usize::from(is_new(&counts, &name));
            count_up(&mut counts, &name, 1);
        }
        assert_eq!(
            (told, counts.len()),
            (limit::COUNTED_NAMES_MAX + 1, limit::COUNTED_NAMES_MAX + 1)
        );
        assert!(!is_new(&counts, "0") && !is_new(&counts, "another"));
    }
}
