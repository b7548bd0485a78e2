//! Disks that are full, may not be written, or fail: real ones, made for the purpose where that is allowed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use correlator_spool::error::SpoolError;
use correlator_spool::spool::Spool;

use crate::support::{Folder, append, files, open, options, read, read_folder};

/// Something that is mounted until it is dropped.
struct Mount(PathBuf);

#[expect(clippy::print_stderr, reason = "whoever runs the tests must know what did not run")]
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

impl Mount {
    /// Mounts, or says why it can't.
    fn new(place: &Path, arguments: &[&str]) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        let done = Command::new("mount").args(arguments).arg(place).output();
        match done {
            Ok(output) if output.status.success() => Some(Self(place.to_owned())),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                skip(&format!("mounting is not allowed here: {}", said.trim()));
                None
            }
            Err(error) => {
                skip(&format!("mount can't be run: {error}"));
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_costs_nothing_that_was_appended_and_passes() {
    let folder = Folder::new();
    let place = folder.join("disk");
    let Some(_disk) = Mount::new(&place, &["-t", "tmpfs", "-o", "size=256k", "tmpfs"]) else {
        return;
    };
    let spool_folder = place.join("spool");
    let (mut spool, _) = Spool::open(options(&spool_folder, 64 << 10, 16 << 20)).unwrap();
    let mut frames = Vec::new();
    let error = loop {
        match append(&mut spool, 1, 10_000) {
            Ok(frame) => frames.push(frame),
            Err(error) => break error,
        }
    };
    assert!(error.is_full() && matches!(error, SpoolError::Io { .. }), "{error}");
    assert!(error.to_string().starts_with("can't write to "), "{error}");
    assert!(frames.len() > 15);
    for _ in 0..3 {
        append(&mut spool, 1, 10_000).unwrap_err();
        assert_eq!(read(&mut spool.reader(0)), frames);
        assert_eq!(read_folder(&spool_folder, 0), frames);
    }
    // As after a crash just now: nothing of the failed one is to be seen.
    drop(spool);
    let (mut spool, recovery) =
        Spool::open(options(&spool_folder, 64 << 10, 16 << 20)).expect("even on a full disk");
    assert_eq!((recovery.next, recovery.cut_bytes), (frames.len() as u64, 0));
    append(&mut spool, 1, 10_000).unwrap_err();
    spool.release(frames[frames.len() - 1].first);
    frames.retain(|frame| frame.next() > spool.first());
    for _ in 0..40 {
        frames.push(append(&mut spool, 1, 10_000).unwrap());
        spool.release(frames[frames.len() - 1].first);
        frames.retain(|frame| frame.next() > spool.first());
        assert_eq!(read(&mut spool.reader(0)), frames);
    }
}

#[test]
fn a_disk_that_fills_up_from_elsewhere_takes_the_spares_first() {
    let folder = Folder::new();
    let place = folder.join("disk");
    let Some(_disk) = Mount::new(&place, &["-t", "tmpfs", "-o", "size=256k", "tmpfs"]) else {
        return;
    };
    let (mut spool, _) = Spool::open(options(&place.join("spool"), 32 << 10, 16 << 20)).unwrap();
    let mut frames: Vec<_> = (0..11).map(|_| append(&mut spool, 1, 10_000).unwrap()).collect();
    spool.release(frames[10].first);
    assert!(files(&place.join("spool"), "spare").len() > 1);
    // Somebody else takes all the room that there is.
    let mut length = 256 << 10;
    while length > 0 && fs::write(place.join("other"), vec![1; length]).is_err() {
        length -= 4 << 10;
    }
    frames.retain(|frame| frame.next() > spool.first());
    for _ in 0..5 {
        frames.push(append(&mut spool, 1, 10_000).unwrap());
    }
    assert_eq!(read(&mut spool.reader(0)), frames);
}

#[test]
fn a_folder_that_may_not_be_written_is_refused_and_can_be_read() {
    let folder = Folder::new();
    let place = folder.join("disk");
    let Some(_disk) = Mount::new(&place, &["-t", "tmpfs", "-o", "size=256k", "tmpfs"]) else {
        return;
    };
    let inside = place.join("spool");
    let frame = append(&mut open(&inside).0, 1, 100).unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&place).status().unwrap();
    assert!(remounted.success());
    let said = Spool::open(options(&inside, 1 << 20, 16 << 20)).unwrap_err().to_string();
    assert!(said.starts_with("can't open ") && said.contains("Read-only"), "{said}");
    assert_eq!(read_folder(&inside, 0), [frame]);
}

/// A disk on a file on a memory disk that is too small: what is written to it is taken, and fails on its way.
#[test]
fn what_a_disk_failed_to_write_is_not_safe_until_it_is_written_again() {
    let folder = Folder::new();
    let (below, place) = (folder.join("below"), folder.join("disk"));
    let Some(_below) = Mount::new(&below, &["-t", "tmpfs", "-o", "size=6m", "tmpfs"]) else {
        return;
    };
    let image = below.join("image");
    fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let made = Command::new("mkfs.ext2").args(["-q", "-F"]).arg(&image).output();
    if !made.is_ok_and(|output| output.status.success()) {
        skip("there is no mkfs.ext2 to make a disk that fails");
        return;
    }
    let filler = below.join("filler");
    let mount = || Mount::new(&place, &["-o", "loop", &image.to_string_lossy()]);
    let Some(disk) = mount() else { return };
    let (mut spool, _) = Spool::open(options(&place.join("spool"), 1 << 20, 16 << 20)).unwrap();
    let mut frames = vec![append(&mut spool, 1, 100_000).unwrap()];
    assert_eq!(spool.sync().unwrap(), 1);
    let mut length = 6 << 20;
    while length > 0 && fs::write(&filler, vec![1; length]).is_err() {
        length -= 64 << 10;
    }
    frames.extend((0..25).map(|_| append(&mut spool, 1, 100_000).unwrap()));
    for _ in 0..3 {
        let said = spool.sync().unwrap_err().to_string();
        assert!(said.contains("can't write through "), "{said}");
    }
    assert_eq!(read(&mut spool.reader(0)), frames, "readers don't mind");
    fs::remove_file(&filler).unwrap();
    assert_eq!(spool.sync().unwrap(), 26);
    // Only what is on the disk counts now.
    drop(spool);
    drop(disk);
    let Some(_disk) = mount() else { return };
    assert_eq!(read_folder(&place.join("spool"), 0), frames);
}
