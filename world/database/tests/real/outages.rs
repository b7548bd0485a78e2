//! What must hold of each server alike when it is stopped, killed, or hangs.

use std::time::{Duration, Instant};

use correlator_database::Database;
use correlator_world::Request;
use rustix::process::Signal;

use crate::server::{database, deliver, expect, request, text};
use crate::stall::Relay;
use crate::suite::{self, Real};

/// A server that can be started and stopped.
pub trait Server: Real {
    /// What asks it to end, and what kills it.
    const SIGNALS: (Signal, Signal);

    fn up(&mut self, more: &[&str]);
    fn down(&mut self, signal: Signal);
    fn port(&self) -> u16;
    /// The settings to reach it by way of another port.
    fn settings_at(&self, port: u16) -> String;
}

pub fn row(id: &str, table: &str) -> Request {
    request(id, table, &[("a", text("x"))])
}

#[expect(clippy::disallowed_methods, reason = "a test has to end")]
pub fn now() -> Instant {
    Instant::now()
}

pub fn stopped<S: Server>(server: &mut S, database: &mut Database) {
    server.down(S::SIGNALS.0);
    expect(
        &deliver(database, &[row("3", "again"), row("4", "again")]),
        &["later: database `d`: connecting", "later"],
    );
    server.up(&[]);
    expect(&deliver(database, &[row("3", "again"), row("4", "again")]), &["new", "new"]);
    // Restarted in between, nobody notices.
    server.down(S::SIGNALS.0);
    server.up(&[]);
    expect(&deliver(database, &[row("4", "again"), row("5", "again")]), &["known", "new"]);
}

pub fn killed_in_the_middle<S: Server>(server: &mut S) {
    let database = database(&format!("{}, tables: ['*'], timeout: 5s", server.settings()));
    let (mut database, open, count) = suite::killed(database, || server.down(S::SIGNALS.1));
    server.up(&[]);
    assert!(deliver(&mut database, &open).iter().all(|said| said == "new" || said == "known"));
    let found = server.ask("SELECT count(*), count(DISTINCT correlator_id) FROM middle");
    assert_eq!(found, format!("{count}|{count}"));
}

/// A server that hangs at any place of a conversation keeps nobody longer than the limit.
pub fn stalled<S: Server>(server: &S, places: &[(&str, usize)]) {
    let relay = Relay::to(server.port());
    let settings = server.settings_at(relay.port);
    for (tls, bytes) in places {
        let mut database =
            database(&format!("{settings}, tables: ['*'], tls: {tls}, timeout: 300ms"));
        relay.pass(*bytes);
        let start = now();
        expect(&deliver(&mut database, &[row("9", "again")]), &["later: database `d`: "]);
        assert!(start.elapsed() < Duration::from_secs(4), "{tls} {bytes}: {:?}", start.elapsed());
        relay.pass(usize::MAX);
        suite::recovers(&mut database, &row("9", "again"));
    }
    // In the middle of a session, which is made anew then.
    let mut database = database(&format!("{settings}, tables: ['*'], timeout: 300ms"));
    suite::recovers(&mut database, &row("10", "again"));
    relay.pass(10);
    expect(&deliver(&mut database, &[row("11", "again")]), &["later: database `d`: "]);
    relay.pass(usize::MAX);
    suite::recovers(&mut database, &row("11", "again"));
}
