//! Records as they go over the wire, many at once, each with its end.
//!
//! Bytes of a record are never changed; only the framing around them is, if asked. It must never know where they go.

use correlator_record::framing::Framing;

use super::reader::Entry;

/// What stands around records on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// What stands around them in the capture.
    AsIs,
    /// A line feed behind each.
    Lines,
    /// A count before each (RFC 6587, 3.4.1).
    Octets,
    /// Nothing: each is a datagram.
    Datagrams,
}

impl Wire {
    /// Whether a record with a line feed in it would be torn.
    #[must_use]
    pub fn tears(self, body: &[u8]) -> bool {
        self == Self::Lines && memchr::memchr(b'\n', body).is_some()
    }
}

/// Records for one write.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each record ends in the bytes.
    ends: Vec<usize>,
}

impl Batch {
    /// A batch with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::new() }
    }

    /// Adds an entry. `last` says that nothing is ever sent behind it, so that framing that is not all there in the
    /// capture need not be on the wire.
    pub fn push(&mut self, entry: &Entry, wire: Wire, framing: &Framing, last: bool) {
        if entry.number.is_none() {
            // What is empty is no record; it is only kept where every byte is.
            if wire == Wire::AsIs && (entry.whole || last) {
                self.bytes.extend_from_slice(entry.bytes);
                if let Some(end) = self.ends.last_mut() {
                    *end = self.bytes.len();
                }
            }
            return;
        }
        let (as_is, bare) = (wire == Wire::AsIs, framing.bare());
        let ending = bare.ending();
        // Nobody else knows envelopes. What could not be a line is sent as what holds anything.
        let apart = entry.sealed && memchr::memmem::find(entry.body, ending).is_some();
        if as_is && !entry.sealed && (entry.whole || last) {
            self.bytes.extend_from_slice(entry.bytes);
        } else if wire == Wire::Octets || as_is && (apart || *bare == Framing::Octets) {
            self.counted(entry.body);
        } else {
            self.bytes.extend_from_slice(entry.body);
            match wire {
                Wire::AsIs => self.bytes.extend_from_slice(ending),
                Wire::Lines => self.bytes.push(b'\n'),
                Wire::Octets | Wire::Datagrams => {}
            }
        }
        self.ends.push(self.bytes.len());
    }

    /// Adds a record with its count.
    fn counted(&mut self, body: &[u8]) {
        let mut digits = [0; 20];
        let (mut at, mut rest) = (digits.len(), body.len());
        while rest > 0 || at == digits.len() {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.bytes.extend_from_slice(&digits[at..]);
        self.bytes.push(b' ');
        self.bytes.extend_from_slice(body);
    }

    /// All bytes, framing and all.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many records are in the first so many bytes, whole.
    #[must_use]
    pub fn records_within(&self, bytes: usize) -> usize {
        self.ends.partition_point(|&end| end <= bytes)
    }

    /// The bytes of the records from this one on, each apart.
    pub fn datagrams(&self, from: usize) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).skip(from).map(|(start, &end)| &self.bytes[start..end])
    }
}
