//! Kills: an engine that is killed at any moment and started again tells what one that was left alone tells, to the byte.
//!
//! The stream is made up, so that every record is known: who was acknowledged is there, nobody is there who was not sent.
//! A few dozen kills each by default; `CORRELATOR_KILLS` says how many, `CORRELATOR_SEED` repeats a run.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use correlator_tests::known::{GUESTS, KEPT, NOTICES, alone, args, end, taken, until_done};
use correlator_tests::log::{self, Line, Log};
use correlator_tests::rows::{Tables, counted, difference, rows};
use correlator_tests::seed::{Seed, kills};
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::Site;
use correlator_tests::wait;
use correlator_tests::world::failures::failures;

use super::acting;

const LINES: usize = 60_000;
/// Rows of a table that is put aside again and again.
const ROWS: usize = 20_000;
/// Lines of a connection by which a sender learns what was taken.
const CHUNK: usize = 50;
/// Enough that the senders are not done before the last kill.
const CHUNKS_PER_KILL: usize = 40;
/// An engine that gets no further than this is none yet: it finds what the last one left.
const YOUNG: Duration = Duration::from_millis(5);
/// An engine that gets this far has worked.
const OLD: Duration = Duration::from_millis(250);

/// Kills engine after engine over a file until one has finished before it was killed. How many were killed.
fn kill_over(site: &Site, seed: &mut Seed, most: usize) -> usize {
    let mut killed = 0;
    while killed < most {
        let engine = site.start();
        let terminated = seed.below(8) == 0;
        wait::pass(match seed.below(4) {
            0 => seed.time(Duration::ZERO, YOUNG),
            _ => seed.time(YOUNG, OLD),
        });
        if terminated {
            engine.terminate();
            wait::pass(seed.time(Duration::ZERO, YOUNG));
        }
        if engine.kill() {
            killed += 1;
        } else if !terminated {
            break;
        }
    }
    killed
}

/// Kills engines over files, and compares what they tell with what one tells that is left alone.
fn killed_over_files(
    what: &str,
    durability: &'static str,
    more: &[&'static str],
    count: usize,
    same: fn(&Tables) -> Tables,
) {
    let mut seed = Seed::of_this_run(what);
    let (mut killed, mut files) = (0, 0);
    while killed < count {
        let lines = Log::new(seed.number()).lines(LINES);
        let expected = same(&alone(&lines, more));
        let durable = ["--file", "log", "--durability", durability];
        let site = Site::new("killed").with(&args(&[&GUESTS, &KEPT, &durable, more]));
        site.put("log", log::file(&lines));
        killed += kill_over(&site, &mut seed, count - killed);
        site.run();
        let wrong = difference(&expected, &same(&site.tables()));
        assert!(wrong.is_none(), "{what}: {}\n{}", wrong.unwrap_or_default(), site.said());
        // Once more: nothing is left to do, and nothing is done twice.
        site.run();
        assert_eq!(difference(&expected, &same(&site.tables())), None, "{what}: a second end");
        files += 1;
    }
    eprintln!("{what}: {killed} kills over {files} files");
}

#[test]
fn kills_over_a_file_leave_no_trace() {
    killed_over_files("over a file, batched", "batched", &[], kills(16), Tables::clone);
}

#[test]
fn kills_over_a_file_leave_no_trace_without_any_durability() {
    // The system keeps what was written, whoever is killed.
    killed_over_files("over a file, none", "none", &[], kills(12), Tables::clone);
}

#[test]
fn kills_over_a_file_leave_no_trace_in_several_instances() {
    // Instances work side by side: what each tells is certain, who is first is not.
    let more = ["--instances", "sshd=3", "--partition-by", "sshd=host"];
    killed_over_files("several instances", "batched", &more, kills(8), sorted);
}

#[test]
fn kills_while_tables_are_put_aside_leave_each_row_once() {
    let mut seed = Seed::of_this_run("tables put aside");
    let grant = "table: { directory: rows, rotate_bytes: 20kB, keep: 500 }";
    let (mut killed, most) = (0, kills(16));
    while killed < most {
        let site = acting::site("aside", "file: log", &acting::listener("csv", "csv", "", grant));
        site.put("log", failures(0..ROWS).join("\n") + "\n");
        killed += kill_over(&site, &mut seed, most - killed);
        site.run();
        let tables = site.tables();
        let files = tables.keys().filter(|name| name.starts_with("sshd-attempts_exceeded.csv"));
        let (files, rows): (Vec<_>, Vec<_>) = files.map(|name| (name, rows(&tables, name))).unzip();
        let rows = rows.concat();
        assert!(files.len() > 2, "{files:?}");
        assert_eq!((rows.len(), counted(&rows).len()), (ROWS, ROWS), "{files:?}\n{}", site.said());
    }
}

/// The same tables with their rows in order.
fn sorted(tables: &Tables) -> Tables {
    let sort = |(name, bytes): (&String, &Vec<u8>)| {
        let text = String::from_utf8_lossy(bytes);
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].sort_unstable();
        (name.clone(), (lines.join("\n") + "\n").into_bytes())
    };
    tables.iter().map(sort).collect()
}

