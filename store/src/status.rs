//! How a store fares, in numbers.
//!
//! They are kept as effects come and change, so asking costs the same however many there are.

use rusqlite::{Connection, OptionalExtension};

use crate::effect::State;
use crate::entry::Head;
use crate::error::Fault;
use crate::{limit, row, schema, store};

/// How a store fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Endpoints that have something open or dead.
    pub endpoints: Vec<Endpoint>,
    /// There are more of them than are told one by one.
    pub more_endpoints: bool,
    /// How many effects are in which state; states that none is in are left out.
    pub states: Vec<(State, u64)>,
    /// The bytes that the database takes, without those that are free.
    pub bytes: u64,
    /// The end of the audit trail.
    pub head: Head,
    /// The version of the tables.
    pub version: u32,
}

/// How what shares one fate fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The capability.
    pub capability: String,
    /// The endpoint.
    pub endpoint: String,
    /// Effects that wait.
    pub waiting: u64,
    /// Effects that the world is being asked for.
    pub trying: u64,
    /// Effects that were tried often enough.
    pub dead: u64,
    /// Since when the oldest waits.
    pub oldest: Option<i64>,
}

pub(crate) fn status(connection: &Connection) -> Result<Status, Fault> {
    let totals = "SELECT state, sum(count) FROM tally GROUP BY state HAVING sum(count) > 0 \
                  ORDER BY state";
    let mut statement = connection.prepare_cached(totals)?;
    let rows = statement.query_map((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let mut states = Vec::new();
    for row in rows {
        let (code, count) = row?;
        let state = State::from_code(code)
            .ok_or_else(|| Fault::Damaged(format!("{count} effects have no known state")))?;
        states.push((state, count.unsigned_abs()));
    }
    let (endpoints, more_endpoints) = endpoints(connection)?;
    Ok(Status {
        endpoints,
        more_endpoints,
        states,
        bytes: store::bytes(connection)?,
        head: row::head(connection)?,
        version: schema::STEPS.len() as u32,
    })
}

fn endpoints(connection: &Connection) -> Result<(Vec<Endpoint>, bool), Fault> {
    let open = "SELECT capability, endpoint, sum(count) FILTER (WHERE state = 0), \
                sum(count) FILTER (WHERE state = 1), sum(count) FILTER (WHERE state = 4) \
                FROM tally WHERE state IN (0, 1, 4) GROUP BY capability, endpoint \
                HAVING sum(count) > 0 ORDER BY capability, endpoint LIMIT";
    let query = format!("{open} {}", limit::ENDPOINTS_MAX + 1);
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map((), |row| {
        let count = |at: usize| row.get::<_, Option<i64>>(at).map(|found| found.unwrap_or(0));
        Ok(Endpoint {
            capability: row.get(0)?,
            endpoint: row.get(1)?,
            waiting: count(2)?.unsigned_abs(),
            trying: count(3)?.unsigned_abs(),
            dead: count(4)?.unsigned_abs(),
            oldest: None,
        })
    })?;
    let mut endpoints: Vec<_> = rows.collect::<Result<_, _>>()?;
    let more = endpoints.len() > limit::ENDPOINTS_MAX;
    endpoints.truncate(limit::ENDPOINTS_MAX);
    let mut oldest = connection.prepare_cached(
        "SELECT since FROM effect INDEXED BY effect_age WHERE state <= 1 AND capability = ?1 \
         AND endpoint = ?2 ORDER BY since LIMIT 1",
    )?;
    for one in &mut endpoints {
        let names = [&one.capability, &one.endpoint];
        one.oldest = oldest.query_row(names, |row| row.get(0)).optional()?;
    }
    Ok((endpoints, more))
}
