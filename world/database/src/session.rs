//! A session with one database: connected when it is needed, again when it was lost, with its tables as rows need them.
//!
//! It must never know what a request is: it gets a table, a shape and rows that were checked before.

use std::collections::HashMap;
use std::sync::Arc;

use correlator_world::{Secret, Secrets};

use crate::fault::Fault;
use crate::limit::{TABLES_KNOWN_MAX, TABLES_MADE_MAX};
use crate::link::{Landed, Link, Match, Shape, Target};
use crate::mysql::Mysql;
use crate::postgres::Postgres;
use crate::settings::{Login, Place, Reach};
use crate::sqlite::Sqlite;
use crate::value::Row;

/// Looks at a table before it is given up: others may change it at the same time.
const LOOKS_MAX: usize = 4;

/// A database and the session with it, if there is one now.
pub struct Session {
    /// What the operator said of it.
    pub place: Place,
    up: Option<Up>,
    made: usize,
}

struct Up {
    link: Box<dyn Link>,
    /// How tables take rows, by table and shape, as they were when they were looked at.
    targets: HashMap<(String, Shape), Arc<Target>>,
}

impl Session {
    /// A session with a database that is not connected yet.
    pub fn new(place: Place) -> Self {
        Self { place, up: None, made: 0 }
    }

