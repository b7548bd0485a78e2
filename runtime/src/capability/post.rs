//! The thread that carries out what one listener asked one capability for: each request until it is done.
//!
//! What is due is taken from the store, said to begin, asked of the world, and what came of it is written down, before the
//! next is asked for where each takes a while. A request that the world does not take now waits longer each time. An
//! endpoint that fails rests as a whole, so that it is not asked again for each request that waits; when it is back, it
//! gets few at first.

use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use correlator_store::delivery::NextDue;
use correlator_store::effect::{Due, Finished, State};
use correlator_store::entry::By;
use correlator_store::error::StoreError;
use correlator_store::store::Store;
use correlator_world::{Capability, Kept, Outcome, Request, Secrets};

use super::done::{done, undo};
use super::endpoint::{Change, Endpoint};
use super::fared::Fared;
use super::lift::{Judgement, lift};
use super::onward::Onward;
use super::orders::{Order, Orders, Signal};
use crate::clock::{self, nanoseconds};
use crate::limit;
use crate::stack::grant::retry::Retry;
use crate::stack::grant::world::WorldGrant;

/// Tells what became of requests: the target, what it came to, and how many.
pub type Tell = Arc<dyn Fn(&str, Result<(), &str>) + Send + Sync>;

/// What all such threads share.
#[derive(Clone)]
pub struct Office {
    /// Where requests are kept.
    pub store: Arc<Store>,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// What operators order.
    pub orders: Arc<Orders>,
}

/// A delivery thread's handle. It ends when this is dropped.
pub struct Post {
    state: Arc<Signal>,
    orders: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
}

impl Post {
    /// Begins to deliver what this listener asks this capability for.
    ///
    /// # Errors
    /// The capability can't be made, or the system gives no thread.
    pub fn begin(
        office: Office,
        listener: &str,
        grant: &WorldGrant,
        tell: Tell,
    ) -> Result<Self, String> {
        let state = Arc::new(Signal::default());
        let orders = Arc::clone(&office.orders);
        let mut round = Round {
            office,
            name: grant.name,
            retry: grant.retry,
            prefix: prefix(listener),
            capability: grant.make().map_err(|error| format!("{}: {error}", grant.name))?,
            endpoints: HashMap::new(),
            state: Arc::clone(&state),
            tell,
            growing: false,
            clock: Onward::new(),
            restoring: Some((clock::instant(), false)),
            kept: (None, false),
            judgement: Judgement::over(),
        };
        let thread = thread::Builder::new().name(format!("{} of {listener}", grant.name));
        let thread = thread.spawn(move || round.run_on()).map_err(|error| error.to_string())?;
        orders.take_up(listener, grant.name, &state);
        Ok(Self { state, orders, thread: Some(thread) })
    }

    /// Says that there is more to do.
    pub fn wake(&self) {
        self.state.wake();
    }

    /// Has it end when nothing is due any more.
    pub fn drain(&self) {
        self.state.drain.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.orders.lay_down(&self.state);
        self.state.stop.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // What it might have said was said.
            let _ = thread.join();
        }
    }
}

/// What endpoints of a listener begin with: two listeners' grants differ, so what they ask for does not share a fate.
fn prefix(listener: &str) -> String {
    format!("{listener}/")
}

/// The endpoint of a listener's request, as the store knows it.
#[must_use]
pub fn endpoint(listener: &str, endpoint: &str) -> String {
    prefix(listener) + endpoint
}

struct Round {
    office: Office,
    name: &'static str,
    retry: Retry,
    prefix: String,
    capability: Box<dyn Capability>,
    endpoints: HashMap<String, Endpoint>,
    state: Arc<Signal>,
    tell: Tell,
    /// Whether something is due at an endpoint that is back and is given more step by step.
    growing: bool,
    clock: Onward,
    /// When what was done before this start is put in force again, if that is still to be done, and whether it was told
    /// that it can't be.
    restoring: Option<(Instant, bool)>,
    /// When the capability saw to what it did last, and whether it could not.
    kept: (Option<Instant>, bool),
    judgement: Judgement,
}

