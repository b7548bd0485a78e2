//! Damage: a file cut at every byte, every bit flipped, files that are empty, missing or nonsense.

use std::fs;
use std::path::Path;

use correlator_spool::header::{HEADER_BYTES, Header, NONE_BEFORE};
use correlator_spool::reader::{Damaged, Reader};
use correlator_spool::spool::Spool;

use crate::support::{
    Folder, Frame, Random, SMALL, append, copy, files, open, options, read, read_folder,
};

/// A spool with these lengths of frames in large segments.
fn spool_of(lengths: &[usize]) -> (Folder, Vec<Frame>) {
    let folder = Folder::new();
    let (mut spool, _) = Spool::open(options(&folder, 1 << 20, 16 << 20)).unwrap();
    let frames = lengths.iter().map(|length| append(&mut spool, 2, *length).unwrap()).collect();
    (folder, frames)
}

/// A spool of many small segments.
fn segments_of(count: u64) -> (Folder, Vec<Frame>) {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    let frames = (0..count * 4).map(|_| append(&mut spool, 3, 900).unwrap()).collect();
    drop(spool);
    assert_eq!(files(&folder, "spool").len() as u64, count);
    (folder, frames)
}

fn only_file(folder: &Path) -> std::path::PathBuf {
    files(folder, "spool").pop().unwrap()
}

fn frame_bytes(frame: &Frame) -> u64 {
    (HEADER_BYTES + frame.payload.len() as u64).next_multiple_of(8)
}

#[test]
fn a_file_cut_at_any_byte_keeps_its_whole_frames_and_can_be_written_on() {
    let (folder, frames) = spool_of(&[40, 7, 0, 130]);
    let path = only_file(&folder);
    let bytes = fs::read(&path).unwrap();
    let mut ends = vec![0];
    for frame in &frames {
        ends.push(ends[ends.len() - 1] + frame_bytes(frame));
    }
    for cut in 0..=bytes.len() as u64 {
        fs::write(&path, &bytes[..cut as usize]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(read_folder(&folder, 0), frames[..whole], "read at {cut}");
        let (mut spool, recovery) = open(&folder);
        assert_eq!(recovery.next, whole as u64 * 2, "next at {cut}");
        assert_eq!(recovery.cut_bytes, cut - ends[whole], "cut at {cut}");
        assert_eq!(recovery.damaged_places, 0);
        let new = append(&mut spool, 1, 33).unwrap();
        drop(spool);
        let expected: Vec<_> = frames[..whole].iter().cloned().chain([new]).collect();
        assert_eq!(read_folder(&folder, 0), expected, "written on at {cut}");
        assert_eq!(open(&folder).1.cut_bytes, 0, "told once");
    }
}

/// Which frames still have to be there after a bit at this offset has flipped.
fn hit(frames: &[Frame], offset: u64) -> (usize, bool) {
    let mut start = 0;
    for (at, frame) in frames.iter().enumerate() {
        let end = start + frame_bytes(frame);
        if offset < end {
            let filling = offset >= start + HEADER_BYTES + frame.payload.len() as u64;
            return (at, !filling);
        }
        start = end;
    }
    panic!("{offset} is behind the end");
}

#[test]
fn a_bit_flipped_anywhere_costs_one_frame_and_is_told() {
    let (folder, frames) = spool_of(&[40, 7, 0, 130]);
    let path = only_file(&folder);
    let bytes = fs::read(&path).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut wrong = bytes.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, wrong).unwrap();
        let (at, hurts) = hit(&frames, bit as u64 / 8);
        let last = at + 1 == frames.len();
        let mut expected = frames.clone();
        if hurts {
            expected.remove(at);
        }
        let mut reader = Reader::open(&folder, 0).unwrap();
        assert_eq!(read(&mut reader), expected, "bit {bit}");
        // Elsewhere, what is at the end and not whole may just be being written.
        let damaged = if hurts && !last {
            Damaged { places: 1, bytes: frame_bytes(&frames[at]), items: 2 }
        } else {
            Damaged::default()
        };
        assert_eq!((reader.damaged(), reader.missed()), (damaged, 0), "bit {bit}");
        let (spool, recovery) = open(&folder);
        assert_eq!(recovery.damaged_places, damaged.places, "bit {bit}");
        let next = if hurts && last { 6 } else { 8 };
        assert_eq!((recovery.next, spool.next()), (next, next), "bit {bit}");
        assert_eq!(read(&mut spool.reader(0)), expected, "bit {bit}");
    }
}

#[test]
fn damage_under_the_writer_is_counted_at_once() {
    let folder = Folder::new();
    let (mut spool, _) = Spool::open(options(&folder, 1 << 20, 16 << 20)).unwrap();
    let one = append(&mut spool, 1, 100).unwrap();
    append(&mut spool, 1, 100).unwrap();
    let path = only_file(&folder);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 9;
    bytes[end] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut reader = spool.reader(0);
    assert_eq!(read(&mut reader), [one]);
    assert_eq!(reader.damaged(), Damaged { places: 1, bytes: 160, items: 0 });
    let three = append(&mut spool, 1, 100).unwrap();
    assert_eq!(read(&mut reader), [three]);
    assert_eq!(reader.damaged(), Damaged { places: 1, bytes: 160, items: 1 });
}

