//! What stands before a payload: whose it is, what it holds, and how to tell that it is whole.
//!
//! A header has a checksum of its own, so that its length can be trusted before a byte of the payload is read; the
//! payload's checksum is part of what that one covers, so the two are bound together. Little endian:
//!
//! | byte | |
//! | --- | --- |
//! | 0 | `magic`, 4 bytes |
//! | 4 | CRC-32 of bytes 8 to 56 |
//! | 8 | `life` of the segment |
//! | 16 | `first` |
//! | 24 | `after` |
//! | 32 | `previous` |
//! | 40 | `count`, 4 bytes |
//! | 44 | `length` of the payload, 4 bytes |
//! | 48 | `kind`, 2 bytes |
//! | 50 | zero, 2 bytes |
//! | 52 | CRC-32 of the payload |
//!
//! It must never know where in a file it stands.

use crate::limit;

/// Bytes of a header.
pub const HEADER_BYTES: u64 = 56;
/// What frames begin at multiples of, and are filled up to.
pub const ALIGN: u64 = 8;
/// `previous` in a spool's very first segment.
pub const NONE_BEFORE: u64 = u64::MAX;

/// The first bytes of a frame. One of another layout would have others, and be taken for damage here: that a newer
/// program has written a spool must be told elsewhere, before anybody opens it.
const MAGIC: [u8; 4] = *b"CSF\x01";

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What kind of frame it is, as whoever appended it calls it.
    pub kind: u16,
    /// Items in it, at least one.
    pub count: u32,
    /// The sequence number of its first item.
    pub first: u64,
    /// Where the frame before it ended. Numbers from there to `first` were left out on purpose.
    pub after: u64,
    /// The base of the segment before this frame's, or [`NONE_BEFORE`].
    pub previous: u64,
    /// The random number that tells this use of the file from all others.
    pub life: u64,
    /// Bytes of the payload.
    pub length: u32,
    /// The payload's CRC-32.
    pub checksum: u32,
}

impl Header {
    /// The sequence number behind its last item.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }

    /// Bytes of the whole frame: header, payload and filling.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        frame_bytes(u64::from(self.length))
    }

    /// The header as it is written.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, &MAGIC);
        put(8, &self.life.to_le_bytes());
        put(16, &self.first.to_le_bytes());
        put(24, &self.after.to_le_bytes());
        put(32, &self.previous.to_le_bytes());
        put(40, &self.count.to_le_bytes());
        put(44, &self.length.to_le_bytes());
        put(48, &self.kind.to_le_bytes());
        put(52, &self.checksum.to_le_bytes());
        let own = crc32fast::hash(&bytes[8..]);
        bytes[4..8].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// The header that these bytes begin with, if it is whole and makes sense.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES as usize] = bytes.first_chunk()?;
        if bytes[..4] != MAGIC || word(bytes, 4) != crc32fast::hash(&bytes[8..]) {
            return None;
        }
        let header = Self {
            kind: u16::from_le_bytes([bytes[48], bytes[49]]),
            count: word(bytes, 40),
            first: long(bytes, 16),
            after: long(bytes, 24),
            previous: long(bytes, 32),
            life: long(bytes, 8),
            length: word(bytes, 44),
            checksum: word(bytes, 52),
        };
        let sensible = header.count > 0
            && header.after <= header.first
            && header.first.checked_add(u64::from(header.count)).is_some()
            && u64::from(header.length) <= limit::FRAME_BYTES_MAX
            && bytes[50..52] == [0, 0];
        sensible.then_some(header)
    }
}

/// Bytes of a frame with this many bytes of payload.
#[must_use]
pub fn frame_bytes(payload: u64) -> u64 {
    (HEADER_BYTES + payload).next_multiple_of(ALIGN)
}

/// Bytes that [`is_begun`] wants to see.
pub(crate) const BEGUN_BYTES: usize = 16;

/// Whether a frame of this life begins here, whole or not. Of fewer than [`BEGUN_BYTES`] those are judged that are there.
pub(crate) fn is_begun(bytes: &[u8], life: u64) -> bool {
    let agrees = |at: usize, part: &[u8]| {
        bytes.iter().skip(at).zip(part).all(|(found, wanted)| found == wanted)
    };
    !bytes.is_empty() && agrees(0, &MAGIC) && agrees(8, &life.to_le_bytes())
}

fn word(bytes: &[u8; HEADER_BYTES as usize], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8; HEADER_BYTES as usize], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        kind: 0x0102,
        count: 3,
        first: 0x1112_1314_1516_1718,
        after: 0x1112_1314_1516_1710,
        previous: 0x2122_2324_2526_2728,
        life: 0x3132_3334_3536_3738,
        length: 9,
        checksum: 0x4142_4344,
    };

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Header::decode(&HEADER.encode()), Some(HEADER));
        assert_eq!(HEADER.frame_bytes(), 72);
        assert!(is_begun(&HEADER.encode(), HEADER.life) && !is_begun(&HEADER.encode(), 1));
    }

    #[test]
    fn every_changed_bit_is_seen() {
        for bit in 0..HEADER_BYTES as usize * 8 {
            let mut bytes = HEADER.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bytes), None, "bit {bit}");
        }
    }

    #[test]
    fn whole_headers_that_make_no_sense_are_none() {
        let check = |wrong: Header| assert_eq!(Header::decode(&wrong.encode()), None, "{wrong:?}");
        check(Header { count: 0, ..HEADER });
        check(Header { after: HEADER.first + 1, ..HEADER });
        check(Header { first: u64::MAX - 1, ..HEADER });
        check(Header { length: limit::FRAME_BYTES_MAX as u32 + 1, ..HEADER });
        assert_eq!(Header::decode(&HEADER.encode()[..55]), None);
    }
}
