//! What a running engine can be told to do with single effects: try one again, give one up, take one back.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};

use correlator_store::command::Of;
use correlator_store::effect::{Effect, State};
use correlator_store::entry::By;
use correlator_store::store::Store;

use super::commands::NOTHING_KEPT;
use super::engine::Engine;
use crate::capability::Order;
use crate::pipeline::crew::Kept;
use crate::{clock, limit};

/// Why there is nothing to take back, of what was never to be done.
pub(crate) fn not_done(effect: &Effect) -> Option<String> {
    (effect.state == State::Dry).then(|| {
        format!(
            "{} was only planned, in a dry run: nothing was done that could be undone",
            effect.request.id
        )
    })
}

impl Engine {
    pub(super) fn retry_effect(&self, id: &str, by: u32) -> Result<String, String> {
        let (kept, store, effect) = self.effect(id)?;
        store.retry(id, By::User(by), clock::now()).map_err(|error| error.to_string())?;
        let Effect { listener, capability, endpoint, .. } = effect;
        // Where nobody delivers now, whoever begins to will find it.
        let at_work = kept.orders.give(&listener, &capability, Order::Again { endpoint });
        Ok(if at_work {
            format!("{id} is tried again")
        } else {
            format!("{id} is tried again when listener `{listener}` works with `{capability}`")
        })
    }

    pub(super) fn drop_effect(&self, id: &str, by: u32) -> Result<String, String> {
        let (_, store, _) = self.effect(id)?;
        store.drop_effect(id, By::User(by), clock::now()).map_err(|error| error.to_string())?;
        Ok(format!("{id} is given up"))
    }

    /// Gives up all that waits of these.
    pub(super) fn drop_effects(&self, of: &Of, by: u32) -> Result<String, String> {
        let Some(kept) = &self.floor.kept else { return Err(NOTHING_KEPT.into()) };
        let store = kept.store().map_err(|error| error.to_string())?;
        let dropped = store.drop_waiting(of, By::User(by), clock::now());
        dropped.map(given_up).map_err(|error| error.to_string())
    }

    pub(super) fn undo_effect(&self, id: &str, by: u32) -> Result<String, String> {
        let (kept, _, effect) = self.effect(id)?;
        let Effect { listener, capability, .. } = &effect;
        if let Some(why) = not_done(&effect) {
            return Err(why);
        }
        // Where nobody delivers for the one that did it, one with the same of the world can take it back.
        let others = kept.orders.at_work(capability).into_iter().filter(|it| it != listener);
        let mut ends = false;
        for whom in std::iter::once(listener.clone()).chain(others) {
            let (answer, said) = mpsc::sync_channel(1);
            let undo = Order::Undo { id: id.to_owned(), by: By::User(by), answer };
            if !kept.orders.give(&whom, capability, undo) {
                continue;
            }
            match said.recv_timeout(limit::ORDER_TIME) {
                Ok(done) => return done,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "`{capability}` is busy with something else; {id} is undone after that, and \
                         `correlator effects show {id}` tells what came of it"
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => ends |= whom == *listener,
            }
        }
        Err(if ends {
            format!("listener `{listener}` ends; {id} was not undone")
        } else {
            format!(
                "listener `{listener}` does not work with `{capability}` now, or has too many orders already; enable it, \
                 or stop the engine and name the stack"
            )
        })
    }

    /// An effect as it is now, and where it is kept.
    fn effect(&self, id: &str) -> Result<(&Kept, Arc<Store>, Effect), String> {
        let Some(kept) = &self.floor.kept else { return Err(NOTHING_KEPT.into()) };
        let store = kept.store().map_err(|error| error.to_string())?;
        let shown = store.reader().and_then(|reader| reader.show(id));
        let shown = shown.map_err(|error| error.to_string())?;
        let gone = || format!("{id} is so old that only the audit trail knows of it");
        Ok((kept, store, shown.effect.ok_or_else(gone)?))
    }
}

/// How many were given up, in words for the operator.
pub(crate) fn given_up(count: u64) -> String {
    match count {
        0 => "nothing of that waits".to_owned(),
        1 => "1 effect is given up".to_owned(),
        _ => format!("{count} effects are given up"),
    }
}
