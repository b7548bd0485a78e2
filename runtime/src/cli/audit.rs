//! `correlator audit`: the trail of what was asked for, decided, tried and ordered, and whether it is whole.

use std::fmt::Write;

use clap::{Args, Subcommand};
use correlator_store::entry::{Entry, Head, Kind, Verdict};
use correlator_store::filter::AuditFilter;
use correlator_store::verify::Verification;
use serde_json::{Value, json};

use super::output::Output;
use super::place::{Place, unread};
use super::table::{self, Cell, Column, Tint};
use super::trail;
use super::words::{self, escaped, moment, wrapped};
use super::{EXIT_LOSSES, EXIT_WELL, EXIT_WRONG, Failed};
use crate::limit;
use crate::status::Moment;

/// What can be done with the audit trail.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List entries, the newest last.
    List(ListArguments),
    /// Show one entry with all that it says.
    Show(One),
    /// Check that no entry was changed, taken out or put in, and tell the head of the trail: keep it elsewhere.
    Verify(VerifyArguments),
}

/// Which entries are listed.
#[derive(Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    place: Place,
    /// Those of this listener alone.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Those of this capability alone.
    #[arg(long, value_name = "NAME")]
    capability: Option<String>,
    /// Those of this effect alone.
    #[arg(long, value_name = "EFFECT")]
    effect: Option<String>,
    /// Those of effects that are for this event alone.
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Those of this kind alone: decision, attempt, interruption, undo, command, grant, pruning or tear.
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Those that came out so alone: granted, denied, dry, done, later, refused, dead, unknown, retried or dropped.
    #[arg(long, value_name = "OUTCOME")]
    verdict: Option<Verdict>,
    /// Those after the entry of this number, the oldest first.
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = limit::LISTED_DEFAULT, value_parser = at_once)]
    limit: usize,
}

/// One entry.
#[derive(Args)]
pub(super) struct One {
    /// The entry's number, as `correlator audit list` tells it.
    number: u64,
    #[command(flatten)]
    place: Place,
}

/// What is checked.
#[derive(Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    place: Place,
    /// A head that was told before and kept elsewhere, NUMBER:HASH: is it still part of the trail? May be given again.
    #[arg(long, value_name = "HEAD")]
    head: Vec<Head>,
}

/// Does what is asked with the audit trail.
pub(super) fn audit(command: &Command, output: &mut Output) -> Result<u8, Failed> {
    match command {
        Command::List(arguments) => list(arguments, output),
        Command::Show(one) => show(one, output),
        Command::Verify(arguments) => verify(arguments, output),
    }
}

/// How many entries are told: more than the store tells at once would be told as fewer.
fn at_once(text: &str) -> Result<usize, String> {
    let most = correlator_store::limit::ROWS_MAX;
    text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
        format!("it is between 1 and {most}; `--after` goes on behind the last of them")
    })
}

fn list(arguments: &ListArguments, output: &mut Output) -> Result<u8, Failed> {
    let filter = AuditFilter {
        listener: arguments.listener.clone(),
        capability: arguments.capability.clone(),
        effect: arguments.effect.clone(),
        event: arguments.event.clone(),
        since: None,
        kind: arguments.kind,
        verdict: arguments.verdict,
        after: arguments.after,
        limit: arguments.limit,
    };
    let entries = arguments.place.reader()?.audit(&filter).map_err(unread)?;
    if output.json {
        output.value(&entries.iter().map(trail::entry).collect());
    } else if entries.is_empty() {
        output.result("no entries\n");
    } else {
        output.result(&page(&entries, Output::is_coloured()));
    }
    Ok(EXIT_WELL)
}

