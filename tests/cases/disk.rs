//! Disks that refuse: full, read-only, with a bound on files, with writes that can't be written through. The engine says
//! so, loses nothing of what it acknowledged, and goes on when it can.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use correlator_tests::known::{GUESTS, KEPT, NOTICES, alone, args, end, taken, until_done};
use correlator_tests::log::{self, Line, Log};
use correlator_tests::rows::difference;
use correlator_tests::sender::{self, Port, Sent};
use correlator_tests::site::Site;
use correlator_tests::wait;

const CHUNK: usize = 500;
const EACH: [&str; 4] = ["--control", "control.sock", "--durability", "each"];

/// A file system of its own, as large as it says.
pub struct Mounted(PathBuf);

impl Mounted {
    /// None if this user may not mount one, which is told.
    pub fn new(folder: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder");
        let options = format!("size={size},mode=0700");
        let mount = |words: &[&str]| Command::new("mount").args(words).arg(folder).output();
        match mount(&["-t", "tmpfs", "-o", &options, "tmpfs"]) {
            Ok(output) if output.status.success() => Some(Self(folder.to_owned())),
            other => {
                let why = other.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
                eprintln!("skipped: no file system can be mounted here: {why:?}");
                None
            }
        }
    }

    fn set(&self, option: &str) {
        let options = format!("remount,{option}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.expect("mount").success(), "{option}");
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let filler = self.0.join("filler");
        let mut bytes = 1 << 20;
        let mut file = fs::File::create(filler).expect("a file");
        while bytes > 0 {
            if std::io::Write::write_all(&mut file, &vec![0; bytes]).is_err() {
                bytes /= 2;
            }
        }
    }

    pub fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).expect("the filler");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: an engine that a failed case left may still be there for a moment.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn bytes(lines: &[Line]) -> Vec<u8> {
    sender::octets(&lines.iter().map(Line::text).collect::<Vec<_>>())
}

/// Sends chunk after chunk in a thread of its own, and tells of each when it is acknowledged.
fn send_on(port: &Port, chunks: Vec<Vec<Line>>) -> mpsc::Receiver<Sent> {
    let (tell, told) = mpsc::channel();
    let address = port.address();
    thread::spawn(move || {
        for chunk in chunks {
            if tell.send(sender::send(address, &bytes(&chunk))).is_err() {
                return;
            }
        }
    });
    told
}

/// Waits until the engine has complained of this.
fn until_said(site: &Site, words: &str) {
    let said = || site.said().contains(words).then_some(());
    assert!(wait::within(wait::PATIENCE, said).is_some(), "never said `{words}`: {}", site.said());
}

fn acknowledged(told: &mpsc::Receiver<Sent>, site: &Site) {
    let sent = told.recv_timeout(wait::PATIENCE);
    assert_eq!(sent, Ok(Sent::Acknowledged), "{}", site.said());
}

/// Fills the file system at `place` under a working engine, and makes room again.
fn full(name: &str, place: &str, size: &str, said: &str) {
    let mut site = Site::new(name).with(&args(&[&GUESTS, &KEPT, &EACH]));
    let Some(disk) = Mounted::new(&site.folder().join(place), size) else { return };
    let port = Port::new().expect("a port");
    site = site.with(&["--tcp", &port.address().to_string()]);
    let lines = Log::new(3).lines(CHUNK * 8);
    let chunks: Vec<Vec<Line>> = lines.chunks(CHUNK).map(<[Line]>::to_vec).collect();
    let engine = site.start();
    site.until_it_runs();
    let told = send_on(&port, chunks.clone());
    acknowledged(&told, &site);
    disk.fill();
    until_said(&site, said);
    assert!(site.status().is_some(), "it answers meanwhile: {}", site.said());
    disk.make_room();
    for _ in 1..chunks.len() {
        acknowledged(&told, &site);
    }
    until_done(&site, lines.len());
    assert_eq!(site.rows(NOTICES).len(), lines.len(), "{}", site.said());
    engine.stop();
    end(&mut site);
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", site.said());
}

#[test]
fn a_full_disk_under_the_spools_lets_senders_wait() {
    full("full-state", "state", "3m", "No space left on device");
}

#[test]
fn a_full_disk_under_the_tables_loses_no_row() {
    full("full-rows", "rows", "2m", "No space left on device");
}

#[test]
fn a_full_disk_and_an_end_lose_nothing() {
    let mut site = Site::new("full-end").with(&args(&[&GUESTS, &KEPT, &EACH]));
    let Some(disk) = Mounted::new(&site.folder().join("rows"), "400k") else { return };
    let port = Port::new().expect("a port");
    site = site.with(&["--tcp", &port.address().to_string()]);
    let lines = Log::new(4).lines(CHUNK * 4);
    let engine = site.start();
    site.until_it_runs();
    disk.fill();
    for chunk in lines.chunks(CHUNK) {
        assert_eq!(sender::send(port.address(), &bytes(chunk)), Sent::Acknowledged);
    }
    until_said(&site, "No space left on device");
    engine.stop();
    disk.make_room();
    end(&mut site);
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", site.said());
}

/// Puts something in the way of a table, and takes it away once the engine has said so.
fn hindered(name: &str, hinder: impl FnOnce(&Path), said: &str, mend: impl FnOnce(&Path)) {
    let port = Port::new().expect("a port");
    let address = port.address().to_string();
    let mut site = Site::new(name).with(&args(&[&GUESTS, &KEPT, &EACH, &["--tcp", &address]]));
    let rows = site.folder().join("rows");
    fs::create_dir_all(&rows).expect("a folder");
    hinder(&rows);
    let lines = Log::new(9).lines(CHUNK);
    let engine = site.start();
    site.until_it_runs();
    assert_eq!(sender::send(port.address(), &bytes(&lines)), Sent::Acknowledged);
    until_said(&site, said);
    assert!(site.status().is_some(), "it answers meanwhile: {}", site.said());
    mend(&rows);
    until_done(&site, lines.len());
    engine.stop();
    end(&mut site);
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", site.said());
}

#[test]
fn whatever_is_in_the_way_of_a_table_is_waited_for() {
    let link = |rows: &Path| symlink("/dev/null", rows.join(NOTICES)).expect("a link");
    let gone = |rows: &Path| fs::remove_file(rows.join(NOTICES)).expect("the link");
    hindered("in-the-way-link", link, "links are not followed", gone);
    let other = Cell::new(None);
    let lock = |rows: &Path| {
        let file = fs::File::create(rows.join(NOTICES)).expect("a file");
        file.lock().expect("a lock");
        other.set(Some(file));
    };
    let free = |_: &Path| drop(other.take());
    hindered("in-the-way-lock", lock, "another run is writing to it", free);
}

#[test]
fn a_folder_that_can_not_be_written_is_told_and_nothing_runs() {
    let check = |site: &Site, state: &str| {
        site.forget_said();
        let code = site.start().wait();
        let said = site.said();
        assert_eq!(code, Some(4), "{said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && last.contains(state), "{said}");
    };
    let source = ["--file", "log", "--state"];
    // Not even root can make a folder there.
    let site = Site::new("proc").with(&args(&[&GUESTS, &source, &["/proc/correlator"]]));
    site.put("log", "");
    check(&site, "/proc/correlator");
    let site = Site::new("file").with(&args(&[&GUESTS, &source, &["occupied"]]));
    site.put("log", "");
    site.put("occupied", "a file");
    check(&site, "occupied");
    let site = Site::new("read-only").with(&args(&[&GUESTS, &source, &["state"]]));
    site.put("log", "");
    let Some(disk) = Mounted::new(&site.folder().join("state"), "4m") else { return };
    disk.set("ro");
    check(&site, "Read-only file system");
    // One that was written and is read-only now.
    disk.set("rw");
    site.run();
    disk.set("ro");
    check(&site, "Read-only file system");
    disk.set("rw");
    site.run();
}

#[test]
fn a_bound_on_files_is_a_full_disk() {
    let port = Port::new().expect("a port");
    let address = port.address().to_string();
    let mut site = Site::new("bound").with(&args(&[&GUESTS, &KEPT, &EACH, &["--tcp", &address]]));
    let lines = Log::new(5).lines(CHUNK * 8);
    let chunks: Vec<Vec<Line>> = lines.chunks(CHUNK).map(<[Line]>::to_vec).collect();
    // The components are compiled without the bound: their code is larger.
    drop(alone(&lines[..1], &[]));
    site.by(&["sh", "-c", "trap '' XFSZ; ulimit -f 600; exec \"$@\"", "sh"]);
    let engine = site.start();
    site.until_it_runs();
    let told = send_on(&port, chunks.clone());
    until_said(&site, "File too large");
    assert!(site.status().is_some(), "it answers meanwhile: {}", site.said());
    engine.stop();
    let mut sent: Vec<Sent> = Vec::new();
    while let Ok(one) = told.recv_timeout(wait::PATIENCE) {
        sent.push(one);
    }
    site.by(&[]);
    let engine = site.start();
    site.until_it_runs();
    for (chunk, sent) in chunks.iter().zip(&sent) {
        if *sent != Sent::Acknowledged {
            assert_eq!(sender::send(port.address(), &bytes(chunk)), Sent::Acknowledged);
        }
    }
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    end(&mut site);
    let notices = site.rows(NOTICES);
    let there: std::collections::BTreeSet<&String> = notices.iter().collect();
    assert_eq!(there.len(), lines.len(), "{}", site.said());
    assert_eq!(difference(&alone(&taken(&lines, &notices), &[]), &site.tables()), None);
}

#[test]
fn a_bound_on_files_kills_nobody() {
    let mut site = Site::new("bound").with(&args(&[&GUESTS, &KEPT, &["--file", "log"]]));
    let lines = Log::new(8).lines(CHUNK * 8);
    site.put("log", log::file(&lines));
    let expected = alone(&lines, &[]);
    // The system sends a signal with the error, whose default is to end the process with a dump.
    site.by(&["prlimit", "--fsize=300000", "--"]);
    let mut engine = site.start();
    wait::until("the bound is met", || {
        (site.said().contains("File too large") || !engine.runs()).then_some(())
    });
    assert!(engine.runs(), "{:?}: {}", engine.wait(), site.said());
    engine.stop();
    site.by(&[]);
    site.run();
    assert_eq!(difference(&expected, &site.tables()), None, "{}", site.said());
}

#[test]
fn what_can_not_be_written_through_is_not_acknowledged() {
    if Command::new("strace").arg("--version").output().is_err() {
        eprintln!("skipped: no strace here, which makes writes fail");
        return;
    }
    let port = Port::new().expect("a port");
    let address = port.address().to_string();
    let mut site = Site::new("sync").with(&args(&[&GUESTS, &KEPT, &EACH, &["--tcp", &address]]));
    let lines = Log::new(6).lines(CHUNK * 6);
    let engine = site.start();
    site.until_it_runs();
    // In turns they fail and work; what failed is not believed when the next one works.
    let inject = "inject=fdatasync,fsync:error=EIO:when=1+3";
    let words = ["-f", "-o", "trace", "-e", "trace=fdatasync,fsync", "-e", inject, "-p"];
    let mut strace = Command::new("strace");
    strace.args(words).arg(engine.id().to_string()).current_dir(site.folder());
    let told = fs::File::create(site.folder().join("strace")).expect("a file");
    let mut strace = strace.stderr(told).spawn().expect("strace");
    let attached = wait::until("strace has begun, or not", || {
        let said = fs::read_to_string(site.folder().join("strace")).unwrap_or_default();
        let over = strace.try_wait().expect("a child").is_some();
        said.contains(" attached").then_some(true).or(over.then_some(false))
    });
    if !attached {
        eprintln!("skipped: strace may not trace here");
        return;
    }
    for chunk in lines.chunks(CHUNK) {
        assert_eq!(sender::send(port.address(), &bytes(chunk)), Sent::Acknowledged);
    }
    until_said(&site, "Input/output error");
    engine.kill();
    strace.wait().expect("a child");
    end(&mut site);
    assert_eq!(difference(&alone(&lines, &[]), &site.tables()), None, "{}", site.said());
}

#[test]
fn a_spool_that_is_full_lets_senders_wait_and_says_so() {
    let small = ["--spool-size", "16MiB"];
    let mut site = Site::new("small").with(&args(&[&GUESTS, &KEPT, &EACH, &small]));
    let Some(disk) = Mounted::new(&site.folder().join("rows"), "64m") else { return };
    let port = Port::new().expect("a port");
    site = site.with(&["--tcp", &port.address().to_string()]);
    let lines = Log::new(7).lines(1_000);
    let engine = site.start();
    site.until_it_runs();
    // Rows can't be written: events wait for the listener, modules for room for events, and at last senders for all.
    disk.fill();
    let many = bytes(&lines).repeat(60);
    let (address, rounds) = (port.address(), 6);
    let sending = thread::spawn(move || {
        (0..rounds).map(|_| sender::send(address, &many)).collect::<Vec<Sent>>()
    });
    until_said(&site, "the spool is full");
    assert!(site.status().is_some(), "it answers meanwhile: {}", site.said());
    disk.make_room();
    let sent = sending.join().expect("no panic");
    assert_eq!(sent, [Sent::Acknowledged; 6], "{}", site.said());
    until_done(&site, rounds * 60 * lines.len());
    assert_eq!(site.rows(NOTICES).len(), rounds * 60 * lines.len(), "{}", site.said());
    let status = site.until("asked", |status| Some(status.clone()));
    assert_eq!(status["record_spool"]["dropped"], 0, "{status:#}");
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
}
