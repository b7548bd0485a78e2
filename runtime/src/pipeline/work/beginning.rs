//! Where a guest begins: at its last checkpoint, at what another instance of it left, or anew.
//!
//! It must never know what the guest does there.

use super::checkpoint::{Checkpoint, Shelf};
use super::keeper::{Keeper, Saved};
use crate::pipeline::RunError;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::Place;

/// Where a guest begins that left nothing.
pub(crate) struct Anew {
    pub(crate) place: Place,
    /// The oldest item that there is.
    pub(crate) oldest: u64,
    /// What its first checkpoint says of the world.
    pub(crate) outside: Vec<u8>,
}

/// Starts a guest from its newest checkpoint that it takes, or anew. One whose checkpoints are damaged begins
/// with the oldest item that there is: to be handed something twice is better than never.
pub(crate) fn begin<G: ?Sized>(
    keeper: &mut Keeper<G>,
    shelf: Option<&Shelf>,
    anew: Anew,
) -> Result<Option<Checkpoint>, RunError> {
    let Anew { place: mut start, oldest, outside } = anew;
    let left = shelf.map(Shelf::load).transpose()?.unwrap_or_default();
    let (role, name) = (keeper.role, keeper.report.lock().name.clone());
    if left.is_lost() {
        start = Place { cursor: Cursor::before(oldest), now: None };
        tracing::error!(
            "{role} `{name}`: no checkpoint of it can be read; it begins without state, with the oldest that the spool has (item {oldest})"
        );
    }
    let checkpoints = left.checkpoints;
    let refused = |failure| RunError::Start { role, name: name.clone(), failure };
    for checkpoint in &checkpoints {
        keeper.saved = saved(checkpoint);
        match keeper.begin() {
            Ok(()) => return Ok(Some(checkpoint.clone())),
            Err(failure) => tracing::warn!(
                "{role} `{name}` does not take the state of its checkpoint: {failure}; the one before is tried, then it begins without state"
            ),
        }
    }
    // Its place is known even where its state is of no use.
    let place = checkpoints.first().map_or(start, |checkpoint| checkpoint.place);
    keeper.saved = Saved { place, ..Saved::default() };
    keeper.begin().map_err(refused)?;
    let Some(shelf) = shelf else { return Ok(None) };
    if checkpoints.is_empty() {
        shelf.forget_journal()?;
    }
    let outside = checkpoints.first().map_or(outside, |it| it.outside.clone());
    let first = Checkpoint { place, outside, rate: (i64::MIN, 0), state: None };
    // A guest that was there when records came must see them, whatever happens before its first checkpoint.
    shelf.store(&first).map_err(|error| {
        RunError::State(format!("the first checkpoint of `{name}` can't be written: {error}"))
    })?;
    Ok(Some(first))
}

/// Starts a guest from what another instance of it left. Tells the checkpoint that the disk has.
pub(crate) fn take_over<G: ?Sized>(
    keeper: &mut Keeper<G>,
    shelf: Option<&Shelf>,
    left: Saved,
) -> Result<Option<Checkpoint>, RunError> {
    keeper.saved = left;
    let (role, name) = (keeper.role, keeper.report.lock().name.clone());
    keeper.begin().map_err(|failure| RunError::Start { role, name, failure })?;
    let Some(shelf) = shelf else { return Ok(None) };
    let last = shelf.readable()?.checkpoints.into_iter().next();
    if last.is_none() {
        shelf.forget_journal()?;
    }
    Ok(last)
}

fn saved(checkpoint: &Checkpoint) -> Saved {
    Saved { state: checkpoint.state.clone(), place: checkpoint.place, rate: checkpoint.rate }
}
