//! Acting on databases by engines that are killed: each event is one row. A server that is gone for a while gets
//! everything when it is back.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::time::Duration;

use correlator_tests::seed::{Seed, kills};
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects::STATE;
use correlator_tests::world::failures::failures;
use correlator_tests::world::postgres::Postgres;
use rusqlite::{Connection, OpenFlags};
use rustix::process::geteuid;

use super::acting::{listener, site};

const CHUNK: usize = 40;
const OLD: Duration = Duration::from_millis(400);
/// Rows, and how many different addresses are in them.
const COUNTS: &str = "SELECT count(*) || ' ' || count(DISTINCT addr) FROM sshd_attempts_exceeded";

/// A site that follows a file.
fn following(name: &str, database: &str) -> Site {
    let grant = format!("database: {{ databases: {{ events: {{ {database}, tables: ['*'] }} }} }}");
    let site = site(name, "file: log, follow: true", &listener("database", "database", "", &grant));
    site.put("log", "");
    site
}

/// Lets the followed file grow by a chunk.
fn grow(site: &Site, chunk: usize) {
    let mut file = OpenOptions::new().append(true).open(site.folder().join("log")).expect("a log");
    let lines = failures(chunk * CHUNK..(chunk + 1) * CHUNK);
    file.write_all((lines.join("\n") + "\n").as_bytes()).expect("a log");
}

/// Kills engines while the file grows. How many chunks there are then.
fn kill(site: &Site, seed: &mut Seed, count: usize) -> usize {
    for chunk in 0..count {
        let engine = site.start();
        site.until_it_runs();
        grow(site, chunk);
        wait::pass(seed.time(Duration::ZERO, OLD));
        engine.kill();
    }
    count
}

fn until_counted(site: &Site, chunks: usize, ask: impl Fn() -> Option<String>) {
    let rows = chunks * CHUNK;
    let mut last = None;
    let there = wait::within(wait::PATIENCE, || {
        last = ask();
        (last.as_ref()? == &format!("{rows} {rows}")).then_some(())
    });
    assert!(there.is_some(), "{last:?} instead of {rows} rows\n{}", site.said());
}

#[test]
fn kills_leave_each_row_once_in_sqlite() {
    let mut seed = Seed::of_this_run("rows in SQLite");
    let path = Site::new("sqlite-file").folder().with_extension("db");
    let site = following("sqlite", &format!("kind: sqlite, path: '{}'", path.display()));
    let chunks = kill(&site, &mut seed, kills(8));
    let engine = site.start();
    grow(&site, chunks);
    until_counted(&site, chunks + 1, || {
        let reading = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(&path, reading).ok()?;
        connection.query_row(COUNTS, [], |row| row.get(0)).ok()
    });
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn another_log_of_the_same_name_is_no_repetition() {
    let path = Site::new("sqlite-names-file").folder().with_extension("db");
    let grant = format!(
        "database: {{ databases: {{ events: {{ kind: sqlite, path: '{}', tables: ['*'] }} }} }}",
        path.display()
    );
    let mut site = site("sqlite-names", "file: log", &listener("database", "database", "", &grant));
    let check = |site: &Site, numbers: Range<usize>, expected: &str| {
        // Each begins with nothing: what was done is known by its name alone.
        let _ = fs::remove_dir_all(site.folder().join(STATE));
        site.put("log", failures(numbers).join("\n") + "\n");
        site.run();
        let reading = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(&path, reading).expect("a database");
        let found: String = connection.query_row(COUNTS, [], |row| row.get(0)).expect("rows");
        assert_eq!(found, expected, "{}", site.said());
    };
    check(&site, 100..140, "40 40");
    check(&site, 100..140, "40 40");
    // Every line begins and ends where one of the other log does.
    check(&site, 140..180, "80 80");
    if geteuid().is_root() {
        let renamed = "hostname elsewhere && exec \"$@\"";
        site.by(&["unshare", "--uts", "sh", "-c", renamed, "sh"]);
        check(&site, 140..180, "120 80");
    } else {
        eprintln!("skipped: another machine needs root to be made");
    }
}

#[test]
fn kills_and_a_stopped_server_leave_each_row_once_in_postgresql() {
    let mut seed = Seed::of_this_run("rows in PostgreSQL");
    let Some(mut server) = Postgres::start() else { return };
    let database = format!(
        "kind: postgres, address: '{}', database: postgres, user: admin",
        server.socket().display()
    );
    let site = following("postgres", &database);
    let chunks = kill(&site, &mut seed, kills(6));
    let engine = site.start();
    grow(&site, chunks);
    until_counted(&site, chunks + 1, || server.ask(COUNTS));
    server.down();
    grow(&site, chunks + 1);
    wait::until("it is told", || site.said().contains("tried until it is done").then_some(()));
    assert!(site.status().is_some(), "it answers meanwhile: {}", site.said());
    grow(&site, chunks + 2);
    server.up();
    until_counted(&site, chunks + 3, || server.ask(COUNTS));
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
