//! What appending and reading a frame costs, beside what copying, checksumming, writing and reading alone cost.
//!
//! All in one run on one machine, so that the ratios mean something where the figures don't. What counts is the least of
//! several rounds: everything that disturbs a measurement makes it longer. The first lap, in which a spool makes fresh
//! pages, stands apart from the laps after, in which it overwrites segments that everybody is done with.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use correlator_spool::reader::Reader;
use correlator_spool::spool::{Options, Spool};

const FRAME_BYTES: u32 = 256 << 10;
const SMALL_BYTES: u32 = 150;
const SEGMENT_BYTES: u64 = 64 << 20;
/// Bytes of a round.
const ROUND_BYTES: u32 = 512 << 20;
const ROUNDS: usize = 5;

/// What a round came to.
#[derive(Clone, Copy)]
struct Cost {
    /// Nanoseconds for a frame.
    frame_ns: f64,
    /// Bytes of a frame.
    bytes: u32,
}

fn main() {
    let folder =
        std::env::temp_dir().join(format!("correlator-spool-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder to write to");
    let payload: Vec<u8> = (0..FRAME_BYTES).map(|at| ((at * 7919) >> 5) as u8).collect();
    large(&folder, &payload);
    small(&folder, &payload[..SMALL_BYTES as usize]);
    fs::remove_dir_all(&folder).expect("what was made can be removed");
}

/// Frames as batches make them.
fn large(folder: &Path, payload: &[u8]) {
    let frames = ROUND_BYTES / FRAME_BYTES;
    let mut target = payload.to_vec();
    let copy = best(FRAME_BYTES, frames, || target.copy_from_slice(black_box(payload)));
    let sum = best(FRAME_BYTES, frames, || {
        black_box(crc32fast::hash(black_box(payload)));
    });
    let (fresh_write, write, read) = plain(folder, payload);
    report("copy", copy, None);
    report("checksum", sum, None);
    report("write, fresh pages", fresh_write, None);
    report("write, in place", write, None);
    report("read", read, None);

    let fresh = fresh_append(folder, payload);
    report("append, first lap", fresh, Some(("write, fresh pages", fresh_write)));
    let mut spool = open(&folder.join("recycled"));
    let append = best(FRAME_BYTES, frames, || {
        let first = spool.append(1, 1024, &[&payload[..64 << 10], &payload[64 << 10..]]);
        spool.release(first.expect("there is room"));
    });
    report("append, recycled", append, Some(("write, in place", write)));
    let both = Cost { frame_ns: write.frame_ns + sum.frame_ns, ..write };
    report("append, recycled", append, Some(("write and checksum", both)));

    let synced = append_while_syncing(&mut spool, payload);
    report("append, while syncing", synced, Some(("append, recycled", append)));

    let mut spool = open(&folder.join("kept"));
    for _ in 0..frames {
        spool.append(1, 1024, &[payload]).expect("there is room");
    }
    let live = best_reading(FRAME_BYTES, frames, || spool.reader(0));
    report("read frames", live, Some(("read", read)));
    let both = Cost { frame_ns: read.frame_ns + sum.frame_ns, ..read };
    report("read frames", live, Some(("read and checksum", both)));
    let path = folder.join("kept");
    let outside =
        best_reading(FRAME_BYTES, frames, || Reader::open(&path, 0).expect("it can be read"));
    report("read frames, offline", outside, Some(("read", read)));
}

/// Frames of one record, as with `each` and a sender that waits for every answer.
fn small(folder: &Path, payload: &[u8]) {
    let frames = 1_000_000;
    let mut spool = open(&folder.join("small"));
    let append = best(SMALL_BYTES, frames, || {
        let first = spool.append(1, 1, &[payload]).expect("there is room");
        spool.release(first.saturating_sub(2_000_000));
    });
    report("append, small", append, None);
    let from = spool.next() - 1_000_000;
    let read = best_reading(SMALL_BYTES, frames, || spool.reader(from));
    report("read frames, small", read, None);
}

fn open(folder: &Path) -> Spool {
    let options = Options {
        folder: folder.to_owned(),
        segment_bytes: SEGMENT_BYTES,
        bytes_max: 2 * u64::from(ROUND_BYTES),
    };
    Spool::open(options).expect("a spool can be made").0
}

/// Writing and reading as little as can be done: fresh pages, pages in place, reading.
fn plain(folder: &Path, payload: &[u8]) -> (Cost, Cost, Cost) {
    let frames = 2 * SEGMENT_BYTES as u32 / FRAME_BYTES;
    let path = folder.join("plain");
    let make = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        options.open(&path).expect("a file can be made")
    };
    let write = |file: &File, at: u32| {
        file.write_all_at(black_box(payload), u64::from(at % frames * FRAME_BYTES))
            .expect("it can be written");
    };
    let mut fresh = f64::INFINITY;
    for _ in 0..ROUNDS {
        let file = make();
        fresh = fresh.min(nanoseconds(|| (0..frames).for_each(|at| write(&file, at))));
    }
    let fresh = Cost { frame_ns: fresh / f64::from(frames), bytes: FRAME_BYTES };
    let file = make();
    (0..frames).for_each(|at| write(&file, at));
    let mut at = 0;
    let in_place = best(FRAME_BYTES, ROUND_BYTES / FRAME_BYTES, || {
        write(&file, at);
        at += 1;
    });
    let mut target = payload.to_vec();
    let read = best(FRAME_BYTES, ROUND_BYTES / FRAME_BYTES, || {
        file.read_exact_at(&mut target, u64::from(at % frames * FRAME_BYTES)).expect("it is there");
        black_box(&target);
        at += 1;
    });
    (fresh, in_place, read)
}

