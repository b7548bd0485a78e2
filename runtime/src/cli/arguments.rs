//! A stack on the command line: a file, or the flags that make the same.
//!
//! Flags are words here; what they mean, and what is wrong with them, is the stack's business.

use std::path::PathBuf;

use clap::Args;

use crate::stack::flags::Flags;

/// A stack file, or flags that make the same; both are told apart where they are read.
#[derive(Args)]
pub(super) struct StackArguments {
    /// The stack file (YAML).
    #[arg(value_name = "STACK")]
    pub(super) stack: Option<PathBuf>,
    #[command(flatten)]
    guests: GuestFlags,
    #[command(flatten)]
    sources: SourceFlags,
    #[command(flatten)]
    every: EverySourceFlags,
    #[command(flatten)]
    security: SecurityFlags,
    #[command(flatten)]
    keeping: KeepingFlags,
    #[command(flatten)]
    control: ControlFlags,
}

#[derive(Args)]
#[command(next_help_heading = "Modules and listeners")]
struct GuestFlags {
    /// A module: a bundled one's name or a component file. May be given again.
    #[arg(long, short, value_name = "MODULE")]
    module: Vec<String>,
    /// A listener: a bundled one's name or a component file. May be given again.
    #[arg(long, short, value_name = "LISTENER")]
    listener: Vec<String>,
    /// Set an option of a guest. May be given again.
    #[arg(long, short, value_name = "INSTANCE.OPTION=VALUE")]
    option: Vec<String>,
    /// Which events a listener gets. May be given again.
    #[arg(long, value_name = "[LISTENER=]EXPRESSION")]
    criteria: Vec<String>,
    /// Set a limit of one guest or of all. May be given again.
    #[arg(long, value_name = "[INSTANCE.]LIMIT=VALUE")]
    limit: Vec<String>,
    /// The folder that listeners named on the command line may write table files to: the first one there, each further one
    /// in a folder with its name in there [default: csv].
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// How many instances share a module's records, each with its own state. May be given again.
    #[arg(long, value_name = "[MODULE=]NUMBER")]
    instances: Vec<String>,
    #[arg(
        long,
        value_name = "[MODULE=]FIELD",
        help = "What decides among them: host, program, process_id, message_id or a field. May be given again"
    )]
    partition_by: Vec<String>,
}

#[derive(Args)]
#[command(
    next_help_heading = "Sources (each flag may be given again; without one: standard input)"
)]
struct SourceFlags {
    /// A log file, a pattern such as '/var/log/auth.log*', or - for standard input; read once.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<String>,
    /// A log file or pattern that is followed by name, through rotation.
    #[arg(long, value_name = "FILE")]
    follow: Vec<String>,
    /// Listen for syslog over TCP, at 127.0.0.1:5140 for one; :5140 is every address.
    #[arg(long, value_name = "ADDRESS")]
    tcp: Vec<String>,
    /// Listen for syslog over UDP.
    #[arg(long, value_name = "ADDRESS")]
    udp: Vec<String>,
    /// Listen for syslog over TLS.
    #[arg(long, value_name = "ADDRESS")]
    tls: Vec<String>,
    /// Listen at a stream socket in the file system.
    #[arg(long, value_name = "PATH")]
    unix: Vec<String>,
    /// Listen at a datagram socket in the file system.
    #[arg(long, value_name = "PATH")]
    unix_datagram: Vec<String>,
}

#[derive(Args)]
#[command(next_help_heading = "What holds for every source")]
struct EverySourceFlags {
    /// How records are told apart: auto, lines, octets, or the trailer itself, such as '\r'.
    #[arg(long, value_name = "FRAMING")]
    framing: Option<String>,
    /// The zone of times that name none, such as Europe/Berlin [default: the system's].
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The year of dates that name none [default: by the file's date].
    #[arg(long, value_name = "YEAR")]
    year: Option<String>,
    /// How far behind the newest record another may be without being late [default: 0s].
    #[arg(long, value_name = "TIME")]
    lateness: Option<String>,
    /// Write what arrives to this file, byte by byte; it must not exist.
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "Sources by TLS")]
struct SecurityFlags {
    /// The certificate (PEM) that is shown by TLS.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Who signs the certificates that clients must show (PEM) [default: they need none].
    #[arg(long, value_name = "FILE")]
    client_authority: Option<PathBuf>,
    /// A name that a client's certificate may have, such as '*.example.org'. May be given again.
    #[arg(long, value_name = "NAME")]
    client_name: Vec<String>,
}

