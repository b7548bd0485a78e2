//! Names that come and go, and what is not to be read.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use correlator_source::follow::Follow;

use crate::support::{Folder, Taken, Taker, follow, lines, run, source};

#[test]
fn new_files_of_a_pattern() {
    let folder = Folder::new("pattern");
    folder.write("a.log", &lines(0..1));
    folder.write("a.txt", "not this\n");
    let taken = follow(&folder.path("*.log"), Taken::default(), |taker| {
        taker.wait_for(1);
        for n in 1..100 {
            folder.write(&format!("{n}.log"), &lines(n..n + 1));
        }
        taker.wait_for(100);
        fs::create_dir(folder.path("folder.log")).expect("a folder");
        folder.write("same.log", &lines(100..101));
        folder.write("alike.log", &lines(100..101));
        taker.wait_for(102);
    });
    let mut numbers = taken.numbers();
    numbers.sort_unstable();
    let expected: Vec<u32> = (0..101).chain([100]).collect();
    assert_eq!(numbers, expected, "files that are alike are both read");
}

#[test]
fn a_name_that_is_not_there_yet() {
    let folder = Folder::new("later");
    let taken = follow(&folder.path("sub/deep/app.log"), Taken::default(), |taker| {
        fs::create_dir_all(folder.path("sub/deep")).expect("folders");
        folder.write("sub/deep/app.log", &lines(0..3));
        taker.wait_for(3);
    });
    taken.check_all(3);
}

#[test]
fn folders_of_a_pattern_come_later() {
    let folder = Folder::new("folders");
    let taken = follow(&folder.path("*/app.log"), Taken::default(), |taker| {
        for n in 0..5 {
            fs::create_dir(folder.path(&n.to_string())).expect("a folder");
            folder.write(&format!("{n}/app.log"), &lines(n..n + 1));
            taker.wait_for(n as usize + 1);
        }
    });
    taken.check_all(5);
}

#[test]
fn what_is_no_file_is_passed_over() {
    let folder = Folder::new("pipe");
    let made = Command::new("mkfifo").arg(folder.path("b.log")).status().expect("mkfifo");
    assert!(made.success());
    folder.write("c.log", "\u{1f}");
    fs::write(folder.path("d.log"), [0x1f, 0x8b, 8, 0, b'\n']).expect("written");
    folder.write("e.log", &lines(0..5));
    let taken = follow(&folder.path("*.log"), Taken::default(), |taker| taker.wait_for(5));
    taken.check_all(5);
    let error = Follow::open(0, &source(&folder.path("b.log")), &[], &[]).err().expect("refused");
    assert!(error.to_string().contains("b.log is a pipe and can't be followed"), "{error}");
}

#[test]
fn a_link_that_points_elsewhere() {
    let folder = Folder::new("link");
    fs::create_dir(folder.path("data")).expect("a folder");
    folder.write("data/1", &lines(0..5));
    symlink("data/1", folder.path("app.log")).expect("a link");
    let taken = follow(&folder.path("app.log"), Taken::default(), |taker| {
        taker.wait_for(5);
        folder.write("data/2", &lines(5..10));
        symlink("data/2", folder.path("new")).expect("a link");
        folder.rename("new", "app.log");
        taker.wait_for(10);
        folder.append("data/2", &lines(10..11));
        taker.wait_for(11);
    });
    taken.check_all(11);
}

#[test]
fn a_big_file_does_not_starve_a_small_one() {
    let folder = Folder::new("big");
    folder.write("a.log", &lines(0..400_000));
    folder.write("b.log", "small 1000000\n");
    let taken = follow(&folder.path("*.log"), Taken::default(), |taker| taker.wait_for(400_001));
    let place = taken.numbers().iter().position(|n| *n == 1_000_000).expect("it was read");
    assert!(place < 20_000, "it came at {place}");
}

#[test]
fn a_source_that_names_less_forgets_the_rest() {
    let folder = Folder::new("less");
    folder.write("a.log", &lines(0..5));
    folder.write("b.log", &lines(5..10));
    let both = |taker: &Taker| taker.wait_for(10);
    let taken = follow(&folder.path("*.log"), Taken::default(), both);
    let marks = taken.marks.len();
    let less = source(&folder.path("a.log"));
    let opened = Follow::open(0, &less, &[], &taken.marks()).expect("followed");
    let taken = run(opened, Taker::of(taken, u32::MAX), |taker| {
        taker.wait("a mark less", |taken| taken.marks.len() < marks);
    });
    assert_eq!(taken.records.len(), 10);
    // Another source of the same file has a position of its own.
    let mut another = less.clone();
    another.name = "another".into();
    let both = [less, another];
    let opened = Follow::open(1, &both[1], &both, &taken.marks()).expect("followed");
    let taken = run(opened, Taker::of(taken, u32::MAX), |taker| taker.wait_for(15));
    assert_eq!(taken.records.len(), 15);
}

#[test]
fn a_source_with_another_name_goes_on_where_it_stood() {
    let folder = Folder::new("renamed");
    folder.write("a.log", &lines(0..5));
    let path = folder.path("a.log");
    let taken = follow(&path, Taken::default(), |taker| taker.wait_for(5));
    let mut renamed = source(&path);
    renamed.name = "renamed".into();
    let all = [renamed];
    let before = taken.marks();
    let opened = Follow::open(0, &all[0], &all, &before).expect("followed");
    let taken = run(opened, Taker::of(taken, u32::MAX), |taker| {
        taker.wait("its mark in the place of the old one", |taken| taken.marks() != before);
    });
    assert_eq!(taken.records.len(), 5);
    // From there on it is as if it had always been called so.
    folder.append("a.log", &lines(5..8));
    let opened = Follow::open(0, &all[0], &all, &taken.marks()).expect("followed");
    let taken = run(opened, Taker::of(taken, u32::MAX), |taker| taker.wait_for(8));
    assert_eq!(taken.numbers(), (0..8).collect::<Vec<_>>());
}

#[test]
fn half_a_line_end_is_no_trailer() {
    let folder = Folder::new("half");
    folder.write("app.log", "one\r");
    let taken = follow(&folder.path("app.log"), Taken::default(), |taker| {
        taker.wait("a mark", |taken| !taken.marks.is_empty());
        folder.append("app.log", "\ntwo\r\n");
        taker.wait_for(2);
    });
    assert_eq!(taken.records, ["one", "two"]);
}

#[test]
fn names_that_are_no_text_are_followed_and_found_again() {
    let folder = Folder::new("bytes");
    let name = |byte: u8| folder.0.join(OsStr::from_bytes(&[b'a', byte, b'.', b'l', b'o', b'g']));
    let append = |byte: u8, numbers: std::ops::Range<u32>| {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(name(byte));
        file.as_mut().expect("a file").write_all(lines(numbers).as_bytes()).expect("written");
    };
    append(0xff, 0..3);
    let taken = follow(&folder.path("*.log"), Taken::default(), |taker| {
        taker.wait_for(3);
        append(0xfe, 3..5);
        taker.wait_for(5);
        append(0xff, 5..6);
        taker.wait_for(6);
    });
    taken.check_all(6);
    let ids: HashSet<u32> = taken.places.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 2, "each name has an id of its own");
    // Rotated while nobody looks, and one is new.
    fs::rename(name(0xff), folder.0.join(OsStr::from_bytes(b"a\xff.log.1"))).expect("renamed");
    append(0xff, 6..7);
    let taken = follow(&folder.path("*.log"), taken, |taker| taker.wait_for(7));
    taken.check_all(7);
}
