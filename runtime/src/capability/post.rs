//! The thread that carries out what one listener asked one capability for: each request until it is done.
//!
//! What is due is taken from the store, said to begin, asked of the world, and what came of it is written down. A request
//! that the world does not take now waits longer each time. An endpoint that fails rests as a whole, so that it is
//! not asked again for each request that waits; when it is back, it gets few at first.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use correlator_store::delivery::NextDue;
use correlator_store::effect::{Due, Finished, State};
use correlator_store::error::StoreError;
use correlator_store::filter::EffectFilter;
use correlator_store::store::Store;
use correlator_world::{Capability, Outcome, Request, Secrets};

use super::orders::{Order, Orders, Signal, take_back};
use crate::stack::grant::world::WorldGrant;
use crate::{clock, limit};

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
            prefix: prefix(listener),
            capability: grant.make().map_err(|error| format!("{}: {error}", grant.name))?,
            endpoints: HashMap::new(),
            state: Arc::clone(&state),
            tell,
            kept: (i64::MIN, false),
        };
        let thread = thread::Builder::new().name(format!("{} of {listener}", grant.name));
        let thread = thread.spawn(move || round.run()).map_err(|error| error.to_string())?;
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

/// How an endpoint fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Endpoint {
    /// How often in a row it failed as a whole.
    failures: u32,
    /// It is left alone until then.
    rests_until: i64,
    /// How many requests it is given at once.
    share: usize,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { failures: 0, rests_until: i64::MIN, share: limit::DELIVERED_AT_ONCE_MAX }
    }
}

impl Endpoint {
    /// Takes in what came of a share: whether it all failed, and how long it asked to be left alone.
    fn learn(&mut self, failed: bool, after: Option<Duration>, now: i64) {
        if failed {
            self.failures = self.failures.saturating_add(1);
            self.share = 1;
            let rest = after.map_or_else(|| pause(self.failures), nanoseconds);
            self.rests_until = now.saturating_add(rest);
        } else {
            self.failures = 0;
            self.rests_until = i64::MIN;
            self.share = (self.share * 2).min(limit::DELIVERED_AT_ONCE_MAX);
        }
    }
}

struct Round {
    office: Office,
    name: &'static str,
    prefix: String,
    capability: Box<dyn Capability>,
    endpoints: HashMap<String, Endpoint>,
    state: Arc<Signal>,
    tell: Tell,
    /// When the capability is to see to what it did, and whether it could not the last time.
    kept: (i64, bool),
}

