//! A writer, readers in its process and out of it, a syncer and releases, all at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use correlator_spool::reader::Reader;
use correlator_spool::spool::Spool;

use crate::support::{Folder, Frame, Random, options, payload};

const FRAMES: u64 = 20_000;
const SEGMENT_BYTES: u64 = 128 << 10;

fn length(number: u64) -> usize {
    match number % 50 {
        0 => 40_000,
        1..5 => 3_000,
        other => other as usize * 7,
    }
}

/// Says that it is over, even if whoever should say so fails: otherwise the others would wait for ever.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Reads until the end, checks every byte, and returns how many items it got.
fn follow(reader: &mut Reader, done: &AtomicBool, position: &AtomicU64) -> u64 {
    let (mut bytes, mut got, mut next) = (Vec::new(), 0, 0);
    while next < FRAMES {
        let over = done.load(Ordering::Acquire);
        match reader.next(&mut bytes).unwrap() {
            Some(header) => {
                assert!(header.first >= next, "{} after {next}", header.first);
                assert_eq!(bytes, payload(header.first, length(header.first)));
                (next, got) = (header.next(), got + u64::from(header.count));
                position.store(next, Ordering::Release);
            }
            None if over => break,
            None => thread::yield_now(),
        }
    }
    got
}

#[test]
fn readers_keep_up_with_a_writer_and_miss_nothing_that_was_not_released() {
    let folder = Folder::new();
    let (mut spool, _) = Spool::open(options(&folder, SEGMENT_BYTES, 64 << 20)).unwrap();
    let done = &AtomicBool::new(false);
    let positions = [const { AtomicU64::new(0) }; 3];
    let (readers, syncer) = (spool.readers(), spool.syncer());
    let path = &folder;
    thread::scope(|scope| {
        let mut following = Vec::new();
        for position in &positions {
            let mut reader = readers.from(0);
            following.push(scope.spawn(move || {
                let got = follow(&mut reader, done, position);
                assert_eq!((reader.missed(), reader.damaged().places), (0, 0));
                got
            }));
        }
        // One looks at the folder as another process would; nobody waits for it, so it may miss some, and knows it.
        let outside = scope.spawn(move || {
            let mut reader = Reader::open(path, 0).unwrap();
            let got = follow(&mut reader, done, &AtomicU64::new(0));
            assert_eq!(reader.damaged().places, 0);
            (got, reader.missed(), reader.position())
        });
        let syncing = scope.spawn(move || {
            let mut safe = 0;
            while !done.load(Ordering::Acquire) {
                let next = syncer.sync().unwrap();
                assert!(next >= safe);
                safe = next;
            }
            syncer.sync().unwrap()
        });
        let over = Over(done);
        for number in 0..FRAMES {
            let bytes = payload(number, length(number));
            assert_eq!(spool.append(1, 1, &[&bytes]).unwrap(), number);
            let slowest = positions.iter().map(|place| place.load(Ordering::Acquire)).min();
            spool.release(slowest.unwrap());
        }
        drop(over);
        for reader in following {
            assert_eq!(reader.join().unwrap(), FRAMES);
        }
        assert_eq!(syncing.join().unwrap(), FRAMES);
        let (got, missed, position) = outside.join().unwrap();
        assert_eq!((got + missed, position), (FRAMES, FRAMES));
    });
}

/// Nobody waits for these readers: segments go and are written over while they read them.
#[test]
fn readers_that_are_run_over_return_only_true_frames_and_count_the_rest() {
    let folder = Folder::new();
    let (mut spool, _) = Spool::open(options(&folder, SEGMENT_BYTES, 64 << 20)).unwrap();
    let done = &AtomicBool::new(false);
    let readers = spool.readers();
    let path = &folder;
    thread::scope(|scope| {
        let inside = scope.spawn(move || {
            let mut reader = readers.from(0);
            let got = follow(&mut reader, done, &AtomicU64::new(0));
            (got, reader.missed(), reader.damaged().places)
        });
        let outside = scope.spawn(move || {
            let mut reader = Reader::open(path, 0).unwrap();
            let got = follow(&mut reader, done, &AtomicU64::new(0));
            (got, reader.missed(), reader.damaged().places)
        });
        let over = Over(done);
        for number in 0..FRAMES {
            let bytes = payload(number, length(number));
            spool.append(1, 1, &[&bytes]).unwrap();
            spool.release(number);
        }
        drop(over);
        for reader in [inside, outside] {
            let (got, missed, damaged) = reader.join().unwrap();
            assert_eq!((got + missed, damaged), (FRAMES, 0));
        }
    });
}

/// A process that is killed leaves what it had appended, and at most one frame that it was appending.
#[test]
fn copies_of_a_folder_that_is_being_written_open_cleanly() {
    let folder = Folder::new();
    let (mut spool, _) = Spool::open(options(&folder, 16 << 10, 16 << 20)).unwrap();
    let mut random = Random(77);
    let done = &AtomicBool::new(false);
    let appended = &AtomicU64::new(0);
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            while !done.load(Ordering::Acquire) {
                let number = spool.next();
                let bytes = payload(number, 100 + (number % 9_000) as usize);
                spool.append(2, 1, &[&bytes]).unwrap();
                appended.store(number + 1, Ordering::Release);
                spool.release(number.saturating_sub(random.below(20)));
            }
        });
        let over = Over(done);
        for _ in 0..40 {
            let least = appended.load(Ordering::Acquire);
            let mut reader = Reader::open(&folder, least).unwrap();
            let mut bytes = Vec::new();
            let mut frames = Vec::new();
            while frames.len() < 20 {
                let Some(header) = reader.next(&mut bytes).unwrap() else {
                    thread::yield_now();
                    continue;
                };
                assert_eq!(bytes, payload(header.first, 100 + (header.first % 9_000) as usize));
                let (kind, first, count) = (header.kind, header.first, header.count);
                frames.push(Frame { kind, first, count, payload: bytes.clone() });
            }
            assert!(frames[0].first >= least);
            assert_eq!(reader.damaged().places, 0);
        }
        drop(over);
        writer.join().unwrap();
    });
}
