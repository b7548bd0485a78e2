//! The peers that are installed, each with one rule of the same meaning, on a smaller log.
//!
//! They are measured as their users run them: one process, one rule that finds failed passwords.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::engine::{Engine, Log};
use crate::measure;
use crate::report::Report;
use crate::series::alternate;

/// SEC's rule: an attacker's fifth failed password in 300 seconds.
const SEC_RULE: &str = r"type=SingleWithThreshold
ptype=RegExp
pattern=sshd\[\d+\]: Failed password for (?:invalid user )?\S+ from (\S+) port \d+ ssh2
desc=attack from $1
action=logonly
window=300
thresh=5
";

/// fail2ban's filter of the same meaning.
const FAIL2BAN_FILTER: &str = r"^.*sshd\[\d+\]: Failed password for .* from <HOST> port \d+ ssh2$";

/// Measures every peer that is there, in turn with Correlator on the same log.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("peers");
    let rule = engine.place("sec.rules");
    fs::write(&rule, SEC_RULE)?;
    let peers: [(&str, Command); 2] =
        [("sec", sec(&rule, &log.path)), ("fail2ban-regex", fail2ban(&log.path))];
    for (name, mut command) in peers {
        if !is_installed(name) {
            report.note(&format!("{name} is not installed and was skipped"));
            continue;
        }
        let [ours, theirs] = alternate::<2>(rounds, |which| {
            let cost = match which {
                0 => measure::run(&mut engine.run(&["sshd"], &log.path)?)?,
                _ => measure::run(&mut command)?,
            };
            Ok(cost.cpu.as_secs_f64())
        })?;
        let lines = log.lines as f64;
        report.add(&format!("{name}, lines per CPU-second"), &theirs.map(|cpu| lines / cpu), "");
        report.add(&format!("times as fast as {name}"), &theirs.over(&ours), "");
    }
    Ok(())
}

fn sec(rule: &Path, log: &Path) -> Command {
    let mut command = Command::new("sec");
    command.arg(format!("--conf={}", rule.display()));
    command.arg(format!("--input={}", log.display()));
    command.args(["--notail", "--log=/dev/null"]).stdin(Stdio::null());
    command
}

fn fail2ban(log: &Path) -> Command {
    let mut command = Command::new("fail2ban-regex");
    command.arg(log).arg(FAIL2BAN_FILTER).stdin(Stdio::null());
    command
}

fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}
