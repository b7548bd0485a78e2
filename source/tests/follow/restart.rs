//! Rotation while nobody looks, and runs that end anywhere.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use correlator_source::clock;
use correlator_source::follow::Follow;
use correlator_source::settings::{Door, Source, SourcePath};

use crate::support::{Folder, Taken, Taker, follow, lines, run, source};

#[test]
fn crashes_while_the_log_is_written_and_rotated() {
    let seed = clock::now().cast_unsigned();
    println!("seed {seed}");
    let mut random = seed | 1;
    let mut below = |bound: u32| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % u64::from(bound)) as u32
    };
    let folder = Folder::new("crash");
    let path = folder.path("app.log");
    let (count, written) = (150_000, AtomicU32::new(0));
    let ended = AtomicBool::new(false);
    // What was rotated before the first run is not read.
    folder.append("app.log", &lines(0..100));
    let first = follow(&path, Taken::default(), |taker| taker.wait_for(100));
    let taken = thread::scope(|scope| {
        scope.spawn(|| {
            let (mut n, mut round) = (100, 0);
            while n < count {
                let more = (n + 100).min(count);
                folder.append("app.log", &lines(n..more));
                n = more;
                written.store(n, Ordering::Relaxed);
                if n % 500 == 0 {
                    // Rotated logs can be put in order by their times.
                    folder.tick();
                    folder.rename("app.log", &format!("app.log.{round}"));
                    round += 1;
                }
            }
            ended.store(true, Ordering::Relaxed);
        });
        let (mut taken, mut runs) = (first, 0);
        while taken.records.len() < count as usize {
            let opened = Follow::open(0, &source(&path), &[], &taken.marks()).expect("followed");
            let lots = taken.lots + 1 + below(4);
            let finish = ended.load(Ordering::Relaxed) && runs > 50;
            let intake = Taker::of(taken, if finish { u32::MAX } else { lots });
            taken = run(opened, intake, |taker| {
                taker.wait("some lots", |taken| {
                    taken.lots >= lots && !finish || taken.records.len() >= count as usize
                });
            });
            runs += 1;
        }
        println!("{runs} runs");
        assert!(runs > 5);
        taken
    });
    taken.check_all(count);
}

#[test]
fn rotated_twice_while_nobody_looked() {
    let check = |first: u32, second: u32| {
        let folder = Folder::new("twice");
        let path = folder.path("app.log");
        folder.write("app.log", &lines(0..10));
        let taken = follow(&path, Taken::default(), |taker| taker.wait_for(10));
        folder.append("app.log", &lines(10..first));
        folder.tick();
        folder.rename("app.log", "app.log.1");
        folder.write("app.log", &lines(first..second));
        folder.tick();
        folder.rename("app.log.1", "app.log.2");
        folder.rename("app.log", "app.log.1");
        folder.write("app.log", &lines(second..50));
        // Neither are these the log's, nor was this written after it.
        folder.write("app.log.conf", "no log\n");
        folder.write("other.log.1", "no log\n");
        let taken = follow(&path, taken, |taker| {
            taker.wait_for(50);
            folder.append("app.log", &lines(50..51));
            taker.wait_for(51);
        });
        taken.check_all(51);
        let taken = follow(&path, taken, |taker| {
            folder.append("app.log", &lines(51..52));
            taker.wait_for(52);
        });
        taken.check_all(52);
    };
    check(20, 30);
    check(10, 30);
}

#[test]
fn copied_and_emptied_twice_while_nobody_looked() {
    let folder = Folder::new("emptied");
    let path = folder.path("app.log");
    folder.write("app.log", &lines(0..10));
    let taken = follow(&path, Taken::default(), |taker| taker.wait_for(10));
    folder.append("app.log", &lines(10..20));
    folder.tick();
    fs::copy(&path, folder.path("app.log.1")).expect("copied");
    folder.write("app.log", &lines(20..30));
    folder.tick();
    folder.rename("app.log.1", "app.log.2");
    fs::copy(&path, folder.path("app.log.1")).expect("copied");
    folder.write("app.log", &lines(30..60));
    let taken = follow(&path, taken, |taker| taker.wait_for(60));
    taken.check_all(60);
}

