//! A capture: what arrives, byte by byte, kept in a file that the same program reads again.
//!
//! A capture has no header. Records stand in it with the frames that they came in, so that what one connection sent is
//! found in it unchanged. Records of several connections stand one behind the other, none within another. It must never
//! know what a record is, and a disk that is full must never stop a source.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::limit;

/// Who may read a capture: its owner, since logs hold secrets.
const MODE: u32 = 0o600;

/// Why a capture can't be made.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// There is a file already.
    #[error("the capture {} is there already: name another file, or remove it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system said no.
    #[error("the capture {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A file that takes what arrives.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Whole records that are not in the file yet.
    waiting: Vec<u8>,
    /// Bytes in the file, all of them of whole records.
    written: u64,
    /// What has to stand before the next record, because the one before came without its end.
    missing: Vec<u8>,
    bytes_lost: u64,
    told: bool,
}

impl Capture {
    /// Makes a file that is not there yet.
    ///
    /// # Errors
    /// It is there, or the system said no.
    pub fn create(path: &Path) -> Result<Self, CaptureError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
        let file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CaptureError::Exists { path: path.to_owned() },
            _ => CaptureError::Io { path: path.to_owned(), error },
        })?;
        let inner = Inner {
            file,
            waiting: Vec::new(),
            written: 0,
            missing: Vec::new(),
            bytes_lost: 0,
            told: false,
        };
        Ok(Self { path: path.to_owned(), inner: Mutex::new(inner) })
    }

    /// Appends whole records, with their frames, as they arrived.
    pub fn write(&self, bytes: &[u8]) {
        self.append(bytes, b"");
    }

    /// Appends whole records of a stream, of which nothing follows if its `ending` is given.
    pub fn write_up_to(&self, bytes: &[u8], ending: Option<&[u8]>) {
        self.write(bytes);
        if let Some(ending) = ending
            && !bytes.is_empty()
            && !bytes.ends_with(ending)
        {
            self.unfinished(ending);
        }
    }

    /// Appends a datagram, which gets a line end if it has none.
    pub fn write_datagram(&self, bytes: &[u8]) {
        self.append(bytes, if bytes.ends_with(b"\n") { b"" } else { b"\n" });
    }

    /// Says that the last record came without its end, which is this: it is put there before another record follows, so
    /// that the two don't become one.
    pub fn unfinished(&self, trailer: &[u8]) {
        trailer.clone_into(&mut self.inner().missing);
    }

    /// Takes the file away again if nothing came: a run that could not begin is not to be in the way of the next.
    pub fn withdraw(&self) {
        let inner = self.inner();
        if inner.written == 0
            && inner.waiting.is_empty()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!("the capture {}: {error}", self.path.display());
        }
    }

    /// Hands everything to the system.
    pub fn flush(&self) {
        self.write_through(&mut self.inner());
    }

    /// Bytes that could not be written.
    #[must_use]
    pub fn bytes_lost(&self) -> u64 {
        self.inner().bytes_lost
    }

    fn append(&self, bytes: &[u8], end: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut inner = self.inner();
        let missing = std::mem::take(&mut inner.missing);
        for part in [&missing, bytes, end] {
            inner.waiting.extend_from_slice(part);
        }
        if inner.waiting.len() >= limit::CAPTURE_BUFFER_BYTES {
            self.write_through(&mut inner);
        }
    }

    /// The capture is no less whole for a thread that panicked: only whole records are ever in the buffer.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits. What can't be written is counted, and half of it is taken back, so that the file holds whole
    /// records and goes on with them when there is room again.
    fn write_through(&self, inner: &mut Inner) {
        if inner.waiting.is_empty() {
            return;
        }
        let bytes = inner.waiting.len() as u64;
        match inner.file.write_all(&inner.waiting) {
            Ok(()) => inner.written += bytes,
            Err(error) => {
                inner.bytes_lost += bytes;
                if !inner.told {
                    inner.told = true;
                    let path = self.path.display();
                    tracing::warn!(
                        "the capture {path}: {error}; what can't be written is left out"
                    );
                }
                inner.take_back(&self.path);
            }
        }
        inner.waiting.clear();
    }
}

impl Inner {
    /// Ends the file where the last whole record ends.
    fn take_back(&mut self, path: &Path) {
        let back = self.file.set_len(self.written).and_then(|()| {
            io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.written)).map(|_| ())
        });
        if let Err(error) = back {
            tracing::warn!("the capture {}: half a record stays in it: {error}", path.display());
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use super::{Capture, CaptureError};

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("correlator-capture-{name}-{}", std::process::id()))
    }

    #[test]
    fn records_stay_apart() {
        let check = |name: &str, write: fn(&Capture), expected: &[u8]| {
            let path = path(name);
            write(&Capture::create(&path).expect("a capture"));
            assert_eq!(fs::read(&path).expect("readable"), expected, "{name}");
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            fs::remove_file(path).expect("removed");
        };
        check("nothing", |_| {}, b"");
        check("as-it-came", |capture| capture.write(b"a\r\nb\0"), b"a\r\nb\0");
        check(
            "datagrams",
            |capture| {
                for datagram in [&b"a"[..], b"b\n", b"", b"c\0"] {
                    capture.write_datagram(datagram);
                }
            },
            b"a\nb\nc\0\n",
        );
        check(
            "one-without-end",
            |capture| {
                capture.write(b"a");
                capture.unfinished(b"\n");
            },
            b"a",
        );
        check(
            "another-behind-it",
            |capture| {
                capture.write(b"a");
                capture.unfinished(b"\n");
                capture.write(b"b\n");
                capture.write(b"c\n");
            },
            b"a\nb\nc\n",
        );
        check(
            "streams",
            |capture| {
                capture.write_up_to(b"a\nb\n", None);
                capture.write_up_to(b"c", Some(b"\n"));
                capture.write_up_to(b"", Some(b"\n"));
                capture.write_up_to(b"d\n", Some(b"\n"));
                capture.write_up_to(b"e\n", Some(b"\n"));
            },
            b"a\nb\nc\nd\ne\n",
        );
    }

    #[test]
    fn an_old_one_is_not_overwritten() {
        let path = path("old");
        Capture::create(&path).expect("a capture").withdraw();
        drop(Capture::create(&path).expect("a capture"));
        let again = Capture::create(&path);
        assert!(matches!(again, Err(CaptureError::Exists { .. })), "{again:?}");
        fs::remove_file(&path).expect("removed");
        let used = Capture::create(&path).expect("a capture");
        used.write(b"a");
        used.withdraw();
        assert!(path.exists(), "something is in it");
        drop(used);
        fs::remove_file(&path).expect("removed");
        let nowhere = Capture::create(Path::new("/nowhere/at/all"));
        assert!(matches!(nowhere, Err(CaptureError::Io { .. })), "{nowhere:?}");
    }

    #[test]
    fn a_disk_that_is_full_is_counted() {
        // Every write to it fails with "no space left".
        let Ok(file) = fs::OpenOptions::new().write(true).open("/dev/full") else {
            eprintln!("skipped: there is no /dev/full");
            return;
        };
        let path = path("full");
        let capture = Capture::create(&path).expect("a capture");
        let plain = std::mem::replace(&mut capture.inner().file, file);
        capture.write(b"lost\n");
        capture.flush();
        assert_eq!(capture.bytes_lost(), 5);
        capture.inner().file = plain;
        capture.write(b"kept\n");
        capture.flush();
        assert_eq!(capture.bytes_lost(), 5);
        assert_eq!(fs::read(&path).expect("readable"), b"kept\n");
        fs::remove_file(path).expect("removed");
    }
}
