//! The store, for the one process that writes it. Any number of threads may use it at once.
//!
//! One connection writes, another one looks for what is due, a third moves what was written ahead to its place: so
//! nobody who looks waits for a disk. This room must never know what is written.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Row, TransactionBehavior};

use crate::anchor::{self, Anchor};
use crate::error::{Fault, StoreError};
use crate::lock::Lock;
use crate::reader::Reader;
use crate::recovery::{self, Recovery};
use crate::schema::{self, Found};
use crate::settings::Settings;
use crate::trail::Trail;
use crate::{chain, connection, limit, row};

/// The store, for the one process that writes it.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    path: PathBuf,
    settings: Settings,
    reading: Mutex<Connection>,
    settling: Mutex<Connection>,
    // The last connection to be closed: it moves what was written ahead to its place, and one that only reads can't.
    writing: Mutex<Writing>,
    anchor: Mutex<Anchor>,
    // The last to go: until then nobody else may write.
    _lock: Lock,
}

#[derive(Debug)]
struct Writing {
    connection: Connection,
    safety: Safety,
}

/// How sure it is that what was committed survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// A crash of the program loses nothing, one of the machine may lose the last of it: what is lost so is tried again,
    /// and it is told that it may have been done.
    Program,
    /// Written through before anybody is told.
    Machine,
}

/// What was written ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Pages that have been moved to their place, or were there already.
    pub settled_pages: u64,
    /// Pages that could not be moved yet because somebody reads what was before them.
    pub ahead_pages: u64,
}

/// Where the database lies.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("store.db")
}

impl Store {
    /// Opens the store in a folder, or makes it. Also says what it found there.
    ///
    /// # Errors
    /// Somebody else writes there, it is no store, it is damaged or too new, or the disk does not do it.
    pub fn open(
        folder: &Path,
        settings: Settings,
        now: i64,
    ) -> Result<(Self, Recovery), StoreError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        if folder.exists() && !folder.is_dir() {
            return Err(StoreError::NotAFolder { path: folder.to_owned() });
        }
        made.map_err(StoreError::io(folder, "make the folder"))?;
        let lock = Lock::take(folder)?;
        Self::refuse_newer(folder)?;
        let path = path(folder);
        let opened = open_all(folder, &path);
        let Opened { connections: [connection, reading, settling], found, anchored, anchor } =
            opened.map_err(|fault| fault.at(&path))?;
        let store = Self {
            folder: folder.to_owned(),
            path,
            settings,
            reading: Mutex::new(reading),
            settling: Mutex::new(settling),
            writing: Mutex::new(Writing { connection, safety: Safety::Machine }),
            anchor: Mutex::new(anchor),
            _lock: lock,
        };
        let (recovery, head) = store.write(Safety::Machine, |trail| {
            let recovery = recovery::recover(trail, found, anchored, now)?;
            Ok((recovery, trail.head))
        })?;
        if recovery.torn.is_some() {
            held(&store.anchor).begin(head)?;
        }
        Ok((store, recovery))
    }

    /// Refuses the store in a folder if a newer program has written it, and touches nothing. That there is none is well.
    /// Not for a process that has it open: the system lets go of a file's locks with whichever end of it is closed.
    ///
    /// # Errors
    /// It is too new.
    pub fn refuse_newer(folder: &Path) -> Result<(), StoreError> {
        schema::refuse_newer(&path(folder))
    }

    /// Whether there is anything in a folder that could be a store.
    #[must_use]
    pub fn is_there(folder: &Path) -> bool {
        path(folder).exists()
    }

    /// The folder that it lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Somebody to ask, with a connection of its own.
    ///
    /// # Errors
    /// The database can't be opened once more.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.folder)
    }

    /// Moves what was written ahead to its place, writes it through, and anchors the trail. For a thread that nobody waits
    /// for. Nobody is held up meanwhile, but whoever commits next begins the file anew and waits for the disk: so it is for
    /// when much was written ahead, and until then there is [`sync`](Store::sync).
    ///
    /// # Errors
    /// The disk does not do it. What was written ahead is still safe.
    pub fn settle(&self) -> Result<Settled, StoreError> {
        let connection = held(&self.settling);
        let settle = || {
            // What is there before is what will have been written through after.
            let head = row::head(&connection)?;
            let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| {
                Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })?;
            Ok((head, moved))
        };
        let (head, (written, moved)) = settle().map_err(|fault: Fault| fault.at(&self.path))?;
        let settled_pages = u64::try_from(moved).unwrap_or_default();
        let ahead_pages = u64::try_from(written - moved).unwrap_or_default();
        if ahead_pages == 0 {
            held(&self.anchor).advance(head);
        }
        Ok(Settled { settled_pages, ahead_pages })
    }

    /// Pages that were written ahead and not moved to their place yet.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn ahead_pages(&self) -> Result<u64, StoreError> {
        let connection = held(&self.settling);
        let look = |row: &Row<'_>| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
        let ahead = connection.query_row("PRAGMA wal_checkpoint(NOOP)", (), look);
        ahead.map(i64::unsigned_abs).map_err(|error| Fault::from(error).at(&self.path))
    }

    /// Writes through what was committed so far, wherever it lies now, and anchors the trail. Nobody else is held up.
    ///
    /// # Errors
    /// The disk does not do it.
    pub fn sync(&self) -> Result<(), StoreError> {
        // What is there before is what will have been written through after.
        let head = self.read(row::head)?;
        let ahead = self.path.with_extension("db-wal");
        match File::open(&ahead) {
            Ok(file) => file.sync_data().map_err(StoreError::io(&ahead, "write through"))?,
            // Nothing was written ahead; what is in its place was written through when it was moved there.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io(&ahead, "open")(error)),
        }
        held(&self.anchor).advance(head);
        Ok(())
    }

    /// The database's file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Does something in one transaction, whole or not at all.
    pub(crate) fn write<T>(
        &self,
        safety: Safety,
        work: impl FnOnce(&mut Trail<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut writing = held(&self.writing);
        let done = writing.transact(safety, work);
        let (value, head) = done.map_err(|fault| fault.at(&self.path))?;
        if safety == Safety::Machine {
            held(&self.anchor).advance(head);
        }
        Ok(value)
    }

    /// Does something with the connection that writes, outside of a transaction.
    pub(crate) fn maintain<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let writing = held(&self.writing);
        work(&writing.connection).map_err(|fault| fault.at(&self.path))
    }

    /// Asks something, of what is committed.
    pub(crate) fn read<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        ask(&held(&self.reading)).map_err(|fault| fault.at(&self.path))
    }
}

