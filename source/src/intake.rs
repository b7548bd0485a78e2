//! Who takes what sources read.

use correlator_frame::record::Frame;

use crate::counts::Counts;

/// Records on their way from one source, in order.
#[derive(Debug, Default)]
pub struct Lot {
    /// The place of the source among those of the stack.
    pub source: usize,
    /// The records.
    pub frame: Frame,
    /// Where records of several sources share a lot: from which record on they are of which other source.
    pub others: Vec<(u32, usize)>,
    /// Whether the records know their places already (see [`Frame::set_place`]), as those of files do. Others get
    /// theirs by the order in which they are taken.
    pub placed: bool,
    /// Up to where files have been read once these records are taken: kept together with them.
    pub marks: Vec<Mark>,
    /// What has been read since the last lot. A lot may carry counts and no records.
    pub counts: Counts,
}

impl Lot {
    /// The place of the source that a record is of.
    #[must_use]
    pub fn source_of(&self, record: u32) -> usize {
        let behind = self.others.partition_point(|(first, _)| *first <= record);
        behind.checked_sub(1).map_or(self.source, |last| self.others[last].1)
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.frame.clear();
        self.others.clear();
        self.marks.clear();
        self.counts = Counts::default();
    }
}

/// How far a file has been read: what a source needs to go on there after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Names the file among all files of all sources, for good.
    pub file: u64,
    /// What only the source understands. Empty if the file is done with for good.
    pub body: Vec<u8>,
}

/// Why nothing more is taken: the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// Takes lots. The engine is one, a test another.
pub trait Intake: Sync {
    /// Takes a lot and leaves an empty one with memory to use again. When this returns, the records are as safe as the
    /// stack demands, so whoever sent them may be told. May block while there is no room.
    ///
    /// # Errors
    /// The run ends; the lot was not taken.
    fn take(&self, lot: &mut Lot) -> Result<(), Ended>;
}
