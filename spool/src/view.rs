//! Which segments there are, for a reader: from the writer's own list, or from the folder.
//!
//! In the writer's process everything up to a published end is known to be whole. Elsewhere a frame may just be being
//! written, so what does not look whole has to be looked at again before it is called damage.
//!
//! This room must never know what is in a segment.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::SpoolError;
use crate::name::{self, Name};
use crate::shared::Shared;

/// Where a reader learns of segments.
#[derive(Debug)]
pub enum View {
    /// From the writer.
    Writer(Arc<Shared>),
    /// From the folder; the names are those that were there the last time.
    Folder(PathBuf, Vec<Name>),
}

/// How a segment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How far there is anything to see.
    pub limit: u64,
    /// Whether all of that is known to have been whole.
    pub exact: bool,
    /// Whether it is the last one, so that more may come.
    pub last: bool,
}

impl View {
    /// The segment to begin with for a sequence number.
    pub fn start(&mut self, from: u64) -> Result<Option<Name>, SpoolError> {
        self.look()?;
        Ok(self.with_names(|count, name| {
            if count == 0 {
                return None;
            }
            let behind = partition(count, |at| name(at).base <= from);
            let base = name(behind.saturating_sub(1)).base;
            // An attempt at a segment that failed may have left an empty one with the same base.
            Some(name(partition(count, |at| name(at).base < base)))
        }))
    }

    /// The segment behind another, which need not be there any more.
    pub fn behind(&mut self, left: Name) -> Result<Option<Name>, SpoolError> {
        let next = |count: usize, name: &dyn Fn(usize) -> Name| {
            let at = partition(count, |at| name(at) <= left);
            (at < count).then(|| name(at))
        };
        if self.with_names(next).is_none() {
            self.look()?;
        }
        Ok(self.with_names(next))
    }

    /// How a segment stands now, if it is still there.
    pub fn standing(&mut self, name: Name, file: &File) -> Result<Option<Standing>, SpoolError> {
        self.look()?;
        if let Self::Writer(shared) = self {
            let segments = shared.segments();
            let found = segments.binary_search_by(|segment| segment.name.cmp(&name));
            return Ok(found.ok().map(|at| Standing {
                limit: segments[at].end.load(Ordering::Acquire),
                exact: segments[at].exact,
                last: at + 1 == segments.len(),
            }));
        }
        let path = name.path(self.folder());
        let Self::Folder(_, names) = self else { return Ok(None) };
        let Ok(at) = names.binary_search(&name) else { return Ok(None) };
        let limit = file.metadata().map_err(SpoolError::io(&path, "look at"))?.len();
        Ok(Some(Standing { limit, exact: false, last: at + 1 == names.len() }))
    }

    /// Opens a segment, if it is still there.
    pub fn open(&mut self, name: Name) -> Result<Option<File>, SpoolError> {
        let path = name.path(self.folder());
        match File::open(&path) {
            Ok(file) => {
                // A reader goes from one end to the other; if the system does not want to know, it is only slower.
                let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
                Ok(Some(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.look()?;
                Ok(None)
            }
            Err(error) => Err(SpoolError::io(&path, "open")(error)),
        }
    }

    /// The folder that the segments are in.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Writer(shared) => &shared.folder,
            Self::Folder(folder, _) => folder,
        }
    }

    /// Sees what is in the folder now. The writer's list is always what is there now.
    fn look(&mut self) -> Result<(), SpoolError> {
        if let Self::Folder(folder, names) = self {
            *names = name::list(folder)?.segments;
        }
        Ok(())
    }

    fn with_names<T>(&self, ask: impl Fn(usize, &dyn Fn(usize) -> Name) -> T) -> T {
        match self {
            Self::Writer(shared) => {
                let segments = shared.segments();
                ask(segments.len(), &|at| segments[at].name)
            }
            Self::Folder(_, names) => ask(names.len(), &|at| names[at]),
        }
    }
}

/// The first place that does not have what all places before it have.
fn partition(count: usize, has: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = usize::midpoint(low, high);
        if has(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
