//! MariaDB with TLS: everything, then stopped, stalled, locked, with a wrong password.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use correlator_world::{Capability, Cell, Request};
use rustix::process::Signal;

use crate::server::{
    Folder, Known, PASSWORD, Running, User, certificate, database, deliver, expect, output, port,
    program, request, said, text,
};
use crate::stall::Relay;
use crate::suite::{self, Real};

struct Mariadb {
    folder: Folder,
    user: User,
    server: PathBuf,
    client: PathBuf,
    port: u16,
    running: Option<Running>,
}

impl Mariadb {
    fn start() -> Option<Self> {
        let programs = (
            program(&["mariadbd", "mysqld"]),
            program(&["mariadb-install-db", "mysql_install_db"]),
            program(&["mariadb", "mysql"]),
            User::named("mysql"),
        );
        let (Some(server), Some(install), Some(client), Some(user)) = programs else {
            eprintln!("skipped: MariaDB's server is not installed");
            return None;
        };
        let folder = Folder::new("mariadb");
        user.own(&folder.0);
        let (certificate, key) = certificate();
        fs::write(folder.path("ca.pem"), certificate).unwrap();
        fs::write(folder.path("key.pem"), key).unwrap();
        fs::set_permissions(folder.path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        user.own(&folder.path("key.pem"));
        let mut command = user.command(&install);
        command.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
        command.arg(format!("--datadir={}", folder.path("data").display()));
        output(command);
        let mut this = Self { folder, user, server, client, port: port(), running: None };
        this.up(&[]);
        let password = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
        this.ask(&format!("CREATE DATABASE siem; CREATE USER writer IDENTIFIED BY '{password}'; GRANT ALL ON siem.* TO writer"));
        Some(this)
    }

    fn up(&mut self, more: &[&str]) {
        let mut command = self.user.command(&self.server);
        command.args([
            "--no-defaults",
            "--bind-address=127.0.0.1,127.0.0.2",
            "--innodb-flush-log-at-trx-commit=2",
        ]);
        command.arg(format!("--port={}", self.port));
        for (name, file) in [
            ("datadir", "data"),
            ("socket", "sock"),
            ("pid-file", "pid"),
            ("ssl-cert", "ca.pem"),
            ("ssl-key", "key.pem"),
        ] {
            command.arg(format!("--{name}={}", self.folder.path(file).display()));
        }
        command.args(more);
        self.running = Some(Running::start(command, "ready for connections"));
    }

    fn down(&mut self, signal: Signal) {
        self.running.take().unwrap().stop(signal);
    }

    fn client(&self) -> Command {
        let mut command = Command::new(&self.client);
        command
            .arg("--no-defaults")
            .arg(format!("--socket={}", self.folder.path("sock").display()));
        command.args(["-u", "root", "-N", "-B", "-n", "--default-character-set=utf8mb4"]);
        command
    }

    fn settings_at(&self, port: u16) -> String {
        let ca = self.folder.path("ca.pem");
        format!(
            "kind: mysql, address: 'localhost:{port}', database: siem, user: writer, credential: db, ca: {}",
            ca.display()
        )
    }
}

impl Real for Mariadb {
    fn settings(&self) -> String {
        self.settings_at(self.port)
    }

    fn ask(&self, sql: &str) -> String {
        let exists = self.folder.path("data").join("siem").exists();
        let mut command = self.client();
        command.args(exists.then_some("siem")).args(["-e", sql]);
        output(command).replace('\t', "|")
    }

    fn quote(&self, name: &str) -> String {
        format!("`{}`", name.replace('`', "``"))
    }

    fn hex(&self, column: &str) -> String {
        format!("hex({column})")
    }

    fn kinds(&self) -> &'static str {
        "-9223372036854775808|0.1|1|2023-11-14 22:13:20.123456|1500000000|NULL|NULL"
    }
}

fn row(id: &str, table: &str) -> Request {
    request(id, table, &[("a", text("x"))])
}

#[expect(clippy::disallowed_methods, reason = "a test has to end")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn everything() {
    let Some(mut server) = Mariadb::start() else { return };
    suite::all(&server);
    columns_of_its_own(&server);
    ways_to_log_in(&server);
    locked(&server);
    let mut database = database(&format!("{}, tables: ['*']", server.settings()));
    expect(&deliver(&mut database, &[row("0", "again")]), &["new"]);
    read_only(&server, &mut database);
    stopped(&mut server, &mut database);
    killed_in_the_middle(&mut server);
    stalled(&server);
    small_packets(&mut server);
    server.down(Signal::TERM);
}

fn columns_of_its_own(server: &Mariadb) {
    server.ask(
        "CREATE TABLE own (correlator_id varchar(200) CHARACTER SET latin1 PRIMARY KEY, old text CHARACTER SET latin1, \
         three text CHARACTER SET utf8mb3, s smallint, v varchar(3), at timestamp NULL, e enum('a', 'b'))",
    );
    let mut database = database(&format!("{}, tables: [own]", server.settings()));
    let row = |id: &str, name: &str, cell: Cell| request(id, "own", &[(name, cell)]);
    let requests = [
        row("1", "old", text("fine")),
        row("2", "old", text("hush 表")),
        row("3", "three", text("表")),
        row("4", "three", text("hush 😀")),
        row("5", "s", Cell::Integer(70_000)),
        row("6", "v", text("hush")),
        row("7", "at", Cell::Time(1_000_000_000)),
        row("8", "at", Cell::Time(i64::MAX)),
        row("9", "e", text("hush")),
        row("10", "e", text("b")),
    ];
    let found = deliver(&mut database, &requests);
    let (range, no) = ("Out of range value for column 's'", "refused: table `own`: ");
    expect(&found, &["new", no, "new", no, range, no, "new", no, no, "new"]);
    assert!(found.iter().all(|words| !words.contains("hush")), "{found:?}");
}

