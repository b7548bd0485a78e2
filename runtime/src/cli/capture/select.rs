//! Which records of a capture are meant.

use clap::Args;
use correlator_frame::record::Record;
use correlator_frame::severity::Severity;
use jiff::tz::TimeZone;
use memchr::memmem::Finder;

use super::mistyped;
use crate::cli::Failed;
use crate::stack::typed;

/// Which records are meant, as it was typed. A record must fit all kinds of flags that are given.
#[derive(Args, Default)]
#[command(next_help_heading = "Which records")]
pub(super) struct Selection {
    /// Those of this time or later, such as 2023-02-20T15:12:47Z or 2023-02-20.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<String>,
    /// Those before this time.
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    /// Those of this program. May be given again for one more.
    #[arg(long, value_name = "NAME")]
    pub(super) program: Vec<String>,
    /// Those of this host. May be given again for one more.
    #[arg(long, value_name = "NAME")]
    pub(super) host: Vec<String>,
    /// Those with this text anywhere in them. May be given again for what must be in them too.
    #[arg(long, value_name = "TEXT")]
    pub(super) contains: Vec<String>,
    /// Those of this severity or worse, such as warning.
    #[arg(long, value_name = "SEVERITY")]
    pub(super) severity: Option<String>,
}

/// Which records are meant, checked.
pub(super) struct Chosen {
    from: Option<i64>,
    until: Option<i64>,
    programs: Vec<String>,
    hosts: Vec<String>,
    contains: Vec<Finder<'static>>,
    severity: Option<Severity>,
}

impl Selection {
    /// Checks it. Times without a zone are in this one.
    pub(super) fn check(&self, zone: &TimeZone) -> Result<Chosen, Failed> {
        let time = |flag: &str, text: &Option<String>| {
            let time = text.as_deref().map(|text| typed::time(text, zone)).transpose();
            time.map_err(|wrong| mistyped(flag, wrong))
        };
        let severity = self.severity.as_deref().map(severity).transpose()?;
        Ok(Chosen {
            from: time("--from", &self.from)?,
            until: time("--until", &self.until)?,
            programs: self.program.clone(),
            hosts: self.host.clone(),
            contains: self.contains.iter().map(|text| Finder::new(text).into_owned()).collect(),
            severity,
        })
    }
}

fn severity(text: &str) -> Result<Severity, Failed> {
    Severity::from_name(&text.to_ascii_lowercase()).ok_or_else(|| {
        let names = Severity::ALL.map(Severity::name).join("`, `");
        mistyped(
            "--severity",
            format_args!("expected one of `{names}`, found `{}`", crate::text::clean(text, 48)),
        )
    })
}

impl Chosen {
    /// Whether every record is meant.
    pub(super) fn is_all(&self) -> bool {
        self.from.is_none()
            && self.until.is_none()
            && self.programs.is_empty()
            && self.hosts.is_empty()
            && self.contains.is_empty()
            && self.severity.is_none()
    }

    /// Whether this record is meant.
    pub(super) fn takes(&self, record: Record) -> bool {
        self.from.is_none_or(|from| record.time() >= from)
            && self.until.is_none_or(|until| record.time() < until)
            && self.severity.is_none_or(|severity| record.severity() <= severity)
            && named(&self.programs, record.program())
            && named(&self.hosts, record.host())
            && self.contains.iter().all(|text| text.find(record.raw()).is_some())
    }
}

/// Whether a name is among those that were typed, if any were. Names of hosts and programs mean the same in any case.
fn named(names: &[String], name: &[u8]) -> bool {
    names.is_empty() || names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes()))
}
