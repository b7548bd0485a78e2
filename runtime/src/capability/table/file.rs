//! One table file: opened without following links, repaired, appended to by whole lines, put aside when it is large.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::{FlockOperation, Mode, OFlags};

use super::taken::Taken;
use super::{Rotation, TableMark};
use crate::{clock, limit};

/// Who plants a link where rows go would have the engine write elsewhere.
const LINK: &str = "it is a link, and links are not followed; take it away, or let the grant's `directory` be where it leads";

/// What tells a file from all others: its device, and its number there.
pub(super) type Identity = (u64, u64);

/// An open file that ends with a whole line.
pub(super) struct TableFile {
    folder: PathBuf,
    name: String,
    /// The listener that writes it.
    listener: String,
    /// The line that begins the file; empty for a form without one.
    header: Vec<u8>,
    /// Which file it is, known also when the disk under it is gone. It goes before the lock does, which goes with the file.
    taken: Taken,
    file: File,
    /// The end of the last whole line.
    committed: u64,
    /// Whether half a row may stand behind that, because it could not be cut off.
    is_torn: bool,
    /// Whether where it began is written down; that comes before its first row.
    pub(super) is_noted: bool,
    /// When something was written to it last, in nanoseconds since 1970-01-01T00:00:00Z.
    written: i64,
}

impl TableFile {
    /// Opens the file or makes it. Half a line at its end is cut off; a table with another header is put aside.
    pub(super) fn open(
        folder: &Path,
        name: &str,
        header: &[u8],
        listener: &str,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let (taken, file, committed) = open_and_repair(folder, name, listener)?;
        let facts = file.metadata()?;
        let written = facts.mtime().saturating_mul(1_000_000_000) + facts.mtime_nsec();
        let mut table = Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            listener: listener.to_owned(),
            header: header.to_owned(),
            taken,
            file,
            committed,
            is_torn: false,
            is_noted: false,
            written,
        };
        if !header.is_empty() && table.committed > 0 && table.first_line()? != header {
            tracing::warn!(
                "{} has other columns than before; it is put aside as {}",
                folder.join(name).display(),
                put_aside_name(name, 1)
            );
            table.put_aside(u32::MAX)?;
        }
        Ok(table)
    }

    /// The line that begins the file.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Whether so many bytes more would make it larger than it may be.
    pub(super) fn is_full(&self, more: usize, rotation: Rotation) -> bool {
        let full = |bytes| self.committed > 0 && self.committed + more as u64 > bytes;
        rotation.bytes.is_some_and(full)
    }

    /// Whether what it has was written on another day than this, in this zone.
    pub(super) fn is_of_another_day(&self, now: i64, zone: &TimeZone) -> bool {
        let day = |time: i64| {
            let time = Timestamp::from_nanosecond(time.into()).unwrap_or_default();
            zone.to_datetime(time).date()
        };
        self.committed > 0 && day(self.written) != day(now)
    }

    /// Appends whole lines, all or none, below a header where the file is new.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.cut(self.committed)?;
        }
        self.written = clock::now();
        let written = if self.committed == 0 && !self.header.is_empty() {
            self.file.write_all(&[&self.header, lines].concat())
        } else {
            self.file.write_all(lines)
        };
        match written.and_then(|()| self.file.stream_position()) {
            Ok(end) => {
                self.committed = end;
                Ok(())
            }
            Err(error) => {
                // A full disk may have taken a part: back to the last whole line.
                self.is_torn = true;
                let _ = self.cut(self.committed);
                Err(error)
            }
        }
    }

    /// Takes away what stands behind the end of a line.
    pub(super) fn cut(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end))?;
        (self.committed, self.is_torn) = (end, false);
        Ok(())
    }

    /// Whether nothing more can be done with it as it is open: the disk was taken away, the server has forgotten it.
    pub(super) fn is_lost(&self) -> bool {
        self.is_torn
    }

    /// How far it has been written.
    pub(super) fn mark(&self, target: &str) -> TableMark {
        let (device, inode) = self.taken.file();
        TableMark { target: target.to_owned(), device, inode, length: self.committed }
    }

    /// Writes it through to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn first_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        BufReader::new((&self.file).take(limit::TABLE_HEADER_BYTES_MAX))
            .read_until(b'\n', &mut line)?;
        self.file.seek(SeekFrom::Start(self.committed))?;
        Ok(line)
    }

    /// Renames the file to `NAME.1`, and those before it one up; at most `keep` stay.
    pub(super) fn put_aside(&mut self, keep: u32) -> io::Result<()> {
        let current = self.folder.join(&self.name);
        // It is put aside already if only the new one could not be made.
        if fs::symlink_metadata(&current).is_ok_and(|facts| identity(&facts) == self.taken.file()) {
            self.rename_aside(&current, keep)?;
        }
        (self.taken, self.file, self.committed) =
            open_and_repair(&self.folder, &self.name, &self.listener)?;
        (self.is_torn, self.is_noted) = (false, false);
        Ok(())
    }

    fn rename_aside(&self, current: &Path, keep: u32) -> io::Result<()> {
        let path = |number| self.folder.join(put_aside_name(&self.name, number));
        let mut last = 0;
        while last < keep && path(last + 1).try_exists()? {
            last += 1;
        }
        for number in (1..=last).rev() {
            if number == keep {
                fs::remove_file(path(number))?;
            } else {
                fs::rename(path(number), path(number + 1))?;
            }
        }
        if keep == 0 { fs::remove_file(current) } else { fs::rename(current, path(1)) }
    }
}

