//! Reading: frame after frame, from a sequence number on, for as long as somebody appends.
//!
//! A reader never waits. It sees what has been published, and it is told nothing: it finds out that segments were
//! released under it, or that bytes are damaged, by looking at the writer's list (or the folder) when what it reads is no
//! frame. What it could not read it counts, to the item where a later frame tells.
//!
//! It must never know what is in a frame, and never changes anything.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::SpoolError;
use crate::header::Header;
use crate::limit;
use crate::name::Name;
use crate::shared::Shared;
use crate::view::{Standing, View};
use crate::walk::{Step, Walk};

/// Makes readers, from any thread of the writer's process.
#[derive(Clone, Debug)]
pub struct Readers(Arc<Shared>);

/// Reads a spool.
#[derive(Debug)]
pub struct Reader {
    view: View,
    /// What must come next.
    from: u64,
    /// Whether that is because the frame before it was read.
    started: bool,
    place: Option<Place>,
    /// The segment that was left last.
    left: Option<Name>,
    /// Whether segments went since the last frame.
    jumped: bool,
    /// Whether damage was noted since the last frame.
    hurt: bool,
    missed: u64,
    damaged: Damaged,
}

/// What a reader could not read because it is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damaged {
    /// Places where bytes are no frame.
    pub places: u64,
    /// How many bytes those are, as far as that is known.
    pub bytes: u64,
    /// Items that are lost by it, as the next whole frame tells.
    pub items: u64,
}

#[derive(Debug)]
struct Place {
    name: Name,
    walk: Walk,
    /// Why there is no frame here; since then it has been looked at again.
    doubt: Option<Doubt>,
}

/// No frame, though it may only be unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doubt {
    offset: u64,
    /// Where there is one further on.
    found: Option<u64>,
    /// Whether no other segment follows.
    last: bool,
}

impl Readers {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// A reader that begins at the frame with this number in it, or at the first one behind.
    #[must_use]
    pub fn from(&self, from: u64) -> Reader {
        Reader::new(View::Writer(self.0.clone()), from)
    }

    /// The oldest sequence number that is there, if any is.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.0.first()
    }

    /// The sequence number behind the last item that was appended.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.appended.load(Ordering::Acquire)
    }
}

impl Reader {
    /// A reader of a folder, which another process may be writing to. It begins at the frame with this number in it, or
    /// at the first one behind.
    ///
    /// # Errors
    /// If it is no folder or can't be listed.
    pub fn open(folder: &Path, from: u64) -> Result<Self, SpoolError> {
        let mut view = View::Folder(folder.to_owned(), Vec::new());
        view.start(from)?;
        Ok(Self::new(view, from))
    }

    fn new(view: View, from: u64) -> Self {
        Self {
            view,
            from,
            started: false,
            place: None,
            left: None,
            jumped: false,
            hurt: false,
            missed: 0,
            damaged: Damaged::default(),
        }
    }

