//! What must hold for each of the three databases alike.

use correlator_world::{Capability, Cell, Kind, Request};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::server::{Known, PASSWORD, database, deliver, expect, request, said, text};

/// A database that is there.
pub trait Real {
    /// The settings but for `tables` and `create`.
    fn settings(&self) -> String;
    /// Asks it by other means: the rows as lines, the columns with `|` between them.
    fn ask(&self, sql: &str) -> String;
    /// A name, quoted.
    fn quote(&self, name: &str) -> String;
    /// The bytes of a text, as hexadecimal digits.
    fn hex(&self, column: &str) -> String;
    /// What a row of all kinds looks like: the integer, float, boolean, time, duration; infinite, no number.
    fn kinds(&self) -> &'static str;
}

pub fn all(real: &dyn Real) {
    kinds(real);
    done_twice(real);
    columns_that_come_later(real);
    nothing_is_made(real);
    tables_that_were_there(real);
    one_bad_row(real);
    hostile_names(real);
    hostile_values(real);
    taken_back(real);
    many_shapes(real);
    at_the_same_time(real);
    speed(real);
}

fn open(real: &dyn Real) -> correlator_database::Database {
    database(&format!("{}, tables: ['*']", real.settings()))
}

fn count(real: &dyn Real, table: &str) -> String {
    real.ask(&format!("SELECT count(*) FROM {}", real.quote(table)))
}

fn kinds(real: &dyn Real) {
    let mut database = open(real);
    let cells = [
        ("text", text("it's \"ü\" 😀 \\ ; --")),
        ("i", Cell::Integer(i64::MIN)),
        ("f", Cell::Float(0.1)),
        ("b", Cell::Boolean(true)),
        ("t", Cell::Time(1_700_000_000_123_456_789)),
        ("d", Cell::Duration(1_500_000_000)),
        ("huge", Cell::Float(f64::INFINITY)),
        ("nan", Cell::Float(f64::NAN)),
        ("nul", text("a\0b")),
        ("none", Cell::Absent(Kind::Text)),
    ];
    expect(&deliver(&mut database, &[request("k:1", "kinds", &cells)]), &["new"]);
    let found = real.ask("SELECT i, f, b, t, d, huge, nan FROM kinds");
    assert_eq!(found, real.kinds());
    let found = real.ask(&format!(
        "SELECT {}, {} FROM kinds WHERE none IS NULL",
        real.hex("text"),
        real.hex("nul")
    ));
    let expected = format!("{}|{}", hex("it's \"ü\" 😀 \\ ; --"), hex("a\u{FFFD}b"));
    assert_eq!(found.to_lowercase(), expected);
    // The ends of the clock.
    let ends = [("t", Cell::Time(i64::MIN)), ("d", Cell::Duration(i64::MIN))];
    let other = [("t", Cell::Time(i64::MAX)), ("d", Cell::Duration(i64::MAX))];
    let requests = [request("k:2", "kinds", &ends), request("k:3", "kinds", &other)];
    expect(&deliver(&mut database, &requests), &["new", "new"]);
    let large = "x".repeat(1_000_000);
    expect(
        &deliver(&mut database, &[request("k:4", "kinds", &[("text", text(&large))])]),
        &["new"],
    );
    assert_eq!(real.ask("SELECT length(text) FROM kinds WHERE correlator_id = 'k:4'"), "1000000");
}

fn done_twice(real: &dyn Real) {
    let mut database = open(real);
    let row = |id: &str| request(id, "twice", &[("a", text("x"))]);
    expect(&deliver(&mut database, &[row("e1"), row("E1"), row("e1")]), &["new", "new", "known"]);
    expect(&deliver(&mut database, &[row("e1"), row("e2")]), &["known", "new"]);
    // After a restart, too.
    expect(&deliver(&mut open(real), &[row("e2")]), &["known"]);
    assert_eq!(count(real, "twice"), "3");
}

