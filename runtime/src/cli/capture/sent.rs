//! What is told when a replay has ended.

use std::fmt::Write;
use std::time::Duration;

use correlator_source::limit;
use correlator_source::replay::link::Closed;
use correlator_source::replay::play::{Outcome, Plan};
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::words::{bytes, count, span};
use crate::cli::{EXIT_INTERRUPTED, EXIT_LOSSES, EXIT_WELL};
use crate::clock::nanoseconds;
use crate::stack::value::duration_text;

/// How much later than due a record may be sent without being told of.
const BEHIND_TOLD: Duration = Duration::from_millis(50);

/// A replay that has ended, and what it was to do.
pub(super) struct Sent<'a> {
    pub(super) plan: &'a Plan,
    pub(super) outcome: &'a Outcome,
}

/// Connections by the way they ended.
#[derive(Default)]
struct Ends {
    orderly: u64,
    cut: u64,
    reset: u64,
    late: u64,
    left: u64,
    unconfirmed: u64,
    /// Why the first of those that were broken off was.
    reason: String,
}

/// Tells of a replay; the exit code.
pub(super) fn tell(sent: &Sent, output: &mut Output) -> u8 {
    let ends = Ends::of(sent.outcome);
    if output.json {
        output.value(&machine(sent, &ends));
    } else {
        output.note(&people(sent, &ends));
    }
    match (sent.outcome.stopped || ends.left > 0, ends.are_unsure()) {
        (true, _) => EXIT_INTERRUPTED,
        (false, true) => EXIT_LOSSES,
        (false, false) => EXIT_WELL,
    }
}

impl Ends {
    fn of(outcome: &Outcome) -> Self {
        let mut ends = Self::default();
        for closed in &outcome.closed {
            match closed {
                Closed::Orderly => ends.orderly += 1,
                Closed::Cut => ends.cut += 1,
                Closed::Late => ends.late += 1,
                Closed::Left => ends.left += 1,
                Closed::Unconfirmed => ends.unconfirmed += 1,
                Closed::Reset(error) => {
                    ends.reset += 1;
                    if ends.reason.is_empty() {
                        ends.reason = error.to_string();
                    }
                }
            }
        }
        ends
    }

    /// Whether the peer could have confirmed what it did not.
    fn are_unsure(&self) -> bool {
        self.cut + self.reset + self.late + self.left > 0
    }
}

fn people(sent: &Sent, ends: &Ends) -> String {
    let Sent { plan, outcome } = sent;
    let mut text = String::new();
    if outcome.stopped {
        text.push_str("stopped before the end\n");
    }
    let connections = match plan.connections {
        1 => String::new(),
        many => format!(" over {}", count(many as u64, "connection")),
    };
    let _ = writeln!(
        text,
        "{} {} in {} to {}{connections} in {}: {} a second",
        Output::heading("sent"),
        count(outcome.records, "record"),
        bytes(outcome.bytes),
        plan.target,
        span(outcome.took),
        count(per_second(outcome), "record"),
    );
    if outcome.gaps > 0 {
        let _ = writeln!(
            text,
            "     {} shortened to {}, by {} altogether (--gap-max)",
            count(outcome.gaps, "gap"),
            lasting(plan.gap_max),
            lasting(outcome.saved),
        );
    }
    if outcome.behind > BEHIND_TOLD {
        let _ = writeln!(
            text,
            "     up to {} later than due: the peer or this machine is too slow for that speed",
            span(outcome.behind)
        );
    }
    closings(&mut text, sent, ends);
    text
}

/// Whether the peer confirmed.
fn closings(text: &mut String, sent: &Sent, ends: &Ends) {
    let mut line = |number: u64, what: &str| {
        if number > 0 {
            let _ = writeln!(text, "     {}: {what}", count(number, "connection"));
        }
    };
    let waited = lasting(sent.plan.close_wait);
    let in_order =
        format!("the peer confirmed by closing in order, {} after", span(sent.outcome.closing));
    line(ends.orderly, &in_order);
    line(ends.unconfirmed, "datagrams, which nobody confirms");
    line(
        ends.late,
        &format!("not confirmed: the peer did not close within {waited} (--close-wait)"),
    );
    let waited = lasting(limit::REPLAY_STOP_MAX);
    line(
        ends.left,
        &format!("not confirmed: stopped, and the peer did not close within {waited} of that"),
    );
    line(ends.cut, "not confirmed: the connection ended without the farewell of TLS");
    line(ends.reset, &format!("not confirmed: broken off by the peer: {}", ends.reason));
}

fn machine(sent: &Sent, ends: &Ends) -> Value {
    let Sent { plan, outcome } = sent;
    json!({
        "target": plan.target.to_string(),
        "records": outcome.records,
        "bytes": outcome.bytes,
        "connections": plan.connections,
        "seconds": outcome.took.as_secs_f64(),
        "records_per_second": per_second(outcome),
        "closing_seconds": outcome.closing.as_secs_f64(),
        "gaps_shortened": outcome.gaps,
        "gaps_shortened_by_seconds": outcome.saved.as_secs_f64(),
        "behind_seconds": outcome.behind.as_secs_f64(),
        "stopped": outcome.stopped,
        "confirmed": ends.unconfirmed == 0 && !ends.are_unsure() && !outcome.stopped,
        "closed": {
            "orderly": ends.orderly,
            "late": ends.late,
            "left": ends.left,
            "cut": ends.cut,
            "reset": ends.reset,
            "unconfirmed": ends.unconfirmed,
        },
    })
}

fn per_second(outcome: &Outcome) -> u64 {
    let nanoseconds = outcome.took.as_nanos().max(1);
    u64::try_from(u128::from(outcome.records) * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX)
}

/// A span as it is typed.
fn lasting(span: Duration) -> String {
    duration_text(nanoseconds(span))
}
