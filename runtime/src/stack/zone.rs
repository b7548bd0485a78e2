//! Time zones as they are typed: names and fixed offsets.
//!
//! This room must never know whose zone it is.

use jiff::tz::{self, TimeZone};

use super::problem::Wrong;
use super::suggest;
use crate::text::clean;

/// A time zone by its name, or a fixed offset such as `+02:00`.
pub(super) fn read(text: &str) -> Result<TimeZone, Wrong> {
    if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
        return Ok(TimeZone::UTC);
    }
    if text.eq_ignore_ascii_case("system") || text.eq_ignore_ascii_case("local") {
        return Ok(TimeZone::system());
    }
    if let Some(offset) = offset(text) {
        return Ok(TimeZone::fixed(offset));
    }
    tz::db().get(text).map_err(|_| {
        let names: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
        let near = suggest::nearest(text, &names).map(|near| format!("did you mean `{near}`?"));
        let help = near.unwrap_or_else(|| {
            "write a name such as `Europe/Berlin`, `UTC` or an offset such as `+02:00`".to_owned()
        });
        Wrong::new(format!("unknown time zone `{}`", clean(text, 64))).help(help)
    })
}

fn offset(text: &str) -> Option<tz::Offset> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match text[1..].split_once(':') {
        Some(parts) => parts,
        None if text.len() == 5 && text.is_ascii() => text[1..].split_at(2),
        None => (&text[1..], "0"),
    };
    let number = |text: &str| text.parse::<u8>().ok().map(i32::from);
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|&minutes| minutes < 60)?);
    tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}