fn identity(facts: &Metadata) -> Identity {
    (facts.dev(), facts.ino())
}

fn put_aside_name(name: &str, number: u32) -> String {
    format!("{name}.{number}")
}

/// Opens a plain file for this process alone, cuts half a line off its end, and says where it ends.
fn open_and_repair(folder: &Path, name: &str, listener: &str) -> io::Result<(Taken, File, u64)> {
    let directory = File::open(folder)?;
    // A link planted under this name would lead elsewhere; a pipe would block.
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let descriptor =
        rustix::fs::openat(&directory, name, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP).map_err(
            |error| match error {
                rustix::io::Errno::LOOP => io::Error::other(LINK),
                other => other.into(),
            },
        )?;
    let mut file = File::from(descriptor);
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("it is not a plain file; take it away"));
    }
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(
        |error| match error {
            rustix::io::Errno::WOULDBLOCK => busy(identity(&facts), listener),
            other => other.into(),
        },
    )?;
    let taken = Taken::note(identity(&facts), listener);
    let length = file.metadata()?.len();
    let committed = end_of_last_line(&mut file, length)?;
    if committed < length {
        tracing::warn!(
            "{}: cut {} bytes of half a row that an earlier run left",
            folder.join(name).display(),
            length - committed
        );
        file.set_len(committed)?;
    }
    file.seek(SeekFrom::Start(committed))?;
    Ok((taken, file, committed))
}

/// A file is locked: by whom, and what helps.
fn busy(file: Identity, listener: &str) -> io::Error {
    io::Error::other(match Taken::by(file) {
        Some(other) if other != listener => {
            format!("listener `{other}` is writing to it; give each listener a folder of its own")
        }
        // It is about to end: another one takes its place.
        Some(_) => "this listener is writing to it, as it was before a change".to_owned(),
        None => "another run is writing to it".to_owned(),
    })
}

/// Looks for the last line feed, from the end backwards.
fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut block = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        if let Some(place) = memchr::memrchr(b'\n', &block) {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{Rotation, TableFile};

    const HEADER: &[u8] = b"a,b\n";

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("correlator-table-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn half_a_row_is_cut_and_the_header_written_once() {
        let folder = folder("repair");
        let append = |lines: &[u8]| {
            TableFile::open(&folder, "t.csv", HEADER, "l")
                .and_then(|mut table| table.append(lines))
                .expect("a table");
        };
        append(b"1,2\n");
        fs::write(folder.join("t.csv"), b"a,b\n1,2\n3,").expect("a torn file");
        append(b"5,6\n");
        assert_eq!(fs::read(folder.join("t.csv")).expect("a table"), b"a,b\n1,2\n5,6\n");
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn a_large_file_is_put_aside_and_the_oldest_goes() {
        let folder = folder("rotate");
        let rotation = Rotation { bytes: Some(10), keep: 2 };
        let mut table = TableFile::open(&folder, "t.csv", HEADER, "l").expect("a table");
        for row in [b"1,1\n", b"2,2\n", b"3,3\n", b"4,4\n"] {
            if table.is_full(row.len(), rotation) {
                table.put_aside(rotation.keep).expect("an old file");
            }
            table.append(row).expect("a row");
        }
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(read("t.csv"), "a,b\n4,4\n");
        assert_eq!(read("t.csv.1"), "a,b\n3,3\n");
        assert_eq!(read("t.csv.2"), "a,b\n2,2\n");
        assert_eq!(read("t.csv.3"), "");
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn a_day_ends_where_its_zone_says() {
        let folder = folder("day");
        let mut table = TableFile::open(&folder, "t.csv", HEADER, "l").expect("a table");
        let at = |text: &str| {
            let time: jiff::Timestamp = text.parse().expect("a time");
            i64::try_from(time.as_nanosecond()).expect("in range")
        };
        let berlin = jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone");
        assert!(!table.is_of_another_day(at("2024-12-10T23:30:00Z"), &berlin), "it is empty");
        table.append(b"1,1\n").expect("a row");
        table.written = at("2024-12-10T22:30:00Z");
        let check = |now: &str, zone: &jiff::tz::TimeZone, expected: bool| {
            assert_eq!(table.is_of_another_day(at(now), zone), expected, "{now}");
        };
        check("2024-12-10T22:59:00Z", &berlin, false);
        check("2024-12-10T23:01:00Z", &berlin, true);
        check("2024-12-10T23:01:00Z", &jiff::tz::TimeZone::UTC, false);
        check("2024-12-11T00:00:00Z", &jiff::tz::TimeZone::UTC, true);
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn links_and_other_columns_are_not_written_to() {
        let folder = folder("link");
        fs::create_dir_all(&folder).expect("a folder");
        std::os::unix::fs::symlink("/dev/null", folder.join("t.csv")).expect("a link");
        let error =
            TableFile::open(&folder, "t.csv", HEADER, "l").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(super::LINK));
        fs::write(folder.join("u.csv"), b"x,y\n9,9\n").expect("another table");
        let mut table = TableFile::open(&folder, "u.csv", HEADER, "l").expect("a table");
        table.append(b"1,2\n").expect("a row");
        assert_eq!(fs::read(folder.join("u.csv")).expect("a table"), b"a,b\n1,2\n");
        assert_eq!(fs::read(folder.join("u.csv.1")).expect("the old one"), b"x,y\n9,9\n");
        fs::remove_dir_all(folder).expect("clean up");
    }
}
