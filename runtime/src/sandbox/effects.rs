//! A listener's turn, checked: every row is what its columns say, and every cell is there.
//!
//! What the effects ask for is for the grants to judge; that they make sense at all is judged here, and what does not
//! fails the turn.

use correlator_frame::effect::{HEADER, Header, NO_EVENT};
use correlator_frame::event::COLUMNS_MAX;
use correlator_frame::value::Kind;

use super::describe;
use crate::declaration::Column;
use crate::guest::{Effect, Failure, Rows};
use crate::limit::{self, Limits};
use crate::text::clean;
use crate::wit::listener::correlator::engine::events;

/// The effects of a turn over so many events, or of a tick.
pub(super) fn check(
    call: &'static str,
    turn: events::Turn,
    events: Option<usize>,
    limits: &Limits,
) -> Result<Vec<Effect>, Failure> {
    let broken = |problem| Failure::Broken { call, problem };
    if turn.effects.len() > limit::EFFECTS_PER_TURN_MAX {
        return Err(broken(format!(
            "{} effects; at most {} are allowed",
            turn.effects.len(),
            limit::EFFECTS_PER_TURN_MAX
        )));
    }
    let mut text_bytes = 0;
    let mut effects = Vec::with_capacity(turn.effects.len());
    for said in turn.effects {
        effects.push(effect(said, events, &mut text_bytes).map_err(broken)?);
        if text_bytes > limits.turn_bytes as u64 {
            return Err(broken(format!(
                "its cells and targets name more than {} bytes of text all together (`turn_bytes`)",
                limits.turn_bytes
            )));
        }
    }
    Ok(effects)
}

fn effect(
    said: events::Effect,
    events: Option<usize>,
    text_bytes: &mut u64,
) -> Result<Effect, String> {
    if said.columns.len() > COLUMNS_MAX {
        return Err(format!("an effect of {} columns; at most {COLUMNS_MAX}", said.columns.len()));
    }
    let columns: Vec<_> =
        said.columns.into_iter().map(describe::column).collect::<Result<_, _>>()?;
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].iter().any(|other| other.name == column.name) {
            return Err(format!("an effect declares the column `{}` twice", column.name));
        }
    }
    let words = HEADER + 2 * columns.len();
    if !said.index.len().is_multiple_of(words) {
        return Err(format!("rows of an effect are not {words} words long, as its columns say"));
    }
    // Every request has a target of its own.
    *text_bytes += said.target.len() as u64 * (said.index.len() / words) as u64;
    for (number, cells) in said.index.chunks_exact(words).enumerate() {
        *text_bytes += row(cells, &columns, events, said.text.len())
            .map_err(|problem| format!("row {number} of an effect: {problem}"))?;
    }
    Ok(Effect {
        capability: clean(&said.capability, limit::NAME_BYTES_MAX),
        target: said.target,
        columns,
        rows: Rows { text: said.text, index: said.index },
    })
}

/// Checks a row, and says how many bytes of text its cells name.
fn row(
    row: &[u32],
    columns: &[Column],
    events: Option<usize>,
    text_bytes: usize,
) -> Result<u64, String> {
    let header = Header::read(row);
    if row[0] as usize != row.len() {
        return Err(format!("it says that it has {} words, not {}", row[0], row.len()));
    }
    match events {
        // What is asked for is known by its event. Without one it would be known by the end of its batch, which is another
        // one when the same events are handed over again: so it would be done twice.
        Some(_) if header.event == NO_EVENT => {
            return Err("it is for no event, which only what is asked for in a tick can be".into());
        }
        Some(events) if header.event as usize >= events => {
            return Err(format!("event {} is not in the batch of {events}", header.event));
        }
        None if header.event != NO_EVENT => {
            return Err(format!("it is for event {}, and a tick has none", header.event));
        }
        _ => {}
    }
    let beyond = u32::try_from(columns.len())
        .map_or(0, |count| header.absent.checked_shr(count).unwrap_or(0));
    if beyond != 0 {
        return Err(format!("only its {} columns could be absent", columns.len()));
    }
    let mut named = 0;
    for (place, column) in columns.iter().enumerate() {
        let (a, b) = (row[HEADER + 2 * place], row[HEADER + 2 * place + 1]);
        if header.absent >> place & 1 == 1 {
            if !column.optional {
                return Err(format!("the column `{}` is missing", column.name));
            }
            continue;
        }
        match column.kind {
            Kind::Text if u64::from(a) + u64::from(b) > text_bytes as u64 => {
                let end = u64::from(a) + u64::from(b);
                let name = &column.name;
                return Err(format!(
                    "the column `{name}` ends at byte {end} of {text_bytes} of the text"
                ));
            }
            Kind::Text => named += u64::from(b),
            Kind::Boolean if a > 1 => {
                return Err(format!("the column `{}` is neither 0 nor 1", column.name));
            }
            _ => {}
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use correlator_frame::effect::{Header, NO_EVENT};

    use super::row;

    #[test]
    fn only_what_is_asked_for_in_a_tick_is_for_no_event() {
        let check = |events: Option<usize>, event: u32, expected: Result<u64, &str>| {
            let mut words = Vec::new();
            Header { event, absent: 0 }.write(0, &mut words);
            let found = row(&words, &[], events, 0);
            assert_eq!(found, expected.map_err(str::to_owned), "{events:?} {event}");
        };
        check(Some(2), 0, Ok(0));
        check(Some(2), 1, Ok(0));
        check(Some(2), 2, Err("event 2 is not in the batch of 2"));
        let none = "it is for no event, which only what is asked for in a tick can be";
        check(Some(2), NO_EVENT, Err(none));
        check(None, NO_EVENT, Ok(0));
        check(None, 0, Err("it is for event 0, and a tick has none"));
    }
}