#[test]
fn an_inode_that_is_used_again() {
    let folder = Folder::new("inode");
    let path = folder.path("app.log");
    let mut same = 0;
    for round in 0..20 {
        folder.write("app.log", &lines(0..10));
        let inode = fs::metadata(&path).expect("a log").ino();
        let taken = follow(&path, Taken::default(), |taker| taker.wait_for(10));
        fs::remove_file(&path).expect("removed");
        folder.tick();
        // Longer or shorter, and from some round on beginning alike.
        let first = if round < 10 { 10 } else { 0 };
        folder.write("app.log", &lines(first..first + 5 + round));
        let again = fs::metadata(&path).expect("a log");
        same += u32::from(again.ino() == inode);
        if again.created().is_err() && first == 0 {
            continue;
        }
        let taken = follow(&path, taken, |taker| taker.wait_for(15 + round as usize));
        let expected: Vec<u32> = (0..10).chain(first..first + 5 + round).collect();
        assert_eq!(taken.numbers(), expected, "round {round}");
        fs::remove_file(&path).expect("removed");
    }
    println!("{same} of 20 inodes were used again");
}

#[test]
fn a_last_line_is_waited_for_across_runs() {
    let folder = Folder::new("unfinished");
    let path = folder.path("app.log");
    folder.write("app.log", "<13>Dec 10 06:55:46 host app: one\nno time, tw");
    let taken = follow(&path, Taken::default(), |taker| taker.wait_for(1));
    folder.append("app.log", "o\nno time, three\n");
    let taken = follow(&path, taken, |taker| taker.wait_for(3));
    assert_eq!(taken.records[1..], ["no time, two", "no time, three"]);
    assert_eq!(taken.times[1], taken.times[0], "it has the time of the record before it");
}

#[test]
fn a_cut_record_is_not_begun_again() {
    let folder = Folder::new("cut");
    let path = folder.path("app.log");
    folder.write("app.log", &format!("{}{}", lines(0..1), "x".repeat(200_000)));
    let taken = follow(&path, Taken::default(), |taker| taker.wait_for(2));
    folder.append("app.log", &format!("{}\n{}", "x".repeat(200_000), lines(2..3)));
    let taken = follow(&path, taken, |taker| taker.wait_for(3));
    assert_eq!(taken.records[1].len(), 64 << 10);
    assert_eq!(taken.numbers(), [0, 2]);
}

#[test]
fn a_compressed_file_is_told_and_the_next_is_read() {
    let folder = Folder::new("compressed");
    let path = folder.path("app.log");
    folder.write("app.log", &lines(0..10));
    let taken = follow(&path, Taken::default(), |taker| taker.wait_for(10));
    fs::remove_file(&path).expect("removed");
    folder.write("app.log.1.gz", "\u{1f}\u{8b} whatever");
    folder.write("app.log", &lines(10..15));
    let taken = follow(&path, taken, |taker| taker.wait_for(15));
    taken.check_all(15);
}

/// Behind a link, rotation happens where the file is.
#[test]
fn rotated_behind_a_link_while_nobody_looked() {
    let check = |copies: bool| {
        let folder = Folder::new("linked");
        for name in ["logs", "links", "real"] {
            fs::create_dir(folder.path(name)).expect("a folder");
        }
        folder.write("real/0.log", &lines(0..10));
        symlink("../real/0.log", folder.path("links/0.log")).expect("a link");
        symlink("../links/0.log", folder.path("logs/pod.log")).expect("a link");
        let path = folder.path("logs/*.log");
        let taken = follow(&path, Taken::default(), |taker| taker.wait_for(10));
        for round in 1..3 {
            folder.append("real/0.log", &lines(20 * round - 10..20 * round));
            folder.tick();
            let to = format!("real/0.log.2026112{round}");
            if copies {
                fs::copy(folder.path("real/0.log"), folder.path(&to)).expect("copied");
            } else {
                folder.rename("real/0.log", &to);
            }
            folder.write("real/0.log", &lines(20 * round..20 * round + 10));
        }
        let taken = follow(&path, taken, |taker| taker.wait_for(50));
        taken.check_all(50);
    };
    check(false);
    check(true);
}

/// Of what was read and removed before a run ended, the next has nothing to look for.
#[test]
fn a_removed_file_that_was_read_leaves_no_mark() {
    let folder = Folder::new("removed");
    let path = folder.path("app-*.log");
    folder.write("app-1.log", &lines(0..10));
    let marks = |taken: &Taken| taken.marks.len();
    let taken = follow(&path, Taken::default(), |taker| taker.wait_for(10));
    let with = marks(&taken);
    let taken = follow(&path, taken, |taker| {
        folder.append("app-1.log", &lines(10..20));
        taker.wait_for(20);
        fs::remove_file(folder.path("app-1.log")).expect("removed");
    });
    assert_eq!(marks(&taken), with - 1);
}

#[test]
fn a_file_that_is_away_for_a_while() {
    let folder = Folder::new("away");
    let path = folder.path("sub/app.log");
    fs::create_dir(folder.path("sub")).expect("a folder");
    folder.write("sub/app.log", &lines(0..10));
    let taken = follow(&path, Taken::default(), |taker| taker.wait_for(10));
    folder.rename("sub", "elsewhere");
    let taken = follow(&path, taken, |taker| {
        // Nothing is there; then it is as it was, as after a mount.
        folder.rename("elsewhere", "sub");
        folder.append("sub/app.log", &lines(10..11));
        taker.wait_for(11);
    });
    taken.check_all(11);
}