    /// Reads the next frame into `payload`, or says that there is none yet: then it may be asked again later.
    ///
    /// # Errors
    /// What the system says. The next call tries again.
    pub fn next(&mut self, payload: &mut Vec<u8>) -> Result<Option<Header>, SpoolError> {
        loop {
            let Some(place) = &mut self.place else {
                if !self.enter()? {
                    return Ok(None);
                }
                continue;
            };
            let step = place.walk.step(self.from, self.started, payload);
            let step = step
                .map_err(|error| failed(&self.view, place.name)(error))
                .inspect_err(|_| payload.clear())?;
            self.take_damages();
            match step {
                Step::Frame(header) => {
                    self.account(&header);
                    return Ok(Some(header));
                }
                Step::Nothing => {
                    if !self.pass()? {
                        payload.clear();
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Passes over the segment that has to come next, which can't be read, and says whether there is one behind it.
    ///
    /// # Errors
    /// What the system says.
    pub fn pass_over(&mut self) -> Result<bool, SpoolError> {
        let name = match (&self.place, self.left) {
            (Some(place), _) => Some(place.name),
            (None, None) => self.view.start(self.from)?,
            (None, Some(left)) => self.view.behind(left)?,
        };
        let Some(name) = name else { return Ok(false) };
        (self.place, self.left, self.jumped) = (None, Some(name), true);
        Ok(self.view.behind(name)?.is_some())
    }

    /// The sequence number that has to come next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.from
    }

    /// Items that were asked for and are not there any more: released before they were read, or in a segment that is
    /// missing.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// What is there and can't be read.
    #[must_use]
    pub fn damaged(&self) -> Damaged {
        self.damaged
    }

    /// Goes to the next segment, if there is one.
    fn enter(&mut self) -> Result<bool, SpoolError> {
        loop {
            let name = match self.left {
                None => self.view.start(self.from)?,
                Some(left) => self.view.behind(left)?,
            };
            let Some(name) = name else { return Ok(false) };
            let Some(file) = self.view.open(name)? else {
                // It went in between, and whatever comes now is behind it.
                (self.left, self.jumped) = (Some(name), true);
                continue;
            };
            self.place = Some(Place { name, walk: Walk::new(file, name, 0), doubt: None });
            return Ok(true);
        }
    }

    /// Finds out why there is no frame here and what to do; says whether there is any use in going on now.
    fn pass(&mut self) -> Result<bool, SpoolError> {
        let Some(place) = &mut self.place else { return Ok(true) };
        let (name, walk) = (place.name, &mut place.walk);
        let Some(standing) = self.view.standing(name, &walk.file)? else {
            self.leave(true);
            return Ok(true);
        };
        let Standing { limit, exact, last } = standing;
        if limit > walk.limit {
            walk.refresh(limit);
            return Ok(true);
        }
        let found = walk.find().map_err(failed(&self.view, name))?;
        // What was read may have been written on since. What is found further on was written later than what is here: so
        // if this is still no frame when it is read once more after that, it never will be.
        let doubt = Doubt { offset: walk.offset, found, last };
        if !exact && place.doubt != Some(doubt) {
            place.doubt = Some(doubt);
            walk.refresh(limit);
            return Ok(true);
        }
        place.doubt = None;
        if let Some(found) = found {
            walk.offset = found;
            return Ok(true);
        }
        if exact {
            walk.give_up(limit);
            self.take_damages();
        }
        if !last {
            self.leave(false);
        }
        Ok(!last)
    }

    fn leave(&mut self, gone: bool) {
        self.left = self.place.take().map(|place| place.name);
        self.jumped |= gone;
    }

    /// Counts what the walk noted.
    fn take_damages(&mut self) {
        let Some(place) = &mut self.place else { return };
        if place.walk.damages.places == 0 {
            return;
        }
        let damages = std::mem::take(&mut place.walk.damages);
        let path = place.name.path(self.view.folder());
        let told = limit::PLACES_TOLD_MAX.saturating_sub(self.damaged.places as usize);
        for range in damages.told.iter().take(told) {
            let (path, bytes, offset) = (path.display(), range.end - range.start, range.start);
            tracing::warn!("{path} is damaged: {bytes} bytes from byte {offset} on are no frame");
        }
        self.damaged.places += damages.places;
        self.damaged.bytes += damages.bytes;
        self.hurt = true;
    }

    /// Counts what must have been between the last frame and this one.
    fn account(&mut self, header: &Header) {
        let lost = header.after.saturating_sub(self.from);
        if lost > 0 {
            let followed = self.left.is_none_or(|left| left.base == header.previous);
            if self.jumped || (!self.hurt && (!self.started || !followed)) {
                self.missed += lost;
            } else {
                // Damage at the end of the segment before shows only now.
                self.damaged.places += u64::from(!self.hurt);
                self.damaged.items += lost;
            }
        }
        (self.from, self.started) = (header.next(), true);
        (self.jumped, self.hurt) = (false, false);
    }
}

fn failed(view: &View, name: Name) -> impl FnOnce(std::io::Error) -> SpoolError + use<> {
    let path = name.path(view.folder());
    move |error| SpoolError::io(&path, "read")(error)
}
