//! What a spool has lost, as who reads it counts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use correlator_source::intake::Mark;
use correlator_spool::spool::{Options, Spool};
use jiff::tz::TimeZone;

use super::{Batch, Bounds, Feed, Look, Next, Place, View};
use crate::limit;
use crate::pipeline::SpoolReport;
use crate::pipeline::stream::Stream;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::marks::SourceMarks;
use crate::pipeline::stream::piece::{RecordKind, RecordPiece};
use crate::pipeline::stream::timers::Timers;

/// Wants every piece, each of which is one item.
#[derive(Default)]
struct Everything {
    taken: bool,
}

#[derive(Default)]
struct Items(Vec<u64>);

impl Batch for Items {
    const OF_ONE_PIECE: bool = false;

    fn items(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self) -> usize {
        0
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl View for Everything {
    type Piece = RecordPiece;
    type Batch = Items;

    fn enter(&mut self, _: usize) {}

    fn open(&mut self, _: &RecordPiece, _: u64) {
        self.taken = false;
    }

    fn look(&mut self, piece: &RecordPiece) -> Look {
        if self.taken { Look::Nothing } else { Look::Item(piece.first, 1) }
    }

    fn take(&mut self, piece: &RecordPiece, batch: &mut Items) {
        batch.0.push(piece.first);
        self.taken = true;
    }

    fn pass(&mut self) {
        self.taken = true;
    }
}

fn stream(folder: &Path, skip_to: u64) -> Arc<Stream<RecordPiece>> {
    let options = Options { folder: folder.to_owned(), segment_bytes: 4_096, bytes_max: 1 << 20 };
    let (mut spool, _) = Spool::open(options).expect("a spool");
    spool.skip_to(skip_to);
    Arc::new(Stream::new(Some(spool), SourceMarks::default(), false))
}

/// Publishes pieces of which three fill a segment.
fn publish(stream: &Stream<RecordPiece>, pieces: usize) {
    for _ in 0..pieces {
        let marks = vec![Mark { file: 1, body: vec![7; 1_200] }];
        let kind = RecordKind::Time;
        let make = |first| RecordPiece { first, kind, marks, ..RecordPiece::default() };
        stream.publish(make, &AtomicBool::new(false)).expect("there is room");
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry").path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "spool")).collect();
    paths.sort();
    paths
}

fn read(feed: &mut Feed<Everything>) -> Vec<u64> {
    let until = Cursor { item: u64::MAX, ticks: 0 };
    let bounds = Bounds { items: 100, bytes: usize::MAX, until };
    let (mut batch, mut items) = (Items::default(), Vec::new());
    while feed.next(&mut batch, bounds) == Next::Batch {
        items.append(&mut batch.0);
    }
    items
}

#[test]
fn it_is_counted_to_the_item_and_once() {
    let folder = std::env::temp_dir().join(format!("correlator-feed-{}", std::process::id()));
    publish(&stream(&folder, 0), 12);
    let paths = segments(&folder);
    assert_eq!(paths.len(), 4);
    // The second segment is gone, and the middle of the third is damaged.
    fs::remove_file(&paths[1]).expect("a segment");
    let mut bytes = fs::read(&paths[2]).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&paths[2], bytes).expect("a segment");
    let stream = stream(&folder, 20 + limit::NUMBERS_LEFT_OUT);
    let timers = Timers::new(&[], &TimeZone::UTC);
    let mut feed =
        Feed::new(Arc::clone(&stream), Everything::default(), timers, Place::default(), 0);
    let expected = [0, 1, 2, 6, 8, 9, 10, 11];
    // Numbers that are not given out again are those of lost ones, but for those that are left out on purpose.
    assert_eq!(feed.lag(), 20);
    assert_eq!((read(&mut feed), feed.missed), (expected.to_vec(), 4 + 8));
    assert_eq!(stream.losses(), SpoolReport { damaged: 1, missing: 0 });
    publish(&stream, 1);
    assert_eq!((read(&mut feed), feed.missed), (vec![20 + limit::NUMBERS_LEFT_OUT], 12));
    feed.seek(Place::default());
    assert_eq!((read(&mut feed).len(), feed.missed), (9, 12), "the same is not lost again");
    fs::remove_dir_all(folder).expect("clean up");
}
