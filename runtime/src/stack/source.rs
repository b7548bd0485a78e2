//! Where records come from: what was typed, checked.
//!
//! This room must never open anything.
//!
//! # Layout
//! - `key`: the names of a source's parts
//! - `door`: which way its records come, and what belongs to that way
//! - `files`, `framing`: the values of some of them

pub(super) mod door;
pub(super) mod key;

pub(super) mod framing;

mod files;

use std::time::Duration;

use correlator_source::settings::Source;
use jiff::tz::TimeZone;

use self::door::Typed;
use super::fields::Fields;
use super::node::get;
use super::problem::{Place, Problems, Wrong};
use super::raw::RawSource;
use super::{bound, value, zone};
use crate::limit::{self, setting};
use crate::text::clean;

/// The years of dates that can be told in nanoseconds.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=2261;

/// Reads what was typed for one source; and where its door stands.
pub(super) fn read(
    raw: &RawSource,
    stack_zone: &TimeZone,
    problems: &mut Problems,
) -> Option<(Source, Place)> {
    let name = &raw.name;
    let what = format!("source `{}`", clean(&name.text, limit::NAME_BYTES_MAX));
    let node = &raw.node;
    let entries =
        node.map(&format!("the settings of {what}")).map_err(|wrong| match node.scalar("") {
            Ok(text) => wrong.help(format!("write `{}: {}`", key::FILE, clean(text, 64))),
            Err(_) => wrong,
        });
    let entries = problems.take(&node.place, entries)?;
    let found = door::find(entries, &what, &name.place, problems);
    let one = key::DOORS.iter().filter(|name| get(entries, name).is_some()).count() == 1;
    door::fit(entries, &what, found.filter(|_| one).map(|(name, _)| name), problems);
    let (door, node) = found?;
    let mut fields = Fields::new(entries);
    let place = &name.place;
    let typed = Typed { name: door, node, what: &what, place, folder: &raw.folder };
    let door = door::read(&typed, &mut fields, problems);
    let framing_text = get(entries, key::FRAMING).and_then(|node| node.scalar("").ok());
    let framing_text = framing_text.unwrap_or("auto").to_owned();
    let framing = fields.read(key::FRAMING, problems, |node| {
        node.scalar("`auto`, `lines`, `octets` or a trailer").and_then(framing::read)
    });
    let zone = fields
        .read(key::TIME_ZONE, problems, |node| node.scalar("a time zone").and_then(zone::read));
    let year = fields.read(key::YEAR, problems, |node| node.scalar("a year").and_then(self::year));
    let bounds = Duration::ZERO..=setting::LATENESS_MAX;
    let lateness = fields
        .read(key::LATENESS, problems, |node| bound::time("`lateness`", bounds, node))
        .unwrap_or_default();
    let bounds = setting::IDLE_AFTER_MIN..=setting::IDLE_AFTER_MAX;
    let idle_after = fields
        .read(key::IDLE_AFTER, problems, |node| bound::time("`idle_after`", bounds, node))
        .unwrap_or(setting::IDLE_AFTER_DEFAULT);
    let source = Source {
        name: name.text.clone(),
        door: door?,
        framing: framing.flatten(),
        framing_text,
        zone: zone.unwrap_or_else(|| stack_zone.clone()),
        year,
        lateness,
        idle_after,
        typed: fields.typed,
    };
    Some((source, node.place.clone()))
}

/// The year of dates that name none.
pub(super) fn year(text: &str) -> Result<i16, Wrong> {
    let year = value::integer(text)?;
    let (first, last) = (YEARS.start(), YEARS.end());
    i16::try_from(year).ok().filter(|_| YEARS.contains(&year)).ok_or_else(|| {
        Wrong::new(format!("expected a year from {first} to {last}, found `{year}`"))
    })
}
