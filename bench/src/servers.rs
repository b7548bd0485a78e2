//! rsyslog and syslog-ng doing the nearest thing: they receive the same stream over TCP and write the lines with a
//! failed password to a file.
//!
//! They do less than `sshd`, which follows every connection; what is compared is what their users would run for it. Both
//! are started as they come, with a configuration that has nothing else in it.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::engine::{Engine, Log};
use crate::live::spawn;
use crate::measure::{now, pause, reap};
use crate::report::Report;
use crate::sender::Sender;
use crate::series::{Series, alternate};
use crate::tcp::{self, Taken};

/// What the lines have in them that are written.
const MATCH: &str = "Failed password";
/// A folder below which a package of syslog-ng was unpacked; without it, the one on the PATH is taken.
const SYSLOG_NG_VARIABLE: &str = "CORRELATOR_SYSLOG_NG";
const LOOK: Duration = Duration::from_millis(10);
const START_MAX: Duration = Duration::from_secs(20);
/// A server whose file does not grow for so long has written all that it will.
const STILL_MAX: Duration = Duration::from_secs(10);

/// A peer, ready to be started.
struct Server {
    name: &'static str,
    program: PathBuf,
    libraries: Option<OsString>,
    modules: Option<PathBuf>,
}

/// Measures each that is there, in turn with Correlator on the same log.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("servers");
    let matching = count_lines(&log.path, MATCH)?;
    for (name, server) in [("rsyslog", rsyslog()), ("syslog-ng", syslog_ng()?)] {
        let Some(server) = server else {
            report.note(&format!("{name} is not installed and was skipped"));
            continue;
        };
        let mut walls: [Vec<f64>; 2] = Default::default();
        let [ours, theirs] = alternate::<2>(rounds, |which| {
            let taken = match which {
                0 => tcp::run(engine, log, 1, None)?,
                _ => server.run(engine, log, matching)?,
            };
            walls[which].push(taken.wall);
            Ok(taken.cpu)
        })?;
        let lines = log.lines as f64;
        let [our_walls, their_walls] = walls.map(|it| it.into_iter().skip(1).collect::<Series>());
        report.add(
            &format!("{name} over TCP, records per CPU-second"),
            &theirs.map(|cpu| lines / cpu),
            "",
        );
        report.add(
            &format!("{name} over TCP, records per second"),
            &their_walls.map(|wall| lines / wall),
            "",
        );
        report.add(&format!("times as fast as {name}, by CPU time"), &theirs.over(&ours), "");
        report.add(&format!("times as fast as {name}, by time"), &their_walls.over(&our_walls), "");
    }
    Ok(())
}

fn rsyslog() -> Option<Server> {
    let program = find("rsyslogd", &["/usr/sbin".into()])?;
    Some(Server { name: "rsyslog", program, libraries: None, modules: None })
}

fn syslog_ng() -> Result<Option<Server>> {
    let name = "syslog-ng";
    let Some(root) = std::env::var_os(SYSLOG_NG_VARIABLE).map(PathBuf::from) else {
        let program = find(name, &["/usr/sbin".into()]);
        let server = |program| Server { name, program, libraries: None, modules: None };
        return Ok(program.map(server));
    };
    let program = root.join("usr/sbin").join(name);
    ensure!(program.is_file(), "{SYSLOG_NG_VARIABLE}: there is no {}", program.display());
    let mut folders = Vec::new();
    shared_libraries(&root, &mut folders)?;
    let own = |folder: &&PathBuf| folder.join("libsyslogformat.so").is_file();
    let modules = folders.iter().find(own).cloned();
    let libraries = Some(std::env::join_paths(&folders)?);
    Ok(Some(Server { name, program, libraries, modules }))
}

/// The folders below this one that hold shared libraries.
fn shared_libraries(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let mut has = false;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            shared_libraries(&entry.path(), found)?;
        } else {
            has |= entry.file_name().to_string_lossy().contains(".so");
        }
    }
    if has {
        found.push(folder.to_owned());
    }
    Ok(())
}

fn find(program: &str, also: &[PathBuf]) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&paths).chain(also.iter().cloned());
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

