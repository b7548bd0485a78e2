//! Rotation while somebody looks.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use correlator_source::follow::Follow;

use crate::support::{Folder, Taken, Taker, follow, lines, run, source};

const ROTATIONS: u32 = 1000;
const LINES: u32 = 40;

fn open(folder: &Folder) -> File {
    OpenOptions::new().append(true).create(true).open(folder.path("app.log")).expect("a log")
}

/// Writes the first line and waits until it was read: what was rotated before that is not.
fn first_line(folder: &Folder, taker: &Taker) {
    folder.append("app.log", &lines(0..1));
    taker.wait_for(1);
}

/// Writes lines one by one and renames the log now and then; goes on writing to the old one for a while, if `late`.
fn write_and_rename(folder: &Folder, late: u32, name: impl Fn(u32) -> String) {
    let mut log = open(folder);
    for round in 0..ROTATIONS {
        let first = round * LINES;
        for n in first.max(1)..first + LINES - late {
            log.write_all(lines(n..n + 1).as_bytes()).expect("written");
        }
        folder.rename("app.log", &name(round));
        let next = open(folder);
        for n in first + LINES - late..first + LINES {
            log.write_all(lines(n..n + 1).as_bytes()).expect("written");
        }
        log = next;
    }
}

#[test]
fn renamed_at_full_speed() {
    let check = |late: u32, name: fn(u32) -> String| {
        let folder = Folder::new("renamed");
        let path = folder.path("app.log");
        let opened = Follow::open(0, &source(&path), &[], &[]).expect("followed");
        let taken = run(opened, Taker::default(), |taker| {
            first_line(&folder, taker);
            write_and_rename(&folder, late, name);
            taker.wait_for((ROTATIONS * LINES) as usize);
        });
        taken.check_all(ROTATIONS * LINES);
    };
    check(0, |round| format!("app.log.{round}"));
    check(10, |round| format!("app.log.{round}"));
    check(0, |round| format!("put-away-{round}"));
}

/// Every log is there for longer than the file system's clock ticks, as otherwise nothing tells which was first.
#[test]
fn renamed_where_nothing_is_notified() {
    let folder = Folder::new("polled");
    let path = folder.path("app.log");
    let opened = Follow::open(0, &source(&path), &[], &[]).expect("followed").polled();
    let taken = run(opened, Taker::default(), |taker| {
        first_line(&folder, taker);
        let mut log = open(&folder);
        for round in 0..100 {
            for n in (round * LINES).max(1)..(round + 1) * LINES {
                log.write_all(lines(n..n + 1).as_bytes()).expect("written");
            }
            folder.tick();
            folder.rename("app.log", &format!("app.log.{round}"));
            log = open(&folder);
        }
        taker.wait_for(100 * LINES as usize);
    });
    taken.check_all(100 * LINES);
}

/// Numbered logs move up and the oldest goes away, as logrotate does it: what is left must hold all that is unread.
#[test]
fn numbered_logs_move_up() {
    let folder = Folder::new("numbered");
    let rounds = 200;
    let taken = follow(&folder.path("app.log*"), Taken::default(), |taker| {
        first_line(&folder, taker);
        for round in 0..rounds {
            for n in (round * LINES).max(1)..(round + 1) * LINES {
                folder.append("app.log", &lines(n..n + 1));
            }
            if round % 4 == 3 {
                // The oldest may go only when it was read: nobody could read it any more.
                taker.wait_for(((round - 2) * LINES) as usize);
            }
            for old in (1..8).rev() {
                let _ = fs::rename(
                    folder.path(&format!("app.log.{old}")),
                    folder.path(&format!("app.log.{}", old + 1)),
                );
            }
            folder.rename("app.log", "app.log.1");
        }
        taker.wait_for((rounds * LINES) as usize);
    });
    taken.check_all(rounds * LINES);
}

