//! MySQL and MariaDB with TLS: everything, then stopped, stalled, locked, with a wrong password.

mod logins;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use correlator_world::{Capability, Cell};
use rustix::process::Signal;

use crate::outages::{Server, killed_in_the_middle, now, row, stalled, stopped};
use crate::server::{
    Folder, Known, PASSWORD, Running, User, database, deliver, expect, folder_with_papers, output,
    peer, port, program, request, said, text,
};
use crate::suite::{self, Real};

/// A server of one of them.
struct Mysql {
    product: Product,
    folder: Folder,
    user: User,
    server: PathBuf,
    client: PathBuf,
    port: u16,
    running: Option<Running>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Product {
    Mariadb,
    Mysql,
}

impl Mysql {
    fn start(product: Product) -> Option<Self> {
        let user = User::named("mysql");
        let found = match product {
            Product::Mariadb => (
                program(&["mariadbd"]),
                program(&["mariadb"]),
                user.filter(|_| installer().is_some()),
            ),
            Product::Mysql => {
                let home = peer("CORRELATOR_MYSQL_HOME", "mysql");
                let own =
                    |name: &str| Some(home.join("bin").join(name)).filter(|path| path.exists());
                let user = user.filter(|user| is_mysql(*user, own("mysqld").as_deref()));
                (own("mysqld"), own("mysql"), user)
            }
        };
        let (Some(server), Some(client), Some(user)) = found else {
            match product {
                Product::Mariadb => eprintln!("skipped: MariaDB's server is not installed"),
                Product::Mysql => eprintln!(
                    "skipped: MySQL is not in target/peers/mysql, CORRELATOR_MYSQL_HOME names none, or it can't be run"
                ),
            }
            return None;
        };
        let folder = folder_with_papers("mysql", user);
        let (program, arguments) = match product {
            Product::Mariadb => (
                installer().unwrap(),
                ["--auth-root-authentication-method=normal", "--skip-test-db"].as_slice(),
            ),
            Product::Mysql => (server.clone(), ["--initialize-insecure"].as_slice()),
        };
        let mut command = user.command(&program);
        command.arg("--no-defaults").args(arguments);
        command.arg(format!("--datadir={}", folder.path("data").display()));
        output(command);
        let mut this = Self { product, folder, user, server, client, port: port(), running: None };
        this.up(&[]);
        let password = quoted(PASSWORD);
        this.ask(&format!(
            "CREATE DATABASE siem; CREATE USER writer IDENTIFIED BY {password}; GRANT ALL ON siem.* TO writer"
        ));
        Some(this)
    }

    fn client(&self) -> Command {
        let mut command = Command::new(&self.client);
        command
            .arg("--no-defaults")
            .arg(format!("--socket={}", self.folder.path("sock").display()));
        command.args(["-u", "root", "-N", "-B", "-n", "--default-character-set=utf8mb4"]);
        command
    }

    /// The settings to reach it by its socket.
    fn settings_at_socket(&self) -> String {
        let socket = self.folder.path("sock").display().to_string();
        let settings = self.settings().replace(&format!("'localhost:{}'", self.port), &socket);
        settings.rsplit_once(", ca: ").unwrap().0.to_owned()
    }
}

/// What makes a data folder of MariaDB.
fn installer() -> Option<PathBuf> {
    program(&["mariadb-install-db", "mysql_install_db"])
}

/// Whether this is a server that the user can run, and not MariaDB, which goes by the same name.
fn is_mysql(user: User, server: Option<&Path>) -> bool {
    let Some(server) = server else { return false };
    let said = user.command(server).arg("--version").output();
    said.is_ok_and(|said| {
        said.status.success() && !String::from_utf8_lossy(&said.stdout).contains("MariaDB")
    })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

impl Server for Mysql {
    const SIGNALS: (Signal, Signal) = (Signal::TERM, Signal::KILL);

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
        if self.product == Product::Mysql {
            command.args(["--mysqlx=OFF", "--secure-file-priv=NULL"]);
        }
        command.args(more);
        self.running = Some(Running::start(command, "ready for connections"));
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
            "kind: mysql, address: 'localhost:{port}', database: siem, user: writer, credential: db, ca: {}",
            ca.display()
        )
    }
}

