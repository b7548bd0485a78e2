//! The status as Prometheus reads it: text exposition format 0.0.4.
//!
//! Names, units and labels are an interface that dashboards and alarms are built on: they change like one. What the
//! engine does not know has no sample, so that nobody takes a missing number for zero.

use std::fmt::Write;

use crate::status::{
    BoundStatus, DeliveryStatus, EndpointStatus, GuestState, GuestStatus, ListenerStatus,
    ModuleStatus, SourceState, SourceStatus, SpoolStatus, Status,
};

/// The format's media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// A page of metrics in the making.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    /// A metric with one sample for each of its things, if there are any.
    fn metric<T>(
        &mut self,
        (name, kind, help): (&str, Kind, &str),
        things: &[T],
        mut samples: impl FnMut(&T, &mut Samples<'_>),
    ) {
        let start = self.text.len();
        let word = if kind == Kind::Counter { "counter" } else { "gauge" };
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {word}\n");
        let before = self.text.len();
        for thing in things {
            samples(thing, &mut Samples { text: &mut self.text, name });
        }
        if self.text.len() == before {
            self.text.truncate(start);
        }
    }

    fn one(&mut self, about: (&str, Kind, &str), number: &impl Number) {
        self.metric(about, &[()], |(), samples| samples.add(&[], number));
    }
}

/// The samples of one metric.
struct Samples<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Samples<'_> {
    fn add(&mut self, labels: &[(&str, &str)], number: &impl Number) {
        self.text.push_str(self.name);
        for (place, (name, value)) in labels.iter().enumerate() {
            let open = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{name}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.text.push(' ');
        number.write(self.text);
        self.text.push('\n');
    }
}

/// A number as the format writes it.
trait Number {
    fn write(&self, out: &mut String);
}

impl Number for u64 {
    fn write(&self, out: &mut String) {
        let _ = write!(out, "{self}");
    }
}

impl Number for f64 {
    fn write(&self, out: &mut String) {
        if self.is_finite() {
            let _ = write!(out, "{self}");
        } else if self.is_nan() {
            out.push_str("NaN");
        } else {
            out.push_str(if *self > 0.0 { "+Inf" } else { "-Inf" });
        }
    }
}

/// A label's value, with what would end it or the line made harmless.
pub(super) fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out
}

/// The page.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut page = Page::default();
    engine(&mut page, status);
    let spools = [("records", &status.record_spool), ("events", &status.event_spool)];
    let spools: Vec<_> =
        spools.into_iter().filter_map(|(name, spool)| Some((name, spool.as_ref()?))).collect();
    spool(&mut page, &spools);
    sources(&mut page, &status.sources);
    modules(&mut page, &status.modules);
    listeners(&mut page, &status.listeners);
    if let Some(status) = &status.deliveries {
        deliveries(&mut page, status);
    }
    page.text
}

fn engine(page: &mut Page, status: &Status) {
    use Kind::{Counter, Gauge};
    let build = ("correlator_build_info", Gauge, "The program's version.");
    page.metric(build, &[status], |status, samples| {
        samples.add(&[("version", &status.version)], &1_u64);
    });
    page.one(
        ("correlator_start_time_seconds", Gauge, "When the engine was started, Unix time."),
        &status.started.seconds(),
    );
    page.one(
        ("correlator_uptime_seconds", Gauge, "For how long the engine runs."),
        &status.uptime_seconds,
    );
    let time = (
        "correlator_event_time_seconds",
        Gauge,
        "Up to where the records' own time is complete, Unix time.",
    );
    page.metric(time, status.time.as_slice(), |time, samples| samples.add(&[], &time.seconds()));
    page.one(("correlator_records_total", Counter, "Records taken."), &status.records);
    page.one(("correlator_bytes_total", Counter, "Bytes taken."), &status.bytes);
    page.one(
        ("correlator_dead_letters", Gauge, "Records and ticks that are set aside."),
        &status.dead_letters,
    );
    page.one(
        (
            "correlator_dead_letters_dropped_total",
            Counter,
            "Dead letters that made room for newer ones.",
        ),
        &status.dropped,
    );
}

