//! What the operator writes about databases, and whether it makes sense.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use correlator_wire::trust::Trust;
use correlator_world::human::Span;
use glob::Pattern;
use serde::Deserialize;

use crate::dialect::Dialect;
use crate::limit::{DATABASES_MAX, PATTERNS_MAX, TIMEOUT, TIMEOUT_MAX, TIMEOUT_MIN};
use crate::name::check_name;
use crate::wire::{Address, Way};

/// The grant as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The databases by name.
    pub databases: BTreeMap<String, Server>,
}

/// One database as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Which database it is.
    pub kind: Dialect,
    /// The file, for SQLite.
    pub path: Option<PathBuf>,
    /// `host:port` or the path of a socket, for servers.
    pub address: Option<String>,
    /// The database at the server; with PostgreSQL the user's name if there is none.
    pub database: Option<String>,
    /// The user at the server.
    pub user: Option<String>,
    /// The credential with the user's password; none if the server asks for none.
    pub credential: Option<String>,
    /// Whether the server must show who it is.
    #[serde(default)]
    pub tls: Tls,
    /// The file (PEM) of the authorities that sign servers' certificates; the system's if there is none.
    pub ca: Option<PathBuf>,
    /// The schema, for PostgreSQL; `public` if there is none.
    pub schema: Option<String>,
    /// The tables that may be named, as patterns with `*`, `?` and `[...]`.
    pub tables: Vec<String>,
    /// Whether tables and columns that are not there are made.
    #[serde(default = "yes")]
    pub create: bool,
    /// How long connecting, and every exchange after it, may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
}

/// Whether a server must show who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// By a certificate of its name.
    #[default]
    Verify,
    /// No; only for this machine.
    Off,
}

/// One database, checked.
pub struct Place {
    /// Its name in the stack.
    pub name: String,
    /// Which database it is.
    pub dialect: Dialect,
    /// Where it is.
    pub way: Reach,
    /// The schema in which its tables are.
    pub schema: Option<String>,
    /// The tables that may be named.
    pub tables: Vec<Pattern>,
    /// Whether tables and columns are made.
    pub create: bool,
}

/// How a database is reached.
pub enum Reach {
    /// A file of SQLite, and how long others may keep it locked.
    File(PathBuf, Duration),
    /// A server.
    Server(Login),
}

/// How a server is reached.
pub struct Login {
    /// The way to it.
    pub way: Way,
    /// The user there.
    pub user: String,
    /// The database there.
    pub database: Option<String>,
    /// The credential with the password.
    pub credential: Option<String>,
}

impl Settings {
    /// Lets paths that are relative start from a folder.
    pub fn resolve(&mut self, folder: &Path) {
        for server in self.databases.values_mut() {
            for path in [&mut server.path, &mut server.ca].into_iter().flatten() {
                *path = folder.join(&*path);
            }
        }
    }

    /// The databases, if all of it makes sense.
    pub(crate) fn check(self) -> Result<BTreeMap<String, Place>, String> {
        let count = self.databases.len();
        if count == 0 || count > DATABASES_MAX {
            return Err(format!("`databases` has {count} entries; it needs 1 to {DATABASES_MAX}"));
        }
        let mut places = BTreeMap::new();
        for (name, server) in self.databases {
            let place = server.check(&name).map_err(|why| format!("database `{name}`: {why}"))?;
            places.insert(name, place);
        }
        Ok(places)
    }
}

impl Server {
    fn check(self, name: &str) -> Result<Place, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            return Err("its name needs 1 to 64 letters, digits, `_` and `-`".into());
        }
        let tables = patterns(&self.tables)?;
        let (least, most) = (Span(TIMEOUT_MIN), Span(TIMEOUT_MAX));
        if self.timeout < least || self.timeout > most {
            return Err(format!("`timeout` is {}; it may be {least} to {most}", self.timeout));
        }
        let schema = self.schema()?;
        let (dialect, create) = (self.kind, self.create);
        let reach =
            if self.kind == Dialect::Sqlite { self.file()? } else { Reach::Server(self.login()?) };
        Ok(Place { name: name.to_owned(), dialect, way: reach, schema, tables, create })
    }

    fn file(&self) -> Result<Reach, String> {
        let set = [
            ("address", self.address.is_some()),
            ("database", self.database.is_some()),
            ("user", self.user.is_some()),
            ("credential", self.credential.is_some()),
            ("ca", self.ca.is_some()),
            ("tls", self.tls == Tls::Off),
        ];
        if let Some((key, _)) = set.iter().find(|(_, is)| *is) {
            return Err(format!("`{key}` is for servers; SQLite has `path` alone"));
        }
        let path = self.path.clone().ok_or("SQLite needs `path`, the file")?;
        Ok(Reach::File(path, self.timeout.0))
    }

    fn login(self) -> Result<Login, String> {
        if self.path.is_some() {
            return Err("`path` is for SQLite; a server has `address`".into());
        }
        let port = if self.kind == Dialect::Mysql { 3306 } else { 5432 };
        let written =
            self.address.ok_or("a server needs `address`: `host:port` or the path of a socket")?;
        let address = Address::parse(&written, port).ok_or_else(|| {
            format!("`{written}` is no address: write `host:port`, `[::1]:port` or a socket's path")
        })?;
        if self.tls == Tls::Off && !address.is_near() {
            return Err(format!(
                "`tls: off` is for this machine only, and `{written}` is not known to be on it"
            ));
        }
        let user = self.user.filter(|user| !user.is_empty()).ok_or("a server needs `user`")?;
        if self.kind == Dialect::Mysql && self.database.is_none() {
            return Err("MySQL needs `database`".into());
        }
        for (key, value) in [("user", Some(&user)), ("database", self.database.as_ref())] {
            if value.is_some_and(|value| value.contains('\0')) {
                return Err(format!("`{key}` has a NUL in it"));
            }
        }
        if let Some(path) = &self.ca {
            Trust::new("localhost", Some(path), None).map_err(|error| format!("`ca`: {error}"))?;
        }
        let own = ["mysql", "sys", "information_schema", "performance_schema"];
        if self.kind == Dialect::Mysql
            && let Some(database) = &self.database
            && own.contains(&database.to_ascii_lowercase().as_str())
        {
            return Err(format!("database `{database}` is the server's own; name another"));
        }
        let way = Way {
            tls: self.tls == Tls::Verify && matches!(address, Address::Network(..)),
            address,
            authorities: self.ca,
            timeout: self.timeout.0,
        };
        Ok(Login { way, user, database: self.database, credential: self.credential })
    }

    /// The tables are always named with their schema: a name alone might be one of the server's own.
    fn schema(&self) -> Result<Option<String>, String> {
        if self.kind != Dialect::Postgres {
            return match self.schema {
                Some(_) => Err("`schema` is for PostgreSQL".into()),
                None => Ok(None),
            };
        }
        let schema = self.schema.clone().unwrap_or_else(|| "public".into());
        check_name("schema", &schema, self.kind).map_err(|why| why.to_string())?;
        if schema.starts_with("pg_") || schema == "information_schema" {
            return Err(format!("schema `{schema}` is the server's own; name another"));
        }
        Ok(Some(schema))
    }
}

