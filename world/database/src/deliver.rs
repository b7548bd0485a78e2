//! The capability: which database and table a request means, whether that is granted, and what came of it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use correlator_world::{Capability, Needs, Outcome, Refused, Request, Secrets};

use crate::fault::Fault;
use crate::limit::{ROWS_MAX, TRANSACTION_BYTES_MAX};
use crate::link::{Landed, Shape};
use crate::name;
use crate::session::Session;
use crate::settings::{Place, Reach, Settings};
use crate::value::Row;

/// Databases as one grant allows them.
pub struct Database {
    sessions: BTreeMap<String, Session>,
}

/// Requests for one table with the same columns, by their places in the list.
struct Group {
    table: String,
    shape: Shape,
    requests: Vec<usize>,
}

impl Database {
    /// Databases of these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// What of the settings makes no sense.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let places = settings.check()?;
        let sessions = places.into_iter().map(|(name, place)| (name, Session::new(place)));
        Ok(Self { sessions: sessions.collect() })
    }

    /// The database and the table that a target means.
    fn find<'a>(&self, target: &'a str) -> Result<(&Place, &'a str), Refused> {
        if let Some((name, table)) = target.split_once('/') {
            return match self.sessions.get(name) {
                Some(session) => Ok((&session.place, table)),
                None => Err(Refused::Denied(format!(
                    "the grant has no database {name:?}; it has {}",
                    self.names()
                ))),
            };
        }
        match self.sessions.values().next() {
            Some(session) if self.sessions.len() == 1 => Ok((&session.place, target)),
            _ => Err(Refused::Malformed(format!(
                "target {target:?} names no database; the grant has {}, so write NAME/TABLE",
                self.names()
            ))),
        }
    }

    fn names(&self) -> String {
        self.sessions.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    /// The same, if the grant covers it and the request makes a row.
    fn granted<'a>(&self, request: &'a Request) -> Result<(&Place, &'a str), Refused> {
        let (place, table) = self.find(&request.target)?;
        name::check_request(request, table, place.dialect)?;
        self.table(&request.target)
    }

    /// The database and the table that a target means, if the grant covers them.
    fn table<'a>(&self, target: &'a str) -> Result<(&Place, &'a str), Refused> {
        let (place, table) = self.find(target)?;
        if !place.tables.iter().any(|pattern| pattern.matches(table)) {
            return Err(Refused::Denied(format!(
                "table `{table}` of database `{}` is not granted; add it to `tables`",
                place.name
            )));
        }
        Ok((place, table))
    }

    /// Requests by database, and there by table and columns. Those that are not granted get their outcome.
    fn sort(
        &self,
        requests: &[Request],
        outcomes: &mut [Option<Outcome>],
    ) -> BTreeMap<String, Vec<Group>> {
        let mut sorted: BTreeMap<String, Vec<Group>> = BTreeMap::new();
        let mut places: HashMap<(String, String, Shape), usize> = HashMap::new();
        for (at, request) in requests.iter().enumerate() {
            let (place, table) = match self.granted(request) {
                Ok(found) => found,
                Err(refused) => {
                    outcomes[at] = Some(Outcome::Refused(refused.to_string()));
                    continue;
                }
            };
            let shape: Shape =
                request.cells.iter().map(|(name, cell)| (name.clone(), cell.kind())).collect();
            let groups = sorted.entry(place.name.clone()).or_default();
            let key = (place.name.clone(), table.to_owned(), shape);
            let group = *places.entry(key).or_insert_with_key(|(_, table, shape)| {
                groups.push(Group {
                    table: table.clone(),
                    shape: shape.clone(),
                    requests: Vec::new(),
                });
                groups.len() - 1
            });
            groups[group].requests.push(at);
        }
        sorted
    }
}

impl Capability for Database {
    fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        for session in self.sessions.values() {
            match &session.place.way {
                Reach::File(path, _) => {
                    let folder = path.parent().filter(|folder| *folder != Path::new(""));
                    needs.write.push(folder.unwrap_or(Path::new(".")).to_owned());
                }
                Reach::Server(login) => needs.read.extend(login.way.authorities.clone()),
            }
        }
        needs
    }

    fn check(&self, request: &Request) -> Result<(), Refused> {
        self.granted(request).map(|_| ())
    }

    fn knows(&self, target: &str) -> Result<(), Refused> {
        self.table(target).map(|_| ())
    }

    fn plan(&self, request: &Request) -> String {
        let columns: Vec<&str> = request.cells.iter().map(|(name, _)| name::column(name)).collect();
        match self.find(&request.target) {
            Ok((place, table)) => format!(
                "add row {} to table {table:?} of database `{}` ({}), columns {columns:?}",
                request.id,
                place.name,
                place.dialect.title()
            ),
            Err(refused) => refused.to_string(),
        }
    }

    fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; requests.len()];
        for (name, groups) in self.sort(requests, &mut outcomes) {
            if let Some(session) = self.sessions.get_mut(&name) {
                serve(session, &groups, requests, secrets, &mut outcomes);
            }
        }
        let missed = || Outcome::later("it was not come to");
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missed)).collect()
    }

    fn undo(&mut self, request: &Request, secrets: &dyn Secrets) -> Outcome {
        let (name, table) = match self.granted(request) {
            Ok((place, table)) => (place.name.clone(), table),
            Err(refused) => return Outcome::Refused(refused.to_string()),
        };
        let Some(session) = self.sessions.get_mut(&name) else {
            return Outcome::later("it was not come to");
        };
        match session.remove(table, &request.id, secrets) {
            Ok(true) => Outcome::Done(format!("row taken away from `{table}`")),
            Ok(false) => Outcome::Done(format!("no such row was in `{table}`")),
            Err(fault) => outcome(&name, &fault),
        }
    }

    fn credentials(&self) -> Vec<String> {
        let of = |session: &Session| match &session.place.way {
            Reach::Server(login) => login.credential.clone(),
            Reach::File(..) => None,
        };
        let mut names: Vec<String> = self.sessions.values().filter_map(of).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn endpoint(&self, request: &Request) -> String {
        match self.find(&request.target) {
            Ok((place, _)) => place.name.clone(),
            Err(_) => request.target.clone(),
        }
    }
}

