//! A restart with much to work off: records a second from the spool over records a second from a file.
//!
//! Both keep state, and both begin when the process is started. The spool holds some 500 bytes for each line that this
//! program measures on, which is a gigabyte by default.

use anyhow::{Result, ensure};

use crate::engine::{Engine, Log};
use crate::live::{Live, is_done};
use crate::measure;
use crate::report::Report;
use crate::series::{Series, alternate};
use crate::stock::{KEEPING, Stock};

/// Bytes of spool for each line of the log: `--lines` sets how much is measured.
const SPOOL_BYTES_PER_LINE: u64 = 500;
/// Bytes that a record of the log takes in the spool, at least: they say how often the log has to be sent.
const RECORD_BYTES: u64 = 240;

/// Measures it.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("replay");
    let repeat = (log.lines * SPOOL_BYTES_PER_LINE).div_ceil(log.lines * RECORD_BYTES);
    let stock = Stock::fill(engine, &["sshd"], &["sshd"], log, repeat)?;
    let mut files: Vec<f64> = Vec::new();
    let [spool, file] = alternate::<2>(rounds, |which| match which {
        0 => work_off(engine, &stock),
        _ => {
            let without = measure::run(&mut engine.run(&["sshd"], &log.path)?)?;
            files.push(log.lines as f64 / without.wall.as_secs_f64());
            over_file(engine, log)
        }
    })?;
    let megabytes: Series = [stock.bytes as f64 / 1e6].into_iter().collect();
    report.add("restart, spool to work off, MB", &megabytes, "");
    report.add("restart, records per second from the spool", &spool, "");
    report.add("restart, over a file with the same state", &spool.over(&file), "1.0 at least");
    let files: Series = files.into_iter().skip(1).collect();
    report.add("restart, over a file with nothing kept", &spool.over(&files), "");
    Ok(())
}

fn work_off(engine: &Engine, stock: &Stock) -> Result<f64> {
    let state = stock.copy(engine)?;
    let mut arguments = vec!["--tcp", "127.0.0.1:0", "--state", &state];
    arguments.extend(KEEPING);
    let start = measure::now();
    let mut live = Live::start(engine, &["sshd"], &arguments)?;
    let status = live.wait_until(|status| is_done(status, 0))?;
    let seconds = start.elapsed().as_secs_f64();
    let position = status.modules[0].guest.position;
    ensure!(position >= stock.records, "{position} of {} records were there", stock.records);
    live.stop()?;
    Ok(stock.records as f64 / seconds)
}

fn over_file(engine: &Engine, log: &Log) -> Result<f64> {
    let mut command = engine.run(&["sshd"], &log.path)?;
    command.arg("--state").arg(engine.empty_folder("state")?).args(KEEPING);
    Ok(log.lines as f64 / measure::run(&mut command)?.wall.as_secs_f64())
}