impl Round {
    fn run(&mut self) {
        let mut troubled = false;
        self.restore();
        while !self.state.stop.load(Ordering::Relaxed) {
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
                    Some(clock::now() + nanoseconds(limit::RETRY_STEP))
                }
            };
            self.keep();
            let wait = next.map_or(limit::DELIVERY_LOOK, |next| {
                Duration::from_nanos(u64::try_from(next - clock::now()).unwrap_or(0))
            });
            if self.state.drain.load(Ordering::Relaxed) && !wait.is_zero() {
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
                        endpoint.rests_until = i64::MIN;
                    }
                }
                Order::Undo { id, by, answer } => {
                    let Office { store, secrets, .. } = &self.office;
                    let done = take_back(store, &mut *self.capability, &**secrets, &id, by);
                    // Whoever ordered it may have gone; the store knows what came of it.
                    let _ = answer.try_send(done);
                }
            }
        }
    }

    /// Has what was done before this start put in force again, where it may be gone.
    fn restore(&mut self) {
        if !self.capability.restores() {
            return;
        }
        let done = match self.done() {
            Ok(done) => done,
            Err(error) => {
                return tracing::error!("{error}; what was done before is not put in force again");
            }
        };
        match self.capability.restore(&done) {
            Ok(Some(told)) => tracing::info!("{} {}: {told}", self.name, self.prefix),
            Ok(None) => {}
            Err(error) => tracing::error!(
                "{} {}: {error}; what was done before is not put in force again",
                self.name,
                self.prefix
            ),
        }
    }

    /// What was done for this listener, and how long ago.
    fn done(&self) -> Result<Vec<(Request, Duration)>, StoreError> {
        let reader = self.office.store.reader()?;
        let (now, mut before, mut done) = (clock::now(), None, Vec::new());
        loop {
            let filter = EffectFilter {
                listener: Some(self.prefix.trim_end_matches('/').to_owned()),
                capability: Some(self.name.to_owned()),
                state: Some(State::Done),
                before,
                limit: limit::RESTORED_AT_ONCE,
                ..EffectFilter::default()
            };
            let effects = reader.effects(&filter)?;
            let Some(first) = effects.first() else { return Ok(done) };
            before = Some(first.number);
            done.extend(effects.into_iter().map(|effect| {
                let since = u64::try_from(now - effect.changed_at).unwrap_or(0);
                (effect.request, Duration::from_nanos(since))
            }));
        }
    }

    /// Has the capability see to what it did.
    fn keep(&mut self) {
        let now = clock::now();
        if now < self.kept.0 {
            return;
        }
        self.kept.0 = now.saturating_add(nanoseconds(limit::DELIVERY_LOOK));
        match self.capability.keep() {
            Ok(told) => {
                self.kept.1 = false;
                for told in told {
                    tracing::warn!("{} {}: {told}", self.name, self.prefix);
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.kept.1, true) {
                    tracing::error!("{} {}: {error}", self.name, self.prefix);
                }
            }
        }
    }

    /// Delivers what is due now, and tells when there is something to do next.
    fn deliver_due(&mut self) -> Result<Option<i64>, StoreError> {
        let mut next = None;
        for NextDue { endpoint, next_at } in self.office.store.next_due(self.name)? {
            if !endpoint.starts_with(&self.prefix) {
                continue;
            }
            let now = clock::now();
            let state = self.endpoints.entry(endpoint.clone()).or_default();
            let mut due = next_at.max(state.rests_until);
            if due <= now {
                let share = state.share;
                self.deliver(&endpoint, share, now)?;
                let rests_until = self.endpoints[&endpoint].rests_until;
                due = rests_until.max(now);
            }
            next = Some(next.map_or(due, |next: i64| next.min(due)));
            if self.state.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(next)
    }

    fn deliver(&mut self, endpoint: &str, share: usize, now: i64) -> Result<(), StoreError> {
        let store = &self.office.store;
        let mut due = store.due(self.name, Some(endpoint), now, share)?;
        let ids: Vec<&str> = due.iter().map(|due| due.request.id.as_str()).collect();
        let mut may = store.begin(&ids, now)?.into_iter();
        due.retain(|_| may.next().unwrap_or(false));
        if due.is_empty() {
            return Ok(());
        }
        let requests: Vec<Request> = due.iter().map(|due| due.request.clone()).collect();
        let mut outcomes = self.capability.deliver(&requests, &*self.office.secrets);
        // One that says less than it was asked is not believed to have done the rest.
        outcomes.resize(due.len(), Outcome::later("the capability said nothing of it"));
        let now = clock::now();
        let failed = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Later { .. }));
        let after = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Later { after, .. } => *after,
            _ => None,
        });
        let (after, before) = (after.max(), self.endpoints.get(endpoint).copied());
        let state = self.endpoints.entry(endpoint.to_owned()).or_default();
        state.learn(failed, after, now);
        if failed && before.is_none_or(|before| before.failures == 0) {
            tracing::warn!("{} {endpoint}: {}; it is tried again", self.name, said(&outcomes[0]));
        } else if !failed && before.is_some_and(|before| before.failures > 0) {
            tracing::info!("{} {endpoint}: it works again", self.name);
        }
        let finished: Vec<Finished> =
            due.iter().zip(outcomes).map(|(due, outcome)| finish(due, outcome, now)).collect();
        let states = loop {
            // It was done: that must not be forgotten, or it is done again.
            match self.office.store.finish(&finished, now) {
                Ok(states) => break states,
                Err(error) if self.state.stop.load(Ordering::Relaxed) => return Err(error),
                Err(error) => {
                    tracing::error!("{error}; what was done is written down as soon as it can be");
                    self.state.wait(limit::RETRY_STEP);
                }
            }
        };
        for ((due, finished), state) in due.iter().zip(&finished).zip(states) {
            let what = format!("{} {}", self.name, due.request.target);
            match state {
                State::Done => (self.tell)(&what, Ok(())),
                State::Refused | State::Dead => (self.tell)(&what, Err(said(&finished.outcome))),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What came of a request, with the time of its next try.
fn finish(due: &Due, outcome: Outcome, now: i64) -> Finished {
    let given_up = now.saturating_sub(due.since) > nanoseconds(limit::DELIVERY_TIME_MAX)
        && due.attempts >= limit::DELIVERY_TRIES_MIN;
    let next_at = match &outcome {
        Outcome::Later { .. } if given_up => None,
        Outcome::Later { after, .. } => {
            // Attempts that an engine's end broke off came quickly and say nothing of the world: nobody waits longer for
            // them than it has gone on already.
            let most = now.saturating_sub(due.since).max(nanoseconds(limit::DELIVERY_PAUSE_MIN));
            let wait = after.map_or_else(|| pause(due.attempts).min(most), nanoseconds);
            Some(now.saturating_add(wait + jitter(&due.request.id, due.attempts, wait)))
        }
        _ => None,
    };
    Finished { id: due.request.id.clone(), outcome, next_at }
}

fn said(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Done(said) | Outcome::Refused(said) | Outcome::Later { reason: said, .. } => said,
    }
}

/// How long to wait after so many failures in a row.
fn pause(failures: u32) -> i64 {
    let first = nanoseconds(limit::DELIVERY_PAUSE_MIN);
    let most = nanoseconds(limit::DELIVERY_PAUSE_MAX);
    first.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(most)
}

/// Up to a fifth more, other for each request, so that what failed together does not come back together.
fn jitter(id: &str, attempts: u32, wait: i64) -> i64 {
    let hash = crc32fast::hash(id.as_bytes()).wrapping_add(attempts.wrapping_mul(0x9e37_79b9));
    (wait / 5).max(1) * i64::from(hash >> 8) / (1 << 24)
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