#[test]
fn random_nonsense_over_many_segments_costs_only_what_it_hit() {
    let (good, frames) = segments_of(6);
    let mut random = Random(4711);
    for round in 0..200 {
        let folder = copy(&good);
        let paths = files(&folder, "spool");
        let path = &paths[random.below(paths.len() as u64) as usize];
        let mut bytes = fs::read(path).unwrap();
        let start = random.below(bytes.len() as u64);
        let length = 1 + random.below((bytes.len() as u64 - start).min(2_000));
        bytes[start as usize..(start + length) as usize].copy_from_slice(&random.bytes(length));
        fs::write(path, bytes).unwrap();
        let (spool, _) = open(&folder);
        let mut reader = spool.reader(0);
        let got = read(&mut reader);
        assert!(got.iter().all(|frame| frames.contains(frame)), "round {round}");
        // A frame and its header have 960 bytes.
        let hit = 2 + length / 960;
        let lost = (frames.len() - got.len()) as u64;
        assert!(lost <= hit, "round {round}: {lost} frames lost by {length} bytes");
        let end = got.last().map_or(0, Frame::next);
        let before_end = frames.iter().filter(|frame| frame.next() <= end).count() as u64;
        let items = (before_end - got.len() as u64) * 3;
        assert_eq!(reader.damaged().items + reader.missed(), items, "round {round}");
        assert_eq!(read_folder(&folder, 0), got, "round {round}");
    }
}

#[test]
fn a_missing_segment_is_told_and_gone_past() {
    let (folder, frames) = segments_of(5);
    let paths = files(&folder, "spool");
    fs::remove_file(&paths[1]).unwrap();
    fs::remove_file(&paths[2]).unwrap();
    let (spool, recovery) = open(&folder);
    assert_eq!(recovery.missing, std::slice::from_ref(&(12..36)));
    assert_eq!((recovery.first, recovery.next, recovery.damaged_places), (0, 60, 0));
    let mut reader = spool.reader(0);
    let expected: Vec<_> =
        frames.iter().filter(|f| !(12..36).contains(&f.first)).cloned().collect();
    assert_eq!(read(&mut reader), expected);
    assert_eq!((reader.missed(), reader.damaged()), (24, Damaged::default()));
}

#[test]
fn a_segment_that_can_not_be_read_is_passed_over_alone() {
    for hidden in 0..3 {
        let (folder, frames) = segments_of(3);
        let (spool, _) = open(&folder);
        let path = &files(&folder, "spool")[hidden];
        fs::rename(path, folder.join("hidden")).unwrap();
        // The writer has its newest one open: only who opens it anew sees the folder in its place.
        fs::create_dir(path).unwrap();
        let (mut reader, mut payload, mut got) = (spool.reader(0), Vec::new(), Vec::new());
        let goes_on = loop {
            match reader.next(&mut payload) {
                Ok(Some(header)) => got.push(header.first),
                Ok(None) => break true,
                Err(_) if reader.pass_over().unwrap() => {}
                Err(_) => break false,
            }
        };
        let all = frames.iter().map(|frame| frame.first);
        let expected: Vec<_> = all.enumerate().filter(|(at, _)| at / 4 != hidden).collect();
        assert_eq!(got, expected.iter().map(|(_, first)| *first).collect::<Vec<_>>(), "{hidden}");
        assert_eq!((goes_on, reader.missed()), (hidden < 2, if hidden < 2 { 12 } else { 0 }));
    }
}

#[test]
fn a_deliberate_gap_is_no_loss() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    spool.skip_to(5);
    let mut frames = Vec::new();
    for _ in 0..20 {
        frames.push(append(&mut spool, 2, 900).unwrap());
        let next = spool.next();
        spool.skip_to(next + 7);
        spool.skip_to(3);
    }
    assert_eq!((frames[0].first, frames[1].first, spool.first()), (5, 14, 5));
    let mut reader = spool.reader(0);
    assert_eq!(read(&mut reader), frames);
    assert_eq!((reader.missed(), reader.damaged().items), (0, 0));
    drop(spool);
    let (spool, recovery) = open(&folder);
    assert_eq!((recovery.missing.len(), recovery.first), (0, 5));
    assert_eq!(spool.next(), frames[19].next(), "a gap lasts from the next append on");
}

