//! SQLite: files that are locked, full, replaced, damaged.

use std::fs;
use std::process::Command;

use correlator_database::Database;
use correlator_world::Cell;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::server::{Folder, database, deliver, expect, output, port, request, text};
use crate::suite::{self, Real};

struct File(Folder);

impl Real for File {
    fn settings(&self) -> String {
        format!("kind: sqlite, path: {}", self.0.path("a.db").display())
    }

    fn ask(&self, sql: &str) -> String {
        let connection = Connection::open(self.0.path("a.db")).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let count = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let cell = |at| match row.get_ref(at).unwrap() {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(text) | ValueRef::Blob(text) => {
                    String::from_utf8_lossy(text).into_owned()
                }
            };
            lines.push((0..count).map(cell).collect::<Vec<_>>().join("|"));
        }
        lines.join("\n")
    }

    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn hex(&self, column: &str) -> String {
        format!("hex({column})")
    }

    fn kinds(&self) -> &'static str {
        "-9223372036854775808|0.1|1|2023-11-14T22:13:20.123456789Z|1500000000|inf|NULL"
    }
}

#[test]
fn everything() {
    suite::all(&File(Folder::new("sqlite")));
}

#[test]
fn a_file_that_is_locked() {
    let folder = Folder::new("locked");
    let path = folder.path("a.db");
    let mut database =
        database(&format!("kind: sqlite, path: {}, tables: ['*'], timeout: 200ms", path.display()));
    let row = |id: &str| request(id, "t", &[("a", text("x"))]);
    expect(&deliver(&mut database, &[row("1")]), &["new"]);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    expect(
        &deliver(&mut database, &[row("1"), row("2")]),
        &["later: database `d`: others keep it locked", "later"],
    );
    other.execute_batch("COMMIT").unwrap();
    expect(&deliver(&mut database, &[row("1"), row("2")]), &["known", "new"]);
}

#[test]
fn a_file_that_is_replaced_or_taken_away() {
    let folder = Folder::new("replaced");
    let path = folder.path("a.db");
    let mut database = database(&format!("kind: sqlite, path: {}, tables: ['*']", path.display()));
    let row = |id: &str| request(id, "t", &[("a", text("x"))]);
    expect(&deliver(&mut database, &[row("1")]), &["new"]);
    for name in ["a.db", "a.db-wal", "a.db-shm"] {
        let _ = fs::remove_file(folder.path(name));
    }
    expect(&deliver(&mut database, &[row("1")]), &["new"]);
    let found: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, 1);
}

/// A guest that names a new table every time comes to an end.
#[test]
fn tables_without_end() {
    let folder = Folder::new("many");
    let mut database =
        database(&format!("kind: sqlite, path: {}, tables: ['*']", folder.path("a.db").display()));
    let requests: Vec<_> = (0..102).map(|at| request("1", &format!("t{at}"), &[])).collect();
    let found = deliver(&mut database, &requests);
    assert!(found[..100].iter().all(|said| said == "new"), "{found:?}");
    expect(&found[100..], &["refused: database `d`: table `t100` is not made", "refused"]);
}

/// One database that is down holds up no other.
#[test]
fn two_databases() {
    let folder = Folder::new("two");
    let yaml = format!(
        "databases: {{ down: {{ kind: postgres, address: '127.0.0.1:{}', user: u, tables: [t], tls: off }}, \
         up: {{ kind: sqlite, path: {}, tables: [t] }} }}",
        port(),
        folder.path("a.db").display()
    );
    let mut database = Database::new(serde_yaml::from_str(&yaml).unwrap()).unwrap();
    let row = |id: &str, target: &str| request(id, target, &[("a", text("x"))]);
    let requests = [
        row("1", "down/t"),
        row("2", "up/t"),
        row("3", "down/t"),
        row("4", "t"),
        row("5", "up/other"),
    ];
    let found = deliver(&mut database, &requests);
    let down = "later: database `down`: connecting";
    expect(&found, &[down, "new", down, "refused: not understood", "refused: denied"]);
}

