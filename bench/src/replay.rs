//! A restart with much to work off: records a second from the spool over records a second from a file.
//!
//! Each clock runs from the start of the process until every event stands in its file; what is written through when the
//! engine ends comes after. Two logs of 2,000,000 records make a gigabyte of spool: `--lines` sets how much is measured.

use anyhow::Result;
use correlator::status::Status;

use crate::engine::{Engine, Log};
use crate::live::{Live, is_done};
use crate::measure;
use crate::report::Report;
use crate::series::{Series, alternate};
use crate::stock::{KEEPING, Stock};

/// How often the log is sent to the spool.
const REPEAT: u64 = 2;
/// What both engines keep: nothing but their tables, or all.
const NOTHING: [&str; 0] = [];

/// Measures it.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("replay");
    let stock = Stock::fill(engine, &["sshd"], &["sshd"], log, REPEAT)?;
    let [spool, kept, unkept] = alternate::<3>(rounds, |which| match which {
        0 => work_off(engine, &stock),
        1 => {
            let state = engine.empty_folder("state")?;
            let state = state.to_string_lossy();
            over_file(engine, log, &[&["--state", &state], &KEEPING[..]].concat())
        }
        _ => over_file(engine, log, &NOTHING),
    })?;
    let megabytes: Series = [stock.bytes as f64 / 1e6].into_iter().collect();
    report.add("restart, spool to work off, MB", &megabytes, "");
    report.add("restart, records per second from the spool", &spool, "");
    report.add("restart, over a file with the same state", &spool.over(&kept), "1.0 at least");
    report.add("restart, over a file with nothing kept", &spool.over(&unkept), "1.0 at least");
    Ok(())
}

fn work_off(engine: &Engine, stock: &Stock) -> Result<f64> {
    let state = stock.copy(engine)?;
    let arguments = [&["--state", &state], &KEEPING[..]].concat();
    let position = |status: &Status| status.modules[0].guest.position;
    let done = |status: &Status| is_done(status, 0) && position(status) >= stock.records;
    Ok(stock.records as f64 / seconds(engine, &arguments, done)?)
}

fn over_file(engine: &Engine, log: &Log, arguments: &[&str]) -> Result<f64> {
    let file = log.path.to_string_lossy();
    let arguments = [&["--file", &file], arguments].concat();
    let done = |status: &Status| is_done(status, log.lines);
    Ok(log.lines as f64 / seconds(engine, &arguments, done)?)
}

/// From the start of an engine until it has done its work. A door that nobody uses keeps it from ending by itself.
fn seconds(engine: &Engine, arguments: &[&str], done: impl Fn(&Status) -> bool) -> Result<f64> {
    let arguments = [&["--tcp", "127.0.0.1:0"], arguments].concat();
    let start = measure::now();
    let mut live = Live::start(engine, &["sshd"], &arguments)?;
    live.wait_until(done)?;
    let seconds = start.elapsed().as_secs_f64();
    live.stop()?;
    Ok(seconds)
}
