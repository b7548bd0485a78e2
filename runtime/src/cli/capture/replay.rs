//! `correlator capture replay`: a capture's records, sent again.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use correlator_source::limit;
use correlator_source::replay::batch::Wire;
use correlator_source::replay::pace::Speed;
use correlator_source::replay::play::{self, Plan, ReplayError};
use correlator_source::replay::reader::Entry;
use correlator_source::replay::target::Target;
use correlator_wire::trust::{Trust, TrustError};

use super::select::Selection;
use super::sent::{self, Sent};
use super::{Times, mistyped};
use crate::cli::output::Output;
use crate::cli::signals;
use crate::cli::{EXIT_INTERRUPTED, EXIT_LOSSES, EXIT_MACHINE, EXIT_WRONG, Failed};
use crate::stack::typed;

pub(super) const EXAMPLES: &str = "\
Examples:
  correlator capture replay a.cap --to tcp://127.0.0.1:514
  correlator capture replay a.cap --to udp://127.0.0.1:514 --speed 10
  correlator capture replay a.cap --to tls://log.example.org:6514 --authority ca.pem --speed max
  correlator run --module sshd --listener log --file a.cap      needs no sockets";

/// What `capture replay` understands.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The capture.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// tcp://HOST:PORT, udp://HOST:PORT, tls://HOST:PORT, unix:PATH or unix-datagram:PATH.
    #[arg(long, value_name = "TARGET")]
    to: Target,
    /// How many times as fast as the records were made, such as 1, 10 or 0.5, or max for as fast as it goes.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = speed)]
    speed: Speed,
    /// Send so many records a second instead, whatever their times.
    #[arg(long, value_name = "RECORDS", conflicts_with = "speed")]
    rate: Option<NonZeroU64>,
    /// Wait no longer than this where nothing happened for longer, in the records' own time.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    gap_max: String,
    /// Framing on the wire: as-is, lines or octets. Datagrams have none.
    #[arg(long, value_name = "FRAMING", value_enum, default_value_t = Framing::AsIs)]
    framing: Framing,
    /// How records are told apart in the capture: auto, lines, octets, or the trailer itself, such as '\r'.
    #[arg(long, value_name = "FRAMING")]
    capture_framing: Option<String>,
    /// Send it so many times.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Send over so many connections at once; each record goes over one of them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=limit::REPLAY_CONNECTIONS_MAX as i64))]
    connections: u16,
    /// How long to wait in the end for the peer to close, which is how it says that all has arrived.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    close_wait: String,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    secured: Secured,
    #[command(flatten)]
    selection: Selection,
}

/// How connections are secured.
#[derive(clap::Args)]
#[command(next_help_heading = "TLS")]
struct Secured {
    /// Who signs the server's certificate (PEM); tls:// needs it.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// Our own certificate (PEM), if the server asks for one.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The key of our own certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The name that the server's certificate must have [default: the host of --to].
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
}

/// Framing on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Framing {
    /// As it is in the capture.
    AsIs,
    /// A line feed behind each record.
    Lines,
    /// A count before each record.
    Octets,
}

/// Sends a capture.
pub(super) fn replay(arguments: &Arguments, output: &mut Output) -> Result<u8, Failed> {
    let framing = arguments.capture_framing.as_deref();
    let mut settings = arguments.times.settings(("--capture-framing", framing), false)?;
    let chosen = arguments.selection.check(&settings.zone)?;
    let speed = arguments.rate.map_or(arguments.speed, Speed::Rate);
    settings.parse = !chosen.is_all() || matches!(speed, Speed::Times(_));
    let plan = Plan {
        path: arguments.file.clone(),
        settings,
        target: arguments.to.clone(),
        security: security(&arguments.to, &arguments.secured)?,
        wire: wire(&arguments.to, arguments.framing)?,
        speed,
        gap_max: duration("--gap-max", &arguments.gap_max)?,
        repeat: arguments.repeat,
        connections: usize::from(arguments.connections),
        close_wait: duration("--close-wait", &arguments.close_wait)?,
    };
    let stop = stop()?;
    let all = chosen.is_all();
    let takes = |entry: &Entry| all || entry.record.is_some_and(|record| chosen.takes(record));
    match play::replay(&plan, &takes, &stop) {
        Ok(outcome) => Ok(sent::tell(&Sent { plan: &plan, outcome: &outcome }, output)),
        Err(error) => Err(Failed::new(code(&error), error)),
    }
}

