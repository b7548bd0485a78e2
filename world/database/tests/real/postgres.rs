//! PostgreSQL with TLS and SCRAM: everything, then stopped, stalled, locked, read-only, with a wrong password.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use correlator_world::{Capability, Cell, Request};
use rustix::process::Signal;

use crate::outages::{Server, killed_in_the_middle, now, row, stalled, stopped};
use crate::server::{
    Folder, Known, PASSWORD, Running, User, database, deliver, expect, folder_with_papers, output,
    port, program, request, said, text,
};
use crate::suite::{self, Real};

pub struct Postgres {
    folder: Folder,
    user: User,
    server: PathBuf,
    port: u16,
    running: Option<Running>,
}

impl Postgres {
    /// A server that is up; nothing where it is not installed.
    fn start() -> Option<Self> {
        let found = (program(&["postgres"]), program(&["initdb"]), User::named("postgres"));
        let (Some(server), Some(initdb), Some(user)) = found else {
            eprintln!("skipped: PostgreSQL's server is not installed");
            return None;
        };
        let folder = folder_with_papers("postgres", user);
        fs::write(folder.path("password"), PASSWORD).unwrap();
        let mut command = user.command(&initdb);
        command.args([
            "-U",
            "admin",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        ]);
        command.arg("--pwfile").arg(folder.path("password")).arg("-D").arg(folder.path("data"));
        output(command);
        let mut this = Self { folder, user, server, port: port(), running: None };
        this.up(&[]);
        Some(this)
    }

    fn psql(&self) -> Command {
        let mut command = Command::new("psql");
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "admin",
            "-d",
            "postgres",
        ]);
        command.args(["-X", "-A", "-t", "-q", "-P", "null=NULL", "-v", "ON_ERROR_STOP=1"]);
        command.env("PGPASSWORD", PASSWORD);
        command
    }
}

impl Server for Postgres {
    const SIGNALS: (Signal, Signal) = (Signal::INT, Signal::QUIT);

    fn up(&mut self, more: &[&str]) {
        let mut command = self.user.command(&self.server);
        command.arg("-D").arg(self.folder.path("data")).args(["-p", &self.port.to_string()]);
        let mut set = |name: &str, value: &str| {
            command.args(["-c", &format!("{name}={value}")]);
        };
        set("listen_addresses", "127.0.0.1,127.0.0.2");
        set("unix_socket_directories", &self.folder.0.display().to_string());
        set("ssl", "on");
        set("ssl_cert_file", &self.folder.path("ca.pem").display().to_string());
        set("ssl_key_file", &self.folder.path("key.pem").display().to_string());
        command.args(more);
        self.running = Some(Running::start(command, "ready to accept connections"));
    }

    fn down(&mut self, signal: Signal) {
        self.running.take().unwrap().stop(signal);
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn settings_at(&self, port: u16) -> String {
        let ca = self.folder.path("ca.pem");
        format!(
            "kind: postgres, address: 'localhost:{port}', database: postgres, user: admin, credential: db, ca: {}",
            ca.display()
        )
    }
}

impl Real for Postgres {
    fn settings(&self) -> String {
        self.settings_at(self.port)
    }

    fn ask(&self, sql: &str) -> String {
        let mut command = self.psql();
        command.args(["-c", sql]);
        output(command)
    }

    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn hex(&self, column: &str) -> String {
        format!("encode(convert_to({column}, 'UTF8'), 'hex')")
    }

    fn kinds(&self) -> &'static str {
        "-9223372036854775808|0.1|t|2023-11-14 22:13:20.123456+00|1500000000|Infinity|NaN"
    }
}

#[test]
fn everything() {
    let Some(mut server) = Postgres::start() else { return };
    server.ask("ALTER SYSTEM SET timezone = 'UTC'");
    server.down(Signal::INT);
    server.up(&[]);
    suite::all(&server);
    types_of_its_own(&server);
    ways_to_log_in(&server);
    few_privileges(&server);
    locked(&server);
    conflicts_at_the_end(&server);
    let mut database = database(&format!("{}, tables: ['*']", server.settings()));
    expect(&deliver(&mut database, &[row("0", "again")]), &["new"]);
    read_only(&mut server, &mut database);
    stopped(&mut server, &mut database);
    killed_in_the_middle(&mut server);
    let places = [
        ("off", 0),
        ("off", 5),
        ("off", 60),
        ("off", 400),
        ("verify", 0),
        ("verify", 1),
        ("verify", 900),
    ];
    stalled(&server, &places);
    server.down(Signal::INT);
}