impl Round {
    /// Goes on until it is told to stop, whatever happens: nobody else would do what waits.
    fn run_on(&mut self) {
        while panic::catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {
            tracing::error!(
                "{} {}: delivering broke off by a mistake in the engine; it goes on, and what was being tried waits for the \
                 next start",
                self.name,
                self.prefix
            );
            if self.state.stop.load(Ordering::Relaxed) {
                return;
            }
            self.state.wait(limit::RETRY_STEP);
        }
    }

    fn run(&mut self) {
        let mut troubled = false;
        while !self.state.stop.load(Ordering::Relaxed) {
            self.restore_if_due();
            self.obey();
            let next = match self.deliver_due() {
                Ok(next) => {
                    troubled = false;
                    next
                }
                Err(error) => {
                    if !troubled {
                        tracing::error!("{error}; what is to be delivered waits");
                    }
                    troubled = true;
                    Some(self.clock.now() + nanoseconds(limit::RETRY_STEP))
                }
            };
            self.keep();
            let wait = next.map_or(limit::DELIVERY_LOOK, |next| {
                Duration::from_nanos(u64::try_from(next - self.clock.now()).unwrap_or(0))
            });
            let waits = wait.is_zero() || self.growing;
            if self.state.drain.load(Ordering::Relaxed) && !waits {
                return;
            }
            if !wait.is_zero() {
                self.state.wait(wait.min(limit::DELIVERY_LOOK));
            }
        }
    }

    /// Does what operators ordered.
    fn obey(&mut self) {
        while let Some(order) = self.state.next_order() {
            match order {
                Order::Again { endpoint } => {
                    if let Some(endpoint) = self.endpoints.get_mut(&endpoint) {
                        endpoint.wake();
                    }
                }
                Order::Undo { id, by, answer } => {
                    let Office { store, secrets, .. } = &self.office;
                    let listener = self.prefix.trim_end_matches('/');
                    let done = undo(store, &mut *self.capability, &**secrets, (&id, by), listener);
                    // Whoever ordered it may have gone; the store knows what came of it.
                    if let Some(done) = done {
                        let _ = answer.try_send(done);
                    }
                }
            }
        }
    }

    /// Has what was done before this start put in force again, until that was done.
    fn restore_if_due(&mut self) {
        let Some((_, told)) = self.restoring.filter(|(at, _)| *at <= clock::instant()) else {
            return;
        };
        self.restoring = None;
        if let Err(error) = self.restore() {
            if !told {
                tracing::error!(
                    "{} {}: {error}; what was done before is not put in force again until it can be",
                    self.name,
                    self.prefix
                );
            }
            self.restoring = Some((clock::instant() + limit::TROUBLE_STEP, true));
            // What must not be in force may be, all the same.
            self.judgement.call();
        }
    }

    fn restore(&mut self) -> Result<(), String> {
        if !self.capability.restores() && !self.capability.guards() {
            return Ok(());
        }
        let done = self.done().map_err(|error| error.to_string())?;
        if let Some(told) = self.capability.restore(&done)? {
            tracing::info!("{} {}: {told}", self.name, self.prefix);
        }
        // What it forbids by now is looked for here.
        self.capability.forbids_more();
        self.lift(&done);
        Ok(())
    }

    /// Takes back what must not be in force.
    fn lift(&mut self, done: &[(Request, Duration)]) {
        let Office { store, secrets, .. } = &self.office;
        let mut is_done = true;
        for lifted in lift(store, (&mut *self.capability, self.name), &**secrets, done) {
            match lifted {
                Ok(told) => tracing::warn!("{} {}: {told}", self.name, self.prefix),
                Err(told) => {
                    is_done = false;
                    tracing::error!("{} {}: {told}", self.name, self.prefix);
                }
            }
        }
        self.judgement.learn(is_done, &self.retry, self.clock.now());
    }

    /// Takes back what was done and must be in force no more, if there is a reason to look for it.
    fn judge(&mut self, now: i64) {
        if self.capability.forbids_more() {
            self.judgement.call();
        }
        if !self.judgement.is_due(now) {
            return;
        }
        match self.done() {
            Ok(done) => self.lift(&done),
            Err(error) => {
                self.judgement.learn(false, &self.retry, now);
                tracing::error!(
                    "{error}; what was done is not looked through for what must not be"
                );
            }
        }
    }