/// Puts bytes in the place of one segment and says what can still be read of the others.
fn check_replaced(at: usize, bytes: &[u8]) {
    let (folder, frames) = segments_of(3);
    let paths = files(&folder, "spool");
    fs::write(&paths[at], bytes).unwrap();
    let (mut spool, recovery) = open(&folder);
    let gone = at as u64 * 12..at as u64 * 12 + 12;
    let mut expected: Vec<_> =
        frames.iter().filter(|f| !gone.contains(&f.first)).cloned().collect();
    assert_eq!(recovery.next, if at == 2 { 24 } else { 36 });
    assert_eq!(recovery.damaged_places, u64::from(at < 2));
    let mut reader = spool.reader(0);
    assert_eq!(read(&mut reader), expected);
    assert_eq!(reader.missed() + reader.damaged().items, if at == 2 { 0 } else { 12 });
    expected.push(append(&mut spool, 1, 500).unwrap());
    drop(spool);
    assert_eq!(read_folder(&folder, 0), expected);
    let (spool, recovery) = open(&folder);
    assert_eq!(recovery.cut_bytes, 0);
    assert_eq!(read(&mut spool.reader(0)), expected);
}

#[test]
fn empty_zero_and_nonsense_segments_are_gone_past() {
    for at in 0..3 {
        check_replaced(at, &[]);
        check_replaced(at, &[0; 9_000]);
        check_replaced(at, b"CSF\x01");
        check_replaced(at, &Random(99).bytes(9_000));
    }
}

#[test]
fn a_length_that_lies_is_not_believed() {
    let (folder, frames) = spool_of(&[40, 40]);
    let path = only_file(&folder);
    let mut bytes = fs::read(&path).unwrap();
    let header = Header::decode(&bytes).unwrap();
    let check = |bytes: &[u8], expected: &[Frame]| {
        fs::write(&path, bytes).unwrap();
        let mut payload = Vec::new();
        let mut reader = Reader::open(&folder, 0).unwrap();
        while reader.next(&mut payload).unwrap().is_some() {}
        assert!(payload.capacity() <= bytes.len(), "{} bytes", payload.capacity());
        assert_eq!(read_folder(&folder, 0), expected);
    };
    for length in [41, 200, 1 << 20, (128 << 20) - 1, 128 << 20, u32::MAX] {
        let lying = Header { length, ..header }.encode();
        bytes[..lying.len()].copy_from_slice(&lying);
        check(&bytes, &frames[1..]);
    }
}

#[test]
fn items_are_not_read_twice_whatever_a_later_frame_claims() {
    let (folder, frames) = spool_of(&[40, 40, 40]);
    let path = only_file(&folder);
    let bytes = fs::read(&path).unwrap();
    let header = Header::decode(&bytes).unwrap();
    let third = &bytes[2 * frame_bytes(&frames[0]) as usize..];
    for (first, count) in [(0, 2), (2, 1), (3, 2), (0, 100), (3, 100)] {
        let again = Header { first, after: 0, count, ..header }.encode();
        let payload = &bytes[again.len()..again.len() + 40];
        let two = &bytes[..bytes.len() - third.len()];
        fs::write(&path, [two, &again, payload, third].concat()).unwrap();
        assert_eq!(read_folder(&folder, 0), frames, "{first} and {count}");
        let (spool, recovery) = open(&folder);
        assert_eq!(read(&mut spool.reader(0)), frames, "{first} and {count}");
        assert_eq!((recovery.next, recovery.cut_bytes), (6, 0));
    }
}

#[test]
fn a_payload_that_looks_like_a_spool_is_no_frame() {
    // Whoever sends records can put in them what looks like frames, but not this segment's life.
    let (other, _) = spool_of(&[40, 40, 40]);
    let forged = fs::read(only_file(&other)).unwrap();
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    spool.append(0, 1, &[&forged]).unwrap();
    let good = append(&mut spool, 1, 10).unwrap();
    drop(spool);
    let path = only_file(&folder);
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(read_folder(&folder, 0), [good]);
    let header = Header::decode(&forged).unwrap();
    assert_eq!((header.first, header.previous), (0, NONE_BEFORE));
}

#[test]
fn what_a_failed_attempt_left_beside_a_segment_goes() {
    let (folder, frames) = segments_of(3);
    let last = files(&folder, "spool").pop().unwrap();
    let name = last.file_name().unwrap().to_str().unwrap().to_owned();
    for life in ["0000000000000001", "fffffffffffffffe"] {
        fs::write(folder.join(format!("{}-{life}.spool", &name[..16])), b"").unwrap();
    }
    assert_eq!(read_folder(&folder, 0), frames);
    assert_eq!(read_folder(&folder, 30), frames[10..]);
    let (spool, recovery) = open(&folder);
    assert_eq!((recovery.next, recovery.damaged_places), (36, 0));
    assert_eq!(files(&folder, "spool").len(), 3);
    assert_eq!(read(&mut spool.reader(0)), frames);
}

#[test]
fn sizes_are_counted_after_reopening() {
    let (folder, _) = segments_of(3);
    let (spool, _) = open(&folder);
    let on_disk: u64 =
        files(&folder, "spool").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(spool.bytes(), on_disk);
    assert!(on_disk >= 2 * (SMALL - 1_000));
}