impl Drop for Store {
    /// Says that nobody was stopped. If that can't be written, the next start will take it that somebody was.
    fn drop(&mut self) {
        if let Err(error) = self.write(Safety::Machine, recovery::rest) {
            tracing::warn!("the store does not know that it was closed: {error}");
        }
    }
}

impl Writing {
    fn transact<T>(
        &mut self,
        safety: Safety,
        work: impl FnOnce(&mut Trail<'_>) -> Result<T, Fault>,
    ) -> Result<(T, crate::entry::Head), Fault> {
        if self.safety != safety {
            let level = if safety == Safety::Machine { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.safety = safety;
        }
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let mut trail = Trail::new(&transaction)?;
        let value = work(&mut trail)?;
        let head = trail.head;
        transaction.commit()?;
        Ok((value, head))
    }
}

/// What a thread that panicked left behind is whole: its transaction was taken back.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that is opened.
struct Opened {
    connections: [Connection; 3],
    found: Found,
    anchored: anchor::Found,
    anchor: Anchor,
}

fn open_all(folder: &Path, path: &Path) -> Result<Opened, Fault> {
    let fresh = !path.exists();
    let mut anchored = anchor::read(folder)?;
    let mut anchor = Anchor::open(folder)?;
    if fresh && anchored == anchor::Found::Missing {
        // Before the trail has a first entry, so that a trail without an anchor is always told.
        anchor.begin(chain::beginning())?;
        anchored = anchor::Found::Head(chain::beginning());
    }
    let (writing, found) = connection::open_writing(path)?;
    let settling = connection::open_settling(path)?;
    let reading = connection::open_reading(path)?;
    Ok(Opened { connections: [writing, reading, settling], found, anchored, anchor })
}

/// The bytes that the database takes, without pages that are free.
pub(crate) fn bytes(connection: &Connection) -> Result<u64, Fault> {
    let taken: i64 = connection
        .prepare_cached(
            "SELECT (page_count - freelist_count) * page_size \
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        )?
        .query_row((), |row| row.get(0))?;
    Ok(u64::try_from(taken).unwrap_or_default())
}

impl Settings {
    /// What holds, whatever was written.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max.max(limit::BYTES_MAX_MIN)
    }
}