/// Adds the rows of one database. After the first fault of the database itself nothing more is asked of it this time.
fn serve(
    session: &mut Session,
    groups: &[Group],
    requests: &[Request],
    secrets: &dyn Secrets,
    outcomes: &mut [Option<Outcome>],
) {
    let mut down: Option<Outcome> = None;
    for group in groups {
        let mut rest = group.requests.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(share(rest, requests));
            rest = later;
            if let Some(outcome) = &down {
                mark(outcomes, now, outcome);
                continue;
            }
            let rows: Vec<Row<'_>> = now.iter().map(|at| row(&requests[*at])).collect();
            match session.add(&group.table, &group.shape, &rows, secrets) {
                Ok(landed) => {
                    for (at, landed) in now.iter().zip(landed) {
                        outcomes[*at] = Some(told(&group.table, landed));
                    }
                }
                Err(fault) => {
                    let outcome = outcome(&session.place.name, &fault);
                    mark(outcomes, now, &outcome);
                    down = matches!(outcome, Outcome::Later { .. }).then_some(outcome);
                }
            }
        }
    }
}

fn mark(outcomes: &mut [Option<Outcome>], at: &[usize], outcome: &Outcome) {
    for at in at {
        outcomes[*at] = Some(outcome.clone());
    }
}

/// How many of the requests go into one transaction.
fn share(at: &[usize], requests: &[Request]) -> usize {
    let mut bytes = 0;
    let fits = |at: &&usize| {
        let before = bytes;
        bytes += row(&requests[**at]).bytes();
        before < TRANSACTION_BYTES_MAX
    };
    at.iter().take(ROWS_MAX).take_while(fits).count().max(1)
}

fn row(request: &Request) -> Row<'_> {
    Row { id: &request.id, cells: request.cells.iter().map(|(_, cell)| cell).collect() }
}

fn told(table: &str, landed: Landed) -> Outcome {
    match landed {
        Landed::New => Outcome::Done(format!("row added to `{table}`")),
        Landed::Known => Outcome::Done(format!("row was in `{table}` before")),
        Landed::Refused(why) => Outcome::Refused(format!("table `{table}`: {why}")),
    }
}

fn outcome(database: &str, fault: &Fault) -> Outcome {
    let words = format!("database `{database}`: {fault}");
    match fault {
        Fault::Refused(_) => Outcome::Refused(words),
        Fault::Lost(_) | Fault::Later(_) | Fault::Changed(_) => Outcome::later(words),
    }
}

#[cfg(test)]
mod tests {
    use correlator_world::{Cell, Kind};

    use super::*;

    fn database(yaml: &str) -> Database {
        Database::new(serde_yaml::from_str(yaml).unwrap()).unwrap()
    }

    const TWO: &str = "databases: { a: { kind: sqlite, path: a, tables: ['x*', 'users'] }, \
                       b: { kind: mysql, address: h, user: u, database: d, tables: ['*'], credential: c } }";
    const ONE: &str = "databases: { a: { kind: sqlite, path: a, tables: ['x*'] } }";

    #[test]
    fn targets() {
        let cases = [
            (TWO, "a/x1", Ok("a")),
            (TWO, "a/users", Ok("a")),
            (TWO, "b/anything", Ok("b")),
            (TWO, "a/y", Err("not granted")),
            (TWO, "x1", Err("NAME/TABLE")),
            (TWO, "c/x1", Err("no database \"c\"")),
            (TWO, "a/b/x1", Err("no `/`")),
            (TWO, "a/", Err("empty")),
            (ONE, "x1", Ok("a")),
            (ONE, "a/x1", Ok("a")),
            (ONE, "other/x1", Err("no database")),
            (ONE, "sqlite_master", Err("SQLite's own")),
        ];
        for (settings, target, expected) in cases {
            let database = database(settings);
            let request = Request { id: "1".into(), target: target.into(), cells: Vec::new() };
            match (database.check(&request), expected) {
                (Ok(()), Ok(endpoint)) => assert_eq!(database.endpoint(&request), endpoint),
                (Err(found), Err(part)) => {
                    assert!(found.to_string().contains(part), "{target}: {found}");
                }
                (found, _) => panic!("{target}: {found:?}, not {expected:?}"),
            }
        }
        assert_eq!(database(TWO).credentials(), ["c"]);
    }

    #[test]
    fn plans_are_one_line() {
        let cells = vec![("a\nb".to_owned(), Cell::Absent(Kind::Text))];
        let request = Request { id: "7".into(), target: "x\n1".into(), cells };
        let plan = database(ONE).plan(&request);
        assert_eq!(
            plan,
            "add row 7 to table \"x\\n1\" of database `a` (SQLite), columns [\"a\\nb\"]"
        );
    }
}