fn columns_that_come_later(real: &dyn Real) {
    let mut database = open(real);
    expect(&deliver(&mut database, &[request("1", "grows", &[("a", text("x"))])]), &["new"]);
    let more = [("a", text("x")), ("b", Cell::Integer(5)), ("correlator_id", text("own"))];
    expect(&deliver(&mut database, &[request("2", "grows", &more)]), &["new"]);
    expect(&deliver(&mut database, &[request("3", "grows", &[("b", Cell::Integer(6))])]), &["new"]);
    let found = real.ask(
        "SELECT correlator_id, a, b, guest_correlator_id FROM grows WHERE b IS NOT NULL ORDER BY b",
    );
    let empty = found.replace("NULL", "");
    assert_eq!(empty, "2|x|5|own\n3||6|");
    // Somebody takes the table away while we hold on to what we knew of it.
    real.ask("DROP TABLE grows");
    expect(&deliver(&mut database, &[request("4", "grows", &[("b", Cell::Integer(7))])]), &["new"]);
    // A guest that names new columns for ever comes to an end.
    let mut last = String::new();
    for at in 0..200 {
        let name = format!("c{at}");
        last =
            deliver(&mut database, &[request(&format!("n{at}"), "grows", &[(&name, text("x"))])])
                .remove(0);
    }
    expect(&[last], &["refused: database `d`: table `grows` has 129 columns"]);
}

fn nothing_is_made(real: &dyn Real) {
    let mut database = database(&format!(
        "{}, tables: ['grows', 'none', 'denied*'], create: false",
        real.settings()
    ));
    let row = |table: &str, column: &str| request("x1", table, &[(column, Cell::Integer(1))]);
    expect(
        &deliver(&mut database, &[row("none", "b")]),
        &["refused: database `d`: there is no table `none`"],
    );
    expect(&deliver(&mut database, &[row("grows", "zz")]), &["table `grows` has no column `zz`"]);
    expect(&deliver(&mut database, &[row("grows", "b")]), &["new"]);
    expect(&deliver(&mut database, &[row("other", "b")]), &["refused: denied: table `other`"]);
}

fn tables_that_were_there(real: &dyn Real) {
    let mut database = open(real);
    real.ask("CREATE TABLE keyless (a varchar(10), correlator_id varchar(200))");
    expect(
        &deliver(&mut database, &[request("1", "keyless", &[("a", text("x"))])]),
        &["refused: database `d`: table `keyless`"],
    );
    real.ask("CREATE UNIQUE INDEX keyless_key ON keyless (correlator_id)");
    expect(&deliver(&mut database, &[request("1", "keyless", &[("a", text("x"))])]), &["new"]);
    let wrong = [("a", Cell::Integer(77_123))];
    let found = deliver(&mut database, &[request("2", "keyless", &wrong)]);
    expect(&found, &["refused: database `d`: column `a` of table `keyless` is varchar"]);
    real.ask("CREATE VIEW seen AS SELECT * FROM keyless");
    expect(
        &deliver(&mut database, &[request("3", "seen", &[("a", text("x"))])]),
        &["refused: database `d`: table `seen`"],
    );
}

fn one_bad_row(real: &dyn Real) {
    let mut database = open(real);
    real.ask(
        "CREATE TABLE strict (correlator_id varchar(200) PRIMARY KEY, a varchar(20) NOT NULL, n bigint UNIQUE, \
         CHECK (n < 1000))",
    );
    let row =
        |id: &str, a: Cell, n: i64| request(id, "strict", &[("a", a), ("n", Cell::Integer(n))]);
    let requests = [
        row("1", text("fine"), 1),
        row("2", Cell::Absent(Kind::Text), 2),
        row("3", text("fine"), 3),
        row("4", text("secretvalue"), 1),
        row("5", text("fine"), 4_242_424),
        row("6", text("fine"), 6),
        row("1", text("fine"), 1),
    ];
    let found = deliver(&mut database, &requests);
    expect(
        &found,
        &[
            "new",
            "refused: table `strict`: ",
            "new",
            "refused: table `strict`: ",
            "refused: table `strict`: ",
            "new",
            "known",
        ],
    );
    for words in &found {
        assert!(!words.contains("secretvalue") && !words.contains("4242424"), "{words}");
        eprintln!("{words}");
    }
    assert_eq!(real.ask("SELECT correlator_id FROM strict ORDER BY 1"), "1\n3\n6");
}