fn ways_to_log_in(server: &Mariadb) {
    let one = [row("1", "again")];
    let settings = server.settings();
    let ca = format!(", ca: {}", server.folder.path("ca.pem").display());
    let socket = server.folder.path("sock").display().to_string();
    let cases = [
        (settings.clone(), "new"),
        (
            settings.replace(&format!("'localhost:{}'", server.port), &socket).replace(&ca, ""),
            "known",
        ),
        (format!("{settings}, tls: off"), "known"),
        // Its certificate is for other names; and the system's authorities don't know it.
        (settings.replace("localhost", "127.0.0.2"), "later: database `d`: tls: "),
        (settings.replace(&ca, ""), "later: database `d`: tls: "),
        (
            settings.replace("database: siem", "database: nowhere"),
            "the user or the password was refused",
        ),
        (settings.replace("user: writer", "user: nobody"), "the user or the password was refused"),
        (settings.replace(", credential: db", ""), "the user or the password was refused"),
        (settings.replace("credential: db", "credential: missing"), "credential set missing"),
    ];
    for (settings, expected) in cases {
        let mut database = database(&format!("{settings}, tables: ['*']"));
        expect(&deliver(&mut database, &one), &[expected]);
    }
    let mut database = database(&format!("{settings}, tables: ['*']"));
    let outcomes = database.deliver(&one, &Known("wrong"));
    expect(&[said(&outcomes[0])], &["later: database `d`: the user or the password was refused"]);
    server.ask("CREATE USER reader IDENTIFIED BY 'hush-reader'; GRANT SELECT ON siem.* TO reader");
    let mut database =
        self::database(&format!("{}, tables: ['*']", settings.replace("writer", "reader")));
    let outcomes = database.deliver(&[row("77", "again")], &Known("hush-reader"));
    expect(&[said(&outcomes[0])], &["refused: table `again`: the user has no right to it"]);
}

fn locked(server: &Mariadb) {
    let mut database = database(&format!("{}, tables: ['*'], timeout: 2s", server.settings()));
    expect(&deliver(&mut database, &[row("1", "locked")]), &["new"]);
    let mut other =
        server.client().arg("siem").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = other.stdin.take().unwrap();
    input.write_all(b"LOCK TABLES locked WRITE; SELECT 'held';\n").unwrap();
    let mut line = String::new();
    BufReader::new(other.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    let start = now();
    expect(&deliver(&mut database, &[row("2", "locked")]), &["later: database `d`: "]);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    drop(input);
    other.wait().unwrap();
    expect(&deliver(&mut database, &[row("2", "locked")]), &["new"]);
}

fn read_only(server: &Mariadb, database: &mut correlator_database::Database) {
    server.ask("SET GLOBAL read_only = 1");
    expect(
        &deliver(database, &[row("2", "again")]),
        &["later: database `d`: the server takes no writes now"],
    );
    server.ask("SET GLOBAL read_only = 0");
    expect(&deliver(database, &[row("2", "again")]), &["new"]);
}

fn stopped(server: &mut Mariadb, database: &mut correlator_database::Database) {
    server.down(Signal::TERM);
    expect(
        &deliver(database, &[row("3", "again"), row("4", "again")]),
        &["later: database `d`: connecting", "later"],
    );
    server.up(&[]);
    expect(&deliver(database, &[row("3", "again"), row("4", "again")]), &["new", "new"]);
    server.down(Signal::TERM);
    server.up(&[]);
    expect(&deliver(database, &[row("4", "again"), row("5", "again")]), &["known", "new"]);
}

fn killed_in_the_middle(server: &mut Mariadb) {
    let database = database(&format!("{}, tables: ['*'], timeout: 5s", server.settings()));
    let (mut database, open, count) = suite::killed(database, || server.down(Signal::KILL));
    server.up(&[]);
    assert!(deliver(&mut database, &open).iter().all(|said| said == "new" || said == "known"));
    let found = server.ask("SELECT count(*), count(DISTINCT correlator_id) FROM middle");
    assert_eq!(found, format!("{count}|{count}"));
}

fn stalled(server: &Mariadb) {
    let relay = Relay::to(server.port);
    let settings = server.settings_at(relay.port);
    for (tls, bytes) in [
        ("off", 0),
        ("off", 3),
        ("off", 50),
        ("off", 120),
        ("off", 250),
        ("verify", 0),
        ("verify", 900),
    ] {
        let mut database =
            database(&format!("{settings}, tables: ['*'], tls: {tls}, timeout: 300ms"));
        relay.pass(bytes);
        let start = now();
        expect(&deliver(&mut database, &[row("9", "again")]), &["later: database `d`: "]);
        assert!(start.elapsed() < Duration::from_secs(4), "{tls} {bytes}: {:?}", start.elapsed());
        relay.pass(usize::MAX);
        suite::recovers(&mut database, &row("9", "again"));
    }
}

/// A server that takes small packets gets small statements, and no row that is larger.
fn small_packets(server: &mut Mariadb) {
    server.down(Signal::TERM);
    server.up(&["--max-allowed-packet=1M"]);
    let mut database = database(&format!("{}, tables: ['*']", server.settings()));
    let large = |id: &str, size: usize| request(id, "packets", &[("a", text(&"x".repeat(size)))]);
    let requests =
        [large("1", 700_000), large("2", 700_000), large("3", 1_048_576), large("4", 10)];
    expect(&deliver(&mut database, &requests), &["new", "new", "max_allowed_packet", "new"]);
}
