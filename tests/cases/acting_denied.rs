//! What nobody granted: it is not done, and the audit trail tells who asked for it, for what, and because of which record;
//! one by one as long as it is little, in sum when it is much, and once, whatever crashes. And how much is left of what is
//! granted.

use std::collections::BTreeMap;

use correlator_store::effect::{Effect, State};
use correlator_store::entry::{Entry, Kind, Verdict};
use correlator_tests::guests::wishes::Wish;
use correlator_tests::sender::Port;
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failures};
use correlator_tests::world::web::Web;
use serde_json::{Value, json};

use super::acting::{listener, send, site, tcp, until_taken};

const SAYS: Option<&str> = Some("log");
const X: &[(&str, &str)] = &[("a", "x")];
/// Listeners that want `log`, and ask for something else.
const SECRET: Wish = Wish { says: SAYS, ..Wish::new("deny-secret", "command", "/bin/sh", X) };
const STRANGE: Wish =
    Wish { says: SAYS, ..Wish::new("deny-strange", "no such\u{1b}[2J: thing", "x", X) };
const FLOOD: Wish =
    Wish { says: SAYS, rows: MANY, ..Wish::new("deny-flood", "table", "flood.csv", X) };
/// One that goes beyond what it was granted.
const OUTSIDE: Wish = Wish::new("deny-outside", "table", "../../outside.csv", X);
const LOGS: Wish = Wish::new("deny-logs", "log", "terminal", X);
/// Each with its grant, and with what is said to it.
const WISHES: [(Wish, &str, &str); 5] = [
    (SECRET, "log: true", "does not declare that it wants `command`"),
    (STRANGE, "log: true", "there is no capability `no such"),
    (FLOOD, "log: true", "does not declare that it wants `table`"),
    (OUTSIDE, "table: { directory: rows }", "no name of a table"),
    (LOGS, "log: true", "`log` has the targets"),
];
/// What one asks for in one turn.
const MANY: usize = 50_000;
/// What of it is recorded one by one.
const ENTRIES: usize = 100;

/// A site with all of them.
fn denied(name: &str, port: &Port) -> Site {
    let of = |(wish, grant, _): &(Wish, &str, &str)| {
        listener(wish.name, &format!("./{}.wasm", wish.name), "", grant)
    };
    let site = site(name, &tcp(port), &WISHES.iter().map(of).collect::<String>());
    for (wish, ..) in WISHES {
        site.put(&format!("{}.wasm", wish.name), wish.component());
    }
    site
}

fn of<'a>(all: &'a [Effect], name: &str) -> Vec<&'a Effect> {
    all.iter().filter(|effect| effect.listener == name).collect()
}

/// What the trail says that a listener was denied in sum.
fn sums(name: &str) -> impl Fn(&Entry) -> Option<u64> {
    move |entry| {
        let is_sum = entry.effect.is_none() && entry.listener.as_deref() == Some(name);
        let sum = is_sum.then(|| entry.text.split(' ').next()?.parse().ok())?;
        assert_eq!((entry.verdict, sum.is_some()), (Some(Verdict::Denied), true), "{entry:?}");
        sum
    }
}

fn recorded(site: &Site, name: &str) -> u64 {
    let entries = effects::entries(site, Kind::Decision);
    let own = of(&effects::effects(site), name).len() as u64;
    own + entries.iter().filter_map(sums(name)).sum::<u64>()
}

#[test]
fn what_nobody_granted_is_in_the_trail_with_who_asked_and_why() {
    let port = Port::new().expect("a port");
    let site = denied("denied", &port);
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..1), &site);
    wait::until("all is recorded", || {
        let all = effects::effects(&site);
        (all.len() == ENTRIES + WISHES.len() - 1).then_some(())
    });
    let all = effects::effects(&site);
    for (wish, _, said) in WISHES {
        let own = of(&all, wish.name);
        assert_eq!(own.len(), if wish.rows == 1 { 1 } else { ENTRIES }, "{own:?}");
        let effect = own[0];
        assert_eq!(effect.state, State::Denied);
        assert!(effect.said.as_deref().is_some_and(|it| it.contains(said)), "{effect:?}");
        assert_eq!((effect.request.target.as_str(), effect.component.len()), (wish.target, 64));
        assert_eq!(effect.request.cells.len(), 1, "{effect:?}");
    }
    let mut entries = effects::entries(&site, Kind::Decision);
    entries.retain(|entry| entry.effect.is_some());
    for entry in &entries {
        assert_eq!(entry.verdict, Some(Verdict::Denied), "{entry:?}");
        let record = entry.causes.first().and_then(|cause| cause.record.as_ref());
        let raw = record.map(|it| String::from_utf8_lossy(&it.raw).into_owned());
        assert!(raw.is_some_and(|raw| raw.contains(&address(0))), "{entry:?}");
    }
    // Whoever asks by hand sees the same.
    let event = entries[0].causes[0].event.clone();
    let secret = of(&all, SECRET.name)[0];
    let check = |arguments: &[&str], expected: &[&str]| {
        let said = site.tell(&[arguments, &["--state", effects::STATE]].concat());
        for expected in expected {
            assert!(
                said.stdout.contains(expected),
                "{arguments:?}: {}{}",
                said.stdout,
                said.stderr
            );
        }
        assert!(!said.stdout.contains('\x1b'), "{arguments:?}");
    };
    let id = secret.request.id.as_str();
    let why = "decision denied: the guest does not declare that it wants `command`";
    check(&["audit", "list", "--listener", SECRET.name], &["denied: the guest", "1 entry"]);
    check(&["effects", "show", id], &["state       denied", "command /bin/sh", why]);
    check(&["effects", "list", "--listener", STRANGE.name], &["denied", "there is"]);
    check(&["why", id], &[&address(0), "asked command for it", why]);
    check(&["why", &event], &[&address(0), "deny-outside", "no name of a table"]);
    check(&["audit", "verify"], &["is whole"]);
    // What was beyond is told in one entry.
    assert_eq!(recorded(&site, FLOOD.name), MANY as u64);
    let sum = effects::entries(&site, Kind::Decision).into_iter().find(|it| it.effect.is_none());
    let sum = sum.expect("a sum");
    assert!(sum.text.starts_with(&format!("{} more", MANY - ENTRIES)), "{sum:?}");
    assert!(sum.text.contains("does not declare that it wants `table`"), "{sum:?}");
    assert_eq!((sum.capability.as_deref(), sum.causes[0].event.as_str()), (Some("table"), &*event));
    let digest = |entry: &Entry| entry.component.clone().unwrap_or_default();
    assert_eq!(digest(&sum), of(&all, FLOOD.name)[0].component);
    // And what comes within the minute, or so, at the end.
    send(&port, &failures(1..2), &site);
    assert_eq!(engine.stop(), Some(1), "denials are losses: {}", site.said());
    assert_eq!(recorded(&site, FLOOD.name), 2 * MANY as u64, "{}", site.said());
    check(&["audit", "verify"], &["is whole"]);
}

