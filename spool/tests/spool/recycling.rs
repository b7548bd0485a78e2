//! Segments that are used again: old frames never come back, whoever is reading.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use correlator_spool::error::SpoolError;
use correlator_spool::reader::{Damaged, Reader};
use correlator_spool::spool::Spool;

use crate::support::{Folder, Frame, SMALL, append, copy, files, open, options, read, read_folder};

#[test]
fn released_segments_become_new_ones() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    let mut inodes = std::collections::BTreeSet::new();
    for _ in 0..400 {
        append(&mut spool, 1, 900).unwrap();
        let next = spool.next();
        spool.release(next);
        for path in files(&folder, "spool") {
            inodes.insert(fs::metadata(path).unwrap().ino());
        }
    }
    assert!(inodes.len() <= 3, "{} files were made for 100 segments", inodes.len());
    assert!(files(&folder, "spool").len() + files(&folder, "spare").len() <= 3);
}

/// Every frame has the same length, so that old ones stand exactly where new ones would: at every stop, what a crash would
/// leave must be exactly what was appended.
#[test]
fn old_frames_never_come_back() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    let mut kept: Vec<Frame> = Vec::new();
    for round in 0..60 {
        kept.push(append(&mut spool, 1, 900).unwrap());
        if round % 5 == 4 {
            spool.release(kept[kept.len() - 2].first);
            kept.retain(|frame| frame.next() > spool.first());
        }
        assert_eq!(read(&mut spool.reader(0)), kept, "round {round}");
        assert_eq!(read_folder(&folder, 0), kept, "round {round}");
        let crashed = copy(&folder);
        let (mut after, recovery) = open(&crashed);
        assert_eq!((recovery.next, recovery.cut_bytes), (spool.next(), 0), "round {round}");
        assert_eq!((recovery.damaged_places, recovery.missing.len()), (0, 0), "round {round}");
        let mut expected = kept.clone();
        expected.push(append(&mut after, 1, 900).unwrap());
        assert_eq!(read(&mut after.reader(0)), expected, "round {round}");
        drop(after);
        assert_eq!(read_folder(&crashed, 0), expected, "round {round}");
    }
}

/// A crash of the machine may take the newest segments and leave their numbers to be given again, while a file with frames
/// of those very numbers waits to be used: what tells them apart is the life alone.
#[test]
fn frames_with_numbers_that_are_yet_to_come_are_old_all_the_same() {
    let other = Folder::new();
    let (mut spool, _) = open(&other);
    spool.skip_to(4);
    for _ in 0..8 {
        append(&mut spool, 1, 900).unwrap();
    }
    let lost = files(&other, "spool").remove(0);
    assert_eq!(read_folder(&other, 0)[1].first, 5);
    let folder = Folder::new();
    let name = lost.with_extension("spare");
    fs::copy(&lost, folder.join(name.file_name().unwrap())).unwrap();
    let (mut spool, _) = open(&folder);
    // Four frames fill a segment; the fifth has number 4 and is put over the other 4, with the old 5 right behind it.
    let frames: Vec<_> = (0..5).map(|_| append(&mut spool, 1, 900).unwrap()).collect();
    assert_eq!(files(&folder, "spare"), [] as [std::path::PathBuf; 0]);
    assert_eq!(read_folder(&folder, 0), frames);
    drop(spool);
    let (mut spool, recovery) = open(&folder);
    assert_eq!((recovery.next, recovery.cut_bytes, recovery.damaged_places), (5, 0, 0));
    let new = append(&mut spool, 1, 20).unwrap();
    let expected: Vec<_> = frames.into_iter().chain([new]).collect();
    assert_eq!(read(&mut spool.reader(0)), expected);
    assert_eq!(read_folder(&folder, 0), expected);
}

/// A crash of the machine may keep a rename and lose what was written since: then only old bytes are in the new segment.
#[test]
fn a_new_segment_with_nothing_but_old_bytes_is_empty() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    for _ in 0..8 {
        append(&mut spool, 1, 900).unwrap();
    }
    let next = spool.next();
    spool.release(next);
    let spare = files(&folder, "spare").pop().unwrap();
    let old = fs::read(&spare).unwrap();
    append(&mut spool, 1, 900).unwrap();
    drop(spool);
    assert!(!spare.exists(), "it was taken");
    let path = files(&folder, "spool").pop().unwrap();
    let new = fs::read(&path).unwrap();
    // Each page may have got there or not; a page is smaller than these frames, so none is whole.
    fs::write(&path, &old).unwrap();
    let (spool, recovery) = open(&folder);
    assert_eq!((recovery.next, recovery.cut_bytes), (next, 0));
    drop(spool);
    let mixed = [&new[..512], &old[512..]].concat();
    fs::write(&path, mixed).unwrap();
    let (mut spool, recovery) = open(&folder);
    assert_eq!(recovery.next, next);
    assert!(recovery.cut_bytes > 0);
    let frame = append(&mut spool, 1, 900).unwrap();
    assert_eq!(read(&mut spool.reader(next)), [frame]);
}

