//! What a listener asks of capabilities that are crates of their own: named by what it is for, judged by the grant, then
//! done together with the turn or kept until it is done.
//!
//! A name is the same whenever the same is asked for, however batches are cut: so what comes again after a crash is known.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use correlator_frame::event::BatchHeader;
use correlator_store::command::Grant;
use correlator_store::effect::{Accepted, Cause, Decision, NewEffect};
use correlator_store::entry::By;
use correlator_store::store::Safety;
use correlator_world::{Outcome, Request, Secrets};

use super::cursor::Cursor;
use super::patience::Patience;
use super::piece::{EventPiece, RecordPiece};
use super::stream::Stream;
use super::trace;
use crate::capability::{self, Asked, Desk, Office, Post, Tally, Tell};
use crate::guest::{Effect, Rows};
use crate::stack::criteria::matching::Subject;
use crate::stack::grant::world::Manner;
use crate::{clock, limit};

const MINUTE: i64 = 60_000_000_000;

/// What one listener asks the world for.
pub(super) struct Asking {
    pub(super) listener: String,
    /// What tells this version of its component from others.
    pub(super) component: String,
    desks: BTreeMap<&'static str, Desk>,
    posts: BTreeMap<&'static str, Post>,
    office: Option<Office>,
    secrets: Arc<dyn Secrets>,
    /// Where the records are that caused what is asked for.
    records: Arc<Stream<RecordPiece>>,
    /// Where the schemas of each module begin, in order.
    modules: Arc<[(u32, String)]>,
    /// Told what became of requests: what they were, what came of it, how many.
    tell: Tell,
    /// Where what is asked for comes from, in the end.
    events: Arc<Stream<EventPiece>>,
    stop: Arc<AtomicBool>,
    /// Whether what the world does not take now is tried again.
    retries: bool,
    /// The minute, and what was denied in it.
    denials: (i64, u64),
}

/// What it takes to ask.
pub(super) struct Means {
    pub(super) office: Option<Office>,
    pub(super) secrets: Arc<dyn Secrets>,
    pub(super) records: Arc<Stream<RecordPiece>>,
    pub(super) events: Arc<Stream<EventPiece>>,
    pub(super) tell: Tell,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) retries: bool,
}

impl Asking {
    /// Begins to deliver what an earlier run left, too.
    ///
    /// # Errors
    /// A capability can't be made, in words for the operator.
    pub(super) fn begin(
        listener: &str,
        component: &str,
        desks: BTreeMap<&'static str, Desk>,
        modules: Vec<(u32, String)>,
        means: Means,
    ) -> Result<Self, String> {
        let Means { office, secrets, records, events, tell, stop, retries } = means;
        let mut posts = BTreeMap::new();
        // In a dry run nothing is delivered, not even what an earlier run left.
        let delivers = |desk: &Desk| desk.manner() == Manner::Single && !desk.grant().dry_run;
        for (name, desk) in desks.iter().filter(|(_, desk)| delivers(desk)) {
            if let Some(office) = &office {
                let (capability, text) = (*name, desk.grant().told());
                let grant = Grant { listener, component, capability, text };
                let noted = office.store.note_grant(&grant, By::Engine, clock::now());
                if let Err(error) = noted {
                    tracing::warn!("{error}; the audit trail does not tell of this grant");
                }
                let post = Post::begin(office.clone(), listener, desk.grant(), Arc::clone(&tell))?;
                posts.insert(*name, post);
            }
        }
        let (listener, component) = (listener.to_owned(), component.to_owned());
        let modules = modules.into();
        Ok(Self {
            listener,
            component,
            desks,
            posts,
            office,
            secrets,
            records,
            modules,
            tell,
            events,
            stop,
            retries,
            denials: (i64::MIN, 0),
        })
    }

    /// What was counted of what the grants cover.
    pub(super) fn tallies(&self) -> BTreeMap<String, Tally> {
        let tallies = self.desks.iter().map(|(name, desk)| ((*name).to_owned(), desk.tally()));
        tallies.filter(|(_, tally)| !tally.is_empty()).collect()
    }

    /// Whether an effect is for one of these capabilities.
    pub(super) fn takes(&self, effect: &Effect) -> bool {
        self.desks.contains_key(effect.capability.as_str())
    }