fn types_of_its_own(server: &Postgres) {
    server.ask("CREATE TABLE own (correlator_id text PRIMARY KEY, addr inet, took interval, at timestamp, n numeric, s smallint, v varchar(3))");
    let mut database = database(&format!("{}, tables: [own]", server.settings()));
    let cells = |addr: &str, n: i64, v: &str| {
        [
            ("addr", text(addr)),
            ("took", Cell::Duration(1_500_000_000)),
            ("at", Cell::Time(0)),
            ("n", Cell::Integer(7)),
            ("s", Cell::Integer(n)),
            ("v", text(v)),
        ]
    };
    let requests = [
        request("1", "own", &cells("192.0.2.1", 5, "abc")),
        request("2", "own", &cells("hush-hush", 5, "abc")),
        request("3", "own", &cells("2001:db8::1", 70_000, "abc")),
        request("4", "own", &cells("2001:db8::1", 5, "toolong")),
    ];
    let found = deliver(&mut database, &requests);
    expect(
        &found,
        &["new", "can't be read as its column's type", "out of its column's range", "too long"],
    );
    assert!(
        found.iter().all(|words| !words.contains("hush-hush") && !words.contains("toolong")),
        "{found:?}"
    );
    assert_eq!(
        server.ask("SELECT addr, took, at, n, s FROM own"),
        "192.0.2.1|00:00:01.5|1970-01-01 00:00:00|7|5"
    );
}

fn ways_to_log_in(server: &Postgres) {
    let one = [row("1", "again")];
    let settings = server.settings();
    let socket = server.folder.path(&format!(".s.PGSQL.{}", server.port));
    let by_socket =
        settings.replace(&format!("'localhost:{}'", server.port), &socket.display().to_string());
    let cases = [
        (settings.clone(), "new"),
        (
            by_socket.replace(&format!(", ca: {}", server.folder.path("ca.pem").display()), ""),
            "known",
        ),
        (format!("{settings}, tls: off"), "known"),
        // Its certificate is for other names.
        (settings.replace("localhost", "127.0.0.2"), "later: database `d`: tls: "),
        // The system's authorities don't know it.
        (settings.split(", ca:").next().unwrap().to_owned(), "later: database `d`: tls: "),
        (settings.replace("database: postgres", "database: nowhere"), "there is no such database"),
        (settings.replace("user: admin", "user: nobody"), "the user or the password was refused"),
        (settings.replace("credential: db", "credential: missing"), "credential set missing"),
        (settings.replace(", credential: db", ""), "name a `credential`"),
        (format!("{settings}, schema: nowhere"), "there is no such schema"),
    ];
    for (settings, expected) in cases {
        let mut database = database(&format!("{settings}, tables: ['*']"));
        expect(&deliver(&mut database, &one), &[expected]);
    }
    let mut database = database(&format!("{settings}, tables: ['*']"));
    let outcomes = database.deliver(&one, &Known("wrong"));
    expect(&[said(&outcomes[0])], &["later: database `d`: the user or the password was refused"]);
    // Weaker ways to ask for a password, and those that would tell it.
    server.ask("CREATE ROLE plain LOGIN SUPERUSER; SET password_encryption = md5; ALTER ROLE plain PASSWORD 'hush-md5'");
    let hba = server.folder.path("data").join("pg_hba.conf");
    let before = fs::read_to_string(&hba).unwrap();
    let plain = settings.replace("user: admin", "user: plain");
    for (way, tls, expected) in [
        ("md5", "off", "known"),
        ("password", "off", "asks for the password in the open"),
        ("password", "verify", "known"),
        ("ident", "off", "later"),
    ] {
        fs::write(&hba, format!("host all plain 127.0.0.1/32 {way}\n{before}")).unwrap();
        server.ask("SELECT pg_reload_conf()");
        let mut database = self::database(&format!("{plain}, tables: ['*'], tls: {tls}"));
        // The reload takes a moment: until then it still asks as it did before.
        let until = deadline();
        let found = loop {
            let found = database.deliver(&one, &Known("hush-md5"));
            if said(&found[0]).contains(expected) || now() > until {
                break said(&found[0]);
            }
            database = self::database(&format!("{plain}, tables: ['*'], tls: {tls}"));
        };
        assert!(found.contains(expected) && !found.contains("hush-md5"), "{way} {tls}: {found}");
    }
    fs::write(&hba, before).unwrap();
    server.ask("SELECT pg_reload_conf()");
}

