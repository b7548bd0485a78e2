//! The ways to log in of MySQL since 8: with a password that the server has cached, with one that it asks for, and switched
//! from one way to another.

use correlator_world::Capability;

use super::{Mysql, quoted};
use crate::outages::{Server, row};
use crate::server::{Known, PASSWORD, database, deliver, expect, said};
use crate::suite::Real;

const REFUSED: &str = "later: database `d`: the user or the password was refused";
const IN_THE_OPEN: &str = "later: database `d`: the server asks for the password in the open";

/// What comes of a row that is there already, by these settings.
#[track_caller]
fn check(settings: &str, expected: &str) {
    let mut database = database(&format!("{settings}, tables: [again]"));
    expect(&deliver(&mut database, &[row("f1", "again")]), &[expected]);
}

#[track_caller]
fn check_with(settings: &str, password: &'static str, expected: &str) {
    let mut database = database(&format!("{settings}, tables: [again]"));
    let outcomes = database.deliver(&[row("f1", "again")], &Known(password));
    expect(&[said(&outcomes[0])], &[expected]);
}

pub fn told_apart(server: &mut Mysql) {
    cached_or_asked_for(server);
    switched(server);
    shut_out(server);
    // The other way round: the server proposes another way than that of the user.
    server.down(Mysql::SIGNALS.0);
    server.up(&["--authentication-policy=sha256_password"]);
    check(&server.settings(), "known");
    check(&server.settings().replace("writer", "elder"), "known");
    check(&server.settings().replace("writer", "nobody"), REFUSED);
    server.down(Mysql::SIGNALS.0);
    server.up(&[]);
}

/// A server that has the password in its cache is answered by a digest, and one that has not wants to be told.
fn cached_or_asked_for(server: &Mysql) {
    let tls = server.settings();
    let open = format!("{tls}, tls: off");
    let forget = || server.ask("FLUSH PRIVILEGES");
    forget();
    check(&open, IN_THE_OPEN);
    check_with(&tls, "wrong", REFUSED);
    check(&open, IN_THE_OPEN);
    check(&tls, "known");
    check(&open, "known");
    check(&tls, "known");
    // One that does not fit its cache may be a new one: it wants to be told it.
    check_with(&open, "wrong", IN_THE_OPEN);
    check_with(&tls, "wrong", REFUSED);
    forget();
    check(&server.settings_at_socket(), "known");
    check(&open, "known");
    let long = "0123456789".repeat(20).leak();
    for (user, password) in [("hollow", ""), ("lengthy", &*long)] {
        server.ask(&format!(
            "CREATE USER {user} IDENTIFIED BY {}; GRANT SELECT, INSERT ON siem.* TO {user}",
            quoted(password)
        ));
        for _ in 0..2 {
            check_with(&tls.replace("writer", user), password, "known");
        }
        check_with(&open.replace("writer", user), password, "known");
        check_with(&tls.replace("writer", user), "wrong", REFUSED);
    }
    check(&tls.replace("writer", "hollow").replace(", credential: db", ""), "known");
}

/// A user who logs in by another way than the server proposes.
fn switched(server: &Mysql) {
    let password = quoted(PASSWORD);
    server.ask(&format!(
        "CREATE USER elder IDENTIFIED WITH sha256_password BY {password}; GRANT SELECT, INSERT ON siem.* TO elder"
    ));
    let tls = server.settings().replace("writer", "elder");
    check(&tls, "known");
    check_with(&tls, "wrong", REFUSED);
    // That way has no cache: it is never without TLS.
    check(&format!("{tls}, tls: off"), IN_THE_OPEN);
}

/// Who may not log in may perhaps later.
fn shut_out(server: &Mysql) {
    let settings = server.settings();
    for (shut, open) in [
        ("ALTER USER writer ACCOUNT LOCK", "ALTER USER writer ACCOUNT UNLOCK"),
        ("ALTER USER writer PASSWORD EXPIRE", "ALTER USER writer IDENTIFIED BY PASSWORD_"),
        ("ALTER USER writer REQUIRE X509", "ALTER USER writer REQUIRE NONE"),
        (
            "ALTER USER writer WITH MAX_QUERIES_PER_HOUR 1",
            "ALTER USER writer WITH MAX_QUERIES_PER_HOUR 0",
        ),
    ] {
        server.ask(shut);
        check(&settings, "later: database `d`: ");
        server.ask(&open.replace("PASSWORD_", &quoted(PASSWORD)));
        check(&settings, "known");
    }
}