    /// What was done for this listener, and how long ago.
    fn done(&self) -> Result<Vec<(Request, Duration)>, StoreError> {
        done(&self.office.store, self.prefix.trim_end_matches('/'), self.name)
    }

    /// Has the capability see to what it did.
    fn keep(&mut self) {
        let now = clock::instant();
        if self.kept.0.is_some_and(|last| now.duration_since(last) < limit::DELIVERY_LOOK) {
            return;
        }
        self.kept.0 = Some(now);
        // What an effect stands for is undone as one; only what nobody asked for is left to be lifted as it is.
        let now = self.clock.now();
        self.judge(now);
        match self.capability.keep() {
            Ok(Kept { told, lifted }) => {
                self.kept.1 = false;
                for told in told.iter().chain(&lifted) {
                    tracing::warn!("{} {}: {told}", self.name, self.prefix);
                }
                if !lifted.is_empty() {
                    self.note(&lifted);
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.kept.1, true) {
                    tracing::error!("{} {}: {error}", self.name, self.prefix);
                }
            }
        }
    }

    /// Notes in the trail what was lifted that no effect which is done stands for: unless one was done meanwhile.
    fn note(&mut self, lifted: &[String]) {
        let text = format!("{} {}: {}", self.name, self.prefix, lifted.join("; "));
        if let Err(error) = self.office.store.note_command(By::Engine, &text, clock::now()) {
            tracing::error!("{error}; what was lifted is not written down");
        }
        self.judgement.call();
    }

