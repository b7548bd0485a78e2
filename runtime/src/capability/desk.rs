//! A capability that is a crate of its own, at one listener's disposal: its rows become requests, each is judged by the
//! grant, and what the grant covers is done together with the turn or kept until it is done.

use std::collections::BTreeMap;

use correlator_frame::effect::Header;
use correlator_frame::event;
use correlator_frame::value::{self, Value};
use correlator_store::effect::Decision;
use correlator_store::store::Safety;
use correlator_world::allow::{NAME_BYTES_MAX, NOTED};
use correlator_world::{Capability, Cell, Kind, Outcome, Refused, Request, Secrets, Undone};

use super::cells;
use super::tally::{Shared, Used, held};
use crate::declaration::BoundSchema;
use crate::guest::Effect;
use crate::stack::criteria::matching::Subject;
use crate::stack::grant::bounds::Bounds;
use crate::stack::grant::world::{Manner, WorldGrant};

/// One capability of one listener.
pub struct Desk {
    grant: WorldGrant,
    capability: Box<dyn Capability>,
    /// How many requests there were.
    tally: Shared,
    /// The columns of each event that name users, where these are noted.
    users: Vec<Vec<(usize, String)>>,
    /// The column of each event that says what is done in order.
    order: Vec<Option<(usize, value::Kind)>>,
}

/// A grant with bounds, for whoever wants to know how much of these is used.
#[derive(Clone, Debug)]
pub struct Bounded {
    /// The capability.
    pub capability: &'static str,
    bounds: Bounds,
    each: Bounds,
    tally: Shared,
}

impl Bounded {
    /// How much of each bound is used at a time.
    #[must_use]
    pub fn used(&self, now: i64) -> Vec<Used> {
        held(&self.tally).used(&self.bounds, &self.each, now)
    }
}

/// A request, and the place in the batch of the event that it is for; none in a tick.
pub struct Asked {
    /// What is asked for.
    pub request: Request,
    /// The event.
    pub event: Option<usize>,
}

impl Desk {
    /// What the grant allows, ready to be asked.
    ///
    /// # Errors
    /// What was well when the stack was checked is not any more.
    pub fn new(grant: &WorldGrant) -> Result<Self, String> {
        let capability = grant.make().map_err(|error| format!("{}: {error}", grant.name))?;
        Ok(Self {
            grant: grant.clone(),
            capability,
            tally: Shared::default(),
            users: Vec::new(),
            order: Vec::new(),
        })
    }

    /// The same for a listener that gets these events.
    #[must_use]
    pub fn of_events(mut self, schemas: &[BoundSchema]) -> Self {
        if self.grant.notes_users() {
            let of = |bound: &BoundSchema| {
                let columns = bound.schema.columns.iter().enumerate();
                let users = columns.filter(|(_, column)| {
                    column.kind == value::Kind::Text && self.grant.allow.is_of_users(&column.name)
                });
                users.map(|(place, column)| (place, column.name.clone())).collect()
            };
            self.users = schemas.iter().map(of).collect();
        }
        if let Some(order_by) = &self.grant.order_by {
            let of = |bound: &BoundSchema| {
                let mut columns = bound.schema.columns.iter().enumerate();
                let found = columns.find(|(_, column)| column.name == *order_by);
                found.map(|(place, column)| (place, column.kind))
            };
            self.order = schemas.iter().map(of).collect();
        }
        self
    }

    /// Goes on with what was counted before. What is only planned uses up nothing of that: it is counted apart, for as long
    /// as this is used.
    pub fn count_in(&mut self, tally: Shared) {
        self.tally =
            if self.grant.dry_run { Shared::new(held(&tally).clone().into()) } else { tally };
    }

    /// What bounds it, and what is counted for that; none without bounds.
    #[must_use]
    pub fn bounded(&self) -> Option<Bounded> {
        let WorldGrant { name, bounds, each, .. } = &self.grant;
        let is_any = bounds.is_any() || each.is_any();
        let tally = Shared::clone(&self.tally);
        is_any.then_some(Bounded { capability: name, bounds: *bounds, each: *each, tally })
    }

    /// The target that is meant where a request names none.
    #[must_use]
    pub fn usual_target(&self) -> Option<&str> {
        self.capability.usual_target()
    }