impl Real for Mysql {
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

#[test]
fn mariadb() {
    everything(Product::Mariadb);
}

#[test]
fn mysql() {
    everything(Product::Mysql);
}

fn everything(product: Product) {
    let Some(mut server) = Mysql::start(product) else { return };
    suite::all(&server);
    columns_of_its_own(&server);
    ways_to_log_in(&server);
    few_privileges(&server);
    if product == Product::Mysql {
        logins::told_apart(&mut server);
    }
    locked(&server);
    let mut database = database(&format!("{}, tables: ['*']", server.settings()));
    suite::recovers(&mut database, &row("0", "again"));
    read_only(&server, &mut database);
    stopped(&mut server, &mut database);
    killed_in_the_middle(&mut server);
    let places = [
        ("off", 0),
        ("off", 3),
        ("off", 50),
        ("off", 120),
        ("off", 250),
        ("verify", 0),
        ("verify", 900),
    ];
    stalled(&server, &places);
    small_packets(&mut server);
    server.down(Signal::TERM);
}

fn columns_of_its_own(server: &Mysql) {
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

fn ways_to_log_in(server: &Mysql) {
    let one = [row("1", "again")];
    let settings = server.settings();
    let ca = format!(", ca: {}", server.folder.path("ca.pem").display());
    let cases = [
        (settings.clone(), "new"),
        (server.settings_at_socket(), "known"),
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
    expect(&[said(&outcomes[0])], &["later: database `d`: the user has no right to it; grant it"]);
    // Whoever grants it finds no row lost, and the engine need not be started anew.
    server.ask("GRANT INSERT ON siem.* TO reader");
    let outcomes = database.deliver(&[row("77", "again")], &Known("hush-reader"));
    expect(&[said(&outcomes[0])], &["new"]);
}

/// What the manual says that is needed, and no more: it finds out that a row is there, too.
fn few_privileges(server: &Mysql) {
    let password = quoted(PASSWORD);
    server.ask(&format!(
        "CREATE USER few IDENTIFIED BY {password}; GRANT SELECT, INSERT ON siem.* TO few"
    ));
    let settings = server.settings().replace("writer", "few");
    let mut database = database(&format!("{settings}, tables: ['*'], create: false"));
    let rows = [row("f1", "again"), row("f2", "again")];
    expect(&deliver(&mut database, &rows), &["new", "new"]);
    expect(&deliver(&mut database, &rows), &["known", "known"]);
    expect(&deliver(&mut database, &[row("f1", "nowhere")]), &["there is no table `nowhere`"]);
    let outcome = database.undo(&rows[0], &Known(PASSWORD));
    expect(&[said(&outcome)], &["the user has no right to it"]);
}

fn locked(server: &Mysql) {
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

fn read_only(server: &Mysql, database: &mut correlator_database::Database) {
    server.ask("SET GLOBAL read_only = 1");
    expect(
        &deliver(database, &[row("2", "again")]),
        &["later: database `d`: the server takes no writes now"],
    );
    server.ask("SET GLOBAL read_only = 0");
    expect(&deliver(database, &[row("2", "again")]), &["new"]);
}

/// A server that takes small packets gets small statements, and no row that is larger.
fn small_packets(server: &mut Mysql) {
    server.down(Signal::TERM);
    server.up(&["--max-allowed-packet=1M"]);
    let mut database = database(&format!("{}, tables: ['*']", server.settings()));
    let large = |id: &str, size: usize| request(id, "packets", &[("a", text(&"x".repeat(size)))]);
    let requests =
        [large("1", 700_000), large("2", 700_000), large("3", 1_048_576), large("4", 10)];
    expect(&deliver(&mut database, &requests), &["new", "new", "max_allowed_packet", "new"]);
}