    /// Adds rows of one shape to a table, in one transaction.
    pub fn add(
        &mut self,
        table: &str,
        shape: &Shape,
        rows: &[Row<'_>],
        secrets: &dyn Secrets,
    ) -> Result<Vec<Landed>, Fault> {
        self.connected(secrets, |session, up| {
            let target = session.target(up, table, shape)?;
            up.link.insert(&target, rows)
        })
    }

    /// Takes away the row of an id; says whether there was one.
    pub fn remove(&mut self, table: &str, id: &str, secrets: &dyn Secrets) -> Result<bool, Fault> {
        self.connected(secrets, |session, up| {
            if up.link.look(table)?.is_none() {
                return Ok(false);
            }
            let quoted = session.place.dialect.table(session.place.schema.as_deref(), table);
            up.link.delete(&quoted, id)
        })
    }

    /// Does something with a connection. One that was there before may have died since, and a table may have changed: then
    /// it is done once more. Done twice is done once by the key.
    fn connected<T>(
        &mut self,
        secrets: &dyn Secrets,
        mut act: impl FnMut(&mut Self, &mut Up) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut up = self.up.take().filter(|up| up.link.stands());
        let mut old = up.is_some();
        let mut changed = false;
        loop {
            let mut now = match up.take() {
                Some(up) => up,
                None => Up { link: self.connect(secrets)?, targets: HashMap::new() },
            };
            match act(self, &mut now) {
                Err(Fault::Lost(_)) if old => old = false,
                Err(Fault::Lost(why)) => return Err(Fault::Lost(why)),
                Err(Fault::Changed(_)) if !changed => {
                    changed = true;
                    now.targets.clear();
                    up = Some(now);
                }
                other => {
                    if let Err(Fault::Changed(_)) = other {
                        now.targets.clear();
                    }
                    self.up = Some(now);
                    return other;
                }
            }
        }
    }

    fn connect(&self, secrets: &dyn Secrets) -> Result<Box<dyn Link>, Fault> {
        match &self.place.way {
            Reach::File(path, timeout) => {
                Ok(Box::new(Sqlite::open(path, *timeout, self.place.create)?))
            }
            Reach::Server(login) => {
                let password = password(login, secrets)?;
                match &self.place.schema {
                    Some(schema) => {
                        Ok(Box::new(Postgres::connect(login, schema, password.as_ref())?))
                    }
                    None => Ok(Box::new(Mysql::connect(login, password.as_ref())?)),
                }
            }
        }
    }

    /// How a table takes rows of a shape. It is made, or gets columns, if that is allowed.
    fn target(&mut self, up: &mut Up, table: &str, shape: &Shape) -> Result<Arc<Target>, Fault> {
        let known = (table.to_owned(), shape.clone());
        if let Some(target) = up.targets.get(&known) {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(self.prepare(up.link.as_mut(), table, shape)?);
        if up.targets.len() >= TABLES_KNOWN_MAX {
            up.targets.clear();
        }
        up.targets.insert(known, Arc::clone(&target));
        Ok(target)
    }

    fn prepare(
        &mut self,
        link: &mut dyn Link,
        table: &str,
        shape: &Shape,
    ) -> Result<Target, Fault> {
        let dialect = self.place.dialect;
        let quoted = dialect.table(self.place.schema.as_deref(), table);
        let mut failed = None;
        for _ in 0..LOOKS_MAX {
            let lacks = match link.look(table)? {
                None => None,
                Some(found) => match found.takes(dialect, table, &quoted, shape) {
                    Match::Fits(target) => return Ok(target),
                    Match::Unfit(words) => return Err(Fault::Refused(words)),
                    Match::Lacks(columns) => Some((columns, found.columns.len())),
                },
            };
            // Somebody else may have done the same in between, so a statement that failed is judged by what is there now.
            if let Some(fault) = failed.take() {
                return Err(fault);
            }
            failed = match lacks {
                None => self.make(link, table, &quoted, shape).err(),
                Some((columns, there)) => self.extend(link, table, &quoted, &columns, there).err(),
            };
            if let Some(Fault::Lost(_) | Fault::Later(_)) = failed {
                break;
            }
        }
        Err(failed.unwrap_or_else(|| {
            Fault::Later(format!("table `{table}` is changed by others all the time"))
        }))
    }

    fn make(
        &mut self,
        link: &mut dyn Link,
        table: &str,
        quoted: &str,
        shape: &Shape,
    ) -> Result<(), Fault> {
        if !self.place.create {
            return Err(Fault::Refused(format!(
                "there is no table `{table}`, and `create: false` lets none be made"
            )));
        }
        if self.made >= TABLES_MADE_MAX {
            return Err(Fault::Refused(format!(
                "table `{table}` is not made: {TABLES_MADE_MAX} tables were made since the start, and no more are; make it \
                 by hand"
            )));
        }
        let columns: Vec<_> =
            shape.iter().map(|(name, kind)| (crate::name::column(name), *kind)).collect();
        link.run(&self.place.dialect.create(quoted, &columns))?;
        self.made += 1;
        Ok(())
    }

    fn extend(
        &self,
        link: &mut dyn Link,
        table: &str,
        quoted: &str,
        columns: &Shape,
        there: usize,
    ) -> Result<(), Fault> {
        if !self.place.create {
            let names: Vec<String> = columns.iter().map(|(name, _)| format!("`{name}`")).collect();
            return Err(Fault::Refused(format!(
                "table `{table}` has no column {}, and `create: false` lets none be added",
                names.join(", ")
            )));
        }
        // The key is a column, too.
        let most = crate::limit::COLUMNS_MAX + 1;
        if there + columns.len() > most {
            return Err(Fault::Refused(format!(
                "table `{table}` has {there} columns, and {} more would be too many: none are added above {most}",
                columns.len()
            )));
        }
        for (name, kind) in columns {
            link.run(&self.place.dialect.add(quoted, name, *kind))?;
        }
        Ok(())
    }
}

/// The operator may add what is missing, so it is asked for again later.
fn password(login: &Login, secrets: &dyn Secrets) -> Result<Option<Secret>, Fault> {
    let Some(name) = &login.credential else { return Ok(None) };
    let secret = secrets.get(name).map_err(|error| Fault::Lost(error.to_string()))?;
    if secret.reveal().contains(&0) {
        return Err(Fault::Lost(format!(
            "credential `{name}` has a NUL in it, which no server takes"
        )));
    }
    Ok(Some(secret))
}