/// Metrics that read one number of each thing.
type Row<T> = (&'static str, Kind, &'static str, fn(&T) -> Option<f64>);
/// Metrics that count, exactly, whatever the size.
type Exact<T> = (&'static str, Kind, &'static str, fn(&T) -> u64);

fn spool(page: &mut Page, spools: &[(&str, &SpoolStatus)]) {
    use Kind::{Counter, Gauge};
    let rows: [Exact<SpoolStatus>; 8] = [
        ("correlator_spool_first_position", Gauge, "The first entry that is still there.", |it| {
            it.first
        }),
        ("correlator_spool_next_position", Gauge, "The position that the next entry gets.", |it| {
            it.next
        }),
        (
            "correlator_spool_oldest_needed_position",
            Gauge,
            "The first entry that a consumer still needs.",
            |it| it.oldest_needed,
        ),
        ("correlator_spool_bytes", Gauge, "What the spool takes on the disk.", |it| it.bytes),
        ("correlator_spool_bytes_max", Gauge, "What the spool may take on the disk.", |it| {
            it.bytes_max
        }),
        ("correlator_spool_damaged_total", Counter, "Damaged places that were skipped.", |it| {
            it.damaged
        }),
        (
            "correlator_spool_missing_total",
            Counter,
            "Entries that were gone when the engine started.",
            |it| it.missing.unwrap_or(0),
        ),
        (
            "correlator_spool_dropped_total",
            Counter,
            "Entries dropped because the spool was full.",
            |it| it.dropped,
        ),
    ];
    for (name, kind, help, read) in rows {
        page.metric((name, kind, help), spools, |(spool, status), samples| {
            samples.add(&[("spool", spool)], &read(status));
        });
    }
}

fn sources(page: &mut Page, sources: &[SourceStatus]) {
    use Kind::{Counter, Gauge};
    let rows: [Exact<SourceStatus>; 10] = [
        ("correlator_source_records_total", Counter, "Records of a source.", |it| it.records),
        ("correlator_source_bytes_total", Counter, "Bytes of a source.", |it| it.bytes),
        ("correlator_source_unparsed_total", Counter, "Records that could not be parsed.", |it| {
            it.unparsed
        }),
        ("correlator_source_cut_total", Counter, "Records that were too long.", |it| it.cut),
        ("correlator_source_invalid_utf8_total", Counter, "Records that were not UTF-8.", |it| {
            it.invalid_utf8
        }),
        ("correlator_source_late_total", Counter, "Records later than the stack allows.", |it| {
            it.late
        }),
        (
            "correlator_source_connections_open",
            Gauge,
            "Connections or files that are open.",
            |it| it.connections_open,
        ),
        ("correlator_source_connections_total", Counter, "Connections that were accepted.", |it| {
            it.connections
        }),
        (
            "correlator_source_connections_failed_total",
            Counter,
            "Connections that broke off or were refused.",
            |it| it.connections_failed,
        ),
        (
            "correlator_source_dropped_by_kernel_total",
            Counter,
            "Datagrams that the kernel dropped for want of room.",
            |it| it.dropped_by_kernel,
        ),
    ];
    for (name, kind, help, read) in rows {
        page.metric((name, kind, help), sources, |source, samples| {
            samples.add(&[("source", &source.name), ("kind", &source.kind)], &read(source));
        });
    }
    let last = (
        "correlator_source_last_record_time_seconds",
        Gauge,
        "When the last record came, Unix time.",
    );
    page.metric(last, sources, |source, samples| {
        if let Some(time) = source.last_record {
            samples.add(&[("source", &source.name), ("kind", &source.kind)], &time.seconds());
        }
    });
    let state = (
        "correlator_source_state",
        Gauge,
        "What a source is doing: 1 for its state, 0 for the others.",
    );
    page.metric(state, sources, |source, samples| {
        for state in SourceState::ALL {
            let labels =
                [("source", source.name.as_str()), ("kind", &source.kind), ("state", state.name())];
            samples.add(&labels, &u64::from(source.state == state));
        }
    });
}