impl Server {
    /// Sends it all of a log, and waits until all matching lines are in its file.
    fn run(&self, engine: &Engine, log: &Log, matching: u64) -> Result<Taken> {
        let folder = engine.empty_folder("server")?;
        let rows = folder.join("rows");
        // The port is free until somebody else takes it in the moment until the server does.
        let to = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let complaints = folder.join("complaints");
        let mut command = self.command(&folder, &rows, to.port())?;
        let child = spawn(&mut command, &folder.join("output"), &complaints)?;
        let mut running = Running { child };
        running.wait_for(to, &complaints)?;
        let start = now();
        let sender = Sender::tcp(engine, log, 1, to)?;
        let written = wait_for_lines(&rows, matching)?;
        let wall = start.elapsed().as_secs_f64();
        ensure!(written == matching, "{} wrote {written} of {matching} lines", self.name);
        sender.finish()?;
        let cpu = running.stop()?.as_secs_f64();
        Ok(Taken { wall, cpu })
    }

    fn command(&self, folder: &Path, rows: &Path, port: u16) -> Result<Command> {
        let file = |name: &str| folder.join(name);
        let configuration = file("conf");
        let mut command = Command::new(&self.program);
        if self.name == "rsyslog" {
            fs::write(&configuration, rsyslog_configuration(rows, port))?;
            command.arg("-n").arg("-f").arg(configuration).arg("-i").arg(file("pid"));
            return Ok(command);
        }
        fs::write(&configuration, syslog_ng_configuration(rows, port))?;
        command.arg("-F").arg("-f").arg(configuration).arg("-p").arg(file("pid"));
        command.arg("-R").arg(file("persist")).arg("-c").arg(file("control"));
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if let Some(modules) = &self.modules {
            command.arg("--module-path").arg(modules);
        }
        Ok(command)
    }
}

fn rsyslog_configuration(rows: &Path, port: u16) -> String {
    format!(
        "module(load=\"imptcp\" threads=\"2\")\n\
         input(type=\"imptcp\" address=\"127.0.0.1\" port=\"{port}\" supportOctetCountedFraming=\"on\")\n\
         if $msg contains \"{MATCH}\" then action(type=\"omfile\" file=\"{}\")\n\
         stop\n",
        rows.display()
    )
}

fn syslog_ng_configuration(rows: &Path, port: u16) -> String {
    format!(
        "@version: 3.35\n\
         options {{ threaded(yes); stats-freq(0); keep-hostname(yes); use-dns(no); }};\n\
         source net {{ syslog(ip(127.0.0.1) port({port}) transport(\"tcp\") max-connections(64)\n\
         log-iw-size(64000)); }};\n\
         filter failed {{ message(\"{MATCH}\" type(string) flags(substring)); }};\n\
         destination rows {{ file(\"{}\"); }};\n\
         log {{ source(net); filter(failed); destination(rows); flags(flow-control); }};\n",
        rows.display()
    )
}

/// A server at work.
struct Running {
    child: Child,
}

impl Running {
    fn wait_for(&mut self, address: SocketAddr, complaints: &Path) -> Result<()> {
        let start = now();
        while TcpStream::connect(address).is_err() {
            let said = || fs::read_to_string(complaints).unwrap_or_default();
            ensure!(self.child.try_wait()?.is_none(), "the server ended: {}", said());
            ensure!(start.elapsed() < START_MAX, "the server listens nowhere: {}", said());
            pause(LOOK);
        }
        Ok(())
    }

    /// Ends it, and says what CPU time it took.
    fn stop(mut self) -> Result<Duration> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(process.context("a process has a number")?, Signal::TERM)?;
        Ok(reap(&mut self.child)?.1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended can't be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a file has so many lines, or does not grow any more. It is read once, as it grows.
fn wait_for_lines(path: &Path, wanted: u64) -> Result<u64> {
    let (mut file, mut bytes, mut lines) = (None, Vec::new(), 0);
    let mut moved = now();
    while lines < wanted && moved.elapsed() < STILL_MAX {
        if file.is_none() {
            file = fs::File::open(path).ok();
        }
        bytes.clear();
        let read = file.as_mut().map_or(Ok(0), |file| file.read_to_end(&mut bytes))?;
        if read > 0 {
            moved = now();
            lines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        } else {
            pause(LOOK);
        }
    }
    Ok(lines)
}

fn count_lines(path: &Path, text: &str) -> Result<u64> {
    let bytes = fs::read(path)?;
    let finder = memchr::memmem::Finder::new(text);
    let lines = bytes.split(|&byte| byte == b'\n');
    Ok(lines.filter(|line| finder.find(line).is_some()).count() as u64)
}
