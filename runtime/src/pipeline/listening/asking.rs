//! What a listener asks of capabilities that are crates of their own: named by what it is for, judged by the grant, then
//! done together with the turn or kept until it is done. What is denied is recorded, of whichever capability.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use correlator_store::command::Grant;
use correlator_store::effect::{Accepted, Decision, NewEffect, State};
use correlator_store::entry::By;
use correlator_store::error::StoreError;
use correlator_store::store::Safety;
use correlator_world::{Outcome, Request, Secrets, Undone};

pub(crate) use super::asker::About;
use super::asker::{Asker, Counts};
use super::denials::Denials;
use super::patience::Patience;
use crate::capability::{self, Asked, Desk, Office, Post, Shared, Tell};
use crate::guest::Effect;
use crate::pipeline::state::trace;
use crate::pipeline::stream::Stream;
use crate::pipeline::stream::piece::{EventPiece, RecordPiece};
use crate::stack::grant::world::Manner;
use crate::{clock, limit};

/// What one listener asks the world for.
pub(crate) struct Asking {
    who: Asker,
    desks: BTreeMap<&'static str, Desk>,
    posts: BTreeMap<&'static str, Post>,
    office: Option<Office>,
    secrets: Arc<dyn Secrets>,
    /// Where the records are that caused what is asked for.
    records: Arc<Stream<RecordPiece>>,
    /// Told what became of requests: what they were, what came of it, how many.
    tell: Tell,
    /// Where what is asked for comes from, in the end.
    events: Arc<Stream<EventPiece>>,
    stop: Arc<AtomicBool>,
    /// Whether what the world does not take now is tried again.
    retries: bool,
    tallies: BTreeMap<&'static str, Shared>,
    denials: Denials,
    /// When it was told last that what is asked for can't be kept now.
    told: Option<Instant>,
}

/// What it takes to ask.
pub(crate) struct Means {
    pub(crate) office: Option<Office>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) records: Arc<Stream<RecordPiece>>,
    pub(crate) events: Arc<Stream<EventPiece>>,
    pub(crate) tell: Tell,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) retries: bool,
    pub(crate) denials: Denials,
    /// What is counted, by capability.
    pub(crate) tallies: BTreeMap<&'static str, Shared>,
}

impl Asking {
    /// Begins to deliver what an earlier run left, too.
    ///
    /// # Errors
    /// A capability can't be made, in words for the operator.
    pub(crate) fn begin(
        who: Asker,
        desks: BTreeMap<&'static str, Desk>,
        means: Means,
    ) -> Result<Self, String> {
        let Means { office, secrets, records, events, tell, stop, retries, denials, tallies } =
            means;
        let mut posts = BTreeMap::new();
        // In a dry run nothing is delivered, not even what an earlier run left.
        let delivers = |desk: &Desk| desk.manner() == Manner::Single && !desk.grant().dry_run;
        for (name, desk) in desks.iter().filter(|(_, desk)| delivers(desk)) {
            if let Some(office) = &office {
                let (capability, text) = (*name, desk.grant().told());
                let Asker { listener, component, .. } = &who;
                let grant = Grant { listener, component, capability, text };
                let noted = office.store.note_grant(&grant, By::Engine, clock::now());
                if let Err(error) = noted {
                    tracing::warn!("{error}; the audit trail does not tell of this grant");
                }
                let post = Post::begin(office.clone(), listener, desk.grant(), Arc::clone(&tell))?;
                posts.insert(*name, post);
            }
        }
        Ok(Self {
            who,
            desks,
            posts,
            office,
            secrets,
            records,
            tell,
            events,
            stop,
            retries,
            tallies,
            denials,
            told: None,
        })
    }

