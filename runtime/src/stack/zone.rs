//! Time zones as they are typed: names and fixed offsets. And as guests are told of them, who have no list of zones: with
//! every change of the clock.
//!
//! This room must never know whose zone it is.

use std::fmt::Write;

use correlator_frame::value::Kind;
use jiff::Timestamp;
use jiff::tz::{self, TimeZone};

use super::problem::Wrong;
use super::suggest;
use crate::declaration::{OptionSchema, Setting};
use crate::text::clean;

/// An option of this name, if it is a text, is a zone: the stack's, if nobody sets it.
const OPTION: &str = "time_zone";
/// Guests are told of changes of the clock between these moments, in seconds: from 1970 to 2100.
const TOLD: std::ops::Range<i64> = 0..4_102_444_800;

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

/// Whether an option is to be a zone.
pub(super) fn is_wanted(option: &OptionSchema) -> bool {
    option.name == OPTION && option.kind == Kind::Text
}

/// The value of such an option where nobody sets it.
pub(super) fn of_guest(option: &OptionSchema, zone: &TimeZone) -> Option<Setting> {
    is_wanted(option).then(|| Setting::Text(name(zone)))
}

/// What a zone is called.
pub(super) fn name(zone: &TimeZone) -> String {
    let offset =
        || zone.to_fixed_offset().map_or_else(|_| "system".to_owned(), |offset| offset.to_string());
    zone.iana_name().map_or_else(offset, str::to_owned)
}

/// The settings as a guest gets them: of a zone it is told every change of the clock.
pub(crate) fn handed(settings: &[(String, Setting)]) -> Vec<(String, Setting)> {
    let one = |(name, setting): &(String, Setting)| {
        let zone = match setting {
            Setting::Text(text) if name == OPTION => read(text).ok().map(|zone| (text, zone)),
            _ => None,
        };
        let setting = zone
            .map_or_else(|| setting.clone(), |(text, zone)| Setting::Text(spelled(text, &zone)));
        (name.clone(), setting)
    };
    settings.iter().map(one).collect()
}

/// `NAME OFFSET [MOMENT OFFSET]...`: how far the clock is ahead of UTC in 1970, and from which moments on otherwise, all in
/// seconds.
fn spelled(name: &str, zone: &TimeZone) -> String {
    let mut ahead = zone.to_offset(Timestamp::UNIX_EPOCH).seconds();
    let mut text = format!("{name} {ahead}");
    let changes = zone.following(Timestamp::UNIX_EPOCH);
    let told = changes.take_while(|change| TOLD.contains(&change.timestamp().as_second()));
    for change in told {
        // Some change their name alone.
        if change.offset().seconds() != ahead {
            ahead = change.offset().seconds();
            let moment = change.timestamp().as_second();
            // Writing to a text never fails.
            let _ = write!(text, " {moment} {ahead}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{handed, read, spelled};
    use crate::declaration::Setting;

    fn check(name: &str, start: &str, parts: usize, holds: &str) {
        let zone = read(name).expect("a zone");
        let text = spelled(name, &zone);
        assert!(text.starts_with(start), "{text:.80}");
        assert_eq!(text.split(' ').count(), parts, "{text}");
        assert!(text.contains(holds), "{text}");
    }

    #[test]
    fn zones_are_told_with_every_change_of_their_clock() {
        check("UTC", "UTC 0", 2, "");
        check("+02:00", "+02:00 7200", 2, "");
        check("Asia/Kathmandu", "Asia/Kathmandu 19800 504901800 20700", 4, "");
        // Summer time of 2026, and of 2099: the rules that hold now are taken to hold on.
        check(
            "Europe/Berlin",
            "Europe/Berlin 3600 323830800 7200",
            482,
            " 1774746000 7200 1792890000 3600",
        );
        check("Europe/Berlin", "Europe/Berlin 3600", 482, " 4096573200 3600");
    }

    #[test]
    fn only_an_option_of_that_name_is_a_zone() {
        let settings = |value: &str| {
            let text = Setting::Text(value.to_owned());
            vec![("time_zone".to_owned(), text), ("zone".to_owned(), Setting::Text("UTC".into()))]
        };
        assert_eq!(handed(&settings("UTC")), settings("UTC 0"));
        assert_eq!(handed(&settings("")), settings(""));
    }
}