#[test]
fn files_that_are_none() {
    let folder = Folder::new("none");
    fs::write(
        folder.path("garbage"),
        "this is no database at all, but a text that is long enough".repeat(100),
    )
    .unwrap();
    let row = [request("1", "t", &[("a", text("x"))])];
    let cases = [
        ("garbage", "true", "later: database `d`: "),
        ("missing", "false", "later: database `d`: "),
        ("no/folder/here", "true", "later: database `d`: "),
        (".", "true", "later: database `d`: "),
    ];
    for (name, create, expected) in cases {
        let path = folder.path(name);
        let mut database = database(&format!(
            "kind: sqlite, path: {}, tables: ['*'], create: {create}",
            path.display()
        ));
        let found = deliver(&mut database, &row);
        eprintln!("{found:?}");
        expect(&found, &[expected]);
    }
    assert!(!folder.path("missing").exists());
}

/// A trigger that rolls back takes the whole transaction with it; a check whose function fails is no change of the schema.
#[test]
fn triggers_and_checks_that_fail() {
    let folder = Folder::new("triggers");
    let path = folder.path("a.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (correlator_id TEXT PRIMARY KEY, n INTEGER);
             CREATE TRIGGER r BEFORE INSERT ON t WHEN new.n = 2 BEGIN SELECT RAISE(ROLLBACK, 'secret'); END;
             CREATE TABLE j (correlator_id TEXT PRIMARY KEY, a TEXT CHECK (json_extract(a, '$') IS NOT NULL));",
        )
        .unwrap();
    let mut database = database(&format!("kind: sqlite, path: {}, tables: ['*']", path.display()));
    let row = |n: i64| request(&n.to_string(), "t", &[("n", Cell::Integer(n))]);
    let found = deliver(&mut database, &[row(1), row(2), row(3)]);
    expect(&found, &["", "refused: table `t`: a trigger", "new"]);
    let json = |id: &str, a: &str| request(id, "j", &[("a", text(a))]);
    let found = deliver(&mut database, &[json("1", "[1]"), json("2", "{broken"), json("3", "[3]")]);
    expect(&found, &["new", "refused: table `j`", "new"]);
    let count = |table: &str| -> i64 {
        connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!((count("t"), count("j")), (2, 2));
}

/// Statements that never end are ended.
#[test]
fn a_trigger_without_end() {
    let folder = Folder::new("endless");
    let path = folder.path("a.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE t (correlator_id TEXT PRIMARY KEY, n INTEGER);
             CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT count(*) FROM
             (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c LIMIT 1000000000000); END;",
        )
        .unwrap();
    let mut database =
        database(&format!("kind: sqlite, path: {}, tables: ['*'], timeout: 300ms", path.display()));
    let found = deliver(&mut database, &[request("1", "t", &[("n", Cell::Integer(1))])]);
    expect(&found, &["later: database `d`: it took too long"]);
}

#[test]
fn a_disk_that_is_full() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a small file system can only be mounted by root");
        return;
    }
    let folder = Folder::new("full");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"])
        .arg(&folder.0)
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a small file system can't be mounted here");
        return;
    }
    let filler = folder.path("filler");
    let mut database =
        database(&format!("kind: sqlite, path: {}, tables: ['*']", folder.path("a.db").display()));
    let large = "x".repeat(50_000);
    let requests: Vec<_> =
        (0..8).map(|at| request(&format!("{at}"), "t", &[("a", text(&large))])).collect();
    let first = deliver(&mut database, &requests[..1]);
    // What is left of it goes, too.
    let _ = fs::write(&filler, vec![0; 1_000_000]);
    let found = deliver(&mut database, &requests);
    let _ = fs::remove_file(&filler);
    let after: Vec<String> = requests[..3]
        .iter()
        .flat_map(|one| deliver(&mut database, std::slice::from_ref(one)))
        .collect();
    drop(database);
    let mut unmount = Command::new("umount");
    unmount.arg(&folder.0);
    output(unmount);
    expect(&first, &["new"]);
    expect(&found, &["later: database `d`: "; 8]);
    assert!(found[0].contains("full"), "{}", found[0]);
    expect(&after, &["known", "new", "new"]);
}