#[test]
fn a_reader_whose_segment_is_written_over_goes_on_with_the_oldest() {
    let folder = Folder::new();
    let (mut spool, _) = Spool::open(options(&folder, 256 << 10, 16 << 20)).unwrap();
    for _ in 0..100 {
        append(&mut spool, 1, 10_000).unwrap();
    }
    let mut payload = Vec::new();
    let mut readers = [spool.reader(0), Reader::open(&folder, 0).unwrap()];
    for reader in &mut readers {
        for number in 0..3 {
            assert_eq!(reader.next(&mut payload).unwrap().unwrap().first, number);
        }
    }
    spool.release(100);
    for _ in 0..200 {
        append(&mut spool, 1, 10_000).unwrap();
    }
    let first = spool.first();
    for reader in &mut readers {
        let got = read(reader);
        let oldest = got.iter().position(|frame| frame.first >= first).unwrap();
        // What it had read ahead is as good as before.
        assert!(got[..oldest].iter().zip(3..).all(|(frame, number)| frame.first == number));
        assert!(got[oldest..].iter().zip(first..).all(|(frame, number)| frame.first == number));
        assert_eq!(got.last().unwrap().next(), spool.next());
        assert_eq!(reader.missed(), first - 3 - oldest as u64);
        assert_eq!(reader.damaged(), Damaged::default());
    }
}

#[test]
fn a_reader_that_comes_late_is_told() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    for _ in 0..40 {
        append(&mut spool, 2, 900).unwrap();
    }
    spool.release(41);
    let first = spool.first();
    assert!((30..=41).contains(&first), "{first}");
    let mut reader = spool.reader(10);
    assert_eq!(read(&mut reader)[0].first, first);
    assert_eq!((reader.missed(), reader.position()), (first - 10, 80));
    let mut reader = spool.reader(43);
    assert_eq!(read(&mut reader)[0].first, 42, "the frame with this number in it");
    assert_eq!(reader.missed(), 0);
    let mut reader = spool.reader(100);
    assert_eq!(read(&mut reader), []);
    spool.skip_to(99);
    let frame = append(&mut spool, 2, 10).unwrap();
    assert_eq!(read(&mut reader), [frame]);
}

#[test]
fn a_full_spool_takes_nothing_until_somebody_is_done() {
    let folder = Folder::new();
    let bytes_max = 5 * SMALL;
    let (mut spool, _) = Spool::open(options(&folder, SMALL, bytes_max)).unwrap();
    let mut appended = 0;
    let error = loop {
        match append(&mut spool, 1, 500) {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SpoolError::Full { bytes_max: 20_480, .. }), "{error}");
    assert!(error.is_full() && appended > 30 && spool.bytes() <= bytes_max);
    let next = spool.next();
    spool.release(1);
    append(&mut spool, 1, 500).unwrap_err();
    assert_eq!((spool.next(), read(&mut spool.reader(0)).len()), (next, appended));
    spool.release(next / 2);
    append(&mut spool, 1, 500).unwrap();
    assert!(spool.bytes() <= bytes_max);
}

#[test]
fn a_spool_smaller_than_its_segments_never_gets_stuck() {
    let folder = Folder::new();
    // Smaller than four of the smallest segments.
    let (mut spool, _) = Spool::open(options(&folder, 64 << 20, 6_000)).unwrap();
    let error = append(&mut spool, 1, 6_000).unwrap_err();
    assert!(matches!(error, SpoolError::TooLarge { bytes: 6_000, bytes_max: 5_944 }), "{error}");
    assert!(!error.is_full());
    for length in [5_944, 100, 5_900, 3_000, 1, 5_944, 2_000, 2_000] {
        let frame = append(&mut spool, 1, length).unwrap();
        assert_eq!(read(&mut spool.reader(frame.first)), [frame]);
        let on_disk: u64 = ["spool", "spare"]
            .iter()
            .flat_map(|ending| files(&folder, ending))
            .map(|path| fs::metadata(path).unwrap().len())
            .sum();
        assert!(on_disk <= 6_000, "{on_disk}");
        let next = spool.next();
        spool.release(next);
    }
    append(&mut spool, 1, 5_000).unwrap();
    assert!(append(&mut spool, 1, 5_000).unwrap_err().is_full());
}

#[test]
fn everything_released_still_knows_its_next_number() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    for _ in 0..30 {
        append(&mut spool, 1, 900).unwrap();
    }
    spool.release(u64::MAX);
    drop(spool);
    let (mut spool, recovery) = open(&folder);
    assert_eq!((recovery.next, append(&mut spool, 1, 1).unwrap().first), (30, 30));
}

#[test]
fn spares_of_an_earlier_run_are_used_and_too_many_go() {
    let folder = Folder::new();
    for life in 0..9_u64 {
        let name = format!("{:016x}-{life:016x}.spare", 0);
        fs::write(folder.join(name), vec![7; SMALL as usize]).unwrap();
    }
    let (mut spool, _) = open(&folder);
    assert_eq!(files(&folder, "spare").len(), 8);
    let frames: Vec<_> = (0..40).map(|_| append(&mut spool, 1, 900).unwrap()).collect();
    assert_eq!(files(&folder, "spare").len(), 0);
    drop(spool);
    assert_eq!(read_folder(&folder, 0), frames);
    assert_eq!(open(&folder).1.cut_bytes, 0);
}

/// A segment's bytes may be overwritten while a reader has them half read: the checksum tells.
#[test]
fn a_frame_that_changes_under_a_reader_is_not_returned() {
    let folder = Folder::new();
    let (mut spool, _) = Spool::open(options(&folder, 1 << 20, 16 << 20)).unwrap();
    append(&mut spool, 1, 200_000).unwrap();
    let good = append(&mut spool, 1, 200_000).unwrap();
    let path = files(&folder, "spool").pop().unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0xff; 4_096], 100_000).unwrap();
    assert_eq!(read(&mut spool.reader(0)), [good]);
}
