//! How the engine fares: the picture that status and metrics show.

use std::sync::atomic::Ordering;

use correlator_source::settings::{Address, Door as SourceDoor, Source, SourcePath};
use correlator_spool::settings::Durability;

use super::deliveries;
use super::engine::{Engine, ModuleHands, Running, locked};
use crate::capability::{Bounded, Used};
use crate::clock::{self, nanoseconds};
use crate::guest::Failure;
use crate::pipeline::crew::{Kept, part_name};
use crate::pipeline::stream::cursor::items_between;
use crate::pipeline::work::keeper::GuestReport;
use crate::stack::value::duration_text;
use crate::status::{
    BoundStatus, GuestState, GuestStatus, ListenerStatus, ModuleStatus, Moment, SourceState,
    SourceStatus, SpoolStatus, Status,
};

impl Engine {
    /// How it fares now.
    #[must_use]
    pub fn status(&self) -> Status {
        let door = &self.floor.door;
        let now = door.now.load(Ordering::Relaxed);
        let crew = locked(&self.crew);
        let kept = self.floor.kept.as_ref();
        let deliveries = kept.and_then(Kept::deliveries);
        let waiting = |name: &str| deliveries::waiting(deliveries.as_ref(), name);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            stack: self.stack.clone(),
            state: kept.map(|kept| kept.keeping.folder.display().to_string()),
            started: Moment(self.started.0),
            uptime_seconds: clock::instant().duration_since(self.started.1).as_secs_f64(),
            live: self.live,
            time: (now > i64::MIN).then_some(Moment(now)),
            records: door.records.load(Ordering::Relaxed),
            bytes: door.bytes.load(Ordering::Relaxed),
            record_spool: self.spool(true),
            event_spool: self.spool(false),
            sources: self.sources_status(),
            modules: crew.modules.iter().flat_map(|it| self.module(it)).collect(),
            listeners: crew
                .listeners
                .iter()
                .map(|it| ListenerStatus { waiting: waiting(&it.plan.name), ..self.listener(it) })
                .collect(),
            deliveries,
            dead_letters: kept.map_or(0, |kept| kept.dead.count()),
            dropped: kept.map_or(0, |kept| kept.dead.dropped()),
        }
    }

    fn spool(&self, of_records: bool) -> Option<SpoolStatus> {
        let kept = self.floor.kept.as_ref()?;
        let (records, events) = (&self.floor.records, &self.floor.events);
        let disk = if of_records { records.on_disk() } else { events.on_disk() };
        let (first, bytes) = disk?;
        let losses = if of_records { records.losses() } else { events.losses() };
        Some(SpoolStatus {
            first,
            next: if of_records { records.next() } else { events.next() },
            bytes,
            bytes_max: kept.keeping.spool_bytes,
            durability: match kept.keeping.durability {
                Durability::None => "none".to_owned(),
                Durability::Each => "each".to_owned(),
                Durability::Batched(every) => {
                    format!("batched ({})", duration_text(nanoseconds(every)))
                }
            },
            oldest_needed: if of_records { records.needed() } else { events.needed() },
            damaged: losses.damaged,
            missing: Some(losses.missing),
            dropped: records.dropped.load(Ordering::Relaxed) * u64::from(of_records),
        })
    }

    fn sources_status(&self) -> Vec<SourceStatus> {
        let sources = locked(&self.sources);
        sources.iter().map(|running| self.source(running)).collect()
    }

    fn source(&self, running: &Running) -> SourceStatus {
        let source = &running.source;
        let counted = self.counted(running);
        let gauge = counted.gauge;
        let ended = running.thread.as_ref().is_none_or(std::thread::JoinHandle::is_finished);
        let idle_after = nanoseconds(source.idle_after);
        let clock = self.floor.door.clock.now();
        let idle = gauge.last.is_none_or(|last| clock.saturating_sub(last) > idle_after);
        let error = self.source_error(running);
        let net = running.gauge.as_deref();
        let counts = gauge.counts;
        SourceStatus {
            name: source.name.clone(),
            kind: kind(source).to_owned(),
            place: running.address.clone(),
            state: match (ended && source.door.is_live(), ended, idle) {
                _ if error.is_some() => SourceState::Failed,
                (true, ..) => SourceState::Failed,
                (_, true, _) => SourceState::Ended,
                (_, _, true) => SourceState::Idle,
                _ => SourceState::Open,
            },
            records: counts.records,
            bytes: counts.bytes,
            unparsed: counts.unparsed,
            cut: counts.cut,
            invalid_utf8: counts.invalid_utf8,
            late: gauge.late,
            connections_open: net
                .map_or(0, |net| net.connections_open.load(Ordering::Relaxed) as u64),
            connections: counted.connections,
            connections_failed: counted.connections_failed,
            dropped_by_kernel: counts.dropped_by_kernel,
            last_record: gauge.last.map(Moment),
            error,
        }
    }

    /// Why a source broke off, or does not get at what it is to follow.
    fn source_error(&self, running: &Running) -> Option<String> {
        if running.source.door.is_live() {
            return running.trouble.now();
        }
        let reports = locked(&self.reports);
        let mut errors = reports.iter().filter(|it| it.source == running.place);
        errors.find_map(|report| report.error.clone())
    }

    fn module(&self, module: &ModuleHands) -> Vec<ModuleStatus> {
        let plan = &module.plan;
        if module.hands.is_empty() {
            let off = |part| {
                let name = part_name(plan, part);
                let report = self.floor.counted.module(&name);
                let events = report.events.iter().map(|(_, count)| count).sum();
                let guest = off(name, &report.guest, &plan.component);
                ModuleStatus { guest, events, lag_records: 0 }
            };
            return (0..plan.instances).map(off).collect();
        }
        let next = self.floor.records.next();
        let now = self.floor.door.now.load(Ordering::Relaxed);
        let hands = module.hands.iter();
        hands
            .map(|hand| {
                let report = hand.picture.look();
                let position = self.floor.records.passed(hand.slot).max(report.guest.position);
                let lag = items_between(position, next);
                let mut guest = guest(&report.guest, &plan.component, lag);
                guest.position = position;
                guest.lag_seconds = behind(&report.guest, lag, now);
                let events = report.events.iter().map(|(_, count)| count).sum();
                ModuleStatus { guest, lag_records: lag, events }
            })
            .collect()
    }

    fn listener(&self, listener: &super::engine::ListenerHand) -> ListenerStatus {
        let plan = &listener.plan;
        let Some(hand) = &listener.hand else {
            let report = self.floor.counted.listener(&plan.name);
            let guest = off(plan.name.clone(), &report.guest, &plan.component);
            return ListenerStatus {
                guest,
                effects_done: report.done,
                effects_refused: report.refused,
                ..ListenerStatus::default()
            };
        };
        let report = hand.picture.look();
        let position = self.floor.events.passed(hand.slot).max(report.guest.position);
        let lag = items_between(position, self.floor.events.next());
        let mut guest = guest(&report.guest, &plan.component, lag);
        guest.position = position;
        ListenerStatus {
            guest,
            lag_events: lag,
            effects_done: report.done,
            effects_refused: report.refused,
            waiting: 0,
            bounds: bounds(&hand.picture.bounded, report.guest.now.unwrap_or(0)),
            dry_run: hand.picture.planned.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// How much of its grants' bounds a listener has used at a time.
fn bounds(grants: &[Bounded], now: i64) -> Vec<BoundStatus> {
    let each = |grant: &Bounded| {
        let used = grant.used(now).into_iter();
        used.map(|it| bound(grant.capability, it)).collect::<Vec<_>>()
    };
    grants.iter().flat_map(each).collect()
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn bound(capability: &str, it: Used) -> BoundStatus {
    let Used { bound, used, most, span } = it;
    let span_seconds = span.map(|span| span as f64 / 1e9);
    BoundStatus {
        capability: capability.to_owned(),
        bound: bound.to_owned(),
        used,
        most,
        span_seconds,
    }
}

type Component = (String, String, String);

/// A guest that was put off: what it counted stays, and it takes no memory.
fn off(name: String, report: &GuestReport, component: &Component) -> GuestStatus {
    let guest = guest(report, component, 0);
    GuestStatus { name, state: GuestState::Disabled, memory_bytes: 0, ..guest }
}

fn guest(report: &GuestReport, (component, _, version): &Component, lag: u64) -> GuestStatus {
    let usage = &report.usage;
    let since = report.checkpoint.map(|then| clock::instant().duration_since(then));
    GuestStatus {
        name: report.name.clone(),
        component: component.clone(),
        version: version.clone(),
        state: match (report.suspended, lag > crate::limit::LAG_BEHIND) {
            (true, _) => GuestState::Suspended,
            (false, true) => GuestState::Behind,
            (false, false) => GuestState::Running,
        },
        position: report.position,
        lag_seconds: None,
        handed: report.handed,
        failures: report.failures,
        lost: Some(report.lost),
        set_aside: report.set_aside,
        last_failure: report.last_failure.as_ref().map(Failure::to_string),
        fuel: usage.fuel,
        memory_bytes: usage.memory_bytes as u64,
        turns: usage.calls.saturating_sub(report.failures),
        turn_seconds: usage.time.as_secs_f64(),
        last_checkpoint_seconds: since.map(|since| since.as_secs_f64()),
        state_bytes: report.state_bytes,
        refused_checkpoints: report.refused_checkpoints,
    }
}

/// How far a module is behind event time.
#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn behind(report: &GuestReport, lag: u64, now: i64) -> Option<f64> {
    if lag == 0 {
        return Some(0.0);
    }
    report.now.map(|then| now.saturating_sub(then).max(0) as f64 / 1e9)
}

/// By which kind of door records come.
pub(super) fn kind(source: &Source) -> &'static str {
    match &source.door {
        SourceDoor::Files { paths, .. } if paths.contains(&SourcePath::Input) => "input",
        SourceDoor::Files { follow: true, .. } => "follow",
        SourceDoor::Files { .. } => "file",
        SourceDoor::Stream { tls: Some(_), .. } => "tls",
        SourceDoor::Stream { address: Address::Path(..), .. } => "unix",
        SourceDoor::Stream { .. } => "tcp",
        SourceDoor::Datagram { address: Address::Path(..), .. } => "unix_datagram",
        SourceDoor::Datagram { .. } => "udp",
    }
}

/// Where a source's records come from, as it was typed.
pub(super) fn place(source: &Source) -> String {
    match &source.door {
        SourceDoor::Files { paths, .. } => {
            let paths = paths.iter().map(|path| match path {
                SourcePath::Input => "-".to_owned(),
                SourcePath::File(path) => path.display().to_string(),
                SourcePath::Glob(pattern) => pattern.clone(),
            });
            paths.collect::<Vec<_>>().join(", ")
        }
        SourceDoor::Stream { address, .. } | SourceDoor::Datagram { address, .. } => {
            match address {
                Address::Internet(address) => address.to_string(),
                Address::Path(path, _) => path.display().to_string(),
                Address::Inherited(name) => format!("systemd:{name}"),
            }
        }
    }
}