    /// Sees to the effects of a turn over these rows; says no if the run ends before that is done.
    pub(super) fn turn<'a>(
        &mut self,
        effects: impl Iterator<Item = &'a Effect>,
        rows: &Rows,
        upto: Cursor,
        now: i64,
    ) -> bool {
        let modules = Arc::clone(&self.modules);
        let (names, listener) = (Names::new(&modules, rows), self.listener.clone());
        let mut counts: HashMap<(&str, &str), BTreeMap<Option<u32>, u32>> = HashMap::new();
        let mut kept = Vec::new();
        for effect in effects {
            let Some(desk) = self.desks.get_mut(effect.capability.as_str()) else { continue };
            let target = crc32fast::hash(effect.target.as_bytes());
            let name = |event: Option<usize>| {
                let cause = event.and_then(|event| names.event(event));
                let cause =
                    cause.unwrap_or_else(|| format!("tick:{:x}.{:x}", upto.item, upto.ticks));
                format!("{listener}:{cause}:{}.{target:x}", effect.capability)
            };
            let counts = counts.entry((&effect.capability, &effect.target)).or_default();
            let asked = capability::requests(effect, counts, &name);
            let judged = asked.into_iter().map(|mut asked| {
                let event = asked.event.and_then(|event| names.subject(event));
                let decision = desk.judge(&mut asked.request, event, now);
                (asked, decision)
            });
            let judged: Vec<(Asked, Decision)> = judged.collect();
            let together = desk.manner() == Manner::Together;
            // What is denied is recorded, whatever it would have been done with.
            let (now_done, recorded): (Vec<_>, Vec<_>) = judged
                .into_iter()
                .partition(|(_, decision)| together && !matches!(decision, Decision::Denied(_)));
            let new = recorded.into_iter().map(|(asked, decision)| {
                let subject = asked.event.and_then(|event| names.subject(event));
                let (lane, key) = desk.lane(&asked.request, subject);
                let event = asked.event.and_then(|event| names.event(event));
                NewEffect {
                    plan: desk.plan(&asked.request),
                    listener: self.listener.clone(),
                    component: self.component.clone(),
                    capability: effect.capability.clone(),
                    endpoint: capability::endpoint(&self.listener, &lane),
                    key,
                    causes: event.map(|event| Cause { event, record: None }).into_iter().collect(),
                    time: clock::now(),
                    decision,
                    request: asked.request,
                }
            });
            kept.extend(new);
            if together && !self.together(effect, now_done) {
                return false;
            }
        }
        self.bound_denials(&mut kept);
        kept.is_empty() || self.accept(&mut kept)
    }

    /// Who asks in vain without end must not fill the store: what is above the bound is told and counted only.
    fn bound_denials(&mut self, effects: &mut Vec<NewEffect>) {
        let minute = clock::now().div_euclid(MINUTE);
        if self.denials.0 != minute {
            self.denials = (minute, 0);
        }
        let (recorded, tell, kept) = (&mut self.denials.1, &self.tell, self.office.is_some());
        effects.retain(|effect| {
            let Decision::Denied(reason) = &effect.decision else { return true };
            *recorded += 1;
            if kept && *recorded <= limit::DENIALS_RECORDED_PER_MINUTE {
                return true;
            }
            let what = format!("{} {}", effect.capability, effect.request.target);
            tell(&what, Err(&format!("denied: {reason}")));
            false
        });
    }

    /// Keeps what has to be done for certain, all of it or none.
    fn accept(&mut self, effects: &mut [NewEffect]) -> bool {
        let Some(office) = &self.office else { return true };
        trace::note(&self.records.recent(), effects);
        for effect in effects.iter_mut() {
            // One that the store can't keep must not keep the others out.
            if let Err(error) = effect.check() {
                effect.decision = Decision::Denied(error.to_string());
            }
        }
        let (mut told, safety) = (false, self.safety(effects));
        let mut patience = self.patience();
        let accepted = loop {
            match office.store.accept(effects, safety) {
                Ok(accepted) => break accepted,
                Err(error) if !told => {
                    told = true;
                    tracing::error!(
                        "listener `{}`: {error}; what it asks for waits until it can be kept",
                        self.listener
                    );
                }
                Err(_) => {}
            }
            if !patience.waits(limit::RETRY_STEP) {
                return false;
            }
        };
        for (effect, accepted) in effects.iter().zip(accepted) {
            let what = format!("{} {}", effect.capability, effect.request.target);
            match (&effect.decision, accepted) {
                (Decision::Denied(reason), Accepted::New(_)) => {
                    (self.tell)(&what, Err(&format!("denied: {reason}")));
                }
                (_, Accepted::Known { differs: true, .. }) => tracing::warn!(
                    "listener `{}` asked for something else under the name {} before; that stands",
                    self.listener,
                    effect.request.id
                ),
                _ => {}
            }
        }
        self.posts.values().for_each(Post::wake);
        true
    }

    /// How safe it must be that effects are kept before they are carried out: as much as for the most delicate.
    fn safety(&self, effects: &[NewEffect]) -> Safety {
        let granted = effects.iter().filter(|effect| effect.decision == Decision::Granted);
        let mut desks = granted.filter_map(|effect| self.desks.get(effect.capability.as_str()));
        let machine = desks.any(|desk| desk.safety() == Safety::Machine);
        if machine { Safety::Machine } else { Safety::Program }
    }

    /// Has what the grant covers done now, until it is: nobody else waits for it.
    fn together(&mut self, effect: &Effect, judged: Vec<(Asked, Decision)>) -> bool {
        let what = format!("{} {}", effect.capability, effect.target);
        let mut left: Vec<Request> = Vec::new();
        for (asked, decision) in judged {
            match decision {
                Decision::Granted => left.push(asked.request),
                Decision::DryRun => (self.tell)(&format!("{what} (dry run)"), Ok(())),
                Decision::Denied(_) => {}
            }
        }
        let (mut tries, mut patience) = (0_u32, self.patience());
        while !left.is_empty() {
            let Some(desk) = self.desks.get_mut(effect.capability.as_str()) else { return true };
            let mut outcomes = desk.deliver(&left, &*self.secrets);
            outcomes.resize(left.len(), Outcome::later("the capability said nothing of it"));
            tries = tries.saturating_add(1);
            let pause = u64::try_from(desk.grant().retry.pause(tries)).unwrap_or(0);
            let mut wait = Duration::from_nanos(pause);
            let mut reason = None;
            let mut again = Vec::new();
            for (request, outcome) in left.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Done(_) => (self.tell)(&what, Ok(())),
                    Outcome::Refused(reason) => {
                        (self.tell)(&what, Err(&format!("failed: {reason}")));
                    }
                    Outcome::Later { reason, .. } if !self.retries => {
                        (self.tell)(&what, Err(&format!("failed: {reason}")));
                    }
                    Outcome::Later { reason: why, after, .. } => {
                        wait = wait.max(after.unwrap_or_default());
                        reason = Some(why);
                        again.push(request);
                    }
                }
            }
            left = again;
            if let (Some(reason), 1) = (&reason, tries) {
                tracing::error!(
                    "listener `{}`: {what}: {reason}; it is tried until it is done",
                    self.listener
                );
            }
            if !left.is_empty() && !patience.waits(wait) {
                return false;
            }
        }
        if tries > 1 {
            tracing::info!("listener `{}`: {what}: it is done", self.listener);
        }
        true
    }

    /// For what the world does not take now.
    pub(super) fn patience(&self) -> Patience {
        Patience::new(Arc::clone(&self.events), Arc::clone(&self.stop))
    }

    /// Waits, but not for long, until what is due now is delivered: nothing more comes.
    pub(super) fn drain(&self) {
        self.posts.values().for_each(Post::drain);
        let until = clock::instant() + limit::DELIVERY_DRAIN;
        while self.posts.values().any(|post| !post.is_done()) && clock::instant() < until {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::park_timeout(limit::JOIN_STEP);
        }
    }
}

/// The ids of the events of a batch.
struct Names<'a> {
    modules: &'a [(u32, String)],
    rows: &'a Rows,
    /// Where each row begins.
    starts: Vec<usize>,
}

impl<'a> Names<'a> {
    fn new(modules: &'a [(u32, String)], rows: &'a Rows) -> Self {
        let mut starts = Vec::new();
        let mut start = 0;
        while let Some(&length) = rows.index.get(start) {
            starts.push(start);
            start += length.max(1) as usize;
        }
        Self { modules, rows, starts }
    }

    /// The event itself.
    fn subject(&self, place: usize) -> Option<Subject<'a>> {
        let row = self.rows.index.get(*self.starts.get(place)?..)?;
        Some(Subject::of_row(row, &self.rows.text))
    }

    /// As people write it: the module, its source, the place there, and which of the record's events.
    fn event(&self, place: usize) -> Option<String> {
        let header = BatchHeader::read(self.rows.index.get(*self.starts.get(place)?..)?);
        let after = self.modules.partition_point(|(base, _)| *base <= header.schema);
        let (_, module) = self.modules.get(after.checked_sub(1)?)?;
        let id = header.id;
        Some(format!("{module}:{:x}:{:x}:{:x}", id.source, id.position, id.count))
    }
}
