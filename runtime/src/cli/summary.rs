//! What is told when a run has ended: everything that came, everything that went, everything that was lost.

use std::fmt::Write;
use std::time::Duration;

use correlator_store::effect::Effect;
use serde_json::{Map, Value, json};

use super::dry;
use super::output::Output;
use super::trail;
use super::words::{bytes, count, number, setting, short, span};
use crate::declaration::Setting;
use crate::pipeline::{GuestReport, ListenerReport, ModuleReport, Report, SpoolReport, Unserved};
use correlator_source::counts::Counts;

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    /// Until the first record was read.
    pub(super) started: Duration,
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
}

/// Tells of a run, to a person or to a machine; of a dry one also what was planned.
pub(super) fn tell(report: &Report, spent: Spent, planned: Option<&[Effect]>, output: &mut Output) {
    if output.json {
        let mut value = machine(report, spent);
        if let Some(planned) = planned {
            value["dry_run"] = planned.iter().map(trail::effect).collect();
        }
        output.value(&value);
    } else {
        if let Some(planned) = planned {
            dry::tell(planned, output);
        }
        output.summary(|| people(report, spent), || machine(report, spent));
    }
}

fn total(report: &Report) -> Counts {
    let mut total = Counts::default();
    for source in &report.sources {
        total += source.counts;
    }
    total
}

fn people(report: &Report, spent: Spent) -> String {
    let mut text = String::new();
    let counts = total(report);
    if report.interrupted && !report.live {
        text.push_str("interrupted; what was read until then is processed\n");
    }
    read(&mut text, report, counts);
    for module in &report.modules {
        module_lines(&mut text, module);
    }
    for listener in &report.listeners {
        listener_lines(&mut text, listener);
    }
    for unserved in &report.unserved {
        unserved_line(&mut text, unserved);
    }
    let nanoseconds = spent.cpu.as_nanos().max(1);
    let per_second = u128::from(counts.records) * 1_000_000_000 / nanoseconds;
    let _ = writeln!(
        text,
        "{} {} ({} to start), {} of CPU time, {} a CPU-second",
        Output::heading("took"),
        span(spent.wall),
        span(spent.started),
        span(spent.cpu),
        count(per_second as u64, "record"),
    );
    text
}

fn read(text: &mut String, report: &Report, counts: Counts) {
    let _ = writeln!(
        text,
        "{} {} in {} from {}",
        Output::heading("read"),
        count(counts.records, "record"),
        bytes(counts.bytes),
        match report.sources.as_slice() {
            [one] => one.path.clone(),
            many if report.live => count(many.len() as u64, "source"),
            many => count(many.len() as u64, "file"),
        }
    );
    let remarks = [
        (counts.unparsed, "not understood (kept whole, without a time of their own)"),
        (counts.invalid_utf8, "with invalid UTF-8"),
        (counts.cut, "cut because they are too long"),
        (counts.blank, "blank, passed over"),
        (counts.dropped_by_kernel, "datagrams dropped by the kernel, which nobody read in time"),
        (report.late, "late: event time had come further by more than `lateness` allows"),
        (report.dropped, "dropped, because the spool had no room"),
    ];
    for (number_of, what) in remarks.into_iter().filter(|(number_of, _)| *number_of > 0) {
        let _ = writeln!(text, "     {} {what}", number(number_of));
    }
    for source in &report.sources {
        if let Some(error) = &source.error {
            let _ = writeln!(text, "     {} broke off: {error}", source.path);
        }
    }
    for (spool, noun) in report.spools.iter().zip(["record", "event"]) {
        let damaged = (spool.damaged, "damaged place", "passed over");
        let missing = (spool.missing, noun, "missing at the start");
        for (number_of, what, how) in [damaged, missing].into_iter().filter(|it| it.0 > 0) {
            let _ = writeln!(text, "     {noun} spool: {} {how}", count(number_of, what));
        }
    }
}

fn module_lines(text: &mut String, module: &ModuleReport) {
    let events: u64 = module.events.iter().map(|(_, count)| count).sum();
    guest_line(text, "module", &module.guest, "record");
    let _ = write!(text, "     {}", count(events, "event"));
    let mut separator = ": ";
    for (name, events) in module.events.iter().filter(|(_, count)| *count > 0) {
        let _ = write!(text, "{separator}{name} {}", number(*events));
        separator = ", ";
    }
    text.push('\n');
    guest_remarks(text, &module.guest, "record");
}

fn listener_lines(text: &mut String, listener: &ListenerReport) {
    guest_line(text, "listener", &listener.guest, "event");
    for (name, rows) in &listener.done {
        let _ = writeln!(text, "     {} to {name}", count(*rows, "row"));
    }
    for (reason, rows) in &listener.refused {
        let _ = writeln!(text, "     {} {reason}", count(*rows, "row"));
    }
    if listener.unfinished {
        let _ = writeln!(text, "     the rest is to be written when the engine runs again");
    }
    if !listener.waiting.is_empty() {
        let waits = listener.waiting.iter();
        let waits: Vec<_> =
            waits.map(|(to, effects)| format!("{to} {}", number(*effects))).collect();
        let _ = writeln!(
            text,
            "     {} to be delivered when the engine runs again ({}); `correlator effects list` tells which",
            count(listener.waiting.values().sum(), "effect"),
            waits.join(", ")
        );
    }
    guest_remarks(text, &listener.guest, "event");
}