#[derive(Args)]
#[command(next_help_heading = "What is kept across restarts")]
struct KeepingFlags {
    /// The folder of spools, checkpoints and dead letters [default: nothing is kept].
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// How sure it is that what was taken survives: none, batched or each [default: batched].
    #[arg(long, value_name = "DURABILITY")]
    durability: Option<String>,
    /// How often a spool is written through, if it is batched [default: 1s].
    #[arg(long, value_name = "TIME")]
    sync_every: Option<String>,
    /// How large the spool of records, and that of events, may become [default: 1GiB].
    #[arg(long, value_name = "SIZE")]
    spool_size: Option<String>,
    /// What happens then: block whoever sends, or drop and count [default: block].
    #[arg(long, value_name = "block|drop")]
    when_full: Option<String>,
    /// How often the guests' state is saved with their positions [default: 10s].
    #[arg(long, value_name = "TIME")]
    checkpoint_every: Option<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Control of a running engine")]
struct ControlFlags {
    /// The control socket, or none [default: the usual place, if a source is live].
    #[arg(long, value_name = "PATH")]
    control: Option<String>,
    /// Serve metrics over HTTP, at 127.0.0.1:9600 for one.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
}

impl StackArguments {
    /// The flags as the stack takes them.
    pub(super) fn flags(&self) -> Flags {
        let Self { stack: _, guests, sources, every, security, keeping, control } = self;
        Flags {
            modules: guests.module.clone(),
            listeners: guests.listener.clone(),
            options: guests.option.clone(),
            criteria: guests.criteria.clone(),
            limits: guests.limit.clone(),
            output: guests.output.clone(),
            instances: guests.instances.clone(),
            partition_by: guests.partition_by.clone(),
            files: sources.file.clone(),
            follow: sources.follow.clone(),
            tcp: sources.tcp.clone(),
            udp: sources.udp.clone(),
            tls: sources.tls.clone(),
            unix: sources.unix.clone(),
            unix_datagram: sources.unix_datagram.clone(),
            framing: every.framing.clone(),
            time_zone: every.time_zone.clone(),
            year: every.year.clone(),
            lateness: every.lateness.clone(),
            certificate: security.certificate.clone(),
            key: security.key.clone(),
            client_authority: security.client_authority.clone(),
            client_names: security.client_name.clone(),
            capture: every.capture.clone(),
            state: keeping.state.clone(),
            durability: keeping.durability.clone(),
            sync_every: keeping.sync_every.clone(),
            spool_size: keeping.spool_size.clone(),
            when_full: keeping.when_full.clone(),
            checkpoint_every: keeping.checkpoint_every.clone(),
            control: control.control.clone(),
            metrics: control.metrics.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Flags, StackArguments};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        stack: StackArguments,
    }

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let line = line.replace("  ", " ");
        Command::try_parse_from(std::iter::once("correlator").chain(line.split_whitespace()))
    }

    #[test]
    fn flags_hold_together() {
        Command::command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_place() {
        let line = "--module a --listener b --option c --criteria d --limit e --output f \
                    --instances g --partition-by h --file i --follow j --tcp k --udp l --tls m \
                    --unix n --unix-datagram o --framing p --time-zone q --year r --lateness s \
                    --certificate t --key u --client-authority v --client-name w --capture x \
                    --state y --durability z --sync-every 1 --spool-size 2 --when-full 3 \
                    --checkpoint-every 4 --control 5 --metrics 6";
        let Ok(command) = parse(line) else { panic!("the flags are good") };
        let flags = format!("{:?}", command.stack.flags());
        let expected = "Flags { modules: [\"a\"], listeners: [\"b\"], files: [\"i\"], \
            follow: [\"j\"], tcp: [\"k\"], udp: [\"l\"], tls: [\"m\"], certificate: Some(\"t\"), \
            key: Some(\"u\"), client_authority: Some(\"v\"), client_names: [\"w\"], \
            unix: [\"n\"], unix_datagram: [\"o\"], options: [\"c\"], criteria: [\"d\"], \
            limits: [\"e\"], instances: [\"g\"], partition_by: [\"h\"], output: Some(\"f\"), \
            framing: Some(\"p\"), time_zone: Some(\"q\"), year: Some(\"r\"), \
            lateness: Some(\"s\"), state: Some(\"y\"), durability: Some(\"z\"), \
            sync_every: Some(\"1\"), spool_size: Some(\"2\"), when_full: Some(\"3\"), \
            checkpoint_every: Some(\"4\"), capture: Some(\"x\"), control: Some(\"5\"), \
            metrics: Some(\"6\") }";
        assert_eq!(flags, expected);
    }

    #[test]
    fn a_file_or_flags() {
        let check = |line: &str, expected: bool| {
            let stack = parse(line).map_or_else(|_| panic!("{line}"), |command| command.stack);
            assert_eq!(
                stack.stack.is_none() || stack.flags() == Flags::default(),
                expected,
                "{line}"
            );
        };
        check("stack.yaml", true);
        check("--module a --tcp :1", true);
        for flag in ["--module a", "--tcp :1", "--year 1", "--key x", "--state x", "--metrics :1"] {
            check(&format!("stack.yaml {flag}"), false);
        }
    }

    #[test]
    fn help_has_every_flag_under_a_heading() {
        let help = Command::command().render_help().to_string();
        let under = |heading: &str| {
            let part = help.split(heading).nth(1).unwrap_or_default();
            part.split("\n\n").next().unwrap_or_default().to_owned()
        };
        let check = |heading: &str, flag: &str| {
            assert!(under(heading).contains(flag), "{flag} in {heading}\n{help}");
        };
        check("Modules and listeners:\n", "--partition-by");
        check("Sources (each flag may be given again; without one: standard input):\n", "--tcp");
        check("What holds for every source:\n", "--lateness");
        check("Sources by TLS:\n", "--client-authority");
        check("What is kept across restarts:\n", "--when-full");
        check("Control of a running engine:\n", "--metrics");
    }
}