    /// Delivers what is due now, and tells when there is something to do next.
    fn deliver_due(&mut self) -> Result<Option<i64>, StoreError> {
        self.growing = false;
        let mut next = None;
        for NextDue { endpoint, next_at } in self.office.store.next_due(self.name)? {
            if !endpoint.starts_with(&self.prefix) {
                continue;
            }
            let now = self.clock.now();
            let state = self.endpoints.entry(endpoint.clone()).or_default();
            // Whose time is farther away than anybody waits has it from a clock that was set back since.
            let is_far =
                |time: i64| time.saturating_sub(now) > nanoseconds(limit::DELIVERY_WAIT_MAX);
            if is_far(state.rests_until) {
                state.wake();
            }
            let (at, until) = if is_far(next_at) { (now, next_at) } else { (next_at, now) };
            let mut due = at.max(state.rests_until);
            if due <= now {
                let share = state.share;
                self.deliver(&endpoint, share, until)?;
                due = self.endpoints[&endpoint].rests_until.max(now);
            }
            self.growing |= at <= now && self.endpoints[&endpoint].grows();
            next = Some(next.map_or(due, |next: i64| next.min(due)));
            if self.state.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(next)
    }

    /// Asks an endpoint for a share of what is due there until then, as long as it takes anything.
    fn deliver(&mut self, endpoint: &str, share: usize, until: i64) -> Result<(), StoreError> {
        let due = self.office.store.due(self.name, Some(endpoint), until, share)?;
        let mut fared = self.endpoints.entry(endpoint.to_owned()).or_default().faring();
        let mut asked = Ok(());
        for few in due.chunks(self.capability.at_once().max(1)) {
            asked = self.ask(few.to_vec(), &mut fared);
            if asked.is_err() || fared.is_over() || self.state.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        self.capability.rest();
        if due.is_empty() {
            // What is due can't be read: it is told each time.
            let until = self.clock.now().saturating_add(nanoseconds(limit::TROUBLE_STEP));
            self.endpoints.entry(endpoint.to_owned()).or_default().rests_until = until;
        }
        if fared.is_empty() {
            return asked;
        }
        let now = self.clock.now();
        let state = self.endpoints.entry(endpoint.to_owned()).or_default();
        match state.learn(fared, &self.retry, now) {
            Some(Change::Worse(reason)) => {
                tracing::warn!("{} {endpoint}: {reason}; it is tried again", self.name);
            }
            Some(Change::Better) => tracing::info!("{} {endpoint}: it works again", self.name),
            None => {}
        }
        asked
    }

    /// Has the world asked for these as one, and writes down what came of it.
    fn ask(&mut self, mut due: Vec<Due>, fared: &mut Fared) -> Result<(), StoreError> {
        let ids: Vec<&str> = due.iter().map(|due| due.request.id.as_str()).collect();
        let mut may = self.office.store.begin(&ids, clock::now())?.into_iter();
        due.retain(|_| may.next().unwrap_or(false));
        if due.is_empty() {
            return Ok(());
        }
        let requests: Vec<Request> = due.iter().map(|due| due.request.clone()).collect();
        let begun = clock::instant();
        let mut outcomes = self.capability.deliver(&requests, &*self.office.secrets);
        // One that says less than it was asked is not believed to have done the rest.
        outcomes.resize(due.len(), Outcome::later("the capability said nothing of it"));
        fared.add(&outcomes, begun.elapsed());
        let now = self.clock.now();
        let finish = |(due, outcome)| finish(due, outcome, &self.retry, now);
        let finished: Vec<Finished> = due.iter().zip(outcomes).map(finish).collect();
        let states = self.write_down(&finished, clock::now())?;
        for ((due, finished), state) in due.iter().zip(&finished).zip(states) {
            let what = format!("{} {}", self.name, due.request.target);
            match state {
                State::Done => {
                    (self.tell)(&what, Ok(()));
                    for missing in missing(&finished.outcome) {
                        (self.tell)(&what, Err(missing));
                    }
                }
                State::Refused | State::Dead => (self.tell)(&what, Err(said(&finished.outcome))),
                _ => {}
            }
        }
        Ok(())
    }

    /// It was done: that must not be forgotten, or it is done again.
    fn write_down(&self, finished: &[Finished], now: i64) -> Result<Vec<State>, StoreError> {
        let mut troubled = false;
        loop {
            match self.office.store.finish(finished, now) {
                Ok(states) => {
                    if troubled {
                        tracing::info!(
                            "{} {}: what was done is written down",
                            self.name,
                            self.prefix
                        );
                    }
                    return Ok(states);
                }
                Err(error) if self.state.stop.load(Ordering::Relaxed) => return Err(error),
                Err(error) => {
                    if !std::mem::replace(&mut troubled, true) {
                        tracing::error!(
                            "{error}; what was done is written down as soon as it can be"
                        );
                    }
                    self.state.wait(limit::RETRY_STEP);
                }
            }
        }
    }
}

/// What came of a request, with the time of its next try.
fn finish(due: &Due, outcome: Outcome, retry: &Retry, now: i64) -> Finished {
    // This try is not counted yet in what is due.
    let (time, tries) = (now.saturating_sub(due.since), due.attempts.saturating_add(1));
    let given_up = retry.is_over(time, tries);
    let next_at = match &outcome {
        Outcome::Later { .. } if given_up => None,
        Outcome::Later { after, .. } => {
            // Attempts that an engine's end broke off came quickly and say nothing of the world: nobody waits longer for
            // them than it has gone on already.
            let most = time.max(retry.first);
            let wait = after.map_or_else(|| retry.pause(tries).min(most), nanoseconds);
            Some(now.saturating_add(wait + jitter(&due.request.id, tries, wait)))
        }
        _ => None,
    };
    Finished { id: due.request.id.clone(), outcome, next_at }
}

fn said(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Done(said)
        | Outcome::Partly { said, .. }
        | Outcome::Refused(said)
        | Outcome::Later { reason: said, .. } => said,
    }
}

/// For whom what is done is not done.
fn missing(outcome: &Outcome) -> &[String] {
    match outcome {
        Outcome::Partly { missing, .. } => missing,
        _ => &[],
    }
}

/// Up to a fifth more, other for each request, so that what failed together does not come back together.
fn jitter(id: &str, attempts: u32, wait: i64) -> i64 {
    let hash = crc32fast::hash(id.as_bytes()).wrapping_add(attempts.wrapping_mul(0x9e37_79b9));
    let most = i128::from((wait / 5).max(1));
    i64::try_from((most * i128::from(hash >> 8)) >> 24).unwrap_or(0)
}
