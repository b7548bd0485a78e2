//! A capability that is a crate of its own, at one listener's disposal: its rows become requests, each is judged by the
//! grant, and what the grant covers is done together with the turn or kept until it is done.

use std::collections::BTreeMap;

use correlator_frame::effect::Header;
use correlator_frame::value::{self, Value};
use correlator_store::effect::Decision;
use correlator_world::{Capability, Cell, Kind, Outcome, Refused, Request, Secrets};

use super::cells;
use crate::guest::Effect;
use crate::stack::grant::world::{Manner, WorldGrant};

/// One capability of one listener.
pub struct Desk {
    grant: WorldGrant,
    capability: Box<dyn Capability>,
    /// The span of the rate that it is in, and how many requests there were.
    window: (i64, u64),
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
        Ok(Self { grant: grant.clone(), capability, window: (i64::MIN, 0) })
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

    /// What the grant says to a request. `now` is event time, by which rates are counted.
    pub fn judge(&mut self, request: &Request, now: i64) -> Decision {
        if let Err(refused) = self.capability.check(request) {
            return Decision::Denied(match refused {
                Refused::Denied(reason) => reason,
                Refused::Malformed(reason) => format!("not understood: {reason}"),
            });
        }
        if let Some((most, span)) = self.grant.rate {
            let window = now.div_euclid(span);
            if self.window.0 != window {
                self.window = (window, 0);
            }
            self.window.1 += 1;
            if self.window.1 > most {
                return Decision::Denied(format!("more than {most} requests, the grant's `rate`"));
            }
        }
        if self.grant.dry_run { Decision::DryRun } else { Decision::Granted }
    }

    /// What would be done, in one line.
    #[must_use]
    pub fn plan(&self, request: &Request) -> String {
        self.capability.plan(request)
    }

    /// What shares one fate with a request, and what it is in order with.
    #[must_use]
    pub fn lane(&self, request: &Request) -> (String, Option<String>) {
        (self.capability.endpoint(request), self.capability.key(request))
    }

    /// Has requests done at once.
    pub fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        self.capability.deliver(requests, secrets)
    }
}

/// Makes requests of an effect's rows. `name` gives the part of a request's id that says what it is for, by the place of an
/// event; the rest counts what is asked for the same.
#[must_use]
pub fn requests(
    effect: &Effect,
    counts: &mut BTreeMap<Option<u32>, u32>,
    name: &impl Fn(Option<usize>) -> String,
) -> Vec<Asked> {
    let heads =
        effect.rows.index.chunks_exact(correlator_frame::effect::HEADER + 2 * effect.columns.len());
    heads
        .zip(cells::rows(effect))
        .map(|(head, row)| {
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
        .collect()
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
