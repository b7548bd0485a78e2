//! What operators order of delivery threads while these work: each has a short queue, found by its listener and capability.
//!
//! Only the thread that has the capability may ask the world with it, so whoever orders waits for its answer. It must
//! never know who orders, or by which way the order came.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use correlator_store::entry::By;
use correlator_store::store::Store;
use correlator_world::{Capability, Outcome, Secrets};

use crate::{clock, limit};

/// Something that an operator wants of a delivery thread.
#[derive(Debug)]
pub enum Order {
    /// Take an effect back, and say what came of it.
    Undo {
        /// The effect.
        id: String,
        /// Who ordered it.
        by: By,
        /// Told what came of it, in words; it has room for that. Not told anything by who could never have done it.
        answer: SyncSender<Result<String, String>>,
    },
    /// Ask an endpoint again now, however often it failed.
    Again {
        /// The endpoint, as the store knows it.
        endpoint: String,
    },
}

/// The delivery threads that take orders.
#[derive(Default)]
pub struct Orders(Mutex<BTreeMap<(String, &'static str), Arc<Signal>>>);

impl Orders {
    /// Gives an order to whoever delivers what this listener asks this capability for. Says no if nobody does now, or if
    /// too many orders wait already.
    #[must_use]
    pub fn give(&self, listener: &str, capability: &str, order: Order) -> bool {
        let posts = held(&self.0);
        let mut found =
            posts.iter().filter(|((of, name), _)| of == listener && *name == capability);
        found.next().is_some_and(|(_, signal)| signal.order(order))
    }

    /// Whom something is delivered for with this capability now.
    pub fn at_work(&self, capability: &str) -> Vec<String> {
        let posts = held(&self.0);
        let of = posts.keys().filter(|(_, name)| *name == capability);
        of.map(|(listener, _)| listener.clone()).collect()
    }

    /// A thread takes orders from now on, in the place of one that did so before.
    pub(super) fn take_up(&self, listener: &str, capability: &'static str, signal: &Arc<Signal>) {
        held(&self.0).insert((listener.to_owned(), capability), Arc::clone(signal));
    }

    /// A thread takes no more. Whoever waits for it learns so.
    pub(super) fn lay_down(&self, signal: &Arc<Signal>) {
        held(&self.0).retain(|_, other| !Arc::ptr_eq(other, signal));
        held(&signal.orders).clear();
    }
}

/// What a delivery thread is told.
#[derive(Default)]
pub(super) struct Signal {
    pub(super) stop: AtomicBool,
    /// Whether it ends as soon as nothing is due.
    pub(super) drain: AtomicBool,
    orders: Mutex<VecDeque<Order>>,
    news: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(super) fn wake(&self) {
        *held(&self.news) = true;
        self.changed.notify_all();
    }

    /// Waits for news, or so long.
    pub(super) fn wait(&self, most: Duration) {
        let news = held(&self.news);
        let waited = self.changed.wait_timeout_while(news, most, |news| !*news);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    pub(super) fn next_order(&self) -> Option<Order> {
        held(&self.orders).pop_front()
    }

    fn order(&self, order: Order) -> bool {
        let mut orders = held(&self.orders);
        if orders.len() >= limit::ORDERS_MAX {
            return false;
        }
        orders.push_back(order);
        drop(orders);
        self.wake();
        true
    }
}

/// What a thread that panicked left behind is whole: nothing here is changed in two steps.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the world take an effect back, with the capability that did it, and writes down who ordered it, why if that was said,
/// and what came of it. What `others` stand for, by what was said of each and how long ago that was, stays as it is. It is
/// the one way for whatever is done to be undone.
///
/// # Errors
/// It can't be taken back, or not now; why, in words for the operator.
pub fn take_back(
    store: &Store,
    capability: &mut dyn Capability,
    secrets: &dyn Secrets,
    id: &str,
    (by, why): (By, Option<&str>),
    others: &[(&str, Duration)],
) -> Result<String, String> {
    let due = store.undo_begin(id, (by, why), clock::now()).map_err(|error| error.to_string())?;
    let outcome = capability.undo_beside(&due.request, others, secrets);
    let finished = store.undo_finish(id, &outcome, clock::now());
    finished.map_err(|error| format!("{error}; what came of undoing {id} is not written down"))?;
    match outcome {
        Outcome::Done(said) | Outcome::Partly { said, .. } => Ok(format!("{id} is undone: {said}")),
        Outcome::Later { reason, .. } => Err(format!("{id} can't be undone now: {reason}")),
        Outcome::Refused(reason) => Err(format!("{id} can't be undone: {reason}")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use correlator_store::effect::{Decision, Finished, NewEffect, State};
    use correlator_store::entry::By;
    use correlator_store::settings::Settings;
    use correlator_store::store::{Safety, Store};
    use correlator_world::{Capability, Nowhere, Outcome, Refused, Request, Secrets};

    use super::{Order, Orders, Signal, take_back};
    use crate::limit;

    /// A world that answers every undoing alike.
    pub struct World {
        pub answer: Outcome,
        /// Why what was done must be in force no more, if it must not.
        pub forbids: Option<&'static str>,
        /// Whether it puts in force again what was done before; then it goes by what ids begin with.
        pub restores: bool,
    }

    impl World {
        pub fn that(answer: Outcome) -> Self {
            Self { answer, forbids: None, restores: false }
        }

        pub fn that_lifts() -> Self {
            Self::that(Outcome::Done("lifted".to_owned()))
        }
    }

    impl Capability for World {
        fn check(&self, _: &Request) -> Result<(), Refused> {
            Ok(())
        }

        fn plan(&self, _: &Request) -> String {
            String::new()
        }

        fn deliver(&mut self, requests: &[Request], _: &dyn Secrets) -> Vec<Outcome> {
            vec![Outcome::Done(String::new()); requests.len()]
        }

        fn undo_beside(
            &mut self,
            _: &Request,
            others: &[(&str, Duration)],
            _: &dyn Secrets,
        ) -> Outcome {
            match (&self.answer, others) {
                (Outcome::Done(_), [(said, _), ..]) => Outcome::Done(format!("{said} stays")),
                (answer, _) => answer.clone(),
            }
        }

        fn lasts(&self, request: &Request, _: Duration) -> bool {
            !request.id.ends_with("over")
        }

        fn forbids(&self, _: &Request, _: Duration) -> Option<String> {
            self.forbids.map(str::to_owned)
        }

        fn restores(&self) -> bool {
            self.restores
        }

        fn key(&self, request: &Request) -> Option<String> {
            request.id.split('-').next().map(str::to_owned)
        }
    }

    /// A store in which the effect `a` is done.
    pub fn store(folder: &std::path::Path) -> Store {
        let (store, _) = Store::open(folder, Settings::default(), 1).expect("a store");
        carry_out(&store, "a");
        store
    }

    /// Has an effect done.
    pub fn carry_out(store: &Store, id: &str) {
        carry_out_for(store, "ops", id);
    }

    /// Has an effect done for a listener.
    pub fn carry_out_for(store: &Store, listener: &str, id: &str) {
        let request = Request { id: id.to_owned(), ..Request::default() };
        let world = World::that_lifts();
        let effect = NewEffect {
            key: world.key(&request),
            request,
            listener: listener.to_owned(),
            component: String::new(),
            capability: "webhook".to_owned(),
            endpoint: format!("{listener}/chat"),
            causes: Vec::new(),
            time: 1,
            decision: Decision::Granted,
            plan: String::new(),
        };
        store.accept(&[effect], Safety::Machine).expect("kept");
        store.begin(&[id], 2).expect("begun");
        let outcome = Outcome::Done(id.to_owned());
        let done = Finished { id: id.to_owned(), outcome, next_at: None };
        assert_eq!(store.finish(&[done], 3).expect("done"), [State::Done]);
    }

    #[test]
    fn what_is_taken_back_is_on_record_and_what_is_not_stays_done() {
        let folder = std::env::temp_dir().join(format!("correlator-orders-{}", std::process::id()));
        let store = store(&folder);
        let undo = |outcome: Outcome| {
            let done = take_back(
                &store,
                &mut World::that(outcome),
                &Nowhere,
                "a",
                (By::User(7), None),
                &[],
            );
            let shown = store.reader().and_then(|reader| reader.show("a")).expect("known");
            (done, shown.effect.expect("there").state)
        };
        let (done, state) = undo(Outcome::later("busy"));
        assert_eq!((done, state), (Err("a can't be undone now: busy".to_owned()), State::Done));
        let (done, state) = undo(Outcome::Refused("sent".to_owned()));
        assert_eq!((done, state), (Err("a can't be undone: sent".to_owned()), State::Done));
        let (done, state) = undo(Outcome::Done("lifted".to_owned()));
        assert_eq!((done, state), (Ok("a is undone: lifted".to_owned()), State::Undone));
        let (done, _) = undo(Outcome::Done("lifted".to_owned()));
        assert!(done.is_err_and(|error| error.contains("is undone and can't be undone")));
        drop(store);
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    fn again() -> Order {
        Order::Again { endpoint: "ops/chat".to_owned() }
    }

    #[test]
    fn orders_find_their_thread_and_no_other() {
        let (orders, signal) = (Orders::default(), Arc::new(Signal::default()));
        assert!(!orders.give("ops", "webhook", again()), "nobody is there yet");
        orders.take_up("ops", "webhook", &signal);
        assert!(!orders.give("ops", "mail", again()));
        assert!(!orders.give("other", "webhook", again()));
        assert!(orders.give("ops", "webhook", again()));
        assert!(matches!(signal.next_order(), Some(Order::Again { .. })));
        assert!(signal.next_order().is_none());
    }

    #[test]
    fn a_queue_has_an_end() {
        let (orders, signal) = (Orders::default(), Arc::new(Signal::default()));
        orders.take_up("ops", "webhook", &signal);
        for _ in 0..limit::ORDERS_MAX {
            assert!(orders.give("ops", "webhook", again()));
        }
        assert!(!orders.give("ops", "webhook", again()));
    }

    #[test]
    fn whoever_waits_for_a_thread_that_ends_is_told() {
        let (orders, signal) = (Orders::default(), Arc::new(Signal::default()));
        orders.take_up("ops", "webhook", &signal);
        let (answer, said) = sync_channel(1);
        let undo = Order::Undo { id: "x".to_owned(), by: By::User(0), answer };
        assert!(orders.give("ops", "webhook", undo));
        // Its successor came first: that one stays.
        let next = Arc::new(Signal::default());
        orders.take_up("ops", "webhook", &next);
        orders.lay_down(&signal);
        assert!(said.recv().is_err());
        assert!(orders.give("ops", "webhook", again()));
    }
}