fn code(error: &ReplayError) -> u8 {
    match error {
        ReplayError::Torn { .. } | ReplayError::Pipe { .. } => EXIT_WRONG,
        ReplayError::Read(_) | ReplayError::Connect { .. } => EXIT_MACHINE,
        ReplayError::Broke { .. } => EXIT_LOSSES,
        ReplayError::Stopped => EXIT_INTERRUPTED,
    }
}

/// A flag that the first SIGINT or SIGTERM sets.
fn stop() -> Result<Arc<AtomicBool>, Failed> {
    let stop = Arc::new(AtomicBool::new(false));
    signals::tell(&stop).map_err(|error| Failed::new(EXIT_MACHINE, error))?;
    Ok(stop)
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Fastest);
    }
    let times = text.parse().ok().filter(|times: &f64| times.is_finite() && *times > 0.0);
    times.map(Speed::Times).ok_or_else(|| "expected a number above 0, or `max`".to_owned())
}

fn duration(flag: &str, text: &str) -> Result<Duration, Failed> {
    let nanoseconds = typed::duration(text).map_err(|wrong| mistyped(flag, wrong))?;
    let span = u64::try_from(nanoseconds).map(Duration::from_nanos);
    span.map_err(|_| {
        mistyped(flag, format_args!("expected a duration of 0 or more, found `{text}`"))
    })
}

/// What stands around records on the wire.
fn wire(target: &Target, framing: Framing) -> Result<Wire, Failed> {
    match framing {
        Framing::AsIs if target.takes_datagrams() => Ok(Wire::Datagrams),
        Framing::AsIs => Ok(Wire::AsIs),
        _ if target.takes_datagrams() => Err(Failed::new(
            EXIT_WRONG,
            format_args!(
                "--framing: {target} takes datagrams, which need no framing; leave the flag out"
            ),
        )),
        Framing::Lines => Ok(Wire::Lines),
        Framing::Octets => Ok(Wire::Octets),
    }
}

/// What secures the connections, if anything does.
fn security(target: &Target, typed: &Secured) -> Result<Option<Trust>, Failed> {
    let Target::Internet { host, .. } = target else { return unsecured(target, typed) };
    if !target.is_secured() {
        return unsecured(target, typed);
    }
    let Some(authority) = typed.authority.as_deref() else {
        return Err(Failed::new(
            EXIT_WRONG,
            format_args!(
                "{target} needs --authority FILE: the certificate of whoever signed the server's"
            ),
        ));
    };
    let name = typed.server_name.as_ref().unwrap_or(host);
    let identity = typed.certificate.as_deref().zip(typed.key.as_deref());
    Trust::new(name, Some(authority), identity).map(Some).map_err(|error| match error {
        TrustError::Name(_) => {
            Failed::new(EXIT_WRONG, format_args!("{error}; name the server with --server-name"))
        }
        error => Failed::new(EXIT_WRONG, error),
    })
}

/// Flags for TLS without TLS are a mistake that would send logs in the clear.
fn unsecured(target: &Target, typed: &Secured) -> Result<Option<Trust>, Failed> {
    let wants =
        typed.authority.is_some() || typed.certificate.is_some() || typed.server_name.is_some();
    if wants {
        let text = format_args!(
            "{target} is not secured; write tls://HOST:PORT, or leave the flags for TLS out"
        )
        .to_string();
        return Err(Failed::new(EXIT_WRONG, text));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use correlator_source::replay::pace::Speed;

    use super::speed;

    #[test]
    fn speeds() {
        let check = |text: &str, expected: Option<Speed>| {
            assert_eq!(speed(text).ok(), expected, "{text}");
        };
        check("max", Some(Speed::Fastest));
        check("1", Some(Speed::Times(1.0)));
        check("0.5", Some(Speed::Times(0.5)));
        for wrong in ["0", "-1", "inf", "nan", "fast", ""] {
            check(wrong, None);
        }
    }
}
