//! A capture: what arrives, byte by byte, kept in a file that the same program reads again.
//!
//! A capture has no header. Records stand in it with the frames that they came in, so that what one connection sent is
//! found in it unchanged. Records of several connections stand one behind the other, none within another, and written so
//! that each is found again, whatever stands around it. A disk that is full must never stop a source.

pub mod arrived;
pub mod name;

mod apart;

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use correlator_record::framing::Framing;
use thiserror::Error;

use crate::{clock, limit};

use apart::Apart;
use arrived::Arrived;
use name::name_at;

/// Who may read a capture: its owner, since logs hold secrets.
const MODE: u32 = 0o600;

/// Why a capture can't be made.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// There is a file already.
    #[error(
        "the capture {} is there already: name another file, remove it, or have each run name its own, such as all-%Y%m%dT%H%M%S.cap",
        path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Its name can't be made of the time.
    #[error(
        "the capture {}: a percent sign in its name stands for nothing; %Y, %m, %d, %H, %M and %S stand for the time, %% for a percent sign",
        path.display()
    )]
    Name {
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
    /// How the records in it are told apart.
    apart: Apart,
    bytes_lost: u64,
    told: bool,
    torn_told: bool,
}

impl Capture {
    /// Makes a file that is not there yet. Its name may stand for the time, see [`name_at`].
    ///
    /// # Errors
    /// It is there, it can't be named so, or the system said no.
    pub fn create(path: &Path) -> Result<Self, CaptureError> {
        let path = name_at(path, clock::now())?;
        let made = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path);
        let file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CaptureError::Exists { path: path.clone() },
            _ => CaptureError::Io { path: path.clone(), error },
        })?;
        let inner = Inner {
            file,
            waiting: Vec::new(),
            written: 0,
            apart: Apart::default(),
            bytes_lost: 0,
            told: false,
            torn_told: false,
        };
        Ok(Self { path, inner: Mutex::new(inner) })
    }

    /// Appends what arrived.
    pub fn write(&self, arrived: &Arrived) {
        if arrived.bytes.is_empty() {
            return;
        }
        let mut inner = self.inner();
        let Inner { waiting, apart, torn_told, .. } = &mut *inner;
        if !apart.put(arrived, waiting) && !std::mem::replace(torn_told, true) {
            let path = self.path.display();
            tracing::warn!(
                "the capture {path}: a record that is too long for that stands in it as it came, and is read as another one"
            );
        }
        if inner.waiting.len() >= limit::CAPTURE_BUFFER_BYTES {
            self.write_through(&mut inner);
        }
    }

    /// Appends a datagram with these records, which gets a line end if it has none. `framing` tells them apart, if anything
    /// does.
    pub fn write_datagram(&self, bytes: &[u8], framing: Option<&Framing>, records: Vec<&[u8]>) {
        let line = if bytes.is_empty() || bytes.ends_with(b"\n") {
            Cow::Borrowed(bytes)
        } else {
            Cow::Owned([bytes, b"\n"].concat())
        };
        self.write(&Arrived { bytes: &line, records, framing, cut: None });
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
            Ok(()) => {
                inner.written += bytes;
                inner.apart.keep();
            }
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
                inner.apart.take_back(inner.written);
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

    use correlator_record::framing::Framing;

    use super::arrived::Arrived;
    use super::{Capture, CaptureError};

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("correlator-capture-{name}-{}", std::process::id()))
    }

    /// Lines that arrived.
    fn write(capture: &Capture, text: &str) {
        let (bytes, framing) = (text.as_bytes(), Framing::Mixed);
        let records = framing.split(bytes);
        capture.write(&Arrived { bytes, records, framing: Some(&framing), cut: None });
    }

    #[test]
    fn records_stay_apart() {
        let check = |name: &str, work: fn(&Capture), expected: &[u8]| {
            let path = path(name);
            work(&Capture::create(&path).expect("a capture"));
            assert_eq!(fs::read(&path).expect("readable"), expected, "{name}");
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            fs::remove_file(path).expect("removed");
        };
        check("nothing", |_| {}, b"");
        check("as-it-came", |capture| write(capture, "a\r\nb\r\n"), b"a\r\nb\r\n");
        check(
            "datagrams",
            |capture| {
                for (datagram, record) in
                    [(&b"a"[..], &b"a"[..]), (b"b\n", b"b"), (b"", b""), (b"c\0", b"c")]
                {
                    capture.write_datagram(datagram, None, vec![record]);
                }
            },
            b"a\nb\nc\0\n",
        );
        check("one-without-end", |capture| write(capture, "a"), b"a");
        check(
            "others-behind-it",
            |capture| ["a", "b\n", "c\n", "d", "e\n"].iter().for_each(|it| write(capture, it)),
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
        write(&used, "a");
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
        write(&capture, "lost\n");
        capture.flush();
        assert_eq!(capture.bytes_lost(), 5);
        capture.inner().file = plain;
        write(&capture, "kept\n");
        capture.flush();
        assert_eq!(capture.bytes_lost(), 5);
        assert_eq!(fs::read(&path).expect("readable"), b"kept\n");
        fs::remove_file(path).expect("removed");
    }
}
