//! What the three databases have in common: a session that looks at tables, changes them, and takes rows.
//!
//! A link must never know which requests rows come from, nor decide whether a table may be touched.

use correlator_world::Kind;

use crate::dialect::{Dialect, Form};
use crate::fault::Fault;
use crate::name::{self, KEY};
use crate::value::Row;

/// A session with a database.
pub trait Link: Send {
    /// A table as it is; nothing if there is none.
    fn look(&mut self, table: &str) -> Result<Option<Found>, Fault>;

    /// Runs a statement that changes the schema.
    fn run(&mut self, statement: &str) -> Result<(), Fault>;

    /// Adds rows in one transaction: what came of each, or why none of them is there.
    fn insert(&mut self, target: &Target, rows: &[Row<'_>]) -> Result<Vec<Landed>, Fault>;

    /// Takes away the row of an id, and says whether there was one.
    fn delete(&mut self, table: &str, id: &str) -> Result<bool, Fault>;

    /// Whether it is still what the settings name; a file may have been replaced.
    fn stands(&self) -> bool {
        true
    }
}

/// What came of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landed {
    /// It is in the table now.
    New,
    /// It was there before.
    Known,
    /// It will never be.
    Refused(String),
}

/// A table that is there.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Its columns: name and type, as the database names them.
    pub columns: Vec<(String, String)>,
    /// Whether the key alone tells its rows apart.
    pub keyed: bool,
}

/// A table and the columns that rows go to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The table, quoted and with its schema.
    pub table: String,
    /// The columns after the key.
    pub columns: Vec<String>,
    /// How each is written.
    pub forms: Vec<Form>,
}

/// Guests' columns with their kinds.
pub type Shape = Vec<(String, Kind)>;

/// How a table that is there takes rows of a shape.
#[derive(Debug)]
pub enum Match {
    /// It takes them.
    Fits(Target),
    /// It lacks these columns.
    Lacks(Vec<(String, Kind)>),
    /// It never will, for a reason.
    Unfit(String),
}

impl Found {
    /// How it takes rows of a shape. `table` is the name for people, `quoted` the one for statements.
    pub fn takes(&self, dialect: Dialect, table: &str, quoted: &str, shape: &Shape) -> Match {
        let column = |name: &str| self.columns.iter().find(|(found, _)| dialect.same(found, name));
        let key = column(KEY).is_some_and(|(_, kind)| dialect.fits(Kind::Text, kind).is_some());
        if !key || !self.keyed {
            return Match::Unfit(format!(
                "table `{table}` is not one of rows with the text column `{KEY}` as its primary key, or with a unique \
                 index on it alone; add it or name another table"
            ));
        }
        let mut target =
            Target { table: quoted.to_owned(), columns: Vec::new(), forms: Vec::new() };
        let mut lacks = Vec::new();
        for (of_guest, kind) in shape {
            let name = name::column(of_guest);
            let Some((found, type_name)) = column(name) else {
                lacks.push((name.to_owned(), *kind));
                continue;
            };
            let Some(form) = dialect.fits(*kind, type_name) else {
                let made = dialect.type_of(*kind);
                return Match::Unfit(format!(
                    "column `{found}` of table `{table}` is {type_name} and does not take what the guest returns: it \
                     would have to be {made}; change it or name another table"
                ));
            };
            target.columns.push(found.clone());
            target.forms.push(form);
        }
        if lacks.is_empty() { Match::Fits(target) } else { Match::Lacks(lacks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[(&str, &str)], keyed: bool, shape: &[(&str, Kind)], expected: &str) {
        let own = |list: &[(&str, &str)]| {
            list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
        };
        let found = Found { columns: own(found), keyed };
        let shape = shape.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let said = match found.takes(Dialect::Sqlite, "t", "\"t\"", &shape) {
            Match::Fits(target) => format!("fits {}", target.columns.join(",")),
            Match::Lacks(names) => {
                format!(
                    "lacks {}",
                    names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
                )
            }
            Match::Unfit(words) => words,
        };
        assert!(said.contains(expected), "{said}, not {expected}");
    }

    #[test]
    fn tables_that_are_there() {
        let key = (KEY, "TEXT");
        check(&[key, ("A", "TEXT")], true, &[("a", Kind::Text)], "fits A");
        check(&[key], true, &[("a", Kind::Text)], "lacks a");
        check(&[key], true, &[("Correlator_ID", Kind::Text)], "lacks guest_correlator_id");
        check(&[key, ("a", "INTEGER")], true, &[("a", Kind::Text)], "is INTEGER");
        check(&[key, ("a", "TEXT")], false, &[("a", Kind::Text)], "primary key");
        check(&[(KEY, "INTEGER")], true, &[], "primary key");
        check(&[("a", "TEXT")], true, &[("a", Kind::Text)], "primary key");
    }
}