fn page(entries: &[Entry], coloured: bool) -> String {
    let columns = [
        Column::Figures("NUMBER"),
        Column::Figures("TIME"),
        Column::Words("WHAT"),
        Column::Words("EFFECT"),
    ];
    let row = |entry: &Entry| {
        let about = entry.effect.as_deref().or(entry.listener.as_deref()).unwrap_or_default();
        vec![
            Cell::from(entry.sequence.to_string()),
            moment(Moment(entry.time)).into(),
            Cell::new(trail::told(entry), tint(entry)),
            trail::line(about).into(),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    let all = if entries.len() == 1 {
        "1 entry".to_owned()
    } else {
        format!("{} entries", entries.len())
    };
    let mut out = table::render(&columns, &rows, coloured);
    let _ = writeln!(out, "\n{all}; `correlator audit show NUMBER` tells all of one");
    out
}

fn tint(entry: &Entry) -> Tint {
    match (entry.kind, entry.verdict) {
        (Kind::Tear, _) | (_, Some(Verdict::Denied | Verdict::Dead | Verdict::Refused)) => {
            Tint::Bad
        }
        (_, Some(Verdict::Later | Verdict::Unknown)) => Tint::Doubtful,
        _ => Tint::Plain,
    }
}

fn show(one: &One, output: &mut Output) -> Result<u8, Failed> {
    let after = one.number.checked_sub(1);
    let filter = AuditFilter { after, limit: 1, ..AuditFilter::default() };
    let found = one.place.reader()?.audit(&filter).map_err(unread)?;
    let Some(entry) = found.into_iter().find(|entry| entry.sequence == one.number) else {
        let text = format!("there is no entry {} in the audit trail, or it was pruned", one.number);
        return Err(Failed::new(EXIT_WRONG, text));
    };
    if output.json {
        output.value(&trail::entry(&entry));
    } else {
        output.result(&whole(&entry, Output::is_coloured()));
    }
    Ok(EXIT_WELL)
}

/// All of an entry, for people.
fn whole(entry: &Entry, coloured: bool) -> String {
    let title = format!("{}  {}", entry.sequence, trail::dated(entry));
    let mut out = Tint::Heading.paint(&title, coloured) + "\n\n";
    let facts = [
        ("effect", &entry.effect),
        ("listener", &entry.listener),
        ("component", &entry.component),
        ("capability", &entry.capability),
        ("endpoint", &entry.endpoint),
        ("plan", &entry.plan),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            let _ = writeln!(out, "{name:<10}  {}", trail::line(value));
        }
    }
    if let Some(digest) = &entry.digest {
        let _ = writeln!(out, "{:<10}  {digest}", "digest");
    }
    if let Some(through) = entry.through {
        let _ = writeln!(out, "{:<10}  {through}", "through");
    }
    for cause in &entry.causes {
        let _ = writeln!(out, "{:<10}  {}", "event", trail::line(&cause.event));
        if let Some(record) = &cause.record {
            for piece in wrapped(&escaped(&record.raw)) {
                let _ = writeln!(out, "  {piece}");
            }
        }
    }
    let _ = writeln!(out, "{:<10}  {}", "hash", entry.hash);
    out
}

fn verify(arguments: &VerifyArguments, output: &mut Output) -> Result<u8, Failed> {
    let verification = arguments.place.reader()?.verify(&arguments.head).map_err(unread)?;
    if output.json {
        output.value(&machine(&verification));
    } else {
        output.result(&people(&verification));
    }
    let whole = matches!(&verification, Verification::Whole { tears, .. } if tears.is_empty());
    Ok(if whole { EXIT_WELL } else { EXIT_LOSSES })
}

fn people(verification: &Verification) -> String {
    match verification {
        Verification::Broken { sequence, what } => {
            format!("the audit trail is broken at entry {sequence}: {}\n", trail::line(what))
        }
        Verification::Whole { count, first, head, tears } => {
            let how = if tears.is_empty() { "whole" } else { "torn: what is there fits" };
            let mut out = format!("the audit trail is {how}: {}", entries(*count));
            if *first > 1 {
                let _ = write!(out, "; what was before entry {first} was pruned and signed off");
            }
            let _ = write!(out, "\nhead {head}\n");
            for tear in tears {
                let _ = writeln!(
                    out,
                    "something is lost for good before entry {tear}: `correlator audit show {tear}` tells what is known of it"
                );
            }
            out
        }
    }
}

fn entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{} entries", words::number(number)) }
}

fn machine(verification: &Verification) -> Value {
    match verification {
        Verification::Broken { sequence, what } => {
            json!({ "whole": false, "sequence": sequence, "what": what })
        }
        Verification::Whole { count, first, head, tears } => json!({
            "whole": tears.is_empty(),
            "count": count,
            "first": first,
            "head": head.to_string(),
            "hash": head.hash.to_string(),
            "tears": tears,
        }),
    }
}

#[cfg(test)]
mod tests {
    use correlator_store::entry::Head;
    use correlator_store::verify::Verification;

    use super::super::trail::tests::an_entry;
    use super::{machine, page, people, whole};

    #[test]
    fn entries_are_listed_and_shown() {
        let listed = page(&[an_entry()], false);
        assert!(listed.contains("attempt 2 later: refused\\u{1b}[2J"), "{listed}");
        assert!(
            listed.contains("ops:sshd:1:2:0:webhook") && listed.contains("\n1 entry;"),
            "{listed}"
        );
        let shown = whole(&an_entry(), false);
        assert!(shown.contains("endpoint    ops/chat\n"), "{shown}");
        assert!(shown.contains("event       sshd:1:2:0\n") && !shown.contains('\x1b'), "{shown}");
    }

    #[test]
    fn a_verdict_is_told_with_the_head_to_keep() {
        let head = Head { sequence: 12, hash: blake3::hash(b"x") };
        let check = |verification: &Verification, expected: &[&str]| {
            let told = people(verification);
            assert!(expected.iter().all(|expected| told.contains(expected)), "{told}");
        };
        let sound = Verification::Whole { count: 12, first: 1, head, tears: Vec::new() };
        check(&sound, &["is whole: 12 entries\n", &format!("head 12:{}\n", head.hash)]);
        assert_eq!(machine(&sound)["count"], 12);
        let pruned = Verification::Whole { count: 1, first: 12, head, tears: vec![3] };
        check(&pruned, &["1 entry;", "before entry 12 was pruned", "before entry 3: "]);
        assert!(people(&pruned).starts_with("the audit trail is torn"));
        assert_eq!(
            (&machine(&sound)["whole"], &machine(&pruned)["whole"]),
            (&true.into(), &false.into())
        );
        let broken = Verification::Broken { sequence: 7, what: "it is missing".to_owned() };
        check(&broken, &["broken at entry 7: it is missing"]);
        assert_eq!(machine(&broken)["whole"], false);
    }

    #[test]
    fn a_list_has_an_end() {
        let check = |text: &str, expected: Option<usize>| {
            assert_eq!(super::at_once(text).ok(), expected, "{text}");
        };
        check("1", Some(1));
        check("10000", Some(10_000));
        for wrong in ["0", "10001", "-1", "x", ""] {
            check(wrong, None);
        }
    }
}