fn hostile_names(real: &dyn Real) {
    let mut database = open(real);
    real.ask("CREATE TABLE victim (a integer)");
    real.ask("INSERT INTO victim VALUES (1)");
    let names = [
        "x\"; DROP TABLE victim; --",
        "x`; DROP TABLE victim; --",
        "x'; DROP TABLE victim; --",
        "x) VALUES (1); DROP TABLE victim; --",
        "x\"\"y``z''",
        "$1 ?1 :a @b %s {}",
        "select",
        "größe 表",
    ];
    for (at, name) in names.iter().enumerate() {
        let id = format!("h{at}");
        let cells = [(*name, text("v")), ("plain", Cell::Integer(1))];
        expect(&deliver(&mut database, &[request(&id, name, &cells)]), &["new"]);
        expect(&deliver(&mut database, &[request(&id, name, &cells)]), &["known"]);
        let quoted = real.quote(name);
        assert_eq!(real.ask(&format!("SELECT {quoted} FROM {quoted}")), "v", "{name}");
        expect(
            &[said(&database.undo(&request(&id, name, &cells), &Known(PASSWORD)))],
            &["taken away"],
        );
    }
    for wrong in ["a\0b", "", " x", "a\nb", "sneaky\u{202E}x", &"l".repeat(64)] {
        expect(&deliver(&mut database, &[request("h", wrong, &[])]), &["refused: not understood"]);
        expect(
            &deliver(&mut database, &[request("h", "fine", &[(wrong, text("x"))])]),
            &["refused: not understood"],
        );
    }
    for id in ["", "x'; DROP TABLE victim; --", &"i".repeat(201)] {
        expect(&deliver(&mut database, &[request(id, "fine", &[])]), &["refused: not understood"]);
    }
    assert_eq!(count(real, "victim"), "1");
}

fn hostile_values(real: &dyn Real) {
    let mut database = open(real);
    let values = [
        "'); DROP TABLE victim; --",
        "\\'); DROP TABLE victim; --",
        "\" OR 1=1; --",
        "${jndi:x} $1 ? %s",
        "\u{1b}[31m\r\n\t\u{FEFF}",
        "NULL",
        "0x41",
    ];
    let requests: Vec<Request> = values
        .iter()
        .enumerate()
        .map(|(at, value)| request(&format!("v{at}"), "values", &[("a", text(value))]))
        .collect();
    expect(&deliver(&mut database, &requests), &["new"; 7]);
    let found = real.ask(&format!(
        "SELECT {} FROM {} ORDER BY correlator_id",
        real.hex("a"),
        real.quote("values")
    ));
    let expected = values.map(hex);
    assert_eq!(found.to_lowercase(), expected.join("\n"));
    assert_eq!(count(real, "victim"), "1");
}

fn taken_back(real: &dyn Real) {
    let mut database = open(real);
    let one = request("u1", "undone", &[("a", text("x"))]);
    expect(
        &deliver(&mut database, &[one.clone(), request("u2", "undone", &[("a", text("y"))])]),
        &["new", "new"],
    );
    let secrets = Known(PASSWORD);
    expect(&[said(&database.undo(&one, &secrets))], &["row taken away from `undone`"]);
    expect(&[said(&database.undo(&one, &secrets))], &["no such row was in `undone`"]);
    expect(&[said(&database.undo(&request("u1", "nowhere", &[]), &secrets))], &["no such row"]);
    assert_eq!(real.ask("SELECT correlator_id FROM undone"), "u2");
}

fn many_shapes(real: &dyn Real) {
    let mut database = open(real);
    let requests: Vec<Request> = (0..60)
        .map(|at| {
            let (table, column) = (format!("shape{}", at % 3), format!("c{}", at % 5));
            request(&format!("s{at}"), &table, &[(&column, Cell::Integer(at))])
        })
        .collect();
    expect(&deliver(&mut database, &requests), &["new"; 60]);
    assert_eq!(count(real, "shape1"), "20");
    assert_eq!(real.ask("SELECT correlator_id FROM shape1 WHERE c2 = 7"), "s7");
}