/// The writer pauses while the log is copied and emptied, but not for whoever reads.
#[test]
fn copied_and_emptied() {
    let folder = Folder::new("copied");
    let taken = follow(&folder.path("app.log"), Taken::default(), |taker| {
        first_line(&folder, taker);
        let mut log = open(&folder);
        for round in 0..ROTATIONS {
            for n in (round * LINES).max(1)..(round + 1) * LINES {
                log.write_all(lines(n..n + 1).as_bytes()).expect("written");
            }
            // Copies are put in order by their times.
            folder.tick();
            let copy = folder.path(&format!("app.log.{round}"));
            fs::copy(folder.path("app.log"), copy).expect("copied");
            log.set_len(0).expect("emptied");
        }
        taker.wait_for((ROTATIONS * LINES) as usize);
    });
    taken.check_all(ROTATIONS * LINES);
}

/// As `cp app.log app.log.1; : > app.log` does it again and again: each copy is written over the one before.
#[test]
fn copied_to_the_same_place_and_emptied() {
    let folder = Folder::new("overwritten");
    let rounds = 200;
    let taken = follow(&folder.path("app.log"), Taken::default(), |taker| {
        first_line(&folder, taker);
        let mut log = open(&folder);
        for round in 0..rounds {
            for n in (round * LINES).max(1)..(round + 1) * LINES {
                log.write_all(lines(n..n + 1).as_bytes()).expect("written");
                // Some of it is read before the copy is made, but not always as much.
                if n % LINES == (round % LINES).max(1) {
                    taker.wait_for((round * LINES + 1) as usize);
                }
            }
            folder.tick();
            fs::copy(folder.path("app.log"), folder.path("app.log.1")).expect("copied");
            log.set_len(0).expect("emptied");
            // What is only in the copy has to be read before the next is written over it.
            taker.wait_for(((round + 1) * LINES) as usize);
        }
    });
    taken.check_all(rounds * LINES);
}

#[test]
fn copies_that_match_the_pattern_are_not_read_twice() {
    let folder = Folder::new("copies");
    let taken = follow(&folder.path("app.log*"), Taken::default(), |taker| {
        let mut first = 0;
        for round in 0..30 {
            folder.append("app.log", &lines(first..first + LINES));
            first += LINES;
            if round % 2 == 0 {
                taker.wait_for(first as usize);
            }
            let name = format!("app.log.{round}");
            let mut copy = File::create(folder.path(&name)).expect("a copy");
            for piece in fs::read(folder.path("app.log")).expect("a log").chunks(500) {
                copy.write_all(piece).expect("copied");
            }
            File::options()
                .write(true)
                .open(folder.path("app.log"))
                .and_then(|file| file.set_len(0))
                .expect("emptied");
            taker.wait_for(first as usize);
        }
        folder.append("app.log", &lines(first..first + 1));
        taker.wait_for(first as usize + 1);
    });
    let mut numbers = taken.numbers();
    numbers.sort_unstable();
    let wrong = numbers.iter().zip(0..).find(|(number, expected)| *number != expected);
    assert_eq!((wrong, numbers.len()), (None, 30 * LINES as usize + 1));
}

#[test]
fn emptied_and_filled_with_more_than_before() {
    let folder = Folder::new("filled");
    folder.write("app.log", &lines(0..10));
    let taken = follow(&folder.path("app.log"), Taken::default(), |taker| {
        taker.wait_for(10);
        folder.write("app.log", &lines(10..110));
        taker.wait_for(110);
        folder.write("app.log", &lines(110..111));
        taker.wait_for(111);
    });
    taken.check_all(111);
}

#[test]
fn deleted_and_made_anew() {
    let folder = Folder::new("deleted");
    let taken = follow(&folder.path("app.log"), Taken::default(), |taker| {
        for round in 0..5 {
            // The very same bytes, but another file.
            folder.write("app.log", &lines(0..7));
            taker.wait_for(7 * (round + 1));
            fs::remove_file(folder.path("app.log")).expect("removed");
        }
    });
    assert_eq!(taken.numbers(), (0..35).map(|n| n % 7).collect::<Vec<_>>());
    let mut places = taken.places.clone();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 35, "each file has its own places");
}