fn modules(page: &mut Page, modules: &[ModuleStatus]) {
    use Kind::{Counter, Gauge};
    let guests: Vec<&GuestStatus> = modules.iter().map(|module| &module.guest).collect();
    guest(page, "module", &guests);
    let rows: [Exact<ModuleStatus>; 2] = [
        (
            "correlator_module_lag_records",
            Gauge,
            "Records between a module and the newest.",
            |it| it.lag_records,
        ),
        ("correlator_module_events_total", Counter, "Events of a module.", |it| it.events),
    ];
    for (name, kind, help, read) in rows {
        page.metric((name, kind, help), modules, |module, samples| {
            samples.add(&[("module", &module.guest.name)], &read(module));
        });
    }
}

fn listeners(page: &mut Page, listeners: &[ListenerStatus]) {
    use Kind::{Counter, Gauge};
    let guests: Vec<&GuestStatus> = listeners.iter().map(|listener| &listener.guest).collect();
    guest(page, "listener", &guests);
    let rows: [Exact<ListenerStatus>; 2] = [
        (
            "correlator_listener_lag_events",
            Gauge,
            "Events between a listener and the newest.",
            |it| it.lag_events,
        ),
        (
            "correlator_listener_effects_waiting",
            Gauge,
            "Effects that wait to be carried out.",
            |it| it.waiting,
        ),
    ];
    for (name, kind, help, read) in rows {
        page.metric((name, kind, help), listeners, |listener, samples| {
            samples.add(&[("listener", &listener.guest.name)], &read(listener));
        });
    }
    bounds(page, listeners);
    let done =
        ("correlator_listener_effects_done_total", Counter, "Effects that were carried out.");
    page.metric(done, listeners, |listener, samples| {
        for (effect, count) in &listener.effects_done {
            samples.add(&[("listener", &listener.guest.name), ("effect", effect)], count);
        }
    });
    let refused = (
        "correlator_listener_effects_refused_total",
        Counter,
        "Effects that were not carried out.",
    );
    page.metric(refused, listeners, |listener, samples| {
        for (reason, count) in &listener.effects_refused {
            samples.add(&[("listener", &listener.guest.name), ("reason", reason)], count);
        }
    });
}

fn bounds(page: &mut Page, listeners: &[ListenerStatus]) {
    let each = |it: &'_ ListenerStatus| {
        let name = it.guest.name.clone();
        it.bounds.clone().into_iter().map(move |bound| (name.clone(), bound))
    };
    let bounds: Vec<(String, BoundStatus)> = listeners.iter().flat_map(each).collect();
    let rows: [Exact<BoundStatus>; 2] = [
        ("correlator_grant_used", Kind::Gauge, "Requests that count for a grant's bound.", |it| {
            it.used
        }),
        ("correlator_grant_most", Kind::Gauge, "Requests that a grant's bound covers.", |it| {
            it.most
        }),
    ];
    for (name, kind, help, read) in rows {
        page.metric((name, kind, help), &bounds, |(listener, it), samples| {
            let labels = [
                ("listener", listener.as_str()),
                ("capability", &it.capability),
                ("bound", &it.bound),
            ];
            samples.add(&labels, &read(it));
        });
    }
}

fn named(it: &EndpointStatus) -> [(&str, &str); 2] {
    [("capability", &it.capability), ("endpoint", &it.endpoint)]
}

