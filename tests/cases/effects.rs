//! What listeners ask the world for, as an operator sees it: delivered, waiting, retried, given up, planned, and told why.
//!
//! The world is a small HTTP server of the test's own, on loopback.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use correlator_tests::engine::binary;
use correlator_tests::log::Log;
use correlator_tests::site::{Said, Site};
use correlator_tests::wait;
use serde_json::Value;

const WELL: u16 = 200;
const BROKEN: u16 = 503;

/// A server that answers every request alike, and remembers the key of each.
struct World {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    keys: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl World {
    fn new(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let status = Arc::new(AtomicU16::new(status));
        let (keys, ends) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (answer, seen, over) = (Arc::clone(&status), Arc::clone(&keys), Arc::clone(&ends));
        let serving = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                // A client that breaks off is none of the test's business.
                let _ = serve(stream, answer.load(Ordering::Relaxed), &seen);
            }
        });
        Self { address, status, keys, ends, serving: Some(serving) }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The keys of what it was asked for, in order.
    fn keys(&self) -> Vec<String> {
        self.keys.lock().expect("no panic").clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // It waits for a client; one that says nothing will do.
        drop(TcpStream::connect(self.address));
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

fn serve(stream: TcpStream, status: u16, keys: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(wait::PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut key, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("idempotency-key:") {
            key = Some(value.trim().to_owned());
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    keys.lock().expect("no panic").extend(key);
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// A stack that tells the world of each line of a file.
fn stack(world: &World, source: &str) -> String {
    format!(
        "state: kept\n\
         control: {{ socket: control.sock, watch: false }}\n\
         sources:\n  auth: {source}\n\
         modules:\n  report: {{ module: report }}\n\
         listeners:\n  ops:\n    listener: webhook\n    criteria: event == \"notice\"\n    grants:\n      \
         webhook: {{ endpoints: {{ default: {{ url: 'http://{}/hook', private: true }} }} }}\n",
        world.address
    )
}

fn site(name: &str, world: &World, source: &str, lines: usize) -> Site {
    let site = Site::new(name);
    let lines = Log::new(7).lines(lines);
    site.put("auth.log", correlator_tests::log::file(&lines));
    site.put("stack.yaml", stack(world, source));
    site
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr))
}

fn effects(site: &Site, filter: &[&str]) -> Vec<Value> {
    let said = site.tell(&[&["effects", "list", "stack.yaml", "--json"], filter].concat());
    json(&said).as_array().expect("a list").clone()
}

fn id(effect: &Value) -> String {
    effect["id"].as_str().expect("an id").to_owned()
}

#[test]
fn what_was_asked_for_is_done_once_and_can_be_traced_back() {
    let world = World::new(WELL);
    let site = site("effects-done", &world, "{ file: auth.log }", 5).with(&["stack.yaml"]);
    site.run();
    assert_eq!(world.keys().len(), 5, "{}", site.said());
    let all = effects(&site, &[]);
    let ids: Vec<_> = all.iter().map(id).collect();
    assert!(all.iter().all(|effect| effect["state"] == "done"), "{all:#?}");
    assert_eq!(ids.iter().map(|id| id.to_lowercase()).collect::<Vec<_>>(), world.keys());
    assert_eq!(effects(&site, &["--state", "done", "--limit", "2"]).len(), 2);
    assert!(effects(&site, &["--state", "dead"]).is_empty());
    assert!(effects(&site, &["--listener", "other"]).is_empty());
    assert_eq!(effects(&site, &["--capability", "webhook"]).len(), 5);
    let page = site.tell(&["effects", "list", "--state", "kept"]);
    assert!(page.stdout.contains(&ids[0]) && page.stdout.contains("5 effects;"), "{}", page.stdout);
    let page = site.tell(&["effects", "show", &ids[0], "--state", "kept"]);
    assert!(page.stdout.contains("attempt 1 done: 200"), "{}{}", page.stdout, page.stderr);
    let unknown = site.tell(&["effects", "show", "nothing", "--state", "kept"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);

    // From the effect to its event, and from either to the record.
    let first = fs::read_to_string(site.folder().join("auth.log")).expect("the log");
    let first = first.lines().next().expect("a line").trim();
    let why = json(&site.tell(&["why", &ids[0], "stack.yaml", "--json"]));
    assert_eq!(why["events"][0]["record"], first, "{why:#}");
    let event = why["events"][0]["event"].as_str().expect("an event").to_owned();
    let why = site.tell(&["why", &event, "stack.yaml"]);
    for expected in
        [&first[..60], &*ids[0], "decision granted", "asked webhook for it", "attempt 1 done"]
    {
        assert!(why.stdout.contains(expected), "{expected} in\n{}{}", why.stdout, why.stderr);
    }
    assert_eq!(site.tell(&["why", "report:1:2:3", "stack.yaml"]).code, Some(2));

    // What is sent can't be taken back, and that is on record too.
    let undone = site.tell(&["undo", &ids[0], "stack.yaml"]);
    assert_eq!(undone.code, Some(1), "{}", undone.stdout);
    assert!(undone.stderr.contains("what is sent can't be taken back"), "{}", undone.stderr);
    let listed = site.tell(&["audit", "list", "stack.yaml", "--kind", "undo"]);
    assert!(listed.stdout.contains("undo refused"), "{}{}", listed.stdout, listed.stderr);

    // Run once more, nothing is done twice.
    assert_eq!(site.start().wait(), Some(0), "{}", site.said());
    assert_eq!(world.keys().len(), 5);
}

#[test]
fn the_trail_is_verified_and_a_forged_one_is_found_out() {
    let world = World::new(WELL);
    let site = site("effects-trail", &world, "{ file: auth.log }", 3).with(&["stack.yaml"]);
    site.run();
    let verified = json(&site.tell(&["audit", "verify", "--state", "kept", "--json"]));
    assert_eq!(verified["whole"], true);
    let head = verified["head"].as_str().expect("a head").to_owned();
    let page = site.tell(&["audit", "verify", "--state", "kept", "--head", &head]);
    assert_eq!(page.code, Some(0), "{}", page.stderr);
    assert!(page.stdout.contains("is whole: ") && page.stdout.contains(&head), "{}", page.stdout);
    // A head that this trail never had.
    let (number, hash) = head.split_once(':').expect("a head");
    let forged = format!("{number}:{}", hash.chars().rev().collect::<String>());
    let page = site.tell(&["audit", "verify", "--state", "kept", "--head", &forged]);
    assert_eq!(page.code, Some(1), "{}{}", page.stdout, page.stderr);
    assert!(page.stdout.contains("broken at entry"), "{}", page.stdout);
    assert_eq!(site.tell(&["audit", "verify", "--state", "kept", "--head", "x"]).code, Some(2));
    let shown = site.tell(&["audit", "show", "1", "--state", "kept"]);
    assert!(shown.stdout.contains("hash "), "{}{}", shown.stdout, shown.stderr);
    assert_eq!(site.tell(&["audit", "show", "999", "--state", "kept"]).code, Some(2));
    assert_eq!(site.tell(&["audit", "verify", "--state", "nowhere"]).code, Some(2));
}

#[test]
fn what_waits_is_told_retried_and_given_up_while_the_engine_runs() {
    let world = World::new(BROKEN);
    let mut site = site("effects-live", &world, "{ file: auth.log, follow: true }", 2);
    site.set(&["stack.yaml"]);
    let engine = site.start();
    site.until("waiting", |status| {
        let deliveries = &status["deliveries"];
        (deliveries["waiting"] == 2
            && status["listeners"][0]["waiting"] == 2
            && deliveries["endpoints"][0]["endpoint"] == "ops/default")
            .then_some(())
    });
    wait::until("a first try", || (!world.keys().is_empty()).then_some(()));
    let page = site.ask(&["status"]);
    assert!(
        page.stdout.contains("DELIVERY") && page.stdout.contains("ops/default"),
        "{}",
        page.stdout
    );
    let ids: Vec<_> = effects(&site, &["--state", "waiting"]).iter().map(id).collect();
    assert_eq!(ids.len(), 2);
    let dropped = wait::until("given up", || {
        // While it is being tried it can't be.
        let said = site.ask(&["effects", "drop", &ids[0]]);
        (said.code == Some(0)).then_some(said)
    });
    assert_eq!(dropped.stdout, format!("{} is given up\n", ids[0]));
    world.answer(WELL);
    for id in &ids {
        wait::until("tried again", || {
            let done = || effects(&site, &["--state", "done"]).iter().any(|it| it["id"] == **id);
            (site.ask(&["effects", "retry", id]).code == Some(0) || done()).then_some(())
        });
    }
    wait::until("done", || (effects(&site, &["--state", "done"]).len() == 2).then_some(()));
    let undone = site.ask(&["undo", &ids[0]]);
    assert_eq!(undone.code, Some(2), "{}", undone.stdout);
    assert!(undone.stderr.contains("what is sent can't be taken back"), "{}", undone.stderr);
    let by = format!("by user {}", rustix::process::geteuid().as_raw());
    let listed = site.tell(&["audit", "list", "stack.yaml", "--kind", "command"]);
    assert!(listed.stdout.contains("dropped") && listed.stdout.contains(&by), "{}", listed.stdout);
    let blocks = site.ask(&["blocks", "list"]);
    assert_eq!(blocks.stdout, "nobody is blocked\n", "{}", blocks.stderr);
    assert_eq!(site.ask(&["blocks", "remove", "192.0.2.1"]).code, Some(2));
    // Another process can't write what the engine writes.
    let locked = site.tell(&["effects", "drop", &ids[0], "--state", "kept"]);
    assert_eq!(locked.code, Some(2));
    assert!(locked.stderr.contains("is being written by"), "{}", locked.stderr);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}

#[test]
fn a_dry_run_asks_the_world_for_nothing_and_shows_its_plan() {
    let world = World::new(WELL);
    let site = site("effects-dry", &world, "{ file: auth.log }", 3);
    let said = site.tell(&["run", "stack.yaml", "--dry-run"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(world.keys().is_empty());
    assert!(said.stderr.contains("planned and not done: webhook of `ops`"), "{}", said.stderr);
    assert!(said.stdout.contains("dry run: 3 effects would"), "{}", said.stdout);
    assert_eq!(said.stdout.matches("ops webhook: POST http://").count(), 3, "{}", said.stdout);
    assert_eq!(effects(&site, &["--state", "dry"]).len(), 3);
    fs::remove_dir_all(site.folder().join("kept")).expect("a folder");
    let said = json(&site.tell(&["run", "stack.yaml", "--dry-run", "--json"]));
    assert_eq!(said["dry_run"].as_array().map(Vec::len), Some(3), "{said:#}");
    assert!(world.keys().is_empty());
}

#[test]
fn a_dry_run_uses_up_nothing_of_a_grant() {
    let world = World::new(WELL);
    let site = site("effects-dry-total", &world, "{ file: auth.log }", 0);
    let bounded = stack(&world, "{ file: auth.log }").replace("webhook: {", "webhook: { total: 3,");
    site.put("stack.yaml", bounded);
    let mut log = Log::new(7);
    let mut lines = log.lines(4);
    let mut run = |dry: &[&str], said: &str| {
        site.put("auth.log", correlator_tests::log::file(&lines));
        lines.extend(log.lines(3));
        let told = site.tell(&[&["run", "stack.yaml"], dry].concat());
        assert!(told.stderr.contains(said), "{}", told.stderr);
    };
    // A dry run keeps to the bounds as well, and each begins where those that were none ended.
    run(&["--dry-run"], "3 rows to webhook default (dry run)");
    run(&["--dry-run"], "3 rows to webhook default (dry run)");
    assert_eq!(effects(&site, &["--state", "dry"]).len(), 6);
    run(&[], "3 rows to webhook default\n");
    assert_eq!(world.keys().len(), 3);
    run(&["--dry-run"], "the grant's `total`");
    assert_eq!(effects(&site, &["--state", "dry"]).len(), 6);
}

#[test]
fn a_grant_that_is_a_dry_run_is_told() {
    let world = World::new(WELL);
    let source = "{ file: auth.log, follow: true }";
    let site = site("effects-dry-grant", &world, source, 2).with(&["stack.yaml"]);
    let dry = stack(&world, source).replace("webhook: {", "webhook: { dry_run: true,");
    site.put("stack.yaml", dry);
    let engine = site.start();
    site.until("planned", |status| {
        let listener = &status["listeners"][0];
        let is_planned = listener["effects_done"]["webhook default (dry run)"] == 2;
        (is_planned && listener["dry_run"][0] == "webhook").then_some(())
    });
    let page = site.asks(&["status"]);
    assert!(page.contains("ops: webhook is a dry run"), "{page}");
    let id = id(&effects(&site, &[])[0]);
    let undone = site.ask(&["undo", &id]);
    assert_eq!(undone.code, Some(2), "{}", undone.stdout);
    assert!(undone.stderr.contains("was only planned, in a dry run"), "{}", undone.stderr);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    let said = site.said();
    assert!(said.contains("this is planned and not done: webhook of `ops`"), "{said}");
    assert!(said.contains("2 rows to webhook default (dry run)"), "{said}");
    let undone = site.tell(&["undo", &id, "stack.yaml"]);
    assert_eq!(undone.code, Some(2), "{}", undone.stdout);
    assert!(undone.stderr.contains("was only planned, in a dry run"), "{}", undone.stderr);
    assert!(world.keys().is_empty());
}

/// Runs a command with something on its standard input.
pub(super) fn with_input(site: &Site, arguments: &[&str], input: &str) -> Said {
    let mut child = Command::new(binary().expect("the engine's binary"))
        .args(arguments)
        .current_dir(site.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    // One that complains may not read it.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn credentials_are_set_listed_looked_for_and_removed_and_never_shown() {
    const SECRET: &str = "correct-horse-battery";
    let world = World::new(WELL);
    let site = site("effects-credential", &world, "{ file: auth.log }", 1);
    let text = stack(&world, "{ file: auth.log }")
        .replace("private: true", "private: true, credential: hook, auth: bearer");
    let text = format!("credentials: {{ order: [file], file: secrets/file }}\n{text}");
    site.put("stack.yaml", text);
    let lacking = site.tell(&["credential", "check", "stack.yaml"]);
    assert_eq!(lacking.code, Some(1), "{}", lacking.stdout);
    assert!(
        lacking.stderr.contains("correlator credential set hook stack.yaml"),
        "{}",
        lacking.stderr
    );
    let refused = site.tell(&["run", "stack.yaml"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("correlator credential set hook stack.yaml"),
        "{}",
        refused.stderr
    );

    fs::create_dir_all(site.folder().join("secrets")).expect("a folder");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(site.folder().join("secrets"), mode).expect("a mode");
    let set = ["credential", "set", "hook", "stack.yaml"];
    let said = with_input(&site, &set, &format!("{SECRET}\n"));
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (Some(0), "`hook` is kept in file\n"),
        "{}",
        said.stderr
    );
    let all: String = [
        site.tell(&["credential", "list", "stack.yaml"]),
        site.tell(&["credential", "list", "stack.yaml", "--json"]),
        site.tell(&["credential", "check", "hook", "stack.yaml"]),
        site.tell(&["credential", "check", "stack.yaml", "--json"]),
        site.tell(&["run", "stack.yaml"]),
    ]
    .into_iter()
    .map(|said| {
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        said.stdout + &said.stderr
    })
    .collect();
    assert!(all.contains("hook") && !all.contains(SECRET), "{all}");
    assert_eq!(world.keys().len(), 1);
    assert_eq!(with_input(&site, &set, "").code, Some(2), "nothing is no secret");
    assert_eq!(with_input(&site, &["credential", "set", "NO"], "x").code, Some(2));
    let removed = site.tell(&["credential", "remove", "hook", "stack.yaml"]);
    assert_eq!(removed.stdout, "`hook` is removed from file\n", "{}", removed.stderr);
    assert_eq!(site.tell(&["credential", "remove", "hook", "stack.yaml"]).code, Some(2));
    assert_eq!(site.tell(&["credential", "list", "stack.yaml"]).stdout, "no credentials\n");
}

#[test]
fn a_file_with_a_passphrase_is_unlocked_by_it() {
    let site = Site::new("effects-passphrase");
    site.put("stack.yaml", "credentials: { order: [file], file: file }\nsources: {}\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(site.folder(), mode).expect("a mode");
    let set = ["credential", "set", "one", "stack.yaml"];
    let said = with_input(&site, &[&set[..], &["--passphrase"]].concat(), "open sesame\nfirst\n");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let listed = with_input(&site, &["credential", "list", "stack.yaml"], "open sesame\n");
    assert!(listed.stdout.contains("one"), "{}{}", listed.stdout, listed.stderr);
    let wrong = with_input(&site, &set, "open barley\nsecond\n");
    assert_ne!(wrong.code, Some(0), "{}", wrong.stdout);
}

/// The firewall of a network namespace of the engine's own: nobody else's packets are in danger.
#[test]
fn blocks_are_listed_and_lifted_by_the_running_engine() {
    let apart = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
    if !apart.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a network namespace takes root and the program `unshare`");
        return;
    }
    let mut site = Site::new("effects-blocks");
    let line = |address: &str| {
        format!(
            "<38>1 2024-12-10T06:00:00Z alpha sshd 7 - - error: maximum authentication attempts exceeded for root from \
             {address} port 5022 ssh2 [preauth]\n"
        )
    };
    site.put("auth.log", ["192.0.2.25", "192.0.2.26", "2001:db8::77"].map(line).concat());
    let stack = "state: kept\ncontrol: { socket: control.sock, watch: false }\n\
         sources: { auth: { file: auth.log, follow: true } }\nmodules: { sshd: { module: sshd } }\n\
         listeners:\n  wall:\n    listener: firewall\n    options: { set: ssh, duration: 30m }\n    \
         grants: { firewall: { sets: { ssh: { ports: [22] } } } }\n";
    site.put("stack.yaml", stack);
    site.set(&["stack.yaml"]);
    site.by(&["unshare", "--net"]);
    let engine = site.start();
    site.until_it_runs();
    wait::until("blocked", || (effects(&site, &["--state", "done"]).len() == 3).then_some(()));
    let listed = site.ask(&["blocks", "list"]);
    for expected in ["192.0.2.25  ssh", "2001:db8::77  ssh", "wall", "3 blocks;"] {
        assert!(
            listed.stdout.contains(expected),
            "{expected} in\n{}{}",
            listed.stdout,
            listed.stderr
        );
    }
    let lifted = site.ask(&["blocks", "remove", "192.0.2.25"]);
    assert_eq!(lifted.code, Some(0), "{}", lifted.stderr);
    assert!(lifted.stdout.contains("192.0.2.25 is blocked no more"), "{}", lifted.stdout);
    let second = effects(&site, &["--state", "done"]);
    let undone = site.ask(&["undo", &id(&second[0])]);
    assert!(undone.stdout.contains("192.0.2.26 is blocked no more"), "{}", undone.stderr);
    assert_eq!(site.ask(&["undo", &id(&second[0])]).code, Some(2), "once is enough");
    let left = json(&site.ask(&["blocks", "list", "--json"]));
    let left: Vec<_> = left.as_array().expect("a list").iter().map(|it| &it["address"]).collect();
    assert_eq!(left, ["2001:db8::77"]);
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    // Without an engine it takes the stack to know how the world is reached.
    let lifted = site.tell(&["blocks", "remove", "2001:db8::/32", "--state", "kept"]);
    assert_eq!(lifted.code, Some(1), "{}", lifted.stdout);
    assert!(lifted.stderr.contains("it takes the stack file"), "{}", lifted.stderr);
}