/// What a sender did.
#[derive(Default)]
struct Sending {
    /// Chunks that were acknowledged.
    acknowledged: Vec<usize>,
    /// How often each chunk was sent.
    tries: HashMap<usize, usize>,
}

/// Sends chunk after chunk, each until it is acknowledged.
fn send_all(
    port: &Port,
    chunks: &[Vec<Line>],
    mine: &[usize],
    (done, taken): (&AtomicBool, &AtomicUsize),
) -> Sending {
    let mut sending = Sending::default();
    for &number in mine {
        let texts: Vec<String> = chunks[number].iter().map(Line::text).collect();
        // Both framings by turns.
        let framed = if number % 2 == 0 { sender::octets } else { sender::lines };
        let bytes = framed(&texts);
        loop {
            match sender::send(port.address(), &bytes) {
                Sent::Acknowledged => {
                    *sending.tries.entry(number).or_default() += 1;
                    sending.acknowledged.push(number);
                    taken.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Sent::Unknown => *sending.tries.entry(number).or_default() += 1,
                Sent::Refused => wait::pass(YOUNG),
            }
            if done.load(Ordering::Relaxed) {
                return sending;
            }
        }
        // So that there is something to be killed for a while.
        wait::pass(4 * YOUNG);
    }
    sending
}

/// Ends the senders, also if the case fails: nobody else would.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Every acknowledged record is there, and none that was not sent; none more often than it was sent.
fn check_delivery(chunks: &[Vec<Line>], sent: &[Sending], notices: &[String]) {
    let counts = counted(notices);
    let mut tries: HashMap<usize, usize> = HashMap::new();
    for (&number, &count) in sent.iter().flat_map(|it| &it.tries) {
        *tries.entry(number).or_default() += count;
    }
    let mut known = 0;
    for (number, chunk) in chunks.iter().enumerate() {
        let most = tries.get(&number).copied().unwrap_or(0);
        let acknowledged = sent.iter().any(|it| it.acknowledged.contains(&number));
        for line in chunk {
            let there = counts.get(line.row().as_str()).copied().unwrap_or(0);
            known += usize::from(there > 0);
            assert!(there <= most, "{there} times, sent {most} times: {}", line.text());
            assert!(there > 0 || !acknowledged, "acknowledged and lost: {}", line.text());
        }
    }
    assert_eq!(counts.len(), known, "records that nobody sent");
}

/// Kills engines at which two senders send, and has the last one take the rest.
fn killed_over_tcp(what: &str, durability: &'static str, count: usize) {
    let mut seed = Seed::of_this_run(what);
    let port = Port::new().expect("a port");
    let address = port.address().to_string();
    let chunks: Vec<Vec<Line>> = Log::new(seed.number())
        .lines(CHUNK * CHUNKS_PER_KILL * count)
        .chunks(CHUNK)
        .map(<[Line]>::to_vec)
        .collect();
    let control = ["--control", "control.sock", "--durability", durability];
    let mut site = Site::new("tcp").with(&args(&[&GUESTS, &KEPT, &control]));
    site = site.with(&["--tcp", &address]);
    let (done, progress) = (AtomicBool::new(false), AtomicUsize::new(0));
    let sent = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let _ends = Ends(&done);
        for half in 0..2 {
            let (port, chunks, done, sent) = (&port, &chunks, (&done, &progress), &sent);
            scope.spawn(move || {
                let mine: Vec<usize> = (half..chunks.len()).step_by(2).collect();
                let sending = send_all(port, chunks, &mine, done);
                sent.lock().expect("no panic").push(sending);
            });
        }
        let mut killed = 0;
        while killed < count {
            let engine = site.start();
            if seed.below(4) > 0 {
                site.until_it_runs();
                wait::pass(seed.time(Duration::ZERO, OLD));
            } else {
                wait::pass(seed.time(Duration::ZERO, 10 * YOUNG));
            }
            if seed.below(8) == 0 {
                engine.terminate();
                wait::pass(seed.time(Duration::ZERO, YOUNG));
            }
            killed += usize::from(engine.kill());
        }
        let engine = site.start();
        site.until_it_runs();
        let progress = || progress.load(Ordering::Relaxed);
        wait::while_it_grows("all is acknowledged", progress, || {
            (sent.lock().expect("no panic").len() == 2).then_some(())
        });
        assert_eq!(engine.stop(), Some(0), "{}", site.said());
    });
    end(&mut site);
    let notices = site.rows(NOTICES);
    check_delivery(&chunks, &sent.into_inner().expect("no panic"), &notices);
    let sent: Vec<Line> = chunks.concat();
    let expected = alone(&taken(&sent, &notices), &[]);
    let wrong = difference(&expected, &site.tables());
    assert!(wrong.is_none(), "{what}: {}\n{}", wrong.unwrap_or_default(), site.said());
}