fn deliveries(page: &mut Page, status: &DeliveryStatus) {
    use Kind::Gauge;
    let counts: [Exact<DeliveryStatus>; 3] = [
        ("correlator_store_bytes", Gauge, "What the store takes on the disk.", |it| it.bytes),
        ("correlator_deliveries_done", Gauge, "Effects in the store that are done.", |it| it.done),
        ("correlator_deliveries_refused", Gauge, "Effects in the store that were refused.", |it| {
            it.refused
        }),
    ];
    for (name, kind, help, read) in counts {
        page.metric((name, kind, help), &[status], |status, samples| {
            samples.add(&[], &read(status));
        });
    }
    let rows: [Exact<EndpointStatus>; 2] = [
        ("correlator_deliveries_waiting", Gauge, "Effects that wait for an endpoint.", |it| {
            it.waiting
        }),
        ("correlator_deliveries_dead", Gauge, "Effects that were tried too often.", |it| it.dead),
    ];
    for (name, kind, help, read) in rows {
        page.metric((name, kind, help), &status.endpoints, |it, samples| {
            samples.add(&named(it), &read(it));
        });
    }
    let oldest = (
        "correlator_deliveries_oldest_time_seconds",
        Gauge,
        "Since when the oldest effect waits for an endpoint, Unix time.",
    );
    page.metric(oldest, &status.endpoints, |it, samples| {
        if let Some(time) = it.oldest {
            samples.add(&named(it), &time.seconds());
        }
    });
}

/// What every guest has, under the name of its part.
fn guest(page: &mut Page, part: &str, guests: &[&GuestStatus]) {
    use Kind::{Counter, Gauge};
    let exact: [Exact<GuestStatus>; 9] = [
        ("position", Gauge, "Up to where it has worked.", |it| it.position),
        ("handed_total", Counter, "Records or events that it was handed.", |it| it.handed),
        ("lost_total", Counter, "Records or events that it never got.", |it| it.lost.unwrap_or(0)),
        ("failures_total", Counter, "Calls that failed.", |it| it.failures),
        (
            "set_aside_total",
            Counter,
            "Records or events set aside because they made it fail.",
            |it| it.set_aside,
        ),
        ("fuel_total", Counter, "Fuel that it burned.", |it| it.fuel),
        ("memory_bytes", Gauge, "Memory that it takes.", |it| it.memory_bytes),
        ("turns_total", Counter, "Calls that went well.", |it| it.turns),
        ("state_bytes", Gauge, "Size of its last saved state.", |it| it.state_bytes),
    ];
    for (name, kind, help, read) in exact {
        let name = format!("correlator_{part}_{name}");
        page.metric((&name, kind, help), guests, |guest, samples| {
            samples.add(&[(part, &guest.name)], &read(guest));
        });
    }
    let known: [Row<GuestStatus>; 3] = [
        ("turn_seconds_total", Counter, "How long all its calls took.", |it| Some(it.turn_seconds)),
        ("lag_seconds", Gauge, "How old the oldest thing is that waits for it.", |it| {
            it.lag_seconds
        }),
        ("checkpoint_age_seconds", Gauge, "How long ago its last checkpoint was made.", |it| {
            it.last_checkpoint_seconds
        }),
    ];
    for (name, kind, help, read) in known {
        let name = format!("correlator_{part}_{name}");
        page.metric((&name, kind, help), guests, |guest, samples| {
            if let Some(number) = read(guest) {
                samples.add(&[(part, &guest.name)], &number);
            }
        });
    }
    let name = format!("correlator_{part}_info");
    page.metric((&name, Gauge, "What it is an instance of."), guests, |guest, samples| {
        let labels = [
            (part, guest.name.as_str()),
            ("component", &guest.component),
            ("version", &guest.version),
        ];
        samples.add(&labels, &1_u64);
    });
    let name = format!("correlator_{part}_state");
    let help = "What it is doing: 1 for its state, 0 for the others.";
    page.metric((&name, Gauge, help), guests, |guest, samples| {
        for state in GuestState::ALL {
            let labels = [(part, guest.name.as_str()), ("state", state.name())];
            samples.add(&labels, &u64::from(guest.state == state));
        }
    });
}