/// Another thread writes through all the time.
fn append_while_syncing(spool: &mut Spool, payload: &[u8]) -> Cost {
    let syncer = spool.syncer();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                syncer.sync().expect("it can be written through");
            }
        });
        let cost = best(FRAME_BYTES, ROUND_BYTES / FRAME_BYTES, || {
            let first = spool.append(1, 1024, &[payload]);
            spool.release(first.expect("there is room"));
        });
        done.store(true, Ordering::Release);
        cost
    })
}

/// A new spool each round.
fn fresh_append(folder: &Path, payload: &[u8]) -> Cost {
    let frames = ROUND_BYTES / FRAME_BYTES;
    let mut fresh = f64::INFINITY;
    for round in 0..ROUNDS {
        let path = folder.join(format!("fresh-{round}"));
        let mut spool = open(&path);
        fresh = fresh.min(nanoseconds(|| {
            for _ in 0..frames {
                spool.append(1, 1024, &[payload]).expect("there is room");
            }
        }));
        fs::remove_dir_all(path).expect("what was made can be removed");
    }
    Cost { frame_ns: fresh / f64::from(frames), bytes: FRAME_BYTES }
}

/// The best round of reading so many frames.
fn best_reading(bytes: u32, frames: u32, begin: impl Fn() -> Reader) -> Cost {
    let mut least = f64::INFINITY;
    let mut payload = Vec::new();
    for _ in 0..ROUNDS {
        let mut reader = begin();
        least = least.min(nanoseconds(|| {
            for _ in 0..frames {
                assert!(reader.next(&mut payload).expect("it can be read").is_some());
                black_box(&payload);
            }
        }));
    }
    Cost { frame_ns: least / f64::from(frames), bytes }
}

/// The best round of doing something with so many frames.
fn best(bytes: u32, frames: u32, mut once: impl FnMut()) -> Cost {
    let rounds = (0..ROUNDS).map(|_| nanoseconds(|| (0..frames).for_each(|_| once())));
    Cost { frame_ns: rounds.fold(f64::INFINITY, f64::min) / f64::from(frames), bytes }
}

fn nanoseconds(work: impl FnOnce()) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "what is measured here is time itself")]
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9
}

#[expect(clippy::print_stdout, reason = "a bench is there to print")]
fn report(name: &str, cost: Cost, beside: Option<(&str, Cost)>) {
    let Cost { frame_ns, bytes } = cost;
    let rate = f64::from(bytes) / frame_ns;
    let beside = beside.map_or(String::new(), |(other, plain)| {
        format!("  {:.2} times `{other}`", frame_ns / plain.frame_ns)
    });
    println!("{name:22} {bytes:7} bytes {frame_ns:9.0} ns a frame {rate:6.2} GB/s{beside}");
}
