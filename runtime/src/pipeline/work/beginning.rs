//! Where a guest begins: at its last checkpoint, at what another instance of it left, or anew.
//!
//! A state that it does not take is kept aside: there may be another component in its place than was meant. It must never
//! know what the guest does there.

use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, Left, Shelf};
use super::keeper::{Keeper, Saved};
use super::refused::{self, WANTED};
use crate::guest::Failure;
use crate::pipeline::RunError;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::Place;

/// How much of a digest tells one component from others, for people.
const DIGEST_SHOWN: usize = 12;

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
    let none = Checkpoint { place: start, outside, rate: (i64::MIN, 0), state: None };
    let Some(shelf) = shelf else {
        keeper.saved = saved(&none);
        keeper.begin().map_err(|failure| RunError::Start { role, name, failure })?;
        return Ok(None);
    };
    let first = Beginning { keeper, shelf, left }.find(none)?;
    keeper.report.lock().refused_checkpoints = refused::all(shelf).len() as u64;
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
    keeper.report.lock().refused_checkpoints = refused::all(shelf).len() as u64;
    let last = shelf.readable()?.checkpoints.into_iter().next();
    if last.is_none() {
        shelf.forget_journal()?;
    }
    Ok(last)
}

/// A guest that looks for the state to begin with.
struct Beginning<'a, G: ?Sized> {
    keeper: &'a mut Keeper<G>,
    shelf: &'a Shelf,
    left: Left,
}