fn patterns(written: &[String]) -> Result<Vec<Pattern>, String> {
    let count = written.len();
    if count == 0 || count > PATTERNS_MAX {
        return Err(format!(
            "`tables` has {count} entries; it needs 1 to {PATTERNS_MAX} names or patterns of the tables that may be named"
        ));
    }
    let read = |pattern: &String| {
        Pattern::new(pattern).map_err(|error| format!("table pattern `{pattern}`: {error}"))
    };
    written.iter().map(read).collect()
}

fn yes() -> bool {
    true
}

fn timeout() -> Span {
    Span(TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expected: Result<(), &str>) {
        let read: Result<Settings, _> = serde_yaml::from_str(yaml);
        let found = read.map_err(|error| error.to_string()).and_then(Settings::check);
        match (found, expected) {
            (Ok(_), Ok(())) => {}
            (Err(found), Err(part)) => assert!(found.contains(part), "{yaml}: {found}"),
            (found, expected) => panic!("{yaml}: {:?}, not {expected:?}", found.map(|_| ())),
        }
    }

    #[test]
    fn settings() {
        let one = |rest: &str| format!("databases: {{ a: {{ {rest} }} }}");
        let cases = [
            ("kind: sqlite, path: a.db, tables: [x]", Ok(())),
            ("kind: postgres, address: db, user: u, tables: ['x*'], timeout: 1m30s", Ok(())),
            ("kind: postgresql, address: /run/s, user: u, tables: [x], tls: off", Ok(())),
            (
                "kind: mariadb, address: '127.0.0.1:1', user: u, database: d, tls: off, tables: [x]",
                Ok(()),
            ),
            ("kind: oracle, tables: [x]", Err("oracle")),
            ("kind: sqlite, tables: [x]", Err("needs `path`")),
            ("kind: sqlite, path: a.db", Err("tables")),
            ("kind: sqlite, path: a.db, tables: []", Err("`tables` has 0")),
            ("kind: sqlite, path: a.db, tables: ['[']", Err("pattern `[`")),
            ("kind: sqlite, path: a.db, tables: [x], user: u", Err("`user` is for servers")),
            ("kind: sqlite, path: a.db, tables: [x], schema: s", Err("for PostgreSQL")),
            ("kind: sqlite, path: a.db, tables: [x], timeout: 5x", Err("no duration")),
            ("kind: sqlite, path: a.db, tables: [x], timeout: 1h", Err("100ms to 10m")),
            ("kind: sqlite, path: a.db, tables: [x], pasword: y", Err("pasword")),
            ("kind: postgres, user: u, tables: [x]", Err("needs `address`")),
            ("kind: postgres, address: db, tables: [x]", Err("needs `user`")),
            (
                "kind: postgres, address: db, user: u, tls: off, tables: [x]",
                Err("this machine only"),
            ),
            (
                "kind: postgres, address: db, user: u, tables: [x], schema: pg_catalog",
                Err("server's own"),
            ),
            (
                "kind: postgres, address: db, user: u, tables: [x], ca: /nowhere.pem",
                Err("`ca`: /nowhere.pem: "),
            ),
            ("kind: mysql, address: db, user: u, tables: [x]", Err("needs `database`")),
            (
                "kind: mysql, address: db, user: u, database: MySQL, tables: [x]",
                Err("server's own"),
            ),
            ("kind: mysql, address: 'a:b:c', user: u, database: d, tables: [x]", Err("no address")),
        ];
        for (rest, expected) in cases {
            check(&one(rest), expected);
        }
        check("databases: {}", Err("1 to 64"));
        check("databases: { 'a/b': { kind: sqlite, path: x, tables: [x] } }", Err("its name"));
    }

    #[test]
    fn relative_paths() {
        let yaml = "databases: { a: { kind: sqlite, path: a.db, tables: [x] } }";
        let mut settings: Settings = serde_yaml::from_str(yaml).unwrap();
        settings.resolve(Path::new("/etc/correlator"));
        assert_eq!(
            settings.databases["a"].path.as_deref(),
            Some(Path::new("/etc/correlator/a.db"))
        );
    }
}
