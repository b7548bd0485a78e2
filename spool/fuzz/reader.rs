//! Any bytes as segments are read to the end: by another process, by a writer that recovers from them, and by its reader.
//!
//! Nobody guesses a checksum, so the input says how to make the file: frames that are whole, frames that are whole and
//! lie, frames with a flipped bit, and bytes as they come, in one or two segments. What is returned must be in order and
//! within the file; what is told to be lost must be possible; and appending afterwards must work.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use correlator_spool::header::{HEADER_BYTES, Header};
use correlator_spool::reader::Reader;
use correlator_spool::spool::{Options, Spool};

/// The life of the segments; frames may have another.
const LIFE: u64 = 0x0123_4567_89ab_cdef;

/// Checks one input.
pub fn check(data: &[u8]) {
    let folder = folder();
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).expect("a folder");
    let mut input = Input { bytes: data, lied: false };
    let mut bytes_max = 0;
    let mut base = 0;
    for life in [LIFE, LIFE + 1] {
        let (file, next) = input.file(base, life);
        bytes_max = bytes_max.max(file.len());
        fs::write(folder.join(format!("{base:016x}-{life:016x}.spool")), file).expect("a file");
        base = next + u64::from(input.byte());
    }
    let from = u64::from(input.byte());
    let outside = read(Reader::open(folder, from).expect("a folder"), from, bytes_max);
    let options = Options { folder: folder.to_owned(), segment_bytes: 1 << 16, bytes_max: 1 << 24 };
    let Ok((mut spool, recovery)) = Spool::open(options.clone()) else {
        panic!("whatever is in it, it can be opened");
    };
    assert!(recovery.first <= recovery.next && spool.next() == recovery.next);
    let inside = read(spool.reader(from), from, bytes_max);
    // Frames that nobody asked for are passed by what their headers say.
    assert!(inside.len() <= outside.len() || input.lied, "recovery makes nothing up");
    let Ok(first) = spool.append(7, 1, &[b"new"]) else { return };
    let mut payload = Vec::new();
    let mut reader = spool.reader(first);
    let header = reader.next(&mut payload).expect("it can be read");
    // A frame of another segment that claims these numbers too has to be a lie.
    let is_new = |header: Header| (header.first, header.kind) == (first, 7) && payload == b"new";
    assert!(header.is_some_and(is_new) || input.lied, "{header:?}");
    drop(spool);
    let (_, recovery) = Spool::open(options).expect("it opened before");
    // Of less than a header's beginning nobody can tell whose it was.
    assert!(recovery.next == first + 1 && recovery.cut_bytes < 16, "{recovery:?}");
}

/// Reads everything and returns where the frames begin.
fn read(mut reader: Reader, from: u64, bytes_max: usize) -> Vec<u64> {
    let (mut firsts, mut payload, mut next) = (Vec::new(), Vec::new(), from);
    while let Some(header) = reader.next(&mut payload).expect("it can be read") {
        assert!(header.next() > from && (firsts.is_empty() || header.first >= next));
        assert_eq!(header.length as usize, payload.len());
        assert_eq!(header.checksum, crc32fast::hash(&payload));
        next = header.next();
        firsts.push(header.first);
    }
    assert!(reader.next(&mut payload).expect("it can be read").is_none());
    assert!(payload.capacity() <= 2 * bytes_max, "{} bytes", payload.capacity());
    assert!(firsts.len() <= 2 * bytes_max / HEADER_BYTES as usize);
    assert!(reader.damaged().bytes <= 2 * bytes_max as u64);
    firsts
}

/// A folder of this process, in memory where there is such a place.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        place.join(format!("correlator-spool-fuzz-{}", std::process::id()))
    })
}

/// The input, piece by piece; behind its end there are zeros.
struct Input<'a> {
    bytes: &'a [u8],
    /// Whether a header may say what is not so, though its checksum holds.
    lied: bool,
}

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *byte
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.bytes.len());
        let (bytes, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        bytes.to_vec()
    }

    /// A segment's bytes, and the number behind its frames.
    fn file(&mut self, base: u64, life: u64) -> (Vec<u8>, u64) {
        let mut file = Vec::new();
        let mut next = base;
        for _ in 0..self.byte() % 16 {
            match self.byte() % 8 {
                0 => file.extend(self.bytes()),
                1 => {
                    let start = file.len();
                    self.frame(&mut file, &mut next, life);
                    let at = start + usize::from(self.byte()) % (file.len() - start);
                    file[at] ^= 1 << (self.byte() % 8);
                }
                2 => self.lying_frame(&mut file, next, life),
                3 => {
                    let other = life ^ u64::from(self.byte() % 4);
                    self.frame(&mut file, &mut next, other);
                }
                4 => {
                    // What comes now stands where the frame that was cut says that it is.
                    self.lied = true;
                    file.truncate(file.len().saturating_sub(usize::from(self.byte())));
                }
                5 => file.extend(vec![0; usize::from(self.byte())]),
                _ => self.frame(&mut file, &mut next, life),
            }
        }
        (file, next)
    }

    fn frame(&mut self, file: &mut Vec<u8>, next: &mut u64, life: u64) {
        let payload = self.bytes();
        let first = *next + u64::from(self.byte() % 4);
        let header = Header {
            kind: 1,
            count: 1 + u32::from(self.byte() % 4),
            first,
            after: *next,
            previous: u64::from(self.byte()),
            life,
            length: payload.len() as u32,
            checksum: crc32fast::hash(&payload),
        };
        *next = header.next();
        file.extend(header.encode());
        file.extend(&payload);
        file.resize(file.len().next_multiple_of(8), 0);
    }

    /// A header whose checksum holds, whatever it says.
    fn lying_frame(&mut self, file: &mut Vec<u8>, next: u64, life: u64) {
        self.lied = true;
        let stretch = |byte: u8| u64::from(byte & 15) << (byte >> 4 << 2);
        let payload = self.bytes();
        let header = Header {
            kind: 2,
            count: stretch(self.byte()) as u32,
            first: next.wrapping_add(stretch(self.byte())).wrapping_sub(stretch(self.byte())),
            after: stretch(self.byte()),
            previous: stretch(self.byte()),
            life,
            length: stretch(self.byte()) as u32,
            checksum: crc32fast::hash(&payload),
        };
        file.extend(header.encode());
        file.extend(&payload);
    }
}
