//! Who asks, because of which event, and what is kept of that.
//!
//! A request's name is the same whenever the same is asked for, however batches are cut: so what comes again after a crash
//! is known. This room must never know what is granted.

use std::collections::{BTreeMap, HashMap};

use correlator_frame::effect::{HEADER, Header, NO_EVENT};
use correlator_frame::event::BatchHeader;
use correlator_store::effect::{Cause, Decision, NewEffect};
use correlator_world::Request;

use crate::capability::{self, Asked, Desk};
use crate::clock;
use crate::guest::{Effect, Rows};
use crate::pipeline::stream::cursor::Cursor;
use crate::stack::criteria::matching::Subject;
use crate::stack::grant;

/// What stands in a name for a capability that there is not: its own name may hold anything.
const UNKNOWN: &str = "unknown";

/// A listener that asks.
pub(crate) struct Asker {
    /// What tells this engine from others that ask the same world.
    pub(crate) origin: String,
    pub(crate) listener: String,
    /// What tells this version of its component from others.
    pub(crate) component: String,
    /// Where the schemas of each module begin, in order.
    pub(crate) modules: Vec<(u32, String)>,
}

/// What a turn is about: its events, and its place in the stream.
pub(crate) struct About<'a> {
    rows: &'a Rows,
    /// Where each row begins.
    starts: Vec<usize>,
    upto: Cursor,
    /// The time, by which rates are counted.
    pub(crate) now: i64,
}

/// How often the same was asked for in a turn, by capability and target, and then by event.
#[derive(Default)]
pub(crate) struct Counts<'a>(HashMap<(&'a str, &'a str), BTreeMap<Option<u32>, u32>>);

impl<'a> Counts<'a> {
    /// The counts for an effect's requests.
    pub(crate) fn of(&mut self, effect: &'a Effect) -> &mut BTreeMap<Option<u32>, u32> {
        self.0.entry((&effect.capability, &effect.target)).or_default()
    }
}

impl<'a> About<'a> {
    pub(crate) fn new(rows: &'a Rows, upto: Cursor, now: i64) -> Self {
        let mut starts = Vec::new();
        let mut start = 0;
        while let Some(&length) = rows.index.get(start) {
            starts.push(start);
            start += length.max(1) as usize;
        }
        Self { rows, starts, upto, now }
    }

    /// The event itself.
    pub(crate) fn subject(&self, place: usize) -> Option<Subject<'a>> {
        let row = self.rows.index.get(*self.starts.get(place)?..)?;
        Some(Subject::of_row(row, &self.rows.text))
    }
}

impl Asker {
    /// An event's id, as people write it: the module, its source, the place there, and which of the record's events.
    pub(crate) fn event(&self, about: &About<'_>, place: Option<usize>) -> Option<String> {
        let start = *about.starts.get(place?)?;
        let header = BatchHeader::read(about.rows.index.get(start..)?);
        let after = self.modules.partition_point(|(base, _)| *base <= header.schema);
        let (_, module) = self.modules.get(after.checked_sub(1)?)?;
        let id = header.id;
        Some(format!("{module}:{:x}:{:x}:{:x}", id.source, id.position, id.count))
    }

    /// The event of an effect's last request.
    pub(crate) fn last_event(&self, effect: &Effect, about: &About<'_>) -> Option<String> {
        let mut heads = effect.rows.index.chunks_exact(HEADER + 2 * effect.columns.len());
        let event = Header::read(heads.next_back()?).event;
        self.event(about, (event != NO_EVENT).then_some(event as usize))
    }

    /// What requests for an event are called; the rest counts what is asked for the same.
    pub(crate) fn name(&self, effect: &Effect, about: &About<'_>, event: Option<usize>) -> String {
        let Cursor { item, ticks } = about.upto;
        let tick = || format!("tick:{item:x}.{ticks:x}");
        let cause = self.event(about, event).unwrap_or_else(tick);
        let (capability, target) = if is_known(&effect.capability) {
            (effect.capability.as_str(), crc32fast::hash(effect.target.as_bytes()))
        } else {
            let both = format!("{}\0{}", effect.capability, effect.target);
            (UNKNOWN, crc32fast::hash(both.as_bytes()))
        };
        format!("{}#{}:{cause}:{capability}.{target:x}", self.listener, self.origin)
    }

    /// What is kept of a request.
    pub(crate) fn kept(
        &self,
        effect: &Effect,
        desk: Option<&Desk>,
        asked: Asked,
        decision: Decision,
        about: &About<'_>,
    ) -> NewEffect {
        let Asked { request, event } = asked;
        let subject = event.and_then(|event| about.subject(event));
        let (plan, (lane, key)) = desk.map_or_else(
            || (format!("{} {}", effect.capability, effect.target), (effect.target.clone(), None)),
            |desk| (desk.plan(&request), desk.lane(&request, subject)),
        );
        let event = self.event(about, event);
        NewEffect {
            plan,
            listener: self.listener.clone(),
            component: self.component.clone(),
            capability: effect.capability.clone(),
            endpoint: capability::endpoint(&self.listener, &lane),
            key,
            causes: event.map(|event| Cause { event, record: None }).into_iter().collect(),
            time: clock::now(),
            decision,
            request,
        }
    }

    /// What is asked for by an effect without requests.
    pub(crate) fn nothing(&self, effect: &Effect, about: &About<'_>) -> Asked {
        let id = format!("{}:0", self.name(effect, about, None));
        let request = Request { id, target: effect.target.clone(), cells: Vec::new() };
        Asked { request, event: None }
    }
}

fn is_known(capability: &str) -> bool {
    grant::names().contains(&capability)
}