fn unserved_line(text: &mut String, unserved: &Unserved) {
    let Unserved { listener, capability, waiting } = unserved;
    let _ = writeln!(
        text,
        "{} {} for {} of {}, which the stack does not have: `correlator effects list --state waiting` tells which, \
         `correlator effects drop` gives one up",
        Output::heading("left"),
        count(*waiting, "effect"),
        trail::line(capability),
        trail::line(listener),
    );
}

fn guest_line(text: &mut String, role: &str, guest: &GuestReport, noun: &str) {
    let usage = guest.usage;
    let _ = writeln!(
        text,
        "{} {}: {} in {}, {}, {} fuel, {}",
        Output::heading(role),
        guest.name,
        count(guest.handed, noun),
        count(usage.calls, "call"),
        span(usage.time),
        short(usage.fuel),
        bytes(usage.memory_bytes as u64),
    );
}

fn guest_remarks(text: &mut String, guest: &GuestReport, noun: &str) {
    if !guest.statistics.is_empty() {
        let statistics: Vec<_> = guest
            .statistics
            .iter()
            .map(|statistic| format!("{} {}", statistic.name, setting(&statistic.value)))
            .collect();
        let _ = writeln!(text, "     {}", statistics.join(", "));
    }
    if guest.lost > 0 {
        let _ = writeln!(text, "     {} passed by unseen", count(guest.lost, noun));
    }
    if let Some(failure) = &guest.last_failure {
        let _ = writeln!(
            text,
            "     failed {}, {} set aside{}; the last: {failure}",
            count(guest.failures, "time"),
            count(guest.set_aside, noun),
            if guest.suspended { ", suspended" } else { "" },
        );
    }
}

fn machine(report: &Report, spent: Spent) -> Value {
    let sources = report.sources.iter().map(|source| {
        json!({ "path": source.path, "counts": counts(source.counts), "error": source.error })
    });
    let modules = report.modules.iter().map(|module| {
        let mut value = guest(&module.guest);
        value.insert("events".into(), module.events.iter().cloned().collect());
        Value::Object(value)
    });
    let listeners = report.listeners.iter().map(|listener| {
        let mut value = guest(&listener.guest);
        value.insert("done".into(), listener.done.clone().into_iter().collect());
        value.insert("refused".into(), listener.refused.clone().into_iter().collect());
        value.insert("waiting".into(), listener.waiting.values().sum::<u64>().into());
        value.insert("waiting_for".into(), listener.waiting.clone().into_iter().collect());
        value.insert("unfinished".into(), listener.unfinished.into());
        Value::Object(value)
    });
    let spool = |spool: SpoolReport| json!({ "damaged": spool.damaged, "missing": spool.missing });
    let [records, events] = report.spools.map(spool);
    let unserved = report.unserved.iter().map(
        |it| json!({ "listener": it.listener, "capability": it.capability, "waiting": it.waiting }),
    );
    json!({
        "interrupted": report.interrupted,
        "late": report.late,
        "dropped": report.dropped,
        "spools": { "records": records, "events": events },
        "read": counts(total(report)),
        "sources": sources.collect::<Vec<_>>(),
        "modules": modules.collect::<Vec<_>>(),
        "listeners": listeners.collect::<Vec<_>>(),
        "unserved": unserved.collect::<Vec<_>>(),
        "seconds": {
            "start": spent.started.as_secs_f64(),
            "wall": spent.wall.as_secs_f64(),
            "cpu": spent.cpu.as_secs_f64(),
        },
    })
}

fn counts(counts: Counts) -> Value {
    json!({
        "bytes": counts.bytes,
        "records": counts.records,
        "record_bytes": counts.record_bytes,
        "unparsed": counts.unparsed,
        "invalid_utf8": counts.invalid_utf8,
        "cut": counts.cut,
        "skipped_bytes": counts.skipped_bytes,
        "blank": counts.blank,
        "dropped_by_kernel": counts.dropped_by_kernel,
        "connections": counts.connections,
        "connections_failed": counts.connections_failed,
    })
}

fn guest(guest: &GuestReport) -> Map<String, Value> {
    let statistics: Map<_, _> = guest
        .statistics
        .iter()
        .map(|statistic| (statistic.name.clone(), machine_setting(&statistic.value)))
        .collect();
    let value = json!({
        "name": guest.name,
        "handed": guest.handed,
        "lost": guest.lost,
        "set_aside": guest.set_aside,
        "calls": guest.usage.calls,
        "seconds": guest.usage.time.as_secs_f64(),
        "fuel": guest.usage.fuel,
        "memory_bytes": guest.usage.memory_bytes,
        "failures": guest.failures,
        "last_failure": guest.last_failure.as_ref().map(ToString::to_string),
        "suspended": guest.suspended,
        "statistics": statistics,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A setting as JSON: numbers stay numbers, times and spans are texts as everywhere.
pub(super) fn machine_setting(value: &Setting) -> Value {
    match value {
        Setting::Integer(number) => (*number).into(),
        Setting::Float(number) => (*number).into(),
        Setting::Boolean(yes) => (*yes).into(),
        Setting::Text(_) | Setting::Time(_) | Setting::Duration(_) => setting(value).into(),
    }
}
