//! Folders that are none, that somebody else has, or that hold what is not the spool's.

use std::fs;
use std::path::Path;

use correlator_spool::error::SpoolError;
use correlator_spool::reader::Reader;
use correlator_spool::recovery::Recovery;
use correlator_spool::spool::Spool;

use crate::support::{Folder, append, open, options, read, read_folder};

fn error(folder: &Path) -> SpoolError {
    Spool::open(options(folder, 1 << 20, 16 << 20)).expect_err("it is refused")
}

#[test]
fn a_new_spool_is_empty() {
    let folder = Folder::new();
    let inside = folder.join("a/b");
    let (spool, recovery) = Spool::open(options(&inside, 1 << 20, 16 << 20)).unwrap();
    assert_eq!(recovery, Recovery::default());
    assert_eq!((spool.first(), spool.next(), spool.bytes()), (0, 0, 0));
    assert_eq!(read(&mut spool.reader(0)), []);
    assert_eq!(read_folder(&inside, 7), []);
    drop(spool);
    assert_eq!(Spool::open(options(&inside, 1 << 20, 16 << 20)).unwrap().1, Recovery::default());
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let folder = Folder::new();
    let first = open(&folder);
    let said = error(&folder).to_string();
    let expected = format!("is being written by process {} (", std::process::id());
    assert!(said.contains(&expected), "{said}");
    drop(first);
    open(&folder);
}

#[test]
fn a_file_in_the_place_of_the_folder_is_refused() {
    let folder = Folder::new();
    let path = folder.join("file");
    fs::write(&path, b"x").unwrap();
    assert!(matches!(error(&path), SpoolError::NotAFolder { .. }));
    let read = Reader::open(&path, 0).unwrap_err();
    assert!(matches!(read, SpoolError::NotAFolder { .. }), "{read}");
    let below = error(&path.join("below")).to_string();
    assert!(below.starts_with("can't make the folder "), "{below}");
    let none = Reader::open(&folder.join("none"), 0).unwrap_err().to_string();
    assert!(none.starts_with("can't list the spool ") && none.contains("none"), "{none}");
}

#[test]
fn what_is_not_the_spools_is_left_alone() {
    let folder = Folder::new();
    let names = ["notes.txt", "12.spool", "000000000000000g-0000000000000000.spool", "x.spare"];
    for name in names {
        fs::write(folder.join(name), b"mine").unwrap();
    }
    // Not a file, though it has a segment's name: opening a pipe would wait for ever.
    fs::create_dir(folder.join("0000000000000000-0000000000000000.spool")).unwrap();
    let pipe = folder.join("0000000000000001-0000000000000000.spool");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of every system");
    let (mut spool, _) = open(&folder);
    let frame = append(&mut spool, 1, 10).unwrap();
    assert_eq!(read_folder(&folder, 0), [frame]);
    for name in names {
        assert_eq!(fs::read(folder.join(name)).unwrap(), b"mine");
    }
}

#[test]
fn numbers_end_somewhere() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    spool.skip_to(u64::MAX - 2);
    assert_eq!(append(&mut spool, 2, 10).unwrap().first, u64::MAX - 2);
    assert!(matches!(append(&mut spool, 1, 10), Err(SpoolError::Spent)));
    drop(spool);
    let (spool, recovery) = open(&folder);
    assert_eq!((recovery.next, read(&mut spool.reader(0)).len()), (u64::MAX, 1));
}

#[test]
fn a_payload_may_have_any_number_of_parts() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    let parts: Vec<&[u8]> =
        (0..5_000).map(|at| if at % 3 == 0 { &b""[..] } else { &b"ab"[..] }).collect();
    spool.append(9, 1, &parts).unwrap();
    spool.append(9, 1, &vec![&b""[..]; 3_000]).unwrap();
    let frames = read(&mut spool.reader(0));
    assert_eq!((frames[0].payload.clone(), frames[1].payload.len()), (parts.concat(), 0));
}