    /// What was counted of what the grants cover, and of what they don't.
    pub(crate) fn tallies(&self) -> &BTreeMap<&'static str, Shared> {
        &self.tallies
    }

    /// Whether an effect is for one of these capabilities.
    pub(crate) fn takes(&self, effect: &Effect) -> bool {
        self.desks.contains_key(effect.capability.as_str())
    }

    /// Names the target of effects that name none, where the grant has one that is meant.
    pub(crate) fn address(&self, effects: &mut [Effect]) {
        for effect in effects.iter_mut().filter(|effect| effect.target.is_empty()) {
            let desk = self.desks.get(effect.capability.as_str());
            if let Some(target) = desk.and_then(Desk::usual_target) {
                target.clone_into(&mut effect.target);
            }
        }
    }

    /// Sees to what a turn asks for, and records what was denied of it already, and why. Says no if the run ends before that
    /// is done.
    pub(crate) fn turn<'a>(
        &mut self,
        allowed: &[&'a Effect],
        denied: &[(&'a Effect, String)],
        about: &About<'_>,
    ) -> bool {
        self.denials.begin(clock::now());
        let done = self.see_to(allowed, denied, about);
        if done {
            self.denials.commit(false);
        } else {
            // The turn will come again.
            self.denials.take_back();
        }
        done
    }

    fn see_to<'a>(
        &mut self,
        allowed: &[&'a Effect],
        denied: &[(&'a Effect, String)],
        about: &About<'_>,
    ) -> bool {
        let (mut counts, mut kept) = (Counts::default(), Vec::new());
        for &effect in allowed {
            let judged = self.judge(effect, about, counts.of(effect));
            let Some(desk) = self.desks.get(effect.capability.as_str()) else { continue };
            if desk.manner() == Manner::Single {
                let keep =
                    |(asked, decision)| self.who.kept(effect, Some(desk), asked, decision, about);
                kept.extend(judged.into_iter().map(keep));
            } else if !self.together(effect, judged) {
                return false;
            }
        }
        for &(effect, ref reason) in denied {
            self.deny(effect, reason, about, counts.of(effect));
        }
        kept.retain(|effect| self.can_be_kept(effect));
        kept.is_empty() || self.accept(&mut kept)
    }

    /// What the grant says to each request. What it denies is noted, and goes no further.
    fn judge(
        &mut self,
        effect: &Effect,
        about: &About<'_>,
        counts: &mut BTreeMap<Option<u32>, u32>,
    ) -> Vec<(Asked, Decision)> {
        let Self { who, desks, denials, tell, .. } = self;
        let capability = effect.capability.as_str();
        let Some(desk) = desks.get_mut(capability) else { return Vec::new() };
        let name = |event: Option<usize>| who.name(effect, about, event);
        let mut judged = Vec::new();
        for mut asked in capability::requests(effect, counts, &name) {
            let subject = asked.event.and_then(|event| about.subject(event));
            let decision = desk.judge(&mut asked.request, subject, about.now);
            let Decision::Denied(reason) = &decision else {
                judged.push((asked, decision));
                continue;
            };
            let (reason, event) = (reason.clone(), who.event(about, asked.event));
            let keep = || who.kept(effect, Some(&*desk), asked, decision, about);
            if denials.one(capability, &reason, event, keep) {
                tell_denied(tell, effect, &reason);
            }
        }
        judged
    }

    /// Notes what was denied as a whole: as many of its requests as are recorded one by one, and the number of the others.
    fn deny(
        &mut self,
        effect: &Effect,
        reason: &str,
        about: &About<'_>,
        counts: &mut BTreeMap<Option<u32>, u32>,
    ) {
        let Self { who, denials, .. } = self;
        let capability = effect.capability.as_str();
        let name = |event: Option<usize>| who.name(effect, about, event);
        let mut requests = capability::requests(effect, counts, &name);
        let mut left = effect.requests().max(1) as u64;
        while left > 0 && denials.room(capability) > 0 {
            left -= 1;
            let asked = requests.next().unwrap_or_else(|| who.nothing(effect, about));
            let event = who.event(about, asked.event);
            let decision = Decision::Denied(reason.to_owned());
            denials
                .one(capability, reason, event, || who.kept(effect, None, asked, decision, about));
        }
        if left > 0 {
            denials.many(capability, left, reason, who.last_event(effect, about));
        }
    }

    /// One that the store can't keep must not keep the others out: it is denied.
    fn can_be_kept(&mut self, effect: &NewEffect) -> bool {
        let Err(error) = effect.check() else { return true };
        let reason = error.to_string();
        let event = effect.causes.first().map(|cause| cause.event.clone());
        let decision = Decision::Denied(reason.clone());
        let denied = || NewEffect { decision, ..effect.clone() };
        if self.denials.one(&effect.capability, &reason, event, denied) {
            let what = format!("{} {}", effect.capability, effect.request.target);
            (self.tell)(&what, Err(&format!("denied: {reason}")));
        }
        false
    }

    /// Sums up what was denied, if it is time to.
    pub(crate) fn sum_up(&mut self) {
        self.denials.begin(clock::now());
        self.denials.commit(false);
    }

    /// Keeps what has to be done for certain, all of it or none.
    fn accept(&mut self, effects: &mut [NewEffect]) -> bool {
        let Some(office) = &self.office else { return true };
        trace::note(&self.records.recent(), effects);
        let (mut waits, safety) = (false, self.safety(effects));
        let mut patience = self.patience();
        let accepted = loop {
            match office.store.accept(effects, safety) {
                Ok(accepted) => break accepted,
                Err(error) if !waits => {
                    waits = true;
                    tell_waits(&mut self.told, &self.who.listener, &error);
                }
                Err(_) => {}
            }
            if !patience.waits(limit::RETRY_STEP) {
                return false;
            }
        };
        for (effect, accepted) in effects.iter().zip(accepted) {
            if accepted == Accepted::New(State::Dry) {
                let NewEffect { capability, request, .. } = effect;
                (self.tell)(&format!("{capability} {} (dry run)", request.target), Ok(()));
            }
            if let Accepted::Known { differs: true, .. } = accepted {
                tracing::warn!(
                    "listener `{}` asked for something else under the name {} before; that stands",
                    self.who.listener,
                    effect.request.id
                );
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
                    Outcome::Partly { missing, .. } => {
                        (self.tell)(&what, Ok(()));
                        for missing in &missing {
                            (self.tell)(&what, Err(missing));
                        }
                    }
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
                    self.who.listener
                );
            }
            if !left.is_empty() && !patience.waits(wait) {
                return false;
            }
        }
        if tries > 1 {
            tracing::info!("listener `{}`: {what}: it is done", self.who.listener);
        }
        true
    }

    /// For what the world does not take now.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new(Arc::clone(&self.events), Arc::clone(&self.stop))
    }

    /// Waits, but not for long, until what is due now is delivered: nothing more comes. Says no if what was done with the turns
    /// may not have come to pass.
    pub(crate) fn drain(&mut self) -> bool {
        self.denials.begin(clock::now());
        self.denials.commit(true);
        self.posts.values().for_each(Post::drain);
        let until = clock::instant() + limit::DELIVERY_DRAIN;
        while self.posts.values().any(|post| !post.is_done()) && clock::instant() < until {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            thread::park_timeout(limit::JOIN_STEP);
        }
        self.close()
    }

    /// Ends what is kept open. Says no if what was done with the turns may not have come to pass.
    pub(crate) fn close(&mut self) -> bool {
        let mut stands = true;
        for (name, desk) in &mut self.desks {
            for Undone { target, requests, reason } in desk.close() {
                stands = false;
                let what = format!("{name} {target}");
                tracing::error!(
                    "listener `{}`: {what}: {requests} of what was sent last: {reason}",
                    self.who.listener
                );
                for _ in 0..requests {
                    (self.tell)(&what, Err(&format!("failed: {reason}")));
                }
            }
        }
        stands
    }
}

fn tell_denied(tell: &Tell, effect: &Effect, reason: &str) {
    let what = format!("{} {}", effect.capability, effect.target);
    tell(&what, Err(&format!("denied: {reason}")));
}

/// Tells that it waits; who works off what waits runs short many times a second.
fn tell_waits(told: &mut Option<Instant>, listener: &str, error: &StoreError) {
    let now = clock::instant();
    if told.is_none_or(|told| now.duration_since(told) >= limit::SHORTAGE_STEP) {
        *told = Some(now);
        tracing::error!("{}", waits(listener, error));
    }
}

/// Why it waits, what an operator can do about it, and whom else it concerns.
fn waits(listener: &str, error: &StoreError) -> String {
    let waits = "what it asks for waits until it can be kept";
    if !matches!(error, StoreError::Share { .. } | StoreError::Scarce { .. }) {
        return format!("listener `{listener}`: {error}; {waits}");
    }
    format!(
        "{error}; {waits}, its events in the spool, and other listeners go on. `correlator effects list --listener \
         {listener} --state waiting` tells what holds it up, `correlator effects drop-all --listener {listener}` gives that up"
    )
}

#[cfg(test)]
mod tests {
    use correlator_store::error::StoreError;

    use super::{tell_waits, waits};
    use crate::{clock, limit};

    #[test]
    fn who_waits_is_told_why_alone_or_with_all() {
        let full = StoreError::Bound { bytes: 2, bytes_max: 1 };
        assert_eq!(
            waits("ops", &full),
            "listener `ops`: the store is full: 2 of 1 bytes are taken; prune it or allow it more; what it asks for waits \
             until it can be kept"
        );
        let (listener, capability) = ("ops".to_owned(), "mail".to_owned());
        let share = StoreError::Share { listener, capability, bytes: 2, bytes_max: 1 };
        let told = waits("ops", &share);
        let begin =
            "listener `ops` has its share of the store: what waits for `mail` takes 2 bytes";
        assert!(told.starts_with(begin), "{told}");
        assert!(
            told.contains("other listeners go on. `correlator effects list --listener ops"),
            "{told}"
        );
    }

    #[test]
    fn it_is_told_once_a_minute() {
        let full = StoreError::Bound { bytes: 2, bytes_max: 1 };
        let mut told = None;
        tell_waits(&mut told, "ops", &full);
        let first = told;
        tell_waits(&mut told, "ops", &full);
        assert_eq!(told, first);
        let before = clock::instant().checked_sub(limit::SHORTAGE_STEP);
        let mut told = before;
        tell_waits(&mut told, "ops", &full);
        assert!(told > before);
    }
}