#[test]
fn the_last_line_of_a_file_that_goes() {
    let folder = Folder::new("last");
    folder.write("app.log", "one\ntwo");
    let taken = follow(&folder.path("app.log"), Taken::default(), |taker| {
        taker.wait_for(1);
        folder.append("app.log", " and a half\nthree");
        taker.wait_for(2);
        folder.rename("app.log", "app.log.1");
        folder.write("app.log", "four\nfive");
        taker.wait_for(4);
        fs::remove_file(folder.path("app.log")).expect("removed");
        taker.wait_for(5);
    });
    assert_eq!(taken.records, ["one", "two and a half", "three", "four", "five"]);
}

/// Every line came once, in whatever order: nobody knows which of two followed names was there first.
#[track_caller]
fn check_once(taken: &Taken, count: u32) {
    let mut numbers = taken.numbers();
    numbers.sort_unstable();
    assert!(numbers == (0..count).collect::<Vec<_>>(), "{} of {count}", numbers.len());
}

/// Where rotated names are followed too, a file is read once, however often it was rotated between two looks.
#[test]
fn rotated_often_between_two_looks_under_a_pattern() {
    let check = |copies: bool| {
        let folder = Folder::new("often");
        folder.write("a.log", &lines(0..10));
        let taken = follow(&folder.path("a.log*"), Taken::default(), |taker| {
            taker.wait_for(10);
            taker.pause(|| {
                for n in 1..31 {
                    folder.append("a.log", &lines(10 * n..10 * n + 10));
                    folder.tick();
                    if copies {
                        let to = folder.path(&format!("a.log.{n}"));
                        fs::copy(folder.path("a.log"), to).expect("copied");
                        folder.write("a.log", "");
                    } else {
                        folder.rename("a.log", &format!("a.log.{n}"));
                    }
                }
                folder.append("a.log", &lines(310..320));
            });
            taker.wait_for(320);
            // What would be read twice is seen to be there by now.
            folder.append("a.log", &lines(320..321));
            taker.wait_for(321);
            folder.rename("a.log", "a.log.31");
            folder.append("a.log", &lines(321..322));
            taker.wait_for(322);
        });
        check_once(&taken, 322);
    };
    check(false);
    check(true);
}

/// Rotated files whose names are followed too may be more than are open at once, and keep no other from being read.
#[test]
fn more_rotated_files_of_a_pattern_than_are_open() {
    let folder = Folder::new("many");
    let path = folder.path("a.log*");
    folder.write("a.log", &lines(0..10));
    let taken = follow(&path, Taken::default(), |taker| {
        taker.wait_for(10);
        for n in 1..601 {
            folder.append("a.log", &lines(10 * n..10 * n + 10));
            folder.rename("a.log", &format!("a.log.{n}"));
        }
        folder.append("a.log", &lines(6010..6020));
        taker.wait_for(6020);
        // One that was read long ago grows, one is gone, one moves on.
        folder.append("a.log.1", &lines(6020..6030));
        fs::remove_file(folder.path("a.log.2")).expect("removed");
        folder.rename("a.log.3", "a.log.2");
        taker.wait_for(6030);
        folder.append("a.log.2", &lines(6030..6040));
        taker.wait_for(6040);
    });
    check_once(&taken, 6040);
    folder.append("a.log.4", &lines(6040..6050));
    let taken = follow(&path, taken, |taker| {
        taker.wait_for(6050);
        folder.append("a.log.5", &lines(6050..6060));
        taker.wait_for(6060);
        folder.append("a.log", &lines(6060..6070));
        taker.wait_for(6070);
    });
    check_once(&taken, 6070);
    assert!(taken.marks.len() <= 602, "{}", taken.marks.len());
}

/// A file that nobody waited for any longer goes on where it was when it comes under a followed name.
#[test]
fn a_file_that_was_done_with_comes_back() {
    let folder = Folder::new("back");
    folder.write("a.log", &lines(0..10));
    let taken = follow(&folder.path("*.log"), Taken::default(), |taker| {
        taker.wait_for(10);
        // Too many without a name, so the oldest are let go of.
        for n in 1..20 {
            folder.rename("a.log", &format!("old.{n}"));
            folder.append("a.log", &lines(10 * n..10 * n + 10));
            taker.wait_for(10 * n as usize + 10);
        }
        folder.append("old.1", &lines(200..210));
        folder.rename("old.1", "b.log");
        taker.wait_for(210);
    });
    taken.check_all(210);
}
