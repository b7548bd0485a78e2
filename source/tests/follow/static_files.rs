//! Files that are read once go on where an earlier run was.

use std::fmt::Write;
use std::fs;
use std::sync::atomic::AtomicBool;

use correlator_frame::record::Frame;
use correlator_source::file::{self, Input};
use correlator_source::settings::{Door, Source};

use crate::support::{Folder, source};

fn open(folder: &Folder) -> Input {
    let mut source: Source = source(&folder.path("app.log"));
    if let Door::Files { follow, .. } = &mut source.door {
        *follow = false;
    }
    file::open(&source).expect("an input").remove(0)
}

type Seen = Vec<(Vec<u8>, i64, u32, u64)>;

/// Reads one frame; says whether there was one.
fn read(input: &mut Input, seen: &mut Seen) -> bool {
    let mut frame = Frame::default();
    let more = input.read(&mut frame, &AtomicBool::new(false)).expect("readable");
    for record in frame.batch().records() {
        seen.push((record.raw().to_vec(), record.time(), record.source(), record.position()));
    }
    more
}

#[test]
fn the_same_records_with_and_without_an_interruption() {
    let folder = Folder::new("static");
    let mut log = String::new();
    for n in 0..40_000 {
        let _ = match n % 7 {
            3 => writeln!(log, "no time {n}"),
            5 => writeln!(log),
            6 if n % 700 == 6 => writeln!(log, "{}", "y".repeat(300_000)),
            _ => writeln!(log, "Dec 10 06:{:02}:46 host app[{n}]: line number {n}", n % 60),
        };
    }
    log += "the last one";
    folder.write("app.log", &log);
    let mut whole = Vec::new();
    let mut input = open(&folder);
    while read(&mut input, &mut whole) {}
    assert!(input.mark().file == open(&folder).mark().file, "a mark has one name");
    let (mut pieces, mut mark, mut runs) = (Vec::new(), None, 0);
    loop {
        let mut input = open(&folder);
        if let Some(mark) = &mark {
            assert!(input.resume(mark).expect("readable"), "it is the same file");
        }
        let more = read(&mut input, &mut pieces);
        mark = Some(input.mark());
        runs += 1;
        if !more {
            break;
        }
    }
    assert!(runs > 10, "{runs}");
    assert_eq!(whole.len(), pieces.len());
    assert!(whole == pieces);
    for (raw, .., position) in &whole {
        let position = usize::try_from(*position).expect("small");
        assert_eq!(&log.as_bytes()[position..][..raw.len()], raw);
    }
}

#[test]
fn another_file_is_read_from_its_start() {
    let folder = Folder::new("another");
    folder.write("app.log", "one\ntwo\n");
    let mut input = open(&folder);
    while read(&mut input, &mut Vec::new()) {}
    let mark = input.mark();
    let check = |text: &str, expected: bool, count: usize| {
        fs::remove_file(folder.path("app.log")).expect("removed");
        folder.write("app.log", text);
        let mut input = open(&folder);
        assert_eq!(input.resume(&mark).expect("readable"), expected, "{text}");
        let mut seen = Vec::new();
        while read(&mut input, &mut seen) {}
        assert_eq!(seen.len(), count, "{text}");
    };
    check("one\ntwo\n", true, 0);
    check("one\ntwo\nthree\n", true, 1);
    check("one\n", false, 1);
    check("one\nTwo\nthree\n", false, 3);
    check("", false, 0);
}
