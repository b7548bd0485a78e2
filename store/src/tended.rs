//! By which time the store was last tended: whoever lets go what is old keeps it here, since a clock may jump.
//!
//! This room must never know which clock is to be believed.

use rusqlite::OptionalExtension;

use crate::error::{Fault, StoreError};
use crate::store::{Safety, Store};

const AT: &str = "tended at";
const DOUBTED: &str = "doubted at";

/// By which time the store was last tended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// The time that was believed; that of the newest entry if it never was tended, none if there is no entry either.
    pub at: Option<i64>,
    /// The time that the clock said when it was first not believed, if it is not.
    pub doubted: Option<i64>,
}

impl Store {
    /// By which time it was last tended.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn tended(&self) -> Result<Tended, StoreError> {
        self.read(|connection| {
            let meta = |name: &str| -> Result<Option<i64>, Fault> {
                let mut statement =
                    connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
                let found =
                    statement.query_row([name], |row| row.get::<_, String>(0)).optional()?;
                Ok(found.and_then(|text| text.parse().ok()))
            };
            let newest = "SELECT time FROM audit ORDER BY sequence DESC LIMIT 1";
            let newest = connection.query_row(newest, (), |row| row.get(0)).optional()?;
            Ok(Tended { at: meta(AT)?.or(newest), doubted: meta(DOUBTED)? })
        })
    }

    /// Notes by which time it was tended.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note_tended(&self, tended: Tended) -> Result<(), StoreError> {
        self.write(Safety::Program, |trail| {
            for (name, value) in [(AT, tended.at), (DOUBTED, tended.doubted)] {
                trail.set_meta(name, &value.map(|at| at.to_string()).unwrap_or_default())?;
            }
            Ok(())
        })
    }
}