#[test]
fn what_was_acknowledged_by_tcp_survives_kills() {
    killed_over_tcp("by tcp, each", "each", kills(14));
}

#[test]
fn what_was_acknowledged_by_tcp_survives_kills_when_batched() {
    // A kill takes nothing from what was written, whether it was written through or not.
    killed_over_tcp("by tcp, batched", "batched", kills(10));
}

#[test]
fn kills_while_idle_and_right_after_each_other() {
    let mut seed = Seed::of_this_run("idle");
    let lines = Log::new(seed.number()).lines(400);
    let port = Port::new().expect("a port");
    let address = port.address().to_string();
    let control = ["--control", "control.sock", "--durability", "each"];
    let mut site = Site::new("idle").with(&args(&[&GUESTS, &KEPT, &control]));
    site = site.with(&["--tcp", &address]);
    for (part, done) in lines.chunks(100).zip([100, 200, 300, 400]) {
        let engine = site.start();
        let texts: Vec<String> = part.iter().map(Line::text).collect();
        let bytes = sender::octets(&texts);
        // Nothing came for longer than time takes its steps, and yet it does not jump to the machine's: senders that are
        // cut off by a restart have something old to say.
        site.until("old enough", |status| (status["uptime_seconds"].as_f64()? > 2.5).then_some(()));
        assert_eq!(sender::send(port.address(), &bytes), Sent::Acknowledged);
        // All is done, and then it is killed: nothing may come again.
        until_done(&site, done);
        engine.kill();
        for _ in 0..5 {
            let engine = site.start();
            wait::pass(seed.time(Duration::ZERO, 3 * YOUNG));
            engine.kill();
        }
    }
    end(&mut site);
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", site.said());
}

#[test]
fn a_folder_belongs_to_one_engine_until_that_is_killed() {
    let lines = Log::new(1).lines(1_000);
    let live = ["--control", "control.sock", "--tcp", "127.0.0.1:0"];
    let site = Site::new("lock").with(&args(&[&GUESTS, &KEPT, &live]));
    site.put("log", log::file(&lines));
    let engine = site.start();
    site.until_it_runs();
    let other = args(&[&["run"], &GUESTS, &KEPT, &["--file", "log"]]);
    let said = site.tell(&other);
    assert_eq!(said.code, Some(4), "{}", said.stderr);
    assert!(said.stderr.contains("is being written by"), "{}", said.stderr);
    engine.kill();
    let said = site.tell(&other);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", said.stderr);
}