/// A right or a schema that is forgotten lets rows wait; a policy forbids some rows for good.
fn few_privileges(server: &Postgres) {
    server.ask("CREATE ROLE few LOGIN PASSWORD 'hush-few'");
    server.ask("CREATE TABLE rights (correlator_id text PRIMARY KEY, a text)");
    let settings = server.settings().replace("user: admin", "user: few");
    let mut database = database(&format!("{settings}, tables: ['*']"));
    let mut check = |rows: &[Request], expected: &[&str]| {
        let outcomes = database.deliver(rows, &Known("hush-few"));
        expect(&outcomes.iter().map(said).collect::<Vec<_>>(), expected);
    };
    let no = "later: database `d`: the user has no right to it; grant it";
    check(&[row("1", "rights"), row("2", "rights")], &[no, no]);
    check(&[row("1", "made")], &[no]);
    server.ask("GRANT SELECT, INSERT ON rights TO few");
    check(&[row("1", "rights"), row("2", "rights")], &["new", "new"]);
    server.ask(
        "ALTER TABLE rights ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY few ON rights TO few USING (true) WITH CHECK (correlator_id <> '4')",
    );
    let rows = [row("3", "rights"), row("4", "rights"), row("5", "rights")];
    check(&rows, &["new", "refused: table `rights`: a policy of the table forbids it", "new"]);
    let mut database = self::database(&format!("{}, tables: ['*'], schema: s", server.settings()));
    let schema = ["later: database `d`: there is no such schema"];
    expect(&deliver(&mut database, &[row("1", "rights")]), &schema);
    server.ask("CREATE SCHEMA s");
    expect(&deliver(&mut database, &[row("1", "rights")]), &["new"]);
}

fn deadline() -> Instant {
    now() + Duration::from_secs(10)
}

fn locked(server: &Postgres) {
    let mut database = database(&format!("{}, tables: ['*'], timeout: 1s", server.settings()));
    expect(&deliver(&mut database, &[row("1", "locked")]), &["new"]);
    let mut other = server.psql().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = other.stdin.take().unwrap();
    input.write_all(b"BEGIN; LOCK TABLE locked;\n\\echo held\n").unwrap();
    let mut line = String::new();
    BufReader::new(other.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    let start = now();
    expect(&deliver(&mut database, &[row("2", "locked")]), &["later: database `d`: "]);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    drop(input);
    other.wait().unwrap();
    expect(&deliver(&mut database, &[row("2", "locked")]), &["new"]);
}

/// Constraints that are looked at when a transaction ends would sink all rows of it.
fn conflicts_at_the_end(server: &Postgres) {
    server.ask(
        "CREATE TABLE late (correlator_id text PRIMARY KEY, n bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    );
    let mut database = database(&format!("{}, tables: ['*']", server.settings()));
    let row = |id: &str, n: i64| request(id, "late", &[("n", Cell::Integer(n))]);
    let found = deliver(&mut database, &[row("1", 1), row("2", 1), row("3", 3)]);
    expect(&found, &["new", "refused: table `late`: another row", "new"]);
}

fn read_only(server: &mut Postgres, database: &mut correlator_database::Database) {
    server.down(Signal::INT);
    server.up(&["-c", "default_transaction_read_only=on"]);
    expect(
        &deliver(database, &[row("2", "again")]),
        &["later: database `d`: the server takes no writes now"],
    );
    server.down(Signal::INT);
    server.up(&[]);
    expect(&deliver(database, &[row("2", "again")]), &["new"]);
}
