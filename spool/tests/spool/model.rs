//! Random lives of a spool against a plain list: whatever is appended, released, skipped, reopened and torn, what is read
//! is what the list says.

use std::fs::{self, OpenOptions};

use correlator_spool::error::SpoolError;
use correlator_spool::reader::Reader;
use correlator_spool::spool::Spool;

use crate::support::{Folder, Frame, Random, SMALL, append, files, options, read, read_folder};

const LIVES: u64 = 60;
const STEPS: u64 = 150;
const BYTES_MAX: u64 = 12 * SMALL;

struct Life {
    folder: Folder,
    spool: Option<Spool>,
    /// Every frame that was appended and not torn off.
    frames: Vec<Frame>,
    /// A reader that follows, where it began, and what it has got.
    reader: Option<(Reader, u64, Vec<Frame>)>,
    random: Random,
}

impl Life {
    fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().unwrap()
    }

    fn next(&self) -> u64 {
        self.frames.last().map_or(0, Frame::next)
    }

    fn open(&mut self) {
        let (spool, recovery) =
            Spool::open(options(&self.folder, SMALL, BYTES_MAX)).expect("it opens");
        assert_eq!((recovery.damaged_places, recovery.missing.len()), (0, 0));
        assert_eq!(recovery.first, spool.first());
        // A segment may have been begun at a number that was then skipped.
        assert!(spool.next() >= self.next());
        self.reader = Some((spool.reader(spool.first()), spool.first(), Vec::new()));
        self.spool = Some(spool);
    }

    fn append(&mut self) {
        let count = 1 + self.random.below(5) as u32;
        let length = match self.random.below(12) {
            0 => 0,
            1 => SMALL + self.random.below(SMALL),
            2 | 3 => self.random.below(SMALL),
            _ => self.random.below(300),
        };
        match append(self.spool(), count, length as usize) {
            Ok(frame) => self.frames.push(frame),
            Err(error @ SpoolError::Full { .. }) => {
                assert!(error.is_full());
                let next = self.next();
                let before = next - self.random.below(next.min(20));
                self.spool().release(before);
            }
            Err(error) => panic!("{error}"),
        }
        let on_disk: u64 = ["spool", "spare"]
            .iter()
            .flat_map(|ending| files(&self.folder, ending))
            .map(|path| fs::metadata(path).unwrap().len())
            .sum();
        assert!(on_disk <= BYTES_MAX, "{on_disk} bytes");
    }

    /// What is there must be the end of the list, and everything that nobody released must be there.
    fn compare(&mut self) {
        let first = self.spool().first();
        let kept: Vec<_> =
            self.frames.iter().filter(|frame| frame.next() > first).cloned().collect();
        assert_eq!(read(&mut self.spool().reader(0)), kept);
        assert_eq!(read_folder(&self.folder, 0), kept);
        let from = first + self.random.below(self.next() - first.min(self.next()) + 3);
        let expected: Vec<_> = kept.iter().filter(|frame| frame.next() > from).cloned().collect();
        let mut reader = self.spool().reader(from);
        assert_eq!(read(&mut reader), expected, "from {from}");
        assert_eq!((reader.missed(), reader.damaged().places), (0, 0));
    }

    /// The reader that follows has got everything, but for what was released before it came there; that it has counted.
    fn follow(&mut self) {
        let (reader, start, got) = self.reader.as_mut().unwrap();
        got.extend(read(reader));
        assert!(got.windows(2).all(|pair| pair[0].next() <= pair[1].first));
        let all: u64 =
            self.frames.iter().filter(|f| f.first >= *start).map(|f| u64::from(f.count)).sum();
        let had: u64 = got.iter().map(|frame| u64::from(frame.count)).sum();
        let missed = reader.missed();
        assert_eq!(reader.damaged().places, 0);
        // Where released frames left gaps of their own, those can't be told from items.
        assert!(missed >= all - had, "{missed} missed, {had} of {all}");
        for frame in got.iter() {
            assert!(self.frames.contains(frame), "{} was never appended", frame.first);
        }
    }

    /// Closes it, may tear the last frame, and opens it again.
    fn reopen(&mut self) {
        self.follow();
        self.spool = None;
        let last = files(&self.folder, "spool").pop().unwrap();
        let length = fs::metadata(&last).unwrap().len();
        let torn = self.random.below(2) == 0 && length > 0;
        if torn && self.frames.last().is_some_and(|frame| starts_there(&last, frame)) {
            // A recycled file has its end somewhere inside: tear by writing over, as a crash in an append would.
            let torn = self.frames.pop().unwrap();
            tear(&last, &torn, &mut self.random);
        }
        self.open();
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0..30 => self.append(),
            30 => {
                let to = self.next() + self.random.below(10);
                self.spool().skip_to(to);
            }
            31 | 32 => {
                let before = self.random.below(self.next() + 1);
                self.spool().release(before);
            }
            33 => self.reopen(),
            34 | 35 => self.follow(),
            36 => {
                let synced = self.spool().sync().unwrap();
                assert_eq!(synced, self.next().max(synced));
            }
            _ => self.compare(),
        }
    }
}

/// Whether the file has this frame in it.
fn starts_there(path: &std::path::Path, frame: &Frame) -> bool {
    let bytes = fs::read(path).unwrap();
    place(&bytes, frame).is_some()
}

/// Where a frame's payload is; empty ones are nowhere.
fn place(bytes: &[u8], frame: &Frame) -> Option<usize> {
    let length = frame.payload.len();
    (length > 8).then(|| bytes.windows(length).position(|window| window == frame.payload)).flatten()
}

fn tear(path: &std::path::Path, frame: &Frame, random: &mut Random) {
    use std::os::unix::fs::FileExt;
    let bytes = fs::read(path).unwrap();
    let at = place(&bytes, frame).unwrap() as u64;
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let kept = random.below(frame.payload.len() as u64);
    if random.below(2) == 0 {
        file.set_len(at + kept).unwrap();
    } else {
        let lost = random.bytes(frame.payload.len() as u64 - kept);
        // The last byte differs for certain.
        let end = at + frame.payload.len() as u64 - 1;
        file.write_all_at(&lost, at + kept).unwrap();
        file.write_all_at(&[!bytes[end as usize]], end).unwrap();
    }
}

#[test]
fn random_lives_go_as_the_model_says() {
    for seed in 1..=LIVES {
        let mut life = Life {
            folder: Folder::new(),
            spool: None,
            frames: Vec::new(),
            reader: None,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        };
        life.open();
        for step in 0..STEPS {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| life.step()));
            assert!(caught.is_ok(), "seed {seed}, step {step}");
        }
        life.compare();
    }
}
