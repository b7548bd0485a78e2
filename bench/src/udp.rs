//! Syslog over UDP at a rate, and as fast as it goes: what came and what the kernel dropped must be what was sent.
//!
//! Nothing slows a datagram's sender down. That some are lost is no fault; that one is lost untold would be.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::engine::{Engine, Log};
use crate::live::Live;
use crate::measure::{now, pause};
use crate::report::Report;
use crate::sender::Sender;
use crate::series::Series;

/// Datagrams a second.
const RATE: u64 = 300_000;
/// How long they come.
const SECONDS: u64 = 5;
/// What is on its way has arrived, or was dropped, when nothing has come for so long.
const STILL: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

/// Where the datagrams of a round went.
struct Datagrams {
    sent: u64,
    seconds: f64,
    received: u64,
    dropped: u64,
}

/// Measures both.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("udp");
    for (name, rate) in [("at 300,000 a second", Some(RATE)), ("as fast as it goes", None)] {
        let all = (0..rounds).map(|_| run(engine, log, rate)).collect::<Result<Vec<_>>>()?;
        let series = |figure: fn(&Datagrams) -> f64| all.iter().map(figure).collect::<Series>();
        let sent = series(|it| it.sent as f64 / it.seconds);
        report.add(&format!("UDP {name}, sent per second"), &sent, "");
        let received = series(|it| it.received as f64 / it.seconds);
        report.add(&format!("UDP {name}, received per second"), &received, "");
        let dropped = series(|it| 100.0 * it.dropped as f64 / it.sent as f64);
        report.add(&format!("UDP {name}, dropped by the kernel and told, %"), &dropped, "");
        let untold = series(|it| it.sent as f64 - (it.received + it.dropped) as f64);
        report.add(&format!("UDP {name}, lost and not told, datagrams"), &untold, "0");
    }
    Ok(())
}

fn run(engine: &Engine, log: &Log, rate: Option<u64>) -> Result<Datagrams> {
    let live = Live::start(engine, &["sshd"], &["--udp", "127.0.0.1:0"])?;
    let repeat = (RATE * SECONDS).div_ceil(log.lines);
    let sent = Sender::udp(engine, log, repeat, live.address()?, rate)?.finish()?;
    let (received, dropped) = settled(&live, sent.records)?;
    let told = live.stop()?.summary["read"]["records"].as_u64();
    ensure!(told == Some(received), "{received} received, and {told:?} in the summary");
    Ok(Datagrams { sent: sent.records, seconds: sent.seconds, received, dropped })
}

/// What came and what was dropped, when that does not change any more.
fn settled(live: &Live, sent: u64) -> Result<(u64, u64)> {
    let (mut last, mut since) = ((0, 0), now());
    loop {
        let status = live.status()?;
        let dropped = status.sources.iter().map(|source| source.dropped_by_kernel).sum();
        let found = (status.records, dropped);
        if found != last {
            (last, since) = (found, now());
        }
        if found.0 + found.1 == sent || since.elapsed() > STILL {
            return Ok(found);
        }
        pause(LOOK);
    }
}