/// Several that make one table and write the same rows have each of them once.
fn at_the_same_time(real: &dyn Real) {
    let requests: Vec<Request> = (0..300)
        .map(|at| {
            request(&format!("p{at}"), "parallel", &[("a", text("x")), ("n", Cell::Integer(at))])
        })
        .collect();
    let work = |mut database: correlator_database::Database| {
        let mut open = requests.clone();
        let mut new = 0;
        for _ in 0..100 {
            let found = deliver(&mut database, &open);
            new += found.iter().filter(|said| *said == "new").count();
            assert!(!found.iter().any(|said| said.starts_with("refused")), "{found:?}");
            open = open
                .into_iter()
                .zip(found)
                .filter(|(_, said)| said.starts_with("later"))
                .map(|(request, _)| request)
                .collect();
            if open.is_empty() {
                return new;
            }
        }
        panic!("it has no end");
    };
    let new: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn({
                    let database = open(real);
                    let work = &work;
                    move || work(database)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(new, 300);
    assert_eq!(count(real, "parallel"), "300");
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// A row arrives once nothing is in its way any more; a machine that is busy may need more than one try.
pub fn recovers(database: &mut correlator_database::Database, row: &Request) {
    let mut last = String::new();
    for _ in 0..50 {
        last = deliver(database, std::slice::from_ref(row)).remove(0);
        if last == "new" || last == "known" {
            return;
        }
    }
    panic!("{last}");
}

/// Rows go to the table `middle` while its server is killed. The requests that are open then, and how many there were.
pub fn killed(
    mut database: correlator_database::Database,
    kill: impl FnOnce(),
) -> (correlator_database::Database, Vec<Request>, usize) {
    let (tell, told) = mpsc::channel();
    let worker = thread::spawn(move || {
        let mut open: Vec<Request> = Vec::new();
        for batch in 0..10_000 {
            let row = |at: usize| request(&format!("m{batch}-{at}"), "middle", &[("a", text("x"))]);
            let requests: Vec<Request> = (0..500).map(row).collect();
            let outcomes = deliver(&mut database, &requests);
            let _ = tell.send(());
            let left =
                requests.into_iter().zip(outcomes).filter(|(_, said)| said.starts_with("later"));
            open.extend(left.map(|(request, _)| request));
            if open.len() > 1000 {
                return (database, open, (batch + 1) * 500);
            }
        }
        panic!("it was not killed");
    });
    // Some rows are there, and others on their way.
    told.iter().nth(3).unwrap();
    kill();
    worker.join().unwrap()
}

fn speed(real: &dyn Real) {
    let mut database = open(real);
    let row = |at: i64| {
        let cells = [
            ("time", Cell::Time(1_700_000_000_000_000_000 + at)),
            ("severity", text("warning")),
            ("host", text("host.example")),
            ("addr", text("192.0.2.17")),
            ("count", Cell::Integer(at)),
            (
                "message",
                text("Failed password for invalid user admin from 192.0.2.17 port 4711 ssh2"),
            ),
        ];
        request(&format!("sshd:{at}#0"), "speed", &cells)
    };
    let requests: Vec<Request> = (0..10_000).map(row).collect();
    #[expect(clippy::disallowed_methods, reason = "it is measured")]
    let start = Instant::now();
    for batch in requests.chunks(500) {
        assert!(deliver(&mut database, batch).iter().all(|said| said == "new"));
    }
    let rate = 10_000.0 / start.elapsed().as_secs_f64();
    assert_eq!(count(real, "speed"), "10000");
    #[expect(clippy::disallowed_methods, reason = "it is measured")]
    let start = Instant::now();
    for batch in requests.chunks(500) {
        assert!(deliver(&mut database, batch).iter().all(|said| said == "known"));
    }
    let again = 10_000.0 / start.elapsed().as_secs_f64();
    eprintln!(
        "{}: {rate:.0} rows/s, {again:.0} rows/s that were there",
        real.settings().split(',').next().unwrap()
    );
}