impl<G: ?Sized> Beginning<'_, G> {
    /// What it begins with; `none` is where that is if it left nothing. Its place stays that of its last checkpoint, whatever
    /// state it takes: what was done since is done.
    fn find(mut self, none: Checkpoint) -> Result<Checkpoint, RunError> {
        let last = self.left.checkpoints.first();
        let here =
            last.map_or(none, |it| Checkpoint { rate: (i64::MIN, 0), state: None, ..it.clone() });
        if last.is_none() {
            self.shelf.forget_journal()?;
        }
        let saved_since = last.is_none_or(|it| it.state.is_some());
        if let Some(wanted) = self.wanted(&here)? {
            return Ok(wanted);
        }
        if !saved_since && let Some(again) = self.again(&here, &[])? {
            return Ok(again);
        }
        let (taken, failed) = self.own();
        let refused: Vec<_> = failed.iter().map(|(ending, _)| *ending).collect();
        // An old state of its own is worth more than none.
        let fresh = taken.is_none_or(|place| self.left.checkpoints[place].state.is_none());
        if fresh
            && !refused.is_empty()
            && let Some(again) = self.again(&here, &refused)?
        {
            return Ok(again);
        }
        if fresh {
            let from = taken.map_or(&here, |place| &self.left.checkpoints[place]);
            self.keeper.saved = saved(from);
            let (role, name) = self.who();
            self.keeper.begin().map_err(|failure| RunError::Start { role, name, failure })?;
        }
        if let Some(place) = taken {
            // It may be what another component did not take.
            refused::forget_same(self.shelf, self.left.endings[place]);
        }
        if let Some((_, failure)) = failed.first() {
            let kept = refused::keep(self.shelf, &refused, None)?;
            self.tell_refused(failure, &kept, taken.is_some());
        } else {
            self.tell_kept();
        }
        if let Some(place) = taken {
            return Ok(self.left.checkpoints.swap_remove(place));
        }
        // A guest that was there when records came must see them, whatever happens before its first checkpoint.
        self.store(&here)?;
        Ok(here)
    }

    fn who(&self) -> (&'static str, String) {
        (self.keeper.role, self.keeper.report.lock().name.clone())
    }

    fn store(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        self.shelf.store(checkpoint).map_err(|error| {
            let (_, name) = self.who();
            RunError::State(format!("the first checkpoint of `{name}` can't be written: {error}"))
        })
    }

    /// Which of its own checkpoints it takes, and which it does not that are newer.
    fn own(&mut self) -> (Option<usize>, Vec<(&'static str, Failure)>) {
        let mut failed = Vec::new();
        for (place, checkpoint) in self.left.checkpoints.iter().enumerate() {
            self.keeper.saved = saved(checkpoint);
            match self.keeper.begin() {
                Ok(()) => return (Some(place), failed),
                Err(failure) => failed.push((self.left.endings[place], failure)),
            }
        }
        (None, failed)
    }

    /// The state that the operator wants it to begin with.
    fn wanted(&mut self, here: &Checkpoint) -> Result<Option<Checkpoint>, RunError> {
        let path = self.shelf.path(WANTED);
        let Some(found) = refused::one(&path) else { return Ok(None) };
        let first = Checkpoint { state: found.0.state.clone(), ..here.clone() };
        self.keeper.saved = saved(&first);
        let (role, name) = self.who();
        if let Err(failure) = self.keeper.begin() {
            tracing::error!(
                "{role} `{name}` does not take the state of {}: {failure}; it stays there, and the guest begins as if it was not",
                path.display()
            );
            return Ok(None);
        }
        self.store(&first)?;
        refused::forget_upto(self.shelf, &path, &found);
        tracing::warn!("{role} `{name}` begins with the state of {}, as is wanted", path.display());
        Ok(Some(first))
    }

    /// The furthest state that it takes of those that are kept aside. What it did not take instead is kept as well.
    fn again(
        &mut self,
        here: &Checkpoint,
        instead_of: &[&str],
    ) -> Result<Option<Checkpoint>, RunError> {
        for path in refused::furthest_first(self.shelf) {
            let Some(found) = refused::one(&path).filter(|it| it.0.state.is_some()) else {
                continue;
            };
            let first = Checkpoint { state: found.0.state.clone(), ..here.clone() };
            self.keeper.saved = saved(&first);
            if self.keeper.begin().is_err() {
                continue;
            }
            refused::keep(self.shelf, instead_of, Some(&path))?;
            // What is fallen back to has it too.
            self.store(&first)?;
            self.store(&first)?;
            refused::forget_upto(self.shelf, &path, &found);
            let (role, name) = self.who();
            tracing::warn!(
                "{role} `{name}` takes the state again that was kept aside as {}",
                path.display()
            );
            return Ok(Some(first));
        }
        Ok(None)
    }

    /// Tells what it did not take, and the way back.
    fn tell_refused(&self, failure: &Failure, kept: &[PathBuf], has_older: bool) {
        let (role, name) = self.who();
        let begins = if has_older { "goes back to the one before" } else { "begins without state" };
        let Some(newest) = kept.first() else { return };
        let made_by = refused::one(newest).map(|(checkpoint, component)| {
            let digest: String = component.chars().take(DIGEST_SHOWN).collect();
            let version = checkpoint.state.map_or(0, |state| state.version);
            format!(", of state version {version}, made by the component of digest {digest}")
        });
        tracing::error!(
            "{role} `{name}` does not take the state of its checkpoint: {failure}; it {begins}, and what it did not take is kept as {}{}; {}",
            list(kept),
            made_by.unwrap_or_default(),
            self.way_back(newest)
        );
    }

    /// Tells what is still kept.
    fn tell_kept(&self) {
        let kept = refused::furthest_first(self.shelf);
        let Some(newest) = kept.first() else { return };
        let (role, name) = self.who();
        tracing::warn!(
            "{role} `{name}` goes on without the state that it once did not take, kept as {}; {}, or remove what nobody needs",
            list(&kept),
            self.way_back(newest)
        );
    }

    fn way_back(&self, newest: &Path) -> String {
        format!(
            "once the component that made it is back (`correlator inspect` tells digests), a start takes it by itself, unless the guest can go on from what it saved since: then stop the engine, `mv {} {}`, and start it",
            newest.display(),
            self.shelf.path(WANTED).display()
        )
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
}

fn saved(checkpoint: &Checkpoint) -> Saved {
    Saved { state: checkpoint.state.clone(), place: checkpoint.place, rate: checkpoint.rate }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::{Anew, begin};
    use crate::guest::{Failure, State, Stateful, Statistic, Usage};
    use crate::limit::{self, Limits};
    use crate::pipeline::stream::cursor::Cursor;
    use crate::pipeline::stream::feed::Place;
    use crate::pipeline::work::checkpoint::{Checkpoint, Shelf};
    use crate::pipeline::work::keeper::Keeper;

    /// A guest that takes states of some versions.
    struct Fake(&'static [u32]);

    impl Stateful for Fake {
        fn save(&mut self) -> Result<State, Failure> {
            Ok(State { version: self.0[0], bytes: Vec::new() })
        }
        fn restore(&mut self, state: &State) -> Result<(), Failure> {
            if self.0.contains(&state.version) {
                return Ok(());
            }
            Err(Failure::Refused { call: "restore", message: format!("no {}", state.version) })
        }
        fn statistics(&mut self) -> Result<Vec<Statistic>, Failure> {
            Ok(Vec::new())
        }
        fn usage(&mut self) -> Usage {
            Usage::default()
        }
    }

    struct Site(PathBuf);

    impl Site {
        fn new(name: &str) -> Self {
            let name = format!("correlator-beginning-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&folder);
            Self(folder)
        }

        fn shelf(&self, takes: &[u32]) -> Shelf {
            Shelf::new(&self.0, "pm", &format!("component-{takes:?}"), false)
        }

        /// A component that takes these versions made a checkpoint of the first one here.
        fn saves(&self, takes: &[u32], item: u64, bytes: &[u8]) {
            self.shelf(takes).store(&checkpoint(takes[0], item, bytes)).expect("a folder");
        }

        /// It is started: where it begins, with what state, and how many checkpoints are kept aside then.
        fn starts(&self, takes: &'static [u32]) -> (u64, Option<State>, u64) {
            let start = Arc::new(move || Ok(Box::new(Fake(takes))));
            let limits = Limits::default();
            let mut keeper = Keeper::new("module", "pm", start, |it| it, &limits);
            let place = Place { cursor: Cursor { item: 99, ticks: 0 }, now: None };
            let anew = Anew { place, oldest: 0, outside: Vec::new() };
            let first = begin(&mut keeper, Some(&self.shelf(takes)), anew).expect("it begins");
            let first = first.expect("something is kept");
            assert_eq!(keeper.saved.state, first.state);
            assert_eq!(keeper.saved.place, first.place);
            let left = self.shelf(takes).readable().expect("a shelf");
            assert!(left.checkpoints.contains(&first), "the disk has it");
            let state = first.state.map(|state| State::clone(&state));
            (first.place.cursor.item, state, keeper.report.lock().refused_checkpoints)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).expect("a folder");
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
            names.retain(|name| name.contains("refused") || name.contains("wanted"));
            names.sort();
            names
        }
    }

    impl Drop for Site {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn checkpoint(version: u32, item: u64, bytes: &[u8]) -> Checkpoint {
        let state = Some(Arc::new(State { version, bytes: bytes.to_vec() }));
        let place = Place { cursor: Cursor { item, ticks: 0 }, now: None };
        Checkpoint { place, rate: (1, 2), state, outside: b"outside".to_vec() }
    }

    fn state(version: u32, bytes: &[u8]) -> State {
        State { version, bytes: bytes.to_vec() }
    }

    #[test]
    fn what_was_not_taken_is_used_again_when_nothing_was_saved_since() {
        let site = Site::new("again");
        site.saves(&[2], 10, b"older");
        site.saves(&[2], 20, b"newer");
        assert_eq!(site.starts(&[1]), (20, None, 2));
        // Whoever starts it once more changes nothing.
        assert_eq!(site.starts(&[1]), (20, None, 2));
        assert_eq!(site.starts(&[2]), (20, Some(state(2, b"newer")), 0));
        assert_eq!(site.names(), [""; 0], "all that it made");
    }

    #[test]
    fn who_does_not_take_what_was_saved_since_takes_its_own_again_at_the_new_place() {
        let site = Site::new("own");
        site.saves(&[2], 10, b"older");
        site.saves(&[2], 20, b"newer");
        site.starts(&[1]);
        let large = vec![b'x'; limit::CHECKPOINT_REUSED_BYTES];
        for item in 21..30 {
            site.saves(&[1], item, &large);
        }
        assert_eq!(
            site.starts(&[2]),
            (29, Some(state(2, b"newer")), 2),
            "the other's are kept now"
        );
        assert_eq!(site.starts(&[1]), (29, Some(state(1, &large)), 2), "and so on");
        assert_eq!(site.starts(&[2]), (29, Some(state(2, b"newer")), 2));
    }

    #[test]
    fn who_takes_what_was_saved_since_goes_on_from_that_unless_the_operator_says_otherwise() {
        let site = Site::new("wanted");
        site.saves(&[2], 20, b"precious");
        site.starts(&[1]);
        site.saves(&[1], 30, b"new");
        assert_eq!(site.starts(&[2, 1]), (30, Some(state(1, b"new")), 1));
        site.saves(&[2, 1], 40, b"newer");
        let (kept, wanted) = (site.0.join("pm.refused-1"), site.0.join("pm.wanted"));
        fs::rename(&kept, &wanted).expect("it is there");
        assert_eq!(site.starts(&[3]), (40, None, 2), "who does not take it either");
        assert_eq!(site.names(), ["pm.refused-1", "pm.refused-2", "pm.wanted"], "it stays wanted");
        assert_eq!(site.starts(&[2, 1]), (40, Some(state(2, b"precious")), 2));
        assert_eq!(site.names(), ["pm.refused-1", "pm.refused-2"], "others made these");
    }

    #[test]
    fn who_falls_back_to_one_before_loses_nothing() {
        let site = Site::new("back");
        site.saves(&[1], 10, b"one");
        site.saves(&[2], 20, b"two");
        assert_eq!(site.starts(&[1]), (10, Some(state(1, b"one")), 1));
        site.saves(&[1], 30, b"more");
        site.saves(&[1], 40, b"more");
        assert_eq!(site.starts(&[2]), (40, Some(state(2, b"two")), 2));
    }

    #[test]
    fn what_is_still_the_one_before_is_taken_from_there() {
        let site = Site::new("before");
        site.saves(&[2], 20, b"two");
        site.starts(&[1]);
        site.shelf(&[1]).store(&checkpoint(1, 21, b"one")).expect("a folder");
        fs::remove_file(site.0.join("pm.before")).expect("without state");
        fs::hard_link(site.0.join("pm.refused-1"), site.0.join("pm.before")).expect("a link");
        assert_eq!(site.starts(&[2]), (20, Some(state(2, b"two")), 1));
        let kept = site.shelf(&[]);
        let kept = crate::pipeline::work::refused::all(&kept);
        let (left, _) = crate::pipeline::work::refused::one(&kept[0]).expect("it is whole");
        assert_eq!(left, checkpoint(1, 21, b"one"), "its own is needed no more");
    }

    #[test]
    fn a_guest_that_never_takes_anything_pushes_nothing_out_that_was_lost_before() {
        let site = Site::new("many");
        site.saves(&[2], 1, b"precious");
        for item in 2..20 {
            let (place, none, kept) = site.starts(&[1]);
            assert!(place < item && none.is_none(), "{place}");
            assert!(kept <= limit::REFUSED_CHECKPOINTS_MAX as u64);
            // A version that it does not take itself.
            site.shelf(&[1]).store(&checkpoint(9, item, b"")).expect("a folder");
        }
        assert_eq!(site.starts(&[9]).1, Some(state(9, b"")));
        site.saves(&[1], 50, b"");
        assert_eq!(site.starts(&[2]).1, Some(state(2, b"precious")));
        site.shelf(&[2]).clear();
        assert_eq!(site.names(), [""; 0], "who is forgotten is forgotten whole");
    }
}