#[test]
fn what_is_denied_is_counted_once_whatever_crashes() {
    const ROUNDS: usize = 12;
    let port = Port::new().expect("a port");
    let site = denied("denied-kills", &port);
    for round in 0..ROUNDS {
        let engine = site.start();
        site.until_it_runs();
        send(&port, &failures(round..round + 1), &site);
        // In the midst of it: before it was asked for, or recorded, or a checkpoint was made of it.
        wait::pass(std::time::Duration::from_millis(40 * round as u64 % 250));
        engine.kill();
    }
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(ROUNDS..ROUNDS + 1), &site);
    assert_eq!(engine.stop(), Some(1), "{}", site.said());
    let rounds = ROUNDS as u64 + 1;
    for (wish, ..) in WISHES {
        assert_eq!(recorded(&site, wish.name), rounds * wish.rows as u64, "{}", wish.name);
    }
    let said = site.tell(&["audit", "verify", "--state", effects::STATE]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
}

#[test]
fn how_much_of_a_grant_is_used_is_told_before_it_is_used_up() {
    let (web, port) = (Web::start(), Port::new().expect("a port"));
    let grant = format!(
        "webhook: {{ total: 4, rate: 100/1h, each: {{ total: 50 }}, endpoints: {{ ops: {{ url: '{}', private: true }} }} }}",
        web.url()
    );
    let listeners = listener("hook", "webhook", "endpoint: ops", &grant)
        + &listener("csv", "csv", "", "table: { directory: rows }");
    let site = site("used", &tcp(&port), &listeners);
    let engine = site.start();
    site.until_it_runs();
    let used = |expected: [u64; 3]| {
        site.until(&format!("{expected:?} are used"), |status| {
            let named = |it: &&Value| it["name"] == "hook";
            let hook = status["listeners"].as_array()?.iter().find(named)?;
            let bounds = hook["bounds"].as_array()?;
            let used: BTreeMap<_, _> =
                bounds.iter().map(|it| (it["bound"].as_str(), it["used"].as_u64())).collect();
            let names = ["rate", "total", "each.total"];
            let all = names.iter().zip(expected);
            all.into_iter().all(|(name, it)| used[&Some(*name)] == Some(it)).then_some(())
        });
    };
    used([0, 0, 0]);
    send(&port, &failures(0..3), &site);
    used([3, 3, 3]);
    let status = site.status().expect("a status");
    let all = status["listeners"].as_array().expect("listeners");
    let bounds = |name: &str| &all.iter().find(|it| it["name"] == name).expect("there")["bounds"];
    let rate = json!({
        "capability": "webhook", "bound": "rate", "used": 3, "most": 100, "span_seconds": 3_600.0
    });
    assert_eq!(bounds("hook")[0], rate);
    assert_eq!(bounds("csv"), &Value::Null);
    let page = site.ask(&["status"]).stdout;
    assert!(page.contains("GRANT    LISTENER  BOUND       USED   OF      IN\n"), "{page}");
    assert!(page.contains("webhook  hook      total          3    4\n"), "{page}");
    until_taken(&web, 3, &site);
    // It outlives a crash, and is told as soon as the engine runs again.
    engine.kill();
    let engine = site.start();
    site.until_it_runs();
    used([3, 3, 3]);
    send(&port, &failures(3..6), &site);
    used([4, 4, 4]);
    assert_eq!(engine.stop(), Some(1), "two were denied: {}", site.said());
}

#[test]
fn the_table_for_people_names_every_wish() {
    let table = include_str!("../guests/README.md");
    for (wish, ..) in WISHES {
        assert!(table.contains(&format!("`{}`", wish.name)), "`{}` is not in it", wish.name);
    }
}
