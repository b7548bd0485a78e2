//! What a capture is given: bytes as they arrived, and the records that were made of them.
//!
//! It must never know what becomes of them.

use std::ops::Range;

use correlator_frame::record::{Frame, Record};
use correlator_record::framing::Framing;
use correlator_record::parser::{Memory, Parsed, Skip};

/// Bytes that arrived together.
#[derive(Clone, Debug)]
pub struct Arrived<'a> {
    /// The bytes, with what stands around records.
    pub bytes: &'a [u8],
    /// What was made of them, without what is empty.
    pub records: Vec<&'a [u8]>,
    /// How these were told apart, if anything had to.
    pub framing: Option<&'a Framing>,
    /// Where records were cut because they were too long, if any was.
    pub cut: Option<Cut>,
}

/// Which of the records of some bytes are not all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The bytes begin within one.
    pub begins: bool,
    /// They end within one.
    pub ends: bool,
}

impl<'a> Arrived<'a> {
    /// Bytes of a frame's text, of which the frame has the rows from `first` on. `memory` is what their parser
    /// remembered before them and after.
    #[must_use]
    pub fn parsed(
        frame: &'a Frame,
        (first, bytes): (usize, Range<usize>),
        framing: &'a Framing,
        parsed: &Parsed,
        memory: (Memory, Memory),
    ) -> Self {
        let within = |memory: Memory| memory.skip != Skip::Nothing;
        let (begins, ends) = (within(memory.0), within(memory.1));
        let batch = frame.batch();
        let rows = (first..frame.len()).filter_map(|place| batch.record(place));
        Self {
            bytes: &frame.text[bytes],
            records: rows.map(Record::raw).collect(),
            framing: Some(framing),
            cut: (parsed.cut > 0 || begins || ends).then_some(Cut { begins, ends }),
        }
    }
}
