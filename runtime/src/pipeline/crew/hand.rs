//! A guest's thread, from the outside: what it can be told, what is seen of it, and its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use super::counted::{Counted, Counts};
use crate::limit;
use crate::pipeline::RunError;
use crate::pipeline::threads::spawn;
use crate::pipeline::work::worker::{Remains, Side, Signals, Worker};

/// A guest at work.
pub(crate) struct Hand<P> {
    pub(crate) name: String,
    pub(crate) slot: usize,
    pub(crate) signals: Arc<Signals>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) picture: P,
    thread: JoinHandle<Remains>,
}

impl<P> Hand<P> {
    /// Whether it has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Has it end now.
    pub(crate) fn stop(&self) {
        self.signals.stop.store(true, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Has it look at its signals.
    pub(crate) fn wake(&self) {
        self.thread.thread().unpark();
    }

    /// Waits for its end.
    pub(crate) fn join(self) -> Result<(Remains, P), RunError> {
        let panicked = |_| RunError::Thread(format!("the worker of `{}` panicked", self.name));
        Ok((self.thread.join().map_err(panicked)?, self.picture))
    }
}

impl<P: Counts + Clone> Hand<P> {
    /// Waits for its end, and leaves what it counted to whoever takes its place.
    pub(crate) fn leave(self, counted: &Counted) -> Result<Remains, RunError> {
        let (name, picture) = (self.name.clone(), self.picture.clone());
        let joined = self.join();
        picture.leave(&name, counted);
        Ok(joined?.0)
    }
}

/// A guest that has been started and waits for its thread.
pub(crate) struct Hired<S: Side, P> {
    pub(crate) worker: Worker<S>,
    pub(crate) name: String,
    pub(crate) slot: usize,
    pub(crate) signals: Arc<Signals>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) picture: P,
}

impl<S: Side + Send + 'static, P> Hired<S, P>
where
    S::Guest: Send,
{
    /// Has it rest until it is released, as it did when the engine ended.
    pub(crate) fn suspended(mut self) -> Self {
        self.worker.begin_suspended();
        self
    }

    /// Gives it its thread.
    pub(crate) fn work(self) -> Result<Hand<P>, RunError> {
        self.work_behind(&Arc::default())
    }

    /// Gives it its thread, which begins when this is open.
    pub(crate) fn work_behind(self, gate: &Arc<RwLock<()>>) -> Result<Hand<P>, RunError> {
        let gate = Arc::clone(gate);
        let Self { mut worker, name, slot, signals, stop, picture } = self;
        let thread = spawn(&name, Some(limit::WORKER_STACK_BYTES), move || {
            drop(gate.read());
            worker.run()
        })?;
        Ok(Hand { name, slot, signals, stop, picture, thread })
    }
}
