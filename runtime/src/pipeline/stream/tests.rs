//! Streams whose spool is full: who waits for room, who may give up, and who loses a place.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use correlator_source::intake::Mark;
use correlator_spool::spool::{Options, Spool};

use super::{Refused, Stream, lock};
use crate::limit;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::Place;
use crate::pipeline::stream::marks::SourceMarks;
use crate::pipeline::stream::piece::{RecordKind, RecordPiece};

/// So much the spool may take, and so much each piece takes of it.
const BYTES_MAX: u64 = 64 << 10;
const PIECE_BYTES: usize = 4_000;

/// A stream on a spool of its own, gone at the test's end.
struct Kept {
    stream: Arc<Stream<RecordPiece>>,
    folder: PathBuf,
}

impl Kept {
    fn new(name: &str, drops: bool) -> Self {
        let name = format!("correlator-stream-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let (segment_bytes, bytes_max) = (BYTES_MAX / 4, BYTES_MAX);
        let options = Options { folder: folder.clone(), segment_bytes, bytes_max };
        let (spool, _) = Spool::open(options).expect("a spool");
        let stream = Arc::new(Stream::new(Some(spool), SourceMarks::default(), drops));
        Self { stream, folder }
    }

    /// Publishes until there is no room; tells how many pieces there are then.
    fn fill(&self) -> u64 {
        let stop = AtomicBool::new(true);
        while self.stream.publish(piece, &stop).is_ok() {}
        self.stream.next()
    }

    /// What is kept for a consumer that has come to there.
    fn comes_to(&self, slot: usize, item: u64) {
        self.stream.advance(slot, item, None);
        let place = Place { cursor: Cursor::before(item), now: None };
        self.stream.keep_for(slot, place, place);
    }

    fn first(&self) -> u64 {
        self.stream.on_disk().expect("a disk").0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn piece(first: u64) -> RecordPiece {
    let marks = vec![Mark { file: 1, body: vec![7; PIECE_BYTES] }];
    RecordPiece { first, kind: RecordKind::Time, marks, ..RecordPiece::default() }
}

fn until(holds: impl Fn() -> bool) {
    while !holds() {
        thread::park_timeout(limit::JOIN_STEP);
    }
}

#[test]
fn who_waits_for_room_keeps_nobody_from_giving_up() {
    let kept = Kept::new("waits", true);
    let stream = &kept.stream;
    stream.enter(0, 1);
    let filled = kept.fill();
    let (first, second) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let waits = scope.spawn(|| stream.publish(piece, &first));
        until(|| lock(&stream.writer).waits);
        // One that may be dropped is, and is counted; one that needs no waiting is told so.
        let dropped = stream.publish_or_drop(3, piece, &second);
        assert!(matches!(dropped, Err(Refused::Dropped)));
        assert_eq!(stream.dropped.load(Ordering::Relaxed), 3);
        assert!(stream.try_publish(piece).is_err());
        let other = scope.spawn(|| stream.publish(piece, &second));
        second.store(true, Ordering::Relaxed);
        assert!(matches!(other.join(), Ok(Err(Refused::Ended))));
        assert!(!waits.is_finished(), "the first waits on");
        first.store(true, Ordering::Relaxed);
        assert!(matches!(waits.join(), Ok(Err(Refused::Ended))));
    });
    assert_eq!(stream.next(), filled, "nothing has a place that was not taken");
}

#[test]
fn who_waits_for_room_is_let_in_before_others() {
    let kept = Kept::new("order", false);
    let stream = &kept.stream;
    let (slot, _) = stream.enter(0, 1);
    let filled = kept.fill();
    let never = AtomicBool::new(false);
    thread::scope(|scope| {
        let first = scope.spawn(|| stream.publish(piece, &never));
        until(|| lock(&stream.writer).waits);
        let second = scope.spawn(|| stream.publish(piece, &never));
        kept.comes_to(slot, filled);
        assert!(matches!(first.join(), Ok(Ok(next)) if next == filled + 1));
        assert!(matches!(second.join(), Ok(Ok(next)) if next == filled + 2));
    });
}

#[test]
fn what_is_left_to_do_at_the_end_stays_for_the_next_run() {
    let kept = Kept::new("end", false);
    let stream = &kept.stream;
    let ((slow, _), (quick, _)) = (stream.enter(0, 1), stream.enter(0, 1));
    let filled = kept.fill();
    kept.comes_to(quick, filled);
    stream.end();
    stream.leave(quick);
    stream.leave(slow);
    stream.release();
    assert_eq!((kept.first(), stream.needed()), (0, 0));
}

#[test]
fn who_does_not_work_gives_way_only_to_what_has_no_room() {
    let kept = Kept::new("gives-way", false);
    let stream = &kept.stream;
    let held = stream.hold_for(0);
    let (slot, _) = stream.enter(0, 1);
    let filled = kept.fill();
    kept.comes_to(slot, filled);
    assert!(stream.is_pressed());
    assert_eq!((kept.first(), stream.needed()), (0, 0), "there was room until now");
    // The oldest goes, and the rest stays as long as it can.
    assert!(stream.publish(piece, &AtomicBool::new(true)).is_ok());
    let first = kept.first();
    assert!(first > 0 && first < filled / 2, "{first} of {filled}");
    // Where one who works needs it, nothing goes.
    let (busy, _) = stream.enter(first, 1);
    assert!(kept.fill() < filled + first + 1);
    assert_eq!(kept.first(), first);
    stream.leave(busy);
    stream.leave(held);
    kept.comes_to(slot, stream.next());
    assert!(kept.first() > first);
}