    /// The capability, if it is granted as a dry run.
    #[must_use]
    pub fn planned(&self) -> Option<&'static str> {
        self.grant.dry_run.then_some(self.grant.name)
    }

    /// What was granted.
    #[must_use]
    pub fn grant(&self) -> &WorldGrant {
        &self.grant
    }

    /// How its effects are carried out.
    #[must_use]
    pub fn manner(&self) -> Manner {
        self.grant.manner
    }

    /// What the grant says to a request that is made because of an event. `now` is event time, by which rates are counted.
    /// Which users the event names is noted with the request.
    pub fn judge(
        &mut self,
        request: &mut Request,
        event: Option<Subject<'_>>,
        now: i64,
    ) -> Decision {
        self.note(request, event);
        if event.is_none() && !self.grant.allow.users.is_empty() {
            let why = "nobody can tell whether it is about a user on the allow-list: it is asked for without an event";
            return Decision::Denied(why.to_owned());
        }
        if let Err(refused) = self.capability.check(request) {
            return Decision::Denied(match refused {
                Refused::Denied(reason) => reason,
                Refused::Malformed(reason) => format!("not understood: {reason}"),
            });
        }
        let (bounds, each) = (&self.grant.bounds, &self.grant.each);
        if bounds.is_any() || each.is_any() {
            let parties = if each.is_any() { self.capability.parties(request) } else { Vec::new() };
            if let Err(why) = held(&self.tally).count(bounds, each, &parties, now) {
                return Decision::Denied(why);
            }
        }
        if self.grant.dry_run { Decision::DryRun } else { Decision::Granted }
    }

    /// Notes the users of an event.
    fn note(&self, request: &mut Request, event: Option<Subject<'_>>) {
        let Some(event) = event else { return };
        let Some(users) = self.users.get(event.schema) else { return };
        for (place, column) in users {
            let cell =
                event::cell(event.cells, *place, value::Kind::Text, event.absent, event.text);
            if let Some(Value::Text(bytes)) = cell {
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(NAME_BYTES_MAX)]);
                request.cells.push((format!("{NOTED}{column}"), Cell::Text(text.into_owned())));
            }
        }
    }

    /// What would be done, in one line.
    #[must_use]
    pub fn plan(&self, request: &Request) -> String {
        self.capability.plan(request)
    }

    /// What shares one fate with a request, and what it is in order with.
    #[must_use]
    pub fn lane(&self, request: &Request, event: Option<Subject<'_>>) -> (String, Option<String>) {
        let ordered = || {
            let own = self.grant.order_by.as_ref().and_then(|column| request.cell(column)).cloned();
            own.or_else(|| self.ordered(event?))
        };
        let key = self.capability.key(request).or_else(|| ordered().as_ref().map(key));
        (self.capability.endpoint(request), key)
    }

    /// What an event has in the column that says what is done in order.
    fn ordered(&self, event: Subject<'_>) -> Option<Cell> {
        let (place, kind) = (*self.order.get(event.schema)?)?;
        let value = event::cell(event.cells, place, kind, event.absent, event.text);
        value.map(|value| cell(Some(value), kind))
    }

    /// How safe it must be that a request is kept before it is carried out: one that may be done twice can be asked for
    /// again by whoever asked.
    #[must_use]
    pub fn safety(&self) -> Safety {
        if self.capability.is_idempotent() { Safety::Program } else { Safety::Machine }
    }

    /// Has requests done at once.
    pub fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        self.capability.deliver(requests, secrets)
    }

    /// Nothing more is asked for. What was done and may not have come to pass.
    pub fn close(&mut self) -> Vec<Undone> {
        self.capability.close()
    }
}

/// Makes requests of an effect's rows. `name` gives the part of a request's id that says what it is for, by the place of an
/// event; the rest counts what is asked for the same.
pub fn requests<'a>(
    effect: &'a Effect,
    counts: &'a mut BTreeMap<Option<u32>, u32>,
    name: &'a impl Fn(Option<usize>) -> String,
) -> impl Iterator<Item = Asked> + 'a {
    let heads =
        effect.rows.index.chunks_exact(correlator_frame::effect::HEADER + 2 * effect.columns.len());
    heads.zip(cells::rows(effect)).map(|(head, row)| {
        let event = Header::read(head).event;
        let event = (event != correlator_frame::effect::NO_EVENT).then_some(event);
        let count = counts.entry(event).or_default();
        let id = format!("{}:{count:x}", name(event.map(|event| event as usize)));
        *count += 1;
        let column = |(place, column): (usize, &crate::declaration::Column)| {
            (column.name.clone(), cell(row.value(place), column.kind))
        };
        let cells = effect.columns.iter().enumerate().map(column).collect();
        let request = Request { id, target: effect.target.clone(), cells };
        Asked { request, event: event.map(|event| event as usize) }
    })
}

/// What a value is called where it says what is done in order.
fn key(cell: &Cell) -> String {
    match cell {
        Cell::Absent(_) => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Integer(number) | Cell::Time(number) | Cell::Duration(number) => number.to_string(),
        Cell::Float(number) => number.to_string(),
        Cell::Boolean(boolean) => boolean.to_string(),
    }
}

fn cell(value: Option<Value<'_>>, kind: value::Kind) -> Cell {
    match value {
        None => Cell::Absent(match kind {
            value::Kind::Text => Kind::Text,
            value::Kind::Integer => Kind::Integer,
            value::Kind::Float => Kind::Float,
            value::Kind::Boolean => Kind::Boolean,
            value::Kind::Time => Kind::Time,
            value::Kind::Duration => Kind::Duration,
        }),
        Some(Value::Text(bytes)) => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
        Some(Value::Integer(number)) => Cell::Integer(number),
        Some(Value::Float(number)) => Cell::Float(number),
        Some(Value::Boolean(boolean)) => Cell::Boolean(boolean),
        Some(Value::Time(time)) => Cell::Time(time),
        Some(Value::Duration(span)) => Cell::Duration(span),
    }
}