/// A file is known wherever it went among what is followed, and its records go on under the id that they had.
#[test]
fn moved_to_another_folder_that_is_followed() {
    let check = |from: &str, to: &str, live: bool| {
        let folder = Folder::new("moved");
        for name in ["a", "z"] {
            fs::create_dir(folder.path(name)).expect("a folder");
        }
        folder.write("a/app.log", &lines(0..10));
        let path = folder.path("*/app.log");
        let mut taken = follow(&path, Taken::default(), |taker| {
            taker.wait_for(10);
            if live {
                folder.rename(from, to);
            }
        });
        if !live {
            folder.rename(from, to);
        }
        let there = if to.contains('/') { to.to_owned() } else { format!("{to}/app.log") };
        for round in 1..3 {
            folder.append(&there, &lines(10 * round..10 * (round + 1)));
            taken = follow(&path, taken, |taker| taker.wait_for(10 * (round as usize + 1)));
            taken.check_all(10 * (round + 1));
        }
        let first = taken.places[0].0;
        assert!(taken.places.iter().all(|(id, _)| *id == first), "its records have one id");
        // Another file of its first name is another file.
        fs::create_dir_all(folder.path("a")).expect("a folder");
        folder.write("a/app.log", &lines(30..40));
        let taken = follow(&path, taken, |taker| taker.wait_for(40));
        taken.check_all(40);
        assert_ne!(taken.places[39].0, first);
    };
    for live in [false, true] {
        check("a", "a2", live);
        check("a/app.log", "z/app.log", live);
    }
}

/// What logrotate's `olddir` does, where both folders are followed.
#[test]
fn rotated_into_another_folder_that_is_followed() {
    let check = |copies: bool, live: bool| {
        let folder = Folder::new("olddir");
        for name in ["logs", "old"] {
            fs::create_dir(folder.path(name)).expect("a folder");
        }
        let one = source(&folder.path("logs/app.log"));
        let old = SourcePath::Glob(folder.path("old/app.log*").display().to_string());
        let log = SourcePath::File(folder.path("logs/app.log"));
        let both = Source { door: Door::Files { paths: vec![log, old], follow: true }, ..one };
        let goes_on = |taken: Taken, work: &dyn Fn(&Taker)| {
            let opened = Follow::open(0, &both, &[], &taken.marks()).expect("followed");
            run(opened, Taker::of(taken, u32::MAX), work)
        };
        let rotate = |round: u32| {
            folder.append("logs/app.log", &lines(20 * round + 10..20 * round + 15));
            folder.tick();
            let to = format!("old/app.log-2024010{round}");
            if copies {
                fs::copy(folder.path("logs/app.log"), folder.path(&to)).expect("copied");
            } else {
                folder.rename("logs/app.log", &to);
            }
            folder.write("logs/app.log", &lines(20 * round + 15..20 * round + 20));
        };
        folder.write("logs/app.log", &lines(0..10));
        let mut taken = Taken::default();
        for round in 0..4_u32 {
            taken = goes_on(taken, &|taker| {
                taker.wait_for(20 * round as usize + 10);
                if live {
                    rotate(round);
                    taker.wait_for(20 * round as usize + 20);
                }
            });
            if !live {
                rotate(round);
            }
            taken = goes_on(taken, &|taker| {
                taker.wait_for(20 * round as usize + 20);
                folder.append("logs/app.log", &lines(20 * round + 20..20 * round + 30));
                taker.wait_for(20 * round as usize + 30);
            });
        }
        let mut numbers = taken.numbers();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..90).collect::<Vec<_>>(), "copies: {copies}, live: {live}");
    };
    check(false, false);
    check(false, true);
    check(true, false);
}

/// A stack may name the folder anew in which the same files are now.
#[test]
fn a_file_is_known_under_a_name_that_was_not_followed() {
    let folder = Folder::new("anew");
    fs::create_dir(folder.path("a")).expect("a folder");
    folder.write("a/app.log", &lines(0..10));
    let taken = follow(&folder.path("a/*.log"), Taken::default(), |taker| taker.wait_for(10));
    folder.rename("a", "b");
    folder.append("b/app.log", &lines(10..20));
    let taken = follow(&folder.path("b/*.log"), taken, |taker| taker.wait_for(20));
    taken.check_all(20);
    folder.append("b/app.log", &lines(20..30));
    let taken = follow(&folder.path("b/*.log"), taken, |taker| taker.wait_for(30));
    taken.check_all(30);
}
